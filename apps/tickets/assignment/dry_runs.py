"""Where the rules would send the newest tickets: worked out as for a new one, and not written."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.core.errors import FieldError, Invalid
from apps.tickets.assignment import configuring, rules
from apps.tickets.assignment.rules import Facts, Rule
from apps.tickets.choices import Destination
from apps.tickets.models import AssignmentRule, Category, Ticket

RESOURCE = "assignment_rules"
USUAL, MOST_TICKETS = 100, 500
DRAFT = "the draft"


@dataclass(frozen=True, slots=True)
class RoutedTicket:
    """One ticket, the team that has it, and where the rules would send it."""

    ticket_id: UUID
    number: str
    title: str
    team_id: UUID | None
    would_be_id: UUID | None
    rule_id: UUID | None
    is_by_draft: bool


@dataclass(frozen=True, slots=True)
class Hits:
    """How many tickets a rule would decide; None is the draft."""

    rule_id: UUID | None
    name: str
    tickets: int


@dataclass(frozen=True, slots=True)
class DryRun:
    """What the rules would do to the newest tickets that the actor sees."""

    results: list[RoutedTicket]
    rules: list[Hits]

    @property
    def looked_at(self) -> int:
        return len(self.results)

    @property
    def unmatched(self) -> int:
        return sum(each.would_be_id is None for each in self.results)

    @property
    def moved(self) -> int:
        return sum(each.would_be_id not in {None, each.team_id} for each in self.results)


def dry_run(*, actor: Actor, draft: Mapping[str, Any] | None = None, limit: int = USUAL) -> DryRun:
    """By the rules in force, and a draft in its place among them. Newest tickets first. Raises Denied, Invalid.

    Eight queries however many tickets: the ticket's own columns stand for what it was when it came.
    """
    require(actor, Action.CONFIGURE, RESOURCE)
    in_force = _rules(draft, actor)
    tickets = list(
        Ticket.objects.visible_to(actor)
        .alive()
        .select_related("requester", "configuration_item__support_team", "service__support_team")
        .order_by("-opened_at", "-id")[:limit]
    )
    tree = dict(Category.objects.values_list("pk", "parent_id"))
    results, hits = [], Counter[UUID | None]()
    for ticket in tickets:
        routed = rules.first(in_force, _facts(ticket, tree))
        if routed is not None:
            hits[routed.rule.id] += 1
        results.append(
            RoutedTicket(
                ticket_id=ticket.pk,
                number=ticket.number,
                title=ticket.title,
                team_id=ticket.team_id,
                would_be_id=routed.team_id if routed else None,
                rule_id=routed.rule.id if routed else None,
                is_by_draft=routed is not None and routed.rule.id is None,
            )
        )
    return DryRun(results, [Hits(rule.id, rule.name, hits[rule.id]) for rule in in_force])


def _rules(draft: Mapping[str, Any] | None, actor: Actor) -> list[Rule]:
    rows = list(AssignmentRule.objects.filter(is_active=True).select_related("team").order_by("position"))
    places: list[tuple[int, Rule]] = [
        (row.position, rule)
        for row, rule in zip(rows, rules.stored(rows), strict=True)
        if (row.team is None or not row.team.is_deleted) and (draft is None or row.pk != draft.get("replaces_id"))
    ]
    if draft is not None:
        places.append((_place(draft), _draft(draft, actor)))
    # A draft in the place of another comes before it.
    return [rule for _, rule in sorted(places, key=lambda each: (each[0], each[1].id is not None))]


def _place(draft: Mapping[str, Any]) -> int:
    """As it says, else of the rule that it replaces, else before all others: so it is seen what it asks for."""
    if draft.get("position") is not None:
        return int(draft["position"])
    replaces = draft.get("replaces_id")
    if replaces is None:
        return -1
    return AssignmentRule.objects.values_list("position", flat=True).get(pk=replaces)


def _draft(draft: Mapping[str, Any], actor: Actor) -> Rule:
    try:
        configuring.refuse_senseless_rule(draft, actor=actor)
    except Invalid as refusal:
        raise Invalid(errors=[_below(error) for error in refusal.errors]) from refusal
    destination = draft.get("destination", Destination.TEAM)
    return Rule(None, DRAFT, draft.get("match", {}), destination, draft.get("team_id"))


def _below(error: FieldError) -> FieldError:
    return FieldError(f"/rule{error.pointer}", error.code, error.detail)


def _facts(ticket: Ticket, tree: Mapping[UUID, UUID | None]) -> Facts:
    person, item, service = ticket.requester, ticket.configuration_item, ticket.service
    beside = {
        "site": _text(person.site_id),
        "department": _text(person.department_id),
        "is_vip": person.is_vip,
        "ci_class": _text(item.ci_class_id) if item else None,
    }
    return Facts(
        {**rules.own(ticket), **beside},
        frozenset(_upwards(ticket.category_id, tree)),
        _team_of(item),
        _team_of(service),
    )


def _upwards(category_id: UUID | None, tree: Mapping[UUID, UUID | None]) -> Sequence[str]:
    above: list[str] = []
    while category_id is not None:
        above.append(str(category_id))
        category_id = tree.get(category_id)
    return above


def _team_of(supported: Any) -> UUID | None:
    team = supported.support_team if supported is not None else None
    return team.pk if team is not None and not team.is_deleted else None


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
