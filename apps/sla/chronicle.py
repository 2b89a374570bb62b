"""What an organization promised at any moment of its history, worked out backwards from today by the log.

A moment is the id of an event or of a row: made in the order of time, they place both among each other.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace
from uuid import UUID

from apps.audit.models import Event
from apps.organizations.calendars import hours_of
from apps.organizations.models import CalendarVersion
from apps.sla import library
from apps.sla.book import Book, Hours
from apps.sla.choices import Selection
from apps.sla.models import Policy, PolicyVersion, Settings

CREATED, UPDATED, PUBLISHED = "sla_policy.created", "sla_policy.updated", "sla_policy.published"
WITHDRAWN, SETTINGS = "sla_policy.withdrawn", "sla_settings.updated"


@dataclass(frozen=True, slots=True)
class Standing:
    """One policy at one moment."""

    position: int
    is_active: bool
    published: UUID | None


@dataclass(frozen=True, slots=True)
class Promises:
    """All policies at one moment."""

    policies: dict[UUID, Standing]
    selection: str


class Chronicle:
    """Read once, in the organization's transaction; out of date as soon as the settings' stamp is another."""

    def __init__(self) -> None:
        self.stamp = current_stamp()
        self._versions = {row.pk: row for row in PolicyVersion.objects.select_related("policy")}
        facts = Event.objects.filter(name__in=(CREATED, UPDATED, PUBLISHED, WITHDRAWN, SETTINGS))
        events = list(facts.order_by("id"))
        self._moments, self._promises = _backwards(events)
        calendars = list(CalendarVersion.objects.order_by("id"))
        self._calendar_moments = [row.pk for row in calendars]
        self._calendars = calendars
        self._books: dict[tuple[int, int], Book] = {}

    def book(self, moment: UUID) -> Book:
        """What a timer was chosen by then."""
        place = bisect_left(self._moments, moment)
        calendars = bisect_left(self._calendar_moments, moment)
        if (place, calendars) not in self._books:
            self._books[place, calendars] = self._compiled(self._promises[place], calendars)
        return self._books[place, calendars]

    def version(self, pk: UUID) -> PolicyVersion:
        return self._versions[pk]

    def _compiled(self, promises: Promises, calendars: int) -> Book:
        published = sorted(
            (standing.position, standing.published)
            for standing in promises.policies.values()
            if standing.is_active and standing.published in self._versions
        )
        rules = library.compiled([self._versions[pk] for _, pk in published if pk is not None])
        newest = {row.calendar_id: row for row in self._calendars[:calendars]}
        hours = {pk: Hours(row.pk, hours_of(row)) for pk, row in newest.items()}
        return Book(tuple(rules), hours, promises.selection)


def current_stamp() -> UUID | None:
    return Settings.objects.values_list("stamp", flat=True).first()


def _backwards(events: list[Event]) -> tuple[list[UUID], list[Promises]]:
    """The moments at which promises changed, and what held before the first, between them, and after the last."""
    before_this: dict[UUID, UUID | None] = {}
    last: dict[UUID, UUID] = {}
    for event in events:
        if event.name == PUBLISHED:
            before_this[event.id] = last.get(event.subject_id)
            last[event.subject_id] = UUID(event.data["policy_version"])
    policies = {
        policy.pk: Standing(policy.position, policy.is_active, last.get(policy.pk)) for policy in Policy.objects.all()
    }
    selection = Settings.objects.values_list("selection", flat=True).first() or Selection.FIRST_MATCH.value
    promises = [Promises(dict(policies), selection)]
    for event in reversed(events):
        standing = policies.get(event.subject_id)
        if event.name == SETTINGS:
            selection = event.changes.get("selection", [selection])[0]
        elif event.name == CREATED:
            policies.pop(event.subject_id, None)
        elif standing is not None:
            old = {name: event.changes[name][0] for name in ("position", "is_active") if name in event.changes}
            old |= {"published": before_this[event.id]} if event.name == PUBLISHED else {}
            policies[event.subject_id] = replace(standing, **old)
        promises.append(Promises(dict(policies), selection))
    return [event.id for event in events], promises[::-1]
