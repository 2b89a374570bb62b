"""Verbs on proposed holidays. Nothing of them counts until somebody confirms it; then it is an exception of the calendar."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import F

from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import FieldError, Invalid
from apps.organizations.calendar_records import change_calendar
from apps.organizations.calendars.weeks import DAY, Piece, merged, stretch_of
from apps.organizations.events import HOLIDAYS_DISMISSED, HOLIDAYS_PROPOSED
from apps.organizations.holiday_sources import Closing
from apps.organizations.models import BusinessCalendar, HolidayProposal, ProposalState

MOST_IDS = 2_000


def propose(
    calendar: BusinessCalendar, closings: Iterable[Closing], *, actor: Actor, at: datetime, source: str
) -> list[HolidayProposal]:
    """Put closings up for a locked calendar, and return those that are new: what was proposed before keeps its answer."""
    known = set(calendar.holiday_proposals.values_list("date", "start", "end"))
    proposals = {
        closing[:3]: HolidayProposal(
            organization_id=calendar.organization_id,
            calendar=calendar,
            date=closing.date,
            start=closing.start,
            end=closing.end,
            name=closing.name,
            source=source,
            created_at=at,
            updated_at=at,
        )
        for closing in closings
        if closing[:3] not in known
    }
    created: list[HolidayProposal] = HolidayProposal.objects.bulk_create(proposals.values())
    events.record(HOLIDAYS_PROPOSED, calendar, actor=actor, at=at, source=source, proposed=len(created))
    return created


def confirm(
    calendar: BusinessCalendar, ids: Sequence[UUID], *, actor: Actor, at: datetime
) -> tuple[BusinessCalendar, list[HolidayProposal]]:
    """Close a locked calendar on these days from now on. Raises Invalid for what is not proposed there, or makes no sense."""
    proposals = _named(calendar, ids)
    changed = change_calendar(
        calendar,
        actor=actor,
        at=at,
        values={"exceptions": _closed_on(calendar.exceptions, proposals)},
        beside={"holidays": ([], [_told(proposal) for proposal in proposals])},
    )
    _decide(proposals, ProposalState.CONFIRMED, at)
    return changed, proposals


def dismiss(calendar: BusinessCalendar, ids: Sequence[UUID], *, actor: Actor, at: datetime) -> list[HolidayProposal]:
    """Answer no: they are not proposed again. Raises Invalid for what is not proposed for this locked calendar."""
    proposals = _named(calendar, ids)
    _decide(proposals, ProposalState.DISMISSED, at)
    told = [_told(proposal) for proposal in proposals]
    events.record(HOLIDAYS_DISMISSED, calendar, actor=actor, at=at, holidays=told)
    return proposals


def _named(calendar: BusinessCalendar, ids: Sequence[UUID]) -> list[HolidayProposal]:
    open_ones = calendar.holiday_proposals.filter(pk__in=ids, state=ProposalState.PROPOSED)
    found: dict[UUID, HolidayProposal] = {proposal.pk: proposal for proposal in open_ones.order_by("date", "start")}
    missing = [
        FieldError(f"/ids/{place}", "does_not_exist", f"{pk} is no open proposal of this calendar.")
        for place, pk in enumerate(ids)
        if pk not in found
    ]
    if missing:
        raise Invalid(errors=missing[:100])
    return list(found.values())


def _decide(proposals: Sequence[HolidayProposal], state: ProposalState, at: datetime) -> None:
    for proposal in proposals:
        proposal.state, proposal.decided_at, proposal.updated_at = state, at, at
        proposal.version += 1
    rows = HolidayProposal.objects.filter(pk__in=[proposal.pk for proposal in proposals])
    rows.update(state=state, decided_at=at, updated_at=at, version=F("version") + 1)


def _told(proposal: HolidayProposal) -> str:
    times = f" {proposal.start}-{proposal.end}" if proposal.start else ""
    return f"{proposal.date.isoformat()}{times} {proposal.name}"


def _closed_on(exceptions: Sequence[Any], proposals: Sequence[HolidayProposal]) -> list[Any]:
    """The calendar's exceptions with the proposals': of the days concerned, what is closed is written as one."""
    days = {proposal.date for proposal in proposals}
    closed: dict[date, list[Piece]] = {day: [] for day in sorted(days)}
    others = []
    for exception in exceptions:
        day = date.fromisoformat(str(exception["date"]))
        if day in days and exception["kind"] == "closed":
            closed[day].append(stretch_of(exception))
        else:
            others.append(exception)
    for proposal in proposals:
        closed[proposal.date].append(stretch_of({"start": proposal.start, "end": proposal.end}))
    return others + [_exception(day, piece) for day, pieces in closed.items() for piece in merged(pieces)]


def _exception(day: date, piece: Piece) -> dict[str, str]:
    whole_day = {"date": day.isoformat(), "kind": "closed"}
    start, end = piece
    if piece == (0, DAY):
        return whole_day
    return {**whole_day, "start": _clock(start), "end": _clock(end if end <= DAY else end - DAY)}


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
