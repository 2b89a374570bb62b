"""Rules and queues over HTTP: what they accept, what they refuse, where they lead, and what a trial of them says."""

import pytest

from apps.core.models import new_id
from apps.tickets.models import AssignmentQueue, AssignmentRule
from tests import factories
from tests.tickets.desk import opened, refused

RULES, QUEUES, DRY_RUN = "/api/v1/assignment-rules/", "/api/v1/assignment-queues/", "/api/v1/assignment-rules/dry-run/"


@pytest.fixture
def team(acme):
    with acme.entered():
        return factories.TeamFactory(name="Mail")


def rule(client, team, **values):
    body = {"name": f"Rule {new_id()}", "team": str(team.pk) if team else None, **values}
    answer = client.post(RULES, body)
    assert answer.status_code == 201, answer.json()
    return answer.json()


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"team": None}, "/team", "required"),
        ({"destination": "service"}, "/team", "invalid"),
        ({"match": []}, "/match", "invalid"),
        ({"match": {"colour": ["red"]}}, "/match/colour", "invalid_choice"),
        ({"match": {"priority": 1}}, "/match/priority", "invalid"),
        ({"match": {"priority": []}}, "/match/priority", "invalid"),
        ({"match": {"priority": [1, 6]}}, "/match/priority/1", "invalid_choice"),
        ({"match": {"priority": [True]}}, "/match/priority/0", "invalid_choice"),
        ({"match": {"is_vip": [1]}}, "/match/is_vip/0", "invalid_choice"),
        ({"match": {"source": ["pigeon"]}}, "/match/source/0", "invalid_choice"),
        ({"match": {"category": ["mail"]}}, "/match/category/0", "invalid"),
        ({"match": {"category": [str(new_id())]}}, "/match/category/0", "does_not_exist"),
        ({"skills": {}}, "/skills", "invalid"),
        ({"skills": [{"skill": str(new_id())}]}, "/skills/0/skill", "does_not_exist"),
        ({"skills": [{"skill": str(new_id()), "level": 6}]}, "/skills/0/level", "out_of_range"),
        ({"skills": [{"skill": str(new_id()), "weight": 6}]}, "/skills/0", "invalid"),
        ({"position": -1}, "/position", "out_of_range"),
    ],
)
def test_a_senseless_rule_is_refused_with_the_reason(acme, team, dan, api, values, pointer, code):
    answer = api(dan).post(RULES, {"name": "Mail", "team": str(team.pk), **values})

    problem = refused(answer, 400, code)
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [(pointer, code)]
    with acme.entered():
        assert not AssignmentRule.objects.exists()


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"accept_minutes": []}, "/accept_minutes", "invalid"),
        ({"accept_minutes": {"6": 5}}, "/accept_minutes/6", "invalid_choice"),
        ({"accept_minutes": {"1": 0}}, "/accept_minutes/1", "out_of_range"),
        ({"accept_minutes": {"1": True}}, "/accept_minutes/1", "out_of_range"),
        ({"most_tries": 0}, "/most_tries", "out_of_range"),
        ({"most_tries": 11}, "/most_tries", "out_of_range"),
        ({"method": "dice"}, "/method", "invalid_choice"),
        ({"team": str(new_id())}, "/team", "does_not_exist"),
    ],
)
def test_a_senseless_queue_is_refused_with_the_reason(acme, team, dan, api, values, pointer, code):
    answer = api(dan).post(QUEUES, {"team": str(team.pk), **values})

    problem = refused(answer, 400, code)
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [(pointer, code)]
    with acme.entered():
        assert not AssignmentQueue.objects.exists()


def test_a_capacity_below_zero_is_refused(team, alice, dan, api):
    answer = api(dan).post(f"/api/v1/teams/{team.pk}/members/", {"user": str(alice.pk), "capacity": -1})

    assert [error["pointer"] for error in refused(answer, 400, "out_of_range")["errors"]] == ["/capacity"]


def test_a_team_has_one_queue_which_stays_its_own_and_a_place_one_rule(acme, team, dan, api):
    client = api(dan)
    queue = client.post(QUEUES, {"team": str(team.pk), "method": "skill"})
    assert (queue.status_code, queue.json()["accept_minutes"]) == (201, {"1": 5, "2": 15, "3": 60})
    with acme.entered():
        other = factories.TeamFactory()

    assert client.post(QUEUES, {"team": str(team.pk)}).status_code == 409
    moved = client.patch(f"{QUEUES}{queue.json()['id']}/", {"team": str(other.pk)})
    assert [error["pointer"] for error in refused(moved, 400, "immutable")["errors"]] == ["/team"]

    first, second = rule(client, team), rule(client, team)
    assert (first["position"], second["position"]) == (10, 20)
    assert client.post(RULES, {"name": "Third", "position": 10, "team": str(team.pk)}).status_code == 409


def test_agents_read_rules_and_only_administrators_write_and_try_them(team, alice, bob, carol, dan, api):
    made = rule(api(dan), team)
    for person, reads in ((alice, 200), (carol, 200), (bob, 403)):
        assert api(person).get(f"{RULES}{made['id']}/").status_code == reads
        assert api(person).patch(f"{RULES}{made['id']}/", {"name": "Mine"}).status_code == 403
        assert api(person).post(DRY_RUN, {}).status_code == 403


def test_the_first_rule_by_position_that_holds_decides_and_all_its_fields_must_hold(acme, team, dan, api):
    client = api(dan)
    with acme.entered():
        phone, rest = factories.TeamFactory(name="Phone"), factories.TeamFactory(name="Rest")
    rule(client, team, position=20, match={"priority": [1, 2]})
    rule(client, phone, position=10, match={"priority": [1, 2], "source": ["phone"]})
    rule(client, rest, position=30)

    teams = [
        opened(client, **values)["team"]
        for values in (
            {"impact": 1, "urgency": 1, "source": "phone"},
            {"impact": 1, "urgency": 1},
            {"source": "phone"},
            {"source": "phone", "team": str(team.pk)},
        )
    ]

    assert teams == [str(phone.pk), str(team.pk), str(rest.pk), str(team.pk)]


def test_rules_read_what_the_ticket_is_about_and_who_asks(acme, team, dan, bob, api):
    client = api(dan)
    with acme.entered():
        teams = {
            name: factories.TeamFactory(name=name) for name in ("Hardware", "Munich", "Board", "Servers", "Payroll")
        }
        above = factories.CategoryFactory(name="Hardware")
        below = factories.CategoryFactory(name="Mouse", parent=above)
        site = factories.SiteFactory(name="Munich")
        at_site, vip = factories.UserFactory(site=site), factories.UserFactory(is_vip=True)
        item = factories.ConfigurationItemFactory(support_team=teams["Servers"])
        service = factories.ServiceFactory(support_team=teams["Payroll"])
        orphan = factories.ServiceFactory(support_team=None)
    rule(client, None, destination="configuration_item")
    rule(client, None, destination="service")
    rule(client, teams["Hardware"], match={"category": [str(above.pk)]})
    rule(client, teams["Munich"], match={"site": [str(site.pk)]})
    rule(client, teams["Board"], match={"is_vip": [True]})
    rule(client, team)

    found = [
        opened(client, **values)["team"]
        for values in (
            {"configuration_item": str(item.pk), "service": str(service.pk)},
            {"service": str(service.pk)},
            {"service": str(orphan.pk), "category": str(below.pk)},
            {"requester": str(at_site.pk)},
            {"requester": str(vip.pk)},
            {"requester": str(bob.pk)},
        )
    ]

    expected = [teams[name] for name in ("Servers", "Payroll", "Hardware", "Munich", "Board")] + [team]
    assert found == [str(each.pk) for each in expected]


def test_a_rule_that_is_inactive_or_whose_team_is_deleted_leads_nowhere(acme, team, dan, api):
    client = api(dan)
    with acme.entered():
        gone = factories.TeamFactory()
    rule(client, gone)
    rule(client, team, is_active=False)
    assert client.delete(f"/api/v1/teams/{gone.pk}/").status_code == 204

    assert opened(client)["team"] is None


def test_whoever_gets_it_has_the_skills_that_the_rule_asks_for(acme, desk, dan, api):
    with acme.entered():
        german, windows = factories.SkillFactory(name="German"), factories.SkillFactory(name="Windows")
    ann = desk.join("ann", skills={german: 2, windows: 5})
    ben = desk.join("ben", skills={german: 4})
    cem = desk.join("cem", skills={german: 4, windows: 1})
    desk.changes(method="skill")
    client = api(dan)
    wishes = [{"skill": str(german.pk), "level": 3}, {"skill": str(windows.pk), "level": 1, "is_required": False}]
    rule(client, desk.team, skills=wishes)

    first, second = opened(client), opened(client)

    assert [first["assignee"], second["assignee"]] == [str(cem.pk), str(cem.pk)]
    kept = {each["name"]: each["why_not"] for each in desk.told(desk.now_of(first), "created")["considered"]}
    assert kept == {"Cem": None, "Ben": None, "Ann": "lacks_skill"}
    desk.says(cem, "away")
    desk.says(ben, "away")
    waiting = opened(client)
    assert waiting["assignee"] is None
    desk.says(ann, "available")
    desk.a_minute_passes()
    assert desk.owner(desk.now_of(waiting)) is None
    desk.says(ben, "available")
    desk.a_minute_passes()
    assert desk.owner(desk.now_of(waiting)) == ben


def test_a_trial_says_where_recent_tickets_would_go_and_changes_nothing(acme, team, dan, api):
    client = api(dan)
    with acme.entered():
        phone = factories.TeamFactory(name="Phone")
    called, written = opened(client, source="phone"), opened(client, team=str(team.pk))
    made = rule(client, team, position=5)

    before = client.post(DRY_RUN, {}).json()
    draft = {"match": {"source": ["phone"]}, "team": str(phone.pk)}
    tried = client.post(DRY_RUN, {"limit": 2, "rule": draft}).json()

    assert (before["looked_at"], before["moved"], before["unmatched"]) == (2, 1, 0)
    assert tried["rules"] == [
        {"rule": None, "name": "the draft", "tickets": 1},
        {"rule": made["id"], "name": made["name"], "tickets": 1},
    ]
    assert [(each["ticket"], each["team"], each["would_be"], each["is_by_draft"]) for each in tried["results"]] == [
        (written["id"], str(team.pk), str(team.pk), False),
        (called["id"], None, str(phone.pk), True),
    ]
    assert client.get(f"/api/v1/incidents/{called['id']}/").json()["version"] == called["version"]
    wrong = client.post(DRY_RUN, {"rule": {"match": {"colour": ["red"]}}})
    assert [error["pointer"] for error in refused(wrong, 400, "invalid_choice")["errors"]] == ["/rule/match/colour"]
    teamless = client.post(DRY_RUN, {"rule": {"match": {"service": [str(new_id())]}}})
    assert {error["pointer"] for error in refused(teamless, 400, "required")["errors"]} == {
        "/rule/match/service/0",
        "/rule/team",
    }


def test_a_skill_that_a_rule_asks_for_is_not_deleted(acme, team, dan, api):
    client = api(dan)
    with acme.entered():
        asked, other = factories.SkillFactory(), factories.SkillFactory()
    rule(client, team, skills=[{"skill": str(asked.pk), "level": 3}])

    refused(client.delete(f"/api/v1/skills/{asked.pk}/"), 409, "still_referenced")
    assert client.delete(f"/api/v1/skills/{other.pk}/").status_code == 204
    assert client.get(f"/api/v1/skills/{asked.pk}/").status_code == 200


def test_a_team_that_has_open_tickets_is_not_deleted(acme, desk, agents, dan, api):
    client = api(dan)
    (ann,) = agents("ann")
    offered, held = desk.opens(), desk.opens()
    desk.does(held, "hold", reason="awaiting_vendor")

    for ticket in (offered, held):
        refused(client.delete(f"/api/v1/teams/{desk.team.pk}/"), 409, "still_referenced")
        assert desk.owner(ticket) == ann
        desk.resolves(ticket)

    assert client.delete(f"/api/v1/teams/{desk.team.pk}/").status_code == 204


def test_a_rule_whose_team_is_gone_can_be_changed_and_switched_off_but_not_on(acme, team, dan, api):
    client = api(dan)
    with acme.entered():
        gone = factories.TeamFactory()
    made = rule(client, gone)
    assert client.delete(f"/api/v1/teams/{gone.pk}/").status_code == 204
    address = f"{RULES}{made['id']}/"

    renamed = client.patch(address, {"name": "Once"})
    off = client.patch(address, {"is_active": False})
    on = client.patch(address, {"is_active": True})
    moved = client.patch(address, {"team": str(team.pk), "is_active": True})

    assert (renamed.status_code, off.status_code, off.json()["is_active"]) == (200, 200, False)
    assert [error["pointer"] for error in refused(on, 400, "deleted")["errors"]] == ["/team"]
    assert (moved.status_code, moved.json()["is_active"]) == (200, True)


def test_a_changed_rule_is_tried_in_the_place_of_itself(acme, team, dan, api):
    client = api(dan)
    with acme.entered():
        phone = factories.TeamFactory(name="Phone")
    first = rule(client, team, match={"source": ["chat"]}, position=1)
    changed = rule(client, team, position=2)
    called = opened(client, source="phone")

    draft = {"match": {"source": ["phone"]}, "team": str(phone.pk), "replaces": changed["id"]}
    tried = client.post(DRY_RUN, {"rule": draft}).json()

    assert tried["rules"] == [
        {"rule": first["id"], "name": first["name"], "tickets": 0},
        {"rule": None, "name": "the draft", "tickets": 1},
    ]
    assert [(each["ticket"], each["would_be"]) for each in tried["results"]] == [(called["id"], str(phone.pk))]
