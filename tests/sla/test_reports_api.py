"""Breaches, and how many promises were kept in a month."""

from datetime import UTC, datetime

from apps.organizations.models import Organization
from apps.tickets import merging, services
from tests.sla.conftest import HOUR, MONDAY, content

BREACHES, COMPLIANCE = "/api/v1/sla/breaches/", "/api/v1/sla/compliance/"


def test_breaches_are_listed_newest_first_with_whose_ticket_it_is(desk, api):
    policy = desk.only(content(seconds=3600))
    first, second, kept = desk.open(MONDAY), desk.open(MONDAY + HOUR), desk.open(MONDAY)
    desk.resolve(kept, MONDAY + HOUR)
    desk.resolve(first, MONDAY + 3 * HOUR)
    desk.sweep(MONDAY + 4 * HOUR)
    agent = api(desk.agent)

    rows = agent.get(BREACHES).json()["results"]

    assert [(row["number"], row["stage"], row["breached_at"]) for row in rows] == [
        (second.number, "running", "2026-03-02T11:00:00Z"),
        (first.number, "missed", "2026-03-02T10:00:00Z"),
    ]
    assert (rows[1]["title"], rows[1]["policy"], rows[1]["breach_seconds"]) == ("Mail is down", str(policy.pk), 7200)

    def found(query):
        return [row["number"] for row in agent.get(f"{BREACHES}?{query}").json()["results"]]

    assert found("stage=missed") == [first.number]
    assert found(f"policy={policy.pk}&breached_at__gte=2026-03-02T10:30:00Z") == [second.number]
    assert found(f"priority={first.priority}&ordering=breached_at") == [first.number, second.number]
    assert found(f"ticket={second.pk}") == [second.number]
    assert agent.get(f"{BREACHES}?colour=red").status_code == 400
    assert agent.get(f"{BREACHES}?format=csv").status_code == 403
    assert api(desk.requester).get(BREACHES).status_code == 403


def test_a_missed_deadline_is_listed_once_whatever_took_over_from_it(desk, api):
    targets = [{"metric": "resolution", "applies": [{"priority": [1]}], "seconds": 1800}]
    desk.only({"targets": [*targets, {"metric": "resolution", "seconds": 3600}]})
    raised, reopened = desk.open(MONDAY), desk.open(MONDAY)
    desk.resolve(reopened, MONDAY + 2 * HOUR)
    desk.sweep(MONDAY + 2 * HOUR)
    for ticket in (raised, reopened):
        desk.change(ticket, MONDAY + 3 * HOUR, impact=1, urgency=1)
    desk.do(reopened, "reopen", MONDAY + 4 * HOUR, reason="Again")

    rows = api(desk.agent).get(BREACHES).json()["results"]

    assert sorted((row["number"], row["stage"], row["target_seconds"]) for row in rows) == [
        (raised.number, "running", 1800),
        (reopened.number, "running", 1800),
    ]
    for ticket in (raised, reopened):
        desk.resolve(ticket, MONDAY + 5 * HOUR)
    [row] = api(desk.agent).get(f"{COMPLIANCE}?period=2026-03").json()["results"]
    assert (row["completed"], row["missed"], row["cancelled"]) == (2, 2, 0)


def test_a_missed_deadline_is_listed_once_where_a_target_counts_from_the_change_on(desk, api):
    targets = [{"metric": "resolution", "applies": [{"priority": [1]}], "seconds": 36_000}]
    rules = {"resolution": {"on_change": "fresh"}}
    desk.only({"targets": [*targets, {"metric": "resolution", "seconds": 3600}], "rules": rules})
    ticket = desk.open(MONDAY)
    desk.sweep(MONDAY + 2 * HOUR)
    desk.change(ticket, MONDAY + 3 * HOUR, impact=1, urgency=1)

    rows = api(desk.agent).get(BREACHES).json()["results"]

    assert [(row["number"], row["stage"], row["target_seconds"], row["breached_at"]) for row in rows] == [
        (ticket.number, "running", 36_000, "2026-03-02T10:00:00Z")
    ]


def test_s31_merged_and_deleted_tickets_have_no_breaches_until_they_are_back(desk, api):
    desk.only(content(seconds=3600))
    merged, deleted, kept = (desk.open(MONDAY) for _ in range(3))
    desk.sweep(MONDAY + 2 * HOUR)

    def listed():
        return {row["number"]: row["stage"] for row in api(desk.agent).get(BREACHES).json()["results"]}

    assert set(listed()) == {merged.number, deleted.number, kept.number}
    with desk.entered():
        merging.merge(merged, actor=desk.system, at=MONDAY + 3 * HOUR, into_id=kept.pk)
        services.delete(deleted, actor=desk.system, at=MONDAY + 3 * HOUR)
    assert listed() == {kept.number: "running"}
    with desk.entered():
        services.restore(deleted, actor=desk.system, at=MONDAY + 4 * HOUR)
    assert listed() == {kept.number: "running", deleted.number: "running"}


def test_a_list_of_breaches_is_had_as_a_file(desk, api, dan):
    desk.only(content(seconds=60))
    ticket = desk.open()
    desk.sweep(MONDAY + HOUR)

    answer = api(dan).get(f"{BREACHES}?format=csv&fields=number,metric,breached_at")

    lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
    assert lines == ["number,metric,breached_at", f"{ticket.number},resolution,2026-03-02T09:01:00Z"]


def test_compliance_counts_what_ended_in_the_month_and_says_how(desk, api):
    policy = desk.only(content(seconds=3600))
    met, missed, cancelled, other = (desk.open(MONDAY) for _ in range(4))
    desk.resolve(met, MONDAY + HOUR)
    desk.resolve(missed, MONDAY + 2 * HOUR)
    desk.do(cancelled, "cancel", MONDAY + HOUR, reason="By mistake")
    desk.resolve(other, datetime(2026, 4, 10, tzinfo=UTC))

    answer = api(desk.agent).get(f"{COMPLIANCE}?group_by=policy&period=2026-03").json()

    assert answer["results"] == [
        {
            "group": str(policy.pk),
            "name": "Ours",
            "agreement": "sla",
            "metric": "resolution",
            "completed": 2,
            "met": 1,
            "missed": 1,
            "percent": 50,
            "cancelled": 1,
            "average_business_seconds": 5400,
            "average_wall_seconds": 5400,
        }
    ]
    assert (answer["period"], answer["clock"], answer["group_by"]) == ("2026-03", "business", "policy")
    assert "ended in the period" in answer["population"]
    assert answer["cancelled"].startswith("Left out")
    assert "reopening counts once" in answer["reopened"]


def test_a_month_is_the_organizations_own(desk, api):
    with desk.entered():
        Organization.objects.filter(pk=desk.tenant.id).update(time_zone="America/New_York")
    desk.only(content(seconds=3600))
    # Eight in the evening of 28 February there.
    ticket = desk.open(datetime(2026, 3, 1, 0, 30, tzinfo=UTC))
    desk.resolve(ticket, datetime(2026, 3, 1, 1, 0, tzinfo=UTC))
    agent = api(desk.agent)

    february = agent.get(f"{COMPLIANCE}?period=2026-02").json()
    march = agent.get(f"{COMPLIANCE}?period=2026-03").json()

    assert (len(february["results"]), march["results"]) == (1, [])
    assert (march["begins_at"], march["ends_at"]) == ("2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z")
    assert march["time_zone"] == "America/New_York"


def test_compliance_by_team_and_by_priority(desk, api):
    desk.only(content(seconds=3600))
    urgent, usual = desk.open(MONDAY, impact=1, urgency=1), desk.open(MONDAY)
    for ticket in (urgent, usual):
        desk.resolve(ticket, MONDAY + HOUR)
    agent = api(desk.agent)

    by_priority = agent.get(f"{COMPLIANCE}?group_by=priority&period=2026-03").json()["results"]
    by_team = agent.get(f"{COMPLIANCE}?group_by=team&period=2026-03").json()["results"]

    assert [(row["group"], row["met"], row["percent"]) for row in by_priority] == [("1", 1, 100), ("5", 1, 100)]
    assert [(row["group"], row["name"], row["met"]) for row in by_team] == [(None, "", 2)]


def test_what_compliance_does_not_know_is_refused_by_name(desk, api):
    agent = api(desk.agent)
    for query, accepted in (
        ("group_by=colour", "policy, team, priority"),
        ("period=2026-13", "YYYY-MM"),
        ("period=x", "YYYY-MM"),
    ):
        answer = agent.get(f"{COMPLIANCE}?{query}")
        assert answer.status_code == 400
        assert accepted in answer.json()["errors"][0]["detail"]
    assert api(desk.requester).get(COMPLIANCE).status_code == 403
