"""What levels do to their tickets, and what the demo shows."""

from datetime import UTC, datetime

import pytest
from django.core.management import call_command

from apps.audit.models import Dispatch, Event
from apps.audit.services import deliver
from apps.sla import demo
from apps.sla.models import EscalationPolicy, Policy, PolicyVersion
from apps.tickets import verbs
from apps.tickets.models import Category, Ticket
from tests import factories
from tests.sla.conftest import HOUR, MINUTE, MONDAY, content


def act(desk, ticket):
    """Deliver what levels have to do, as the relay has it done."""
    with desk.entered():
        due = Event.objects.filter(subject_id=ticket.pk, name="sla.action_due").values_list("pk", flat=True)
        waiting = list(Dispatch.objects.filter(event_id__in=due, done_at=None).values_list("pk", flat=True))
    return [deliver(desk.tenant.id, pk) for pk in waiting]


def level(percent, *actions):
    return {"metric": "resolution", "percent": percent, "actions": list(actions)}


def test_a_level_raises_the_priority_by_one_and_the_new_target_counts(desk):
    targets = [
        {"metric": "resolution", "applies": [{"priority": [4]}], "seconds": 7200},
        {"metric": "resolution", "seconds": 36_000},
    ]
    desk.only({"targets": targets, "levels": [level(50, {"do": "raise_priority"})]})
    ticket = desk.open()
    desk.sweep(MONDAY + 5 * HOUR)

    assert act(desk, ticket) == ["done"]
    after = desk.stored(ticket)
    assert (after.priority, after.priority_override_reason) == (4, "50 % of the resolution target has passed")
    assert (desk.timer(ticket).target_seconds, desk.timer(ticket).started_at) == (7200, MONDAY)


def test_a_level_passes_the_ticket_to_another_team_once(desk):
    with desk.entered():
        team = factories.TeamFactory()
    action = {"do": "reassign", "team": str(team.pk)}
    desk.only(content(seconds=3600, levels=[level(50, action)]))
    ticket = desk.open()
    desk.sweep(MONDAY + 40 * MINUTE)

    assert (act(desk, ticket), act(desk, ticket)) == (["done"], [])
    assert (desk.stored(ticket).team_id, desk.stored(ticket).reassignment_count) == (team.pk, 1)


def test_a_team_that_is_gone_is_told_on_the_ticket_and_the_ticket_stays_where_it_is(desk, api):
    with desk.entered():
        team = factories.TeamFactory()
    desk.only(content(seconds=3600, levels=[level(50, {"do": "reassign", "team": str(team.pk)})]))
    ticket = desk.open()
    with desk.entered():
        type(team).objects.filter(pk=team.pk).update(deleted_at=MONDAY)
    desk.sweep(MONDAY + 40 * MINUTE)

    assert act(desk, ticket) == ["done"]
    assert desk.stored(ticket).team_id is None
    [fact] = desk.told(ticket, "sla.action_refused")
    assert (fact.data["team"], fact.data["reason"], fact.data["percent"]) == (str(team.pk), "gone", 50)
    timeline = api(desk.agent).get(f"/api/v1/tickets/{ticket.pk}/timeline/").json()["results"]
    assert [entry["summary"] for entry in timeline if entry["event"] == "sla.action_refused"] == [
        "The platform could not pass it on, because the team is gone: 50 % of the resolution target have passed"
    ]


def test_any_other_refusal_fails_the_delivery_which_is_tried_again(desk):
    with desk.entered():
        team = factories.TeamFactory()
    desk.only(content(seconds=3600, levels=[level(50, {"do": "reassign", "team": str(team.pk)})]))
    ticket = desk.open()
    desk.sweep(MONDAY + 40 * MINUTE)
    with desk.entered():
        # A row that no lifecycle knows.
        Ticket.objects.filter(pk=ticket.pk).update(status="lost")

    assert act(desk, ticket) == ["failed"]
    assert desk.told(ticket, "sla.action_refused") == []
    with desk.entered():
        [waiting] = Dispatch.objects.filter(consumer="sla.act")
        assert (waiting.done_at, waiting.attempts) == (None, 1)
        Ticket.objects.filter(pk=ticket.pk).update(status=ticket.status)
        Dispatch.objects.filter(pk=waiting.pk).update(next_at=MONDAY)
    assert act(desk, ticket) == ["done"]
    assert desk.stored(ticket).team_id == team.pk


def test_a_level_does_nothing_to_what_was_resolved_meanwhile(desk):
    desk.only(content(seconds=3600, levels=[level(50, {"do": "raise_priority"})]))
    ticket = desk.open()
    desk.sweep(MONDAY + 40 * MINUTE)
    desk.resolve(ticket, MONDAY + 41 * MINUTE)

    assert act(desk, ticket) == ["done"]
    assert desk.stored(ticket).priority == 5


def test_a_level_tells_people_once_and_says_why(desk):
    desk.only(content(seconds=3600, levels=[level(50, {"do": "notify", "to": ["assignee"]})]))
    ticket = desk.open(assignee_id=desk.agent.pk)
    desk.sweep(MONDAY + 40 * MINUTE)

    assert (act(desk, ticket), act(desk, ticket)) == (["done"], [])
    (told,) = desk.told(ticket, "escalation.notified")
    why = ["50 % of the resolution target has passed"]
    assert told.data["to"] == [{"user": str(desk.agent.pk), "why": why}]


def test_a_level_whose_condition_does_not_hold_or_that_somebody_has_in_hand_does_nothing(desk):
    is_other = {"applies": [{"priority": [1]}]}
    desk.only(
        content(
            seconds=3600,
            levels=[
                {**level(50, {"do": "raise_priority"}), **is_other},
                {**level(75, {"do": "raise_priority"}), "is_until_acknowledged": True},
                level(90, {"do": "raise_priority"}),
            ],
        )
    )
    ticket = desk.open()
    desk.sweep(MONDAY + 31 * MINUTE)
    act(desk, ticket)
    assert desk.stored(ticket).priority == 5
    with desk.entered():
        verbs.start(ticket, actor=desk.acting(desk.agent), at=MONDAY + 32 * MINUTE)
    desk.sweep(MONDAY + 46 * MINUTE)
    act(desk, ticket)
    assert desk.stored(ticket).priority == 5
    desk.sweep(MONDAY + 55 * MINUTE)
    act(desk, ticket)
    assert desk.stored(ticket).priority == 4


def test_the_demo_has_a_minute_to_watch_and_stays_as_it_is_when_loaded_again(desk):
    accounts = {"acme": {}, "operators": {}}
    for _ in range(2):
        demo.load(datetime(2026, 3, 1, tzinfo=UTC), accounts)

    with desk.entered():
        assert [policy.name for policy in Policy.objects.all()] == [demo.WATCH]
        assert [policy.name for policy in EscalationPolicy.objects.all()] == [demo.ATTENDED]
        assert PolicyVersion.objects.get().state == "published"
        category = Category.objects.get(name=demo.CATEGORY)
    ticket = desk.open(category_id=category.pk)
    assert desk.timer(ticket).due_at == MONDAY + MINUTE


def test_the_command_says_how_far_firing_is_behind(fresh_database, desk, capsys):
    call_command("sla_sweep")
    call_command("sla_sweep", "--status")

    assert capsys.readouterr().out == '{"timers": 0, "levels": 0, "tickets": 0}\n{"due": 0, "seconds": 0.0}\n'
    desk.only(content(seconds=60))
    desk.open()
    with pytest.raises(SystemExit):
        call_command("sla_sweep", "--status")
    assert capsys.readouterr().out.startswith('{"due": 1, "seconds": ')
