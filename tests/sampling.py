"""Which cases of a large table a default run tries: at most a budget of them, evenly over what the table is about."""

import hashlib
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import pytest

Case = TypeVar("Case")
# A part of each budget, for a run that only smokes: 0.1 is a tenth.
SHARE = float(os.environ.get("ITSM_TEST_SHARE", "1"))
# The parameters that say what a case is about; of each the first that a test has.
SUBJECTS = ("route", "model")


def sample(
    cases: Iterable[Case], budget: int, subject_of: Callable[[Case], str], name_of: Callable[[Case], str]
) -> list[Case]:
    """The first case of every subject, then the second of every one, up to `budget`: which comes first its name's hash says.

    The same names give the same sample on every machine, and a new subject moves few of the others.
    """
    by_subject: dict[str, list[tuple[str, Case]]] = defaultdict(list)
    for case in cases:
        digest = hashlib.sha256(name_of(case).encode()).hexdigest()
        by_subject[subject_of(case)].append((digest, case))
    ranked = [
        (rank, digest, case)
        for found in by_subject.values()
        for rank, (digest, case) in enumerate(sorted(found, key=lambda pair: pair[0]))
    ]
    return [case for _, _, case in sorted(ranked, key=lambda entry: entry[:2])[:budget]]


def few(values: Sequence[str], number: int, name: str) -> list[str]:
    """`number` of the values, others for each name: over many names each value has its turn. All of them in a full run."""
    if os.environ.get("ITSM_TEST_ALL") == "1":
        return list(values)
    return sorted(values, key=lambda value: hashlib.sha256(f"{name} {value}".encode()).hexdigest())[:number]


def left_out(items: Iterable[pytest.Item]) -> set[pytest.Item]:
    """Of the tests that are marked `budget(number)`, the cases beyond it."""
    by_test: dict[tuple[str, int], list[pytest.Item]] = defaultdict(list)
    for item in items:
        mark = item.get_closest_marker("budget")
        if mark is not None:
            by_test[item.nodeid.partition("[")[0], mark.args[0]].append(item)
    return {
        item
        for (_, budget), cases in by_test.items()
        for item in set(cases) - set(sample(cases, math.ceil(budget * SHARE), _subject, lambda case: case.nodeid))
    }


def _subject(item: pytest.Item) -> str:
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return next((str(parameters[name]) for name in SUBJECTS if name in parameters), item.nodeid)
