"""Verbs on people's records. Whoever changes, deactivates or deletes somebody takes `lock_people` first, then the row."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import events, records, turns
from apps.core.actors import Actor
from apps.core.errors import Conflict, FieldError, IllegalTransition, Invalid
from apps.users import access, attempts, mfa, sessions
from apps.users.events import MFA_RESET, RESET_REQUESTED, USER_INVITED, USER_UNLOCKED
from apps.users.models import User, normalise_email
from apps.users.services import create_user, end_sessions_of, normalised_names


def lock_people(organization_id: UUID) -> None:
    """Let one change at a time happen among an organization's people, until the transaction ends.

    Taken before any row is locked: so two moves close no circle of managers, and two administrators who remove each other
    do not both succeed.
    """
    turns.take(f"people:{organization_id}")


def invite(*, actor: Actor, at: datetime, **values: Any) -> User:
    """A new user, who is mailed a link to set a password with. Raises Denied when their role is more than the actor's."""
    return create_user(actor=actor, at=at, fact=USER_INVITED, **values)


def change_user(user: User, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> User:
    """Change a locked user.

    Another type brings its built-in role and takes the old one's. Raises Denied when that, or another address, would lead to
    more than the actor may; Conflict `last_administrator`; Invalid when a manager would report to them.
    """
    values = {**values, **normalised_names(values)}
    was = user.user_type
    is_new_type = values.get("user_type", was) != was
    is_moving = "email" in values and normalise_email(values["email"]) != user.email_normalised
    if is_moving or is_new_type:
        # Whoever chooses the address gets the mail that sets the password.
        access.refuse_more_powerful(user, actor=actor, at=at)
    if is_moving and user.pk == actor.id:
        sessions.require_recent(actor, at=at)
    if "email" in values:
        values["email_normalised"] = normalise_email(values["email"])
    if is_new_type:
        _refuse_last_administrator(user, at=at)
    if values.get("manager_id") not in {None, user.manager_id}:
        _refuse_circle(user, values["manager_id"])
    changed = records.change(user, actor=actor, at=at, values=values, verb="email_changed" if is_moving else "updated")
    if is_new_type:
        access.replace_built_in(changed, was=was, actor=actor, at=at)
    return changed


def deactivate(user: User, *, actor: Actor, at: datetime) -> User:
    """Keep a locked user out from the next request on. Raises IllegalTransition, Conflict."""
    _refuse_deleted(user)
    if not user.is_active:
        raise IllegalTransition("This user is deactivated already; accepted: activate.", current_status="inactive")
    _refuse_oneself(user, actor)
    _refuse_last_administrator(user, at=at)
    sessions.end_live(user, at=at)
    return records.change(user, actor=actor, at=at, values={"is_active": False}, verb="deactivated")


def activate(user: User, *, actor: Actor, at: datetime) -> User:
    """Let a locked user in again. Raises IllegalTransition."""
    _refuse_deleted(user)
    if user.is_active:
        raise IllegalTransition("This user is active already; accepted: deactivate.", current_status="active")
    return records.change(user, actor=actor, at=at, values={"is_active": True}, verb="activated")


def delete(user: User, *, actor: Actor, at: datetime) -> User:
    """Hide a locked user and keep them out; history keeps their name, and nobody else gets their address."""
    _refuse_oneself(user, actor)
    _refuse_last_administrator(user, at=at)
    sessions.end_live(user, at=at)
    return records.soft_delete(user, actor=actor, at=at)


def unlock(user: User, *, actor: Actor, at: datetime) -> User:
    """Forgive a locked user's failed attempts to sign in."""
    _refuse_deleted(user)
    attempts.forgive(user.email_normalised)
    events.record(USER_UNLOCKED, user, actor=actor, at=at)
    return user


def reset_mfa(user: User, *, actor: Actor, at: datetime) -> User:
    """Remove the second factor of a locked user who lost phone and recovery codes; all their sessions end.

    Raises IllegalTransition, Conflict `oneself`, and Denied when they may more than the actor.
    """
    _refuse_deleted(user)
    if actor.id == user.pk:
        raise Conflict("Nobody resets their own second factor; disable it with a code.", code="oneself")
    access.refuse_more_powerful(user, actor=actor, at=at)
    mfa.forget(user)
    ended = sessions.end_live(user, at=at)
    events.record(MFA_RESET, user, actor=actor, at=at, sessions_ended=ended)
    return user


def revoke_sessions(user: User, *, actor: Actor, at: datetime) -> int:
    """End all sessions of a locked user; returns how many."""
    _refuse_deleted(user)
    return end_sessions_of(user, actor=actor, at=at)


def send_reset(user: User, *, actor: Actor, at: datetime) -> None:
    """Have a locked user mailed a link to set a new password; nobody sets one for them. Raises IllegalTransition."""
    _refuse_deleted(user)
    if not user.is_active:
        raise IllegalTransition("This user is deactivated; activate them first.", current_status="inactive")
    events.record(RESET_REQUESTED, user, actor=actor, at=at)


def refuse_inactive(user_id: UUID | None, pointer: str) -> None:
    """Raises Invalid when that user of the tenant in force is deactivated or deleted; nobody at all is fine."""
    if user_id is None:
        return
    if not User.objects.alive().filter(pk=user_id, is_active=True).exists():
        detail = "This user is deactivated or deleted; accepted: somebody active."
        raise Invalid(errors=[FieldError(pointer, "inactive", detail)])


def _refuse_deleted(user: User) -> None:
    if user.is_deleted:
        raise IllegalTransition("This user is deleted; accepted: restore.", current_status="deleted")


def _refuse_oneself(user: User, actor: Actor) -> None:
    if actor.id == user.pk:
        raise Conflict("Nobody removes themselves; another administrator can.", code="oneself")


def _refuse_last_administrator(user: User, *, at: datetime) -> None:
    able, lasting = access.administrators(at=at), access.lasting_administrators(at=at)
    if able.filter(pk=user.pk).exists() and not lasting.exclude(pk=user.pk).exists():
        raise Conflict(access.LAST_ADMINISTRATOR, code="last_administrator")


def _refuse_circle(user: User, manager_id: UUID) -> None:
    """Walk up from the new manager."""
    managers: dict[UUID, UUID | None] = dict(User.objects.exclude(manager=None).values_list("id", "manager_id"))
    above: UUID | None = manager_id
    while above is not None:
        if above == user.pk:
            detail = "Nobody is above themselves; accepted: somebody who does not report to this user."
            raise Invalid(errors=[FieldError("/manager", "cycle", detail)])
        above = managers.get(above)
