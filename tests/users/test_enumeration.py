"""Whether an address is known cannot be told from how long a refusal takes (T26)."""

import statistics
import time

import pytest

from tests.conftest import IS_FULL_RUN
from tests.users.second_factor import TOKEN, forget_attempts

TIMINGS, BOUND = (200, 0.05) if IS_FULL_RUN else (15, 0.5)


@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.bar(26)
@pytest.mark.asvs("6.3.8")
def test_a_refusal_takes_as_long_for_nobody_as_for_somebody(real_hashes, fresh_database, acme, bob, api):
    """A few timings on a busy machine show a missing hash; the full run shows a missing query."""
    client = api()
    taken: dict[str, list[float]] = {bob.email: [], "nobody@acme.example": []}
    for _ in range(TIMINGS + 2):
        for email, timings in taken.items():
            forget_attempts()
            begun = time.perf_counter()
            answer = client.post(TOKEN, {"email": email, "password": "guess"})
            timings.append(time.perf_counter() - begun)
            assert answer.status_code == 401

    # The first two warm up: connection, middleware, nobody's hash.
    somebody, nobody = (statistics.median(timings[2:]) for timings in taken.values())
    print(f"medians: somebody {somebody * 1000:.1f} ms, nobody {nobody * 1000:.1f} ms")
    assert abs(somebody - nobody) / somebody < BOUND
