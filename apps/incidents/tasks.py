"""Scheduled work about incidents."""

from datetime import datetime

from apps.core.schedule import Every, database_now, scheduled
from apps.incidents import overdue


@scheduled("incidents.overdue_updates", Every(30))
def raise_alarms(due_at: datetime) -> None:
    """Public updates of major incidents that nobody has given."""
    overdue.sweep(database_now())
