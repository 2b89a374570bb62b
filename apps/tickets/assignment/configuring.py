"""What an organization sets up: rules and queues, checked as a whole before they are written."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from apps.core import records
from apps.core.actors import Actor
from apps.core.errors import FieldError, Invalid
from apps.organizations.models import Team
from apps.tickets.assignment import rules
from apps.tickets.choices import Destination, Priority
from apps.tickets.models import AssignmentQueue, AssignmentRule

# A week.
MOST_MINUTES = 10_080
LAST_POSITION = 2_147_483_647
ASKED = frozenset({"match", "skills", "team_id"})


def create_rule(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> AssignmentRule:
    """A rule at its position, or behind all others where none is given. Raises Invalid; a position that is taken is a 409."""
    given = dict(values)
    if given.get("position") is None:
        last = AssignmentRule.objects.order_by("-position").values_list("position", flat=True).first()
        given["position"] = min((last or 0) + 10, LAST_POSITION)
    refuse_senseless_rule(given, actor=actor)
    return records.create(AssignmentRule, actor=actor, at=at, values=given)


def change_rule(rule: AssignmentRule, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> AssignmentRule:
    """Change a locked rule. Raises Invalid. Tickets that it placed stay where they are.

    What stays as it is may outlive what it names, until the rule is switched on again.
    """
    is_switched_on = values.get("is_active", False) and not rule.is_active
    before = {name: getattr(rule, name) for name in ("match", "destination", "team_id", "skills")}
    changed = {name for name, value in before.items() if is_switched_on or values.get(name, value) != value}
    if changed:
        refuse_senseless_rule({**before, **values}, actor=actor, changed=changed)
    return records.change(rule, actor=actor, at=at, values=values)


def refuse_senseless_rule(values: Mapping[str, Any], *, actor: Actor, changed: Collection[str] = ASKED) -> None:
    """Raises Invalid with all that is wrong: a rule leads somewhere, and asks for what there is.

    Only what is `changed` has to be there.
    """
    match = values.get("match", {}) if "match" in changed else {}
    skills = values.get("skills", []) if "skills" in changed else []
    errors = rules.faults(match, skills, actor=actor)
    destination, team_id = values.get("destination", Destination.TEAM), values.get("team_id")
    if destination == Destination.TEAM and team_id is None:
        detail = "A rule leads to a team; accepted: the id of one, or another destination."
        errors.append(FieldError("/team", "required", detail))
    if destination != Destination.TEAM and team_id is not None:
        detail = f"Whoever supports the {destination.replace('_', ' ')} gets it; accepted: null."
        errors.append(FieldError("/team", "invalid", detail))
    errors += _gone(team_id) if "team_id" in changed else []
    if errors:
        raise Invalid(errors=errors)


def create_queue(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> AssignmentQueue:
    """Let a team's work be given out by itself. Raises Invalid; a second queue of one team is a 409."""
    _refuse_senseless_queue(values, team_id=values["team_id"])
    return records.create(AssignmentQueue, actor=actor, at=at, values=values)


def change_queue(queue: AssignmentQueue, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> AssignmentQueue:
    """Change a locked queue. Raises Invalid, also for another team."""
    if values.get("team_id", queue.team_id) != queue.team_id:
        detail = "A queue stays its team's; accepted: a queue of its own for the other one."
        raise Invalid(errors=[FieldError("/team", "immutable", detail)])
    _refuse_senseless_queue(values, team_id=None)
    return records.change(queue, actor=actor, at=at, values=values)


def _refuse_senseless_queue(values: Mapping[str, Any], *, team_id: Any) -> None:
    errors = _gone(team_id) + (wrong_minutes(values["accept_minutes"]) if "accept_minutes" in values else [])
    if errors:
        raise Invalid(errors=errors)


def _gone(team_id: Any) -> list[FieldError]:
    if team_id is None or Team.objects.alive().filter(pk=team_id).exists():
        return []
    return [FieldError("/team", "deleted", "It is deleted; accepted: a team that is there.")]


def wrong_minutes(minutes: Any) -> list[FieldError]:
    """What is wrong with the times to accept."""
    if not isinstance(minutes, dict):
        detail = 'Not an object; accepted: minutes by priority, such as {"1": 5, "2": 15}.'
        return [FieldError("/accept_minutes", "invalid", detail)]
    priorities = {str(priority) for priority in Priority.values}
    wrong = []
    for priority, value in minutes.items():
        pointer = f"/accept_minutes/{priority}"
        if priority not in priorities:
            detail = f"Not a priority; accepted: {', '.join(sorted(priorities))}."
            wrong.append(FieldError(pointer, "invalid_choice", detail))
        elif type(value) is not int or not 1 <= value <= MOST_MINUTES:
            wrong.append(FieldError(pointer, "out_of_range", f"Out of range; accepted: 1 to {MOST_MINUTES} minutes."))
    return wrong
