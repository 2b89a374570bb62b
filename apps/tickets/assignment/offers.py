"""What becomes of a ticket that was offered: accepted or refused, not accepted in time, its person gone or offline for a minute."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.errors import Conflict, FieldError, Invalid
from apps.organizations.models import Team
from apps.tickets import services, verbs
from apps.tickets.assignment import draining, placing, team
from apps.tickets.assignment.choosing import Wanted, choose, is_nobody_left, lead_of, wishes
from apps.tickets.choices import HandsBack
from apps.tickets.models import AssignmentQueue, Placement, Ticket
from apps.users.models import Absence, Presence, PresenceStatus, Session, TeamMember, User

# A page that reloads, or a telephone in a lift, is not offline yet.
OFFLINE_FOR = timedelta(minutes=1)
MOST_AT_ONCE = 200
# Why a ticket leaves somebody; the first two count as a try, and whoever let it pass is not asked again.
REJECTED, NOT_ACCEPTED, OFFLINE, GONE = "rejected", "not_accepted", "offline", "gone"
TRIES = frozenset({REJECTED, NOT_ACCEPTED})


def reject(ticket: Ticket, *, actor: Actor, at: datetime, reason: str) -> Ticket:
    """Say that somebody else should have it, while it is offered to the actor. It goes on to the next, in the actor's name.

    Raises Invalid without a reason, and Conflict `not_offered` for who has accepted it, or whom nobody asked.
    """
    if not reason.strip():
        raise Invalid(errors=[FieldError("/reason", "required", "Say why somebody else should have it.")])
    locked = services.lock(ticket.pk, actor=actor)
    services.check(locked, "assign", actor=actor, at=at, given={})
    placement = Placement.objects.filter(ticket_id=locked.pk, offered_to__isnull=False).first()
    if placement is None or placement.offered_to_id != actor.id or locked.assignee_id != actor.id:
        detail = (
            "It is not offered to you: nobody has asked you, or you have accepted it. Assign it to somebody instead."
        )
        raise Conflict(detail, code="not_offered", current_status=locked.status)
    queue = team.lock_queue(locked.team_id)
    if queue is None:
        raise Conflict(
            "Its team gives work out by hand; assign it to somebody instead.",
            code="not_offered",
            current_status=locked.status,
        )
    return _pass(locked, queue, placement, because=REJECTED, actor=actor, at=at, reason=reason.strip())


def accept(ticket: Ticket, *, actor: Actor, at: datetime) -> Ticket:
    """Begin to work on what was offered to the actor. Raises Conflict `not_offered` where it was not, or not any more."""
    locked = services.lock(ticket.pk, actor=actor)
    services.check(locked, "claim", actor=actor, at=at, given={})
    is_offered = Placement.objects.filter(ticket_id=locked.pk, offered_to_id=actor.id).exists()
    if not is_offered or locked.assignee_id != actor.id:
        raise Conflict(
            "It is not offered to you: somebody else has it, or nobody. Claim it if nobody has it.",
            code="not_offered",
            current_status=locked.status,
        )
    return verbs.do(locked, "claim", actor=actor, at=at)


def pass_on(ticket_id: UUID, *, because: str, at: datetime) -> bool:
    """What the platform does when `because` still holds under the locks; False where it does not, or others hold the ticket."""
    ticket = Ticket.objects.filter(pk=ticket_id).only("id", "team_id").first()
    queue = team.lock_queue(ticket.team_id) if ticket else None
    if queue is None:
        return False
    locked = draining.lock_free(ticket_id, team_id=queue.team_id, assignee__isnull=False)
    if locked is None or ticket_id not in DUE[because](at, ticket_id):
        return False
    placement = Placement.objects.filter(ticket_id=ticket_id).first()
    actor = Actor.system(queue.organization_id, draining.PART)
    _pass(locked, queue, placement, because=because, actor=actor, at=at)
    return True


def _pass(
    locked: Ticket,
    queue: AssignmentQueue,
    placement: Placement | None,
    *,
    because: str,
    actor: Actor,
    at: datetime,
    **told: str,
) -> Ticket:
    """To the next one; after enough tries, or when nobody is left who was not asked, to the lead; else into the queue.

    Without a lead everybody is asked anew, and the fact says so: those above hear of it.
    """
    before = locked.assignee_id
    passed = {*(placement.passed if placement else ())}
    passed |= {before} if because in TRIES else set()
    wanted = Wanted(locked.priority, wishes(placement.skills if placement else ()), frozenset(passed))
    crew, terms = team.members(queue, wanted.skills, at), team.terms_of(queue)
    choice = choose((each for each in crew.candidates if each.user_id != before or because in TRIES), wanted, terms)
    others = [each for each in crew.candidates if each.user_id != before]
    is_exhausted = because in TRIES and (len(passed) >= queue.most_tries or is_nobody_left(choice))
    lead = lead_of(others, wanted, terms) if is_exhausted else None
    extra: dict[str, Any] = {}
    if lead is not None:
        choice, extra = replace(choice, chosen=lead), {"is_to_lead": True, "tries": len(passed)}
    elif is_exhausted:
        extra = {"is_unaccepted": True, "tries": len(passed)}
        if choice.chosen is None:
            anew = replace(wanted, passed=frozenset({before} if before else ()))
            again = choose(crew.candidates, anew, terms)
            choice, wanted = (again, anew) if again.chosen else (choice, wanted)
    is_behind = lead is None and placing.is_behind(locked, queue, crew, choice.chosen)
    if is_behind:
        choice, extra = replace(choice, chosen=None), {**extra, "is_behind": True}
    written = draining.write_down(
        locked,
        queue,
        choice,
        wanted,
        event="passed_on",
        because=because,
        actor=actor,
        at=at,
        is_without_end=lead is not None,
        # Who refused it knows, and who is gone need not.
        users=[before] if before is not None and because in {NOT_ACCEPTED, OFFLINE} else (),
        **{"from": str(before), **extra, **told},
    )
    if is_behind:
        # Those before it were served meanwhile, and perhaps it was too.
        written.refresh_from_db()
    return written


# --- what is due

_PLACEMENT, _TICKET, _QUEUE = Placement._meta.db_table, Ticket._meta.db_table, AssignmentQueue._meta.db_table
_OPEN = "k.deleted_at IS NULL AND k.phase IN ('new', 'open', 'pending') AND k.assignee_id IS NOT NULL"
_ONLY = "(%(only)s::uuid IS NULL OR k.id = %(only)s)"
_OF_QUEUE = f"""
JOIN {_QUEUE} q ON q.organization_id = %(tenant)s AND q.team_id = k.team_id AND q.is_active
"""
# What is on hold is begun by nobody.
OVERDUE = f"""
SELECT k.id FROM {_PLACEMENT} p
JOIN {_TICKET} k ON k.organization_id = %(tenant)s AND k.id = p.ticket_id AND k.assignee_id = p.offered_to_id
{_OF_QUEUE}
WHERE p.organization_id = %(tenant)s AND p.accept_by <= %(at)s AND {_OPEN} AND k.phase <> 'pending' AND {_ONLY}
ORDER BY p.accept_by, k.id LIMIT {MOST_AT_ONCE}
"""  # noqa: S608 - our tables
# Out of office counts from its first second; offline when no session has been live for a minute, or they have said so for one.
AWAY = f"""
SELECT k.id FROM {_TICKET} k
{_OF_QUEUE}
LEFT JOIN {_PLACEMENT} p ON p.organization_id = %(tenant)s AND p.ticket_id = k.id AND p.offered_to_id = k.assignee_id
WHERE k.organization_id = %(tenant)s AND {_OPEN} AND {_ONLY}
AND (q.hands_back = '{HandsBack.ALL}' OR (q.hands_back = '{HandsBack.UNACCEPTED}' AND p.id IS NOT NULL))
AND (
    EXISTS (
        SELECT FROM {Absence._meta.db_table} a WHERE a.organization_id = %(tenant)s AND a.user_id = k.assignee_id
        AND a.starts_at <= %(at)s AND a.ends_at > %(at)s
    )
    OR q.needs_presence AND coalesce(p.offered_at <= %(cutoff)s, true) AND (
        EXISTS (
            SELECT FROM {Presence._meta.db_table} s WHERE s.organization_id = %(tenant)s AND s.user_id = k.assignee_id
            AND s.status = '{PresenceStatus.OFFLINE}' AND s.since <= %(cutoff)s
        )
        OR NOT EXISTS (
            SELECT FROM {Session._meta.db_table} s WHERE s.organization_id = %(tenant)s AND s.user_id = k.assignee_id
            AND coalesce(s.revoked_at > %(cutoff)s, true) AND s.idle_until > %(cutoff)s
            AND s.absolute_until > %(cutoff)s
        )
    )
)
ORDER BY k.priority, k.opened_at, k.id LIMIT {MOST_AT_ONCE}
"""  # noqa: S608 - our tables
# Whoever cannot sign in any more, or left the team, works on nothing of it.
LEFT = f"""
SELECT k.id FROM {_QUEUE} q
JOIN {Team._meta.db_table} g ON g.organization_id = %(tenant)s AND g.id = q.team_id AND g.deleted_at IS NULL
JOIN {_TICKET} k ON k.organization_id = %(tenant)s AND k.team_id = q.team_id
JOIN {User._meta.db_table} u ON u.organization_id = %(tenant)s AND u.id = k.assignee_id
LEFT JOIN {_PLACEMENT} p ON p.organization_id = %(tenant)s AND p.ticket_id = k.id AND p.offered_to_id = k.assignee_id
WHERE q.organization_id = %(tenant)s AND q.is_active AND {_OPEN} AND {_ONLY}
AND (
    NOT u.is_active OR u.deleted_at IS NOT NULL
    OR p.id IS NOT NULL AND NOT EXISTS (
        SELECT FROM {TeamMember._meta.db_table} m WHERE m.organization_id = %(tenant)s AND m.team_id = q.team_id
        AND m.user_id = k.assignee_id
    )
)
ORDER BY k.priority, k.opened_at, k.id LIMIT {MOST_AT_ONCE}
"""  # noqa: S608 - our tables


def _found(sql: str) -> Callable[[datetime, UUID | None], list[UUID]]:
    def ask(at: datetime, only: UUID | None = None) -> list[UUID]:
        given: dict[str, Any] = {
            "tenant": tenancy.required_organization_id(),
            "at": at,
            "cutoff": at - OFFLINE_FOR,
            "only": only,
        }
        with connection.cursor() as cursor:
            cursor.execute(sql, given)
            return [row[0] for row in cursor.fetchall()]

    return ask


# Why -> the tickets of which it is true at an instant (UTC), or whether it is of one.
DUE: Mapping[str, Callable[[datetime, UUID | None], list[UUID]]] = {
    NOT_ACCEPTED: _found(OVERDUE),
    GONE: _found(LEFT),
    OFFLINE: _found(AWAY),
}
