"""When a metric's clock starts, waits, goes on, stops, begins again or is given up: six conditions and four choices.

A version says of each metric only what differs from the usual (USUAL).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from apps.core.errors import FieldError, Invalid
from apps.core.lifecycle import Phase
from apps.sla.choices import Metric
from apps.sla.conditions import FROM_REQUESTER, NEVER, TO_REQUESTER, Condition, Effort, TooComplex, parse, trusted
from apps.tickets.models.ticket import OPEN_PHASES

CONDITIONS = ("start", "pause", "resume", "stop", "cancel", "reset")


class CancelWhen(StrEnum):
    NEVER = "never"
    CANCEL_TRUE = "cancel_true"
    START_FALSE = "start_false"


class StartFrom(StrEnum):
    """The instant that the target is counted from."""

    OPENED_AT = "opened_at"
    CREATED_AT = "created_at"
    CHANGE = "change"


class Reopen(StrEnum):
    """What a finished timer does when its ticket starts it again: the same one goes on, a new cycle begins, or nothing."""

    RESUME = "resume"
    RESTART = "restart"
    NONE = "none"


class OnChange(StrEnum):
    """Whether another target takes over what has been counted, or counts from the change on."""

    CARRY = "carry"
    FRESH = "fresh"


CHOICES: Mapping[str, type[StrEnum]] = {
    "cancel_when": CancelWhen,
    "start_from": StartFrom,
    "reopen": Reopen,
    "on_change": OnChange,
}


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one metric. `resume` of None: as soon as `pause` does not hold."""

    start: Condition
    pause: Condition
    resume: Condition | None
    stop: Condition
    cancel: Condition
    reset: Condition
    cancel_when: CancelWhen
    start_from: StartFrom
    reopen: Reopen
    on_change: OnChange

    def names(self) -> set[str]:
        """Every field that one of the conditions reads."""
        conditions = (self.start, self.pause, self.resume or NEVER, self.stop, self.cancel, self.reset)
        return {name for condition in conditions for name in condition.names()}


OPEN = [phase.value for phase in OPEN_PHASES]
# A cancelled ticket ends its timers without a result, whatever a version says.
OVER = [phase.value for phase in Phase if phase not in (*OPEN_PHASES, Phase.CANCELLED)]
# A major incident waits for nobody; vendors, changes and problems are our own business.
WAITS = [{"hold_reason": ["awaiting_requester", "awaiting_approval"], "is_major": [False]}]
COMMON: Mapping[str, Any] = {
    "pause": [],
    "resume": None,
    "cancel": [],
    "reset": [],
    "cancel_when": CancelWhen.NEVER,
    "on_change": OnChange.CARRY,
}
USUAL: Mapping[str, Mapping[str, Any]] = {
    # A hold does not excuse silence, and whoever was told the solution was answered.
    Metric.FIRST_RESPONSE: {
        **COMMON,
        "start": [{"phase": OPEN, "is_responded": [False]}],
        "stop": [{"is_responded": [True]}, {"phase": OVER}],
        "start_from": StartFrom.OPENED_AT,
        "reopen": Reopen.NONE,
    },
    # Only after the first response, which has a clock of its own.
    Metric.NEXT_REPLY: {
        **COMMON,
        "start": [{"phase": OPEN, "is_responded": [True], "message": [FROM_REQUESTER]}],
        "stop": [{"message": [TO_REQUESTER]}, {"phase": OVER}],
        "start_from": StartFrom.CHANGE,
        "reopen": Reopen.RESTART,
    },
    Metric.RESOLUTION: {
        **COMMON,
        "start": [{"phase": OPEN}],
        "pause": WAITS,
        "stop": [{"phase": OVER}],
        "start_from": StartFrom.OPENED_AT,
        "reopen": Reopen.RESUME,
    },
    # Each word to the requester begins the next period.
    Metric.PERIODIC_UPDATE: {
        **COMMON,
        "start": [{"phase": OPEN}],
        "pause": WAITS,
        "stop": [{"phase": OVER}],
        "reset": [{"message": [TO_REQUESTER]}],
        "start_from": StartFrom.CHANGE,
        "reopen": Reopen.RESTART,
    },
}


def read(metric: str, given: Mapping[str, Any]) -> Rules:
    """The rules of a saved version's metric."""
    data = {**USUAL[metric], **given}
    conditions = {name: trusted(data[name]) for name in CONDITIONS if name != "resume"}
    resume = None if data["resume"] is None else trusted(data["resume"])
    choices = {name: choice(data[name]) for name, choice in CHOICES.items()}
    return Rules(**conditions, resume=resume, **choices)  # type: ignore[arg-type]


@cache
def usual(metric: str) -> Rules:
    return read(metric, {})


def check(
    metric: str, given: Any, *, match: Condition, pointer: str, effort: Effort
) -> tuple[list[FieldError], list[str]]:
    """What is wrong with a metric's rules of the tickets that `match` chooses, and what is allowed but probably not meant.

    `effort` is what comparing conditions may cost, of all metrics together.
    """
    if metric not in USUAL:
        accepted = ", ".join(USUAL)
        return [FieldError(pointer, "unknown_metric", f"No rules exist for {metric} yet; accepted: {accepted}.")], []
    if not isinstance(given, dict):
        return [FieldError(pointer, "invalid", "Accepted: an object of conditions and choices.")], []
    errors = [*_unknown(given, pointer), *_malformed(given, pointer)]
    if errors:
        return errors, []
    try:
        return _contradictions(read(metric, given), match, pointer, effort)
    except TooComplex:
        detail = (
            "Its conditions cannot be compared in reasonable time; accepted: fewer clauses, or fewer fields in each."
        )
        return [FieldError(pointer, "too_complex", detail)], []


def _unknown(given: Mapping[str, Any], pointer: str) -> Iterable[FieldError]:
    accepted = (*CONDITIONS, *CHOICES)
    for name in given:
        if name not in accepted:
            yield FieldError(f"{pointer}/{name}", "unknown_field", f"Accepted: {', '.join(accepted)}.")


def _malformed(given: Mapping[str, Any], pointer: str) -> Iterable[FieldError]:
    for name in CONDITIONS:
        if name in given and not (name == "resume" and given[name] is None):
            try:
                parse(given[name], pointer=f"{pointer}/{name}")
            except Invalid as invalid:
                yield from invalid.errors
    for name, choice in CHOICES.items():
        if name in given and given[name] not in list(choice):
            yield FieldError(f"{pointer}/{name}", "invalid_choice", f"Accepted: {', '.join(choice)}.")


def _contradictions(rules: Rules, match: Condition, pointer: str, effort: Effort) -> tuple[list[FieldError], list[str]]:
    errors: list[FieldError] = []
    warnings: list[str] = []
    start = match.meet(rules.start)
    if start.implies(NEVER, effort):
        errors.append(FieldError(f"{pointer}/start", "never_starts", "It never starts on what the policy matches."))
    elif start.implies(rules.stop, effort):
        detail = (
            "Whatever starts it stops it at once, so it would never run; accepted: a start that does not imply stop."
        )
        errors.append(FieldError(f"{pointer}/start", "start_implies_stop", detail))
    elif rules.cancel_when is CancelWhen.CANCEL_TRUE and start.implies(rules.cancel, effort):
        detail = "Whatever starts it cancels it at once; accepted: a start that does not imply cancel."
        errors.append(FieldError(f"{pointer}/start", "start_implies_cancel", detail))
    else:
        warnings += _traps(rules, start, match.meet(rules.pause), pointer, effort)
    return errors, warnings


def _traps(rules: Rules, start: Condition, pause: Condition, pointer: str, effort: Effort) -> Iterable[str]:
    if rules.cancel_when is CancelWhen.START_FALSE and not pause.implies(rules.start, effort):
        yield f"{pointer}/pause: what pauses it may not fulfil its start, and then it is cancelled instead of paused."
    if start.implies(rules.pause, effort):
        yield f"{pointer}/pause: whatever starts it pauses it, so it begins paused."
