"""The editor of hours in the admin: the API's rules, said beside the line that they are about, and a picture."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import Event
from apps.organizations.models import BusinessCalendar, CalendarVersion, HolidayProposal
from tests import factories
from tests.users.test_admin_sign_in import signed_in

CALENDARS = "/admin/organizations/businesscalendar/"
PROPOSALS = "/admin/organizations/holidayproposal/"
FORM = {
    "name": "Night desk",
    "time_zone": "Europe/Berlin",
    "monday": "09:00-12:30, 13:00-17:00",
    "friday": "22:00-06:00",
    "different_days": "2026-12-24 closed\n\n 2026-12-31 closed 12:00-24:00 \n2026-12-27 open 10:00-14:00\n",
}
WINDOWS = [
    {"weekday": 0, "start": "09:00", "end": "12:30"},
    {"weekday": 0, "start": "13:00", "end": "17:00"},
    {"weekday": 4, "start": "22:00", "end": "06:00"},
]
EXCEPTIONS = [
    {"date": "2026-12-24", "kind": "closed"},
    {"date": "2026-12-31", "kind": "closed", "start": "12:00", "end": "24:00"},
    {"date": "2026-12-27", "kind": "open", "start": "10:00", "end": "14:00"},
]


@pytest.fixture
def browser(dan):
    return signed_in(dan)


def text(browser, path, form=None):
    return (browser.post(path, form) if form else browser.get(path)).content.decode()


def test_hours_are_typed_kept_and_shown_again_as_they_were_typed(acme, browser):
    assert browser.post(f"{CALENDARS}add/", FORM).status_code == 302

    with acme.entered():
        calendar = BusinessCalendar.objects.get()
        assert (calendar.windows, calendar.exceptions, calendar.current.number) == (WINDOWS, EXCEPTIONS, 1)
    page = text(browser, f"{CALENDARS}{calendar.pk}/change/")
    for shown in ('value="09:00-12:30, 13:00-17:00"', 'value="22:00-06:00"', "2026-12-31 closed 12:00-24:00"):
        assert shown in page


def test_a_changed_line_is_a_version_and_an_unchanged_form_is_none(acme, browser):
    browser.post(f"{CALENDARS}add/", FORM)
    with acme.entered():
        url = f"{CALENDARS}{BusinessCalendar.objects.get().pk}/change/"

    assert browser.post(url, {**FORM, "name": "Renamed"}).status_code == 302
    assert browser.post(url, {**FORM, "name": "Renamed", "saturday": "10:00-12:00"}).status_code == 302

    with acme.entered():
        versions = CalendarVersion.objects.order_by("number").values_list("number", "windows")
        assert list(versions) == [(1, WINDOWS), (2, [*WINDOWS, {"weekday": 5, "start": "10:00", "end": "12:00"}])]
        names = Event.objects.filter(subject_type="calendar").order_by("at").values_list("name", flat=True)
        assert list(names) == ["calendar.created", "calendar.updated", "calendar.updated"]


REFUSED = {
    "no times": ({"monday": "nine to five"}, "“nine to five” is not read; accepted: stretches such as 09:00-12:30"),
    "half a stretch": ({"monday": "09:00-"}, "“09:00-” is not read"),
    "an hour that is none": ({"monday": "09:00-25:00"}, "“09:00-25:00” is not read"),
    "an overlap": ({"monday": "09:00-12:00, 11:00-13:00"}, "It overlaps another one of them"),
    "an overlap over midnight": ({"saturday": "05:00-07:00"}, "It overlaps another one of them"),
    "no length": ({"monday": "09:00-09:00"}, "It has no length"),
    "never open": ({"monday": "", "friday": "", "different_days": ""}, "Nothing is open in the next 366 days"),
    "a day that is none": (
        {"different_days": "2026-02-30 closed"},
        "“2026-02-30 closed” is not read; accepted: a date",
    ),
    "a kind that is none": ({"different_days": "2026-12-24 half"}, "“2026-12-24 half” is not read"),
    "open without times": ({"different_days": "2026-12-24 open"}, "start and end go together; open needs both."),
    "closed twice": ({"different_days": "2026-12-24 closed\n2026-12-24 closed"}, "It overlaps another one of them"),
    "a zone that is none": ({"time_zone": "Europe/Atlantis"}, "Select a valid choice"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_in_the_words_of_the_api_and_changes_nothing(acme, browser, name):
    changes, words = REFUSED[name]
    browser.post(f"{CALENDARS}add/", FORM)
    with acme.entered():
        calendar = BusinessCalendar.objects.get()

    for url, given in ((f"{CALENDARS}{calendar.pk}/change/", FORM), (f"{CALENDARS}add/", {**FORM, "name": "Second"})):
        assert words in text(browser, url, {**given, **changes})

    with acme.entered():
        kept = BusinessCalendar.objects.get()
        assert (kept.windows, kept.exceptions, kept.version, kept.current.number) == (WINDOWS, EXCEPTIONS, 1, 1)


def test_the_picture_says_each_open_stretch_and_marks_what_differs(acme, browser):
    with acme.entered():
        calendar = factories.BusinessCalendarFactory(
            windows=[{"weekday": day, "start": "22:00", "end": "06:00"} for day in range(7)],
            exceptions=[{"date": tomorrow(), "kind": "closed"}],
        )

    page = text(browser, f"{CALENDARS}{calendar.pk}/change/")

    assert page.count("<title>Monday 00:00-06:00</title>") == page.count("<title>Monday 22:00-24:00</title>") == 1
    assert f"{tomorrow()} *</text>" in page
    assert page.count(" *</text>") == 1


def tomorrow():
    return (timezone.now().date() + timedelta(days=1)).isoformat()


def test_versions_are_listed_by_calendar_and_read(acme, browser):
    browser.post(f"{CALENDARS}add/", FORM)
    with acme.entered():
        version = CalendarVersion.objects.get()

    listed = text(browser, f"/admin/organizations/calendarversion/?calendar__exact={version.calendar_id}")
    page = text(browser, f"/admin/organizations/calendarversion/{version.pk}/change/")

    assert "Monday 09:00-12:30, 13:00-17:00" in listed
    assert "2026-12-31 closed 12:00-24:00" in page
    assert "Friday 22:00-24:00" in page


def test_proposals_are_confirmed_and_dismissed_calendar_by_calendar(acme, browser):
    with acme.entered():
        first, second = factories.BusinessCalendarFactory(), factories.BusinessCalendarFactory()
        made = [factories.HolidayProposalFactory(calendar=calendar) for calendar in (first, first, second)]
        dismissed = factories.HolidayProposalFactory(calendar=second)

    browser.post(PROPOSALS, {"action": "confirm", "_selected_action": [str(row.pk) for row in made]})
    browser.post(PROPOSALS, {"action": "dismiss", "_selected_action": [str(dismissed.pk)]})
    refused = browser.post(
        PROPOSALS, {"action": "dismiss", "_selected_action": [str(made[0].pk)]}, follow=True
    ).content.decode()

    assert "is no open proposal of this calendar" in refused
    with acme.entered():
        states = dict(HolidayProposal.objects.values_list("pk", "state"))
        assert states == {**dict.fromkeys((row.pk for row in made), "confirmed"), dismissed.pk: "dismissed"}
        closed = {calendar.pk: len(calendar.exceptions) for calendar in BusinessCalendar.objects.all()}
        assert closed == {first.pk: 2, second.pk: 1}
        assert (first.current.number, second.current.number) == (2, 2)
