"""Verbs on planned absences: everybody plans their own; who may change somebody's membership plans for them too."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import records
from apps.core.actors import Actor
from apps.core.authorization import Action, may, require, within_reach
from apps.core.errors import Conflict, FieldError, Invalid
from apps.users.models import Absence, TeamMember, User
from apps.users.people import refuse_inactive


def plan_absence(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Absence:
    """An absence of the actor, or of `user_id`. Raises Denied, Invalid, or Conflict `overlap`."""
    values = dict(values)
    user_id = values.setdefault("user_id", None) or actor.required_id
    values["user_id"] = user_id
    require_planning_for(user_id, Action.CREATE, actor=actor)
    refuse_inactive(user_id, "/user")
    _check(user_id, values["starts_at"], values["ends_at"], values.get("delegate_id"))
    return records.create(Absence, actor=actor, at=at, values=values)


def change_absence(absence: Absence, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Absence:
    """Change a locked absence; whose it is stays. Raises Denied, Invalid, or Conflict `overlap`."""
    require_planning_for(absence.user_id, Action.UPDATE, actor=actor)
    if (values.get("user_id") or absence.user_id) != absence.user_id:
        raise Invalid(errors=[FieldError("/user", "immutable", "Delete the absence and plan another one.")])
    plain = {name: value for name, value in values.items() if name != "user_id"}
    starts_at, ends_at = plain.get("starts_at", absence.starts_at), plain.get("ends_at", absence.ends_at)
    is_moved = (starts_at, ends_at) != (absence.starts_at, absence.ends_at)
    if is_moved or plain.get("delegate_id", absence.delegate_id) != absence.delegate_id:
        _check(absence.user_id, starts_at, ends_at, plain.get("delegate_id"), but=absence.pk)
    return records.change(absence, actor=actor, at=at, values=plain)


def delete_absence(absence: Absence, *, actor: Actor, at: datetime) -> None:
    """Forget a locked absence. Raises Denied."""
    require_planning_for(absence.user_id, Action.DELETE, actor=actor)
    records.delete(absence, actor=actor, at=at)


def require_planning_for(user_id: UUID, action: Action, *, actor: Actor) -> None:
    """Raises Denied unless the grant on absences reaches this person, or the one to change a membership of theirs does."""
    subject = Absence(organization_id=actor.organization_id, user_id=user_id)
    if may(actor, action, "absences", subject):
        return
    memberships = TeamMember.objects.visible_to(actor).filter(user_id=user_id, team__deleted_at=None)
    if within_reach(memberships, actor, Action.UPDATE, "team_members").exists():
        return
    require(actor, action, "absences", subject)


def _check(
    user_id: UUID, starts_at: datetime, ends_at: datetime, delegate_id: UUID | None, *, but: UUID | None = None
) -> None:
    if ends_at <= starts_at:
        detail = "It is not after starts_at; accepted: a later instant."
        raise Invalid(errors=[FieldError("/ends_at", "out_of_range", detail)])
    if delegate_id == user_id:
        detail = "Nobody is their own delegate; accepted: somebody else."
        raise Invalid(errors=[FieldError("/delegate", "own_delegate", detail)])
    refuse_inactive(delegate_id, "/delegate")
    # One plan for one person at a time, so that two at once do not both find the time free. References still pass.
    list(User.objects.select_for_update(of=("self",), no_key=True).filter(pk=user_id).values_list("pk"))
    others = Absence.objects.filter(user_id=user_id, starts_at__lt=ends_at, ends_at__gt=starts_at)
    other = (others.exclude(pk=but) if but else others).first()
    if other is not None:
        raise Conflict(
            f"It overlaps another absence, from {other.starts_at.isoformat()} to {other.ends_at.isoformat()}.",
            code="overlap",
        )
