"""Filters, ordering, search, fields and expand take what they declare and nothing else (T42)."""

import time

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django_filters.filters import CharFilter

from apps.core.api import filters
from apps.core.errors import Invalid
from apps.core.models import new_id
from apps.organizations.models import Team
from apps.users.models import RoleAssignment, User
from apps.users.role_table import ADMIN
from tests.conftest import IS_FULL_RUN
from tests.core import routes
from tests.core.expectations import assert_problem, pointers
from tests.factories import (
    BusinessCalendarFactory,
    CostCentreFactory,
    DepartmentFactory,
    GrantFactory,
    RoleFactory,
    SiteFactory,
    TeamFactory,
    UserFactory,
)
from tests.sampling import few

TEAMS = "/api/v1/teams/"
SITES = "/api/v1/sites/"

SMUGGLED = [
    "name__icontains", "name__regex", "name__iregex", "name__startswith", "name__in__in", "name__isnull", "name__", "__name",
    "__", "_connector", "_negated", "pk", "pk__in", "id__in", "organization_id", "organization", "organization__name",
    "organization_id__in", "calendar__name", "calendar__organization_id", "calendar_id", "version", "version__gte",
    "deleted_at", "deleted_at__isnull", "users", "users__password", "users__password__startswith", "created_at",
    "created_at__year", "created_at__date", "query", "queryset", "self", "limit", "offset", "page", "_method",
    "name[]", "name[0]", "$where", "", " name", "NAME", "name\x00", "%", "'", "{}", "password", "access_token",
]  # fmt: skip

INJECTIONS = [
    "'", "''", '"', "' OR '1'='1", "' OR 1=1--", "1; DROP TABLE organizations_team--", "') OR ('1'='1", "1 UNION SELECT 1",
    "' UNION SELECT password FROM users_user--", "%27%20OR%201=1", "\\' OR 1=1--", "' || pg_sleep(5) || '", "1);SELECT 1--",
    "$1", "%s", "%(name)s", "%%", "%", "_", "\\", "\\\\", "{0}", "{{7*7}}", "/**/OR/**/1=1", "0x27", "CHR(39)",
    "name) DESC, (SELECT 1", "-name,(SELECT 1)", "ASC; SELECT pg_sleep(5)", "case when 1=1 then name end", "?", "??", "*",
    "null", "NULL", "None", "undefined", "[]", "{}", "()", ";", "--", "#", "~*", "(?:a+)+$" * 20, "ʼ", "＇", "a\u2028",
    "😀", "x" * 150,
]  # fmt: skip


@pytest.fixture
def team(acme):
    with acme.entered():
        return TeamFactory(name="Blue")


@pytest.mark.bar(42)
@pytest.mark.asvs("1.2.4")
@pytest.mark.parametrize("route", routes.lists(), ids=str)
def test_no_lookup_can_be_smuggled_into_a_list(acme, dan, api, route):
    accepted = set(route.view.filterset_class.base_filters)
    client = api(dan)
    for name in few(SMUGGLED, 20, str(route)):
        if name in accepted:
            continue
        body = assert_problem(client.get(routes.path_in(route, acme), {name: "x"}), 400, "invalid_parameter")
        assert [error["code"] for error in body["errors"]] == ["unknown_parameter"], name
        assert "accepted: " in body["detail"]


@pytest.mark.bar(42)
@pytest.mark.asvs("1.2.4")
@pytest.mark.parametrize("route", routes.lists(), ids=str)
def test_no_value_reaches_sql_as_anything_but_a_value(acme, dan, api, route):
    client = api(dan)
    kinds = route.view.filterset_class.base_filters
    texts = [name for name, kind in kinds.items() if type(kind) is CharFilter or isinstance(kind, filters.TextInFilter)]
    for value in few(INJECTIONS, 12, str(route)):
        # What takes any text finds nothing, all of it in one statement or each alone.
        together = [dict.fromkeys(texts, value)] if texts else []
        for query in together if not IS_FULL_RUN else [*together, *({name: value} for name in texts)]:
            answer = client.get(routes.path_in(route, acme), query)
            assert (answer.status_code, answer.json()["results"]) == (200, []), query
        if route.view.search_columns:
            assert client.get(routes.path_in(route, acme), {"search": value}).status_code == 200, value
    for name in set(kinds) - set(texts):
        for value in few(INJECTIONS, 4, f"{route} {name}"):
            body = assert_problem(client.get(routes.path_in(route, acme), {name: value}), 400, "invalid_parameter")
            assert [error["pointer"] for error in body["errors"]] == [f"/{name}"], value


@pytest.mark.bar(42)
@pytest.mark.budget(80)
@pytest.mark.parametrize("route", routes.lists(), ids=str)
@pytest.mark.parametrize("parameter", ["ordering", "fields", "expand", "cursor", "count", "page_size", "format"])
def test_what_shapes_a_list_is_an_allow_list(acme, dan, api, route, parameter):
    client = api(dan)
    for value in [
        *few(INJECTIONS, 6, f"{route} {parameter}"),
        "password",
        "organization_id",
        "-organization_id",
        "version",
        "current_hash",
        "--name",
        "-",
        "pk",
        "name,password",
        "+name",
        "name desc",
        "calendar__name",
    ]:
        if parameter == "fields" and value in route.view.serializer_class().fields:
            continue
        body = assert_problem(client.get(routes.path_in(route, acme), {parameter: value}), 400, "invalid_parameter")
        assert [error["pointer"] for error in body["errors"]] == [f"/{parameter}"], value
        assert "accepted" in body["detail"] or "as given" in body["detail"]


@pytest.mark.bar(42)
@pytest.mark.parametrize(
    "raw",
    [
        "name=%00",
        "search=a%00b",
        "%00=a",
        "calendar=%00",
        "cursor=%00",
        "ordering=name%00",
        "fields=name%00",
        "name__in=a,%00",
        "created_at__gte=%00",
    ],
)
def test_nul_is_400(acme, dan, api, team, raw):
    assert_problem(api(dan).get(f"{TEAMS}?{raw}"), 400, "invalid_parameter")


@pytest.mark.bar(42)
@pytest.mark.parametrize("raw", ["name=%ED%A0%80", "search=%ff%fe", "name=%C0%80", "name=%F4%90%80%80"])
def test_bytes_that_are_no_text_find_nothing(acme, dan, api, team, raw):
    answer = api(dan).get(f"{TEAMS}?{raw}")

    assert (answer.status_code, answer.json()["results"]) == (200, [])


def test_a_lone_surrogate_is_refused_by_the_reader_itself():
    class Query:
        query_params = QueryDict(mutable=True)

    Query.query_params["name"] = "\ud800"
    with pytest.raises(Invalid) as refusal:
        filters.read_parameters(Query, {"name"})

    assert refusal.value.errors[0].pointer == "/name"


@pytest.mark.bar(42)
@pytest.mark.asvs("15.3.7")
@pytest.mark.parametrize(
    "raw",
    [
        "name=a&name=b",
        "page_size=1&page_size=2",
        "ordering=name&ordering=name",
        "search=a&search=",
        "fields=id&fields=name",
    ],
)
def test_a_repeated_parameter_is_400(acme, dan, api, team, raw):
    body = assert_problem(api(dan).get(f"{TEAMS}?{raw}"), 400, "invalid_parameter")

    assert [error["code"] for error in body["errors"]] == ["repeated_parameter"]


@pytest.mark.bar(42)
def test_a_thousand_and_one_parameters_are_400(acme, dan, api, team):
    assert_problem(api(dan).get(f"{TEAMS}?" + "&".join("name=a" for _ in range(1001))), 400, "invalid")


@pytest.mark.parametrize("charset", ["base64", "utf-16", "idna", "rot13", "nonsense"])
def test_a_charset_of_the_body_says_nothing_about_the_address(acme, dan, api, team, charset):
    answer = api(dan).get(
        f"{TEAMS}?name=Blue",
        HTTP_CONTENT_TYPE=f"application/json; charset={charset}",
        CONTENT_TYPE=f"application/json; charset={charset}",
    )

    assert [row["name"] for row in answer.json()["results"]] == ["Blue"]


@pytest.mark.bar(42)
@pytest.mark.parametrize("method", ["post", "patch", "delete"])
def test_writes_take_no_filters(acme, dan, api, team, method):
    url = TEAMS if method == "post" else f"{TEAMS}{team.pk}/"

    assert_problem(getattr(api(dan), method)(f"{url}?name=Blue", {"name": "Red"}), 400, "invalid_parameter")
    with acme.entered():
        assert Team.objects.values_list("name", "version").get() == ("Blue", 1)


# --- each filter does what it says


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"name": "Blue"}, ["Blue"]),
        ({"name": "blue"}, []),
        ({"name__in": "Blue,Red"}, ["Blue", "Red"]),
        ({"search": "bLu"}, ["Blue"]),
        ({"search": "e team"}, ["Green"]),
        ({"search": "%"}, []),
        ({"search": "_"}, []),
        ({"ordering": "-name"}, ["Red", "Green", "Blue"]),
        ({"search": "blue", "name": "Red"}, []),
    ],
)
def test_filters_search_and_ordering_select_what_they_say(*, acme, dan, api, team, query, found):
    with acme.entered():
        TeamFactory(name="Red")
        TeamFactory(name="Green", description="the team in the middle")

    assert [row["name"] for row in api(dan).get(TEAMS, query).json()["results"]] == found


def test_a_reference_is_filtered_by_id_and_a_foreign_one_finds_nothing(acme, globex, dan, api, team):
    with acme.entered():
        calendar = BusinessCalendarFactory()
        TeamFactory(name="Timed", calendar=calendar)
    with globex.entered():
        foreign = BusinessCalendarFactory()
    for given, found in ((calendar.pk, ["Timed"]), (foreign.pk, []), (new_id(), [])):
        for query in ({"calendar": str(given)}, {"calendar__in": f"{given},{new_id()}"}):
            assert [row["name"] for row in api(dan).get(TEAMS, query).json()["results"]] == found


def test_instants_bound_a_list_on_both_sides_inclusively(acme, dan, api, team):
    at = team.created_at.isoformat().replace("+00:00", "Z")
    for query, count in (
        ({"created_at__gte": at}, 1),
        ({"created_at__lte": at}, 1),
        ({"created_at__gte": at, "created_at__lte": at}, 1),
        ({"created_at__gte": "2190-01-01T00:00:00+14:00"}, 0),
        ({"created_at__lte": "1970-01-01T00:00:00Z"}, 0),
    ):
        assert len(api(dan).get(TEAMS, query).json()["results"]) == count


def test_a_boolean_is_true_or_false_and_nothing_else_means_everything(acme, dan, api):
    with acme.entered():
        SiteFactory(name="Open")
        SiteFactory(name="Shut", is_active=False)
    for value, found in (("true", ["Open"]), ("false", ["Shut"])):
        assert [row["name"] for row in api(dan).get(SITES, {"is_active": value}).json()["results"]] == found
    for value in ("yes", "1", "True", "banana", "null", "unknown"):
        body = assert_problem(api(dan).get(SITES, {"is_active": value}), 400, "invalid_parameter")
        assert pointers(body) == [("/is_active", "invalid")]
        assert "accepted: true, false" in body["errors"][0]["detail"]


@pytest.mark.parametrize("route", routes.lists(), ids=str)
def test_an_empty_filter_is_400_and_never_the_whole_list(acme, dan, api, route):
    for name in route.view.filterset_class.base_filters:
        body = assert_problem(api(dan).get(routes.path_in(route, acme), {name: ""}), 400, "invalid_parameter")
        assert pointers(body) == [(f"/{name}", "blank")]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"version": "5"}, [5]),
        ({"version__gte": "5"}, [5, 9]),
        ({"version__lte": "5"}, [1, 5]),
        ({"version": "99999999999999999999999"}, []),
        ({"user_type": "end_user"}, [1, 5, 9]),
        ({"user_type__in": "agent,admin"}, []),
    ],
)
def test_numbers_and_choices_filter_too(acme, query, found):
    with acme.entered():
        for version in (1, 5, 9):
            UserFactory(version=version)
        rows = filters.apply_filters(User.objects.order_by("version"), USERS, query)

        assert [row.version for row in rows] == found


USERS = filters.filters_for(User, ("version", "user_type", "deleted_at", "department"))


@pytest.mark.parametrize(
    "query",
    [
        {"version": "1.5"}, {"version": "x"}, {"version": "NaN"}, {"version": "1e3"}, {"version": "1e999999999"},
        {"version": "9" * 6000}, {"user_type": "sleeper"}, {"user_type__in": "agent,sleeper"}, {"deleted_at__gte": "now"},
        {"department": "1"}, {"department__in": "1,2"},
    ],
)  # fmt: skip
def test_a_number_or_choice_that_is_none_is_refused(acme, query):
    started = time.thread_time()
    with acme.entered(), pytest.raises(Invalid) as refusal:
        filters.apply_filters(User.objects.all(), USERS, query)

    assert [error.pointer for error in refusal.value.errors] == [f"/{name}" for name in query]
    assert time.thread_time() - started < 0.2, "seconds of processor time"


@pytest.mark.asvs("1.3.12")
@pytest.mark.bar(43)
@pytest.mark.parametrize("value", ["a" * 100_000, "%" * 100_000, "a " * 50_000, "(a+)+" * 20_000, "\\" * 100_000])
def test_a_search_of_100_kilobytes_is_refused_at_once(acme, dan, api, team, value):
    client = api(dan)
    client.get(TEAMS)
    started = time.process_time()

    assert_problem(client.get(TEAMS, {"search": value}), 400, "invalid_parameter")
    assert time.process_time() - started < 0.2


# --- fields and expand


def test_fields_show_what_is_asked_for_in_that_order(acme, dan, api, team):
    (row,) = api(dan).get(f"{TEAMS}?fields=name,id").json()["results"]

    assert row == {"name": "Blue", "id": str(team.pk)}
    assert api(dan).get(f"{TEAMS}{team.pk}/?fields=version").json() == {"version": 1}
    assert api(dan).patch(f"{TEAMS}{team.pk}/?fields=version", {"name": "Red"}).json() == {"version": 2}
    assert api(dan).post(f"{TEAMS}?fields=name", {"name": "New"}).json() == {"name": "New"}


@pytest.fixture
def department(acme):
    with acme.entered():
        return DepartmentFactory(name="IT", cost_centre=CostCentreFactory(code="4100"))


DEPARTMENTS = "/api/v1/departments/"


def test_expand_embeds_one_level_and_null_stays_null(acme, dan, api, department):
    with acme.entered():
        DepartmentFactory(name="Without")
    rows = api(dan).get(f"{DEPARTMENTS}?expand=cost_centre").json()["results"]

    assert [row["cost_centre"] and row["cost_centre"]["code"] for row in rows] == ["4100", None]
    assert api(dan).get(f"{DEPARTMENTS}{department.pk}/?expand=cost_centre").json()["cost_centre"]["code"] == "4100"


def test_expand_costs_no_query_per_row(acme, dan, api):
    with acme.entered():
        for _ in range(5):
            DepartmentFactory(cost_centre=CostCentreFactory())
    client = api(dan)
    # What a role grants is kept by its version: the first request reads it.
    client.get(DEPARTMENTS)
    counts = []
    for query in ("page_size=1", "page_size=5"):
        with CaptureQueriesContext(connection) as queries:
            client.get(f"{DEPARTMENTS}?expand=cost_centre&{query}")
        counts.append(len(queries))

    assert counts[0] == counts[1]


@pytest.mark.asvs("8.2.3")
@pytest.mark.parametrize("method", ["list", "get", "patch", "post"])
def test_expanding_what_the_caller_may_not_read_is_403_and_writes_nothing(*, acme, alice, api, department, method):
    # A role that may do everything with departments and nothing with cost centres; no built-in one is like that.
    with acme.entered():
        role = RoleFactory()
        for action in ADMIN["departments"]:
            GrantFactory(role=role, resource="departments", action=action)
        RoleAssignment.objects.filter(user=alice).update(role=role)
    client, url = api(alice), f"{DEPARTMENTS}{department.pk}/?expand=cost_centre"
    answer = {
        "list": lambda: client.get(f"{DEPARTMENTS}?expand=cost_centre"),
        "get": lambda: client.get(url),
        "patch": lambda: client.patch(url, {"name": "Mine"}),
        "post": lambda: client.post(
            f"{DEPARTMENTS}?expand=cost_centre", {"name": "Mine", "parent": str(department.pk)}
        ),
    }[method]()

    assert assert_problem(answer, 403, "missing_grant")["grant"] == "cost_centres.read"
    assert client.get(f"{DEPARTMENTS}{department.pk}/").json()["name"] == "IT"
    assert len(client.get(DEPARTMENTS).json()["results"]) == 1
