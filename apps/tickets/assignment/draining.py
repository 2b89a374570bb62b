"""Give out what waits in a team's queue: the most urgent first, then the oldest; what nobody free can do holds nobody up.

The queue is locked first, then tickets one by one, passing over those that somebody else has in hand: a claim of the same
moment wins, and nobody waits in a circle.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.core.actors import Actor
from apps.core.lifecycle import Phase
from apps.tickets import kinds, services
from apps.tickets.assignment import placing, team
from apps.tickets.assignment.choosing import (
    Candidate,
    Choice,
    Terms,
    Wanted,
    choose,
    deal,
    is_nobody_left,
    wishes,
)
from apps.tickets.assignment.placing import Placed
from apps.tickets.models import AssignmentQueue, Placement, Ticket

# In one transaction: while it goes on, nothing else comes into the team.
PAGE, MOST_GIVEN = 500, 50
# So long those who let it pass are left alone, where there is nobody else.
REST = timedelta(minutes=15)
WAITING_PHASES = (Phase.NEW, Phase.OPEN)
PART = "assignment"


def waiting_in(team_id: UUID) -> QuerySet[Ticket]:
    """What waits for somebody of this team, in the order in which it is given out."""
    found = Ticket.objects.filter(
        team_id=team_id, assignee=None, deleted_at=None, phase__in=WAITING_PHASES, merged_into=None
    )
    return found.order_by("priority", "opened_at", "id")


def teams_with_waiting() -> list[UUID]:
    """Teams of the tenant in force whose queue has something to give out."""
    waiting = Ticket.objects.filter(
        team_id=OuterRef("team_id"), assignee=None, deleted_at=None, phase__in=WAITING_PHASES
    )
    queues = AssignmentQueue.objects.filter(Exists(waiting), is_active=True, team__deleted_at=None)
    return list(queues.order_by("team_id").values_list("team_id", flat=True))


def drain(team_id: UUID, *, at: datetime) -> int:
    """Give out what can be given at `at` (UTC), in the caller's transaction. Returns how many tickets found somebody.

    At most MOST_GIVEN: whoever gets that number asks again, in a transaction of its own.
    """
    queue = team.lock_queue(team_id)
    if queue is None:
        return 0
    actor = Actor.system(queue.organization_id, PART)
    crew, terms = team.members(queue, None, at), team.terms_of(queue)
    if not crew.has_waiting:
        return 0

    def give(pk: UUID, wanted: Wanted, choice: Choice) -> bool:
        ticket = lock_free(pk, team_id=team_id, assignee=None)
        if ticket is None:
            return False
        write_down(ticket, queue, choice, wanted, event="assigned", because="queue", actor=actor, at=at)
        return True

    waiting = (
        (ticket.pk, _asked_anew(wanted_by(ticket, placement), placement, crew.candidates, terms, at))
        for ticket, placement in _in_pages(waiting_in(team_id))
    )
    return deal(waiting, crew.candidates, terms, at, give=give, most=MOST_GIVEN)


def _in_pages(tickets: QuerySet[Ticket]) -> Iterator[tuple[Ticket, Placement | None]]:
    """All of them in their order, with where each stands, page by page: only as far as whoever asks goes on asking."""
    after = Q()
    while True:
        page = list(tickets.filter(after).only("id", "organization_id", "priority", "opened_at")[:PAGE])
        standing = {row.ticket_id: row for row in Placement.objects.filter(ticket_id__in=[each.pk for each in page])}
        yield from ((ticket, standing.get(ticket.pk)) for ticket in page)
        if len(page) < PAGE:
            return
        last = page[-1]
        after = Q(priority__gt=last.priority) | Q(priority=last.priority, opened_at__gt=last.opened_at)
        after |= Q(priority=last.priority, opened_at=last.opened_at, pk__gt=last.pk)


def _asked_anew(
    wanted: Wanted, placement: Placement | None, candidates: Sequence[Candidate], terms: Terms, at: datetime
) -> Wanted:
    """What everybody who could take it let pass is offered to all of them once more when it has waited for REST."""
    since = placement.waiting_since if placement else None
    if not wanted.passed or since is None or at - since < REST or not is_nobody_left(choose(candidates, wanted, terms)):
        return wanted
    return replace(wanted, passed=frozenset())


def wanted_by(ticket: Ticket, placement: Placement | None) -> Wanted:
    """What it asks, as its placement remembers; one that never was in a queue asks nothing."""
    if placement is None:
        return Wanted(ticket.priority)
    return Wanted(ticket.priority, wishes(placement.skills), frozenset(placement.passed))


def lock_free(pk: UUID, **as_it_was: Any) -> Ticket | None:
    """The ticket, locked, if it is still like this; None where somebody else has it in hand, or was there first."""
    rows = Ticket.objects.select_for_update(of=("self",), skip_locked=True).alive()
    return rows.filter(pk=pk, phase__in=(*WAITING_PHASES, Phase.PENDING), **as_it_was).first()


def write_down(
    locked: Ticket,
    queue: AssignmentQueue,
    choice: Choice,
    wanted: Wanted,
    *,
    event: str,
    because: str,
    actor: Actor,
    at: datetime,
    is_without_end: bool = False,
    users: Sequence[UUID] = (),
    **told: Any,
) -> Ticket:
    """Give the locked ticket to whom the choice names, or to nobody, and record why. `is_without_end`: they may take their time.

    `users` are those whom channels tell that it is theirs no more.
    """
    chosen = choice.chosen
    until = placing.accept_by(queue, wanted.priority, chosen, at=at) if chosen and not is_without_end else None
    placed = Placed(queue=queue, wanted=wanted, chosen=chosen, accept_by=until)
    placing.settle(locked, placed, at=at)
    values = {"assignee_id": chosen.user_id if chosen else None}
    about: dict[str, Any] = {"assignment": placing.explained(queue, choice, chosen, because=because) | told}
    if users:
        about["users"] = [str(user_id) for user_id in users]
    return services.write(
        locked,
        values,
        event=f"{kinds.get(locked.kind).name}.{event}",
        actor=actor,
        at=at,
        is_fact=True,
        **about,
    )
