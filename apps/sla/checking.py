"""Whether a version of a policy makes sense, before it is saved: strict about its shape, and about what contradicts itself.

`{"match": condition, "rules": {metric: rules}, "targets": [{"metric", "applies"?, "seconds" | "business_days", "calendar"?}],
"levels": [{"metric", "percent" | "offset_seconds", "actions"?, "applies"?, "is_until_acknowledged"?, "is_around_the_clock"?}],
"note"?}`.
"""

from collections.abc import Mapping
from typing import Any

from apps.core.errors import FieldError, Invalid
from apps.sla import rules
from apps.sla.conditions import ALWAYS, Condition, Effort, is_id, parse
from apps.sla.escalation import actions
from apps.sla.escalation.actions import RECIPIENTS
from apps.sla.rules import USUAL

__all__ = ["RECIPIENTS", "Findings", "check", "is_id"]

MAX_SECONDS, MAX_DAYS, MAX_TARGETS, MAX_LEVELS, MAX_PERCENT = 94_608_000, 1_095, 100, 100, 1_000
CONTENT = ("match", "rules", "targets", "levels", "note")
TARGET = ("metric", "applies", "seconds", "business_days", "calendar")
FLAGS = ("is_until_acknowledged", "is_around_the_clock")
LEVEL = ("metric", "percent", "offset_seconds", "actions", "applies", *FLAGS)


class Findings:
    """What is wrong, and what is only strange."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []
        self.warnings: list[str] = []

    def wrong(self, pointer: str, code: str, detail: str) -> None:
        self.errors.append(FieldError(pointer, code, detail))

    def condition(self, data: Any, pointer: str) -> Condition | None:
        try:
            return parse(data, pointer=pointer)
        except Invalid as invalid:
            self.errors += invalid.errors
            return None

    def unknown(self, data: Mapping[str, Any], accepted: tuple[str, ...], pointer: str) -> None:
        for name in data:
            if name not in accepted:
                self.wrong(f"{pointer}/{name}", "unknown_field", f"Accepted: {', '.join(accepted)}.")

    def whole(self, value: Any, low: int, high: int, pointer: str) -> bool:
        if type(value) is int and low <= value <= high:
            return True
        self.wrong(pointer, "out_of_range", f"Accepted: a whole number from {low} to {high}.")
        return False

    def one_of(self, data: Mapping[str, Any], names: tuple[str, str], pointer: str) -> str | None:
        given = [name for name in names if data.get(name) is not None]
        if len(given) == 1:
            return given[0]
        self.wrong(pointer, "required", f"Accepted: either {names[0]} or {names[1]}.")
        return None


def check(content: Any) -> tuple[list[FieldError], list[str]]:
    """All errors and all warnings of a version's content."""
    found = Findings()
    if not isinstance(content, dict):
        found.wrong("", "invalid", "Accepted: an object.")
        return found.errors, found.warnings
    found.unknown(content, CONTENT, "")
    match = found.condition(content.get("match", [{}]), "/match")
    metrics = _targets(content.get("targets"), found)
    _rules(content.get("rules", {}), metrics, match or ALWAYS, found)
    _levels(content.get("levels", []), metrics, found)
    note = content.get("note", "")
    if not isinstance(note, str) or len(note) > 2000:
        found.wrong("/note", "invalid", "Accepted: at most 2,000 characters.")
    return found.errors, found.warnings


def _rules(data: Any, metrics: set[str], match: Condition, found: Findings) -> None:
    if not isinstance(data, dict):
        found.wrong("/rules", "invalid", "Accepted: an object of metrics.")
        return
    for metric in data:
        if metric not in metrics:
            found.wrong(f"/rules/{metric}", "no_target", "It has no target; accepted: metrics that targets name.")
    effort = Effort()
    for metric in sorted(metrics):
        errors, warnings = rules.check(
            metric, data.get(metric, {}), match=match, pointer=f"/rules/{metric}", effort=effort
        )
        found.errors += errors
        found.warnings += warnings


def _targets(data: Any, found: Findings) -> set[str]:
    """The metrics that targets name."""
    if not isinstance(data, list) or not 1 <= len(data) <= MAX_TARGETS:
        found.wrong("/targets", "required", f"Accepted: a list of 1 to {MAX_TARGETS} targets.")
        return set()
    return {metric for place, target in enumerate(data) if (metric := _target(target, f"/targets/{place}", found))}


def _target(data: Any, pointer: str, found: Findings) -> str:
    if not isinstance(data, dict):
        found.wrong(pointer, "invalid", "Accepted: an object.")
        return ""
    found.unknown(data, TARGET, pointer)
    found.condition(data.get("applies", [{}]), f"{pointer}/applies")
    match found.one_of(data, ("seconds", "business_days"), pointer):
        case "seconds":
            found.whole(data["seconds"], 1, MAX_SECONDS, f"{pointer}/seconds")
        case "business_days":
            found.whole(data["business_days"], 1, MAX_DAYS, f"{pointer}/business_days")
    calendar = data.get("calendar")
    if calendar is not None and not is_id(calendar):
        found.wrong(f"{pointer}/calendar", "invalid", "Accepted: the id of a calendar, or null for always open.")
    return _metric(data, pointer, found)


def _metric(data: Mapping[str, Any], pointer: str, found: Findings) -> str:
    metric = data.get("metric")
    if isinstance(metric, str) and metric in USUAL:
        return metric
    found.wrong(f"{pointer}/metric", "invalid_choice", f"Accepted: {', '.join(USUAL)}.")
    return ""


def _levels(data: Any, metrics: set[str], found: Findings) -> None:
    if not isinstance(data, list) or len(data) > MAX_LEVELS:
        found.wrong("/levels", "invalid", f"Accepted: a list of at most {MAX_LEVELS} levels.")
        return
    seen: set[tuple[str, str, Any]] = set()
    for place, level in enumerate(data):
        _level(level, f"/levels/{place}", metrics, seen, found)


def _level(data: Any, pointer: str, metrics: set[str], seen: set[tuple[str, str, Any]], found: Findings) -> None:
    if not isinstance(data, dict):
        found.wrong(pointer, "invalid", "Accepted: an object.")
        return
    found.unknown(data, LEVEL, pointer)
    metric = _metric(data, pointer, found)
    if metric and metric not in metrics:
        found.wrong(f"{pointer}/metric", "no_target", "It has no target; accepted: metrics that targets name.")
    how = found.one_of(data, ("percent", "offset_seconds"), pointer)
    low, high = (1, MAX_PERCENT) if how == "percent" else (-MAX_SECONDS, MAX_SECONDS)
    if how is not None and found.whole(data[how], low, high, f"{pointer}/{how}"):
        # The deadline is one level, whether as 100 percent or as no seconds after it.
        is_deadline = (how, data[how]) in {("percent", 100), ("offset_seconds", 0)}
        key = (metric, "percent", 100) if is_deadline else (metric, how, data[how])
        if key in seen:
            found.wrong(f"{pointer}/{how}", "duplicate", "Another level of this metric is due then; accepted: one.")
        seen.add(key)
    for name in FLAGS:
        if not isinstance(data.get(name, False), bool):
            found.wrong(f"{pointer}/{name}", "invalid", "Accepted: true, false.")
    found.condition(data.get("applies", [{}]), f"{pointer}/applies")
    actions.check(data.get("actions", []), f"{pointer}/actions", found.errors)
