"""Serializer fields that accept one JSON type each and say what that is."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.validators import CLOCK, zone_names

EARLIEST_YEAR, LATEST_YEAR = 1970, 2200


class TextField(serializers.CharField):
    """A JSON string; DRF's own would take numbers too."""

    default_error_messages = {"invalid": "Not a text; accepted: a JSON string."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class EmailField(serializers.EmailField):
    """A JSON string that is an e-mail address."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class IntegerField(serializers.IntegerField):
    """A JSON integer within its bounds; neither "3" nor 3.0 nor true."""

    default_error_messages = {
        "invalid": "Not a whole number; accepted: a JSON integer.",
        "out_of_range": "Out of range; accepted: {accepted}.",
    }

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        least, most = self.min_value, self.max_value
        if (least is not None and data < least) or (most is not None and data > most):
            self.fail("out_of_range", accepted=self.accepted())
        return int(data)

    def accepted(self) -> str:
        """The bounds in words; there is one at least."""
        if self.max_value is None:
            return f"at least {self.min_value}"
        return f"at most {self.max_value}" if self.min_value is None else f"{self.min_value} to {self.max_value}"


class BooleanField(serializers.BooleanField):
    """true or false."""

    default_error_messages = {"invalid": "Not a boolean; accepted: true, false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


@extend_schema_field({"type": "string", "description": "A word, or empty where there is none."})
class WordField(serializers.CharField):
    """A choice that may be empty, as answers show it."""


class ChoiceField(serializers.ChoiceField):
    """One of the named choices, which the refusal lists. A number where numbers are chosen from is out of their range."""

    default_error_messages = {
        "invalid_choice": "Not a choice; accepted: {accepted}.",
        "out_of_range": "Out of range; accepted: {accepted}.",
    }

    def to_internal_value(self, data: Any) -> Any:
        is_text, is_number = isinstance(data, str), isinstance(data, int) and not isinstance(data, bool)
        if not (is_text or is_number) or str(data) not in self.choice_strings_to_values:
            choices = [choice for choice in self.choices if choice != ""]
            is_range = is_number and all(isinstance(choice, int) for choice in choices)
            accepted = ", ".join(str(choice) for choice in choices)
            self.fail("out_of_range" if is_range else "invalid_choice", accepted=accepted)
        return super().to_internal_value(data)


class InstantField(serializers.DateTimeField):
    """RFC 3339 with offset, 1970 to 2200, stored in UTC. A naive time is refused: it would mean whatever the server thinks."""

    default_error_messages = {
        "invalid": "Not an instant; accepted: RFC 3339 with offset, such as 2026-11-21T08:30:00Z.",
        "naive": "The offset is missing; accepted: RFC 3339 with offset, such as 2026-11-21T08:30:00Z.",
        "out_of_range": f"Out of range; accepted: {EARLIEST_YEAR} to {LATEST_YEAR}.",
    }

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str):
            self.fail("invalid")
        try:
            instant = parse_datetime(value)
        except ValueError:
            instant = None
        if instant is None:
            self.fail("invalid")
        if instant.tzinfo is None:
            self.fail("naive")
        if not EARLIEST_YEAR <= instant.year <= LATEST_YEAR:
            self.fail("out_of_range")
        # The answer to a write shows it as every later one does.
        return instant.astimezone(UTC)


class DateField(serializers.DateField):
    """YYYY-MM-DD, 1970 to 2200."""

    default_error_messages = {"out_of_range": f"Out of range; accepted: {EARLIEST_YEAR} to {LATEST_YEAR}."}

    def to_internal_value(self, value: Any) -> date:
        if not isinstance(value, str):
            self.fail("invalid", format="YYYY-MM-DD")
        day: date = super().to_internal_value(value)
        if not EARLIEST_YEAR <= day.year <= LATEST_YEAR:
            self.fail("out_of_range")
        return day


class IdField(serializers.UUIDField):
    """A UUID as a JSON string."""

    default_error_messages = {"invalid": "Not an id; accepted: a UUID as a JSON string."}

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str):
            self.fail("invalid")
        value: UUID = super().to_internal_value(data)
        return value


class ReferenceField(serializers.PrimaryKeyRelatedField[Any]):
    """The id of another record. Only its form is checked here; RecordSerializer looks all references up in one query."""

    default_error_messages = {"invalid": "Not an id; accepted: a UUID as a JSON string."}

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return UUID(data)
        except ValueError:
            self.fail("invalid")

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if data == "":
            self.fail("invalid")
        return super().run_validation(data)


@extend_schema_field({"type": "string", "maxLength": 63, "example": "Europe/Berlin"})
class TimeZoneField(TextField):
    """An IANA time zone's name."""

    default_error_messages = {"unknown_zone": "Not a time zone; accepted: an IANA name such as Europe/Berlin."}

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if name not in zone_names():
            self.fail("unknown_zone")
        return name


@extend_schema_field({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$", "example": "07:30"})
class ClockField(serializers.Field[str, Any, str, str]):
    """A wall clock's time as zero-padded "HH:MM", which sorts as text; "24:00" is the day's end."""

    default_error_messages = {"invalid": 'Not a time of day; accepted: "00:00" to "24:00".'}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or CLOCK.fullmatch(data) is None:
            self.fail("invalid")
        return data

    def to_representation(self, value: str) -> str:
        return value
