"""Verbs on escalation policies. What would climb in a circle, or names what is not there, is refused with the reason."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import records, turns
from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.core.errors import Conflict, DomainError, FieldError, Invalid
from apps.organizations.models import Team
from apps.sla import policies as promises
from apps.sla.choices import Begins, Chain, VersionState
from apps.sla.conditions import parse
from apps.sla.escalation import actions, circles
from apps.sla.models import EscalationPolicy, Level

RESOURCE = "sla"
MOST_STEPS, MOST_MINUTES, MOST_REPEATS = 20, 43_200, 20
STEP = ("after_minutes", "actions", "repeats", "repeat_minutes")
WRITTEN = ("name", "chain", "begins", "match", "steps", "is_active")


class EscalationCircle(DomainError):
    """A ticket would be handed around for ever."""

    status = 422
    code = "escalation_circle"
    title = "These chains would go in a circle"


def create(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> EscalationPolicy:
    """A chain, in force from now on. Raises Denied, Invalid, EscalationCircle."""
    require(actor, Action.CONFIGURE, RESOURCE)
    given = {"match": [{}], "begins": Begins.UNATTENDED, "is_active": True, **values}
    _refuse_senseless(given, None, actor)
    promises.settings(actor.organization_id, at=at)
    policy = records.create(EscalationPolicy, actor=actor, at=at, values=given)
    promises.restamp(actor.organization_id)
    return policy


def change(policy: EscalationPolicy, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> EscalationPolicy:
    """Change a locked policy. Chains that have begun keep their steps; of one that is switched off they end.

    Raises Denied, Invalid, EscalationCircle.
    """
    require(actor, Action.CONFIGURE, RESOURCE)
    _refuse_senseless({name: getattr(policy, name) for name in WRITTEN} | dict(values), policy.pk, actor)
    before = policy.version
    changed = records.change(policy, actor=actor, at=at, values=values)
    if changed.version != before:
        promises.restamp(actor.organization_id)
    return changed


def delete(policy: EscalationPolicy, *, actor: Actor, at: datetime) -> None:
    """Really delete a locked policy. Raises Denied, Conflict while a policy or level leads to it, StillReferenced once begun."""
    require(actor, Action.CONFIGURE, RESOURCE)
    others = EscalationPolicy.objects.exclude(pk=policy.pk)
    leading = {other.name for other in others if policy.pk in circles.leads_to(other.steps)} | _levels_naming(policy.pk)
    if leading:
        raise Conflict(f"Still led to by {', '.join(sorted(leading))}.", code="still_referenced")
    records.delete(policy, actor=actor, at=at)
    promises.restamp(actor.organization_id)


def _levels_naming(pk: UUID) -> set[str]:
    """The policies of service levels of which a level, published or in a draft, lets this one begin."""
    levels = Level.objects.filter(
        version__state__in=(VersionState.DRAFT, VersionState.PUBLISHED),
        actions__contains=[{"do": "escalate", "policy": str(pk)}],
    )
    return set(levels.values_list("version__policy__name", flat=True))


def _refuse_senseless(given: Mapping[str, Any], pk: UUID | None, actor: Actor) -> None:
    errors = check(given)
    if not errors:
        errors = actions.missing([*_placed(given["steps"])])
    if errors:
        raise Invalid(errors=errors)
    # Two saves that each close half of a circle must not both find the other half missing.
    turns.take(f"escalation_policies:{actor.organization_id}")
    if given["is_active"]:
        _refuse_circle(given, pk)


def _placed(steps: Sequence[Mapping[str, Any]]) -> Iterable[actions.Placed]:
    for place, step in enumerate(steps):
        for number, action in enumerate(step["actions"]):
            yield f"/steps/{place}/actions/{number}", action


def check(given: Mapping[str, Any]) -> list[FieldError]:
    """All that is wrong with the shape of a policy."""
    errors: list[FieldError] = []
    try:
        parse(given["match"], pointer="/match")
    except Invalid as invalid:
        errors += invalid.errors
    steps = given.get("steps")
    if not isinstance(steps, list) or not 1 <= len(steps) <= MOST_STEPS:
        errors.append(FieldError("/steps", "required", f"Accepted: a list of 1 to {MOST_STEPS} steps."))
        return errors
    for place, step in enumerate(steps):
        _check_step(step, f"/steps/{place}", given["chain"], errors)
    return errors


def _check_step(step: Any, pointer: str, chain: str, errors: list[FieldError]) -> None:
    if not isinstance(step, dict):
        errors.append(FieldError(pointer, "invalid", "Accepted: an object."))
        return
    for name in step:
        if name not in STEP:
            errors.append(FieldError(f"{pointer}/{name}", "unknown_field", f"Accepted: {', '.join(STEP)}."))
    _whole(step, "after_minutes", (0, MOST_MINUTES), pointer, errors)
    if "repeats" in step:
        _whole(step, "repeats", (0, MOST_REPEATS), pointer, errors)
    if step.get("repeats") or "repeat_minutes" in step:
        _whole(step, "repeat_minutes", (1, MOST_MINUTES), pointer, errors)
    before = len(errors)
    actions.check(step.get("actions"), f"{pointer}/actions", errors)
    if len(errors) > before:
        return
    if not step["actions"]:
        errors.append(FieldError(f"{pointer}/actions", "required", "Accepted: at least one action."))
    given_on = [action for action in step["actions"] if action["do"] == "reassign"]
    if chain == Chain.FUNCTIONAL and len(given_on) != 1:
        detail = "A step of a functional chain gives the ticket to one team; accepted: one reassign."
        errors.append(FieldError(f"{pointer}/actions", "no_team", detail))
    if chain == Chain.HIERARCHICAL and given_on:
        detail = "A hierarchical chain leaves the ticket with its team; accepted: a functional chain for that."
        errors.append(FieldError(f"{pointer}/actions", "gives_away", detail))


def _whole(step: Mapping[str, Any], name: str, bounds: tuple[int, int], pointer: str, errors: list[FieldError]) -> None:
    value, (low, high) = step.get(name), bounds
    if type(value) is not int or not low <= value <= high:
        errors.append(
            FieldError(f"{pointer}/{name}", "out_of_range", f"Accepted: a whole number from {low} to {high}.")
        )


def _refuse_circle(given: Mapping[str, Any], pk: UUID | None) -> None:
    others = EscalationPolicy.objects.filter(is_active=True)
    known = [(each.name, each.chain, each.match, each.steps, each.pk) for each in others if each.pk != pk]
    mine = (str(given.get("name", "this policy")), given["chain"], given["match"], given["steps"], pk)
    teams = circles.first([*circles.hand_overs([each[1:4] for each in (*known, mine)])])
    if teams:
        names = dict(Team.objects.filter(pk__in=teams).values_list("pk", "name"))
        way = " → ".join(names.get(each, str(each)) for each in teams)
        raise EscalationCircle(
            f"The ticket would go from team to team for ever: {way}. Accepted: chains that come to an end.",
            circle=[str(each) for each in teams],
        )
    edges = [(source, to) for *_, steps, source in (*known, mine) if source for to in circles.leads_to(steps)]
    policies = circles.first(edges)
    if policies:
        titles = {each[-1]: each[0] for each in (*known, mine)}
        way = " → ".join(titles.get(each, str(each)) for each in policies)
        raise EscalationCircle(
            f"These policies lead to one another for ever: {way}. Accepted: chains that come to an end.",
            circle=[str(each) for each in policies],
        )
