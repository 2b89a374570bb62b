"""Business time: when a calendar is open, and how far one instant is from another in open seconds.

Pure functions over immutable values: nothing here reads the database or the clock.
"""

from apps.organizations.calendars.days import days_later
from apps.organizations.calendars.hours import (
    ALWAYS,
    HORIZON,
    BeyondHorizon,
    OpenHours,
    add_business,
    business_between,
)
from apps.organizations.calendars.occurrences import OnClosedDay, occurrences
from apps.organizations.calendars.recurrence import rule_of
from apps.organizations.calendars.versions import hours_of

__all__ = [
    "ALWAYS",
    "HORIZON",
    "BeyondHorizon",
    "OnClosedDay",
    "OpenHours",
    "add_business",
    "business_between",
    "days_later",
    "hours_of",
    "occurrences",
    "rule_of",
]
