"""Tickets in the admin, by noun."""

from apps.tickets.admin import assignment, closing, configuration, queue, records

__all__ = ["assignment", "closing", "configuration", "queue", "records"]
