"""What the organization runs: services, and the configuration items they are made of.

Knows nothing of tickets; what a ticket points at is named above this floor.
"""
