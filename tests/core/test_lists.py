"""Pages of lists over HTTP: sizes, cursors, counts, links (T41)."""

from random import Random
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import signing
from django.db import connection
from django.utils import timezone

from apps.core.api import pagination
from apps.core.api.pagination import EXACT_COUNT_LIMIT
from apps.organizations.models import Site, Team
from tests.core import routes
from tests.core.expectations import assert_problem, pointers
from tests.factories import CostCentreFactory, SiteFactory, TeamFactory

TEAMS = "/api/v1/teams/"
COST_CENTRES = "/api/v1/cost-centres/"


@pytest.fixture
def teams(acme):
    with acme.entered():
        return [TeamFactory(name=f"Team {n:02}") for n in range(7)]


def names(answer):
    assert answer.status_code == 200, answer.content
    return [row["name"] for row in answer.json()["results"]]


def test_a_list_has_fifty_rows_unless_asked_otherwise(acme, dan, api):
    with acme.entered():
        for n in range(51):
            TeamFactory(name=f"Team {n:02}")

    first = api(dan).get(TEAMS)

    assert len(names(first)) == 50
    assert set(first.json()) == {"next", "previous", "results"}
    assert first.json()["previous"] is None
    second = api(dan).get(first.json()["next"])
    assert (names(second), second.json()["next"]) == (["Team 50"], None)
    assert names(api(dan).get(second.json()["previous"])) == names(first)


@pytest.mark.bar(41)
@pytest.mark.asvs("15.2.2")
@pytest.mark.parametrize(
    "size", ["0", "-1", "201", "1000000000", "1e9", "x", "", " 5", "5.0", "٥", "+5", "0x5", "5,6", "9" * 5000]
)
def test_a_page_size_outside_of_1_to_200_is_400(acme, dan, api, teams, size):
    body = assert_problem(api(dan).get(TEAMS, {"page_size": size}), 400, "invalid_parameter")

    assert pointers(body) == [("/page_size", "out_of_range")]
    assert "accepted: 1 to 200" in body["detail"]


@pytest.mark.parametrize("size", [1, 7, 8, 200])
def test_a_page_size_within_is_honoured(acme, dan, api, teams, size):
    answer = api(dan).get(f"{TEAMS}?page_size={size}")

    assert len(names(answer)) == min(size, 7)
    assert (answer.json()["next"] is None) == (size >= 7)


def cursor_of(link):
    return parse_qs(urlsplit(link).query)["cursor"][0]


def forgeries(ours: str) -> dict[str, str]:
    signer = signing.Signer(salt=pagination.SALT)
    return {
        "empty": "",
        "rubbish": "rubbish",
        "one character changed": ours[:5] + ("A" if ours[5] != "A" else "B") + ours[6:],
        "cut": ours[:-1],
        "unsigned": ours.rsplit(":", 1)[0],
        "not ASCII": "ü:ü",
        "signed with another salt": signing.Signer(salt="other").sign_object(["name", 0, ["a", "b"]]),
        "signed with another key": signing.Signer(key="k" * 50, salt=pagination.SALT).sign_object(
            ["name", 0, ["a", "b"]]
        ),
        "another ordering": signer.sign_object(["-name", 0, ["a", "01a1fd93-0000-7000-8000-000000000000"]]),
        "too few values": signer.sign_object(["name", 0, ["a"]]),
        "no list": signer.sign_object({"a": 1}),
        "no id": signer.sign_object(["name", 0, ["a", "not an id"]]),
        "compressed": signer.sign_object(["name", 0, ["a" * 5000, "x"]], compress=True),
    }


@pytest.mark.bar(41)
@pytest.mark.parametrize("name", forgeries("x" * 50))
def test_a_cursor_that_is_not_ours_for_this_list_is_400(acme, dan, api, teams, name):
    ours = cursor_of(api(dan).get(f"{TEAMS}?page_size=2&ordering=name").json()["next"])

    answer = api(dan).get(TEAMS, {"page_size": 2, "ordering": "name", "cursor": forgeries(ours)[name]})

    assert pointers(assert_problem(answer, 400, "invalid_parameter")) == [("/cursor", "invalid")]


@pytest.mark.bar(41)
@pytest.mark.parametrize("ordering", ["-name", "created_at", "-created_at"])
def test_a_cursor_of_another_ordering_is_400(acme, dan, api, teams, ordering):
    ours = cursor_of(api(dan).get(f"{TEAMS}?page_size=2&ordering=name").json()["next"])

    assert_problem(api(dan).get(TEAMS, {"ordering": ordering, "cursor": ours}), 400, "invalid_parameter")


def test_a_cursor_shows_only_the_caller_s_own_rows(*, acme, globex, dan, mallory, api, teams):
    with globex.entered():
        TeamFactory(name="Team 99 of Globex")
    link = api(dan).get(f"{TEAMS}?page_size=2").json()["next"]

    assert names(api(mallory).get(link)) == ["Team 99 of Globex"]


def test_links_keep_every_other_parameter_and_change_only_the_cursor(acme, dan, api, teams):
    query = {
        "page_size": "2",
        "ordering": "-name",
        "search": "team",
        "fields": "id,name",
        "count": "true",
        "name__in": "Team 01,Team 02,Team 03,Team 04",
    }
    page = api(dan).get(TEAMS, query).json()
    for step in ("next", "previous"):
        found = {name: value[0] for name, value in parse_qs(urlsplit(page[step]).query).items()}
        assert {**found, "cursor": ""} == {**query, "cursor": ""}
        assert (urlsplit(page[step]).path, page["count"]) == (TEAMS, 4)
        page = api(dan).get(page[step]).json()

    assert [row["name"] for row in page["results"]] == ["Team 04", "Team 03"]
    assert page["previous"] is None


def walk(client, url, step="next"):
    """Every row from `url` on, page by page, and the last page."""
    found = []
    while True:
        page = client.get(url).json()
        found += page["results"] if step == "next" else page["results"][::-1]
        if page[step] is None:
            return found, page
        url = page[step]


@pytest.mark.bar(41)
@pytest.mark.parametrize("ordering", ["name", "-name", "created_at", "-created_at"])
@pytest.mark.parametrize("size", [1, 2, 3, 40])
def test_walking_forward_and_back_sees_each_row_once_though_rows_come_and_go(acme, dan, api, ordering, size):
    random, moment = Random(f"{ordering}{size}"), timezone.now()
    with acme.entered():
        # Many equal instants: only the id tells them apart.
        stays = [TeamFactory(name=f"Team {random.random()}", created_at=moment) for _ in range(25)]
        goes = [TeamFactory(name=f"Going {random.random()}", created_at=moment) for _ in range(5)]
    client, seen, url = api(dan), [], f"{TEAMS}?ordering={ordering}&page_size={size}"

    while url:
        page = client.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url, last = page["next"], page
        with acme.entered():
            # As long as there are some to go; whoever adds for ever is never done.
            if goes:
                TeamFactory(name=f"Team {random.random()} came late", created_at=moment)
                Team.objects.filter(pk=goes.pop().pk).update(deleted_at=moment)

    assert len(seen) == len(set(seen))
    assert {str(team.pk) for team in stays} <= set(seen)
    back = [row["id"] for row in last["results"]][::-1]
    if last["previous"]:
        back += [row["id"] for row in walk(client, last["previous"], "previous")[0]]
    assert len(back) == len(set(back))
    assert {str(team.pk) for team in stays} <= set(back)
    with acme.entered():
        column = ordering.removeprefix("-")
        key = {str(row.pk): (getattr(row, column), str(row.pk)) for row in Team.objects.all()}
    assert seen == sorted(seen, key=key.get, reverse=ordering.startswith("-"))
    assert back == sorted(back, key=key.get, reverse=not ordering.startswith("-"))


def test_a_deep_page_costs_what_the_first_one_does(acme, dan, api, django_assert_max_num_queries):
    with acme.entered():
        for n in range(60):
            CostCentreFactory(code=f"{n:03}")
    client = api(dan)
    _, last = walk(client, f"{COST_CENTRES}?page_size=1")

    with django_assert_max_num_queries(8):
        client.get(last["previous"])


def test_count_is_exact_and_only_when_asked_for(acme, dan, api, teams):
    assert "count" not in api(dan).get(TEAMS).json()
    assert "count" not in api(dan).get(f"{TEAMS}?count=false").json()
    page = api(dan).get(f"{TEAMS}?count=true&page_size=2&name__in=Team 01,Team 02,Team 03").json()

    assert (page["count"], len(page["results"]), "count_is_estimate" in page) == (3, 2, False)


def test_beyond_ten_thousand_the_count_is_an_estimate_and_says_so(acme, dan, api):
    def fill(first, last):
        with acme.entered(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO organizations_site (id, organization_id, name, time_zone, address, is_active, created_at,"
                " updated_at, version) SELECT gen_random_uuid(), %s, 'Site ' || n, 'UTC', '', true, now(), now(), 1"
                " FROM generate_series(%s, %s) AS n",
                [acme.id, first, last],
            )

    fill(1, EXACT_COUNT_LIMIT)
    page = api(dan).get("/api/v1/sites/?count=true&page_size=1").json()
    assert (page["count"], "count_is_estimate" in page) == (EXACT_COUNT_LIMIT, False)

    fill(EXACT_COUNT_LIMIT + 1, EXACT_COUNT_LIMIT + 1)
    page = api(dan).get("/api/v1/sites/?count=true&page_size=1").json()
    assert page["count"] > EXACT_COUNT_LIMIT
    assert page["count_is_estimate"] is True
    page = api(dan).get("/api/v1/sites/?count=true&page_size=1&name=Site 7").json()
    assert (page["count"], "count_is_estimate" in page) == (1, False)


@pytest.mark.parametrize("route", routes.lists(), ids=str)
def test_every_list_of_the_platform_pages_by_every_ordering_it_names(acme, dan, api, route):
    with acme.entered():
        SiteFactory()
        assert Site.objects.exists()
    for name in route.view.orderings:
        for ordering in (name, f"-{name}"):
            answer = api(dan).get(routes.path_in(route, acme), {"ordering": ordering, "page_size": 1, "count": "true"})
            assert answer.status_code == 200, answer.content
            if answer.json()["next"]:
                assert api(dan).get(answer.json()["next"]).status_code == 200
