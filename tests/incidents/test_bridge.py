"""Where those who work on a major incident meet: who says so, who learns it, and what is refused."""

import pytest

from apps.audit.models import Event
from apps.core.errors import Invalid
from apps.incidents import major
from apps.users.models import UserType
from tests.conftest import person
from tests.core.expectations import assert_problem
from tests.incidents.conftest import START, acting, now_of
from tests.incidents.test_major import URL, WHY, minutes
from tests.users.test_admin_sign_in import signed_in

MEET, OTHER = "https://meet.example/room/7?pwd=x", "https://other.example/9"


@pytest.fixture
def led(acme, alice, carol, at_home, opened):
    """Commanded by alice, an agent, who named the bridge with the proposal; accepted by carol, who named none."""
    with acme.entered():
        incident = major.propose(opened(), actor=acting(alice), at=START, commander_id=alice.pk, bridge_url=MEET, **WHY)
        return major.accept(incident, actor=acting(carol), at=minutes(10), **WHY)


def test_who_works_on_it_learns_the_bridge_and_each_change_of_it_and_its_requester_nowhere(acme, alice, bob, led, api):
    agent, requester, address = api(alice), api(bob), f"{URL}{led.number}/"
    pages = (address, f"{address}major/", f"{address}major/report/", f"/api/v1/tickets/{led.number}/timeline/", URL)
    assert agent.get(address).json()["bridge_url"] == agent.get(f"{address}major/").json()["bridge_url"] == MEET

    changed = agent.post(f"{address}major/bridge/", {"bridge_url": OTHER})
    assert (changed.status_code, changed.json()["bridge_url"]) == (200, OTHER)
    version = changed.json()["version"]
    assert agent.post(f"{address}major/bridge/", {"bridge_url": OTHER}).json()["version"] == version
    with acme.entered():
        (fact,) = Event.objects.filter(subject_id=led.pk, name="incident.major_bridged")
        assert (fact.actor_id, fact.changes) == (alice.pk, {"bridge_url": [MEET, OTHER]})
        shown = Event.objects.filter(name__startswith="escalation.").values_list("data", flat=True)
        assert "example" not in str(list(shown))
    report = agent.get(f"{address}major/report/").json()["timeline"]
    proposed, changed_it = (each["summary"] for each in report if "meet at" in each["summary"])
    assert proposed.endswith(f"proposed it as a major incident: {WHY['reason']}; they meet at {MEET}")
    assert changed_it.endswith(f"let those who work on it meet at {OTHER}")

    for page in pages:
        answer = requester.get(page)
        assert answer.status_code == 200, page
        assert ".example/" not in answer.content.decode(), page
    assert requester.get(address).json()["bridge_url"] is None
    assert requester.get(f"{address}major/").json()["bridge_url"] is None
    assert requester.get(f"{address}major/report/", {"format": "markdown"}).status_code == 200
    assert "meet at" not in requester.get(f"{address}major/report/", {"format": "markdown"}).content.decode()
    assert "meet at" in agent.get(f"{address}major/report/", {"format": "html"}).content.decode()

    emptied = agent.post(f"{address}major/bridge/", {"bridge_url": ""})
    assert (emptied.status_code, emptied.json()["bridge_url"]) == (200, None)


def test_who_leads_nothing_a_requester_and_a_stranger_set_no_bridge_and_no_incident_that_nobody_leads_has_one(
    acme, alice, bob, mallory, opened, led, api
):
    erin = person(acme, "erin", UserType.AGENT)
    address, other = f"{URL}{led.pk}/major/bridge/", {"bridge_url": OTHER}

    assert assert_problem(api(erin).post(address, other), 403, "missing_grant")["grant"] == "incidents.approve"
    assert api(bob).post(address, other).status_code == 403
    assert api(mallory).post(address, other).status_code == 404
    with acme.entered():
        plain = opened()
    assert_problem(api(alice).post(f"{URL}{plain.pk}/major/bridge/", other), 403, "missing_grant")
    with acme.entered():
        assert (now_of(led).bridge_url, now_of(led).version) == (MEET, led.version)


def test_the_bridge_is_an_https_address_without_a_password_in_it(acme, alice, carol, opened, led, api):
    wrong = (
        "http://meet.example/",
        "javascript:alert(1)",
        "https://",
        "https://a b",
        "https://me:secret@meet.example/",
    )
    for text in wrong:
        answer = api(alice).post(f"{URL}{led.pk}/major/bridge/", {"bridge_url": text})
        (error,) = assert_problem(answer, 400, "invalid")["errors"]
        assert (error["pointer"], error["code"]) == ("/bridge_url", "invalid_address"), text
    too_long = api(alice).post(f"{URL}{led.pk}/major/bridge/", {"bridge_url": MEET + "x" * 2000})
    assert assert_problem(too_long, 400, "invalid")["errors"][0]["pointer"] == "/bridge_url"
    with acme.entered():
        with pytest.raises(Invalid):
            major.propose(opened(), actor=acting(alice), at=START, bridge_url="ftp://meet.example", **WHY)
        assert now_of(led).bridge_url == MEET


def test_the_admin_shows_the_bridge_and_takes_another_at_acceptance_and_later(acme, alice, dan, opened, at_home):
    with acme.entered():
        incident = major.propose(opened(), actor=acting(alice), at=START, bridge_url=MEET, **WHY)
    browser, page = signed_in(dan), f"/admin/incidents/incident/{incident.pk}/"

    browser.post(f"{page}do/major-accept/", {**WHY, "bridge_url": OTHER})
    assert OTHER in browser.get(f"{page}change/").content.decode()
    refused = browser.post(f"{page}do/major-bridge/", {"bridge_url": "http://x"}, follow=True)
    assert "accepted: https" in refused.content.decode()
    browser.post(f"{page}do/major-bridge/", {"bridge_url": ""})
    with acme.entered():
        facts = Event.objects.filter(subject_id=incident.pk, changes__has_key="bridge_url").order_by("at", "id")
        assert [fact.changes["bridge_url"] for fact in facts] == [["", MEET], [MEET, OTHER], [OTHER, ""]]
