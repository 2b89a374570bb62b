"""A suspended organization has no turn in anything that time brings; resumed, it gets what is due as after an outage."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from apps.audit.models import Event
from apps.incidents import major, overdue
from apps.incidents import services as incidents
from apps.organizations import services as organizations
from apps.organizations.models import Team
from apps.organizations.rounds import active_among, active_organization_ids, organization_ids
from apps.sla import sweeping as deadlines
from apps.sla.escalation import climbing, policies
from apps.tickets import verbs
from apps.tickets.assignment import configuring
from apps.tickets.assignment import sweeping as assignment
from apps.tickets.closing import sweeping as closing
from apps.users.models import TeamMember
from tests.core.test_figures import read
from tests.incidents.conftest import SOLVED, acting, now_of
from tests.sla.conftest import Desk, content

# What each job does, and the facts in which that shows.
FACTS = (
    "sla.breached",
    "escalation.climbed",
    "incident.update_overdue",
    "incident.closing_announced",
    "incident.assigned",
)
BEHIND = (
    "itsm_sla_due_timers",
    "itsm_escalation_due_steps",
    "itsm_major_due_alarms",
    "itsm_countdown_due_tickets",
    "itsm_queue_waiting_tickets",
)


@pytest.fixture
def neglected(acme, alice, bob, carol):
    """Days ago: one whose deadline, chain and public update nobody keeps, one resolved, and one that waits for a member to come."""
    long_ago = timezone.now() - timedelta(days=30)
    Desk(acme, bob, alice).only(content(seconds=3600), at=long_ago)
    with acme.entered():
        team = Team.objects.create(organization_id=acme.id, name="Mail", created_at=long_ago, updated_at=long_ago)
        configuring.create_queue(
            actor=acme.system,
            at=long_ago,
            values={"team_id": team.pk, "needs_presence": False, "needs_shift": False},
        )
        step = {"after_minutes": 1, "actions": [{"do": "notify", "to": ["assignee"]}]}
        values = {"name": "P1", "chain": "hierarchical", "match": [{"priority": [1]}], "steps": [step]}
        policies.create(actor=acme.system, at=long_ago, values=values)
        create = partial(incidents.create, actor=acme.system, at=long_ago)
        urgent = {"title": "Down", "requester_id": bob.pk, "impact": 1, "urgency": 1, "assignee_id": alice.pk}
        grave = create(values=urgent)
        major.propose(grave, actor=acting(carol), at=long_ago, reason="x")
        major.accept(grave, actor=acting(carol), at=long_ago, reason="x")
        solved = create(values={"title": "Slow", "requester_id": bob.pk})
        verbs.do(solved, "resolve", actor=acme.system, at=long_ago, **SOLVED)
        waiting = create(values={"title": "New", "requester_id": bob.pk, "team_id": team.pk})
        TeamMember.objects.create(
            organization_id=acme.id, team=team, user=alice, created_at=long_ago, updated_at=long_ago
        )
    return waiting


def everything(now):
    deadlines.sweep(now)
    climbing.climb(now)
    overdue.sweep(now)
    assignment.sweep(now)
    for purpose in ("until", "asking", "closing"):
        closing.sweep(purpose, lambda: now)


def test_what_is_due_in_a_suspended_organization_waits_and_no_figure_tells_of_it(
    *, fresh_database, acme, globex, neglected
):
    now = timezone.now()
    with acme.entered():
        organizations.suspend(acme.organization, actor=acme.system, at=now, reason="unpaid")
        before = Event.objects.count()

    everything(now)

    with acme.entered():
        assert Event.objects.count() == before
    assert (acme.id in active_organization_ids(), acme.id in organization_ids()) == (False, True)
    assert active_among([acme.id, globex.id]) == [globex.id]
    samples = read()[1]
    assert {value for (name, _), value in samples.items() if name in BEHIND} <= {0.0}
    assert assignment.status(now) == assignment.Queue(0, 0)

    with acme.entered():
        organizations.resume(acme.organization, actor=acme.system, at=now)
    shown = read()[1]
    assert {name for (name, _), value in shown.items() if name in BEHIND and value > 0} == set(BEHIND)
    everything(now)
    everything(now)

    with acme.entered():
        told = [Event.objects.filter(name=name, recorded_at__gte=now).values_list("data", flat=True) for name in FACTS]
        # Once each, whatever went by meanwhile: of the alarms the one of the interval that runs, which says how many did.
        # Two were open, and the deadline of each is broken once.
        assert [len(found) for found in told] == [2, 1, 1, 1, 1]
        breached = Event.objects.filter(name=FACTS[0], recorded_at__gte=now).values_list("subject_id", flat=True)
        assert (len(set(breached)), neglected.pk in breached) == (2, True)
        (alarm,), (climbed,), (announced,) = told[2], told[1], told[3]
        assert (alarm["untold"], climbed["step"], announced["number"]) == (alarm["number"] - 1, 1, 1)
        assert now_of(neglected).assignee is not None
