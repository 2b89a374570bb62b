"""What the requester's own words do to a ticket that waits for them, or that seemed to be over. Machines' words do nothing."""

import re
from datetime import datetime, timedelta

from apps.audit.models import Event
from apps.core import events
from apps.core.actors import Actor, ActorKind
from apps.core.lifecycle import Phase
from apps.tickets import kinds, reopening, services
from apps.tickets.choices import HoldReason, ResolutionCode
from apps.tickets.closing import terms
from apps.tickets.closing.words import NO_OBJECTION
from apps.tickets.models import Comment, Ticket

PART = "tickets"
# Whoever writes while the platform closes it could not know: their words were on the way.
ON_THE_WAY = timedelta(minutes=1)
# Thanks and nothing else: a question mark, a number or a negation makes it more than that.
MOST_THANKS = 80
THANKS = re.compile(
    r"\b(thanks?|thank you|thx|ty|cheers|danke|vielen dank|merci|gracias|obrigad[oa]|grazie|bedankt)\b", re.I
)
BEYOND_THANKS = re.compile(
    r"[?\d]|\b(not?|n't|nothing|but|still|again|however|nicht|kein\w*|aber|noch|wieder|pas|mais|encore|pero|todav\w*|aun|n[aã]o|mas|ainda"
    r"|non|ma|ancora|niet|maar|nog)\b|n't",
    re.I,
)


def hear(locked: Ticket, comment: Comment, *, at: datetime) -> None:
    """The requester said something publicly, by themselves, on the locked ticket: it goes on, or opens again."""
    if locked.hold_reason == HoldReason.AWAITING_REQUESTER:
        platform = Actor.system(locked.organization_id, PART)
        services.transition(locked, "resume", event="resumed", actor=platform, at=at, because=str(comment.pk))
    elif _reopens(locked, comment, at):
        reopen(locked, at=at, reason="", because=str(comment.pk))


def reopen(locked: Ticket, *, at: datetime, reason: str, **told: str) -> Ticket:
    """By the platform, in answer to the requester's words."""
    platform = Actor.system(locked.organization_id, PART)
    step = services.check(locked, "reopen", actor=platform, at=at, given={"reason": reason or told["because"]})
    return reopening.reopen(locked, step, actor=platform, at=at, reason=reason, **told)


def _reopens(locked: Ticket, comment: Comment, at: datetime) -> bool:
    is_own_work = locked.assignee_id is not None and locked.assignee_id == comment.author_id
    if events.is_historic() or locked.is_major or is_own_work:
        return False
    if "reopen" not in kinds.get(locked.kind).lifecycle.transitions:
        return False
    if locked.phase != Phase.RESOLVED and not was_on_the_way(locked, at=at):
        return False
    if locked.phase == Phase.RESOLVED and locked.resolution_code == ResolutionCode.NO_RESOLUTION_PROVIDED:
        # It was resolved for want of these words.
        return True
    now = terms.current()
    return now.reply_reopens and not (now.ignores_thanks and is_only_thanks(comment.body))


def was_on_the_way(locked: Ticket, *, at: datetime) -> bool:
    """Whether the platform closed the ticket by itself while somebody was already saying that it is not solved, at `at` (UTC)."""
    if locked.phase != Phase.CLOSED or locked.closed_at is None or at > locked.closed_at + ON_THE_WAY:
        return False
    closings = Event.objects.filter(subject_id=locked.pk, name=f"{locked.kind}.closed").order_by("-at", "-id")
    last = closings.only("actor_kind", "data").first()
    return last is not None and last.actor_kind == ActorKind.SYSTEM and last.data.get("because") == NO_OBJECTION


def is_only_thanks(body: str) -> bool:
    """A short text that thanks and says nothing else that a person would have to read."""
    return len(body) <= MOST_THANKS and THANKS.search(body) is not None and BEYOND_THANKS.search(body) is None
