"""Do what a level or a step says, to the ticket and to people. What cannot be done is left out, and said."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core.actors import Actor
from apps.core.errors import DomainError
from apps.organizations.models import Team
from apps.sla.choices import RunCause
from apps.sla.escalation import chains, notices, recipients
from apps.sla.escalation.notices import NOTICE, PAGE, Word
from apps.sla.escalation.recipients import Reached
from apps.sla.models import EscalationPolicy
from apps.tickets import services, verbs, watching
from apps.tickets.models import Ticket, Watcher
from apps.users import rosters
from apps.users.models import OnCallRota, User


class LeftOut(Exception):
    """Nothing is done; the sentence says why."""


@dataclass(slots=True)
class Carried:
    """What was done and what was not, each in a sentence, and whom it reached."""

    done: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    people: dict[UUID, str] = field(default_factory=dict)
    # Teams that it was to be given to and that are not there any more.
    gone: list[str] = field(default_factory=list)
    # Whether people were to hear of it.
    is_meant_for_people: bool = False

    @property
    def is_in_vain(self) -> bool:
        """It was to reach people, reached nobody, and did nothing else."""
        return self.is_meant_for_people and not self.done and not self.people


@dataclass(frozen=True, slots=True)
class Doing:
    """On whose behalf, when, and why."""

    actor: Actor
    at: datetime
    why: str
    # Told to nobody once somebody has the ticket in hand.
    is_of_chain: bool = False
    # From when on people may be told of what is no page.
    not_before: datetime | None = None


def carry_out(pk: UUID, actions: Sequence[Mapping[str, Any]], doing: Doing) -> Carried:
    """Every action in order, in the caller's transaction, which holds the ticket's lock; then everybody is told at once.

    An action of a chain that is refused is undone by itself and left out; of a level it is raised.
    """
    carried = Carried(is_meant_for_people=any(action["do"] in REACHES for action in actions))
    words: dict[UUID, Word] = {}
    for action in actions:
        ticket = services.lock(pk, actor=doing.actor)
        if not ticket.is_open:
            carried.left_out.append(f"{_name(action)}: it is {ticket.status}")
            continue
        do = DO.get(action["do"])
        if do is None:
            carried.left_out.append(f"{_name(action)}: nobody here does that")
            continue
        try:
            with transaction.atomic():
                do(ticket, action, doing, carried, words)
        except LeftOut as reason:
            carried.left_out.append(f"{_name(action)}: {reason}")
        except DomainError as refusal:
            if not doing.is_of_chain:
                # A level is delivered, and so tried again; a step is not.
                raise
            carried.left_out.append(f"{_name(action)}: {_words(refusal)}")
    if words:
        ticket = services.lock(pk, actor=doing.actor)
        now = notices.tell(ticket, words, at=doing.at, actor=doing.actor)
        carried.people = {user_id: word.how for user_id, word in words.items()}
        if len(now) < len(words):
            carried.left_out.append(f"{len(words) - len(now)} of {len(words)} people hear of it with their next notice")
    return carried


def _name(action: Mapping[str, Any]) -> str:
    return str(action["do"]).replace("_", " ")


def _words(refusal: DomainError) -> str:
    return refusal.errors[0].detail if refusal.errors else refusal.detail


def _tell(ticket: Ticket, action: Mapping[str, Any], doing: Doing, carried: Carried, words: dict[UUID, Word]) -> None:
    """Whoever is paged is not notified beside."""
    found, how = REACHES[action["do"]](ticket, action, doing.at)
    carried.left_out += found.because
    if not found.people:
        raise LeftOut("there is nobody to tell")
    not_before = None if how == PAGE else doing.not_before
    for user_id in found.people:
        if how == PAGE or user_id not in words:
            words[user_id] = Word(how, doing.why, doing.is_of_chain, not_before)


def _notified(ticket: Ticket, action: Mapping[str, Any], at: datetime) -> tuple[Reached, str]:
    return recipients.find(action["to"], ticket, at=at), NOTICE


def _paged(ticket: Ticket, action: Mapping[str, Any], at: datetime) -> tuple[Reached, str]:
    """Who is on call for the rota that is named, else for the ticket's team; the team's lead where nobody is."""
    rota_id, layer = action.get("rota"), action.get("layer")
    if rota_id is None and layer is None:
        return recipients.find(["on_call"], ticket, at=at), PAGE
    found = list(OnCallRota.objects.filter(pk=rota_id)) if rota_id is not None else rosters.of_team(ticket.team_id)
    called = recipients.first_on_call(found, at=at, layer=layer if rota_id is None else None)
    reached = Reached(dict.fromkeys(called, "on_call"))
    if not called:
        is_gone = rota_id is not None and not found
        reached.because.append(("the rota is gone" if is_gone else "nobody is on call") + "; the team lead instead")
        reached.take(recipients.find(["team_lead"], ticket, at=at))
    return reached, PAGE


# Whom an action reaches, and how.
REACHES: Mapping[str, Callable[[Ticket, Mapping[str, Any], datetime], tuple[Reached, str]]] = {
    "notify": _notified,
    "page": _paged,
}


def _watch(ticket: Ticket, action: Mapping[str, Any], doing: Doing, carried: Carried, words: dict[UUID, Word]) -> None:
    found = recipients.find(action["to"], ticket, at=doing.at)
    known = set(Watcher.objects.filter(ticket_id=ticket.pk).values_list("user_id", flat=True))
    new = [user_id for user_id in found.people if user_id not in known]
    if not new:
        raise LeftOut("; ".join(found.because) or "they watch it already")
    for user_id in new:
        watching.watch(ticket, actor=doing.actor, at=doing.at, user_id=user_id)
    names = ", ".join(User.objects.filter(pk__in=new).order_by("full_name").values_list("full_name", flat=True))
    carried.done.append(f"made {names} a watcher" if len(new) == 1 else f"made {names} watchers")


def _reassign(
    ticket: Ticket, action: Mapping[str, Any], doing: Doing, carried: Carried, words: dict[UUID, Word]
) -> None:
    team_id = UUID(action["team"])
    if ticket.team_id == team_id:
        raise LeftOut("that team has it")
    if not Team.objects.alive().filter(pk=team_id).exists():
        carried.gone.append(action["team"])
        raise LeftOut("the team is gone")
    given: dict[str, Any] = {"to": "functional", "team_id": team_id, "reason": doing.why}
    after = verbs.do(ticket, "escalate", actor=doing.actor, at=doing.at, **given)
    carried.done.append(f"gave it to {after.team}")


def _raise_priority(
    ticket: Ticket, action: Mapping[str, Any], doing: Doing, carried: Carried, words: dict[UUID, Word]
) -> None:
    """By one, never above the highest."""
    if ticket.priority <= 1:
        raise LeftOut("it is the highest already")
    wanted = ticket.priority - 1
    verbs.do(ticket, "override-priority", actor=doing.actor, at=doing.at, priority=wanted, reason=doing.why)
    carried.done.append(f"raised the priority to {wanted}")


def _escalate(
    ticket: Ticket, action: Mapping[str, Any], doing: Doing, carried: Carried, words: dict[UUID, Word]
) -> None:
    policy = EscalationPolicy.objects.filter(pk=action["policy"], is_active=True).first()
    if policy is None:
        raise LeftOut("the policy is gone or switched off")
    because = RunCause.STEP if doing.is_of_chain else RunCause.LEVEL
    if chains.begin(policy, ticket, at=doing.at, because=because) is None:
        raise LeftOut(f"{policy} goes on already")
    carried.done.append(f"let {policy} begin")


Do = Callable[[Ticket, Mapping[str, Any], Doing, Carried, dict[UUID, Word]], None]
DO: Mapping[str, Do] = {
    "notify": _tell,
    "page": _tell,
    "watch": _watch,
    "reassign": _reassign,
    "raise_priority": _raise_priority,
    "escalate": _escalate,
}
