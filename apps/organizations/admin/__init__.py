"""The admin's pages of this app, by noun; importing them registers them."""

from apps.organizations.admin import calendars, structure

__all__ = ["calendars", "structure"]
