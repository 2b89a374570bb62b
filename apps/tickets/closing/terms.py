"""An organization's terms, compiled: after how many days what happens, and which days count."""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from apps.core import tenancy
from apps.core.tenancy import TenantContext
from apps.organizations.calendars import BeyondHorizon, OpenHours, days_later, hours_of
from apps.organizations.models import Organization
from apps.tickets.choices import Days
from apps.tickets.models import ClosingSettings

WORKDAYS = tuple({"weekday": day, "start": "00:00", "end": "24:00"} for day in range(5))


@dataclass(frozen=True, slots=True)
class Terms:
    """What `ClosingSettings` say, with the hours that count now. `stamp` is another one when anything here is."""

    hours: OpenHours
    stamp: str
    answer_days: str
    remind_after: tuple[int, ...]
    resolve_after: int
    close_days: str
    warn_after: int
    close_after: int
    reopen_days: str
    reopen_within: int
    reply_reopens: bool
    ignores_thanks: bool

    def later(self, start: datetime, days: int, unit: str) -> datetime | None:
        """So many days after `start` (UTC); None beyond what calendars count.

        Calendar days have 24 hours. Business days end at the same local time, at closing time at the latest.
        """
        if unit == Days.CALENDAR:
            return start + timedelta(days=days)
        try:
            return days_later(start, days, self.hours)
        except BeyondHorizon:
            return None

    def reopens_until(self, closed_at: datetime) -> datetime | None:
        """Until when what was closed may be reopened; None: not at all."""
        return self.later(closed_at, self.reopen_within, self.reopen_days) if self.reopen_within else None

    def why_closed_for_good(self, closed_at: datetime, at: datetime, noun: str) -> str | None:
        """What is said to whoever reopens at `at` what was closed too long ago; None while they may."""
        until = self.reopens_until(closed_at)
        if until is not None and at <= until:
            return None
        if not self.reopen_within:
            return f"What is closed is not reopened here; open a new {noun} that follows up."
        return f"It was closed more than {worded(self.reopen_within, self.reopen_days)} ago; open a new {noun} that follows up."


def worded(days: int, unit: str) -> str:
    """`5 business days`, `1 day`."""
    name = "business day" if unit == Days.BUSINESS else "day"
    return f"{days} {name}" if days == 1 else f"{days} {name}s"


# For as long as one request or task lasts: a list of closed tickets asks of each whether it may be reopened.
_kept: ContextVar[tuple[TenantContext | None, Terms] | None] = ContextVar("closing_terms", default=None)


def current() -> Terms:
    """Those of the tenant in force, read once for as long as it is."""
    context, kept = tenancy.current(), _kept.get()
    if kept is not None and kept[0] is context:
        return kept[1]
    found = compiled(ClosingSettings.objects.select_related("calendar").first() or ClosingSettings())
    _kept.set((context, found))
    return found


def forget() -> None:
    """They have changed: whoever asks next reads them anew."""
    _kept.set(None)


def compiled(settings: ClosingSettings) -> Terms:
    """Without a row of its own an organization has the usual terms."""
    if settings.calendar is None:
        organizations = Organization.objects.filter(pk=tenancy.required_organization_id())
        zone = organizations.values_list("time_zone", flat=True).get()
        hours, by = _workdays(zone), zone
    else:
        version = settings.calendar.current
        hours, by = hours_of(version), str(version.pk)
    row = "usual" if settings._state.adding else f"{settings.pk}.{settings.version}"
    return Terms(
        hours=hours,
        stamp=f"{row}.{by}",
        answer_days=settings.answer_days,
        remind_after=tuple(settings.remind_after),
        resolve_after=settings.resolve_after,
        close_days=settings.close_days,
        warn_after=settings.warn_after,
        close_after=settings.close_after,
        reopen_days=settings.reopen_days,
        reopen_within=settings.reopen_within,
        reply_reopens=settings.reply_reopens,
        ignores_thanks=settings.ignores_thanks,
    )


@lru_cache(maxsize=512)
def _workdays(zone: str) -> OpenHours:
    return OpenHours(zone, WORKDAYS)
