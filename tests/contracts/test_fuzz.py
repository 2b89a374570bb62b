"""Nothing that the document allows, or forbids, makes an answer that the document does not describe (T38, schemathesis).

`ITSM_FUZZ_SEED=<word>` makes other cases, and the same word the same ones again; `ITSM_FUZZ_CASES=<number>` more or fewer.
"""

import os
from collections.abc import Callable

import pytest

from tests.conftest import IS_FULL_RUN
from tests.contracts import fuzzing
from tests.contracts.matrix import PRINCIPALS
from tests.contracts.world import World

CASES = int(os.environ.get("ITSM_FUZZ_CASES", "50000" if IS_FULL_RUN else "3000"))
# In a full run each principal's operations are shared out, so that every core has its part until the end.
SHARDS = 2 if IS_FULL_RUN else 1


@pytest.mark.bar(38)
@pytest.mark.bar(37)
@pytest.mark.bar(5)
@pytest.mark.heavy
@pytest.mark.timeout(14400 if IS_FULL_RUN else 900)
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("principal", PRINCIPALS)
def test_every_answer_is_one_that_the_document_describes(
    world: World, principal: str, shard: int, record_property: Callable[[str, object], None]
) -> None:
    fuzz = fuzzing.Fuzz(world, principal)
    share = slice(shard, None, SHARDS)
    number = len(fuzzing.operations()[share])
    each = -(-CASES // len(PRINCIPALS) // len(fuzzing.operations()))
    before = world.snapshot(world.globex.id)

    fuzz.run(each, share)

    record_property("schemathesis cases", fuzz.sent)
    record_property(f"schemathesis cases as {principal}", fuzz.sent)
    for status, answers in fuzz.statuses.items():
        record_property(f"schemathesis answers {status} to {principal}", answers)
    if fuzz.problems:
        shown = "\n\n".join(f"=== {what}\n{detail}" for what, detail in fuzz.problems.items())
        pytest.fail(f"{len(fuzz.problems)} problems (seed {fuzzing.SEED!r})\n\n{shown}", pytrace=False)
    assert fuzz.sent >= CASES / len(PRINCIPALS) * number / len(fuzzing.operations())
    assert len(fuzz.by_operation) == number
    assert max(fuzz.by_operation.values()) - min(fuzz.by_operation.values()) <= 1, "unevenly sampled"
    assert {200, 400, 404} <= set(fuzz.statuses) or principal == "anonymous", "the cases reach nothing"
    assert fuzz.statuses[429] <= fuzz.sent // 20, "what is limited proves nothing: lift the limits in test mode"
    assert world.snapshot(world.globex.id) == before
