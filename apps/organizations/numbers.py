"""Numbers that people read out to each other: a prefix and at least seven digits, each given once in its organization.

The series' row is locked until the caller's transaction ends, so the next caller waits; what a rolled-back transaction had
taken is given again. Take the number after the checks, as late as the record allows.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import connection

from apps.core.errors import Invalid
from apps.core.models import new_id
from apps.organizations.models import NumberSeries

DIGITS = 7
# As many as an address takes for a number (core.api.lookup).
MOST_DIGITS = 12

TABLE = NumberSeries._meta.db_table
ADVANCE = (
    f'INSERT INTO "{TABLE}" AS series (id, organization_id, prefix, last) VALUES (%s, %s, %s, %s)'  # noqa: S608 - our table
    " ON CONFLICT (organization_id, prefix) DO UPDATE SET last = {} RETURNING last"
)
ADD, RAISE = ADVANCE.format("series.last + EXCLUDED.last"), ADVANCE.format("GREATEST(series.last, EXCLUDED.last)")


def next_number(organization_id: UUID, prefix: str) -> str:
    """`CI0000001`, then `CI0000002`; an eighth digit when seven are used up."""
    return written(prefix, _advance(ADD, organization_id, prefix, 1))


def reserve_numbers(organization_id: UUID, prefix: str, count: int) -> Sequence[str]:
    """The next `count` numbers in their order, taken at once: for bulk loads."""
    if count < 1:
        return []
    last = _advance(ADD, organization_id, prefix, count)
    return [written(prefix, number) for number in range(last - count + 1, last + 1)]


def raise_to(organization_id: UUID, prefix: str, number: str) -> None:
    """Let the series go on above `number`, which a record brought with it; a higher one stays where it is.

    Raises Invalid when it is no number of this prefix.
    """
    digits = number.removeprefix(prefix)
    is_number = number.startswith(prefix) and digits.isascii() and digits.isdecimal()
    if not is_number or not DIGITS <= len(digits) <= MOST_DIGITS:
        raise Invalid(f"{number} is no number of {prefix}; accepted: {prefix} and {DIGITS} to {MOST_DIGITS} digits.")
    _advance(RAISE, organization_id, prefix, int(digits))


def written(prefix: str, number: int) -> str:
    return f"{prefix}{number:0{DIGITS}d}"


def _advance(statement: str, organization_id: UUID, prefix: str, by: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, [new_id(), organization_id, prefix, by])
        return int(cursor.fetchone()[0])
