"""Timers over HTTP."""

from django.utils import timezone

from tests import factories
from tests.sla.conftest import HOUR, MINUTE, MONDAY, content, levels

TIMERS = "/api/v1/sla/timers/"
CONTRACT = {
    "metric", "stage", "target_seconds", "due_at", "original_due_at", "business_elapsed_seconds", "wall_elapsed_seconds",
    "is_breached", "breached_at", "policy", "calendar",
}  # fmt: skip


def seconds_of(timer):
    return timer["stage"], timer["business_elapsed_seconds"], timer["is_breached"]


def test_a_ticket_shows_its_timers_as_the_contract_names_them(desk, api):
    desk.only(content())
    ticket = desk.open()
    desk.resolve(ticket, MONDAY + HOUR)

    answer = api(desk.agent).get(f"/api/v1/tickets/{ticket.pk}/sla/")

    assert answer.status_code == 200
    [timer] = answer.json()["results"]
    assert timer.keys() >= CONTRACT
    assert seconds_of(timer) == ("met", 3600, False)
    assert (timer["due_at"], timer["original_due_at"]) == ("2026-03-02T13:00:00Z", "2026-03-02T13:00:00Z")


def test_a_requester_sees_what_was_promised_to_them_and_no_more(desk, api):
    desk.only(content())
    ticket = desk.open()

    assert len(api(desk.requester).get(f"/api/v1/tickets/{ticket.pk}/sla/").json()["results"]) == 1
    assert api(desk.requester).get(f"{TIMERS}?ticket={ticket.pk}").status_code == 403


def test_a_passed_deadline_is_a_breach_before_the_sweep_has_come(desk, api):
    desk.only(content(seconds=60))
    ticket = desk.open()

    [timer] = api(desk.agent).get(f"{TIMERS}?ticket={ticket.pk}").json()["results"]

    assert desk.timer(ticket).breached_at is None
    assert (timer["is_breached"], timer["breached_at"]) == (True, "2026-03-02T09:01:00Z")


def test_an_explanation_names_each_stretch_and_each_level(desk, api):
    desk.only(content(levels=levels(50)))
    ticket = desk.open()
    desk.hold(ticket, MONDAY + HOUR)
    desk.do(ticket, "resume", MONDAY + 2 * HOUR)
    desk.sweep(MONDAY + 4 * HOUR)
    desk.resolve(ticket, MONDAY + 4 * HOUR)

    answer = api(desk.agent).get(f"{TIMERS}{desk.timer(ticket).pk}/explain/")

    assert answer.status_code == 200
    told = answer.json()
    assert [(each["kind"], each["counted_seconds"], each["why"]) for each in told["stretches"]] == [
        ("running", 3600, "Counted, since the ticket was opened."),
        ("paused", 0, "Not counted, since the ticket was put on hold."),
        ("running", 7200, "Counted, since the ticket was resumed."),
    ]
    assert [(each["words"], each["outcome"]) for each in told["levels"]] == [("50 %", "fired"), ("100 %", None)]
    assert told["counted_seconds"] == 10_800


def listed(desk, api, state):
    return [row["id"] for row in api(desk.agent).get(f"/api/v1/tickets/?sla={state}").json()["results"]]


def test_a_list_of_tickets_is_narrowed_by_their_timers(desk, api):
    now = timezone.now()
    desk.only(content(seconds=60))
    breached = desk.open()
    desk.only(content(seconds=4 * 3600), name="Long")
    paused, at_risk, early = desk.open(now), desk.open(now - 3.1 * HOUR), desk.open(now - 2.9 * HOUR)
    desk.hold(paused, now)
    desk.only(content(metric="next_reply"), name="Replies")
    none = desk.open()

    found = {state: listed(desk, api, state) for state in ("breached", "at_risk", "paused", "none")}

    assert found == {
        "breached": [str(breached.pk)],
        "at_risk": [str(at_risk.pk)],
        "paused": [str(paused.pk)],
        "none": [str(none.pk)],
    }
    assert desk.timer(early).stage == "running"
    assert api(desk.agent).get("/api/v1/tickets/?sla=late").status_code == 400


def test_what_a_team_or_a_supplier_owes_the_desk_is_no_state_of_the_ticket(desk, api):
    with desk.entered():
        team = factories.TeamFactory()
    of_team = {"match": [{"team": [str(team.pk)]}]}
    desk.only({**content(seconds=60), **of_team}, agreement="ola", name="Team")
    desk.add({**content(seconds=60), **of_team}, agreement="uc", name="Supplier")
    ticket = desk.open()
    desk.do(ticket, "assign", MONDAY, team_id=team.pk)
    desk.sweep(MONDAY + HOUR)

    assert [(timer.agreement, timer.breached_at) for timer in desk.timers(ticket)] == [
        ("ola", MONDAY + MINUTE),
        ("uc", MONDAY + MINUTE),
    ]
    assert [listed(desk, api, state) for state in ("breached", "none")] == [[], [str(ticket.pk)]]


def test_the_timeline_tells_of_levels_and_breaches(desk, api):
    desk.only(content(seconds=3600, levels=levels(75)))
    ticket = desk.open()
    desk.sweep(MONDAY + HOUR)
    desk.sweep(MONDAY + 2 * HOUR)

    answer = api(desk.agent).get(f"/api/v1/tickets/{ticket.pk}/timeline/")

    said = [entry["summary"] for entry in answer.json()["results"] if entry["event"].startswith("sla.")]
    assert said == [
        "The platform warned: 75 % of the resolution target have passed",
        "The platform noted that the resolution target was missed; it was due 2026-03-02 10:00:00 UTC",
    ]
