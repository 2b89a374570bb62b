"""What the requester's own words do to a ticket that waits for them, or that seemed to be over. Machines' words do nothing."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from apps.audit.models import Event
from apps.core import events
from apps.core.actors import Actor, ActorKind
from apps.core.lifecycle import Phase
from apps.tickets import following, kinds, reopening, services
from apps.tickets.choices import HoldReason, ResolutionCode
from apps.tickets.closing import terms
from apps.tickets.closing.words import NO_OBJECTION
from apps.tickets.models import Attachment, Comment, Ticket

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


@dataclass(frozen=True, slots=True)
class Answer:
    """What the requester said: `pk` is that of the comment, or of a file that came alone, which tells in `body` where it lies."""

    pk: UUID
    by: UUID | None
    body: str
    is_file: bool = False

    @classmethod
    def of(cls, comment: Comment) -> "Answer":
        return cls(comment.pk, comment.author_id, comment.body)

    @classmethod
    def in_file(cls, attachment: Attachment, number: str) -> "Answer":
        return cls(attachment.pk, attachment.uploaded_by_id, f"Sent a file on {number}.", is_file=True)


def hear(locked: Ticket, answer: Answer, *, at: datetime) -> Ticket | None:
    """The requester said something publicly, by themselves, on the locked ticket: it goes on, opens again, or is followed up.

    Returns the ticket that follows it up already, where whoever calls has to say it too.
    """
    platform, because = Actor.system(locked.organization_id, PART), str(answer.pk)
    if locked.hold_reason == HoldReason.AWAITING_REQUESTER:
        services.transition(locked, "resume", event="resumed", actor=platform, at=at, because=because)
    elif _reopens(locked, answer, at):
        reopen(locked, at=at, reason="", because=because)
    elif _is_too_late(locked, answer, at):
        open_one = following.open_one(locked)
        if open_one is not None:
            return open_one
        following.answer(locked, actor=platform, at=at, description=answer.body, because=because)
    return None


def reopen(locked: Ticket, *, at: datetime, reason: str, **told: str) -> Ticket:
    """By the platform, in answer to the requester's words."""
    platform = Actor.system(locked.organization_id, PART)
    step = services.check(locked, "reopen", actor=platform, at=at, given={"reason": reason or told["because"]})
    return reopening.reopen(locked, step, actor=platform, at=at, reason=reason, **told)


def _reopens(locked: Ticket, answer: Answer, at: datetime) -> bool:
    if events.is_historic() or locked.is_major or _is_own_work(locked, answer):
        return False
    if "reopen" not in kinds.get(locked.kind).lifecycle.transitions:
        return False
    if locked.phase != Phase.RESOLVED and (_is_for_good(locked, at) or not was_on_the_way(locked, at=at)):
        return False
    if locked.phase == Phase.RESOLVED and locked.resolution_code == ResolutionCode.NO_RESOLUTION_PROVIDED:
        # It was resolved for want of these words.
        return True
    return terms.current().reply_reopens and not _says_nothing(answer)


def _is_too_late(locked: Ticket, answer: Answer, at: datetime) -> bool:
    """Nobody can reopen it any more, so whoever reads the words reads them on another ticket."""
    if events.is_historic() or _is_own_work(locked, answer):
        return False
    return _is_for_good(locked, at) and not _says_nothing(answer)


def _is_for_good(locked: Ticket, at: datetime) -> bool:
    if locked.phase != Phase.CLOSED or locked.closed_at is None:
        return False
    return terms.current().why_closed_for_good(locked.closed_at, at, locked.kind) is not None


def _is_own_work(locked: Ticket, answer: Answer) -> bool:
    """Who works on what they asked for themselves has verbs for that."""
    return locked.assignee_id is not None and locked.assignee_id == answer.by


def _says_nothing(answer: Answer) -> bool:
    """Nothing but thanks, where the organization does not want to hear it."""
    return terms.current().ignores_thanks and not answer.is_file and is_only_thanks(answer.body)


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
