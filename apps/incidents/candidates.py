"""Candidates by rule: incidents that the platform proposes as major ones. Off until an organization switches a rule on.

Rules are asked in their order and the first that holds decides. Children are never proposed, nor what somebody decided about
before: a rejected or demoted one is for people to propose again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count

from apps.core import records, turns
from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.core.errors import FieldError, Invalid, NotFound
from apps.incidents import major
from apps.incidents import services as incidents
from apps.incidents.lifecycle import MAJOR
from apps.incidents.models import Incident, MajorRule
from apps.sla import situation
from apps.sla.conditions import Condition, parse, trusted
from apps.tickets import services
from apps.tickets.choices import Kind, MajorStatus
from apps.tickets.models import Ticket

# Who configures what is grave: as the matrix.
RESOURCE = "matrix"
LAST_POSITION, STEP = 2_147_483_647, 10
# What a rule may read of an incident, and what changes with the work on it and says nothing about how grave it is.
UNREAD = frozenset({"kind", "message", "is_major"})
# A change of one of these may make a rule hold that did not.
READ = frozenset(
    {"priority", "impact", "urgency", "service", "category", "configuration_item", "team", "requester", "source"}
)
USUAL_TRIAL, MOST_TRIED = 200, 500
PEOPLE = ("commander_id", "communications_lead_id")
WRITTEN = ("match", "more_children_than", "proposes", *PEOPLE)


# --- what an organization sets up


def create(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> MajorRule:
    """A rule at its position, or behind all others. Raises Denied, Invalid; a position that is taken is a 409."""
    require(actor, Action.CONFIGURE, RESOURCE)
    given = {"match": [{}], "is_active": False, "proposes": True, **values}
    if given.get("position") is None:
        turns.take(f"major_rules:{actor.organization_id}")
        last = MajorRule.objects.order_by("-position").values_list("position", flat=True).first()
        given["position"] = min((last or 0) + STEP, LAST_POSITION)
    _refuse_senseless(given)
    return records.create(MajorRule, actor=actor, at=at, values=given)


def change(rule: MajorRule, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> MajorRule:
    """Change a locked rule; what was proposed by it stays proposed. Raises Denied, Invalid."""
    require(actor, Action.CONFIGURE, RESOURCE)
    _refuse_senseless({name: getattr(rule, name) for name in WRITTEN} | dict(values), before=rule)
    return records.change(rule, actor=actor, at=at, values=values)


def _refuse_senseless(given: Mapping[str, Any], *, before: MajorRule | None = None) -> None:
    """Raises Invalid with all that is wrong."""
    errors: list[FieldError] = []
    try:
        condition = parse(given["match"], pointer="/match")
    except Invalid as invalid:
        raise Invalid(errors=invalid.errors) from None
    for place, clause in enumerate(condition.clauses):
        errors += [
            FieldError(f"/match/{place}/{name}", "unknown_field", "A rule does not read this of an incident.")
            for name in sorted(UNREAD & clause.keys())
        ]
    is_about_all = any(not clause for clause in condition.clauses)
    if condition.is_never:
        errors.append(FieldError("/match", "required", "It holds for no incident; accepted: at least one clause."))
    elif is_about_all and given.get("more_children_than") is None and given.get("proposes", True):
        detail = "It would propose every incident; accepted: a condition, or a number of children."
        errors.append(FieldError("/match", "matches_everything", detail))
    for name in PEOPLE:
        if given.get(name) is not None and given[name] != getattr(before, name, None):
            try:
                services.refuse_unassignable(given[name], pointer=f"/{name.removesuffix('_id')}")
            except Invalid as invalid:
                errors += invalid.errors
    if errors:
        raise Invalid(errors=errors)


# --- what they do


@dataclass(frozen=True, slots=True)
class _Rule:
    rule: MajorRule
    match: Condition

    def holds(self, facts: Mapping[str, Any], children: int) -> bool:
        least = self.rule.more_children_than
        return (least is None or children > least) and self.match.holds(facts)


def in_force() -> list[_Rule]:
    rules = MajorRule.objects.filter(is_active=True).order_by("position")
    return [_Rule(rule, trusted(rule.match)) for rule in rules]


def consider(incident_id: UUID, organization_id: UUID, *, at: datetime) -> MajorRule | None:
    """Propose it at `at` (UTC) if the rules say so, in the caller's transaction. Returns the rule that proposed it."""
    rules = in_force()
    if not rules:
        return None
    actor = Actor.system(organization_id, "incidents")
    try:
        locked = incidents.lock(incident_id, actor=actor)
    except NotFound:
        return None
    if locked.major_status != MajorStatus.NONE or "propose" not in MAJOR.allowed(locked, actor=actor, at=at):
        return None
    children = _children([incident_id], rules).get(incident_id, 0)
    rule = first(rules, situation.read(organization_id, incident_id).facts, children)
    if rule is None or not rule.proposes:
        return None
    lead = {name: getattr(rule, name) for name in major.LEAD}
    for name in PEOPLE:
        lead[name] = _who_may(locked, lead[name], actor=actor, at=at)
    reason = f"Rule {rule.name}"
    told: dict[str, Any] = {"rule": str(rule.pk), "rule_name": rule.name}
    major.move(locked, "propose", past="major_proposed", actor=actor, at=at, reason=reason, own=lead, **told)
    return rule


def first(rules: Sequence[_Rule], facts: Mapping[str, Any], children: int) -> MajorRule | None:
    """The rule that decides; what it says may be to propose nothing."""
    return next((each.rule for each in rules if each.holds(facts, children)), None)


def _children(incident_ids: Sequence[UUID], rules: Sequence[_Rule]) -> dict[UUID | None, int]:
    """How many open ones each has that has any; counted only where a rule asks."""
    if all(each.rule.more_children_than is None for each in rules):
        return {}
    found = Ticket.objects.of_kind(Kind.INCIDENT).alive().open().filter(parent_id__in=incident_ids)
    return dict(found.order_by().values_list("parent_id").annotate(children=Count("pk")))


def _who_may(locked: Incident, user_id: UUID | None, *, actor: Actor, at: datetime) -> UUID | None:
    """A rule outlives people and their rights, and is about incidents of all teams; who accepts names somebody else."""
    if user_id is None:
        return None
    try:
        major.refuse_unfit(locked, user_id, actor=actor, at=at, pointer="")
    except Invalid:
        return None
    return user_id


# --- what they would do


@dataclass(frozen=True, slots=True)
class Hit:
    """What the rules say of one open incident."""

    ticket: Ticket
    rule: MajorRule


def try_out(*, actor: Actor, limit: int = USUAL_TRIAL, only: MajorRule | None = None) -> tuple[int, list[Hit]]:
    """How many of the newest open incidents that the actor sees were looked at, and which of them the rules would decide about.

    With `only`, that rule alone is asked, in force or not. As many queries for many as for one; nothing is written.
    """
    rules = in_force() if only is None else [_Rule(only, trusted(only.match))]
    opened = Ticket.objects.visible_to(actor).of_kind(Kind.INCIDENT).alive().open()
    candidates = opened.filter(parent=None, major_status=MajorStatus.NONE).order_by("-opened_at", "-id")
    tickets = list(candidates[:limit])
    ids = [ticket.pk for ticket in tickets]
    facts, children = situation.facts_of(actor.organization_id, ids), _children(ids, rules)
    decided = [(ticket, first(rules, facts[ticket.pk], children.get(ticket.pk, 0))) for ticket in tickets]
    return len(tickets), [Hit(ticket, rule) for ticket, rule in decided if rule is not None]


def may_decide(event: Any) -> bool:
    """Whether this change of an incident may make a rule hold that did not."""
    return not event.is_historic and bool(READ & event.changes.keys())
