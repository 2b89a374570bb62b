"""How instants come out of the database: the driver's own reading of `timestamptz` takes half of a list's time."""

from datetime import UTC, datetime
from typing import Any

from django.db.backends.postgresql.psycopg_any import BaseTzLoader


class UtcLoader(BaseTzLoader):  # type: ignore[misc]
    """The server speaks UTC to us (`SET TIME ZONE` at connection), in a form that Python reads in C."""

    timezone = UTC

    def load(self, data: Any) -> Any:
        try:
            instant = datetime.fromisoformat(str(data, "ascii"))
        except ValueError:
            # Beyond Python's years, BC or infinity: the driver says what it thinks of it.
            return super().load(data)
        return instant if instant.tzinfo is UTC else super().load(data)
