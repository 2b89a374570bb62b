"""What the tests take a shortcut to is what the product writes."""

from typing import Any

from django.utils import timezone

from apps.users.access import create_built_in_roles
from apps.users.models import Grant, Role
from tests.conftest import Tenant


def _roles() -> list[Any]:
    roles = Role.objects.order_by("key").values("name", "key", "description", "requires_mfa", "version")
    grants = Grant.objects.values_list("role__key", "resource", "action", "reach")
    return [list(roles), sorted(grants)]


def test_an_organization_of_the_tests_has_the_roles_of_a_real_one(acme: Tenant) -> None:
    with acme.entered():
        by_shortcut = _roles()
        Grant.objects.all().delete()
        Role.objects.all().delete()
        create_built_in_roles(acme.id, at=timezone.now())
        assert len(by_shortcut[1]) > 300
        assert _roles() == by_shortcut
