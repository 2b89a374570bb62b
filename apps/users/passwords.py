"""Passwords: what is accepted, and that the last twelve are not taken again."""

from datetime import datetime

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import FieldError, Invalid
from apps.organizations.models import Organization
from apps.users.events import PASSWORD_CHANGED
from apps.users.models import PasswordHistory, Session, User

REMEMBERED = 12
SHORTEST_NAME = 4


class NotAboutYou:
    """Django password validator: refuses what an acquaintance would try: one's own name, address or organization."""

    def validate(self, password: str, user: User | None = None) -> None:
        if user is None:
            return
        organization = Organization.objects.filter(pk=user.organization_id).first()
        words = [*user.full_name.split(), user.email.split("@")[0]]
        if organization is not None:
            words += [organization.slug, *organization.name.split()]
        found = [word for word in words if len(word) >= SHORTEST_NAME and word.lower() in password.lower()]
        if found:
            raise ValidationError(f"It contains {found[0]!r}, which others would guess.", code="password_about_you")

    def get_help_text(self) -> str:
        return "Not your name, your address or your organization."


def change(user: User, *, actor: Actor, at: datetime, current: str, new: str) -> None:
    """Change one's own password. Raises Invalid when the current one is wrong or the new one is not accepted."""
    if not check_password(current, user.password):
        raise Invalid(errors=[FieldError("/current_password", "wrong_password", "This is not the current password.")])
    set_password(user, actor=actor, at=at, new=new)


def set_password(user: User, *, actor: Actor, at: datetime, new: str) -> None:
    """A new password for somebody who has proved who they are; every session but the actor's own ends. Raises Invalid."""
    refuse_weak(user, new)
    PasswordHistory.objects.create(organization_id=user.organization_id, user=user, password=user.password, created_at=at)
    user.password = make_password(new)
    user.version += 1
    user.updated_at = at
    user.save(update_fields=["password", "version", "updated_at"])
    sessions = Session.objects.filter(user_id=user.pk, revoked_at=None)
    ended = (sessions.exclude(pk=actor.session_id) if actor.session_id else sessions).update(revoked_at=at)
    events.record(PASSWORD_CHANGED, user, actor=actor, at=at, sessions_ended=ended)


def refuse_weak(user: User, password: str) -> None:
    """Raises Invalid with every rule that `password` breaks, the history among them."""
    problems = []
    try:
        validate_password(password, user)
    except ValidationError as error:
        problems = [FieldError("/new_password", item.code or "invalid", item.messages[0]) for item in error.error_list]
    if not problems and _was_used(user, password):
        problems = [FieldError("/new_password", "password_reused", f"It is one of your last {REMEMBERED}; accepted: another one.")]
    if problems:
        raise Invalid(errors=problems)


def _was_used(user: User, password: str) -> bool:
    earlier = PasswordHistory.objects.filter(user_id=user.pk).order_by("-created_at", "-id")
    hashes = [user.password, *earlier.values_list("password", flat=True)[: REMEMBERED - 1]]
    return any(check_password(password, known) for known in hashes if known)
