"""What time will do to a ticket, in order. Pure: nothing here reads the database or the clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.tickets.choices import Doing, HoldReason, Purpose
from apps.tickets.closing.terms import Terms

# Nobody is ended right behind a reminder or warning that came late, because everything was down or the ticket is an import's.
NOTICE = timedelta(hours=24)
NOTICES = frozenset({Doing.REMIND, Doing.WARN, Doing.RECALL})


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one ticket stands: what its countdown remembers, and what of the ticket decides."""

    purpose: str
    since: datetime
    given: int = 0
    last_given_at: datetime | None = None
    # When its owner was told that the time has come, where it waits for its requester too.
    recalled_at: datetime | None = None
    hold_reason: str = ""
    hold_until: datetime | None = None
    # A major incident ends by people alone, and what is deleted by nobody.
    is_exempt: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that time will do, and when (UTC): `days` after it began, as the `number`th of its kind."""

    doing: Doing
    at: datetime
    days: int = 0
    unit: str = ""
    number: int = 0


def coming(standing: Standing, terms: Terms) -> list[Step]:
    """What is still to come, in order of time; what is overdue too."""
    if standing.purpose == Purpose.UNTIL:
        return _until(standing)
    if standing.purpose == Purpose.ASKING:
        # Its owner wanted to look at it then, whoever ends it.
        return sorted([*_recall(standing), *_asking(standing, terms)], key=lambda step: step.at)
    if standing.is_exempt:
        return []
    warnings = (terms.warn_after,) if terms.warn_after else ()
    return _counted(standing, terms, terms.close_days, (Doing.WARN, warnings), (Doing.CLOSE, terms.close_after))


def due(steps: Sequence[Step], at: datetime) -> Step | None:
    """The one to take at `at`: of several notices that were missed the last alone, and an end never together with one.

    A recall comes before them, because it is another person's.
    """
    now = [step for step in steps if step.at <= at]
    recalls = [step for step in now if step.doing is Doing.RECALL]
    notices = recalls or [step for step in now if step.doing in NOTICES]
    if notices:
        return notices[-1]
    return now[0] if now else None


def _until(standing: Standing) -> list[Step]:
    if standing.hold_until is None or standing.given:
        return []
    is_scheduled = standing.hold_reason == HoldReason.SCHEDULED
    return [Step(Doing.RESUME if is_scheduled else Doing.RECALL, standing.hold_until, number=1)]


def _recall(standing: Standing) -> list[Step]:
    if standing.hold_until is None or standing.recalled_at is not None:
        return []
    return [Step(Doing.RECALL, standing.hold_until, number=1)]


def _asking(standing: Standing, terms: Terms) -> list[Step]:
    if standing.is_exempt:
        return []
    notices, end = (Doing.REMIND, terms.remind_after), (Doing.RESOLVE, terms.resolve_after)
    return _counted(standing, terms, terms.answer_days, notices, end)


def _counted(
    standing: Standing, terms: Terms, unit: str, notices: tuple[Doing, Sequence[int]], end: tuple[Doing, int]
) -> list[Step]:
    """Notices after so many days each, those behind us left out, and the end: no sooner than NOTICE after the last of them."""
    doing, after = notices
    steps = []
    for number, days in enumerate(after, start=1):
        at = terms.later(standing.since, days, unit)
        if number > standing.given and at is not None:
            steps.append(Step(doing, at, days, unit, number))
    doing, days = end
    ends_at = terms.later(standing.since, days, unit) if days else None
    if ends_at is not None:
        if standing.last_given_at is not None:
            ends_at = max(ends_at, standing.last_given_at + NOTICE)
        steps.append(Step(doing, ends_at, days, unit, 1))
    return steps
