"""Policies over HTTP: written as drafts, tried, published and withdrawn; and what is refused."""

import time
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.audit.models import Event
from apps.sla.models import Policy, PolicyVersion, Timer
from tests import factories
from tests.sla.conftest import HOUR, MONDAY, content

POLICIES = "/api/v1/sla/policies/"


@pytest.fixture
def admin(api, dan):
    return api(dan)


def created(admin, **values):
    answer = admin.post(POLICIES, {"name": "Ours", **values})
    assert answer.status_code == 201, answer.json()
    return answer.json()


def drafted(admin, policy, body):
    answer = admin.post(f"{POLICIES}{policy['id']}/versions/", body)
    assert answer.status_code == 201, answer.json()
    return answer.json()


def published(admin, seconds=3600, **values):
    policy = created(admin, **values)
    drafted(admin, policy, content(seconds=seconds))
    assert admin.post(f"{POLICIES}{policy['id']}/publish/", {}).status_code == 200
    return policy


def test_a_policy_is_drafted_published_and_measures_the_next_ticket(desk, admin):
    policy = created(admin, description="What we promise")
    assert (policy["agreement"], policy["is_active"], policy["published_version"]) == ("sla", True, None)

    version = drafted(admin, policy, content(seconds=7200) | {"note": "two hours"})
    assert (version["number"], version["state"], version["note"], version["warnings"]) == (1, "draft", "two hours", [])
    assert [(level["metric"], level["percent"]) for level in version["levels"]] == [("resolution", 100)]
    assert admin.get(f"{POLICIES}{policy['id']}/").json()["draft_version"] == version["id"]
    assert desk.timers(desk.open()) == []

    answer = admin.post(f"{POLICIES}{policy['id']}/publish/", {"version": version["id"]})

    assert (answer.status_code, answer.json()["state"]) == (200, "published")
    read = admin.get(f"{POLICIES}{policy['id']}/").json()
    assert (read["published_version"], read["draft_version"]) == (version["id"], None)
    assert desk.timer(desk.open()).target_seconds == 7200


def test_a_draft_is_written_in_the_place_of_the_one_before(desk, admin):
    policy = created(admin)
    first = drafted(admin, policy, content(seconds=60))
    second = drafted(admin, policy, content(seconds=120))

    listed = admin.get(f"{POLICIES}{policy['id']}/versions/").json()["results"]

    assert [(row["id"], row["number"]) for row in listed] == [(second["id"], 1)]
    late = admin.post(f"{POLICIES}{policy['id']}/publish/", {"version": first["id"]})
    assert (late.status_code, late.json()["errors"][0]["code"]) == (400, "does_not_exist")


def test_what_is_read_of_a_version_can_be_drafted_again(desk, admin):
    policy = created(admin)
    body = {
        "match": [{"kind": ["incident"], "priority": {"not": [5]}}],
        "rules": {"resolution": {"reopen": "none"}},
        "targets": [
            {
                "metric": "resolution",
                "applies": [{"priority": [1]}],
                "seconds": 60,
                "business_days": None,
                "calendar": None,
            },
            {"metric": "resolution", "applies": [{}], "seconds": None, "business_days": 3, "calendar": None},
        ],
        "levels": [
            {
                "metric": "resolution",
                "percent": None,
                "offset_seconds": -600,
                "actions": [],
                "applies": [{"priority": [1]}],
                "is_until_acknowledged": True,
                "is_around_the_clock": True,
            },
            {
                "metric": "resolution",
                "percent": 100,
                "offset_seconds": None,
                "actions": [],
                "applies": [{}],
                "is_until_acknowledged": False,
                "is_around_the_clock": False,
            },
        ],
        "note": "again",
    }
    version = drafted(admin, policy, body)

    assert {name: version[name] for name in body} == body
    again = drafted(admin, policy, {name: version[name] for name in body})
    assert {name: again[name] for name in body} == body


NOBODYS = str(uuid.UUID(int=7))
MANY_FIELDS = ("service", "category", "configuration_item", "team", "requester", "site")


def many_fields(number):
    """Each of these covers nearly everything, and no two of them everything."""
    return {name: {"not": [str(uuid.UUID(int=100 * number + place))]} for place, name in enumerate(MANY_FIELDS)}


BAD = {
    "a policy whose start implies stop": (
        {"rules": {"resolution": {"start": [{"phase": ["resolved"]}]}}},
        "/rules/resolution/start",
        "start_implies_stop",
    ),
    "a start that never holds": (
        {"rules": {"resolution": {"start": []}}},
        "/rules/resolution/start",
        "never_starts",
    ),
    "no target": ({"targets": []}, "/targets", "required"),
    "a calendar that is none": (
        {"targets": [{"metric": "resolution", "seconds": 60, "calendar": NOBODYS}]},
        "/targets/0/calendar",
        "does_not_exist",
    ),
    "both seconds and days": (
        {"targets": [{"metric": "resolution", "seconds": 60, "business_days": 1}]},
        "/targets/0",
        "required",
    ),
    "no seconds": ({"targets": [{"metric": "resolution", "seconds": 0}]}, "/targets/0/seconds", "out_of_range"),
    "a metric that is none": ({"targets": [{"metric": "speed", "seconds": 1}]}, "/targets/0/metric", "invalid_choice"),
    "a field that is none": ({"match": [{"colour": ["red"]}]}, "/match/0/colour", "unknown_field"),
    "a value that is none": ({"match": [{"priority": [9]}]}, "/match/0/priority", "invalid_choice"),
    "a level twice": (
        {"levels": [{"metric": "resolution", "percent": 50}, {"metric": "resolution", "percent": 50}]},
        "/levels/1/percent",
        "duplicate",
    ),
    "an action that is no word": (
        {"levels": [{"metric": "resolution", "percent": 50, "actions": [{"do": ["notify"]}]}]},
        "/levels/0/actions/0/do",
        "invalid_choice",
    ),
    "a workflow, of which there are none": (
        {"levels": [{"metric": "resolution", "percent": 50, "actions": [{"do": "run_workflow", "workflow": NOBODYS}]}]},
        "/levels/0/actions/0/do",
        "not_available",
    ),
    "a match that names nothing": (
        {"match": [{}, {"service": {"not": [NOBODYS]}}]},
        "/match/1/service",
        "does_not_exist",
    ),
    "a target for nobody": (
        {"targets": [{"metric": "resolution", "seconds": 60, "applies": [{"requester": [None, NOBODYS]}]}]},
        "/targets/0/applies/0/requester",
        "does_not_exist",
    ),
    "a rule about a place that is none": (
        {"rules": {"resolution": {"pause": [{"site": [NOBODYS]}]}}},
        "/rules/resolution/pause/0/site",
        "does_not_exist",
    ),
    "a team that is none": (
        {"levels": [{"metric": "resolution", "percent": 50, "actions": [{"do": "reassign", "team": NOBODYS}]}]},
        "/levels/0/actions/0/team",
        "does_not_exist",
    ),
    "a rota that is none": (
        {"levels": [{"metric": "resolution", "percent": 50, "actions": [{"do": "page", "rota": NOBODYS}]}]},
        "/levels/0/actions/0/rota",
        "does_not_exist",
    ),
    "an unknown key": ({"goal": 1}, "/goal", "unknown_field"),
    "conditions that nobody can compare": (
        {"rules": {"resolution": {"stop": [many_fields(number) for number in range(20)]}}},
        "/rules/resolution",
        "too_complex",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_senseless_draft_is_refused_with_the_reason_and_nothing_is_saved(desk, admin, name):
    changes, pointer, code = BAD[name]
    policy = created(admin)

    answer = admin.post(f"{POLICIES}{policy['id']}/versions/", content() | changes)

    assert answer.status_code == 400
    told = [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
    assert (pointer, code) in told
    assert all(error["detail"] for error in answer.json()["errors"])
    with desk.entered():
        assert not PolicyVersion.objects.filter(policy_id=policy["id"]).exists()


def test_a_pause_that_takes_the_start_away_is_warned_of(desk, admin):
    rules = {"resolution": {"cancel_when": "start_false", "start": [{"phase": ["new", "open"]}]}}
    version = drafted(admin, created(admin), content() | {"rules": rules})

    assert [warning.partition(":")[0] for warning in version["warnings"]] == ["/rules/resolution/pause"]


def test_what_a_draft_names_is_the_organizations_own_and_what_acts_is_not_deleted(desk, admin, globex):
    policy = created(admin)
    with globex.entered():
        foreign = factories.CategoryFactory()
    with desk.entered():
        service, team = factories.ServiceFactory(), factories.TeamFactory(deleted_at=MONDAY)
        category = factories.CategoryFactory()
    address = f"{POLICIES}{policy['id']}/versions/"

    def told(**changes):
        answer = admin.post(address, content() | changes)
        return answer.status_code, [(error["pointer"], error["code"]) for error in answer.json().get("errors", [])]

    theirs = [{"category": [str(category.pk), str(foreign.pk)]}, {"team": [str(team.pk)], "service": [str(service.pk)]}]
    assert told(match=theirs) == (400, [("/match/0/category", "does_not_exist")])
    to_team = {"metric": "resolution", "percent": 50, "actions": [{"do": "reassign", "team": str(team.pk)}]}
    assert told(levels=[to_team]) == (400, [("/levels/0/actions/0/team", "deleted")])
    # A ticket may still have a team that was deleted since.
    assert told(match=[{"category": [str(category.pk)]}, {"team": [str(team.pk)]}]) == (201, [])


def test_warnings_are_kept_with_the_version_and_not_looked_for_again(desk, admin):
    rules = {"resolution": {"cancel_when": "start_false", "start": [{"phase": ["new", "open"]}]}}
    policy = created(admin)
    version = drafted(admin, policy, content() | {"rules": rules})
    address = f"{POLICIES}{policy['id']}/versions/{version['id']}/"
    assert admin.get(address).json()["warnings"] == version["warnings"] != []

    with desk.entered():
        PolicyVersion.objects.filter(pk=version["id"]).update(warnings=["As it was found."])

    assert admin.get(address).json()["warnings"] == ["As it was found."]


def test_many_clauses_that_nothing_fits_together_are_compared_at_once(desk, admin):
    """Six fields in each of nineteen clauses: field by field there are more cases than a machine can count."""
    stop = [
        {name: [str(uuid.UUID(int=100 * number + place))] for place, name in enumerate(MANY_FIELDS)}
        for number in range(19)
    ]
    began = time.process_time()

    answer = admin.post(
        f"{POLICIES}{created(admin)['id']}/versions/", content() | {"rules": {"resolution": {"stop": [*stop, {}]}}}
    )

    assert answer.json()["errors"][0]["code"] == "start_implies_stop"
    assert time.process_time() - began < 2


def test_agents_read_what_administrators_write(desk, admin, api):
    policy = published(admin)
    agent, requester = api(desk.agent), api(desk.requester)

    assert agent.get(f"{POLICIES}{policy['id']}/").status_code == 200
    assert agent.get(f"{POLICIES}{policy['id']}/versions/").status_code == 200
    refused = agent.post(POLICIES, {"name": "Theirs"})
    assert (refused.status_code, refused.json()["grant"]) == (403, "sla.configure")
    for verb in ("publish", "dry-run", "versions"):
        assert agent.post(f"{POLICIES}{policy['id']}/{verb}/", {}).status_code == 403
    assert agent.delete(f"{POLICIES}{policy['id']}/").status_code == 403
    assert requester.get(POLICIES).status_code == 403


def test_a_version_that_is_published_is_not_published_again(desk, admin):
    policy = published(admin)
    version = admin.get(f"{POLICIES}{policy['id']}/").json()["published_version"]

    again = admin.post(f"{POLICIES}{policy['id']}/publish/", {"version": version})
    none = admin.post(f"{POLICIES}{policy['id']}/publish/", {})

    assert (again.status_code, again.json()["current_status"]) == (409, "published")
    assert (none.status_code, none.json()["code"]) == (409, "no_draft")


def test_a_dry_run_tells_what_would_move_and_writes_nothing(desk, admin):
    policy = published(admin, seconds=4 * 3600)
    late, early, waiting = desk.open(MONDAY), desk.open(MONDAY + 10**4 * HOUR), desk.open(MONDAY)
    desk.hold(waiting, MONDAY + HOUR)
    drafted(admin, policy, content(seconds=2 * 3600))
    before = {ticket.pk: [vars(timer) for timer in desk.timers(ticket)] for ticket in (late, early, waiting)}

    answer = admin.post(f"{POLICIES}{policy['id']}/dry-run/", {}).json()

    told = {row["number"]: row for row in answer["results"]}
    assert (answer["tickets"], answer["looked_at"], answer["is_complete"]) == (3, 3, True)
    assert answer["counts"] == {"unchanged": 0, "moved": 3, "breached": 0, "unbreached": 0, "cancelled": 0}
    assert told[early.number]["due_at"] == (MONDAY + 10**4 * HOUR + 4 * HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert told[early.number]["new_due_at"] == (MONDAY + 10**4 * HOUR + 2 * HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (told[late.number]["is_breached"], told[late.number]["is_breached_then"]) == (True, True)
    assert (told[waiting.number]["due_at"], told[waiting.number]["new_due_at"]) == (None, None)
    after = {ticket.pk: [vars(timer) for timer in desk.timers(ticket)] for ticket in (late, early, waiting)}
    for pk, timers in before.items():
        assert [{**row, "_state": 0} for row in timers] == [{**row, "_state": 0} for row in after[pk]]


def test_a_dry_run_of_the_same_targets_moves_nothing(desk, admin):
    policy = published(admin, seconds=4 * 3600)
    desk.open(timezone.now() - HOUR)
    waiting = desk.open(timezone.now() - HOUR)
    desk.hold(waiting, timezone.now() - HOUR / 2)
    drafted(admin, policy, content(seconds=4 * 3600))

    answer = admin.post(f"{POLICIES}{policy['id']}/dry-run/", {}).json()

    assert (answer["counts"]["unchanged"], answer["results"]) == (2, [])


def test_a_dry_run_tells_breaches_and_their_end_and_stops_at_its_limit(desk, admin):
    now = timezone.now()
    policy = published(admin, seconds=10 * 3600)
    desk.open(now - 5 * HOUR)
    version = drafted(admin, policy, content(seconds=3600))
    run = f"{POLICIES}{policy['id']}/dry-run/"

    assert admin.post(run, {"version": version["id"]}).json()["counts"]["breached"] == 1

    late = desk.open(now - 20 * HOUR)
    drafted(admin, policy, content(seconds=30 * 3600))
    counts = admin.post(run, {}).json()["counts"]
    assert (counts["moved"], counts["unbreached"]) == (1, 1)
    assert desk.timer(late).target_seconds == 36_000

    drafted(admin, policy, content(metric="next_reply"))
    assert admin.post(run, {}).json()["counts"]["cancelled"] == 2
    part = admin.post(run, {"limit": 1}).json()
    assert (part["tickets"], part["looked_at"], part["is_complete"]) == (2, 1, False)
    assert admin.post(run, {"limit": 0}).status_code == 400


def test_a_dry_run_costs_one_query_for_each_further_ticket(desk, admin):
    calendar = desk.office()
    policy = created(admin)
    drafted(admin, policy, content(seconds=4 * 3600, calendar=calendar))
    admin.post(f"{POLICIES}{policy['id']}/publish/", {})
    drafted(admin, policy, content(seconds=3 * 3600, calendar=calendar))

    def cost(tickets):
        for _ in range(tickets):
            desk.hold(desk.open(), MONDAY + HOUR)
        with CaptureQueriesContext(connection) as sent:
            answer = admin.post(f"{POLICIES}{policy['id']}/dry-run/", {}).json()
        return answer["counts"]["moved"], len(sent)

    cost(1)
    (few, before), (many, after) = cost(1), cost(5)
    assert (few, many, after - before) == (2, 7, 5)


def test_publishing_leaves_open_tickets_alone_unless_it_is_told_to_move_them(desk, admin):
    policy = published(admin, seconds=4 * 3600)
    ticket = desk.open()
    drafted(admin, policy, content(seconds=2 * 3600))
    assert admin.post(f"{POLICIES}{policy['id']}/publish/", {"adoption": "new_only"}).status_code == 200
    assert [timer.target_seconds for timer in desk.timers(ticket)] == [14_400]

    drafted(admin, policy, content(seconds=3 * 3600))
    answer = admin.post(f"{POLICIES}{policy['id']}/publish/", {"adoption": "migrate"})

    assert answer.status_code == 202
    assert (answer.json()["kind"], answer.json()["total"]) == ("sla_migration", 1)
    desk.do_job()
    assert [(timer.stage, timer.target_seconds) for timer in desk.timers(ticket)] == [
        ("cancelled", 14_400),
        ("running", 10_800),
    ]
    job = admin.get(answer["Location"]).json()
    assert (job["state"], job["done"], job["result"]) == ("done", 1, {"tickets": 1})


def test_a_withdrawn_policy_ends_its_timers_by_a_job_and_can_be_promised_again(desk, admin):
    policy = published(admin)
    tickets = [desk.open(timezone.now()) for _ in range(3)]

    answer = admin.delete(f"{POLICIES}{policy['id']}/")

    assert (answer.status_code, answer.json()["kind"], answer.json()["total"]) == (202, "sla_withdrawal", 3)
    assert admin.get(f"{POLICIES}{policy['id']}/").json()["is_active"] is False
    assert admin.delete(f"{POLICIES}{policy['id']}/").json()["code"] == "already_withdrawn"
    assert desk.timers(desk.open()) == []
    assert [desk.timer(ticket).stage for ticket in tickets] == ["running"] * 3
    desk.do_job()
    assert [(desk.timer(ticket).stage, desk.timer(ticket).end_reason) for ticket in tickets] == [
        ("cancelled", "withdrawn")
    ] * 3
    assert [[event.name for event in desk.told(ticket)] for ticket in tickets] == [["sla.withdrawn"]] * 3
    job = admin.get(answer["Location"]).json()
    assert (job["state"], job["done"], job["result"]) == ("done", 3, {"tickets": 3})
    drafted(admin, policy, content(seconds=60))
    admin.post(f"{POLICIES}{policy['id']}/publish/", {})
    assert admin.get(f"{POLICIES}{policy['id']}/").json()["is_active"] is True
    assert desk.timer(desk.open()).target_seconds == 60


def test_a_policy_by_which_nothing_runs_is_withdrawn_at_once(desk, admin):
    policy = published(admin)

    assert admin.delete(f"{POLICIES}{policy['id']}/").status_code == 204
    assert admin.get(f"{POLICIES}{policy['id']}/").json()["is_active"] is False


def test_what_was_promised_again_before_the_job_came_goes_on(desk, admin):
    policy = published(admin, seconds=3600)
    old = desk.open()
    drafted(admin, policy, content(seconds=60))
    admin.delete(f"{POLICIES}{policy['id']}/")
    assert admin.post(f"{POLICIES}{policy['id']}/publish/", {}).status_code == 200
    new = desk.open()

    assert desk.do_job().state == "done"

    assert [desk.timer(ticket).stage for ticket in (old, new)] == ["cancelled", "running"]


def test_each_step_of_a_policy_is_one_fact(desk, admin):
    policy = published(admin)
    desk.open()
    admin.delete(f"{POLICIES}{policy['id']}/")
    drafted(admin, policy, content(seconds=60))
    admin.post(f"{POLICIES}{policy['id']}/publish/", {})

    with desk.entered():
        told = list(Event.objects.filter(subject_id=policy["id"]).order_by("id").values_list("name", "data"))
    assert [name.removeprefix("sla_policy.") for name, _ in told] == [
        "created", "drafted", "published", "withdrawn", "drafted", "published"
    ]  # fmt: skip
    assert (told[3][1]["timers"], told[5][1]["number"]) == (1, 2)


def test_two_policies_in_one_place_are_refused(desk, admin):
    first = created(admin, name="First")
    assert admin.post(POLICIES, {"name": "Second", "position": first["position"]}).status_code == 409
    with desk.entered():
        assert list(Policy.objects.filter(name="Second")) == []


def test_the_strictest_of_two_policies_counts_where_the_settings_say_so(desk, admin):
    published(admin, seconds=7200, name="First")
    published(admin, seconds=60, name="Second")
    assert admin.get("/api/v1/sla/settings/").json()["selection"] == "first_match"
    assert desk.timer(desk.open()).target_seconds == 7200

    answer = admin.patch("/api/v1/sla/settings/", {"selection": "strictest"})

    assert (answer.status_code, answer.json()["selection"]) == (200, "strictest")
    assert desk.timer(desk.open()).target_seconds == 60
    wrong = admin.patch("/api/v1/sla/settings/", {"selection": "loosest"})
    assert "first_match, strictest" in wrong.json()["errors"][0]["detail"]


def test_a_deadline_is_set_by_hand_with_a_reason(desk, admin, api):
    published(admin, seconds=4 * 3600)
    ticket = desk.open(timezone.now())
    address = f"/api/v1/sla/timers/{desk.timer(ticket).pk}/deadline/"
    later = (timezone.now() + 30 * HOUR).replace(microsecond=0)

    wrong = admin.post(address, {"due_at": MONDAY.isoformat(), "reason": "The board asked for it."})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/due_at")
    assert admin.post(address, {"due_at": later.isoformat()}).json()["errors"][0]["pointer"] == "/reason"
    assert api(desk.agent).post(address, {"due_at": later.isoformat(), "reason": "x"}).status_code == 403
    with desk.entered():
        assert not Timer.objects.exclude(fixed_due_at=None).exists()

    answer = admin.post(address, {"due_at": later.isoformat(), "reason": "The board asked for it."})

    assert answer.status_code == 200
    assert answer.json()["due_at"] == answer.json()["fixed_due_at"] == later.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert answer.json()["set_because"] == "The board asked for it."
    assert desk.stored(ticket).sla_due_at == later
