"""What a version says, in the form in which it is written (apps.sla.checking): to be read, and to be the next draft's beginning."""

from typing import Any

from apps.sla.models import Level, PolicyVersion, Target


def content_of(version: PolicyVersion) -> dict[str, Any]:
    """Match, rules, targets and levels in order, and the note."""
    return {
        "match": version.match,
        "rules": version.rules,
        "targets": [target_of(target) for target in version.targets.order_by("position")],
        "levels": [level_of(level) for level in version.levels.order_by("position")],
        "note": version.note,
    }


def target_of(target: Target) -> dict[str, Any]:
    return {
        "metric": target.metric,
        "applies": target.applies,
        "seconds": target.target_seconds,
        "business_days": target.business_days,
        "calendar": None if target.calendar_id is None else str(target.calendar_id),
    }


def level_of(level: Level) -> dict[str, Any]:
    return {
        "metric": level.metric,
        "percent": level.percent,
        "offset_seconds": level.offset_seconds,
        "actions": level.actions,
        "applies": level.applies,
        "is_until_acknowledged": level.is_until_acknowledged,
        "is_around_the_clock": level.is_around_the_clock,
    }
