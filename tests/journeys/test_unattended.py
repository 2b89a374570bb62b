"""The demo's chain in a running installation: nobody comes, so it climbs by itself, and the timeline tells the story."""

from typing import Any

import pytest

from apps.sla.demo import ATTENDED
from tests.conftest import IS_FULL_RUN
from tests.faults.processes import wait_until
from tests.journeys.speaking import API, Client

pytestmark = pytest.mark.journey
# A minute for each of four steps, and half of one each until the sweep comes by.
CLIMB_SECONDS = 480


@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.skipif(not IS_FULL_RUN, reason="it watches five minutes go by: ITSM_TEST_ALL=1")
def test_what_nobody_comes_to_climbs_from_the_agent_to_whoever_is_on_call_to_the_head(
    installation: int, accounts: dict[str, Any]
) -> None:
    agent = Client(installation)
    agent.sign_in(accounts["acme"]["agent"])

    status, _, incident = agent.ask(
        "POST", f"{API}/incidents/", {"title": "The whole site is dark", "impact": 1, "urgency": 1}
    )
    assert (status, incident["priority"]) == (201, 1), incident

    def story() -> list[tuple[str, str]]:
        facts = agent.get(f"{API}/tickets/{incident['id']}/timeline/?page_size=200")["results"]
        return [(fact["event"], fact["summary"]) for fact in sorted(facts, key=lambda fact: fact["at"])]

    def is_over() -> bool:
        return any(event == "escalation.ended" for event, _ in story())

    wait_until(is_over, "it has climbed to the end", CLIMB_SECONDS)
    told = story()
    print(*(f"{event}: {summary}" for event, summary in told), sep="\n")
    steps = [summary for event, summary in told if event == "escalation.climbed"]
    numbers = [summary.partition(" of ")[0].rpartition(" ")[2] for summary in steps]
    assert numbers == ["1", "2", "2", "3"]
    assert f"of {ATTENDED}: calls on" in steps[0]
    assert "made Carol Manager a watcher" in steps[3]
    (called, *_) = [summary for event, summary in told if event == "escalation.paged"]
    assert "Alice Agent" in called or "Carol Manager" in called
    (last,) = [summary for event, summary in told if event == "escalation.ended"]
    assert last.endswith("everybody was told, and nobody came")
