"""Who gets the next ticket of a team, and why not the others: no row, no clock."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from apps.organizations.calendars import OpenHours
from apps.tickets.choices import AssignmentMethod
from apps.users.models import PresenceStatus

# What an open ticket weighs, by its priority.
WEIGHTS: Mapping[int, int] = {1: 4, 2: 3, 3: 2, 4: 1, 5: 1}
K = TypeVar("K")
# Between two turns of one person: as little as PostgreSQL keeps.
TURN = timedelta(microseconds=1)
NEVER = datetime.min.replace(tzinfo=UTC)


class Why(StrEnum):
    """Why somebody is not eligible. In this order: the first that holds is told."""

    GONE = "gone"
    OUT_OF_OFFICE = "out_of_office"
    OFF_SHIFT = "off_shift"
    OFFLINE = "offline"
    AWAY = "away"
    LACKS_SKILL = "lacks_skill"
    PASSED = "passed"
    FULL = "full"


# Those that a free minute of somebody does not change: whoever has a ticket already may keep it with one of the others.
LASTING = frozenset({Why.GONE, Why.OUT_OF_OFFICE, Why.OFF_SHIFT, Why.OFFLINE})


@dataclass(frozen=True, slots=True)
class SkillWish:
    """What whoever gets it should be good at, and how good at least; what is not required only counts in their favour."""

    skill_id: UUID
    level: int = 1
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a ticket asks of whoever gets it. `passed` are those who let it pass."""

    priority: int
    skills: tuple[SkillWish, ...] = ()
    passed: frozenset[UUID] = frozenset()

    @property
    def weight(self) -> int:
        return WEIGHTS[self.priority]


ANYTHING = Wanted(5)


@dataclass(slots=True)
class Candidate:
    """A member of the team as they are now. `open_tickets` fill their capacity here; `load` weighs all their open work."""

    user_id: UUID
    name: str
    capacity: int
    open_tickets: int = 0
    load: int = 0
    last_assigned_at: datetime | None = None
    presence: str = PresenceStatus.AVAILABLE
    is_active: bool = True
    is_out: bool = False
    is_in_shift: bool = True
    is_lead: bool = False
    skills: Mapping[UUID, int] = field(default_factory=dict)
    # When they work; None: always.
    hours: OpenHours | None = None

    def take(self, wanted: Wanted, at: datetime) -> None:
        """From now on they have it, and others come first, also where much is given out at one instant."""
        self.open_tickets += 1
        self.load += wanted.weight
        last = self.last_assigned_at
        self.last_assigned_at = at if last is None else max(at, last + TURN)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a team's queue asks, and how it chooses."""

    method: str = AssignmentMethod.LEAST_LOADED
    needs_presence: bool = True
    needs_shift: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is chosen, if anybody, among how many eligible ones; and who was looked at, with what kept them from it."""

    chosen: Candidate | None
    eligible: int
    looked_at: tuple[tuple[Candidate, Why | None], ...]


def why_not(candidate: Candidate, wanted: Wanted, terms: Terms) -> Why | None:
    """What keeps them from this ticket; None for nothing."""
    if not candidate.is_active:
        return Why.GONE
    if candidate.is_out:
        return Why.OUT_OF_OFFICE
    if terms.needs_shift and not candidate.is_in_shift:
        return Why.OFF_SHIFT
    if terms.needs_presence and candidate.presence != PresenceStatus.AVAILABLE:
        return Why.AWAY if candidate.presence == PresenceStatus.AWAY else Why.OFFLINE
    if any(wish.is_required and candidate.skills.get(wish.skill_id, 0) < wish.level for wish in wanted.skills):
        return Why.LACKS_SKILL
    if candidate.user_id in wanted.passed:
        return Why.PASSED
    return Why.FULL if candidate.open_tickets >= candidate.capacity else None


def choose(candidates: Iterable[Candidate], wanted: Wanted, terms: Terms) -> Choice:
    """Whose turn it is by the queue's method. Equal ones by their ids, so that the same question has the same answer."""
    looked_at = tuple((candidate, why_not(candidate, wanted, terms)) for candidate in candidates)
    eligible = [candidate for candidate, why in looked_at if why is None]
    order = ORDERS[terms.method]
    chosen = min(eligible, key=lambda candidate: order(candidate, wanted), default=None)
    return Choice(chosen, len(eligible), looked_at)


def is_nobody_left(choice: Choice) -> bool:
    """Whether those who could take it have all let it pass."""
    return choice.chosen is None and any(why is Why.PASSED for _, why in choice.looked_at)


def has_room(candidates: Iterable[Candidate], terms: Terms) -> bool:
    """Whether somebody could take another ticket that asks for nothing in particular."""
    return any(why_not(candidate, ANYTHING, terms) is None for candidate in candidates)


def deal(
    waiting: Iterable[tuple[K, Wanted]],
    candidates: Sequence[Candidate],
    terms: Terms,
    at: datetime,
    *,
    give: Callable[[K, Wanted, Choice], bool],
    most: int,
) -> int:
    """Give out what waits, in its order, to at most `most`; what nobody free can do holds nobody up. Returns how many found somebody.

    `give` says whether the ticket went: somebody else may have been there first.
    """
    given = 0
    for key, wanted in waiting:
        if given == most or not has_room(candidates, terms):
            break
        choice = choose(candidates, wanted, terms)
        if choice.chosen is not None and give(key, wanted, choice):
            choice.chosen.take(wanted, at)
            given += 1
    return given


def lead_of(candidates: Iterable[Candidate], wanted: Wanted, terms: Terms) -> Candidate | None:
    """The team's lead to whom a ticket goes that nobody accepts: with room or without, who is there rather than who is not."""
    leads = [each for each in candidates if each.is_lead and each.is_active and not each.is_out]
    return min(leads, key=lambda each: (why_not(each, wanted, terms) in LASTING, *_by_load(each, wanted)), default=None)


def _by_turn(candidate: Candidate, wanted: Wanted) -> tuple[Any, ...]:
    return (candidate.last_assigned_at or NEVER, candidate.user_id)


def _by_load(candidate: Candidate, wanted: Wanted) -> tuple[Any, ...]:
    return (candidate.load, *_by_turn(candidate, wanted))


def _by_skill(candidate: Candidate, wanted: Wanted) -> tuple[Any, ...]:
    held = [candidate.skills.get(wish.skill_id, 0) for wish in wanted.skills]
    met = sum(level >= wish.level for level, wish in zip(held, wanted.skills, strict=True))
    return (-met, -sum(held), *_by_load(candidate, wanted))


ORDERS: Mapping[str, Any] = {
    AssignmentMethod.ROUND_ROBIN: _by_turn,
    AssignmentMethod.LEAST_LOADED: _by_load,
    AssignmentMethod.SKILL: _by_skill,
}


def wishes(stored: Sequence[Mapping[str, Any]] | None) -> tuple[SkillWish, ...]:
    """As a rule or a placement keeps them."""
    return tuple(
        SkillWish(UUID(each["skill"]), each.get("level", 1), each.get("is_required", True)) for each in stored or ()
    )
