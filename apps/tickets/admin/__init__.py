"""Tickets in the admin, by noun."""

from apps.tickets.admin import assignment, configuration, queue, records

__all__ = ["assignment", "configuration", "queue", "records"]
