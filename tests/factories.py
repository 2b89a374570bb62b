"""Minimal rows, one factory per model. Call them inside a tenant; organizations make their own."""

from datetime import timedelta
from typing import Any

import factory
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from apps.audit.models import Dispatch, Event
from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.models import DenialCount, IdempotencyKey, Job, JobTick, new_id
from apps.organizations.models import BusinessCalendar, CostCentre, Department, Organization, Site, Team
from apps.users.access import assign_built_in, create_built_in_roles
from apps.users.models import (
    ApiToken,
    ApiTokenUse,
    Grant,
    MemberSkill,
    Role,
    RoleAssignment,
    ServiceAccount,
    Session,
    Skill,
    TeamMember,
    User,
    UserType,
    normalise_email,
)
from tests.sink.models import Arrival, Pulse

PASSWORD = "correct horse battery"
_hashed: list[str] = []


def hashed_password() -> str:
    """Argon2 is slow on purpose; one hash serves every test's users."""
    if not _hashed:
        _hashed.append(make_password(PASSWORD))
    return _hashed[0]


def make_organization(**values: Any) -> Organization:
    """An organization, written inside its own tenant as the wall demands."""
    organization = Organization(id=new_id(), created_at=timezone.now(), updated_at=timezone.now(), **values)
    with tenancy.tenant(organization.pk), transaction.atomic():
        organization.save(force_insert=True)
        create_built_in_roles(organization.pk, at=timezone.now())
    return organization


def make_person(**values: Any) -> User:
    """A user with the built-in role of their type."""
    user: User = UserFactory(**values)
    assign_built_in(user, actor=Actor.system(user.organization_id, "test"), at=user.created_at)
    return user


class OrganizationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Organization

    name = factory.Sequence(lambda n: f"Organization {n}")
    slug = factory.Sequence(lambda n: f"organization-{n}")

    @classmethod
    def _create(cls, model_class: type[Organization], *args: Any, **values: Any) -> Organization:
        return make_organization(**values)


class TenantFactory(factory.django.DjangoModelFactory):
    """Fills the tenant from the one in force."""

    class Meta:
        abstract = True

    organization_id = factory.LazyFunction(tenancy.required_organization_id)


class VersionedFactory(TenantFactory):
    class Meta:
        abstract = True

    created_at = factory.LazyFunction(timezone.now)
    updated_at = factory.LazyFunction(timezone.now)


class SiteFactory(VersionedFactory):
    class Meta:
        model = Site

    name = factory.Sequence(lambda n: f"Site {n}")
    time_zone = "Europe/Berlin"
    address = "1 Main Street"


class CostCentreFactory(VersionedFactory):
    class Meta:
        model = CostCentre

    code = factory.Sequence(lambda n: f"C{n}")
    name = "Costs"


class DepartmentFactory(VersionedFactory):
    class Meta:
        model = Department

    name = factory.Sequence(lambda n: f"Department {n}")


class BusinessCalendarFactory(VersionedFactory):
    class Meta:
        model = BusinessCalendar

    name = factory.Sequence(lambda n: f"Calendar {n}")
    time_zone = "Europe/Berlin"
    windows = factory.LazyFunction(lambda: [{"weekday": 0, "start": "09:00", "end": "17:00"}])


class TeamFactory(VersionedFactory):
    class Meta:
        model = Team

    name = factory.Sequence(lambda n: f"Team {n}")
    description = "Does things"


class UserFactory(VersionedFactory):
    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"user{n}@example.com")
    email_normalised = factory.LazyAttribute(lambda user: normalise_email(user.email))
    full_name = "Somebody"
    user_type = UserType.END_USER
    password = factory.LazyFunction(hashed_password)


class SessionFactory(TenantFactory):
    class Meta:
        model = Session

    user = factory.SubFactory(UserFactory)
    current_hash = "0" * 64
    rotated_at = factory.LazyFunction(timezone.now)
    created_at = factory.LazyFunction(timezone.now)
    idle_until = factory.LazyFunction(lambda: timezone.now() + timedelta(minutes=30))
    absolute_until = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=12))


class EventFactory(TenantFactory):
    class Meta:
        model = Event

    name = "team.created"
    subject_type = "team"
    subject_id = factory.LazyFunction(new_id)
    actor_kind = "system"
    actor_label = "system:test"
    at = factory.LazyFunction(timezone.now)
    recorded_at = factory.LazyFunction(timezone.now)
    via = "command"


class DispatchFactory(TenantFactory):
    class Meta:
        model = Dispatch

    event_id = factory.LazyFunction(new_id)
    consumer = "tests.sink"
    next_at = factory.LazyFunction(timezone.now)


class IdempotencyKeyFactory(TenantFactory):
    class Meta:
        model = IdempotencyKey

    actor_id = factory.LazyFunction(new_id)
    key = factory.Sequence(lambda n: f"key-{n}")
    fingerprint = "0" * 64
    status = 201
    body = "{}"
    created_at = factory.LazyFunction(timezone.now)


class JobFactory(TenantFactory):
    class Meta:
        model = Job

    kind = "test"
    created_at = factory.LazyFunction(timezone.now)


class JobTickFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = JobTick

    name = "test"
    due_at = factory.LazyFunction(timezone.now)
    lease_until = factory.LazyFunction(timezone.now)


class ArrivalFactory(TenantFactory):
    class Meta:
        model = Arrival

    event_id = factory.LazyFunction(new_id)
    arrived_at = factory.LazyFunction(timezone.now)


class RoleFactory(VersionedFactory):
    class Meta:
        model = Role

    name = factory.Sequence(lambda n: f"Role {n}")


class GrantFactory(TenantFactory):
    class Meta:
        model = Grant

    role = factory.SubFactory(RoleFactory)
    resource = "teams"
    action = "read"
    reach = "organization"


class RoleAssignmentFactory(VersionedFactory):
    class Meta:
        model = RoleAssignment

    role = factory.SubFactory(RoleFactory)
    user = factory.SubFactory(UserFactory)
    valid_from = factory.LazyFunction(timezone.now)


class SkillFactory(VersionedFactory):
    class Meta:
        model = Skill

    name = factory.Sequence(lambda n: f"Skill {n}")


class TeamMemberFactory(VersionedFactory):
    class Meta:
        model = TeamMember

    team = factory.SubFactory(TeamFactory)
    user = factory.SubFactory(UserFactory)


class MemberSkillFactory(TenantFactory):
    class Meta:
        model = MemberSkill

    member = factory.SubFactory(TeamMemberFactory)
    skill = factory.SubFactory(SkillFactory)
    level = 3


class PulseFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Pulse

    due_at = factory.LazyFunction(timezone.now)
    ran_at = factory.LazyFunction(timezone.now)


class DenialCountFactory(TenantFactory):
    class Meta:
        model = DenialCount

    actor_id = factory.LazyFunction(new_id)
    minute = factory.LazyFunction(timezone.now)


class ServiceAccountFactory(UserFactory):
    class Meta:
        model = ServiceAccount

    full_name = factory.Sequence(lambda n: f"Integration {n}")
    is_service_account = True
    password = "!"


class ApiTokenFactory(VersionedFactory):
    class Meta:
        model = ApiToken

    user = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"Token {n}")
    prefix = factory.LazyFunction(lambda: new_id().hex[-8:])
    secret_hash = "0" * 64
    scopes = factory.LazyFunction(lambda: ["sites:read"])
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=30))


class ApiTokenUseFactory(TenantFactory):
    class Meta:
        model = ApiTokenUse

    credential = factory.SubFactory(ApiTokenFactory)
    at = factory.LazyFunction(timezone.now)
