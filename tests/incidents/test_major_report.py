"""The report of a major incident: who led it and when, each promised update on time or late, as JSON and as a document."""

import pytest

from apps.incidents import handover, major, report_text
from apps.tickets import verbs
from tests.core.expectations import assert_problem
from tests.incidents.conftest import SOLVED, START, acting
from tests.incidents.test_major_clock import URL, WHY, minutes, say, sweep


@pytest.fixture
def over(acme, alice, carol, dan, at_home, opened):
    """Opened at START, accepted at 10; told at 40 in time, handed over at 50, told 45 minutes late, resolved at 130."""
    with acme.entered():
        incident = opened(title="Mail *is* <down>", impact=1, urgency=1)
        major.propose(incident, actor=acting(alice), at=minutes(5), **WHY)
        major.accept(incident, actor=acting(carol), at=minutes(10), communications_lead_id=alice.pk, **WHY)
        say(incident, alice, minutes(40))
        handover.offer(incident, actor=acting(carol), at=minutes(49), role="commander", to_id=dan.pk, reason="My train")
        handover.take_over(incident, actor=acting(dan), at=minutes(50), role="commander")
    sweep(acme, minutes(71))
    with acme.entered():
        say(incident, alice, minutes(115))
        verbs.do(incident, "resolve", actor=acting(alice), at=minutes(130), **SOLVED)
    return incident


def test_each_promise_is_told_with_what_became_of_it(alice, api, over):
    found = api(alice).get(f"{URL}{over.number}/major/report/").json()

    told = [
        (each["due_at"], each["outcome"], each["is_late"], each["late_seconds"], each["intervals_missed"])
        for each in found["updates"]
    ]
    assert told == [
        ("2026-11-16T09:40:00Z", "given", False, 0, 0),
        ("2026-11-16T10:10:00Z", "given", True, 45 * 60, 2),
        ("2026-11-16T11:25:00Z", "over", False, 0, 0),
    ]
    assert found["updates"][0]["given_by"] == str(alice.pk)
    counts = ("updates_given", "updates_on_time", "updates_late", "updates_missed")
    assert [found[name] for name in counts] == [2, 1, 1, 2]


def test_who_led_it_is_told_from_when_until_when(alice, carol, dan, api, over):
    found = api(alice).get(f"{URL}{over.number}/major/report/").json()

    assert [(each["role"], each["user"], each["since"], each["until"]) for each in found["roles"]] == [
        ("commander", str(carol.pk), "2026-11-16T09:10:00Z", "2026-11-16T09:50:00Z"),
        ("commander", str(dan.pk), "2026-11-16T09:50:00Z", "2026-11-16T11:10:00Z"),
        ("communications_lead", str(alice.pk), "2026-11-16T09:10:00Z", "2026-11-16T11:10:00Z"),
    ]
    assert found["opened_to_accepted_seconds"] == 600
    assert found["accepted_to_first_update_seconds"] == 1800
    assert (found["accepted_to_ended_seconds"], found["opened_to_ended_seconds"]) == (7200, 7800)


def test_the_document_says_the_same_in_words_and_means_nothing_by_peoples_markup(alice, carol, dan, api, over):
    client = api(alice)
    answer = client.get(f"{URL}{over.number}/major/report/", {"format": "markdown"})
    text = answer.content.decode()

    assert answer["Content-Type"] == "text/markdown; charset=utf-8"
    assert text.startswith(f"# Major incident {over.number}: Mail \\*is\\* \\<down\\>\n")
    assert f"- Commander: {dan}, 2026-11-16 09:50 UTC to 2026-11-16 11:10 UTC" in text
    assert "2 given: 1 on time, 1 late; 2 intervals passed without one." in text
    assert f"- Due 2026-11-16 10:10 UTC: given 2026-11-16 10:55 UTC by {alice}, 45 min late" in text
    assert "raised the alarm" in text

    html = client.get(f"{URL}{over.number}/major/report/", {"format": "html"})
    assert html["Content-Type"] == "text/html; charset=utf-8"
    assert f"<h1>Major incident {over.number}: Mail *is* &lt;down&gt;</h1>" in html.content.decode()


def test_another_format_is_refused_and_strangers_get_none(alice, mallory, api, over):
    url = f"{URL}{over.pk}/major/report/"

    assert_problem(api(alice).get(url, {"format": "pdf"}), 400, "invalid_parameter")
    assert api(mallory).get(url, {"format": "html"}).status_code == 404


def test_how_it_stands_is_told_while_it_goes_on(acme, alice, carol, opened, api):
    with acme.entered():
        incident = major.propose(opened(), actor=acting(alice), at=START, **WHY)
        major.accept(incident, actor=acting(carol), at=START, **WHY)

    found = api(alice).get(f"{URL}{incident.pk}/major/").json()

    assert (found["commander"], found["major_since"]) == (str(carol.pk), "2026-11-16T09:00:00Z")
    # Long ago by now.
    assert (found["is_update_overdue"], found["overdue_intervals"] > 0) == (True, True)
    assert [each["outcome"] for each in found["updates"]] == ["awaited"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (7260, "2 h 1 min")]
)
def test_lengths_are_read_in_hours_and_minutes(seconds, text):
    assert report_text.length(seconds) == text
