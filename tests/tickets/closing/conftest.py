"""A desk over weeks that pass as fast as a test says so: its sweeps run at instants of the test's own."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.audit.models import Event
from apps.core.actors import Actor
from apps.incidents import services as incidents
from apps.organizations import calendar_records
from apps.tickets import attachments, conversation, verbs
from apps.tickets.attachment_files import Upload
from apps.tickets.closing import configuring, sweeping
from apps.tickets.models import Countdown, Link, Ticket
from apps.users.rights import actor_now

# A Monday; the cast's organizations count in UTC.
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SOLVED = {"resolution_code": "solution_provided", "resolution_notes": "Restarted."}


@dataclass
class Desk:
    """One organization, with short ways to what happens on its desk."""

    tenant: Any
    requester: Any
    agent: Any

    def entered(self) -> Any:
        return self.tenant.entered()

    def open(self, at: datetime = MONDAY, **values: Any) -> Any:
        with self.entered():
            given = {"title": "Mail is down", "requester_id": self.requester.pk, **values}
            return incidents.create(actor=self.tenant.system, at=at, values=given)

    def do(self, ticket: Any, verb: str, at: datetime, actor: Any = None, **given: Any) -> Ticket:
        with self.entered():
            return verbs.do(ticket, verb, actor=actor or self.tenant.system, at=at, **given)

    def asked(self, at: datetime = MONDAY, **values: Any) -> Any:
        """One that waits for its requester since then."""
        ticket = self.open(at, **values)
        self.do(ticket, "hold", at, reason="awaiting_requester", comment="What do you see?")
        return ticket

    def resolved(self, at: datetime = MONDAY, **values: Any) -> Any:
        ticket = self.open(at, **values)
        self.do(ticket, "resolve", at, **SOLVED)
        return ticket

    def say(self, ticket: Any, user: Any, at: datetime, body: str = "A word.", **more: Any) -> Any:
        with self.entered():
            given = {"visibility": "public", **more}
            return conversation.add_comment(ticket, actor=self.acting(user), at=at, body=body, **given)

    def send(self, ticket: Any, user: Any, at: datetime, name: str = "screen.txt", **more: Any) -> Any:
        """A file, written down as if it were stored."""
        upload = Upload(io.BytesIO(b"x"), name, "text/plain", 1, "0" * 64)
        with self.entered():
            given = {"visibility": "public", "storage_key": str(uuid4()), **more}
            return attachments.add_attachment(ticket, upload, actor=self.acting(user), at=at, **given)

    def acting(self, user: Any) -> Actor:
        actor = actor_now(user.organization_id, user.pk, at=timezone.now(), home_id=user.organization_id)
        assert actor is not None
        return actor

    def terms(self, **values: Any) -> None:
        with self.entered():
            row = configuring.settings(self.tenant.id, at=MONDAY)
            configuring.change(row, actor=self.tenant.system, at=MONDAY, values=values)

    def calendar(self, **values: Any) -> Any:
        windows = [{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(5)]
        given = {"name": "Berlin", "time_zone": "Europe/Berlin", "windows": windows, "exceptions": [], **values}
        with self.entered():
            return calendar_records.create_calendar(actor=self.tenant.system, at=MONDAY, values=given)

    def sweep(self, purpose: str, at: datetime) -> int:
        return sweeping.sweep_organization(self.tenant.id, purpose, at)

    def hourly(self, purpose: str, begin: datetime, end: datetime) -> None:
        """As the scheduled job runs, on the hour."""
        at = begin.replace(minute=0, second=0, microsecond=0)
        while at <= end:
            self.sweep(purpose, at)
            at += HOUR

    def now(self, ticket: Any) -> Ticket:
        with self.entered():
            return Ticket.objects.get(pk=ticket.pk)

    def countdown(self, ticket: Any) -> Countdown | None:
        with self.entered():
            return Countdown.objects.filter(ticket_id=ticket.pk).first()

    def facts(self, ticket: Any, *names: str) -> list[Event]:
        """In the order in which they were recorded; of these names."""
        with self.entered():
            rows = Event.objects.filter(subject_id=ticket.pk).order_by("id")
            return [event for event in rows if not names or event.name.partition(".")[2] in names]

    def follow_ups(self, ticket: Any) -> list[Ticket]:
        """The tickets that follow one up, oldest first."""
        with self.entered():
            links = Link.objects.filter(to_id=ticket.pk, link_type="follow_up_of").values("ticket_id")
            return list(Ticket.objects.filter(pk__in=links).order_by("opened_at", "id"))

    def told(self, ticket: Any, *names: str) -> list[tuple[str, datetime]]:
        return [(event.name.partition(".")[2], event.at) for event in self.facts(ticket, *names)]


@pytest.fixture
def desk(acme: Any, alice: Any, bob: Any) -> Iterator[Desk]:
    yield Desk(acme, bob, alice)
