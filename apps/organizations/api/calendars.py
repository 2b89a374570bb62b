"""How a business calendar's windows and exceptions look in JSON, and which of them make sense."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from rest_framework import serializers

from apps.core.api import strict
from apps.core.api.serializers import ObjectList, StrictInput


class WindowSerializer(StrictInput):
    """One stretch of a weekday; "24:00" ends it at midnight."""

    weekday = strict.IntegerField(min_value=0, max_value=6)
    start = strict.ClockField()
    end = strict.ClockField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return refuse_backwards(attrs)


class ExceptionSerializer(StrictInput):
    """One day that differs. An open one needs its times; a closed one without times is closed all day."""

    date = strict.DateField()
    kind = strict.ChoiceField(choices=["closed", "open"])
    start = strict.ClockField(required=False)
    end = strict.ClockField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = {"start", "end"} & set(attrs)
        if len(given) == 1 or (attrs["kind"] == "open" and not given):
            missing = next(name for name in ("start", "end") if name not in given)
            raise serializers.ValidationError(
                {missing: [serializers.ErrorDetail("start and end go together; open needs both.", "required")]}
            )
        attrs["date"] = attrs["date"].isoformat()
        return refuse_backwards(attrs) if given else attrs


def refuse_backwards(stretch: dict[str, Any]) -> dict[str, Any]:
    if stretch["start"] >= stretch["end"]:
        detail = "The end is not after the start; accepted: a later time, at most 24:00."
        raise serializers.ValidationError({"end": [serializers.ErrorDetail(detail, "out_of_range")]})
    return stretch


def refuse_overlaps(stretches: Sequence[Mapping[str, Any]], key: str) -> None:
    """Zero-padded clock times compare as text. Raises ValidationError naming the later stretch of an overlapping pair."""
    ordered = sorted(enumerate(stretches), key=lambda pair: (str(pair[1][key]), str(pair[1].get("start", ""))))
    for (_, earlier), (position, later) in pairwise(ordered):
        is_same_day = earlier[key] == later[key]
        if is_same_day and ("start" not in earlier or "start" not in later or later["start"] < earlier["end"]):
            detail = f"It overlaps another one of the same {key}; accepted: stretches that do not overlap."
            raise serializers.ValidationError({str(position): {"start": [serializers.ErrorDetail(detail, "overlap")]}})


class WindowsField(ObjectList):
    """All windows of a week."""

    def validate(self, attrs: Any) -> Any:
        refuse_overlaps(attrs, "weekday")
        return attrs


class ExceptionsField(ObjectList):
    """All days that differ."""

    def validate(self, attrs: Any) -> Any:
        refuse_overlaps(attrs, "date")
        return attrs
