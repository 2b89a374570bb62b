"""A month of arrivals in memory, given out by the same choice as in life: see tests/benchmarks/assignment.py."""

import pytest

from tests.benchmarks import assignment
from tests.conftest import IS_FULL_RUN

# How far one of several equals may be from their mean, in percent of it; only one method promises to be even.
SPREAD = {"least_loaded": 10}
# By how many tickets equals may differ in the sample: in turns by one, by load a little more, because tickets weigh differently.
APART = {"round_robin": 1, "least_loaded": 3, "skill": 3}
TICKETS = assignment.MOST if IS_FULL_RUN else 250


@pytest.mark.heavy
@pytest.mark.timeout(1800 if IS_FULL_RUN else 300)
@pytest.mark.parametrize("method", ["least_loaded", "round_robin", "skill"])
def test_in_a_month_nobody_free_lets_a_ticket_wait_none_is_overtaken_and_twice_is_the_same(method, record_property):
    """By default its first 250 tickets; in full also how even it is."""
    outcome = assignment.simulate(method, TICKETS)

    assert outcome.assigned > TICKETS * 0.8
    assert (outcome.idle_waits, outcome.jumped, dict(outcome.wrongly)) == (0, 0, {})
    assert outcome.most_open <= assignment.CAPACITY
    assert assignment.simulate(method, TICKETS).digest == outcome.digest
    # A few tickets each cannot be spread as evenly as a month of them: they are counted. Every run of it is the same.
    if not IS_FULL_RUN:
        assert outcome.apart <= APART[method]
    elif method in SPREAD:
        assert outcome.spread <= SPREAD[method]
    record_property(f"a month by {method}: equals from their mean, %", f"{outcome.spread:.1f}")


@pytest.mark.timeout(1800 if IS_FULL_RUN else 300)
def test_pure_round_robin_gives_work_to_those_who_are_not_there():
    """Else the month would prove nothing."""
    outcome = assignment.simulate("pure", TICKETS)

    assert outcome.wrongly["off_shift"] > 0
    assert outcome.wrongly["lacks_skill"] > 0
