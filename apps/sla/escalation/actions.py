"""What a level of a timer and a step of a chain may do: one vocabulary, checked by its shape and by what it names.

`[{"do": "notify", "to": ["assignee"]}, {"do": "page", "rota"?, "layer"?}, {"do": "watch", "to": […]}, {"do": "reassign", "team"},
{"do": "raise_priority"}, {"do": "escalate", "policy"}]`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apps.core.errors import FieldError
from apps.organizations.models import Team
from apps.sla.conditions import is_id
from apps.sla.models import EscalationPolicy
from apps.users.models import OnCallRota

MOST_ACTIONS, MOST_LAYERS = 10, 9
# What each action must be told, and what it may be told.
ACTIONS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "notify": (("to",), ()),
    "page": ((), ("rota", "layer")),
    "watch": (("to",), ()),
    "reassign": (("team",), ()),
    "raise_priority": ((), ()),
    "escalate": (("policy",), ()),
}
# What is to be done one day, and why not yet.
NOT_YET: Mapping[str, str] = {"run_workflow": "There are no workflows to run yet."}
RECIPIENTS = (
    "assignee", "team", "team_lead", "department_head", "manager", "on_call", "requester", "watchers",
)  # fmt: skip
# By what is named: where it must be found.
NAMED: Mapping[str, Any] = {"team": Team, "rota": OnCallRota, "policy": EscalationPolicy}
# An action of a draft or a policy, with the place where it stands.
Placed = tuple[str, Mapping[str, Any]]


def check(data: Any, pointer: str, errors: list[FieldError]) -> None:
    """Add everything that is wrong with the shape of a list of actions."""
    if not isinstance(data, list) or len(data) > MOST_ACTIONS:
        errors.append(FieldError(pointer, "invalid", f"Accepted: a list of at most {MOST_ACTIONS} actions."))
        return
    for place, action in enumerate(data):
        errors += _action(action, f"{pointer}/{place}")


def _action(data: Any, pointer: str) -> Iterable[FieldError]:
    if not isinstance(data, dict) or not isinstance(data.get("do"), str) or data["do"] not in ACTIONS:
        done = str(data.get("do")) if isinstance(data, dict) else ""
        code = "not_available" if done in NOT_YET else "invalid_choice"
        yield FieldError(f"{pointer}/do", code, f"{NOT_YET.get(done, '')} Accepted: {', '.join(ACTIONS)}.".strip())
        return
    required, optional = ACTIONS[data["do"]]
    accepted = ("do", *required, *optional)
    for name in data:
        if name not in accepted:
            yield FieldError(f"{pointer}/{name}", "unknown_field", f"Accepted: {', '.join(accepted)}.")
    for name in (*required, *(name for name in optional if data.get(name) is not None)):
        detail = _fault(name, data.get(name))
        if detail:
            yield FieldError(f"{pointer}/{name}", "invalid", f"Accepted: {detail}.")


def _fault(name: str, value: Any) -> str:
    """What is accepted in its place; empty where it is right."""
    if name == "to":
        is_right = isinstance(value, list) and bool(value) and all(each in RECIPIENTS for each in value)
        return "" if is_right else f"a list of {', '.join(RECIPIENTS)}"
    if name == "layer":
        return "" if type(value) is int and 1 <= value <= MOST_LAYERS else f"a whole number from 1 to {MOST_LAYERS}"
    return "" if is_id(value) else "an id"


def missing(placed: Sequence[Placed]) -> list[FieldError]:
    """What actions of the right shape name and the tenant in force does not have: a team, a rota, a policy."""
    errors = []
    for name, model in NAMED.items():
        wanted = {f"{pointer}/{name}": action[name] for pointer, action in placed if is_id(action.get(name))}
        if not wanted:
            continue
        rows = model.objects.alive() if model is Team else model.objects.all()
        there = {str(pk) for pk in rows.filter(pk__in=set(wanted.values())).values_list("pk", flat=True)}
        errors += [
            FieldError(pointer, "does_not_exist", f"{value} does not exist.")
            for pointer, value in wanted.items()
            if value not in there
        ]
    return errors
