"""The inverted rule: every table is walled, or stands here with its reason and with what the application may write.

An app adds its own through `leave_unwalled` in its ready(); the catalogue check refuses every other table.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unwalled:
    """Why a table holds no tenant's rows. `writes` are the privileges of the application's roles beyond SELECT."""

    reason: str
    writes: frozenset[str] = frozenset()


UNWALLED: dict[str, Unwalled] = {
    "django_migrations": Unwalled("which migrations ran; written by the migrator"),
    "django_content_type": Unwalled("names of models, the same for everybody"),
    "auth_permission": Unwalled("names of Django's permissions, which nothing here asks"),
    "auth_group": Unwalled("Django's groups: unused and not writable, roles take their place"),
    "auth_group_permissions": Unwalled("as auth_group"),
    "django_admin_log": Unwalled("Django's own log: not writable, the audit app takes its place"),
    "core_jobtick": Unwalled("due times of platform jobs", frozenset({"INSERT", "UPDATE", "DELETE"})),
}

# Unique keys that may span tenants, and why.
INSTALLATION_WIDE_KEYS: dict[str, str] = {}


def leave_unwalled(table: str, reason: str, *, writes: frozenset[str] = frozenset()) -> None:
    UNWALLED[table] = Unwalled(reason, writes)


def allow_installation_wide_key(index: str, reason: str) -> None:
    """Let a unique index of a walled table start with something else than the tenant."""
    INSTALLATION_WIDE_KEYS[index] = reason
