"""The migration that gives organizations and people from before the rows their built-in roles."""

import pytest
from django.apps import apps
from django.db import transaction
from django.utils import timezone

from apps.core.authorization import Action
from apps.users.built_in import assign_built_in_roles, write_built_in_roles
from apps.users.models import Grant, Role, RoleAssignment, User
from apps.users.rights import rights_of
from apps.users.role_table import BUILT_IN
from tests.contracts.world import connected_as


def migrate() -> None:
    with connected_as("migrator"), transaction.atomic():
        write_built_in_roles(apps, None)
        assign_built_in_roles(apps, None)


def held(tenant):
    with tenant.entered():
        roles = dict(Role.objects.values_list("key", "version"))
        assignments = set(RoleAssignment.objects.values_list("pk", "user__user_type", "role__key"))
        return roles, assignments, set(Grant.objects.values_list("pk", flat=True))


def before_the_rows(tenant) -> None:
    with tenant.entered():
        Role.objects.all().delete()
        assert not RoleAssignment.objects.exists()


def test_everybody_from_before_the_rows_can_do_what_they_could(fresh_database, acme, globex, dan, alice, mallory):
    for tenant in (acme, globex):
        before_the_rows(tenant)

    migrate()

    for tenant in (acme, globex):
        roles, assignments, _ = held(tenant)
        assert set(roles) == set(BUILT_IN)
        with tenant.entered():
            assert len(assignments) == User.objects.count()
        assert {(kind, key) for _, kind, key in assignments} <= {(key, key) for key in BUILT_IN}
    with acme.entered():
        assert rights_of(dan, at=timezone.now()).decide(Action.VERIFY, "audit").is_allowed
        assert not rights_of(alice, at=timezone.now()).decide(Action.VERIFY, "audit").is_allowed


def test_running_it_again_changes_nothing(fresh_database, acme, dan, alice):
    before = held(acme)

    migrate()

    assert held(acme) == before


@pytest.mark.parametrize("harm", ["missing", "superfluous"])
def test_a_role_that_differs_from_the_table_is_mended_and_gets_a_new_version(fresh_database, acme, dan, harm):
    with acme.entered():
        role = Role.objects.get(key="agent")
        if harm == "missing":
            Grant.objects.filter(role=role, resource="incidents", action="read").delete()
        else:
            Grant.objects.create(
                organization_id=acme.id, role=role, resource="audit", action="verify", reach="organization"
            )

    migrate()

    with acme.entered():
        wanted = {(resource, str(action)) for resource, of in BUILT_IN["agent"].items() for action in of}
        assert set(Grant.objects.filter(role=role).values_list("resource", "action")) == wanted
        assert Role.objects.get(pk=role.pk).version == 2
