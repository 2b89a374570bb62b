"""How an address names a record: by its id, or by the number that people know it by.

The converter `record` takes either, as UUID or text. Filters and bodies take ids alone.
"""

from collections.abc import Container
from typing import Any
from uuid import UUID

from django.urls import register_converter

from apps.core.errors import NotFound

ID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
NUMBER = "[A-Z]{2,4}[0-9]{7,12}"
DIGITS = "0123456789"


class RecordConverter:
    """`<record:pk>`."""

    regex = f"(?:{ID}|{NUMBER})"

    def to_python(self, value: str) -> UUID | str:
        return UUID(value) if "-" in value else value

    def to_url(self, value: UUID | str) -> str:
        return str(value)


register_converter(RecordConverter, "record")


def id_of(named: Any, queryset: Any, prefixes: Container[str]) -> UUID:
    """The id that an address gives, or that of the record in `queryset` with the number it gives.

    Raises NotFound, also for a number whose prefix is none of `prefixes`.
    """
    if isinstance(named, UUID):
        return named
    number = str(named)
    if number.rstrip(DIGITS) in prefixes:
        for pk in queryset.filter(number=number).values_list("pk", flat=True):
            found: UUID = pk
            return found
    raise NotFound
