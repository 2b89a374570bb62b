"""Platform operators act in another organization by naming it; nobody else does."""

import pytest
from django.utils import timezone

from apps.audit.models import Event
from apps.organizations.models import Organization, Team
from tests.core.expectations import assert_problem
from tests.factories import TeamFactory

TEAMS = "/api/v1/teams/"
ME = "/api/v1/auth/me/"


def names(answer):
    assert answer.status_code == 200, answer.content
    return [row["name"] for row in answer.json()["results"]]


@pytest.fixture
def teams(acme, globex):
    for tenant, name in ((acme, "Of Acme"), (globex, "Of Globex")):
        with tenant.entered():
            TeamFactory(name=name)


def test_an_operator_says_in_which_organization(acme, teams, operator, api):
    for method in ("get", "post"):
        body = assert_problem(getattr(api(operator), method)(TEAMS, {}), 400, "organization_required")
        assert "X-Organization" in body["detail"]


def test_an_operator_acts_as_an_administrator_where_they_say_and_the_log_there_shows_who(
    *, acme, globex, operators, teams, operator, api
):
    client = api(operator, HTTP_X_ORGANIZATION="acme")

    assert names(client.get(TEAMS)) == ["Of Acme"]
    created = client.post(TEAMS, {"name": "By Olga"})

    assert created.status_code == 201
    with acme.entered():
        event = Event.objects.get(name="team.created")
        assert Team.objects.get(name="By Olga").organization_id == acme.id
    assert (event.organization_id, event.actor_id, event.actor_label) == (acme.id, operator.pk, "Olga")
    for other in (globex, operators):
        with other.entered():
            assert not Event.objects.filter(name="team.created").exists()
    assert names(api(operator, HTTP_X_ORGANIZATION="globex").get(TEAMS)) == ["Of Globex"]


def test_at_home_an_operator_needs_no_header_but_may_name_it(operators, teams, operator, api):
    assert api(operator).get(ME).json()["full_name"] == "Olga"
    assert names(api(operator, HTTP_X_ORGANIZATION="operators").get(TEAMS)) == []


def test_me_and_logout_are_at_home_wherever_one_acts(acme, operators, operator, api):
    client = api(operator, HTTP_X_ORGANIZATION="acme")

    assert client.patch(ME, {"full_name": "Olga O."}).json()["full_name"] == "Olga O."
    assert client.post("/api/v1/auth/logout/").status_code == 204
    with operators.entered():
        assert set(Event.objects.values_list("name", flat=True)) >= {"user.updated", "user.signed_out"}
    assert_problem(client.get(ME), 401, "session_ended")


@pytest.mark.parametrize("slug", ["nothing", "ACME", "' OR 1=1--", "x" * 5000, "äcme", "acme,globex"])
def test_an_unknown_organization_is_404_for_an_operator(acme, teams, operator, api, slug):
    assert_problem(api(operator, HTTP_X_ORGANIZATION=slug).get(TEAMS), 404, "not_found")


@pytest.mark.parametrize("slug", ["globex", "nothing", "operators"])
def test_anybody_else_is_403_whether_it_exists_or_not(*, acme, globex, operators, teams, dan, api, slug):
    for answer in (
        api(dan, HTTP_X_ORGANIZATION=slug).get(TEAMS),
        api(dan, HTTP_X_ORGANIZATION=slug).post(TEAMS, {"name": "Mine"}),
    ):
        assert assert_problem(answer, 403, "missing_grant")["grant"] == "operator"
    for tenant in (acme, globex, operators):
        with tenant.entered():
            assert not Team.objects.filter(name="Mine").exists()


def test_anybody_may_name_their_own_organization(acme, teams, dan, api):
    assert names(api(dan, HTTP_X_ORGANIZATION="acme").get(TEAMS)) == ["Of Acme"]


def test_an_operator_reaches_no_deleted_organization(acme, teams, operator, api):
    with acme.entered():
        Organization.objects.update(deleted_at=timezone.now())

    assert_problem(api(operator, HTTP_X_ORGANIZATION="acme").get(TEAMS), 404, "not_found")


def test_a_record_next_door_stays_404_for_an_operator_who_acts_elsewhere(acme, globex, teams, operator, api):
    with globex.entered():
        foreign = Team.objects.get()

    assert_problem(api(operator, HTTP_X_ORGANIZATION="acme").get(f"{TEAMS}{foreign.pk}/"), 404, "not_found")


def test_the_organization_acted_in_decides_whether_if_match_is_required(acme, teams, operator, api):
    with acme.entered():
        Organization.objects.update(requires_if_match=True)
        team = Team.objects.get()
    client = api(operator, HTTP_X_ORGANIZATION="acme")

    assert_problem(client.patch(f"{TEAMS}{team.pk}/", {"name": "x"}), 428, "precondition_required")
    assert client.patch(f"{TEAMS}{team.pk}/", {"name": "x"}, HTTP_IF_MATCH='"1"').status_code == 200
