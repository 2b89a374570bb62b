"""ETag and If-Match: of many who read the same version, one writes (T36)."""

import threading
import time
from functools import partial

import pytest
from django.utils import timezone

from apps.audit.models import Event
from apps.organizations.models import Team
from tests.conftest import IS_FULL_RUN
from tests.core.expectations import assert_problem
from tests.core.racing import at_once
from tests.factories import TeamFactory

TEAMS = "/api/v1/teams/"
ROUNDS = 5 if IS_FULL_RUN else 1


@pytest.fixture
def team(acme):
    with acme.entered():
        return TeamFactory(name="Blue", version=3)


def state(tenant):
    with tenant.entered():
        return Team.objects.values_list("name", "version", "deleted_at").get()


def events(tenant):
    with tenant.entered():
        return list(Event.objects.filter(subject_type="team").order_by("recorded_at").values_list("name", flat=True))


@pytest.mark.bar(36)
@pytest.mark.asvs("15.4.2")
def test_of_fifty_with_one_etag_exactly_one_changes_the_record(fresh_database, acme, dan, api, team):
    authorization = api(dan)._credentials["HTTP_AUTHORIZATION"]
    url = f"{TEAMS}{team.pk}/"
    for number in range(ROUNDS):
        headers = {"HTTP_IF_MATCH": f'"{3 + number}"', "HTTP_AUTHORIZATION": authorization}
        bodies = [{"name": f"Name {number}.{n}"} for n in range(50)]

        answers = at_once([partial(api().patch, url, body, **headers) for body in bodies])

        (winner,) = (answer for answer in answers if answer.status_code == 200)
        for answer in answers:
            if answer is not winner:
                assert assert_problem(answer, 412, "stale")["current_version"] == 4 + number
        assert state(acme) == (winner.json()["name"], 4 + number, None)
        assert winner["ETag"] == f'"{4 + number}"'
    assert events(acme) == ["team.updated"] * ROUNDS


@pytest.mark.bar(36)
@pytest.mark.parametrize("given", ['"3"', "*", ' "3" ', "", '"1", "3"', '"3","1"', 'W/"9" , "a,b", "3"'])
def test_the_current_version_any_version_or_none_named_is_accepted(acme, dan, api, team, given):
    answer = api(dan).patch(f"{TEAMS}{team.pk}/", {"name": "Green"}, HTTP_IF_MATCH=given)

    assert (answer.status_code, answer["ETag"]) == (200, '"4"')


@pytest.mark.bar(36)
@pytest.mark.parametrize(
    "given",
    [
        '"2"',
        '"4"',
        '"0"',
        '"9999999999"',
        '"99999999999999"',
        'W/"3"',
        '"abc"',
        '""',
        '"03"',
        '"-3"',
        '"1", "2"',
        '"1", W/"3"',
        '"33","30"',
        '"٣"',
        'W/"3", "x"',
    ],
)
@pytest.mark.parametrize("method", ["patch", "delete"])
def test_a_tag_that_does_not_match_strongly_is_412_and_changes_nothing(*, acme, dan, api, team, given, method):
    answer = getattr(api(dan), method)(f"{TEAMS}{team.pk}/", {"name": "Green"}, HTTP_IF_MATCH=given)

    assert assert_problem(answer, 412, "stale")["current_version"] == 3
    assert (state(acme), events(acme)) == (("Blue", 3, None), [])


@pytest.mark.bar(36)
@pytest.mark.parametrize(
    "given", ["3", '"3', '3"', "'3'", 'w/"3"', '"3",', ',"3"', '"3" "4"', "**", '*, "3"', "\x00", '"3";q=1']
)
def test_a_malformed_if_match_is_400_and_changes_nothing(acme, dan, api, team, given):
    body = assert_problem(
        api(dan).patch(f"{TEAMS}{team.pk}/", {"name": "Green"}, HTTP_IF_MATCH=given), 400, "invalid_if_match"
    )

    assert "accepted" in body["detail"]
    assert state(acme) == ("Blue", 3, None)


def test_a_foreign_record_is_404_whatever_the_tag(acme, mallory, api, team):
    for tag in ('"3"', '"1"', "*"):
        assert_problem(api(mallory).patch(f"{TEAMS}{team.pk}/", {}, HTTP_IF_MATCH=tag), 404, "not_found")


@pytest.mark.bar(36)
@pytest.mark.parametrize(
    "body", [{}, {"name": "Blue"}, {"name": " Blue "}, {"name": "Blue", "calendar": None, "email": ""}]
)
def test_a_patch_that_changes_nothing_keeps_the_version_and_records_nothing(acme, dan, api, team, body):
    before = api(dan).get(f"{TEAMS}{team.pk}/")

    answer = api(dan).patch(f"{TEAMS}{team.pk}/", body, HTTP_IF_MATCH='"3"')

    assert (answer.status_code, answer["ETag"], answer.content) == (200, '"3"', before.content)
    assert events(acme) == []


def test_deleting_and_restoring_move_the_version_like_any_change(acme, dan, api, team):
    url = f"{TEAMS}{team.pk}/"

    assert api(dan).delete(url, HTTP_IF_MATCH='"3"').status_code == 204
    assert_problem(api(dan).post(f"{url}restore/", HTTP_IF_MATCH='"3"'), 412, "stale")
    assert api(dan).post(f"{url}restore/", HTTP_IF_MATCH='"4"')["ETag"] == '"5"'
    assert events(acme) == ["team.deleted", "team.restored"]


@pytest.mark.parametrize("body", [{"name": "Mine"}, None])
def test_restoring_takes_no_input(acme, dan, api, body):
    with acme.entered():
        team = TeamFactory(name="Gone", deleted_at=timezone.now())

    answer = api(dan).post(f"{TEAMS}{team.pk}/restore/", body)

    if body is None:
        assert answer.status_code == 200
    else:
        assert assert_problem(answer, 400, "invalid")["errors"][0]["code"] == "unknown_field"
        assert state(acme)[2] is not None


def test_no_condition_answers_304(acme, dan, api, team):
    answer = api(dan).get(f"{TEAMS}{team.pk}/", HTTP_IF_NONE_MATCH='"3"')

    assert (answer.status_code, answer.json()["name"]) == (200, "Blue")


@pytest.mark.asvs("15.4.2")
def test_of_many_who_delete_at_once_one_does_and_the_rest_learn_that_it_is_gone(fresh_database, acme, dan, api, team):
    authorization = api(dan)._credentials["HTTP_AUTHORIZATION"]
    url = f"{TEAMS}{team.pk}/"
    answers = at_once([lambda: api().delete(url, HTTP_AUTHORIZATION=authorization)] * 8)

    assert sorted({answer.status_code for answer in answers} - {404, 409}) == [204]
    assert sum(answer.status_code == 204 for answer in answers) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert_problem(answer, 409, "already_deleted")
    assert events(acme) == ["team.deleted"]


@pytest.mark.asvs("15.4.2")
def test_a_change_that_waited_for_a_deletion_finds_nothing_to_change(fresh_database, acme, dan, api, team):
    """The PATCH sees the row alive, waits for its lock, and gets it deleted."""
    authorization = api(dan)._credentials["HTTP_AUTHORIZATION"]
    answers = []

    def patch():
        answers.extend(
            at_once([lambda: api().patch(f"{TEAMS}{team.pk}/", {"name": "Late"}, HTTP_AUTHORIZATION=authorization)])
        )

    with acme.entered():
        Team.objects.select_for_update().get(pk=team.pk)
        thread = threading.Thread(target=patch)
        thread.start()
        time.sleep(0.5)
        Team.objects.filter(pk=team.pk).update(deleted_at=timezone.now())
    thread.join(10)

    assert_problem(answers[0], 404, "not_found")
    assert state(acme)[0] == "Blue"
