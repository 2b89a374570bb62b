"""Verbs on tenants and their structure that are more than writing a plain record."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import connection, transaction

from apps.core import events, records, tenancy, turns
from apps.core.actors import Actor
from apps.core.errors import Conflict, FieldError, Invalid
from apps.core.models import new_id
from apps.organizations.calendar_records import first_version
from apps.organizations.events import ORGANIZATION_RESUMED, ORGANIZATION_SUSPENDED
from apps.organizations.lifecycle import LIFECYCLE
from apps.organizations.models import BusinessCalendar, CalendarVersion, Department, Organization
from apps.organizations.rounds import go_round, organization_ids

OFFICE_HOURS, EXTENDED_HOURS, AROUND_THE_CLOCK = "Office hours", "Extended hours", "Around the clock"
DEFAULT_CALENDARS = {
    OFFICE_HOURS: [{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(5)],
    EXTENDED_HOURS: [{"weekday": day, "start": "08:00", "end": "20:00"} for day in range(5)],
    AROUND_THE_CLOCK: [{"weekday": day, "start": "00:00", "end": "24:00"} for day in range(7)],
}


def find_organization(slug: str) -> UUID | None:
    """The id behind a slug, before any tenant is known."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT organization_find(%s)", [slug])
        row = cursor.fetchone()
    return row[0] if row else None


def refuse_demo_in_production() -> None:
    """Raises ImproperlyConfigured when production is about to serve a database with published passwords in it."""
    if settings.ITSM_MODE != "production":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT organization_has_demo()")
        if cursor.fetchone()[0]:
            raise ImproperlyConfigured(
                "The database holds demo organizations, whose passwords are published; use another one."
            )


def for_each_organization(part: str, visit: Callable[[Actor], object]) -> None:
    """Visit every organization, each in its own tenant and transaction, as the platform's `part`.

    One that fails keeps no other from its turn. Raises ExceptionGroup in the end, of all failures.
    """

    def enter(organization_id: UUID, _until: float) -> None:
        with tenancy.tenant(organization_id, via="task"), transaction.atomic():
            visit(Actor.system(organization_id, part))

    go_round(part, organization_ids(), enter)


def create_organization(
    *,
    at: datetime,
    part: str = "",
    actor: Actor | None = None,
    name: str,
    slug: str,
    time_zone: str = "UTC",
    language: str = "en",
    is_operator: bool = False,
    is_demo: bool = False,
) -> Organization:
    """A new tenant. Opens the transaction, because the tenant does not exist before.

    Made by the platform's `part`, or by an `actor` who acts in the organization that is to be: its id is the actor's.
    What belongs to every new organization (roles, calendars) subscribes to `organization.created`.
    Raises Conflict when the slug is taken, Invalid naming each value that is not accepted.
    """
    actor = actor or Actor.system(new_id(), part)
    organization_id = actor.organization_id
    if find_organization(slug) is not None:
        raise Conflict(f"The slug {slug} is taken; accepted: another one.", code="duplicate")
    with tenancy.moved_to(organization_id), transaction.atomic():
        organization = Organization(
            id=organization_id,
            name=name,
            slug=slug,
            time_zone=time_zone,
            language=language,
            is_operator=is_operator,
            is_demo=is_demo,
            created_at=at,
            updated_at=at,
        )
        _refuse_malformed(organization)
        organization.save(force_insert=True)
        changes = {"name": (None, name), "slug": (None, slug), "time_zone": (None, time_zone)}
        events.record("organization.created", organization, actor=actor, at=at, changes=changes)
    return organization


def _refuse_malformed(organization: Organization) -> None:
    try:
        organization.full_clean(exclude=["id"])
    except ValidationError as error:
        problems = [
            FieldError(f"/{name}", str(wrong.code or "invalid"), " ".join(wrong.messages))
            for name, found in error.error_dict.items()
            for wrong in found
        ]
        raise Invalid(errors=problems) from error


def create_default_calendars(organization: Organization, *, at: datetime) -> None:
    """Nine to five and eight to eight from Monday to Friday in its own zone, and always.

    Part of the fact that the organization was created; each with its first version.
    """
    calendars = [
        BusinessCalendar(
            organization_id=organization.pk,
            name=name,
            time_zone=organization.time_zone,
            windows=windows,
            created_at=at,
            updated_at=at,
        )
        for name, windows in DEFAULT_CALENDARS.items()
    ]
    BusinessCalendar.objects.bulk_create(calendars)
    CalendarVersion.objects.bulk_create(first_version(calendar, at=at) for calendar in calendars)


def suspend(organization: Organization, *, actor: Actor, at: datetime, reason: str) -> Organization:
    """Keep everybody of it out from the next request on. Raises Denied or IllegalTransition."""
    return _transition(organization, "suspend", ORGANIZATION_SUSPENDED, actor=actor, at=at, reason=reason)


def resume(organization: Organization, *, actor: Actor, at: datetime) -> Organization:
    """Let them in again. Raises Denied or IllegalTransition."""
    return _transition(organization, "resume", ORGANIZATION_RESUMED, actor=actor, at=at)


def _transition(
    organization: Organization, verb: str, event: str, *, actor: Actor, at: datetime, **given: Any
) -> Organization:
    locked: Organization = Organization.objects.select_for_update().get(pk=organization.pk)
    target = LIFECYCLE.check(locked, verb, actor=actor, at=at, given=given).target_from(locked.status)
    before, locked.status = locked.status, target
    locked.version += 1
    locked.updated_at = at
    locked.save(update_fields=["status", "version", "updated_at"])
    events.record(event, locked, actor=actor, at=at, changes={"status": (before, target)}, **given)
    return locked


def lock_chart(organization_id: UUID) -> None:
    """Let one move at a time happen in an organization's chart, until the transaction ends.

    Taken before any department is locked, so that two opposite moves neither close a circle nor deadlock.
    """
    turns.take(f"departments:{organization_id}")


def change_department(
    department: Department,
    *,
    actor: Actor,
    at: datetime,
    values: Mapping[str, Any],
    beside: events.Changes | None = None,
) -> Department:
    """Change a department, locked after the chart (lock_chart). Raises Invalid when its new parent lies below it."""
    parent_id = values.get("parent_id")
    if parent_id is not None and parent_id != department.parent_id:
        _refuse_cycle(department, parent_id)
    return records.change(department, actor=actor, at=at, values=values, beside=beside)


def _refuse_cycle(department: Department, parent_id: UUID) -> None:
    """Walk up from the new parent."""
    chart: dict[UUID, UUID | None] = dict(Department.objects.values_list("id", "parent_id"))
    above: UUID | None = parent_id
    while above is not None:
        if above == department.pk:
            detail = "A department cannot lie below itself; accepted: one that is not below this one."
            raise Invalid(errors=[FieldError("/parent", "cycle", detail)])
        above = chart.get(above)
