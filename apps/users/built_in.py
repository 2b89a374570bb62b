"""Built-in roles for organizations and people that were there before them: what migrations run, past the wall.

A migration that follows a change of role_table runs `write_built_in_roles` again. Assignments are given once: later an
administrator may have taken one away.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.users.models import UserType
from apps.users.role_table import BUILT_IN, Table

BATCH = 1000


def write_built_in_roles(apps: Any, schema_editor: Any) -> None:
    """Each organization's four roles, granting exactly what the table says. What says so already stays untouched."""
    at = timezone.now()
    for organization_id in apps.get_model("organizations", "Organization").objects.values_list("pk", flat=True):
        for key, table in BUILT_IN.items():
            _write_role(apps, organization_id, key, table, at)


def assign_built_in_roles(apps: Any, schema_editor: Any) -> None:
    """Each user the built-in role of their type, unless they have it."""
    at = timezone.now()
    RoleAssignment = apps.get_model("users", "RoleAssignment")
    for role in apps.get_model("users", "Role").objects.filter(key__in=BUILT_IN):
        holders = RoleAssignment.objects.filter(role_id=role.pk).exclude(user=None).values("user_id")
        people = apps.get_model("users", "User").objects.filter(
            organization_id=role.organization_id, user_type=role.key
        )
        given = [
            RoleAssignment(
                organization_id=role.organization_id,
                role_id=role.pk,
                user_id=user_id,
                valid_from=at,
                created_at=at,
                updated_at=at,
            )
            for user_id in people.exclude(pk__in=holders).values_list("pk", flat=True)
        ]
        RoleAssignment.objects.bulk_create(given, batch_size=BATCH)


def _write_role(apps: Any, organization_id: UUID, key: str, table: Table, at: datetime) -> None:
    Role, Grant = apps.get_model("users", "Role"), apps.get_model("users", "Grant")
    role, is_new = Role.objects.get_or_create(
        organization_id=organization_id,
        key=key,
        defaults={
            "name": UserType(key).label,
            "description": "Built in; copy it to change it.",
            "created_at": at,
            "updated_at": at,
        },
    )
    wanted = {(resource, str(action), str(reach)) for resource, of in table.items() for action, reach in of.items()}
    grants = Grant.objects.filter(organization_id=organization_id, role_id=role.pk)
    if set(grants.values_list("resource", "action", "reach")) == wanted:
        return
    grants.delete()
    Grant.objects.bulk_create(
        Grant(organization_id=organization_id, role_id=role.pk, resource=resource, action=action, reach=reach)
        for resource, action, reach in sorted(wanted)
    )
    if not is_new:
        # Whoever has the old grants in memory looks them up by the version.
        role.version += 1
        role.updated_at = at
        role.save(update_fields=["version", "updated_at"])
