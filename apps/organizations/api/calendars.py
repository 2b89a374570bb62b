"""How a business calendar's hours look in JSON, and what is asked of them. Which make sense, the calendar's own rules say."""

from typing import Any

from rest_framework import serializers

from apps.core.api import strict
from apps.core.api.serializers import ObjectList, StrictInput
from apps.organizations.calendars import OnClosedDay
from apps.organizations.calendars.occurrences import MOST_OCCURRENCES
from apps.organizations.calendars.recurrence import LONGEST_RULE

MOST_ITEMS = 1_000
# More seconds than business time is counted for.
MOST_SECONDS = 10**12


class WindowSerializer(StrictInput):
    """One stretch of a weekday. "24:00" ends it at midnight; an end before the start belongs to the next day."""

    weekday = strict.IntegerField(min_value=0, max_value=6)
    start = strict.ClockField()
    end = strict.ClockField()


class ExceptionSerializer(StrictInput):
    """One day that differs. An open one needs its times; a closed one without times is closed all day."""

    date = strict.DateField()
    kind = strict.ChoiceField(choices=["closed", "open"])
    start = strict.ClockField(required=False)
    end = strict.ClockField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {**attrs, "date": attrs["date"].isoformat()}


class ItemSerializer(StrictInput):
    """A question: how many business seconds lie between two instants, or when so many have passed since one."""

    start = strict.InstantField()
    end = strict.InstantField(required=False)
    seconds = strict.IntegerField(required=False, min_value=-MOST_SECONDS, max_value=MOST_SECONDS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("end" in attrs) == ("seconds" in attrs):
            detail = "Accepted: either end or seconds beside start."
            raise serializers.ValidationError({"end": [serializers.ErrorDetail(detail, "required")]})
        return attrs


class CalculateInput(StrictInput):
    """Up to 1,000 questions, of both kinds."""

    items: Any = ObjectList(child=ItemSerializer(), min_length=1, max_length=MOST_ITEMS)


class ResultSerializer(serializers.Serializer[Any]):
    """`business_seconds` for an end, `due_at` for seconds."""

    business_seconds = serializers.IntegerField(required=False)
    due_at = serializers.DateTimeField(required=False)


class ResultsSerializer(serializers.Serializer[Any]):
    """One for each item, in their order."""

    results: Any = ResultSerializer(many=True)


class OccurrencesInput(StrictInput):
    """An RFC 5545 rule (RRULE) by the day, from when it counts, and what becomes of what falls on a closed day."""

    rule = strict.TextField(max_length=LONGEST_RULE)
    start = strict.InstantField()
    on_closed_day = strict.ChoiceField(choices=OnClosedDay.values, default=OnClosedDay.KEEP.value)
    count = strict.IntegerField(min_value=1, max_value=MOST_OCCURRENCES, default=10)


class OccurrenceSerializer(serializers.Serializer[Any]):
    """When it happens, the day that the calendar's clock shows then, and the day that the rule said."""

    at = serializers.DateTimeField()
    day = serializers.DateField()
    rule_day = serializers.DateField()


class OccurrencesSerializer(serializers.Serializer[Any]):
    """In order; fewer than asked for where the rule ends, or after ten years."""

    results: Any = OccurrenceSerializer(many=True)
