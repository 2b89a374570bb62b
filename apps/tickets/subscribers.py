"""What tickets do about facts from below, and about their own."""

from collections.abc import Iterable
from uuid import UUID

from django.utils import timezone

from apps.audit.models import Event
from apps.core.errors import StillReferenced
from apps.core.events import AGAIN, after, inside
from apps.core.lifecycle import Phase
from apps.organizations.rounds import active_among
from apps.tickets.assignment import draining, offers, placing
from apps.tickets.choices import Kind, Visibility, Voice
from apps.tickets.closing import configuring, countdowns
from apps.tickets.models import AssignmentQueue, AssignmentRule, Ticket
from apps.tickets.priorities import create_default_matrix
from apps.users.models import Absence, TeamMember

# It is over, or somebody has it by their own will: nobody has to accept it any more.
SETTLING = ("claimed", "resolved", "closed", "cancelled", "merged", "converted", "deleted")
# Whoever does one of these with what was offered to them has accepted it.
WORKING = ("started", "put_on_hold", "resumed", "commented", "work_logged", "task_added", "task_done", "updated")
# Somebody has room again, or a ticket is in another team's queue.
FREEING = (
    "resolved",
    "cancelled",
    "merged",
    "converted",
    "deleted",
    "put_on_hold",
    "assigned",
    "escalated",
    "passed_on",
)
# How urgent an offer is may have changed.
RATING = ("updated", "priority_overridden", "major_accepted")
COMING = ("created", "assigned", "escalated", "reopened", "passed_on")
# It waits for an answer, for an instant or for an objection from now on; or for nothing that time brings.
COUNTING = ("put_on_hold", "resolved", "resolution_restated", "unmerged")
DONE = ("resumed", "closed", "reopened", "cancelled", "merged", "converted")
# Words, and a note that becomes public.
SAYING = ("commented", "comment_edited")
# What time may do to it has changed.
EXEMPTING = ("deleted", "major_accepted", "major_demoted")


@inside("organization.created")
def give_matrix(event: Event) -> None:
    """A new organization has its priority matrix from its first moment."""
    create_default_matrix(event.organization_id, at=event.at)
    configuring.begin(event.organization_id, at=event.at)


def count(event: Event) -> None:
    ticket = Ticket.objects.filter(pk=event.subject_id).only(*countdowns.COLUMNS).first()
    if ticket is not None:
        countdowns.begin(ticket, at=event.at)


def count_no_more(event: Event) -> None:
    countdowns.end(event.subject_id)


def count_otherwise(event: Event) -> None:
    countdowns.look_again(event.subject_id)


def count_again(event: Event) -> None:
    """It was hidden, and is there again."""
    ticket = Ticket.objects.filter(pk=event.subject_id).only(*countdowns.COLUMNS).first()
    if ticket is not None:
        countdowns.come_back(ticket, at=event.at)


def count_anew(event: Event) -> None:
    """The desk said something to the requester, whom it waits for; a change of public words has no voice."""
    if event.data.get("voice") == Voice.DESK and event.data.get("visibility") == Visibility.PUBLIC:
        countdowns.ask_anew(event.subject_id, at=event.at)


@inside("skill.deleted")
def keep_skill_of_rules(event: Event) -> None:
    """Raises StillReferenced: whoever must have a skill that is not there any more is nobody."""
    if AssignmentRule.objects.filter(skills__contains=[{"skill": str(event.subject_id)}]).exists():
        raise StillReferenced("Still referenced by assignment rules.")


@inside("team.deleted")
def keep_team_of_open_tickets(event: Event) -> None:
    """Raises StillReferenced: what belongs to a team that is not there any more waits in nobody's queue."""
    if Ticket.objects.alive().open().filter(team_id=event.subject_id).exists():
        raise StillReferenced("Still referenced by open tickets; assign them to another team.")


def settle(event: Event) -> None:
    if not event.is_historic:
        placing.release(event.subject_id)


def take_on(event: Event) -> None:
    if not event.is_historic and event.actor_id is not None:
        placing.release(event.subject_id, accepted_by=event.actor_id)


def hurry(event: Event) -> None:
    """What became more urgent while it was offered has as long to be accepted as a new one."""
    if "priority" in event.changes:
        placing.hurry(event.subject_id, at=event.at)


def offer_anew(event: Event) -> None:
    """While it was on hold nobody had to accept it: from now on they have all the time for it."""
    if event.changes.get("phase", [None])[0] == Phase.PENDING:
        placing.hurry(event.subject_id, at=event.at, is_anew=True)


def serve_those_before(event: Event) -> None:
    """Somebody is free, but others wait longer: they come first, in the same transaction."""
    placed = event.data.get("assignment") or {}
    if placed.get("is_behind"):
        draining.drain(UUID(placed["team"]), at=event.at)


def fill_room(event: Event) -> object:
    """Somebody of the ticket's team, or of the one that it left, may take another one."""
    ticket = Ticket.objects.filter(pk=event.subject_id).only("team_id").first()
    left = event.changes.get("team", [None])[0]
    teams = [pk for pk in (ticket.team_id if ticket else None, UUID(left) if left else None) if pk is not None]
    return _drain(AssignmentQueue.objects.filter(team_id__in=teams).values_list("team_id", flat=True), event)


for kind in Kind.values:
    for past in SETTLING:
        inside(f"{kind}.{past}")(settle)
    for past in WORKING:
        inside(f"{kind}.{past}")(take_on)
    for past in RATING:
        inside(f"{kind}.{past}")(hurry)
    # After whoever it was offered to has accepted it by the same.
    for past in ("resumed", "started"):
        inside(f"{kind}.{past}")(offer_anew)
    for past in COMING:
        inside(f"{kind}.{past}")(serve_those_before)
    for past in COUNTING:
        inside(f"{kind}.{past}")(count)
    for past in DONE:
        inside(f"{kind}.{past}")(count_no_more)
    for past in EXEMPTING:
        inside(f"{kind}.{past}")(count_otherwise)
    inside(f"{kind}.restored")(count_again)
    for past in SAYING:
        inside(f"{kind}.{past}")(count_anew)
    for past in FREEING:
        after(f"{kind}.{past}", consumer=f"assignment.{kind}.{past}")(fill_room)


# --- who is there


@after("presence.changed", consumer="assignment.presence")
@after("user.activated", consumer="assignment.activated")
def welcome(event: Event) -> object:
    """Somebody may be there now who was not. Who signs in and said so before, the next minute sees."""
    return _drain_teams_of(event.subject_id, event)


@after("absence.updated", consumer="assignment.absence_updated")
def come_back(event: Event) -> object:
    """Whoever returns before they planned to. One that ends, or is deleted, the next minute sees."""
    absence = Absence.objects.filter(pk=event.subject_id).first()
    return _drain_teams_of(absence.user_id, event) if absence is not None else None


@after("team_member.created", consumer="assignment.member_created")
@after("team_member.updated", consumer="assignment.member_updated")
def make_room(event: Event) -> object:
    """The team has one more, or somebody of it more capacity."""
    return _drain(TeamMember.objects.filter(pk=event.subject_id).values_list("team_id", flat=True), event)


@after("assignment_queue.created", consumer="assignment.queue_created")
@after("assignment_queue.updated", consumer="assignment.queue_updated")
def begin(event: Event) -> object:
    """What lay in the team waits for somebody from now on."""
    return _drain(AssignmentQueue.objects.filter(pk=event.subject_id).values_list("team_id", flat=True), event)


@after("user.deactivated", consumer="assignment.deactivated")
@after("user.deleted", consumer="assignment.user_deleted")
def take_back(event: Event) -> None:
    """Nobody works on what belongs to somebody who is gone: it goes to others of the team at once.

    Team by team, as every lock of several queues. In a suspended organization the first minute after it is resumed sees to it.
    """
    if not active_among([event.organization_id]):
        return
    gone = Ticket.objects.filter(pk__in=offers.DUE[offers.GONE](timezone.now(), None))
    for ticket_id in gone.order_by("team_id", "priority", "opened_at", "id").values_list("pk", flat=True):
        offers.pass_on(ticket_id, because=offers.GONE, at=timezone.now())


def _drain_teams_of(user_id: UUID, event: Event) -> object:
    teams = TeamMember.objects.filter(user_id=user_id).values("team_id")
    return _drain(AssignmentQueue.objects.filter(team_id__in=teams).values_list("team_id", flat=True), event)


def _drain(team_ids: Iterable[UUID], event: Event) -> object:
    """By id, as every lock of several queues, so that two of these cannot deadlock; AGAIN while one has more to give.

    In a suspended organization nothing is given out: the first minute after it is resumed does all of it.
    """
    if not active_among([event.organization_id]):
        return None
    given = [draining.drain(team_id, at=timezone.now()) for team_id in sorted(set(team_ids))]
    return AGAIN if draining.MOST_GIVEN in given else None
