"""Policies and timers in the admin: a draft as people fill it in, tried, published; what a ticket would be promised."""

import html
import re

import pytest

from apps.sla import contents
from apps.sla.models import PolicyVersion, Timer
from tests.factories import PASSWORD, BusinessCalendarFactory
from tests.sla.conftest import HOUR, MONDAY, content, levels

POLICIES = "/admin/sla/policy/"


@pytest.fixture
def browser(client, dan):
    client.post("/admin/login/", {"username": dan.email, "password": PASSWORD})
    return client


def text_of(answer):
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode())))


def form_of(answer):
    """What a browser would send back of the draft's page, untouched."""
    page = answer.content.decode()
    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = (re.search(rf'{key}="([^"]*)"', tag) for key in ("name", "value"))
        kind = re.search(r'type="([^"]*)"', tag)
        is_box = bool(kind and kind[1] in {"checkbox", "radio"})
        if name is None or (is_box and "checked" not in tag):
            continue
        found.setdefault(name[1], []).append(html.unescape(value[1]) if value else "on" if is_box else "")
    for name, inner in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', page, flags=re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', inner)
        found.setdefault(name, []).append(html.unescape(chosen[1]) if chosen else "")
    for name, inner in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', page, flags=re.S):
        found.setdefault(name, []).append(html.unescape(inner).removeprefix("\n"))
    return found


PLAIN = {"applies": [{}], "is_until_acknowledged": False, "is_around_the_clock": False}
RICH = {
    "match": [{"is_vip": [True]}, {"priority": {"not": [5]}}],
    "rules": {"resolution": {"reopen": "none"}},
    "targets": [
        {"metric": "resolution", "applies": [{"priority": [1, 2]}], "seconds": 5400, "business_days": None, "calendar": None},
        {"metric": "resolution", "applies": [{"is_major": [True]}], "seconds": 61, "business_days": None, "calendar": None},
        {"metric": "resolution", "applies": [{}], "seconds": None, "business_days": 3, "calendar": None},
    ],
    "levels": [
        {
            "metric": "resolution", "percent": 50, "offset_seconds": None, "is_around_the_clock": True,
            "actions": [{"do": "notify", "to": ["assignee", "team_lead"]}, {"do": "raise_priority"}],
            "applies": [{"priority": [1]}], "is_until_acknowledged": True,
        },
        {"metric": "resolution", "percent": None, "offset_seconds": -90, "actions": [], **PLAIN},
        {"metric": "resolution", "percent": 100, "offset_seconds": None, "actions": [], **PLAIN},
    ],
    "note": "rich",
}  # fmt: skip


def test_a_draft_that_is_saved_untouched_says_what_was_published(desk, browser):
    policy = desk.only(RICH)
    address = f"{POLICIES}{policy.pk}/draft/"

    answer = browser.post(address, form_of(browser.get(address)))

    assert answer.status_code == 302, text_of(answer)
    with desk.entered():
        draft = PolicyVersion.objects.get(policy_id=policy.pk, state="draft")
        assert contents.content_of(draft) == RICH


def test_a_row_is_filled_in_and_another_one_dropped(desk, browser):
    policy = desk.only(content(seconds=3600, levels=levels(50)))
    address = f"{POLICIES}{policy.pk}/draft/"
    given = form_of(browser.get(address))
    given |= {
        "targets-0-amount": ["90"], "targets-0-unit": ["minutes"], "targets-0-priorities": ["1", "2"],
        "targets-1-metric": ["first_response"], "targets-1-amount": ["2"], "targets-1-unit": ["days"],
        "levels-0-metric": [""], "levels-0-amount": [""], "kinds": ["incident"],
    }  # fmt: skip

    assert browser.post(address, given).status_code == 302

    with desk.entered():
        found = contents.content_of(PolicyVersion.objects.get(policy_id=policy.pk, state="draft"))
    assert found["match"] == [{"kind": ["incident"]}]
    assert [(row["metric"], row["applies"], row["seconds"], row["business_days"]) for row in found["targets"]] == [
        ("resolution", [{"priority": [1, 2]}], 5400, None),
        ("first_response", [{}], None, 2),
    ]
    assert sorted((row["metric"], row["percent"]) for row in found["levels"]) == [
        ("first_response", 100),
        ("resolution", 100),
    ]


def test_what_makes_no_sense_is_said_by_its_row_and_nothing_is_saved(desk, browser):
    policy = desk.only(content())
    address = f"{POLICIES}{policy.pk}/draft/"
    given = form_of(browser.get(address)) | {
        "rules": ['{"resolution": {"start": []}}'],
        "match": ['[{"colour": ["red"]}]'],
    }

    answer = browser.post(address, given)

    assert answer.status_code == 200
    assert "match 0 colour: Accepted:" in text_of(answer)
    assert "It never starts" in text_of(browser.post(address, given | {"match": [""]}))
    assert "a JSON object" in text_of(browser.post(address, given | {"rules": ["["]}))
    with desk.entered():
        assert not PolicyVersion.objects.filter(policy_id=policy.pk, state="draft").exists()


def test_a_draft_is_tried_and_published_from_its_page(desk, browser):
    policy = desk.only(content(seconds=4 * 3600))
    ticket = desk.open(MONDAY + 10**4 * HOUR)
    address = f"{POLICIES}{policy.pk}/draft/"
    browser.post(address, form_of(browser.get(address)) | {"targets-0-amount": ["2"]})

    tried = text_of(browser.get(f"{POLICIES}{policy.pk}/dry-run/"))
    assert "0 unchanged, 1 moved, 0 breached" in tried
    assert ticket.number in tried

    browser.post(POLICIES, {"action": "publish", "_selected_action": str(policy.pk)})

    assert desk.timer(desk.open()).target_seconds == 7200
    assert desk.timer(ticket).target_seconds == 14_400
    assert "has no draft" in text_of(
        browser.post(POLICIES, {"action": "publish", "_selected_action": str(policy.pk)}, follow=True)
    )
    browser.post(POLICIES, {"action": "withdraw", "_selected_action": str(policy.pk)})
    desk.do_job()
    assert desk.timer(ticket).end_reason == "withdrawn"


def test_a_preview_says_when_a_ticket_raised_now_would_be_due_in_the_calendars_zone(desk, browser):
    with desk.entered():
        week = [{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(5)]
        calendar = BusinessCalendarFactory(name="Berlin", time_zone="Europe/Berlin", windows=week)
    desk.only(content(seconds=10 * 3600, calendar=str(calendar.pk)))

    # Monday, ten in the morning there.
    answer = browser.get(f"{POLICIES}preview/?kind=incident&priority=3&at_0=2026-03-02&at_1=09:00:00")

    told = text_of(answer)
    assert "resolution Ours 10 h Tuesday 2026-03-03 12:00:00 Europe/Berlin 2026-03-03 11:00:00" in told
    with desk.entered():
        assert not Timer.objects.exists()


def test_a_timer_is_explained_on_its_page_and_shown_on_its_incident(desk, browser):
    desk.only(content(seconds=3600, levels=levels(50)))
    ticket = desk.open()
    desk.hold(ticket, MONDAY + HOUR / 2)
    desk.do(ticket, "resume", MONDAY + HOUR)
    desk.sweep(MONDAY + 9 * HOUR)

    told = text_of(browser.get(f"/admin/sla/timer/{desk.timer(ticket).pk}/change/"))
    assert "Not counted, since the ticket was put on hold." in told
    assert "50 % 2026-03-02 09:30:00 fired" in told
    assert ticket.number in text_of(browser.get("/admin/sla/breach/"))
    shown = text_of(browser.get(f"/admin/incidents/incident/{ticket.pk}/change/"))
    assert re.search(r"resolution running Ours 1 h", shown)


def test_a_manager_is_kept_out_of_the_drafts(desk, client, carol):
    policy = desk.only(content())
    client.post("/admin/login/", {"username": carol.email, "password": PASSWORD})
    for page in ("draft", "dry-run"):
        assert client.get(f"{POLICIES}{policy.pk}/{page}/").status_code in {302, 403, 404}
    with desk.entered():
        assert not PolicyVersion.objects.filter(policy_id=policy.pk, state="draft").exists()
