"""The admin's pages of this app, by noun; importing them registers them."""

from apps.users.admin import credentials, people, teamwork

__all__ = ["credentials", "people", "teamwork"]
