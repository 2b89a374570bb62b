"""To whom a ticket goes at the moment it comes to a team, and how that is written down and explained.

Nothing here changes the ticket itself: whoever asks writes `Placed.values` with its own fact, which says `Placed.told`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Q

from apps.core import events
from apps.core.models import new_id
from apps.organizations.calendars import add_business
from apps.organizations.calendars.hours import BeyondHorizon
from apps.tickets.assignment import rules, team
from apps.tickets.assignment.choosing import LASTING, TURN, Candidate, Choice, Wanted, choose, why_not, wishes
from apps.tickets.assignment.rules import Routed
from apps.tickets.models import AssignmentQueue, AssignmentTurn, Placement, Ticket
from apps.users.models import MemberSkill, TeamMember, User

# Of so many people the fact tells why.
MOST_TOLD = 20
# The priorities that wait by the clock on the wall; the others in open time.
AROUND_THE_CLOCK = frozenset({1, 2})


@dataclass(frozen=True, slots=True)
class Placed:
    """What becomes of a ticket. `values` are columns of it, `told` goes into the fact.

    Without a queue nothing does: its team gives work out by hand. `is_behind`: somebody could take it, but others wait longer.
    """

    values: dict[str, UUID | None] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    queue: AssignmentQueue | None = None
    wanted: Wanted | None = None
    chosen: Candidate | None = None
    accept_by: datetime | None = None
    is_behind: bool = False
    is_kept: bool = False


NOTHING = Placed()


def on_creation(row: Ticket, *, at: datetime) -> Placed:
    """For a new row that is not stored yet: by the rules where it names no team, and then by the team's queue.

    History is assigned to nobody, and whom somebody named keeps it.
    """
    if events.is_historic() or row.assignee_id is not None:
        return NOTHING
    routed = rules.route(row)
    team_id = row.team_id or (routed.team_id if routed else None)
    if team_id is None:
        return NOTHING
    # What it takes to solve it does not depend on who sent it where.
    skills = routed.rule.skills if routed else ()
    is_ruled = row.team_id is None
    placed = in_team(row, team_id, Wanted(row.priority, skills), at=at, routed=routed if is_ruled else None)
    if is_ruled:
        placed.values["team_id"] = team_id
    return placed


def on_assignment(locked: Ticket, values: Mapping[str, Any], *, at: datetime) -> Placed:
    """For a locked ticket whose owner somebody changes by hand to `values`: without a person the queue finds one."""
    if events.is_historic():
        return NOTHING
    team_id = values.get("team_id", locked.team_id)
    assignee_id = values.get("assignee_id", locked.assignee_id)
    if assignee_id is not None:
        return Placed(told=_despite(locked, team_id, assignee_id, at=at))
    before = Placement.objects.filter(ticket_id=locked.pk).first()
    is_elsewhere = team_id != locked.team_id
    passed = set() if before is None or is_elsewhere else set(before.passed)
    if not is_elsewhere and locked.assignee_id is not None:
        # It was taken away from them.
        passed.add(locked.assignee_id)
    wanted = Wanted(locked.priority, wishes(before.skills if before else ()), frozenset(passed))
    return in_team(locked, team_id, wanted, at=at) if team_id is not None else NOTHING


def on_reopening(locked: Ticket, *, at: datetime) -> Placed:
    """Its last owner keeps it, also beyond their capacity, unless they are away, offline, off shift or gone.

    Where the team gives its work out by hand only who is gone does not: then it is nobody's.
    """
    if events.is_historic():
        return NOTHING
    queue = team.lock_queue(locked.team_id)
    if queue is None:
        return _without_who_is_gone(locked)
    before = Placement.objects.filter(ticket_id=locked.pk).first()
    wanted = Wanted(locked.priority, wishes(before.skills if before else ()))
    crew = team.members(queue, wanted.skills, at)
    last = next((each for each in crew.candidates if each.user_id == locked.assignee_id), None)
    if last is not None and why_not(last, wanted, team.terms_of(queue)) not in LASTING:
        told = {"assignment": {"because": "last_owner", "assignee": str(last.user_id), "team": str(locked.team_id)}}
        return Placed(told=told, queue=queue, wanted=wanted, chosen=last, is_kept=True)
    return _placed(locked, queue, crew, wanted, at=at, because="reopened")


def _without_who_is_gone(locked: Ticket) -> Placed:
    if locked.assignee_id is None:
        return NOTHING
    if User.objects.alive().filter(pk=locked.assignee_id, is_active=True).exists():
        return NOTHING
    told = {"because": "owner_gone", "from": str(locked.assignee_id), "assignee": None}
    return Placed(values={"assignee_id": None}, told={"assignment": told})


def in_team(row: Ticket, team_id: UUID, wanted: Wanted, *, at: datetime, routed: Routed | None = None) -> Placed:
    """Whom the team's queue chooses for the ticket at `at` (UTC), under its lock; nobody where the team works by hand."""
    queue = team.lock_queue(team_id)
    if queue is None:
        told = {"assignment": {"team": str(team_id), **_by_rule(routed)}} if routed else {}
        return Placed(told=told)
    return _placed(row, queue, team.members(queue, wanted.skills, at), wanted, at=at, routed=routed)


def _placed(
    row: Ticket,
    queue: AssignmentQueue,
    crew: team.Crew,
    wanted: Wanted,
    *,
    at: datetime,
    routed: Routed | None = None,
    because: str = "queue",
) -> Placed:
    choice = choose(crew.candidates, wanted, team.terms_of(queue))
    is_after_others = is_behind(row, queue, crew, choice.chosen)
    chosen = None if is_after_others else choice.chosen
    told = explained(queue, choice, chosen, because=because)
    told |= {"is_behind": True} if is_after_others else {}
    return Placed(
        values={"assignee_id": chosen.user_id if chosen else None},
        told={"assignment": told | _by_rule(routed)},
        queue=queue,
        wanted=wanted,
        chosen=chosen,
        accept_by=accept_by(queue, wanted.priority, chosen, at=at) if chosen else None,
        is_behind=is_after_others,
    )


# Only what stands before the ticket counts, and only what this person can do: what waits for others keeps nobody from work.
BEFORE = f"""
SELECT EXISTS (
    SELECT FROM {Ticket._meta.db_table} w
    LEFT JOIN {Placement._meta.db_table} p ON p.organization_id = %(tenant)s AND p.ticket_id = w.id
    WHERE w.organization_id = %(tenant)s AND w.team_id = %(team)s AND w.assignee_id IS NULL AND w.deleted_at IS NULL
    AND w.phase IN ('new', 'open') AND w.merged_into_id IS NULL
    AND (w.priority, w.opened_at, w.id) < (%(priority)s, %(opened_at)s, %(ticket)s)
    AND NOT %(user)s = ANY(coalesce(p.passed, '{{}}'))
    AND NOT EXISTS (
        SELECT FROM jsonb_to_recordset(coalesce(p.skills, '[]')) AS s(skill uuid, level int, is_required boolean)
        WHERE coalesce(s.is_required, true) AND NOT EXISTS (
            SELECT FROM {MemberSkill._meta.db_table} k
            JOIN {TeamMember._meta.db_table} m ON m.organization_id = %(tenant)s AND m.id = k.member_id
            WHERE k.organization_id = %(tenant)s AND m.team_id = %(team)s AND m.user_id = %(user)s
            AND k.skill_id = s.skill AND k.level >= coalesce(s.level, 1)
        )
    )
)
"""  # noqa: S608 - our tables


def is_behind(row: Ticket, queue: AssignmentQueue, crew: team.Crew, chosen: Candidate | None) -> bool:
    """Whether something that the chosen one can do comes before this ticket. One statement, where anything waits at all."""
    if chosen is None or not crew.has_waiting:
        return False
    given: dict[str, Any] = {
        "tenant": row.organization_id,
        "team": queue.team_id,
        "priority": row.priority,
        "opened_at": row.opened_at,
        "ticket": row.pk,
        "user": chosen.user_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(BEFORE, given)
        return bool(cursor.fetchone()[0])


def explained(queue: AssignmentQueue, choice: Choice, chosen: Candidate | None, *, because: str) -> dict[str, Any]:
    """How the fact tells it: who was considered and why not, the chosen one first, then the others who could."""
    ordered = sorted(choice.looked_at, key=lambda each: (each[0] is not chosen, each[1] is not None))
    return {
        "because": because,
        "team": str(queue.team_id),
        "method": queue.method,
        "assignee": str(chosen.user_id) if chosen else None,
        "eligible": choice.eligible,
        "looked_at": len(ordered),
        "considered": [
            {
                "user": str(candidate.user_id),
                "name": candidate.name,
                "why_not": why,
                "open_tickets": candidate.open_tickets,
                "capacity": candidate.capacity,
                "load": candidate.load,
            }
            for candidate, why in ordered[:MOST_TOLD]
        ],
    }


def _by_rule(routed: Routed | None) -> dict[str, Any]:
    return {"rule": {"id": str(routed.rule.id), "name": routed.rule.name}} if routed else {}


def _despite(locked: Ticket, team_id: UUID | None, assignee_id: UUID, *, at: datetime) -> dict[str, Any]:
    """What would have kept the queue from this person: whoever assigns by hand may, and the timeline says it."""
    queue = AssignmentQueue.objects.filter(team_id=team_id, is_active=True).first() if team_id else None
    if queue is None:
        return {}
    before = Placement.objects.filter(ticket_id=locked.pk).first()
    wanted = Wanted(locked.priority, wishes(before.skills if before else ()))
    found = team.members(queue, wanted.skills, at, only=[assignee_id]).candidates
    why = why_not(found[0], wanted, team.terms_of(queue)) if found else "not_in_team"
    told = {"because": "by_hand", "team": str(team_id), "assignee": str(assignee_id), "despite": why}
    return {"assignment": told} if why else {}


def accept_by(queue: AssignmentQueue, priority: int, chosen: Candidate, *, at: datetime) -> datetime | None:
    """Until when they may take to accept; None: as long as they like."""
    minutes = queue.accept_minutes.get(str(priority))
    if minutes is None:
        return None
    if priority in AROUND_THE_CLOCK or chosen.hours is None or not queue.needs_shift:
        return at + timedelta(minutes=minutes)
    try:
        return add_business(at, minutes * 60, chosen.hours)
    except BeyondHorizon:
        return None


# One statement for whatever every new ticket pays. Whose turn it is moves only where somebody got something.
OFFER = f"""
WITH turn AS (
    INSERT INTO {AssignmentTurn._meta.db_table} AS t (id, organization_id, team_id, user_id, last_assigned_at)
    SELECT %(turn)s, %(tenant)s, %(team)s, %(user)s, %(at)s WHERE %(user)s::uuid IS NOT NULL AND NOT %(is_kept)s
    ON CONFLICT (organization_id, team_id, user_id) DO UPDATE
    SET last_assigned_at = GREATEST(EXCLUDED.last_assigned_at, t.last_assigned_at + %(a_turn)s)
)
INSERT INTO {Placement._meta.db_table}
    (id, organization_id, ticket_id, skills, passed, offered_to_id, offered_at, accept_by, waiting_since)
VALUES (%(id)s, %(tenant)s, %(ticket)s, %(skills)s::jsonb, %(passed)s::uuid[], %(offered_to)s, %(offered_at)s,
    %(accept_by)s, %(waiting_since)s)
ON CONFLICT (organization_id, ticket_id) DO UPDATE SET
    skills = EXCLUDED.skills, passed = EXCLUDED.passed, offered_to_id = EXCLUDED.offered_to_id,
    offered_at = EXCLUDED.offered_at, accept_by = EXCLUDED.accept_by,
    waiting_since = CASE WHEN EXCLUDED.waiting_since IS NULL THEN NULL
        ELSE coalesce({Placement._meta.db_table}.waiting_since, EXCLUDED.waiting_since) END
"""  # noqa: S608 - our tables


def settle(ticket: Ticket, placed: Placed, *, at: datetime) -> None:
    """Write down where the stored ticket stands now. Before its fact is recorded: who hears of it may go on from there."""
    if placed.queue is None or placed.wanted is None:
        if not events.is_historic():
            release(ticket.pk)
        return
    user_id = placed.chosen.user_id if placed.chosen else None
    is_offered = user_id is not None and not placed.is_kept
    given: dict[str, Any] = {
        "id": new_id(),
        "turn": new_id(),
        "tenant": ticket.organization_id,
        "team": placed.queue.team_id,
        "ticket": ticket.pk,
        "user": user_id,
        "at": at,
        "is_kept": placed.is_kept,
        "a_turn": TURN,
        "skills": orjson.dumps([_stored(wish) for wish in placed.wanted.skills]).decode(),
        "passed": list(placed.wanted.passed),
        "offered_to": user_id if is_offered else None,
        "offered_at": at if is_offered else None,
        "accept_by": placed.accept_by if is_offered else None,
        "waiting_since": at if user_id is None else None,
    }
    with connection.cursor() as cursor:
        cursor.execute(OFFER, given)


def _stored(wish: Any) -> dict[str, Any]:
    return {"skill": str(wish.skill_id), "level": wish.level, "is_required": wish.is_required}


def hurry(ticket_id: UUID, *, at: datetime, is_anew: bool = False) -> None:
    """The offer of a ticket whose priority has changed ends no later than one made at `at` (UTC); with `is_anew`, just then.

    A lead to whom it came after others keeps the time that they have: behind them there is nobody.
    """
    row = Placement.objects.filter(ticket_id=ticket_id, offered_to__isnull=False).select_related("ticket").first()
    if row is None or row.offered_to_id is None or row.ticket.team_id is None:
        return
    queue = AssignmentQueue.objects.filter(team_id=row.ticket.team_id, is_active=True).first()
    found = team.members(queue, (), at, only=[row.offered_to_id]).candidates if queue else []
    if queue is None or not found or (found[0].is_lead and row.passed and row.accept_by is None):
        return
    until = accept_by(queue, row.ticket.priority, found[0], at=at)
    if not is_anew:
        until = min(filter(None, (row.accept_by, until)), default=None)
    Placement.objects.filter(pk=row.pk).update(accept_by=until)


def is_only_offered(ticket: Ticket) -> bool:
    """Whether whoever has it has not accepted it yet."""
    return Placement.objects.filter(ticket_id=ticket.pk, offered_to_id=ticket.assignee_id).exists()


def release(ticket_id: UUID, *, accepted_by: UUID | None = None) -> None:
    """It waits for nobody, and nobody has to accept it any more: somebody took it on, or it is over.

    With `accepted_by` only where it was offered to them.
    """
    stands = Placement.objects.filter(Q(offered_to__isnull=False) | Q(waiting_since__isnull=False), ticket_id=ticket_id)
    if accepted_by is not None:
        stands = stands.filter(offered_to_id=accepted_by)
    stands.update(offered_to=None, offered_at=None, accept_by=None, waiting_since=None)
