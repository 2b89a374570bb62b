"""Mechanism: base models, the wall between tenants, the API's base, lifecycles, events, tasks.

Knows no business term: nothing here may mention a team, a user or a ticket. Its only tables are the platform's own.
"""
