"""Holidays are proposed, by a country's law or an iCalendar file, and count once somebody confirms them."""

import time
from datetime import UTC, date, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from apps.audit.models import Event
from apps.core.errors import Invalid
from apps.organizations.holiday_sources import closings_in, public_holidays
from apps.organizations.models import BusinessCalendar, HolidayProposal
from tests.core.expectations import assert_problem, pointers
from tests.core.racing import at_once

CALENDARS = "/api/v1/sla/calendars/"
AT = datetime(2026, 11, 21, tzinfo=UTC)
OFFICE = {
    "name": "Office",
    "time_zone": "Europe/Berlin",
    "windows": [{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(5)],
}


@pytest.fixture
def url(acme, dan, api):
    return api(dan).post(CALENDARS, OFFICE)["Location"]


@pytest.fixture
def proposals(url):
    return f"{url}holiday-proposals/"


def event(*lines, uid="1", begin="DTSTART;VALUE=DATE:20261224", end="DTEND;VALUE=DATE:20261225"):
    return ["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z", begin, end, *lines, "END:VEVENT"]


def ics(*events):
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//test//",
        *(line for one in events for line in one),
        "END:VCALENDAR",
    ]
    return "\r\n".join(lines).encode() + b"\r\n"


def upload(client, url, content, name="feed.ics"):
    return client.post(url, {"file": SimpleUploadedFile(name, content)})


def days(answer):
    return [(row["date"], row["start"], row["end"], row["name"]) for row in answer.json()["results"]]


# --- by law


def test_a_countrys_holidays_are_proposed_as_real_dates_and_change_nothing(acme, dan, api, url, proposals):
    answer = api(dan).post(f"{proposals}propose/", {"country": "DE", "region": "BY", "years": [2027]})

    assert answer.status_code == 200
    assert [row["date"] for row in answer.json()["results"]] == [
        "2027-01-01", "2027-01-06", "2027-03-26", "2027-03-29", "2027-05-01", "2027-05-06", "2027-05-17", "2027-05-27",
        "2027-10-03", "2027-11-01", "2027-12-25", "2027-12-26",
    ]  # fmt: skip
    assert {(row["source"], row["state"]) for row in answer.json()["results"]} == {("holidays DE-BY", "proposed")}
    calendar = api(dan).get(url).json()
    assert (calendar["exceptions"], calendar["version"]) == ([], 1)
    with acme.entered():
        told = Event.objects.get(name="calendar.holidays_proposed")
        assert told.data == {"source": "holidays DE-BY", "proposed": 12}


def test_zammad_390_only_what_is_confirmed_closes_the_calendar(acme, dan, api, url, proposals):
    made = api(dan).post(f"{proposals}propose/", {"country": "BR", "years": [2027]}).json()["results"]
    carnival, *_ = wanted = [row["id"] for row in made if row["date"] in {"2027-01-01", "2027-12-25"}]

    answer = api(dan).post(f"{proposals}confirm/", {"ids": wanted})

    assert [(row["date"], row["state"], row["version"]) for row in answer.json()["results"]] == [
        ("2027-01-01", "confirmed", 2),
        ("2027-12-25", "confirmed", 2),
    ]
    assert api(dan).get(url).json()["exceptions"] == [
        {"date": "2027-01-01", "kind": "closed"},
        {"date": "2027-12-25", "kind": "closed"},
    ]
    assert [row["number"] for row in api(dan).get(f"{url}versions/").json()["results"]] == [2, 1]
    with acme.entered():
        told = Event.objects.get(name="calendar.updated")
        assert told.changes["holidays"][1] == ["2027-01-01 Universal Fraternization Day", "2027-12-25 Christmas Day"]
    question = {"items": [{"start": "2026-12-31T16:00:00Z", "seconds": 1}]}
    assert api(dan).post(f"{url}calculate/", question).json()["results"] == [{"due_at": "2027-01-04T08:00:01Z"}]
    again = api(dan).post(f"{proposals}confirm/", {"ids": [carnival]})
    assert pointers(assert_problem(again, 400, "invalid")) == [("/ids/0", "does_not_exist")]


def test_what_was_answered_is_not_proposed_again(acme, dan, api, proposals):
    asked = {"country": "DE", "years": [2027]}
    made = api(dan).post(f"{proposals}propose/", asked).json()["results"]
    answer = api(dan).post(f"{proposals}dismiss/", {"ids": [made[0]["id"]]})
    assert [row["state"] for row in answer.json()["results"]] == ["dismissed"]
    with acme.entered():
        told = Event.objects.get(name="calendar.holidays_dismissed")
        assert told.data == {"holidays": [f"{made[0]['date']} {made[0]['name']}"]}

    again = api(dan).post(f"{proposals}propose/", asked)

    assert again.json()["results"] == []
    states = [row["state"] for row in api(dan).get(proposals).json()["results"]]
    assert states == ["dismissed", *["proposed"] * (len(made) - 1)]
    listed = api(dan).get(f"{proposals}?state=dismissed").json()["results"]
    assert [row["id"] for row in listed] == [made[0]["id"]]


def test_a_holiday_takes_the_place_of_what_was_closed_in_part(dan, api, url, proposals):
    exceptions = [
        {"date": "2027-12-25", "kind": "closed", "start": "12:00", "end": "24:00"},
        {"date": "2027-12-25", "kind": "open", "start": "10:00", "end": "11:00"},
        {"date": "2027-12-24", "kind": "closed"},
    ]
    api(dan).patch(url, {"exceptions": exceptions})
    made = api(dan).post(f"{proposals}propose/", {"country": "DE", "years": [2027]}).json()["results"]

    api(dan).post(f"{proposals}confirm/", {"ids": [row["id"] for row in made if row["date"] == "2027-12-25"]})

    assert api(dan).get(url).json()["exceptions"] == [*exceptions[1:], {"date": "2027-12-25", "kind": "closed"}]


def test_confirming_what_would_close_a_calendar_for_good_is_refused_and_changes_nothing(acme, dan, api):
    only = {
        **OFFICE,
        "windows": [],
        "exceptions": [{"date": _soon(), "kind": "open", "start": "09:00", "end": "10:00"}],
    }
    url = api(dan).post(CALENDARS, only)["Location"]
    made = upload(
        api(dan),
        f"{url}holiday-proposals/import/",
        ics(event(begin=f"DTSTART;VALUE=DATE:{_soon('')}", end="DURATION:P1D")),
    )

    # An extra opening beats it.
    assert (
        api(dan).post(f"{url}holiday-proposals/confirm/", {"ids": [made.json()["results"][0]["id"]]}).status_code == 200
    )

    week = {**OFFICE, "name": "Week", "windows": OFFICE["windows"][:1]}
    url = api(dan).post(CALENDARS, week)["Location"]
    weekly = event("RRULE:FREQ=WEEKLY;BYDAY=MO", begin="DTSTART;VALUE=DATE:20260105", end="DTEND;VALUE=DATE:20260106")
    made = upload(api(dan), f"{url}holiday-proposals/import/", ics(weekly)).json()["results"]
    answer = api(dan).post(f"{url}holiday-proposals/confirm/", {"ids": [row["id"] for row in made]})
    assert pointers(assert_problem(answer, 400, "invalid")) == [("/windows", "never_open")]
    with acme.entered():
        assert set(HolidayProposal.objects.filter(calendar__name="Week").values_list("state", flat=True)) == {
            "proposed"
        }
        assert BusinessCalendar.objects.get(name="Week").exceptions == []


def _soon(separator="-"):
    day = timezone.now().date().replace(day=28)
    return day.replace(year=day.year + (day.month == 12), month=day.month % 12 + 1).isoformat().replace("-", separator)


@pytest.mark.parametrize(
    ("changes", "fault", "words"),
    [
        ({"country": "XX"}, ("/country", "unknown_country"), "ISO 3166"),
        ({"country": "de"}, ("/country", "unknown_country"), "ISO 3166"),
        ({"country": None}, ("/country", "null"), ""),
        ({"region": "Bavaria"}, ("/region", "unknown_region"), "accepted: BB, BE, BW, BY"),
        ({"country": "MC", "region": "X"}, ("/region", "unknown_region"), "no regions"),
        ({"years": []}, ("/years", "min_length"), ""),
        ({"years": list(range(2020, 2031))}, ("/years", "max_length"), ""),
        ({"years": [1969]}, ("/years/0", "out_of_range"), "1970 to 2200"),
        ({"years": ["2027"]}, ("/years/0", "invalid"), ""),
        ({"categories": ["bank"]}, ("/categories", "unknown_field"), ""),
    ],
)
def test_a_wrong_question_is_refused_with_what_is_accepted(acme, dan, api, proposals, changes, fault, words):
    answer = api(dan).post(f"{proposals}propose/", {"country": "DE", "years": [2027], **changes})

    problem = assert_problem(answer, 400, "invalid")
    assert pointers(problem) == [fault]
    assert words in problem["errors"][0]["detail"]
    with acme.entered():
        assert not HolidayProposal.objects.exists()


def test_names_are_in_the_organizations_language_where_the_country_has_it():
    names = [public_holidays("DE", "", [2027], language=tag)[-1].name for tag in ("de", "en", "xx")]

    assert names == ["Zweiter Weihnachtstag", "Second Day of Christmas", "Second Day of Christmas"]


# --- from a file


def closings(*events, zone="Europe/Berlin"):
    return [tuple(closing) for closing in closings_in(ics(*events), time_zone=zone, at=AT)]


def test_a_file_is_proposed_and_confirmed_like_the_law(dan, api, url, proposals):
    answer = upload(api(dan), f"{proposals}import/", ics(event("SUMMARY:Christmas Eve")))

    assert days(answer) == [("2026-12-24", "", "", "Christmas Eve")]
    assert answer.json()["results"][0]["source"] == "file feed.ics"
    assert api(dan).get(url).json()["exceptions"] == []
    api(dan).post(f"{proposals}confirm/", {"ids": [answer.json()["results"][0]["id"]]})
    assert api(dan).get(url).json()["exceptions"] == [{"date": "2026-12-24", "kind": "closed"}]


def test_what_repeats_every_year_is_five_real_dates():
    yearly = event(
        "RRULE:FREQ=YEARLY", "SUMMARY:Christmas", begin="DTSTART;VALUE=DATE:19991225", end="DTEND;VALUE=DATE:19991226"
    )

    assert [row[0].isoformat() for row in closings(yearly)] == [f"{year}-12-25" for year in range(2026, 2031)]


def test_a_range_over_the_turn_of_the_year_is_each_of_its_days():
    shutdown = event(begin="DTSTART;VALUE=DATE:20261224", end="DTEND;VALUE=DATE:20270102")

    assert [row[0] for row in closings(shutdown)] == [
        *(date(2026, 12, day) for day in range(24, 32)),
        date(2027, 1, 1),
    ]


def test_a_name_is_one_line_of_letters_that_can_be_printed():
    assert [row[3] for row in closings(event("SUMMARY:Christ\x00mas\\nEve\x07"))] == ["ChristmasEve"]


def test_an_event_of_two_centuries_closes_the_days_that_are_asked_for():
    found = closings(event(begin="DTSTART;VALUE=DATE:19000101", end="DTEND;VALUE=DATE:21000101"))

    assert (found[0][0], found[-1][0], len(found)) == (date(2026, 1, 1), date(2030, 12, 31), 1826)


def test_moved_excepted_and_cancelled_occurrences_are_where_the_file_says():
    monthly = event("RRULE:FREQ=MONTHLY;COUNT=4", "EXDATE;VALUE=DATE:20270224", "SUMMARY:Patching")
    moved = event(
        "RECURRENCE-ID;VALUE=DATE:20270124", "SUMMARY:Moved", begin="DTSTART;VALUE=DATE:20270125", end="DURATION:P1D"
    )
    cancelled = event("STATUS:CANCELLED", uid="2", begin="DTSTART;VALUE=DATE:20270101")

    assert [(row[0].isoformat(), row[3]) for row in closings(monthly, moved, cancelled)] == [
        ("2026-12-24", "Patching"),
        ("2027-01-25", "Moved"),
        ("2027-03-24", "Patching"),
    ]


def test_a_timed_event_closes_a_part_of_the_day_as_the_calendars_clock_shows_it():
    utc = event(begin="DTSTART:20261224T110000Z", end="DTEND:20261224T163030Z")
    overnight = event(uid="2", begin="DTSTART:20261231T180000", end="DTEND:20270102T060000")

    assert [tuple(map(str, row[:3])) for row in closings(utc, overnight)] == [
        ("2026-12-24", "12:00", "17:31"),
        ("2026-12-31", "18:00", "24:00"),
        ("2027-01-01", "", ""),
        ("2027-01-02", "00:00", "06:00"),
    ]


BROKEN = {
    "nothing": (b"", "malformed"),
    "a text": (b"Christmas is on the 25th", "malformed"),
    "not UTF-8": (b"BEGIN:VCALENDAR\r\n\xff\xfe\r\nEND:VCALENDAR\r\n", "malformed"),
    "half a file": (ics(event())[:120], "malformed"),
    "an event without a calendar": (ics(event()).split(b"PRODID:-//test//\r\n")[1].replace(b"END:VCALENDAR\r\n", b""), "malformed"),
    "no events": (ics(), "no_events"),
    "no start": (ics(event(begin="X-START:1")), "malformed"),
    "a start that is none": (ics(event(begin="DTSTART:tomorrow")), "malformed"),
    "a rule that is none": (ics(event("RRULE:FREQ=SOMETIMES")), "malformed"),
    "every second": (ics(event("RRULE:FREQ=SECONDLY")), "not_accepted"),
    "no step": (ics(event("RRULE:FREQ=YEARLY;INTERVAL=0")), "not_accepted"),
    "a step back": (ics(event("RRULE:FREQ=YEARLY;INTERVAL=-1")), "not_accepted"),
    "each second of a day": (ics(event("RRULE:FREQ=YEARLY;BYSECOND=0,1,2")), "not_accepted"),
    "two rules": (ics(event("RRULE:FREQ=YEARLY", "RRULE:FREQ=MONTHLY")), "not_accepted"),
    "days that never come": (ics(event("RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30")), "not_accepted"),
    "since Rome": (ics(event("RRULE:FREQ=DAILY", begin="DTSTART;VALUE=DATE:00010101")), "not_accepted"),
    "too many events": (ics(*[event(uid=str(number)) for number in range(2001)]), "too_many"),
    "too many days": (ics(*[event("RRULE:FREQ=DAILY", "SUMMARY:" + str(n), uid=str(n)) for n in range(2)]), "too_many"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_used_is_refused_with_what_is_accepted(acme, dan, api, proposals, name):
    content, code = BROKEN[name]

    problem = assert_problem(upload(api(dan), f"{proposals}import/", content), 400, "invalid")

    assert pointers(problem) == [("/file", code)]
    assert "accepted: an iCalendar file (RFC 5545, UTF-8) of at most 1048576 bytes" in problem["errors"][0]["detail"]
    with acme.entered():
        assert not HolidayProposal.objects.exists()


def test_a_file_beyond_its_limit_is_too_large(dan, api, proposals):
    assert_problem(upload(api(dan), f"{proposals}import/", b"x" * (1024 * 1024 + 1)), 413, "too_large")


def test_rules_that_never_come_true_keep_nobody_waiting():
    never = [event("RRULE:FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2", uid=str(number)) for number in range(200)]
    started = time.thread_time()

    with pytest.raises(Invalid) as refusal:
        closings(*never)

    assert refusal.value.errors[0].code == "too_complex"
    assert time.thread_time() - started < 10


# --- who, and at once


def test_only_who_configures_calendars_proposes_and_decides(acme, dan, alice, bob, mallory, api, proposals):
    made = api(dan).post(f"{proposals}propose/", {"country": "DE", "years": [2027]}).json()["results"]
    ids = {"ids": [made[0]["id"]]}

    for verb, given in (("propose", {"country": "DE", "years": [2028]}), ("confirm", ids), ("dismiss", ids)):
        answer = api(alice).post(f"{proposals}{verb}/", given)
        assert assert_problem(answer, 403, "missing_grant")["grant"] == "calendars.configure"
        assert api(mallory).post(f"{proposals}{verb}/", given).status_code == 404
    assert upload(api(alice), f"{proposals}import/", ics(event())).status_code == 403
    assert upload(api(mallory), f"{proposals}import/", ics(event())).status_code == 404
    assert len(api(alice).get(proposals).json()["results"]) == len(made)
    assert api(mallory).get(proposals).status_code == 404
    assert api(bob).get(proposals).status_code == 403
    with acme.entered():
        assert set(HolidayProposal.objects.values_list("state", flat=True)) == {"proposed"}


def test_a_proposal_of_another_calendar_is_none_of_this_one(dan, api, proposals):
    made = api(dan).post(f"{proposals}propose/", {"country": "DE", "years": [2027]}).json()["results"]
    other = api(dan).post(CALENDARS, {**OFFICE, "name": "Other"})["Location"]

    answer = api(dan).post(f"{other}holiday-proposals/confirm/", {"ids": [made[0]["id"]]})

    assert pointers(assert_problem(answer, 400, "invalid")) == [("/ids/0", "does_not_exist")]


def test_of_two_who_confirm_at_once_one_does(fresh_database, acme, dan, api, url, proposals):
    made = api(dan).post(f"{proposals}propose/", {"country": "DE", "years": [2027]}).json()["results"]
    clients, given = [api(dan), api(dan)], {"ids": [row["id"] for row in made]}

    answers = at_once([lambda client=client: client.post(f"{proposals}confirm/", given) for client in clients])

    assert sorted(answer.status_code for answer in answers) == [200, 400]
    with acme.entered():
        calendar = BusinessCalendar.objects.get()
        assert (len(calendar.exceptions), calendar.current.number) == (len(made), 2)
