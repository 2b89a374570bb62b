"""One effect per Idempotency-Key, however often and however concurrently it is sent (T35)."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from apps.audit.models import Event
from apps.core import idempotency, tenancy
from apps.core.errors import Conflict, DomainError
from apps.core.models import IdempotencyKey
from apps.organizations.models import Team
from apps.users.models import Role, RoleAssignment, UserType
from tests.conftest import IS_FULL_RUN, person
from tests.core.expectations import assert_problem
from tests.core.racing import at_once
from tests.factories import IdempotencyKeyFactory, TeamFactory

TEAMS = "/api/v1/teams/"
ROUNDS = 5 if IS_FULL_RUN else 1


def post(client, body=None, key="one", url=TEAMS, **headers):
    return client.post(url, {"name": "Blue"} if body is None else body, HTTP_IDEMPOTENCY_KEY=key, **headers)


def kept(tenant):
    with tenant.entered():
        return list(IdempotencyKey.objects.order_by("created_at"))


def teams(tenant):
    with tenant.entered():
        return list(Team.objects.order_by("name").values_list("name", flat=True))


@pytest.mark.bar(35)
def test_a_replay_gives_the_same_answer_and_says_that_it_is_one(acme, dan, api):
    first = post(api(dan))
    again = post(api(dan))

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert (first["ETag"], first["Location"]) == (again["ETag"], again["Location"])
    assert (again["Idempotency-Replayed"], "Idempotency-Replayed" in first) == ("true", False)
    assert first["X-Request-ID"] != again["X-Request-ID"]
    assert teams(acme) == ["Blue"]
    with acme.entered():
        assert Event.objects.filter(name="team.created").count() == 1


def test_a_replay_shows_what_was_answered_then_and_not_what_is_now(acme, dan, api):
    first = post(api(dan))
    api(dan).patch(first["Location"], {"name": "Green"})

    again = post(api(dan))

    assert (again.json()["name"], again["ETag"]) == ("Blue", '"1"')
    assert teams(acme) == ["Green"]


@pytest.mark.bar(35)
def test_an_action_on_a_record_is_done_once_too(acme, dan, api):
    with acme.entered():
        team = TeamFactory(deleted_at=timezone.now())
    url = f"{TEAMS}{team.pk}/restore/"

    first, again = post(api(dan), {}, url=url), post(api(dan), {}, url=url)

    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)
    assert_problem(post(api(dan), {}, key="two", url=url), 409, "not_deleted")


@pytest.mark.bar(35)
@pytest.mark.parametrize("change", ["body", "query", "route"])
def test_the_same_key_with_another_request_is_422_and_does_nothing(acme, dan, api, change):
    post(api(dan))
    answer = {
        "body": lambda: post(api(dan), {"name": "Red"}),
        "query": lambda: post(api(dan), url=f"{TEAMS}?fields=id"),
        "route": lambda: post(api(dan), {"name": "Blue"}, url="/api/v1/sites/"),
    }[change]()

    assert_problem(answer, 422, "idempotency_key_reused")
    assert teams(acme) == ["Blue"]
    assert len(kept(acme)) == 1


def test_the_same_value_written_differently_is_the_same_request(acme, dan, api):
    bodies = ['{"name":"Blü","description":"x"}', ' {"description": "x",\n "name": "Bl\\u00fc"} ']
    answers = [
        api(dan).generic("POST", TEAMS, body, content_type="application/json", HTTP_IDEMPOTENCY_KEY="one")
        for body in bodies
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[1]["Idempotency-Replayed"] == "true"


@pytest.mark.bar(35)
@pytest.mark.parametrize(
    ("body", "status"),
    [({"name": ""}, 400), ({"name": 1}, 400), ({"name": "Taken"}, 409), ({"name": "B", "id": "x"}, 400)],
)
def test_a_refusal_is_not_kept_and_the_key_is_free_for_the_mended_request(acme, dan, api, body, status):
    with acme.entered():
        TeamFactory(name="Taken")

    assert post(api(dan), body).status_code == status
    assert kept(acme) == []
    assert post(api(dan), {"name": "Blue"}).status_code == 201
    assert teams(acme) == ["Blue", "Taken"]


def test_a_missing_grant_is_not_kept_and_not_bypassed_by_a_key(acme, dan, alice, api):
    assert_problem(post(api(alice)), 403, "missing_grant")
    assert kept(acme) == []
    assert post(api(dan)).status_code == 201


def test_whoever_lost_the_grant_gets_no_replay(acme, dan, api):
    client = api(dan)
    post(client)
    with acme.entered():
        RoleAssignment.objects.filter(user=dan).update(role=Role.objects.get(key=UserType.AGENT))

    assert_problem(post(client), 403, "missing_grant")


def test_a_key_belongs_to_one_person(acme, dan, api):
    other = person(acme, "dora", UserType.ADMIN)
    mine = post(api(dan), {"name": "Blue"})
    theirs = post(api(other), {"name": "Red"})

    assert (mine.status_code, theirs.status_code, theirs.json()["name"]) == (201, 201, "Red")
    assert {row.actor_id for row in kept(acme)} == {dan.pk, other.pk}


def test_a_key_belongs_to_one_organization(acme, globex, dan, mallory, api):
    assert [post(api(user)).status_code for user in (dan, mallory)] == [201, 201]
    assert (teams(acme), teams(globex)) == (["Blue"], ["Blue"])


def test_an_operator_s_key_is_of_the_organization_they_act_in(acme, globex, api, operator):
    answers = [post(api(operator, HTTP_X_ORGANIZATION=slug)) for slug in ("acme", "globex", "acme")]

    assert ["Idempotency-Replayed" in answer for answer in answers] == [False, False, True]
    assert (teams(acme), teams(globex)) == (["Blue"], ["Blue"])


@pytest.mark.bar(35)
@pytest.mark.parametrize(
    ("age", "is_replayed"), [(timedelta(hours=23, minutes=59), True), (timedelta(hours=24, minutes=1), False)]
)
def test_a_key_lives_for_24_hours(acme, dan, api, age, is_replayed):
    post(api(dan))
    with acme.entered():
        IdempotencyKey.objects.update(created_at=timezone.now() - age)
        Team.objects.update(name="Old")

    answer = post(api(dan))

    assert (answer.status_code, "Idempotency-Replayed" in answer) == (201, is_replayed)
    assert teams(acme) == (["Old"] if is_replayed else ["Blue", "Old"])
    assert len(kept(acme)) == 1


def test_forgetting_deletes_only_what_is_older_than_a_day(acme):
    now = timezone.now()
    with acme.entered():
        IdempotencyKeyFactory(key="young", created_at=now - timedelta(hours=23))
        IdempotencyKeyFactory(key="old", created_at=now - timedelta(hours=25))
        assert idempotency.forget_expired(acme.id, at=now) == 1

    assert [row.key for row in kept(acme)] == ["young"]


@pytest.mark.parametrize(("first", "second"), [("k1", '"k1"'), ('"k1"', "k1"), ('"with space"', '"with space"')])
def test_quoted_and_bare_are_the_same_key(acme, dan, api, first, second):
    answers = [post(api(dan), key=key) for key in (first, second)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[1]["Idempotency-Replayed"] == "true"


@pytest.mark.bar(35)
@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        '""',
        '"',
        '"a',
        'a"',
        '"a"b"',
        "a b",
        "a\\b",
        '"a\\"b"',
        "a" * 256,
        "ü",
        "a\tb",
        "\x00",
        "a\r\nb",
        "a,b c",
    ],
)
def test_a_malformed_key_is_400_and_does_nothing(acme, dan, api, key):
    body = assert_problem(post(api(dan), key=key), 400, "invalid_idempotency_key")

    assert "accepted: 1 to 255 printable characters" in body["detail"]
    assert teams(acme) == []


@pytest.mark.parametrize("key", ["a" * 255, '"' + "a" * 255 + '"', "!#$%&'*+-.^_`|~", "9"])
def test_a_key_may_have_255_printable_characters(acme, dan, api, key):
    assert [post(api(dan), key=key).status_code for _ in range(2)] == [201, 201]
    assert teams(acme) == ["Blue"]


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_other_methods_ignore_the_key(acme, dan, api, method):
    with acme.entered():
        team = TeamFactory()

    assert getattr(api(dan), method)(f"{TEAMS}{team.pk}/", {"name": "x"}, HTTP_IDEMPOTENCY_KEY="a b").status_code < 300
    assert kept(acme) == []


def test_signing_out_ignores_the_key(acme, dan, api):
    assert post(api(dan), {}, url="/api/v1/auth/logout/").status_code == 204
    assert kept(acme) == []


@pytest.mark.bar(35)
def test_fifty_at_once_have_one_effect(fresh_database, acme, dan, api):
    """Real connections: each answers 201 with the one record, or says that it is being made."""
    client = api(dan)
    authorization = client._credentials["HTTP_AUTHORIZATION"]
    for number in range(ROUNDS):

        def send(number=number):
            return post(
                api(HTTP_AUTHORIZATION=authorization),
                {"name": f"Blue {number}"},
                key=f"k{number}",
                HTTP_AUTHORIZATION=authorization,
            )

        answers = at_once([send] * 50)

        made = [answer for answer in answers if answer.status_code == 201]
        assert made
        assert len({answer.content for answer in made}) == 1
        assert sum("Idempotency-Replayed" not in answer for answer in made) == 1
        for answer in answers:
            if answer.status_code != 201:
                assert_problem(answer, 409, "idempotency_in_progress")
                assert answer["Retry-After"] == "1"
        assert teams(acme).count(f"Blue {number}") == 1
        assert post(client, {"name": f"Blue {number}"}, key=f"k{number}").content == made[0].content
    assert len(kept(acme)) == ROUNDS


def test_a_key_of_a_rolled_back_request_leaves_nothing(fresh_database, acme, dan):
    actor, at = dan.as_actor(), timezone.now()
    with pytest.raises(ZeroDivisionError), tenancy.tenant(acme.id), transaction.atomic():
        assert idempotency.begin(actor, "one", "print", at=at) is None
        TeamFactory(name="Lost")
        idempotency.keep(actor, "one", "print", idempotency.Answer(201, "{}", "", ""), at=at)
        raise ZeroDivisionError

    assert (kept(acme), teams(acme)) == ([], [])
    with acme.entered():
        assert idempotency.begin(actor, "one", "print", at=at) is None


def test_while_one_is_at_it_another_connection_is_told_to_come_back(fresh_database, acme, dan):
    actor, at = dan.as_actor(), timezone.now()

    def elsewhere():
        with acme.entered():
            return idempotency.begin(actor, "one", "print", at=at)

    with acme.entered():
        assert idempotency.begin(actor, "one", "print", at=at) is None
        with pytest.raises(Conflict) as refusal:
            at_once([elsewhere])
        assert (refusal.value.code, refusal.value.extra) == ("idempotency_in_progress", {"retry_after": 1})
    assert at_once([elsewhere]) == [None]


def test_an_answer_that_showed_a_secret_is_not_shown_again(acme, dan):
    actor, at = dan.as_actor(), timezone.now()
    with acme.entered():
        idempotency.begin(actor, "one", "print", at=at)
        idempotency.keep(actor, "one", "print", idempotency.Answer(201, None, "", "/api/v1/things/1/"), at=at)
        with pytest.raises(Conflict) as refusal:
            idempotency.begin(actor, "one", "print", at=at)
        with pytest.raises(DomainError) as other:
            idempotency.begin(actor, "one", "another print", at=at)

    assert (refusal.value.code, refusal.value.extra) == ("shown_once", {"location": "/api/v1/things/1/"})
    assert (other.value.code, other.value.status) == ("idempotency_key_reused", 422)
