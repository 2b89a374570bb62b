"""Zones are those of the pinned package, whatever the machine's own tables say."""

from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

from django.conf import settings


def test_no_table_of_the_system_is_read():
    pinned = next(
        line for line in Path(settings.BASE_DIR, "requirements.txt").read_text().splitlines() if "tzdata==" in line
    )

    assert TZPATH == ()
    assert pinned.split()[0] == f"tzdata=={version('tzdata')}"


def test_a_recent_change_of_rules_is_known():
    """Morocco gave up its summer hour in September 2026."""
    before, after = (
        datetime(2026, month, 15, tzinfo=UTC).astimezone(ZoneInfo("Africa/Casablanca")) for month in (6, 12)
    )

    assert (before.utcoffset(), after.utcoffset()) == (timedelta(hours=1), timedelta(0))
