"""Tickets in the admin, by noun."""

from apps.tickets.admin import configuration, queue, records

__all__ = ["configuration", "queue", "records"]
