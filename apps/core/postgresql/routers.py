"""Nothing is routed to the system login by itself; what uses it names it."""

from typing import Any


class OnlyDefault:
    """Reads, writes and migrations go to `default`; the alias `system` only lists what is due, by name."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == "default"
