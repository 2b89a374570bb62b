"""Chains: how they begin, climb and end; whom they call, and how often."""

from datetime import timedelta

import pytest

from apps.core import events, records
from apps.core.errors import Conflict, Invalid
from apps.incidents.models import Incident
from apps.organizations.models import Department
from apps.sla import policies as promises
from apps.sla.escalation import carrying, climbing, notices, policies
from apps.sla.escalation.notices import NOTICE, PAGE, Word
from apps.sla.models import Acknowledgement, EscalationFiring, EscalationPolicy, EscalationRun
from apps.tickets import services, verbs
from apps.tickets.assignment import sweeping
from apps.tickets.models import Ticket
from apps.users import rosters, rotas
from apps.users.models import DepartmentHead, TeamMember, User, UserType
from tests import factories
from tests.conftest import person
from tests.core.racing import at_once
from tests.sla.conftest import HOUR, MINUTE, MONDAY, content
from tests.sla.test_actions import act

P1 = [{"priority": [1]}]
URGENT = {"impact": 1, "urgency": 1}
NOBODY = "01900000-0000-7000-8000-000000000000"


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


def test_the_timeline_reads_like_a_story(ladder, api):
    ladder.policy()
    ticket = ladder.open()
    for minute in range(5):
        ladder.climb(MONDAY + minute * MINUTE)
    answer = api(ladder.agent).post(f"/api/v1/tickets/{ticket.pk}/acknowledge/", {})

    assert (answer.status_code, answer.json()["acknowledged_by"]) == (200, str(ladder.agent.pk))
    told = api(ladder.agent).get(f"/api/v1/tickets/{ticket.pk}/timeline/", {"page_size": 100}).json()["results"]
    sentences = [row["summary"] for row in told if row["event"].startswith("escalation.")]
    assert sorted(sentences) == sorted(
        [
            "The platform began to escalate by P1 unattended, because nobody has it in hand; first step 2026-03-02 09:01:00 UTC",
            "The platform told Anna: P1 unattended, step 1 of 3",
            "The platform took step 1 of 3 of P1 unattended: calls on Anna",
            "The platform called Otto: P1 unattended, step 2 of 3",
            "The platform took step 2 of 3 of P1 unattended: calls on Otto",
            "Anna has it in hand",
            "Anna stopped P1 unattended: somebody has it in hand",
        ]
    )
    with ladder.desk.entered():
        assert Incident.objects.get(pk=ticket.pk).acknowledged_at is not None


def by(ladder, ticket, verb, at, user=None, **given):
    """What a person does, not the platform."""
    with ladder.desk.entered():
        return verbs.do(ticket, verb, actor=ladder.desk.acting(user or ladder.agent), at=at, **given)


def claim(ladder, ticket, at):
    by(ladder, ticket, "claim", at)


def answer(ladder, ticket, at, **more):
    ladder.desk.say(ticket, ladder.agent, at, **more)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (claim, "acknowledged"),
        (answer, "acknowledged"),
        (lambda ladder, ticket, at: by(ladder, ticket, "hold", at, reason="awaiting_vendor"), "acknowledged"),
        (lambda ladder, ticket, at: by(ladder, ticket, "start", at), "acknowledged"),
        (lambda ladder, ticket, at: ladder.desk.resolve(ticket, at), "finished"),
        (lambda ladder, ticket, at: ladder.desk.do(ticket, "cancel", at, reason="Not ours"), "finished"),
        (lambda ladder, ticket, at: ladder.desk.change(ticket, at, impact=3), "unmatched"),
    ],
)
def test_whoever_comes_or_makes_it_pointless_stops_the_chain(ladder, act, reason):
    ladder.policy()
    ticket = ladder.open()
    ladder.climb(MONDAY + MINUTE)

    act(ladder, ticket, MONDAY + 2 * MINUTE)
    ladder.climb(MONDAY + 10 * MINUTE)

    assert ladder.told(ticket) == [(1, "notified", ["Anna"])]
    assert ladder.runs(ticket) == [(1, reason)]


@pytest.mark.parametrize(
    "act",
    [
        lambda ladder, ticket, at: answer(ladder, ticket, at, visibility="internal"),
        lambda ladder, ticket, at: ladder.desk.say(ticket, ladder.desk.requester, at),
        lambda ladder, ticket, at: ladder.desk.do(ticket, "assign", at, assignee_id=ladder.caller.pk),
        lambda ladder, ticket, at: ladder.desk.do(ticket, "start", at),
        lambda ladder, ticket, at: ladder.desk.hold(ticket, at),
    ],
)
def test_what_no_agent_did_for_the_requester_does_not_stop_it(ladder, act):
    ladder.policy()
    ticket = ladder.open()

    act(ladder, ticket, MONDAY + MINUTE / 2)
    ladder.climb(MONDAY + MINUTE)

    assert ladder.runs(ticket) == [(1, "")]


def test_what_is_reopened_or_given_to_another_team_is_nobodys_again(ladder):
    ladder.policy()
    ticket = ladder.open()
    claim(ladder, ticket, MONDAY)
    with ladder.desk.entered():
        other = factories.TeamFactory()
    ladder.desk.do(ticket, "assign", MONDAY + MINUTE, team_id=other.pk)
    assert ladder.runs(ticket) == [(0, "acknowledged"), (0, "")]

    claim(ladder, ticket, MONDAY + 2 * MINUTE)
    ladder.desk.resolve(ticket, MONDAY + 3 * MINUTE)
    ladder.desk.do(ticket, "reopen", MONDAY + 4 * MINUTE, reason="Still dead")
    assert [reason for _, reason in ladder.runs(ticket)] == ["acknowledged", "acknowledged", ""]


@pytest.mark.parametrize(
    ("given", "who"),
    [({"assignee_id": None}, "platform"), ({"assignee_id": "caller"}, "platform"), ({"assignee_id": None}, "agent")],
)
def test_what_was_claimed_and_is_taken_away_or_given_up_escalates_again(ladder, given, who):
    ladder.policy([step(5, notify("team_lead"))])
    ticket = ladder.open(assignee_id=None)
    claim(ladder, ticket, MONDAY + MINUTE)
    to = {name: ladder.caller.pk if value else None for name, value in given.items()}
    at = MONDAY + 2 * MINUTE
    if who == "agent":
        by(ladder, ticket, "assign", at, **to)
    else:
        ladder.desk.do(ticket, "assign", at, **to)

    assert ladder.runs(ticket) == [(0, "acknowledged"), (0, "")]
    ladder.climb(MONDAY + 7 * MINUTE)
    assert ladder.told(ticket) == [(7, "notified", ["Hedda"])]


def test_who_has_it_in_hand_and_takes_it_over_or_is_given_it_goes_on_having_it(ladder):
    ladder.policy()
    first, second = ladder.open(assignee_id=None), ladder.open(assignee_id=None)
    for ticket in (first, second):
        answer(ladder, ticket, MONDAY + MINUTE / 2)
    claim(ladder, first, MONDAY + MINUTE)
    ladder.desk.do(second, "assign", MONDAY + MINUTE, assignee_id=ladder.agent.pk)

    assert (ladder.runs(first), ladder.runs(second)) == ([(0, "acknowledged")], [(0, "acknowledged")])


def test_the_requesters_reply_resumes_it_and_nobody_has_it_in_hand_by_that(ladder):
    with ladder.desk.entered():
        other = factories.TeamFactory()
    ladder.policy()
    ticket = ladder.open()
    by(ladder, ticket, "hold", MONDAY, reason="awaiting_requester", comment="Which room?")
    ladder.desk.do(ticket, "assign", MONDAY + MINUTE, team_id=other.pk)
    ladder.desk.say(ticket, ladder.desk.requester, MONDAY + 2 * MINUTE)

    assert ladder.desk.stored(ticket).status == "in_progress"
    assert ladder.runs(ticket) == [(0, "acknowledged"), (0, "")]
    with ladder.desk.entered():
        assert not Acknowledgement.objects.filter(ticket_id=ticket.pk).exists()


def test_what_follows_its_parent_or_the_clock_is_in_nobodys_hand(ladder):
    ladder.policy()
    parent = ladder.open(impact=3)
    child = ladder.open(parent_id=parent.pk)
    by(ladder, parent, "start", MONDAY + MINUTE / 2)
    assert (ladder.desk.stored(child).status, ladder.runs(child)) == ("in_progress", [(0, "")])

    waiting = ladder.open()
    until = MONDAY + HOUR
    with ladder.desk.entered():
        system = ladder.desk.system
        verbs.hold(waiting, actor=system, at=MONDAY, reason="scheduled", until=until)
        verbs.resume(waiting, actor=system, at=until, because="time_has_come")
    assert ladder.runs(waiting) == [(0, "")]


def test_a_restored_ticket_is_unattended_again(ladder):
    ladder.policy()
    ticket = ladder.open()
    with ladder.desk.entered():
        services.delete(ladder.desk.stored(ticket), actor=ladder.desk.system, at=MONDAY + MINUTE / 2)
    with ladder.desk.entered():
        services.restore(Ticket.objects.get(pk=ticket.pk), actor=ladder.desk.system, at=MONDAY + 2 * MINUTE)

    assert ladder.runs(ticket) == [(0, "finished"), (0, "")]
    ladder.climb(MONDAY + 3 * MINUTE)
    assert ladder.told(ticket) == [(3, "notified", ["Anna"])]


def test_who_only_asked_for_it_does_not_stop_it_whatever_they_may_change(ladder, api):
    vera = person(ladder.desk.tenant, "vera", UserType.END_USER)
    with ladder.desk.entered():
        role = factories.RoleFactory(name="Changes their own")
        factories.GrantFactory(role=role, resource="incidents", action="update", reach="own")
        factories.RoleAssignmentFactory(user=vera, role=role)
    ladder.policy()
    ticket = ladder.open(requester_id=vera.pk)
    answered = api(vera).post(f"/api/v1/tickets/{ticket.pk}/acknowledge/", {})
    by(ladder, ticket, "start", MONDAY + MINUTE / 2, user=vera)

    assert (answered.status_code, ladder.desk.stored(ticket).status) == (403, "in_progress")
    assert ladder.runs(ticket) == [(0, "")]


def test_a_step_repeats_and_one_person_hears_at_most_once_in_five_minutes(ladder):
    ladder.policy([step(0, {"do": "page"}, repeats=6, repeat_minutes=1)])
    ticket = ladder.open()

    for half in range(30):
        ladder.climb(MONDAY + half * MINUTE / 2)

    assert ladder.told(ticket) == [(0, "paged", ["Otto"]), (5, "paged", ["Otto"]), (10, "paged", ["Otto"])]
    with ladder.desk.entered():
        assert EscalationFiring.objects.count() == 7, "each repetition is written down, heard at once or not"


def test_what_was_kept_for_somebody_is_dropped_once_somebody_came(ladder):
    ladder.policy([step(0, {"do": "page"}), step(2, {"do": "page"})])
    ticket = ladder.open()
    ladder.climb(MONDAY)
    ladder.climb(MONDAY + 2 * MINUTE)
    answer(ladder, ticket, MONDAY + 3 * MINUTE)
    ladder.climb(MONDAY + 6 * MINUTE)

    assert ladder.told(ticket) == [(0, "paged", ["Otto"])]


def test_whoever_is_paged_is_not_notified_beside_and_several_are_told_by_one_event(ladder):
    ladder.policy([step(0, notify("team", "department_head"), {"do": "page"})])
    ticket = ladder.open()
    ladder.climb(MONDAY)

    assert ladder.told(ticket) == [(0, "notified", ["Anna", "Hedda"]), (0, "paged", ["Otto"])]


def test_a_functional_chain_hands_it_on_team_by_team_and_does_not_end_by_its_own_doing(ladder):
    with ladder.desk.entered():
        second, third = factories.TeamFactory(name="Second"), factories.TeamFactory(name="Third")
    ladder.policy(
        [step(1, {"do": "reassign", "team": str(second.pk)}), step(5, {"do": "reassign", "team": str(third.pk)})],
        chain="functional",
        match=[{"team": [str(ladder.team.pk)], "priority": [1]}],
    )
    ticket = ladder.open()

    ladder.climb(MONDAY + MINUTE)
    assert ladder.desk.stored(ticket).team_id == second.pk
    ladder.climb(MONDAY + 6 * MINUTE)
    after = ladder.desk.stored(ticket)
    assert (after.team_id, after.assignee_id, after.reassignment_count) == (third.pk, None, 2)
    assert ladder.runs(ticket) == [(2, "exhausted")]


def test_a_change_of_team_by_hand_ends_a_chain_that_is_not_for_the_new_team(ladder):
    with ladder.desk.entered():
        second = factories.TeamFactory(name="Second")
    ladder.policy(match=[{"team": [str(ladder.team.pk)]}])
    ticket = ladder.open()
    ladder.desk.do(ticket, "assign", MONDAY + MINUTE / 2, team_id=second.pk)

    assert ladder.runs(ticket) == [(0, "unmatched")]


def test_nobody_there_is_passed_over_and_said(ladder):
    ladder.policy([step(1, notify("watchers")), step(30, notify("department_head"))])
    ticket = ladder.open()
    ladder.climb(MONDAY + MINUTE)

    assert ladder.told(ticket) == [(1, "notified", ["Hedda"])], "a step that reaches nobody is not waited for"
    (first, _) = ladder.desk.told(ticket, "escalation.climbed")
    assert first.data["left_out"] == ["nobody is watchers", "notify: there is nobody to tell"]


def test_without_anybody_on_call_the_lead_is_called_and_without_a_lead_the_head(ladder):
    with ladder.desk.entered():
        rotas.delete_rota(ladder.rota, actor=ladder.desk.system, at=MONDAY)
    ladder.policy([step(0, {"do": "page"})])
    first = ladder.open()
    ladder.climb(MONDAY)
    with ladder.desk.entered():
        TeamMember.objects.filter(user=ladder.agent).update(is_lead=True)
    second = ladder.open()
    ladder.climb(MONDAY)

    assert (ladder.told(first), ladder.told(second)) == ([(0, "paged", ["Hedda"])], [(0, "paged", ["Anna"])])


def test_the_second_layer_is_called_where_the_first_names_nobody_and_when_a_step_says_so(ladder):
    night = [{"weekday": day, "start": "20:00", "end": "06:00"} for day in range(7)]
    with ladder.desk.entered():
        rotas.change_rota(ladder.rota, actor=ladder.desk.system, at=MONDAY, values={"hours": night})
        ladder.on_call("Backup", [ladder.head], layer=2)
    ladder.policy([step(0, {"do": "page"}), step(60, {"do": "page", "layer": 2})])
    by_day, by_night = ladder.open(), ladder.open(MONDAY + 12 * HOUR)
    ladder.climb(MONDAY)
    ladder.climb(MONDAY + 12 * HOUR)
    ladder.climb(MONDAY + 13 * HOUR)

    assert ladder.told(by_day)[0] == (0, "paged", ["Hedda"])
    assert ladder.told(by_night) == [(720, "paged", ["Otto"]), (780, "paged", ["Hedda"])]


@pytest.mark.parametrize("reason", ["deactivated", "absent"])
def test_the_second_layer_is_called_where_nobody_of_the_first_can_be(ladder, reason):
    with ladder.desk.entered():
        ladder.on_call("Backup", [ladder.head], layer=2)
        if reason == "absent":
            factories.AbsenceFactory(user=ladder.caller, starts_at=MONDAY - HOUR, ends_at=MONDAY + HOUR)
        else:
            User.objects.filter(pk=ladder.caller.pk).update(is_active=False)
    ladder.policy([step(0, {"do": "page"})])
    ticket = ladder.open()
    ladder.climb(MONDAY)

    assert ladder.told(ticket) == [(0, "paged", ["Hedda"])]


def test_who_is_away_and_the_only_one_is_called_and_who_has_left_is_not(ladder):
    with ladder.desk.entered():
        factories.AbsenceFactory(user=ladder.caller, starts_at=MONDAY - HOUR, ends_at=MONDAY + HOUR)
    ladder.policy([step(0, {"do": "page"})])
    first = ladder.open()
    ladder.climb(MONDAY)
    with ladder.desk.entered():
        User.objects.filter(pk=ladder.caller.pk).update(is_active=False)
        (answer,) = rosters.on_call([ladder.rota], at=MONDAY, now=MONDAY)
    second = ladder.open()
    ladder.climb(MONDAY)

    assert ladder.told(first) == [(0, "paged", ["Otto"])]
    assert (answer.user_id, answer.is_reached, answer.because[-1]) == (None, False, "nobody else can be called")
    assert ladder.told(second) == [(0, "paged", ["Hedda"])], "there is no lead"


def test_a_head_who_has_left_does_not_end_the_climb(ladder):
    boss = person(ladder.desk.tenant, "bruno", UserType.AGENT)
    with ladder.desk.entered():
        above = factories.DepartmentFactory()
        Department.objects.filter(headed_by__user=ladder.head).update(parent=above)
        DepartmentHead.objects.create(organization_id=ladder.desk.tenant.id, department=above, user=boss, since=MONDAY)
        User.objects.filter(pk=ladder.head.pk).update(is_active=False)
    ladder.policy([step(0, notify("department_head"))])
    ticket = ladder.open()
    ladder.climb(MONDAY)

    assert ladder.told(ticket) == [(0, "notified", [str(boss.pk)])]


def test_a_step_that_was_to_do_something_else_than_reach_people_is_waited_for_all_the_same(ladder):
    ladder.policy(
        [step(1, notify("assignee")), step(10, {"do": "raise_priority"}), step(30, notify("department_head"))]
    )
    ticket = ladder.open()
    for minute in range(42):
        ladder.climb(MONDAY + minute * MINUTE)

    assert ladder.told(ticket) == [(1, "notified", ["Anna"]), (41, "notified", ["Hedda"])]


def test_a_layer_that_a_team_does_not_have_is_no_rota_that_is_gone(ladder):
    ladder.policy([step(0, {"do": "page", "layer": 2})])
    ticket = ladder.open()
    with ladder.desk.entered():
        rotas.delete_rota(ladder.rota, actor=ladder.desk.system, at=MONDAY)
    ladder.climb(MONDAY)

    (taken,) = ladder.desk.told(ticket, "escalation.climbed")
    assert taken.data["left_out"][0] == "nobody is on call; the team lead instead"


def test_who_is_out_of_office_is_replaced_by_their_delegate(ladder):
    with ladder.desk.entered():
        factories.AbsenceFactory(
            user=ladder.agent, delegate=ladder.caller, starts_at=MONDAY - HOUR, ends_at=MONDAY + HOUR
        )
    ladder.policy([step(0, notify("assignee"))])
    ticket = ladder.open()
    ladder.climb(MONDAY)

    assert ladder.told(ticket) == [(0, "notified", ["Otto"])]


def test_steps_wait_by_the_calendar(ladder):
    office = ladder.desk.office()
    ladder.policy([step(60, notify("assignee"))], calendar_id=office)
    ticket = ladder.open(MONDAY + 7 * HOUR - 30 * MINUTE)

    with ladder.desk.entered():
        (run,) = EscalationRun.objects.filter(ticket_id=ticket.pk)
    assert run.next_due_at == MONDAY + 23 * HOUR + 30 * MINUTE, "half an hour on Monday, half an hour on Tuesday"


def test_after_a_long_outage_each_step_still_waits_its_time(ladder):
    ladder.policy()
    ticket = ladder.open()
    late = MONDAY + 60 * MINUTE
    for minute in range(8):
        ladder.climb(late + minute * MINUTE)

    assert [minute for minute, _, _ in ladder.told(ticket)] == [60, 62, 65]


def test_somebody_who_escalates_by_hand_hurries_the_chain(ladder):
    ladder.policy([step(30, notify("assignee")), step(30, notify("department_head"))])
    ticket = ladder.open()
    with ladder.desk.entered():
        actor = ladder.desk.acting(ladder.agent)
        verbs.escalate(ticket, actor=actor, at=MONDAY + MINUTE, to="hierarchical", reason="The line stands")
    ladder.climb(MONDAY + MINUTE)

    assert ladder.told(ticket) == [(1, "notified", ["Anna"])]


def escalate(ladder, ticket, at, **more):
    by(ladder, ticket, "escalate", at, to="hierarchical", reason="The line stands", **more)


def test_escalating_by_hand_while_a_step_repeats_takes_the_next_step(ladder):
    ladder.policy([step(1, notify("assignee"), repeats=2, repeat_minutes=10), step(3, notify("department_head"))])
    ticket = ladder.open()
    ladder.climb(MONDAY + MINUTE)
    escalate(ladder, ticket, MONDAY + 2 * MINUTE)
    escalate(ladder, ticket, MONDAY + 2 * MINUTE)
    ladder.climb(MONDAY + 2 * MINUTE)

    assert ladder.told(ticket) == [(1, "notified", ["Anna"]), (2, "notified", ["Hedda"])]
    assert ladder.runs(ticket) == [(2, "exhausted")]


def test_escalating_by_hand_on_the_last_step_takes_its_next_repetition(ladder):
    ladder.policy([step(0, notify("assignee"), repeats=2, repeat_minutes=60)])
    ticket = ladder.open()
    ladder.climb(MONDAY)
    escalate(ladder, ticket, MONDAY + 6 * MINUTE)
    ladder.climb(MONDAY + 6 * MINUTE)
    ladder.climb(MONDAY + 65 * MINUTE)
    ladder.climb(MONDAY + 66 * MINUTE)

    assert [minute for minute, _, _ in ladder.told(ticket)] == [0, 6, 66]
    with ladder.desk.entered():
        assert list(EscalationFiring.objects.order_by("round").values_list("step", "round")) == [(0, 0), (0, 1), (0, 2)]
    assert ladder.runs(ticket) == [(1, "exhausted")]


def test_without_a_policy_an_escalation_by_hand_tells_the_head(ladder):
    ticket = ladder.open()
    with ladder.desk.entered():
        actor = ladder.desk.acting(ladder.agent)
        verbs.escalate(ticket, actor=actor, at=MONDAY + MINUTE, to="hierarchical", reason="The line stands")

    assert ladder.told(ticket) == [(1, "notified", ["Hedda"])]
    (event,) = ladder.desk.told(ticket, "escalation.notified")
    assert event.data["to"][0]["why"] == ["Anna escalated it: The line stands"]


def test_what_everybody_let_pass_is_told_to_those_above(ladder):
    with ladder.desk.entered():
        factories.AssignmentQueueFactory(team=ladder.team, needs_presence=False, needs_shift=False)
    ticket = ladder.open(assignee_id=None)
    tries = 0
    while not ladder.told(ticket) and tries < 5:
        tries += 1
        sweeping.sweep_organization(ladder.desk.tenant.id, MONDAY + (5 * tries + 1) * MINUTE)

    assert [(how, who) for _, how, who in ladder.told(ticket)] == [("notified", ["Hedda"])]
    (event,) = ladder.desk.told(ticket, "escalation.notified")
    assert event.data["to"][0]["why"] == [f"Nobody has accepted it in {tries} tries"]
    assert ladder.desk.stored(ticket).assignee_id is not None


def test_history_calls_nobody(ladder):
    ladder.policy()
    with events.historic():
        ticket = ladder.open()
    ladder.climb(MONDAY + HOUR)

    assert (ladder.told(ticket), ladder.runs(ticket)) == ([], [])


def test_a_policy_that_is_switched_off_ends_its_chains_and_one_that_changes_keeps_their_steps(ladder):
    policy = ladder.policy()
    first, second = ladder.open(), ladder.open()
    with ladder.desk.entered():
        locked = records.lock(EscalationPolicy, policy.pk, actor=ladder.desk.system)
        policies.change(
            locked, actor=ladder.desk.system, at=MONDAY, values={"steps": [step(1, notify("department_head"))]}
        )
    ladder.climb(MONDAY + MINUTE)
    assert ladder.told(first) == [(1, "notified", ["Anna"])]
    with ladder.desk.entered():
        locked = records.lock(EscalationPolicy, policy.pk, actor=ladder.desk.system)
        policies.change(locked, actor=ladder.desk.system, at=MONDAY, values={"is_active": False})
    ladder.climb(MONDAY + HOUR)
    assert ladder.runs(second) == [(1, "withdrawn")]


def test_what_can_wait_is_kept_until_it_may_be_told_and_a_page_is_not(ladder):
    ticket = ladder.open()
    opens = MONDAY + 15 * HOUR
    doing = carrying.Doing(ladder.desk.system, MONDAY, "100 % has passed", not_before=opens)
    with ladder.desk.entered():
        services.lock(ticket.pk, actor=ladder.desk.system)
        carried = carrying.carry_out(ticket.pk, [notify("assignee", "department_head"), {"do": "page"}], doing)
    assert carried.left_out == ["2 of 3 people hear of it with their next notice"]
    ladder.climb(opens - MINUTE)
    assert ladder.told(ticket) == [(0, "paged", ["Otto"])]
    answer(ladder, ticket, opens - MINUTE)
    ladder.climb(opens)

    assert ladder.told(ticket)[1:] == [(900, "notified", ["Anna", "Hedda"])], "no chain's word: it is told all the same"


def test_what_can_wait_waits_also_beside_what_is_kept_for_five_minutes(ladder):
    ticket = ladder.open()
    tomorrow = MONDAY + 20 * HOUR
    words = [Word(NOTICE, "first", True), Word(NOTICE, "again", True), Word(NOTICE, "tomorrow", False, tomorrow)]
    for minute, word in enumerate(words):
        with ladder.desk.entered():
            locked, at = services.lock(ticket.pk, actor=ladder.desk.system), MONDAY + minute * MINUTE
            notices.tell(locked, {ladder.agent.pk: word}, at=at, actor=ladder.desk.system)
    for minute in (4, 5, 1199, 1200):
        ladder.climb(MONDAY + minute * MINUTE)

    assert whys(ladder, ticket) == [(0, ["first"]), (5, ["again"]), (1200, ["tomorrow"])]


def test_a_page_tells_what_could_wait_beside_it(ladder):
    ticket = ladder.open()
    words = [Word(NOTICE, "tomorrow", False, MONDAY + 20 * HOUR), Word(PAGE, "now")]
    for minute, word in enumerate(words):
        with ladder.desk.entered():
            locked, at = services.lock(ticket.pk, actor=ladder.desk.system), MONDAY + minute * MINUTE
            notices.tell(locked, {ladder.agent.pk: word}, at=at, actor=ladder.desk.system)
    ladder.climb(MONDAY + 20 * HOUR)

    assert whys(ladder, ticket) == [(1, ["tomorrow", "now"])]


def whys(ladder, ticket):
    told = ladder.desk.told(ticket, "escalation.")
    return [(round((event.at - MONDAY) / MINUTE), event.data["to"][0]["why"]) for event in told]


def test_a_level_of_a_timer_calls_who_is_on_call_and_lets_a_chain_begin(ladder):
    policy = ladder.policy([step(0, notify("department_head"))], begins="on_demand", match=[{}])
    actions = [{"do": "page"}, {"do": "escalate", "policy": str(policy.pk)}, {"do": "watch", "to": ["department_head"]}]
    level = {"metric": "resolution", "percent": 50, "actions": actions}
    ladder.desk.only(content(seconds=3600, levels=[level]))
    ticket = ladder.open()
    ladder.desk.sweep(MONDAY + 40 * MINUTE)
    act(ladder.desk, ticket)

    called = [event.data["users"] for event in ladder.desk.told(ticket, "escalation.paged")]
    assert called == [[str(ladder.caller.pk)]]
    assert ladder.runs(ticket) == [(0, "")]
    with ladder.desk.entered():
        assert list(ticket.watchers.values_list("user_id", flat=True)) == [ladder.head.pk]


def test_a_level_cannot_name_a_team_a_rota_or_a_chain_that_is_not_there(ladder):
    actions = [{"do": "reassign", "team": NOBODY}, {"do": "page", "rota": NOBODY}, {"do": "escalate", "policy": NOBODY}]
    level = {"metric": "resolution", "percent": 50, "actions": actions}
    with pytest.raises(Invalid) as caught:
        ladder.desk.only(content(seconds=3600, levels=[level]))
    assert sorted(each.pointer for each in caught.value.errors) == [
        "/levels/0/actions/0/team",
        "/levels/0/actions/1/rota",
        "/levels/0/actions/2/policy",
    ]


# --- what is refused


def refused(ladder, error, **values):
    with ladder.desk.entered(), pytest.raises(error) as caught:
        ladder_policy(ladder, **values)
    return caught.value


def ladder_policy(ladder, **values):
    given = {"name": "Another", "chain": "hierarchical", "match": P1, "steps": CLIMB, **values}
    return policies.create(actor=ladder.desk.system, at=MONDAY, values=given)


def hand_on(*teams):
    return [step(5, {"do": "reassign", "team": str(team.pk)}) for team in teams]


def test_chains_that_would_hand_a_ticket_around_for_ever_are_refused_with_the_way(ladder):
    with ladder.desk.entered():
        second = factories.TeamFactory(name="Second")
    ladder.policy(hand_on(second), chain="functional", match=[{"team": [str(ladder.team.pk)]}])

    error = refused(
        ladder,
        policies.EscalationCircle,
        chain="functional",
        match=[{"team": [str(second.pk)]}],
        steps=hand_on(ladder.team),
    )
    assert "Desk → Second → Desk" in error.detail
    for_any_team = hand_on(second, ladder.team, second)
    assert "Second" in refused(ladder, policies.EscalationCircle, chain="functional", steps=for_any_team).detail


def test_a_circle_that_is_written_as_an_exception_is_refused_and_one_that_is_none_is_not(ladder):
    with ladder.desk.entered():
        second, third = factories.TeamFactory(name="Second"), factories.TeamFactory(name="Third")
    but_second = [{"team": {"not": [str(second.pk)]}}]
    ladder.policy(hand_on(second), name="One", chain="functional", match=but_second)
    second_only = {"chain": "functional", "match": [{"team": [str(second.pk)]}]}

    error = refused(ladder, policies.EscalationCircle, **second_only, steps=hand_on(ladder.team))
    assert "Desk → Second → Desk" in error.detail or "Second → Desk → Second" in error.detail
    but_both = [{"team": {"not": [str(second.pk), str(third.pk)]}}]
    with ladder.desk.entered():
        one = records.lock(EscalationPolicy, EscalationPolicy.objects.get(name="One").pk, actor=ladder.desk.system)
        policies.change(one, actor=ladder.desk.system, at=MONDAY, values={"match": but_both})
        ladder_policy(ladder, **second_only, steps=hand_on(third))


def test_a_circle_that_came_to_be_all_the_same_goes_round_once_and_again_only_after_somebody_was_there(ladder):
    with ladder.desk.entered():
        second = factories.TeamFactory(name="Second")
    ladder.policy(hand_on(second), name="One", chain="functional", match=[{"team": [str(ladder.team.pk)]}])
    for_second = ladder.policy(hand_on(ladder.team), name="Two", chain="functional", match=[{"team": [NOBODY]}])
    with ladder.desk.entered():
        EscalationPolicy.objects.filter(pk=for_second.pk).update(match=[{"team": [str(second.pk)]}])
        promises.restamp(ladder.desk.tenant.id)
    ticket = ladder.open()
    for minute in range(62):
        ladder.climb(MONDAY + minute * MINUTE)
    assert ladder.runs(ticket) == [(1, "exhausted"), (1, "exhausted")]

    with ladder.desk.entered():
        by_hand = ladder.desk.acting(ladder.agent)
        services.change(ladder.desk.stored(ticket), actor=by_hand, at=MONDAY + 2 * HOUR, values={"title": "Still dead"})
    ladder.desk.do(ticket, "assign", MONDAY + 2 * HOUR, team_id=second.pk)
    for minute in range(62):
        ladder.climb(MONDAY + 2 * HOUR + minute * MINUTE)
    assert [reason for _, reason in ladder.runs(ticket)] == ["exhausted"] * 4


def test_a_policy_that_a_level_lets_begin_cannot_be_deleted(ladder):
    policy = ladder.policy(begins="on_demand")
    level = {"metric": "resolution", "percent": 50, "actions": [{"do": "escalate", "policy": str(policy.pk)}]}
    promise = ladder.desk.only(content(seconds=3600, levels=[level]))
    with ladder.desk.entered():
        locked = records.lock(EscalationPolicy, policy.pk, actor=ladder.desk.system)
        with pytest.raises(Conflict) as caught:
            policies.delete(locked, actor=ladder.desk.system, at=MONDAY)
    assert (caught.value.code, caught.value.detail) == ("still_referenced", f"Still led to by {promise.name}.")
    ladder.desk.only(content(seconds=3600), name="Another")
    with ladder.desk.entered():
        promises.publish(
            promises.draft(promise, actor=ladder.desk.system, at=MONDAY, content=content(seconds=3600)),
            actor=ladder.desk.system,
            at=MONDAY,
        )
        locked = records.lock(EscalationPolicy, policy.pk, actor=ladder.desk.system)
        policies.delete(locked, actor=ladder.desk.system, at=MONDAY)
        assert not EscalationPolicy.objects.exists()


def test_policies_that_lead_to_one_another_for_ever_are_refused(ladder):
    with ladder.desk.entered():
        first = ladder_policy(ladder, name="First")
        second = ladder_policy(ladder, name="Second", steps=[step(1, {"do": "escalate", "policy": str(first.pk)})])
        locked = records.lock(EscalationPolicy, first.pk, actor=ladder.desk.system)
        with pytest.raises(policies.EscalationCircle) as caught:
            steps = [step(1, {"do": "escalate", "policy": str(second.pk)})]
            policies.change(locked, actor=ladder.desk.system, at=MONDAY, values={"steps": steps})
    assert "First → Second → First" in caught.value.detail or "Second → First → Second" in caught.value.detail


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"steps": []}, "/steps"),
        ({"steps": [step(-1, notify("assignee"))]}, "/steps/0/after_minutes"),
        ({"steps": [step(1)]}, "/steps/0/actions"),
        ({"steps": [step(1, notify("everybody"))]}, "/steps/0/actions/0/to"),
        ({"steps": [step(1, notify("team"), repeats=2)]}, "/steps/0/repeat_minutes"),
        ({"steps": [step(1, {"do": "page", "layer": 0})]}, "/steps/0/actions/0/layer"),
        ({"steps": [step(1, notify("team"))], "chain": "functional"}, "/steps/0/actions"),
        ({"match": [{"priority": [9]}]}, "/match/0/priority"),
        ({"steps": [step(1, {"do": "page", "rota": NOBODY})]}, "/steps/0/actions/0/rota"),
        ({"steps": [step(1, {"do": "reassign", "team": NOBODY})], "chain": "functional"}, "/steps/0/actions/0/team"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_place(ladder, values, pointer):
    error = refused(ladder, Invalid, **values)
    assert [each.pointer for each in error.errors] == [pointer]


# --- once, whatever happens


def test_three_beats_at_once_take_each_step_once(fresh_database, ladder):
    ladder.policy([step(0, notify("assignee"))])
    tickets = [ladder.open() for _ in range(20)]

    at_once([lambda: ladder.climb(MONDAY)] * 3)

    assert [ladder.told(ticket) for ticket in tickets] == [[(0, "notified", ["Anna"])]] * 20
    with ladder.desk.entered():
        assert EscalationFiring.objects.count() == 20


def test_a_ticket_that_fails_keeps_no_other_from_its_turn(ladder):
    policy = ladder.policy([step(0, notify("assignee"))])
    broken, sound = ladder.open(), ladder.open()
    with ladder.desk.entered():
        EscalationRun.objects.filter(ticket_id=broken.pk).update(steps=[{"after_minutes": 0}])
    with pytest.raises(ExceptionGroup) as caught:
        ladder.climb(MONDAY)

    assert [note for each in caught.value.exceptions for note in each.__notes__] == [f"ticket {broken.pk}"]
    assert (ladder.told(broken), ladder.told(sound)) == ([], [(0, "notified", ["Anna"])])
    assert policy.is_active


def test_the_preview_says_who_would_be_called_and_when_and_writes_nothing(ladder, api):
    policy = ladder.policy()
    ticket = ladder.open()
    path = f"/api/v1/escalation-policies/{policy.pk}/preview/"
    found = api(ladder.agent).post(path, {"ticket": str(ticket.pk)}).json()

    people = [[(each["name"], each["how"], each["word"]) for each in row["people"]] for row in found["results"]]
    assert people == [
        [("Anna", "notice", "assignee")],
        [("Otto", "page", "on_call")],
        [("Hedda", "notice", "department_head")],
    ]
    assert found["is_matching"] is True
    assert ladder.told(ticket) == []
