"""Whether a draft's targets and levels end within the time that calendars count."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core.errors import FieldError
from apps.organizations.calendars import ALWAYS, HORIZON, BeyondHorizon, add_business, business_between, days_later
from apps.sla import library


def too_far(content: Mapping[str, Any], *, at: datetime) -> list[FieldError]:
    """Of content that `checking.check` found sound: the targets whose last level, from `at` (UTC), lies beyond the horizon."""
    return list(_too_far(content, at))


def _too_far(content: Mapping[str, Any], at: datetime) -> Iterator[FieldError]:
    targets = content["targets"]
    hours = library.current_hours({UUID(target["calendar"]) for target in targets if target.get("calendar")})
    for place, target in enumerate(targets):
        found = hours.get(UUID(target["calendar"])) if target.get("calendar") else None
        opened = ALWAYS if found is None else found.open
        percents = (level.get("percent") for level in content.get("levels", ()) if level["metric"] == target["metric"])
        furthest = max((100, *(percent for percent in percents if percent is not None)))
        name = "seconds" if target.get("seconds") is not None else "business_days"
        try:
            seconds = target.get("seconds") or business_between(
                at, days_later(at, target["business_days"], opened), opened
            )
            add_business(at, seconds * furthest // 100, opened)
        except BeyondHorizon:
            detail = (
                f"By its calendar it ends, or its last level lies, more than {HORIZON.days} days away; accepted: less."
            )
            yield FieldError(f"/targets/{place}/{name}", "out_of_range", detail)
