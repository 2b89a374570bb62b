"""Layers, hours and promised coverage: who comes next, where nobody is on call, and that a promise is kept."""

import base64
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import icalendar
import pytest
from django.utils import timezone

from apps.users import feeds
from apps.users.models import OnCallRota, User, UserType
from tests import factories
from tests.conftest import person
from tests.core.expectations import assert_problem, pointers
from tests.core.racing import at_once

ROTAS, NOW, GAPS = "/api/v1/on-call/rotas/", "/api/v1/on-call/now/", "/api/v1/on-call/gaps/"
COVERAGES = "/api/v1/on-call/coverages/"
DAYS = [{"weekday": day, "start": "08:00", "end": "20:00"} for day in range(7)]
NIGHTS = [{"weekday": day, "start": "20:00", "end": "08:00"} for day in range(7)]
# A Wednesday in summer.
NOON, NIGHT = "2026-07-15T10:00:00Z", "2026-07-15T22:00:00Z"


@pytest.fixture
def team(acme):
    with acme.entered():
        return factories.TeamFactory(name="Blue")


@pytest.fixture
def crew(acme):
    return [person(acme, name, UserType.AGENT) for name in ("ann", "ben", "cleo")]


def make(client, team, members, name, **more):
    given = {
        "name": name,
        "team": str(team.pk),
        "time_zone": "Europe/Berlin",
        "starts_on": "2026-01-05",
        "handover_weekday": 0,
        "handover_time": "09:00",
        "members": [str(user.pk) for user in members],
        **more,
    }
    return client.post(ROTAS, given)


def cover(client, team, **more):
    return client.post(COVERAGES, {"team": str(team.pk), "time_zone": "Europe/Berlin", **more})


def called(client, team, at):
    rows = client.get(NOW, {"team": str(team.pk), "at": at}).json()["results"]
    return [(row["layer"], row["user"]) for row in rows]


def test_a_rota_of_the_day_and_one_of_the_night_take_turns_and_the_second_layer_comes_after_them(dan, api, team, crew):
    ann, ben, cleo = crew
    client = api(dan)
    make(client, team, [ann], "Day", hours=DAYS)
    make(client, team, [ben], "Night", hours=NIGHTS)
    make(client, team, [cleo], "Backup", layer=2)

    assert called(client, team, NOON) == [(1, str(ann.pk)), (1, None), (2, str(cleo.pk))]
    assert called(client, team, NIGHT) == [(1, None), (1, str(ben.pk)), (2, str(cleo.pk))]


def test_hours_follow_the_wall_clock_when_the_clocks_change(dan, api, team, crew):
    client = api(dan)
    rota = make(client, team, crew[:1], "Day", hours=DAYS).json()
    period = {"from": "2026-03-28T00:00:00Z", "to": "2026-03-30T00:00:00Z"}
    shifts = client.get(f"{ROTAS}{rota['id']}/shifts/", period).json()["results"]

    assert [(row["starts_at"], row["ends_at"]) for row in shifts if row["user"]] == [
        ("2026-03-28T07:00:00Z", "2026-03-28T19:00:00Z"),
        ("2026-03-29T06:00:00Z", "2026-03-29T18:00:00Z"),
    ]
    assert rota["hours"] == DAYS


def test_gaps_are_reported_to_the_second(dan, alice, api, team, crew):
    client = api(dan)
    make(client, team, crew[:1], "Day", hours=DAYS)
    asked = {"team": str(team.pk), "from": "2026-07-15T00:00:00Z", "to": "2026-07-16T00:00:00Z"}
    found = api(alice).get(GAPS, asked).json()["results"]

    assert [(row["starts_at"], row["ends_at"], row["is_promised"], row["name"]) for row in found] == [
        ("2026-07-15T00:00:00Z", "2026-07-15T06:00:00Z", False, "Blue"),
        ("2026-07-15T18:00:00Z", "2026-07-16T00:00:00Z", False, "Blue"),
    ]


def test_coverage_that_the_rotas_do_not_keep_is_refused_and_says_where(dan, api, team, crew):
    client = api(dan)
    make(client, team, crew[:1], "Day", hours=DAYS)
    refused = assert_problem(cover(client, team), 422, "coverage_gap")

    assert refused["gaps"] and "Nobody would be on call from" in refused["detail"]
    assert client.get(COVERAGES).json()["results"] == []
    assert cover(client, team, hours=[{"weekday": 0, "start": "09:00", "end": "17:00"}]).status_code == 201


def test_what_would_open_a_gap_at_a_covered_hour_is_refused(acme, dan, api, team, crew):
    client = api(dan)
    day = make(client, team, crew[:1], "Day", hours=DAYS).json()
    night = make(client, team, crew[1:], "Night", hours=NIGHTS).json()
    assert cover(client, team).status_code == 201

    for answer in (
        client.delete(f"{ROTAS}{day['id']}/"),
        client.patch(f"{ROTAS}{day['id']}/", {"is_active": False}),
        client.patch(f"{ROTAS}{night['id']}/", {"hours": NIGHTS[:6]}),
        client.patch(f"{ROTAS}{night['id']}/", {"team": other_team(acme)}),
    ):
        assert_problem(answer, 422, "coverage_gap")
    with acme.entered():
        assert OnCallRota.objects.filter(team=team).count() == 2
    assert client.patch(f"{ROTAS}{day['id']}/", {"hours": []}).status_code == 200
    assert client.delete(f"{ROTAS}{night['id']}/").status_code == 204


def other_team(acme):
    with acme.entered():
        return str(factories.TeamFactory().pk)


def in_days(days):
    return (timezone.now() + timedelta(days=days)).isoformat()


def test_a_gap_that_is_planned_for_after_eight_weeks_is_refused_too(acme, dan, api, team, crew):
    client = api(dan)
    rota = make(client, team, crew[:1], "All").json()
    backup = make(client, team, crew[1:], "Backup").json()
    assert cover(client, team).status_code == 201

    planned = {"is_active": False, "effective_at": in_days(57)}
    assert client.patch(f"{ROTAS}{backup['id']}/", planned).status_code == 200
    refused = assert_problem(client.patch(f"{ROTAS}{rota['id']}/", planned), 422, "coverage_gap")
    assert refused["gaps"][0]["starts_at"][:10] == in_days(57)[:10]
    # Before any change of its own it is the backup's planned end that opens the gap.
    assert_problem(client.delete(f"{ROTAS}{rota['id']}/"), 422, "coverage_gap")
    with acme.entered():
        assert OnCallRota.objects.filter(team=team).count() == 2


def test_coverage_promised_for_later_needs_a_rota_then(dan, api, team, crew):
    client = api(dan)
    later = {"covered_from": in_days(60)}
    refused = assert_problem(cover(client, team, **later), 422, "coverage_gap")
    assert refused["gaps"][0]["starts_at"][:10] == in_days(60)[:10]

    make(client, team, crew[:1], "Later", starts_on=in_days(59)[:10])
    assert cover(client, team, **later).status_code == 201


def test_where_everybody_of_a_rota_has_left_is_a_gap_from_now_on(acme, dan, api, team, crew):
    client = api(dan)
    rota = make(client, team, crew[:2], "All").json()
    assert cover(client, team).status_code == 201
    begin, end = timezone.now() - timedelta(days=2), timezone.now() + timedelta(days=20)
    asked = {"team": str(team.pk), "from": begin.isoformat(), "to": end.isoformat()}
    leave(acme, crew[0])
    assert client.get(GAPS, asked).json()["results"] == [], "the other one stands in"

    before = timezone.now()
    leave(acme, crew[1])
    (gap,) = client.get(GAPS, asked).json()["results"]
    starts_at, ends_at = (datetime.fromisoformat(gap[name]) for name in ("starts_at", "ends_at"))
    assert before <= starts_at <= timezone.now(), "the past stays as it was"
    assert (ends_at, gap["is_promised"]) == (end, True)
    # What is as it was planned may be mended bit by bit; nothing more is promised of it.
    assert client.patch(f"{ROTAS}{rota['id']}/", {"hours": []}).status_code == 200
    (promised,) = client.get(COVERAGES).json()["results"]
    changed = client.patch(f"{COVERAGES}{promised['id']}/", {"time_zone": "Europe/Paris"})
    assert_problem(changed, 422, "coverage_gap")
    assert client.patch(f"{ROTAS}{rota['id']}/", {"members": [str(crew[2].pk)]}).status_code == 200
    assert client.get(GAPS, asked).json()["results"] == []


def leave(acme, user):
    with acme.entered():
        User.objects.filter(pk=user.pk).update(is_active=False)


def test_more_gaps_than_are_shown_are_not_cut_off_silently(acme, dan, api, team, crew):
    client = api(dan)
    often = [{"weekday": d, "start": f"{h:02}:00", "end": f"{h:02}:30"} for d in range(7) for h in range(0, 20, 2)]
    make(client, team, crew[:1], "Now and then", hours=often)
    with acme.entered():
        green = factories.TeamFactory(name="Green")
    make(client, green, crew[:1], "There too", hours=often)
    asked = {"from": "2026-04-01T00:00:00Z", "to": "2026-07-01T00:00:00Z"}

    assert_problem(client.get(GAPS, asked), 400, "invalid_parameter")
    assert len(client.get(GAPS, {**asked, "team": str(team.pk)}).json()["results"]) == 910


def test_an_override_may_fill_a_gap_and_then_cannot_be_shortened(dan, api, team, crew):
    client = api(dan)
    # From now on until a later start nobody is on call but by the override.
    begin = timezone.now() + timedelta(minutes=1)
    start = (begin + timedelta(days=9)).date()
    rota = make(client, team, crew[:1], "Later", starts_on=start.isoformat()).json()
    span = {"starts_at": begin.isoformat(), "ends_at": (begin + timedelta(days=12)).isoformat()}
    override = client.post(f"{ROTAS}{rota['id']}/overrides/", {"user": str(crew[1].pk), **span}).json()
    assert cover(client, team, covered_from=begin.isoformat()).status_code == 201

    address = f"{ROTAS}{rota['id']}/overrides/{override['id']}/"
    shorter = client.patch(address, {"ends_at": (begin + timedelta(days=2)).isoformat()})
    assert_problem(shorter, 422, "coverage_gap")
    assert_problem(client.delete(address), 422, "coverage_gap")


def test_two_who_each_give_up_half_of_the_coverage_cannot_both(fresh_database, dan, api, team, crew):
    first = make(api(dan), team, crew[:1], "One").json()
    second = make(api(dan), team, crew[1:], "Two").json()
    assert cover(api(dan), team).status_code == 201

    clients = [api(dan), api(dan)]
    answers = at_once(
        [
            lambda: clients[0].delete(f"{ROTAS}{first['id']}/").status_code,
            lambda: clients[1].delete(f"{ROTAS}{second['id']}/").status_code,
        ]
    )
    assert sorted(answers) == [204, 422]


def test_a_team_is_covered_once_and_hours_that_make_no_sense_are_refused(dan, api, team, crew):
    client = api(dan)
    make(client, team, crew[:1], "All", hours=[])
    assert cover(client, team).status_code == 201
    assert cover(client, team).status_code == 409
    twice = [{"weekday": 0, "start": "08:00", "end": "12:00"}, {"weekday": 0, "start": "11:00", "end": "13:00"}]
    answer = make(client, team, crew[1:2], "Twice", hours=twice)
    assert pointers(assert_problem(answer, 400, "invalid")) == [("/hours/1/start", "overlap")]


def test_the_calendar_file_has_each_shift_with_its_person(dan, alice, api, team, crew):
    client = api(dan)
    rota = make(client, team, crew, "Blue on call").json()
    begin = timezone.now() + timedelta(hours=1)
    span = {"starts_at": begin.isoformat(), "ends_at": (begin + timedelta(hours=2)).isoformat()}
    client.post(f"{ROTAS}{rota['id']}/overrides/", {"user": str(alice.pk), **span})
    answer = api(alice).get(f"{ROTAS}{rota['id']}/ical/")

    assert (answer.status_code, answer["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    events = icalendar.Calendar.from_ical(answer.content).walk("VEVENT")
    starts = sorted((event["DTSTART"].dt, event["DTEND"].dt) for event in events)
    assert all(before[1] == after[0] for before, after in pairwise(starts)), "no gap, no overlap"
    (instead,) = [event for event in events if event["SUMMARY"] == "Alice: Blue on call"]
    assert str(instead["DESCRIPTION"]).startswith("Instead of ")
    assert len({event["UID"] for event in events}) == len(events)
    only = icalendar.Calendar.from_ical(api(alice).get(f"{ROTAS}{rota['id']}/ical/", {"user": str(alice.pk)}).content)
    assert [event["SUMMARY"] for event in only.walk("VEVENT")] == ["Alice: Blue on call"]


def test_a_shift_keeps_its_uid_and_an_override_is_news(acme, dan, api, team, crew):
    with acme.entered():
        rota = OnCallRota.objects.get(pk=make(api(dan), team, crew, "Days", hours=DAYS).json()["id"])
    noon = datetime(2026, 7, 15, 10, 30, tzinfo=UTC)
    early, late = (file_of(acme, rota, noon + timedelta(hours=hours)) for hours in (0, 3))
    # Two weeks before noon lies within a shift of the day, which began at six.
    assert min(event["DTSTART"].dt for event in early) == datetime(2026, 7, 1, 6, tzinfo=UTC)
    assert {str(event["UID"]) for event in early} == {str(event["UID"]) for event in late}
    assert len({str(event["UID"]) for event in early}) == len(early)
    assert {event["DTSTAMP"].dt for event in late} == {noon + timedelta(hours=3)}


def file_of(acme, rota, at):
    with acme.entered():
        return icalendar.Calendar.from_ical(feeds.calendar_of(rota, at=at)).walk("VEVENT")


def test_an_outsider_sees_neither_gaps_nor_files(dan, mallory, bob, api, team, crew):
    rota = make(api(dan), team, crew, "Blue on call").json()

    assert api(mallory).get(f"{ROTAS}{rota['id']}/ical/").status_code == 404
    assert api(mallory).get(GAPS).json()["results"] == []
    assert api(bob).get(f"{ROTAS}{rota['id']}/ical/").status_code == 403


def test_who_is_on_call_at_an_instant_long_ago(dan, api, team, crew):
    make(api(dan), team, crew, "Blue on call")
    at = datetime(2026, 1, 13, tzinfo=UTC).isoformat()

    assert called(api(dan), team, at) == [(1, str(crew[1].pk))]


def test_a_calendar_program_signs_in_with_an_api_token_as_its_password_and_nowhere_else(
    acme, dan, alice, api, team, crew
):
    rota = make(api(dan), team, crew, "Blue on call").json()
    expires_at = (timezone.now() + timedelta(days=30)).isoformat()
    asked = {"name": "Calendar", "scopes": ["on_call:read"], "expires_at": expires_at}
    token = api(alice).post("/api/v1/auth/api-tokens/", asked).json()["token"]

    def by(password):
        client = api()
        given = base64.b64encode(f"alice:{password}".encode()).decode()
        client.credentials(HTTP_AUTHORIZATION=f"Basic {given}")
        return client

    address = f"{ROTAS}{rota['id']}/ical/"
    assert by(token).get(address).status_code == 200
    stranger = api().get(address)
    assert_problem(stranger, 401, "not_authenticated")
    assert stranger["WWW-Authenticate"] == 'Bearer realm="itsm", Basic realm="itsm"'
    for client, path in ((by("secret"), address), (by(token[:-1] + "x"), address), (by(token), ROTAS)):
        assert_problem(client.get(path), 401, "token_invalid")
