"""Whose turn it is: the arithmetic of on-call rotas, without a row or a clock.

All instants are UTC. Turns are counted in handovers by the rota's own wall clock, so 09:00 stays 09:00 when the clocks change.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

from apps.organizations.calendars import OpenHours

WEEK = 7
LONGEST_LOOK = timedelta(days=92)

# Weekday (0 Monday), start and end by the wall clock, as a calendar's windows have them.
Window = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rota says from `effective_at` until the next plan; users.models.RotaVersion has the meaning of each field."""

    effective_at: datetime
    time_zone: str
    starts_on: date
    handover_weekday: int
    handover_time: str
    weeks_per_turn: int
    members: tuple[UUID, ...]
    offset: int = 0
    is_active: bool = True
    # When the rota names anybody at all; without any, always.
    hours: tuple[Window, ...] = ()

    def handover(self, turn: int) -> datetime:
        """The instant at which a turn begins. The first begins with the rota, and is shorter if that is inside a week."""
        if turn == 0:
            return instant_of(self.starts_on, self.handover_time, self.time_zone)
        day = self._first_week + timedelta(days=WEEK * self.weeks_per_turn * turn)
        return instant_of(day, self.handover_time, self.time_zone)

    def turn_at(self, at: datetime) -> int | None:
        """The number of handovers since the start; None before it."""
        today = at.astimezone(ZoneInfo(self.time_zone)).date()
        turn = max(0, (today - self._first_week).days // (WEEK * self.weeks_per_turn))
        while turn >= 0 and self.handover(turn) > at:
            turn -= 1
        while turn >= 0 and self.handover(turn + 1) <= at:
            turn += 1
        return turn if turn >= 0 else None

    def member_of(self, turn: int) -> UUID | None:
        return self.members[(turn + self.offset) % len(self.members)] if self.members else None

    def member_at(self, at: datetime) -> UUID | None:
        turn = self.turn_at(at)
        return None if turn is None or not self.is_in_use(at) else self.member_of(turn)

    def is_in_use(self, at: datetime) -> bool:
        return self.is_active and (not self.hours or open_hours(self.time_zone, self.hours).is_open(at))

    @property
    def _first_week(self) -> date:
        """The handover day on which, or in the week after which, the rota starts."""
        return self.starts_on - timedelta(days=(self.starts_on.weekday() - self.handover_weekday) % WEEK)


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody else is called from `starts_at` until before `ends_at`."""

    id: UUID
    user_id: UUID
    starts_at: datetime
    ends_at: datetime
    created_at: datetime

    def covers(self, at: datetime) -> bool:
        return self.starts_at <= at < self.ends_at


@dataclass(frozen=True, slots=True)
class Shift:
    """A stretch in which one person is called: `user_id`, instead of `scheduled_id` where an override says so."""

    starts_at: datetime
    ends_at: datetime
    scheduled_id: UUID | None
    user_id: UUID | None
    override_id: UUID | None = None
    # When the turn began; two turns of one person are two shifts.
    turn_began_at: datetime | None = None

    def continues(self, earlier: "Shift") -> bool:
        return (self.scheduled_id, self.override_id, self.turn_began_at) == (
            earlier.scheduled_id,
            earlier.override_id,
            earlier.turn_began_at,
        )


@dataclass(frozen=True, slots=True)
class StandIn:
    """Who is called in the end, and why: one sentence per step. Not `is_reached`: nobody, or somebody who is away."""

    user_id: UUID | None
    because: tuple[str, ...]
    is_reached: bool = True


def instant_of(day: date, clock: str, time_zone: str) -> datetime:
    """The UTC instant of a wall clock's time. One that comes twice is the first; one that is left out is the end of the gap."""
    zone, local = ZoneInfo(time_zone), datetime.combine(day, time.fromisoformat(clock))
    instant = local.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local:
        return instant
    # Read by the offset after the gap the same time lies before it: the clocks change between the two.
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _change_between(before, instant, zone)


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first second, after `before` and up to `after`, at which the zone's offset is that of `after`."""
    new = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        if middle.astimezone(zone).utcoffset() == new:
            after = middle
        else:
            before = middle
    return after


@lru_cache(maxsize=1_000)
def open_hours(time_zone: str, hours: tuple[Window, ...]) -> OpenHours:
    """These windows, compiled once in a process."""
    windows = ({"weekday": weekday, "start": start, "end": end} for weekday, start, end in hours)
    return OpenHours(time_zone, windows)


def plan_at(plans: Sequence[Plan], at: datetime) -> Plan | None:
    """The plan in force; `plans` are ordered by `effective_at`."""
    return next((plan for plan in reversed(plans) if plan.effective_at <= at), None)


def shifts(plans: Sequence[Plan], overrides: Iterable[Override], begin: datetime, end: datetime) -> list[Shift]:
    """[begin, end) tiled by shifts without gap or overlap; where nobody is on call a shift has no user.

    `plans` are ordered by `effective_at`. The first and the last shift are cut at `begin` and `end`.
    """
    newest_first = sorted(overrides, key=lambda each: (each.created_at, each.id), reverse=True)
    cuts = {begin, end}
    cuts.update(plan.effective_at for plan in plans)
    cuts.update(edge for each in newest_first for edge in (each.starts_at, each.ends_at))
    for plan in plans:
        cuts.update(_handovers(plan, begin, end))
        if plan.hours:
            within = open_hours(plan.time_zone, plan.hours).intervals(begin, end)
            cuts.update(edge for stretch in within for edge in stretch)
    edges = sorted(cut for cut in cuts if begin <= cut <= end)
    found: list[Shift] = []
    for starts_at, ends_at in pairwise(edges):
        piece = _piece(plans, newest_first, starts_at, ends_at)
        if found and piece.continues(found[-1]):
            found[-1] = replace(found[-1], ends_at=ends_at)
        else:
            found.append(piece)
    return found


def shift_at(plans: Sequence[Plan], overrides: Sequence[Override], at: datetime) -> Shift:
    """The shift around `at`, whole; before a rota starts no more than LONGEST_LOOK of it to either side."""
    plan = plan_at(plans, at)
    turn = plan.turn_at(at) if plan else None
    if plan is None or turn is None:
        begin, end = at - LONGEST_LOOK, at + LONGEST_LOOK
    else:
        begin, end = plan.handover(turn), plan.handover(turn + 1)
    return next(each for each in shifts(plans, overrides, begin, end) if each.starts_at <= at < each.ends_at)


def stand_in(shift: Shift, plan: Plan | None, away: Mapping[UUID, UUID | None], gone: frozenset[UUID]) -> StandIn:
    """Who takes over when the person of a shift cannot be called.

    `away` maps whoever is out of office to the one who effectively stands in for them; `gone` are deactivated people. The
    delegate comes first, then the next in order. When there is nobody, the shift's own person stays if they are only away.
    """
    user_id = shift.user_id
    reasons = [_reason(shift)]
    if user_id is None or (user_id not in away and user_id not in gone):
        return StandIn(user_id, tuple(reasons), is_reached=user_id is not None)
    reasons.append(f"{user_id} is {'deactivated' if user_id in gone else 'out of office'}")
    delegate = away.get(user_id)
    if delegate is not None and delegate not in gone and user_id not in gone:
        return StandIn(delegate, (*reasons, f"{delegate} is their delegate"))
    for candidate in _in_order(plan, shift):
        if candidate != user_id and candidate not in away and candidate not in gone:
            return StandIn(candidate, (*reasons, f"{candidate} is the next in order"))
    if user_id in gone:
        return StandIn(None, (*reasons, "nobody else can be called"), is_reached=False)
    return StandIn(user_id, (*reasons, "nobody else can be called, so it stays with them"), is_reached=False)


def _reason(shift: Shift) -> str:
    if shift.override_id is not None:
        return f"the override {shift.override_id} names {shift.user_id}"
    if shift.user_id is None:
        return "the rota names nobody at this instant"
    return f"the rota names {shift.user_id}"


def _in_order(plan: Plan | None, shift: Shift) -> list[UUID]:
    """Whom an override replaced, then the members from the next one on, around."""
    members = list(plan.members) if plan else []
    start = members.index(shift.scheduled_id) + 1 if shift.scheduled_id in members else 0
    replaced = [shift.scheduled_id] if shift.override_id and shift.scheduled_id else []
    return [*replaced, *members[start:], *members[:start]]


def _handovers(plan: Plan, begin: datetime, end: datetime) -> list[datetime]:
    first = plan.turn_at(begin)
    turn = 0 if first is None else first + 1
    found = []
    while (instant := plan.handover(turn)) < end:
        found.append(instant)
        turn += 1
    return found


def _piece(plans: Sequence[Plan], newest_first: Sequence[Override], starts_at: datetime, ends_at: datetime) -> Shift:
    """What holds from `starts_at` on; nothing changes until `ends_at`."""
    plan = plan_at(plans, starts_at)
    turn = plan.turn_at(starts_at) if plan and plan.is_in_use(starts_at) else None
    scheduled = plan.member_of(turn) if plan and turn is not None else None
    override = next((each for each in newest_first if each.covers(starts_at)), None)
    return Shift(
        starts_at,
        ends_at,
        scheduled,
        override.user_id if override else scheduled,
        override.id if override else None,
        plan.handover(turn) if plan and turn is not None else None,
    )


def offset_keeping(plan: Plan, user_id: UUID | None, at: datetime) -> int:
    """The offset by which `user_id` keeps the turn at `at`; the first member has it if they are not of the plan."""
    turn = plan.turn_at(at)
    if turn is None or not plan.members:
        return 0
    place = plan.members.index(user_id) if user_id in plan.members else 0
    return (place - turn) % len(plan.members)


def uncovered(
    wanted: Iterable[tuple[datetime, datetime]], covered: Iterable[tuple[datetime, datetime]]
) -> list[tuple[datetime, datetime]]:
    """What of the wanted stretches no covered one reaches, in order. Each of the wanted ones is apart from the others."""
    left, known = [], sorted(covered)
    for starts_at, ends_at in sorted(wanted):
        at = starts_at
        for begin, end in known:
            if end <= at or begin >= ends_at:
                continue
            if begin > at:
                left.append((at, begin))
            at = max(at, end)
        if at < ends_at:
            left.append((at, ends_at))
    return left
