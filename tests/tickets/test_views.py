"""Saved views: whose they are, who sees them, what they show whom, and how many that are."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import TeamFactory, TeamMemberFactory
from tests.tickets.test_search import opened

VIEWS = "/api/v1/views/"


def saved(client, **values):
    answer = client.post(VIEWS, {"name": "Queue", **values})
    assert answer.status_code == 201, answer.json()
    return answer.json()


def names(client):
    return [row["name"] for row in client.get(VIEWS).json()["results"]]


def team_of(tenant, *members):
    with tenant.entered():
        team = TeamFactory(organization_id=tenant.id)
        for member in members:
            TeamMemberFactory(organization_id=tenant.id, team=team, user=member)
    return team


def test_a_view_is_kept_changed_and_deleted_by_its_owner(acme, alice, api):
    agent = api(alice)
    view = saved(agent, filters={"status__in": ["new", "in_progress"], "assignee": "me"}, ordering="-priority")

    assert (view["owner"], view["shared_with"], view["team"]) == (str(alice.pk), "me", None)
    assert view["filters"] == {"status__in": ["new", "in_progress"], "assignee": "me"}
    changed = agent.patch(f"{VIEWS}{view['id']}/", {"name": "Mine", "filters": {}})
    assert (changed.json()["name"], changed.json()["filters"], changed.json()["version"]) == ("Mine", {}, 2)
    assert agent.post(VIEWS, {"name": "Mine"}).json()["code"] == "duplicate"
    assert agent.delete(f"{VIEWS}{view['id']}/").status_code == 204
    assert names(agent) == []


@pytest.mark.parametrize(
    ("filters", "pointer", "code"),
    [
        ({"colour": "blue"}, "/filters/colour", "unknown_parameter"),
        ({"search": "vpn"}, "/filters/search", "unknown_parameter"),
        ({"status__in": ["new", {}]}, "/filters/status__in", "invalid"),
        ({"impact": "high"}, "/filters/impact", "invalid"),
        ({"phase": "sleeping"}, "/filters/phase", "invalid_choice"),
        ({"assignee": "somebody"}, "/filters/assignee", "invalid"),
        ({"opened_at__gte": "2026-11-21"}, "/filters/opened_at__gte", "naive"),
        ({"team": None}, "/filters/team", "invalid"),
        ({"number": " "}, "/filters/number", "blank"),
        ([], "/filters", "invalid"),
    ],
)
def test_a_filter_that_the_list_would_refuse_is_refused_by_name(acme, alice, api, filters, pointer, code):
    answer = api(alice).post(VIEWS, {"name": "Queue", "filters": filters})

    assert answer.status_code == 400
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]


def test_an_ordering_is_one_of_the_lists(acme, alice, api):
    answer = api(alice).post(VIEWS, {"name": "Queue", "ordering": "title"})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/ordering")


def test_a_view_shows_each_reader_what_they_may_see_and_me_is_whoever_asks(acme, alice, bob, carol, api):
    for user in (alice, carol, carol):
        api(user).post(f"/api/v1/incidents/{opened(api(bob), title='vpn')['id']}/claim/", {})
    mine = saved(api(carol), filters={"assignee": "me"}, ordering="opened_at", shared_with="organization")
    address = f"{VIEWS}{mine['id']}/tickets/"

    def shown(user, **query):
        return [row["number"] for row in api(user).get(address, query).json()["results"]]

    assert shown(carol) == ["INC0000002", "INC0000003"]
    assert shown(carol, ordering="-opened_at", page_size=1) == ["INC0000003"]
    assert shown(carol, search="INC0000002") == ["INC0000002"]
    assert shown(alice) == ["INC0000001"]
    assert api(bob).get(address).status_code == 404
    page = api(carol).get(address, {"page_size": 1}).json()
    assert page["next"].startswith(f"http://testserver{address}")
    assert [row["number"] for row in api(carol).get(page["next"]).json()["results"]] == ["INC0000003"]
    assert api(carol).get(address, {"status": "new"}).status_code == 400


def test_who_sees_which_view(acme, globex, alice, bob, carol, dan, mallory, api):
    team = team_of(acme, alice, carol)
    saved(api(carol), name="carols own")
    saved(api(carol), name="for the team", shared_with="team", team=str(team.pk))
    saved(api(carol), name="for everybody", shared_with="organization")
    saved(api(bob), name="bobs own", filters={"phase": "new"})

    assert names(api(carol)) == ["carols own", "for everybody", "for the team"]
    assert names(api(alice)) == ["for everybody", "for the team"]
    assert names(api(bob)) == ["bobs own"]
    assert names(api(dan)) == ["for everybody", "for the team"]
    assert names(api(mallory)) == []


def test_sharing_takes_membership_or_the_grant_to_publish(acme, alice, bob, carol, dan, api):
    mine, other = team_of(acme, alice), team_of(acme)

    assert saved(api(alice), name="1", shared_with="team", team=str(mine.pk))["team"] == str(mine.pk)
    for user, values, grant in (
        (alice, {"shared_with": "team", "team": str(other.pk)}, "templates.configure"),
        (alice, {"shared_with": "organization"}, "dashboards.create"),
        (bob, {"shared_with": "organization"}, "dashboards.create"),
    ):
        refused = api(user).post(VIEWS, {"name": "2", **values})
        assert (refused.status_code, refused.json()["grant"]) == (403, grant), values
    for user in (carol, dan):
        saved(api(user), name="3", shared_with="organization")
    saved(api(dan), name="4", shared_with="team", team=str(other.pk))
    for values in ({"shared_with": "team"}, {"team": str(mine.pk)}):
        refused = api(alice).post(VIEWS, {"name": "5", **values})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/team"), values


def test_others_change_no_view_but_who_keeps_templates_keeps_what_is_shared(acme, alice, carol, dan, api):
    view = saved(api(carol), shared_with="organization")
    address = f"{VIEWS}{view['id']}/"

    for answer in (api(alice).patch(address, {"name": "Mine"}), api(alice).delete(address)):
        assert (answer.status_code, answer.json()["grant"]) == (403, "templates.configure")
    assert api(carol).get(address).json() == view
    assert api(dan).patch(address, {"name": "Kept"}).json()["owner"] == str(carol.pk)
    assert api(carol).patch(address, {"shared_with": "me"}).status_code == 200
    assert api(dan).patch(address, {"name": "Taken"}).status_code == 404


def test_counts_are_the_callers_own_in_as_many_queries_however_many_views(acme, globex, alice, bob, mallory, api):
    opened(api(bob), title="of bob", impact=1)
    opened(api(alice), title="of alice")
    everything = saved(api(alice), name="a")
    urgent = saved(api(alice), name="b", filters={"impact": 1})
    none = saved(api(alice), name="c", filters={"assignee": "me"})
    bobs = saved(api(bob), name="d")

    def counted(client):
        return {
            row["view"]: (row["count"], row["is_capped"]) for row in client.get(f"{VIEWS}counts/").json()["results"]
        }

    agent = api(alice)
    with CaptureQueriesContext(connection) as few:
        assert counted(agent) == {everything["id"]: (2, False), urgent["id"]: (1, False), none["id"]: (0, False)}
    for number in range(9):
        saved(agent, name=f"more {number}", filters={"priority": 1 + number % 5})
    with CaptureQueriesContext(connection) as many:
        assert len(counted(agent)) == 12
    assert len(many) == len(few)
    assert counted(api(bob)) == {bobs["id"]: (1, False)}
    assert counted(api(mallory)) == {}


def test_counting_stops_where_a_queue_is_long(acme, alice, api, monkeypatch):
    monkeypatch.setattr("apps.tickets.saved_views.MOST_COUNTED", 2)
    view = saved(api(alice))
    for _ in range(2):
        opened(api(alice), title="vpn")
    assert api(alice).get(f"{VIEWS}counts/").json()["results"] == [{"view": view["id"], "count": 2, "is_capped": False}]

    opened(api(alice), title="vpn")

    assert api(alice).get(f"{VIEWS}counts/").json()["results"] == [{"view": view["id"], "count": 2, "is_capped": True}]
