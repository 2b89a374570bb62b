"""A desk at work on a policy of its own, at times that the tests choose."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.audit.models import Event
from apps.core import jobs
from apps.core.actors import Actor
from apps.core.models import Job
from apps.incidents import services as incidents
from apps.organizations import calendar_records
from apps.sla import policies, sweeping, withdrawing
from apps.sla.models import LevelFiring, Policy, Segment, Timer
from apps.tickets import conversation, services, verbs
from apps.tickets.models import Ticket
from apps.users.rights import actor_now

# A Monday, ten in the morning in Berlin in winter.
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


@dataclass
class Desk:
    """One organization, by its platform, with short ways to what happens on a desk."""

    tenant: Any
    requester: Any
    agent: Any

    @property
    def system(self) -> Actor:
        return self.tenant.system

    def entered(self) -> Any:
        return self.tenant.entered()

    def only(
        self, content: dict[str, Any], *, agreement: str = "sla", name: str = "Ours", at: datetime = MONDAY
    ) -> Policy:
        """The one policy there is, published."""
        with self.entered():
            for policy in Policy.objects.filter(is_active=True).exclude(name=name):
                Policy.objects.filter(pk=policy.pk).update(is_active=False)
            return self.add(content, agreement=agreement, name=name, at=at)

    def add(
        self, content: dict[str, Any], *, agreement: str = "sla", name: str = "Ours", at: datetime = MONDAY
    ) -> Policy:
        with self.entered():
            policy = policies.create(actor=self.system, at=at, values={"name": name, "agreement": agreement})
            policies.publish(
                policies.draft(policy, actor=self.system, at=at, content=content), actor=self.system, at=at
            )
            return policy

    def office(self, **values: Any) -> str:
        """Nine to five from Monday to Friday in Berlin."""
        windows = [{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(5)]
        given = {"name": "Berlin", "time_zone": "Europe/Berlin", "windows": windows, "exceptions": [], **values}
        with self.entered():
            return str(calendar_records.create_calendar(actor=self.system, at=MONDAY, values=given).pk)

    def open(self, at: datetime = MONDAY, **values: Any) -> Any:
        with self.entered():
            given = {"title": "Mail is down", "requester_id": self.requester.pk, **values}
            return incidents.create(actor=self.system, at=at, values=given)

    def do(self, ticket: Any, verb: str, at: datetime, **given: Any) -> Ticket:
        with self.entered():
            return verbs.do(ticket, verb, actor=self.system, at=at, **given)

    def hold(self, ticket: Any, at: datetime, reason: str = "awaiting_requester") -> Ticket:
        return self.do(ticket, "hold", at, reason=reason, comment="What do you see?")

    def resolve(self, ticket: Any, at: datetime) -> Ticket:
        return self.do(ticket, "resolve", at, resolution_code="solution_provided", resolution_notes="Restarted.")

    def change(self, ticket: Any, at: datetime, **values: Any) -> Ticket:
        with self.entered():
            return services.change(ticket, actor=self.system, at=at, values=values)

    def say(self, ticket: Any, user: Any, at: datetime, *, visibility: str = "public", actor: Any = None) -> None:
        with self.entered():
            conversation.add_comment(
                ticket, actor=actor or self.acting(user), at=at, body="A word.", visibility=visibility
            )

    def acting(self, user: Any) -> Actor:
        actor = actor_now(user.organization_id, user.pk, at=timezone.now(), home_id=user.organization_id)
        assert actor is not None
        return actor

    def timers(self, ticket: Any, **filters: Any) -> list[Timer]:
        with self.entered():
            return list(
                Timer.objects.filter(ticket_id=ticket.pk, **filters).order_by("agreement", "metric", "sequence")
            )

    def timer(self, ticket: Any, metric: str = "resolution", **filters: Any) -> Timer:
        """The last one."""
        return self.timers(ticket, metric=metric, **filters)[-1]

    def segments(self, timer: Timer) -> list[Segment]:
        with self.entered():
            return list(Segment.objects.filter(timer=timer).order_by("number"))

    def firings(self, timer: Timer) -> list[tuple[int | None, str]]:
        with self.entered():
            rows = LevelFiring.objects.filter(timer=timer).order_by("due_at", "level__position")
            return list(rows.values_list("level__percent", "outcome"))

    def told(self, ticket: Any, name: str = "sla.") -> list[Event]:
        with self.entered():
            return list(Event.objects.filter(subject_id=ticket.pk, name__startswith=name).order_by("id"))

    def sweep(self, at: datetime) -> int:
        """Until nothing is due; how many levels."""
        return sweeping.sweep_organization(self.tenant.id, at).levels

    def do_job(self) -> Job:
        """The one that was asked for last, as the worker does it, from its event."""
        with self.entered():
            event = Event.objects.filter(name="job.requested").latest("id")
        with self.entered():
            jobs.run(event)
        with self.entered():
            return Job.objects.get(pk=event.subject_id)

    def withdraw(self, policy: Policy, at: datetime = MONDAY) -> Any:
        """The job that ends what runs by it, if there is anything."""
        with self.entered():
            locked = Policy.objects.select_for_update().get(pk=policy.pk)
            return withdrawing.withdraw(locked, actor=self.system, at=at)

    def stored(self, ticket: Any) -> Ticket:
        with self.entered():
            return Ticket.objects.get(pk=ticket.pk)


@pytest.fixture
def desk(acme: Any, alice: Any, bob: Any) -> Iterator[Desk]:
    yield Desk(acme, bob, alice)


def content(metric: str = "resolution", seconds: int = 4 * 3600, **more: Any) -> dict[str, Any]:
    """A version with one target."""
    target = {"metric": metric, "seconds": seconds, "calendar": more.pop("calendar", None)}
    return {"targets": [target], **more}


def levels(*percents: int, metric: str = "resolution") -> list[dict[str, Any]]:
    return [{"metric": metric, "percent": percent} for percent in percents]
