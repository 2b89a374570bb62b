"""One timer's arithmetic, without a database: what a pause, a resumption, an end, a deadline set by hand do to it.

Instants are aware UTC datetimes of whole seconds; every decision compares whole seconds. A deadline is the earliest instant
with the target's open time behind the start: met on that second, missed one second later.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from apps.organizations.calendars import HORIZON, BeyondHorizon, OpenHours, add_business, business_between
from apps.sla.choices import EndReason, Stage, Stretch

SECOND = timedelta(seconds=1)


def whole(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)


def reckoned(start: datetime, seconds: int, hours: OpenHours) -> datetime:
    """`add_business`, and ten years away what lies further: a calendar that opens no more holds up neither ticket nor sweep."""
    try:
        return add_business(start, seconds, hours)
    except BeyondHorizon:
        return start + (HORIZON if seconds > 0 else -HORIZON)


@dataclass(frozen=True, slots=True)
class LevelRule:
    """When one level is reached, as a version says it."""

    id: UUID
    percent: int | None = None
    offset_seconds: int | None = None
    # It does something to its ticket, beside telling people.
    has_action: bool = False
    # People are told of it at any hour.
    is_around_the_clock: bool = False

    def threshold(self, target_seconds: int) -> int:
        """The open seconds after which it is reached."""
        if self.percent is not None:
            return -(-target_seconds * self.percent // 100)
        return target_seconds + (self.offset_seconds or 0)

    @property
    def is_breach(self) -> bool:
        return self.percent == 100 or self.offset_seconds == 0


# From three quarters of the target on, lists show a timer as at risk.
AT_RISK = LevelRule(UUID(int=0), percent=75)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a timer is measured by. Only another version of the calendar ever takes the place of the hours."""

    hours: OpenHours
    levels: tuple[LevelRule, ...]
    # None: always open.
    calendar_version_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a stretch begins, and in whose hands the ticket is."""

    because: str = ""
    event_id: UUID | None = None
    team_id: str | None = None
    owner_id: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch that is over."""

    kind: Stretch
    began_at: datetime
    ended_at: datetime
    business_seconds: int
    wall_seconds: int
    cause: Cause
    # By whose hours the open time was counted.
    calendar_version_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """A level that was reached, and when."""

    level_id: UUID
    due_at: datetime
    is_breach: bool


@dataclass(slots=True)
class State:
    """What changes of a timer. Seconds are those of the stretches that are over; what runs since `since` comes on top."""

    stage: Stage
    started_at: datetime
    since: datetime
    target_seconds: int
    original_due_at: datetime
    due_at: datetime | None
    at_risk_at: datetime | None = None
    breached_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: EndReason = EndReason.NONE
    fixed_due_at: datetime | None = None
    elapsed_seconds: int = 0
    wall_seconds: int = 0
    paused_seconds: int = 0
    breach_seconds: int | None = None
    breach_wall_seconds: int | None = None
    cause: Cause = Cause()
    # Levels that have not been reached, each with its instant while the timer runs.
    pending: list[tuple[UUID, datetime | None]] = field(default_factory=list)

    @property
    def next_due_at(self) -> datetime | None:
        return min((due for _, due in self.pending if due is not None), default=None)

    @property
    def is_live(self) -> bool:
        return self.stage in {Stage.RUNNING, Stage.PAUSED}

    @property
    def left_seconds(self) -> int:
        return self.target_seconds - self.elapsed_seconds


class Clock:
    """A timer in hand. `spans` and `passed` are what has come of it since it was taken up."""

    def __init__(self, state: State, plan: Plan) -> None:
        self.state, self.plan = state, plan
        self.spans: list[Span] = []
        self.passed: list[Passed] = []

    @classmethod
    def begin(cls, plan: Plan, *, target_seconds: int, started_at: datetime, cause: Cause) -> "Clock":
        """Running since `started_at`, whenever that was; `reach` tells what has passed since."""
        since = whole(started_at)
        due = reckoned(since, target_seconds, plan.hours)
        pending: list[tuple[UUID, datetime | None]] = [
            (level.id, None) for level in plan.levels if level.threshold(target_seconds) > 0
        ]
        state = State(Stage.RUNNING, since, since, target_seconds, due, due, cause=cause, pending=pending)
        clock = cls(state, plan)
        clock._schedule()
        return clock

    # --- what happens to it

    def reach(self, at: datetime) -> None:
        """Note every level whose instant has come by `at`; the one of the deadline is the breach."""
        state = self.state
        due = [(level_id, instant) for level_id, instant in state.pending if instant is not None and instant <= at]
        if not due:
            return
        levels = {level.id: level for level in self.plan.levels}
        due.sort(key=lambda entry: (entry[1], levels[entry[0]].threshold(state.target_seconds)))
        for level_id, instant in due:
            is_breach = levels[level_id].is_breach
            if is_breach and state.breached_at is None:
                state.breached_at = state.due_at
            self.passed.append(Passed(level_id, instant, is_breach))
        gone = {level_id for level_id, _ in due}
        state.pending = [entry for entry in state.pending if entry[0] not in gone]

    def pause(self, at: datetime, cause: Cause) -> None:
        """It has no deadline while it is paused, and nothing fires."""
        self.reach(at)
        self._settle(at, cause)
        self.state.stage = Stage.PAUSED
        self.state.due_at = self.state.at_risk_at = None
        self._unschedule()

    def resume(self, at: datetime, cause: Cause, *, kind: Stretch = Stretch.PAUSED) -> None:
        """The deadline is what was left, from now on; a breach stays what it was."""
        self._settle(at, cause, kind=kind)
        self.state.stage = Stage.RUNNING
        self._schedule()
        self.reach(self.state.since)

    def stop(self, at: datetime, reason: EndReason = EndReason.STOPPED) -> None:
        """Met or missed, from running or from paused."""
        state = self.state
        self.reach(at)
        self._settle(at, state.cause)
        if state.due_at is None:
            state.due_at = self._deadline()
        if state.breached_at is None and state.since > state.due_at:
            self._breach_while_paused(state.due_at)
        self._end(Stage.MET if state.breached_at is None else Stage.MISSED, reason)
        if state.breached_at is not None:
            overdue = self._between(state.due_at, state.since) if state.fixed_due_at else -state.left_seconds
            state.breach_seconds = max(0, overdue)
            state.breach_wall_seconds = max(0, _seconds(state.since - state.breached_at))

    def _breach_while_paused(self, due_at: datetime) -> None:
        """A deadline that pauses do not move passed during one, and nothing fires then."""
        breaches = {level.id for level in self.plan.levels if level.is_breach}
        self.state.breached_at = due_at
        self.passed += [
            Passed(level_id, due_at + SECOND, True) for level_id, _ in self.state.pending if level_id in breaches
        ]
        self.state.pending = [entry for entry in self.state.pending if entry[0] not in breaches]

    def cancel(self, at: datetime, reason: EndReason) -> None:
        """Given up: no result, and left out of reports; a breach until then stays."""
        self.reach(at)
        self._settle(at, self.state.cause)
        self._end(Stage.CANCELLED, reason)

    def hand_on(self, at: datetime, cause: Cause) -> None:
        """The stretch goes on in other hands, as a stretch of its own."""
        self.reach(at)
        self._settle(at, cause)

    def go_on_by(self, hours: OpenHours, version_id: UUID | None, at: datetime, cause: Cause) -> None:
        """From `at` on by other hours: what was counted stays as it was, what is left is left (S27)."""
        self.reach(at)
        self._settle(at, cause)
        self.plan = replace(self.plan, hours=hours, calendar_version_id=version_id)
        if self.state.stage is Stage.RUNNING:
            self._schedule()
            self.reach(self.state.since)

    def reopen(self, at: datetime, cause: Cause) -> None:
        """Go on where it stopped; the time between is not counted."""
        state = self.state
        state.cause = Cause("stopped", state.cause.event_id, state.cause.team_id, state.cause.owner_id)
        self._settle(at, cause, kind=Stretch.STOPPED)
        state.stage, state.ended_at, state.end_reason = Stage.RUNNING, None, EndReason.NONE
        state.breach_seconds = state.breach_wall_seconds = None
        if state.fixed_due_at is not None and state.breached_at is None and state.fixed_due_at < state.since:
            # It was kept: what was left of it then is left now.
            state.fixed_due_at = None
        self._schedule()

    def set_deadline(self, due_at: datetime, at: datetime, cause: Cause, *, is_floating: bool) -> None:
        """By hand: a fixed one is not moved by pauses, a floating one is. A breach until now stays.

        A paused timer has the time until `due_at` left, as if it went on now.
        """
        state = self.state
        self.reach(at)
        self._settle(at, cause)
        due_at = whole(due_at)
        state.target_seconds = max(0, state.elapsed_seconds + self._between(state.since, due_at))
        state.fixed_due_at = None if is_floating else due_at
        if state.stage is Stage.RUNNING:
            self._schedule(due_at)

    def keep_deadline(self, due_at: datetime) -> None:
        """One that was set by hand outlives the target it was set for."""
        self.state.fixed_due_at = due_at
        if self.state.stage is Stage.RUNNING:
            self._schedule()

    def replay(self, uncounted: Iterable[tuple[Span, Cause]]) -> None:
        """Go through what another timer did not count, each stretch with why the next one began."""
        for span, after in uncounted:
            if span.ended_at > self.state.since:
                self.pause(span.began_at, span.cause)
                self.resume(span.ended_at, after, kind=span.kind)

    def inherit_breach(self, breached_at: datetime) -> None:
        """A breach that was told is not told again, and no other target takes it back."""
        state = self.state
        if state.breached_at is not None:
            return
        target = state.target_seconds
        told = {level.id for level in self.plan.levels if level.threshold(target) <= target}
        state.breached_at = breached_at
        state.pending = [entry for entry in state.pending if entry[0] not in told]
        if state.stage is Stage.RUNNING:
            self._schedule()

    # --- as of some instant, for whoever reads

    def elapsed_at(self, now: datetime) -> tuple[int, int]:
        """Open and wall seconds counted until `now`."""
        state = self.state
        if state.stage is not Stage.RUNNING or now <= state.since:
            return state.elapsed_seconds, state.wall_seconds
        now = whole(now)
        return (
            state.elapsed_seconds + self._between(state.since, now),
            state.wall_seconds + _seconds(now - state.since),
        )

    # --- how

    def _settle(self, at: datetime, cause: Cause, *, kind: Stretch | None = None) -> None:
        """End the stretch at `at`, or where it began if that was later, and begin the next."""
        state = self.state
        kind = kind or (Stretch.RUNNING if state.stage is Stage.RUNNING else Stretch.PAUSED)
        end = max(whole(at), state.since)
        business, wall = self._between(state.since, end), _seconds(end - state.since)
        if end > state.since:
            by = self.plan.calendar_version_id
            self.spans.append(Span(kind, state.since, end, business, wall, state.cause, by))
        if kind is Stretch.RUNNING:
            state.elapsed_seconds += business
            state.wall_seconds += wall
        elif kind is Stretch.PAUSED:
            state.paused_seconds += business
        state.since, state.cause = end, cause

    def _end(self, stage: Stage, reason: EndReason) -> None:
        state = self.state
        state.stage, state.end_reason, state.ended_at = stage, reason, state.since
        state.at_risk_at = None
        self._unschedule()

    def _unschedule(self) -> None:
        """What has not been reached is kept, without an instant."""
        self.state.pending = [(level_id, None) for level_id, _ in self.state.pending]

    def _deadline(self) -> datetime:
        state = self.state
        if state.fixed_due_at is not None:
            return state.fixed_due_at
        if state.breached_at is not None and state.left_seconds <= 0:
            return state.breached_at
        return reckoned(state.since, state.left_seconds, self.plan.hours)

    def _schedule(self, due_at: datetime | None = None) -> None:
        """The deadline, and the instants of all levels that have not been reached."""
        state = self.state
        state.due_at = due_at or self._deadline()
        levels = {level.id: level for level in self.plan.levels}
        state.at_risk_at = min(self._instant(AT_RISK), state.due_at)
        state.pending = [(level_id, self._instant(levels[level_id])) for level_id, _ in state.pending]

    def _instant(self, level: LevelRule) -> datetime:
        """When a level is reached if nothing happens: for a fixed deadline seen from there, else from where it stands."""
        state = self.state
        assert state.due_at is not None
        if level.is_breach:
            # On the second itself it is met.
            return state.due_at + SECOND
        threshold = level.threshold(state.target_seconds)
        if state.fixed_due_at is not None:
            return reckoned(state.due_at, threshold - state.target_seconds, self.plan.hours)
        return reckoned(state.since, threshold - state.elapsed_seconds, self.plan.hours)

    def _between(self, start: datetime, end: datetime) -> int:
        return business_between(start, end, self.plan.hours)


def _seconds(passed: timedelta) -> int:
    return passed.days * 86_400 + passed.seconds
