"""Many questions to one calendar at once, with errors that name the question."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apps.core.errors import FieldError
from apps.organizations.calendars.hours import BeyondHorizon, OpenHours, add_business, business_between

MOST_FAULTS = 100


def answers(items: Sequence[Mapping[str, Any]], hours: OpenHours) -> list[dict[str, int | datetime]]:
    """`business_seconds` for each {start, end}, `due_at` for each {start, seconds}. Raises BeyondHorizon naming each item."""
    found, faults = [], []
    for place, item in enumerate(items):
        try:
            found.append(_answer(item, hours))
        except BeyondHorizon as refusal:
            asked = "end" if "end" in item else "seconds"
            faults.append(FieldError(f"/items/{place}/{asked}", refusal.code, refusal.detail))
    if faults:
        raise BeyondHorizon(errors=faults[:MOST_FAULTS])
    return found


def _answer(item: Mapping[str, Any], hours: OpenHours) -> dict[str, int | datetime]:
    if "end" in item:
        return {"business_seconds": business_between(item["start"], item["end"], hours)}
    return {"due_at": add_business(item["start"], item["seconds"], hours)}
