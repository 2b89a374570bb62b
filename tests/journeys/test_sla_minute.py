"""The demo's one-minute policy in a running installation: it warns, it breaches and says why, and nobody does anything."""

from typing import Any

import pytest

from apps.sla.demo import CATEGORY
from tests.conftest import IS_FULL_RUN
from tests.faults.processes import wait_until
from tests.journeys.speaking import API, Client

pytestmark = pytest.mark.journey


@pytest.mark.heavy
@pytest.mark.timeout(400)
@pytest.mark.skipif(not IS_FULL_RUN, reason="it watches a minute and a half go by: ITSM_TEST_ALL=1")
def test_an_incident_with_a_minute_warns_breaches_and_says_why_by_itself(
    installation: int, accounts: dict[str, Any]
) -> None:
    requester, agent = Client(installation), Client(installation)
    requester.sign_in(accounts["acme"]["requester"])
    agent.sign_in(accounts["acme"]["agent"])
    [category] = [row for row in agent.get(f"{API}/categories/?page_size=200")["results"] if row["name"] == CATEGORY]

    status, _, incident = requester.ask(
        "POST", f"{API}/incidents/", {"title": "The kiosk is dark", "category": category["id"]}
    )
    assert status == 201, incident
    assert incident["sla_due_at"] is not None
    ticket = f"{API}/tickets/{incident['id']}/"

    def told() -> list[str]:
        facts = agent.get(f"{ticket}timeline/?page_size=200")["results"]
        return [fact["summary"] for fact in facts if fact["event"].startswith("sla.")]

    # A minute, and half of one until the sweep comes by.
    wait_until(lambda: any("75 %" in summary for summary in told()), "it warns at 75 %", 45 + 30 + 30)
    wait_until(lambda: any("missed" in summary for summary in told()), "it tells of the breach", 30 + 30 + 30)
    summaries = told()
    assert any(summary == "The platform warned: 75 % of the resolution target have passed" for summary in summaries)
    assert any(summary.startswith("The platform noted that the resolution target was missed") for summary in summaries)

    [timer] = [row for row in agent.get(f"{ticket}sla/")["results"] if row["metric"] == "resolution"]
    assert (timer["stage"], timer["is_breached"], timer["target_seconds"]) == ("running", True, 60)
    assert timer["breached_at"] == timer["due_at"] == timer["original_due_at"]
    assert timer["business_elapsed_seconds"] > 60

    explained = agent.get(f"{API}/sla/timers/{timer['id']}/explain/")
    assert [(each["kind"], each["why"]) for each in explained["stretches"]] == [
        ("running", "Counted, since the ticket was opened.")
    ]
    outcomes = {each["words"]: each["outcome"] for each in explained["levels"]}
    assert [outcomes[words] for words in ("50 %", "75 %", "100 %")] == ["fired"] * 3
    assert explained["counted_seconds"] > 60
    assert "which has passed" in explained["summary"]

    breached = agent.get(f"{API}/tickets/?sla=breached&page_size=200")["results"]
    assert incident["id"] in {row["id"] for row in breached}
