"""Many records in one request: each row done or refused by itself, in order, once."""

from uuid import uuid4

import pytest
from django.db import IntegrityError

from apps.audit.models import Event
from apps.core.api.bulk import BulkAction
from apps.organizations.api.views import TeamViewSet
from apps.organizations.models import Site, Team
from apps.users.models import Role
from tests.conftest import Api
from tests.core.expectations import assert_problem, pointers
from tests.core.racing import at_once
from tests.factories import (
    BusinessCalendarFactory,
    DepartmentFactory,
    RoleAssignmentFactory,
    RoleFactory,
    SiteFactory,
    TeamFactory,
)

URL = "/api/v1/teams/bulk/"


@pytest.fixture
def teams(acme):
    with acme.entered():
        return [TeamFactory() for _ in range(3)]


def ask(client, rows, action="update", headers=None, **params):
    body = {"ids": [str(getattr(row, "pk", row)) for row in rows], "action": action}
    return client.post(URL, body | ({"params": params} if params else {}), headers=headers or {})


def statuses(answer):
    assert answer.status_code == 200, answer.content
    return [row["status"] for row in answer.json()["results"]]


def events(acme, name):
    with acme.entered():
        return Event.objects.filter(name=name).count()


def test_each_row_is_changed_and_answers_in_order(api, acme, dan, teams):
    answer = ask(api(dan), reversed(teams), description="Moved")

    assert answer.json() == {"results": [{"id": str(team.pk), "status": 200} for team in reversed(teams)]}
    with acme.entered():
        assert set(Team.objects.values_list("description", "version")) == {("Moved", 2)}
    assert events(acme, "team.updated") == 3


def test_each_row_is_deleted_as_a_single_one_would_be(api, acme, dan, teams):
    assert statuses(ask(api(dan), teams, "delete")) == [204, 204, 204]
    with acme.entered():
        assert not Team.objects.filter(deleted_at=None).exists()
    assert events(acme, "team.deleted") == 3


def test_what_cannot_be_seen_is_404_and_keeps_no_other_from_being_done(api, acme, globex, dan, teams):
    with globex.entered():
        foreign = TeamFactory()
    with acme.entered():
        gone = TeamFactory()
    ask(api(dan), [gone], "delete")
    unknown = uuid4()
    answer = ask(api(dan), [teams[0], foreign, unknown, gone, teams[1]], description="Seen")
    first, second, third, fourth, last = answer.json()["results"]

    assert [row["status"] for row in (first, second, third, fourth, last)] == [200, 404, 404, 404, 200]
    # A foreign one is, to the letter, like one that never was.
    assert {**second, "id": ""} == {**third, "id": ""} == {**fourth, "id": ""}
    assert second["code"] == "not_found"
    with globex.entered():
        foreign.refresh_from_db()
        assert (foreign.description, foreign.version) == ("Does things", 1)
    assert events(acme, "team.updated") == 2


def test_who_lacks_the_grant_altogether_is_refused_once(api, acme, alice, teams):
    refused = assert_problem(ask(api(alice), teams, description="x"), 403, "missing_grant")

    assert refused["grant"] == "teams.update"
    assert events(acme, "team.updated") == 0


def test_each_action_asks_for_its_own_grant(api, acme, alice, teams):
    with acme.entered():
        role = RoleFactory(name="Namer")
        role.grants.create(organization_id=acme.id, resource="teams", action="update", reach="organization")
        RoleAssignmentFactory(role=role, user=alice)

    assert statuses(ask(api(alice), teams, description="x")) == [200, 200, 200]
    assert assert_problem(ask(api(alice), teams, "delete"), 403, "missing_grant")["grant"] == "teams.delete"
    with acme.entered():
        assert Team.objects.filter(deleted_at=None).count() == 3


def test_a_row_beyond_the_grants_reach_is_403_by_itself(api, acme, alice):
    """Alice may change what belongs to one team: of the teams themselves, that one."""
    with acme.entered():
        mine, other = TeamFactory(), TeamFactory()
        role = RoleFactory(name="Captain")
        role.grants.create(organization_id=acme.id, resource="teams", action="update", reach="organization")
        RoleAssignmentFactory(role=role, user=alice, limited_to_team=mine)
    answer = ask(api(alice), [mine, other], description="x")

    assert statuses(answer) == [200, 403]
    assert answer.json()["results"][1]["code"] == "missing_grant"
    with acme.entered():
        other.refresh_from_db()
        assert other.description == "Does things"


def test_a_row_that_a_rule_refuses_undoes_itself_alone(api, acme, dan, monkeypatch, teams):
    """The row's writes before the refusal are undone with it; its neighbours' stay."""
    cursed = teams[1].pk

    def rename(view, team, params):
        team.name = f"{team.name}!"
        team.save(update_fields=["name"])
        if team.pk == cursed:
            raise IntegrityError("constraint")

    monkeypatch.setattr(TeamViewSet, "bulk_actions", {"shout": BulkAction("partial_update", rename)})
    answer = ask(api(dan), teams, "shout")

    assert statuses(answer) == [200, 422, 200]
    with acme.entered():
        assert [Team.objects.get(pk=team.pk).name.endswith("!") for team in teams] == [True, False, True]


def test_an_accident_in_one_row_is_logged_and_says_nothing_of_itself(api, dan, monkeypatch, teams):
    def explode(view, team, params):
        raise RuntimeError("the secret recipe")

    monkeypatch.setattr(TeamViewSet, "bulk_actions", {"explode": BulkAction("partial_update", explode)})
    answer = ask(api(dan), teams[:1], "explode")

    assert statuses(answer) == [500]
    assert "recipe" not in answer.content.decode()


def test_a_plain_resource_has_it_too(api, acme, dan):
    with acme.entered():
        sites = [SiteFactory(), SiteFactory()]
    body = {"ids": [str(site.pk) for site in sites], "action": "update", "params": {"is_active": False}}
    answer = api(dan).post("/api/v1/sites/bulk/", body)

    assert statuses(answer) == [200, 200]
    with acme.entered():
        assert not Site.objects.filter(is_active=True).exists()


def test_rows_that_are_referenced_stay(api, acme, dan):
    with acme.entered():
        calendar = BusinessCalendarFactory()
        TeamFactory(calendar=calendar)
        DepartmentFactory()
        free, used = SiteFactory(), SiteFactory()
    assert statuses(
        api(dan).post("/api/v1/sites/bulk/", {"ids": [str(free.pk), str(used.pk)], "action": "delete"})
    ) == [204, 204]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"ids": []}, ("/ids", "min_length")),
        ({"ids": ["nonsense"]}, ("/ids/0", "invalid")),
        ({"ids": [7]}, ("/ids/0", "invalid")),
        ({"ids": [str(uuid4()) for _ in range(501)]}, ("/ids", "max_length")),
        ({"ids": "all"}, ("/ids", "not_a_list")),
        ({"action": "explode"}, ("/action", "invalid_choice")),
        ({"action": "delete", "params": {"name": "x"}}, ("/params/name", "unknown_field")),
        ({"params": {"version": 9}}, ("/params/version", "read_only")),
        ({"params": {"colour": "blue"}}, ("/params/colour", "unknown_field")),
        ({"params": {"name": 7}}, ("/params/name", "invalid")),
        ({"params": {"calendar": "01990000-0000-7000-8000-000000000000"}}, ("/params/calendar", "does_not_exist")),
        ({"params": []}, ("/params", "not_a_dict")),
        ({"colour": "blue"}, ("/colour", "unknown_field")),
    ],
)
def test_a_request_that_makes_no_sense_does_nothing(api, acme, dan, teams, change, wrong):
    body = {"ids": [str(team.pk) for team in teams], "action": "update", "params": {"description": "x"}, **change}
    answer = api(dan).post(URL, body)

    assert_problem(answer, 400, "invalid")
    assert pointers(answer.json()) == [wrong]
    assert events(acme, "team.updated") == 0


def test_an_id_named_twice_is_refused(api, acme, dan, teams):
    answer = ask(api(dan), [teams[0], teams[1], teams[0]], description="x")

    assert pointers(assert_problem(answer, 400, "invalid")) == [("/ids/2", "duplicate")]
    assert events(acme, "team.updated") == 0


def test_a_parameter_of_lists_is_refused(api, dan, teams):
    answer = api(dan).post(f"{URL}?format=csv", {"ids": [str(teams[0].pk)], "action": "delete"})

    assert_problem(answer, 400, "invalid_parameter")


# --- safely sent again


KEY = {"Idempotency-Key": "bulk-1"}


@pytest.mark.usefixtures("fresh_database")
def test_sent_again_the_rows_that_were_done_answer_the_same_and_the_others_are_tried_again(api, acme, dan, teams):
    client = api(dan)
    missing = uuid4()
    first = ask(client, [teams[0], missing, teams[1]], "delete", KEY)
    with acme.entered():
        TeamFactory(pk=missing)
    second = ask(client, [teams[0], missing, teams[1]], "delete", KEY)

    assert (statuses(first), statuses(second)) == ([204, 404, 204], [204, 204, 204])
    assert events(acme, "team.deleted") == 3


@pytest.mark.usefixtures("fresh_database")
def test_a_key_that_comes_with_another_request_is_refused(api, acme, dan, teams):
    client = api(dan)
    ask(client, teams[:2], headers=KEY, description="one")
    refused = ask(client, teams, headers=KEY, description="two")

    assert_problem(refused, 422, "idempotency_key_reused")
    with acme.entered():
        assert Team.objects.get(pk=teams[0].pk).description == "one"


@pytest.mark.usefixtures("fresh_database")
def test_sent_twice_at_once_each_row_is_done_once(acme, dan, teams):
    clients = [Api(dan) for _ in range(4)]
    answers = at_once([lambda client=client: ask(client, teams, "delete", KEY) for client in clients])

    served = [answer for answer in answers if answer.status_code == 200]
    for answer in set(answers) - set(served):
        assert_problem(answer, 409, "idempotency_in_progress")
    for answer in served:
        assert set(statuses(answer)) <= {204, 409}
        assert {row.get("code") for row in answer.json()["results"]} <= {None, "idempotency_in_progress"}
    assert served
    assert events(acme, "team.deleted") == 3


@pytest.mark.usefixtures("fresh_database")
def test_what_was_done_stays_done_when_a_later_row_fails(api, acme, dan, teams, monkeypatch):
    """Each row commits by itself: its event and its change are there although the next one failed."""
    fatal = teams[2].pk

    def fail_last(view, team, params):
        if team.pk == fatal:
            raise RuntimeError
        return view.delete_record(team)

    monkeypatch.setattr(TeamViewSet, "bulk_actions", {"delete": BulkAction("destroy", fail_last, status=204)})

    assert statuses(ask(api(dan), teams, "delete")) == [204, 204, 500]
    assert events(acme, "team.deleted") == 2


def test_five_hundred_rows_are_one_request(api, acme, dan):
    with acme.entered():
        teams = [TeamFactory() for _ in range(20)]
        assert Role.objects.exists()
    rows = [*teams, *(uuid4() for _ in range(480))]
    found = statuses(ask(api(dan), rows, description="many"))

    assert found == [200] * 20 + [404] * 480
