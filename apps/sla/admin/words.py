"""Tables and words that several pages show."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

STAGES = {"running": "info", "paused": "warning", "met": "success", "missed": "danger", "cancelled": "default"}


def instant(value: datetime | None) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}" if value is not None else "-"


def duration(seconds: int | None) -> str:
    """`1 h 30 min`; hours are not folded into days, because a day of business time is no 24 hours."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{value} {unit}" for value, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if value]
    return ("-" if seconds < 0 else "") + (" ".join(parts) or "0 s")


def metric(name: str) -> str:
    return name.replace("_", " ")


def condition(clauses: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """`priority 1, 2 and service E-mail; or is vip yes`. `names` are those of records by id."""
    if not clauses:
        return "never"
    return "; or ".join(
        " and ".join(f"{metric(field)} {_values(values, names)}" for field, values in clause.items()) or "always"
        for clause in clauses
    )


def _values(given: Any, names: Mapping[str, str]) -> str:
    is_except = isinstance(given, dict)
    listed = given.get("not", []) if is_except else given
    return ("not " if is_except else "") + ", ".join(_word(value, names) for value in listed)


def _word(value: Any, names: Mapping[str, str]) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return "none"
    return names.get(str(value), str(value).replace("_", " "))
