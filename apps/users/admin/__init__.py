"""The admin's pages of this app, by noun; importing them registers them."""

from apps.users.admin import access, credentials, people, teamwork

__all__ = ["access", "credentials", "people", "teamwork"]
