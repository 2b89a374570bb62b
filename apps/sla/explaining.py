"""What a timer looks like at some instant, and why: worked out when somebody asks, so never stale."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.organizations.calendars import ALWAYS, OpenHours, business_between, hours_of
from apps.sla.choices import Stage, Stretch
from apps.sla.clock import whole
from apps.sla.models import Timer

BECAUSE = {
    "created": "the ticket was opened",
    "put_on_hold": "the ticket was put on hold",
    "resumed": "the ticket was resumed",
    "reopened": "the ticket was reopened",
    "resolved": "the ticket was resolved",
    "stopped": "the timer had stopped",
    "unmatched": "no policy was for the ticket",
    "migrated": "a new version of the policy was published for open tickets",
    "calendar_changed": "its calendar has other hours from then on",
    "lost": "the ticket was merged or deleted",
    "deadline_set": "somebody set the deadline by hand",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Whole seconds; percent is floored and decides nothing."""

    business_elapsed_seconds: int
    wall_elapsed_seconds: int
    remaining_seconds: int
    percent: int
    is_breached: bool
    breached_at: datetime | None


def hours_of_timer(timer: Timer) -> OpenHours:
    return ALWAYS if timer.calendar_version is None else hours_of(timer.calendar_version)


def measure(timer: Timer, now: datetime) -> Measured:
    """As of `now` (UTC)."""
    business, wall = timer.elapsed_seconds, timer.wall_seconds
    breached_at = timer.breached_at
    if timer.stage == Stage.RUNNING:
        until = max(whole(now), timer.since)
        business += business_between(timer.since, until, hours_of_timer(timer))
        wall += int((until - timer.since).total_seconds())
        if breached_at is None and timer.due_at is not None and until > timer.due_at:
            breached_at = timer.due_at
    target = timer.target_seconds
    remaining = target - business
    if timer.fixed_due_at is not None and timer.stage == Stage.RUNNING:
        remaining = business_between(until, timer.fixed_due_at, hours_of_timer(timer))
    return Measured(
        business_elapsed_seconds=business,
        wall_elapsed_seconds=wall,
        remaining_seconds=remaining,
        percent=business * 100 // target if target else 100,
        is_breached=breached_at is not None,
        breached_at=breached_at,
    )


def explain(timer: Timer, now: datetime) -> dict[str, Any]:
    """Every stretch in order, with why it began and what of it was counted; and every level, with its instant or its fate."""
    stretches = [
        {
            "kind": segment.kind,
            "began_at": segment.began_at,
            "ended_at": segment.ended_at,
            "business_seconds": segment.business_seconds,
            "wall_seconds": segment.wall_seconds,
            "counted_seconds": segment.business_seconds if segment.kind == Stretch.RUNNING else 0,
            "because": segment.because,
            "why": _why(segment.kind, segment.because),
            "event": segment.event_id,
            "calendar_version": segment.calendar_version_id,
            "team": segment.team_id,
            "assignee": segment.assignee_id,
        }
        for segment in timer.segments.order_by("number")
    ]
    if timer.ended_at is None:
        stretches.append(_current(timer, now))
    measured = measure(timer, now)
    return {
        "stretches": stretches,
        "levels": _levels(timer),
        "counted_seconds": measured.business_elapsed_seconds,
        "summary": _summary(timer, measured),
    }


def _current(timer: Timer, now: datetime) -> dict[str, Any]:
    """The stretch that goes on, as far as it has come."""
    kind = Stretch.RUNNING if timer.stage == Stage.RUNNING else Stretch.PAUSED
    until = max(whole(now), timer.since)
    business = business_between(timer.since, until, hours_of_timer(timer))
    return {
        "kind": kind.value,
        "began_at": timer.since,
        "ended_at": None,
        "business_seconds": business,
        "wall_seconds": int((until - timer.since).total_seconds()),
        "counted_seconds": business if kind is Stretch.RUNNING else 0,
        "because": timer.because,
        "why": _why(kind, timer.because),
        "event": timer.event_id,
        "calendar_version": timer.calendar_version_id,
        "team": timer.owner_team_id,
        "assignee": timer.owner_id,
    }


def _why(kind: str, because: str) -> str:
    verb = {Stretch.RUNNING: "Counted", Stretch.PAUSED: "Not counted", Stretch.STOPPED: "Not counted"}[Stretch(kind)]
    return f"{verb}, since {BECAUSE.get(because, because.replace('_', ' ') or 'it was attached')}."


def _levels(timer: Timer) -> list[dict[str, Any]]:
    fired = {firing.level_id: firing for firing in timer.firings.all()}
    waiting = dict(timer.pending)
    return [
        {
            "level": level.pk,
            "words": level.words,
            "due_at": fired[level.pk].due_at if level.pk in fired else _instant(waiting.get(str(level.pk))),
            "outcome": fired[level.pk].outcome if level.pk in fired else None,
            "fired_at": fired[level.pk].fired_at if level.pk in fired else None,
        }
        for level in timer.version.levels.filter(metric=timer.metric).order_by("position")
    ]


def _instant(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _summary(timer: Timer, measured: Measured) -> str:
    counted, target = measured.business_elapsed_seconds, timer.target_seconds
    words = f"{counted} of {target} seconds counted"
    if timer.stage == Stage.PAUSED:
        return f"{words}; it waits and has no deadline."
    if timer.stage == Stage.CANCELLED:
        return f"{words}; cancelled ({timer.end_reason}), without a result."
    deadline = timer.due_at.isoformat().replace("+00:00", "Z") if timer.due_at else "none"
    if timer.stage == Stage.RUNNING:
        return f"{words}; due {deadline}{', which has passed' if measured.is_breached else ''}."
    return f"{words}; {timer.stage}, due {deadline}."
