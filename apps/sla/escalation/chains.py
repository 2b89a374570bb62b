"""How a chain begins on a ticket, when it ends, and who stopped it. Inside the transaction of the fact, under the ticket's lock."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Max

from apps.audit.models import Event
from apps.core import events
from apps.core.actors import Actor, ActorKind
from apps.core.lifecycle import Phase
from apps.organizations.calendars import hours_of
from apps.organizations.models import CalendarVersion
from apps.sla.choices import Begins, Chain, EndReason, RunCause, RunEnd
from apps.sla.clock import reckoned
from apps.sla.conditions import Condition, Facts, trusted
from apps.sla.engine import Change
from apps.sla.events import CHAIN_BEGUN, CHAIN_ENDED
from apps.sla.models import Acknowledgement, EscalationPolicy, EscalationRun
from apps.sla.situation import Situation

PART = "escalation"
OPEN = frozenset({Phase.NEW.value, Phase.OPEN.value, Phase.PENDING.value})
KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Rule:
    """One active policy, compiled."""

    id: UUID
    chain: str
    begins: str
    match: Condition


_rules: dict[UUID, tuple[UUID, tuple[Rule, ...]]] = {}


def platform(organization_id: UUID) -> Actor:
    """By whom steps are taken; what they change does not end their own chain."""
    return Actor.system(organization_id, PART)


def rules(organization_id: UUID, stamp: UUID | None) -> tuple[Rule, ...]:
    """The active policies in their order, kept in the process for as long as the organization's stamp says the same."""
    if stamp is None:
        return ()
    kept = _rules.get(organization_id)
    if kept is not None and kept[0] == stamp:
        return kept[1]
    rows = EscalationPolicy.objects.in_tenant(organization_id).filter(is_active=True).order_by("position", "name")
    found = tuple(Rule(row.pk, row.chain, row.begins, trusted(row.match)) for row in rows)
    if len(_rules) >= KEPT:
        _rules.clear()
    _rules[organization_id] = (stamp, found)
    return found


def follow(event: Event, change: Change, now: Situation) -> None:
    """Begin the chains that a change of a ticket calls for, and end those that it has made pointless."""
    known = rules(now.organization_id, now.stamp)
    if not known and not now.chains and not now.is_acknowledged:
        return
    facts, before = change.after, change.before
    is_open = facts["phase"] in OPEN and change.ends is EndReason.NONE
    is_reopened = before is not None and before["phase"] not in OPEN and is_open
    is_handed_over = before is not None and before["team"] != facts["team"]
    # What a step hands over does not begin again what was for any team: two such chains would play ball with it.
    is_given_up = now.is_acknowledged and _drop(event, now, is_nobodys=is_reopened or is_handed_over)
    is_anew = (
        is_reopened or change.is_back or (is_handed_over and not _is_own(event)) or (is_given_up and not is_handed_over)
    )
    going_on = _end_pointless(event, change, now, known, is_open=is_open)
    if not is_open or (now.is_acknowledged and not is_given_up):
        return
    wanted = [
        rule.id
        for rule in known
        if rule.begins == Begins.UNATTENDED and rule.id not in going_on and _is_called_for(rule, before, facts, is_anew)
    ]
    if _is_own(event):
        wanted = _not_round_again(now.ticket_id, wanted)
    for policy in _policies(wanted):
        begin(policy, event.subject, at=event.at, because=RunCause.MATCHED)


def _drop(event: Event, now: Situation, *, is_nobodys: bool) -> bool:
    """Whoever had it in hand has it no more, where it is nobody's again, or was taken from them or given to somebody else.

    Whether anything was dropped. Who takes it over by themselves goes on having it.
    """
    known = Acknowledgement.objects.filter(ticket_id=now.ticket_id)
    if not is_nobodys and "assignee" not in event.changes:
        return False
    if not is_nobodys and now.owner_id in {
        str(pk) for pk in (event.actor_id, *known.values_list("user_id", flat=True))
    }:
        return False
    return bool(known.delete()[0])


def _not_round_again(ticket_id: UUID, wanted: list[UUID]) -> list[UUID]:
    """What a step's own handing over lets begin: nothing that has run already since a person last had to do with the ticket.

    Circles are refused when policies are saved; this ends one that came to be otherwise.
    """
    runs = EscalationRun.objects.filter(ticket_id=ticket_id, policy_id__in=wanted)
    last: dict[UUID, datetime] = dict(runs.order_by("policy_id").values_list("policy_id").annotate(Max("began_at")))
    if not last:
        return wanted
    by_people = Event.objects.filter(subject_id=ticket_id, actor_kind=ActorKind.USER.value)
    touched_at = by_people.aggregate(at=Max("at"))["at"]
    return [pk for pk in wanted if pk not in last or (touched_at is not None and touched_at > last[pk])]


def _is_called_for(rule: Rule, before: Facts | None, facts: Facts, is_anew: bool) -> bool:
    if not rule.match.holds(facts):
        return False
    return before is None or is_anew or not rule.match.holds(before) or before["phase"] not in OPEN


def _is_own(event: Event) -> bool:
    """Whether a step did it."""
    return event.actor_kind == ActorKind.SYSTEM and event.actor_label == platform(event.organization_id).label


def _policies(ids: list[UUID]) -> Iterable[EscalationPolicy]:
    return EscalationPolicy.objects.filter(pk__in=ids).order_by("position", "name") if ids else ()


def _end_pointless(
    event: Event, change: Change, now: Situation, known: tuple[Rule, ...], *, is_open: bool
) -> frozenset[UUID]:
    """The policies whose chains go on. What a step itself changed, such as the team, ends no chain."""
    if not now.chains:
        return frozenset()
    if not is_open:
        end(live(now.ticket_id), event.subject, RunEnd.FINISHED, at=event.at, actor=platform(now.organization_id))
        return frozenset()
    if _is_own(event) or change.before is None:
        return now.chains
    left = [rule.id for rule in known if rule.match.holds(change.before) and not rule.match.holds(change.after)]
    over = [run for run in live(now.ticket_id) if run.policy_id in left] if left else []
    end(over, event.subject, RunEnd.UNMATCHED, at=event.at, actor=platform(now.organization_id))
    return now.chains - {run.policy_id for run in over}


def live(ticket_id: UUID) -> list[EscalationRun]:
    return list(EscalationRun.objects.filter(ticket_id=ticket_id, ended_at=None).order_by("began_at", "id"))


def begin(
    policy: EscalationPolicy, ticket: Any, *, at: datetime, because: str, is_urgent: bool = False
) -> EscalationRun | None:
    """Let a chain begin at `at` (UTC) on a locked ticket; None where it goes on already. `is_urgent`: without the first wait."""
    mine = EscalationRun.objects.filter(ticket_id=ticket.pk, policy_id=policy.pk)
    if mine.filter(ended_at=None).exists():
        return None
    version = None
    if policy.calendar_id is not None:
        version = CalendarVersion.objects.filter(calendar_id=policy.calendar_id).latest("number")
    minutes = 0 if is_urgent else policy.steps[0]["after_minutes"]
    run: EscalationRun = EscalationRun.objects.create(
        organization_id=policy.organization_id,
        ticket_id=ticket.pk,
        policy=policy,
        sequence=(mine.aggregate(last=Max("sequence"))["last"] or 0) + 1,
        because=because,
        steps=policy.steps,
        calendar_version=version,
        began_at=at,
        next_due_at=later(at, minutes, version),
    )
    events.record(
        CHAIN_BEGUN,
        ticket,
        actor=platform(policy.organization_id),
        at=at,
        policy=str(policy.pk),
        policy_name=policy.name,
        run=str(run.pk),
        because=because,
        next_due_at=run.next_due_at,
    )
    return run


def later(at: datetime, minutes: int, version: CalendarVersion | None) -> datetime:
    """So many open minutes later. No wait is over at once, also while it is closed."""
    if not minutes:
        return at
    if version is None:
        return at + timedelta(minutes=minutes)
    return reckoned(at, minutes * 60, hours_of(version))


def end(runs: Iterable[EscalationRun], ticket: Any, reason: str, *, at: datetime, actor: Actor) -> None:
    """End these runs of one locked ticket, each told once."""
    for run in runs:
        run.ended_at, run.end_reason, run.next_due_at = at, reason, None
        run.save(update_fields=["ended_at", "end_reason", "next_due_at"])
        events.record(
            CHAIN_ENDED,
            ticket,
            actor=actor,
            at=at,
            policy=str(run.policy_id),
            policy_name=run.policy.name,
            run=str(run.pk),
            because=reason,
            steps_taken=run.next_step,
        )


def hurry(ticket: Any, now: Situation, *, at: datetime) -> EscalationRun | None:
    """Somebody escalates by hand: the next step of a hierarchical chain is due at once, whichever goes on or is first to match.

    None where no policy is for this ticket.
    """
    known = [rule for rule in rules(now.organization_id, now.stamp) if rule.chain == Chain.HIERARCHICAL]
    run = next((run for run in live(now.ticket_id) if run.policy_id in {rule.id for rule in known}), None)
    if run is not None:
        if run.next_round and run.next_step + 1 < len(run.steps):
            # Its repetitions are not waited for; those of the last step are all that is left.
            run.next_step, run.next_round = run.next_step + 1, 0
        run.next_due_at = at
        run.save(update_fields=["next_step", "next_round", "next_due_at"])
        return run
    chosen = next((rule.id for rule in known if rule.match.holds(now.facts)), None)
    if chosen is None:
        return None
    return begin(EscalationPolicy.objects.get(pk=chosen), ticket, at=at, because=RunCause.SOMEBODY, is_urgent=True)
