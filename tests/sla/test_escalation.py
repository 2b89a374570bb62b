"""Chains: how they begin, climb and end; whom they call, and how often."""

from datetime import timedelta

import pytest

from apps.sla.escalation import climbing, policies
from apps.sla.models import EscalationFiring, EscalationRun
from apps.users import rotas
from apps.users.models import DepartmentHead, TeamMember, User, UserType
from tests import factories
from tests.conftest import person
from tests.sla.conftest import MINUTE, MONDAY

P1 = [{"priority": [1]}]
URGENT = {"impact": 1, "urgency": 1}


def step(minutes, *actions, **more):
    return {"after_minutes": minutes, "actions": list(actions), **more}


def notify(*to):
    return {"do": "notify", "to": list(to)}


CLIMB = [step(1, notify("assignee")), step(2, {"do": "page"}), step(3, notify("department_head"))]


class Ladder:
    """A team with an agent, somebody on call and a head above them."""

    def __init__(self, desk):
        self.desk = desk
        with desk.entered():
            self.team = factories.TeamFactory(name="Desk")
            department = factories.DepartmentFactory()
        self.agent, self.caller, self.head = (
            person(desk.tenant, name, UserType.AGENT) for name in ("anna", "otto", "hedda")
        )
        with desk.entered():
            User.objects.filter(pk__in=[self.agent.pk, self.caller.pk]).update(department=department)
            DepartmentHead.objects.create(
                organization_id=desk.tenant.id, department=department, user=self.head, since=MONDAY
            )
            for user in (self.agent, self.caller):
                TeamMember.objects.create(
                    organization_id=desk.tenant.id, team=self.team, user=user, created_at=MONDAY, updated_at=MONDAY
                )
            self.rota = self.on_call("Desk on call", [self.caller])

    def on_call(self, name, people, **more):
        values = {
            "name": name,
            "team_id": self.team.pk,
            "time_zone": "Europe/Berlin",
            "starts_on": MONDAY.date() - timedelta(days=7),
            "handover_weekday": 0,
            "handover_time": "09:00",
            "members": [user.pk for user in people],
            **more,
        }
        return rotas.create_rota(actor=self.desk.system, at=MONDAY, values=values)

    def policy(self, steps=CLIMB, **values):
        given = {"name": "P1 unattended", "chain": "hierarchical", "match": P1, "steps": steps, **values}
        with self.desk.entered():
            return policies.create(actor=self.desk.system, at=MONDAY, values=given)

    def open(self, at=MONDAY, **values):
        given = {**URGENT, "team_id": self.team.pk, "assignee_id": self.agent.pk, **values}
        return self.desk.open(at, **given)

    def climb(self, at):
        return climbing.climb_organization(self.desk.tenant.id, at)

    def told(self, ticket):
        """Minutes after Monday nine o'clock, how, and the names of whom."""
        names = {str(user.pk): user.full_name for user in (self.agent, self.caller, self.head)}
        return [
            (
                round((event.at - MONDAY) / MINUTE),
                event.name.partition(".")[2],
                sorted(names.get(user, user) for user in event.data["users"]),
            )
            for event in self.desk.told(ticket, "escalation.")
            if event.name in {"escalation.notified", "escalation.paged"}
        ]

    def runs(self, ticket):
        with self.desk.entered():
            rows = EscalationRun.objects.filter(ticket_id=ticket.pk).order_by("began_at", "id")
            return [(row.next_step, row.end_reason) for row in rows]


@pytest.fixture
def ladder(desk):
    return Ladder(desk)


def test_an_unattended_p1_climbs_from_the_agent_to_the_one_on_call_to_the_head(ladder):
    ladder.policy()
    ticket = ladder.open()

    for minute in range(8):
        ladder.climb(MONDAY + minute * MINUTE)

    assert ladder.told(ticket) == [
        (1, "notified", ["Anna"]),
        (3, "paged", ["Otto"]),
        (6, "notified", ["Hedda"]),
    ]
    assert ladder.runs(ticket) == [(3, "exhausted")]
    with ladder.desk.entered():
        assert EscalationFiring.objects.count() == 3


def test_whoever_takes_it_over_stops_the_chain(ladder):
    ladder.policy()
    ticket = ladder.open()
    ladder.climb(MONDAY + MINUTE)
    with ladder.desk.entered():
        from apps.tickets import verbs

        verbs.claim(ticket, actor=ladder.desk.acting(ladder.agent), at=MONDAY + 2 * MINUTE)
    ladder.climb(MONDAY + 10 * MINUTE)

    assert ladder.told(ticket) == [(1, "notified", ["Anna"])]
    assert ladder.runs(ticket) == [(1, "acknowledged")]
