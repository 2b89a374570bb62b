"""Work of this floor that time brings."""

from datetime import datetime

from apps.core.schedule import Every, scheduled
from apps.users import attempts


@scheduled("users.forget_attempts", Every(3600))
def forget_attempts(due_at: datetime) -> None:
    """Delete sign-in counters that count nothing any more."""
    attempts.forget_old()
