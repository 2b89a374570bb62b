"""Teams with a queue, their people, and what came of the tickets."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.audit.models import Dispatch, Event
from apps.audit.services import deliver
from apps.core import tenancy
from apps.incidents import services
from apps.organizations.models import Team
from apps.tickets import timeline, verbs
from apps.tickets.assignment import sweeping
from apps.tickets.models import AssignmentQueue, Placement, Ticket
from apps.users.models import Presence, Session, TeamMember, User, UserType
from apps.users.rights import actor_for
from tests import factories
from tests.conftest import Tenant

MOST_DELIVERIES = 500


def desk_of(tenant: Tenant, name: str = "Service Desk", **queue: Any) -> "Desk":
    with tenant.entered():
        team = factories.TeamFactory(name=name)
        return Desk(tenant, team, factories.AssignmentQueueFactory(team=team, **queue))


@dataclass
class Desk:
    """One team, and short ways to ask what happens in it."""

    tenant: Tenant
    team: Team
    queue: AssignmentQueue

    # --- its people

    def join(self, name: str, *, presence: str = "available", **values: Any) -> User:
        """A new agent who is signed in and says so; `values` are of the membership, `skills` {skill: level}."""
        skills = values.pop("skills", {})
        with self.tenant.entered():
            user = factories.make_person(
                organization_id=self.tenant.id,
                email=f"{name}@{self.tenant.organization.slug}.example",
                full_name=name.title(),
                user_type=UserType.AGENT,
            )
            member = factories.TeamMemberFactory(team=self.team, user=user, **values)
            for skill, level in skills.items():
                factories.MemberSkillFactory(member=member, skill=skill, level=level)
        self.says(user, presence)
        return user

    def says(self, user: User, status: str, *, minutes_ago: float = 0) -> None:
        """Somebody's presence, with a session as long as they are not offline. No event."""
        since = timezone.now() - timedelta(minutes=minutes_ago)
        with self.tenant.entered():
            Presence.objects.update_or_create(
                organization_id=self.tenant.id, user=user, defaults={"status": status, "since": since}
            )
            if status != "offline" and not Session.objects.filter(user=user, revoked_at=None).exists():
                factories.SessionFactory(
                    user=user, idle_until=since + timedelta(days=400), absolute_until=since + timedelta(days=400)
                )

    def changes(self, **values: Any) -> None:
        """Of the queue."""
        with self.tenant.entered():
            AssignmentQueue.objects.filter(pk=self.queue.pk).update(**values)
            self.queue.refresh_from_db()

    def leads(self, user: User) -> None:
        with self.tenant.entered():
            TeamMember.objects.filter(team=self.team, user=user).update(is_lead=True)

    # --- its tickets

    def opens(self, *, at: datetime | None = None, **values: Any) -> Ticket:
        """A new ticket of this team, opened by the platform for somebody."""
        given = {"title": "Mail is down", "team_id": self.team.pk, **values}
        with self.tenant.entered():
            given.setdefault("requester_id", factories.UserFactory().pk)
            incident = services.create(actor=self.tenant.system, at=at or timezone.now(), values=given)
            return Ticket.objects.get(pk=incident.pk)

    def does(
        self, ticket: Ticket, verb: str, *, by: User | None = None, at: datetime | None = None, **given: Any
    ) -> Ticket:
        at = at or timezone.now()
        with self.tenant.entered():
            actor = self.tenant.system if by is None else actor_for(by, at=at)
            return verbs.do(ticket, verb, actor=actor, at=at, **given)

    def resolves(self, ticket: Ticket, *, by: User | None = None) -> Ticket:
        return self.does(ticket, "resolve", by=by, resolution_code="solution_provided", resolution_notes="Restarted.")

    def now(self, ticket: Ticket) -> Ticket:
        with self.tenant.entered():
            return Ticket.objects.select_related("assignee").get(pk=ticket.pk)

    def owner(self, ticket: Ticket) -> Any:
        return self.now(ticket).assignee

    def owners(self, tickets: list[Ticket]) -> list[Any]:
        return [self.owner(ticket) for ticket in tickets]

    def placement(self, ticket: Ticket) -> Placement:
        with self.tenant.entered():
            return Placement.objects.get(ticket_id=ticket.pk)

    # --- what happens by itself

    def a_minute_passes(self, at: datetime | None = None) -> sweeping.Swept:
        """The job of the minute."""
        return sweeping.sweep_organization(self.tenant.id, at or timezone.now())

    def delivers(self) -> int:
        """Everything that waits for delivery to assignment, in the order in which it was recorded."""
        delivered = 0
        while delivered < MOST_DELIVERIES:
            with self.tenant.entered():
                due = Dispatch.objects.filter(done_at=None, dead_at=None, consumer__startswith="assignment.")
                ids = list(due.order_by("id").values_list("pk", flat=True))
            if not ids:
                break
            for pk in ids:
                with tenancy.tenant(self.tenant.id):
                    assert deliver(self.tenant.id, pk) in {"done", "again"}
            delivered += len(ids)
        return delivered

    def told(self, ticket: Ticket, past: str) -> dict[str, Any]:
        """How the last such fact explains the assignment."""
        with self.tenant.entered():
            events = Event.objects.filter(subject_id=ticket.pk, name=f"incident.{past}").order_by("-id")
            return dict(events[0].data.get("assignment") or {})

    def tells(self, ticket: Ticket, past: str) -> list[str]:
        """Whom channels tell of the last such fact."""
        with self.tenant.entered():
            events = Event.objects.filter(subject_id=ticket.pk, name=f"incident.{past}").order_by("-id")
            return list(events[0].data.get("users") or [])

    def story(self, ticket: Ticket, *, by: User) -> list[str]:
        """The timeline as somebody reads it, oldest first."""
        with self.tenant.entered():
            actor = actor_for(by, at=timezone.now())
            events = list(timeline.facts(ticket, actor).order_by("id"))
            return [entry["summary"] for entry in timeline.told(events, self.now_inside(ticket), actor)]

    def now_of(self, shown: dict[str, Any]) -> Ticket:
        """The ticket that an answer shows."""
        with self.tenant.entered():
            return Ticket.objects.get(pk=shown["id"])

    def now_inside(self, ticket: Ticket) -> Ticket:
        return Ticket.objects.get(pk=ticket.pk)
