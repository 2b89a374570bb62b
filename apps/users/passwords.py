"""Passwords: what is accepted, and that the last twelve are not taken again (NIST SP 800-63B: length and lists, no composition)."""

from datetime import datetime
from itertools import chain
from typing import Any

from django.contrib.auth.hashers import check_password, is_password_usable
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.core import events, tenancy
from apps.core.actors import Actor
from apps.core.errors import FieldError, Invalid
from apps.organizations.models import Organization
from apps.users import attempts
from apps.users.events import PASSWORD_REFUSED
from apps.users.models import PasswordHistory, User

MAX_LENGTH = 1024
REMEMBERED = 12
SHORTEST_WORD = 4


class NotAboutYou:
    """Django password validator: refuses what an acquaintance would try: one's own name, address or organization."""

    def validate(self, password: str, user: User | None = None) -> None:
        given = password.casefold()
        if user is not None and any(word in given for word in _words_about(user)):
            raise ValidationError(
                "It contains your name, your address or your organization's name; accepted: one that does not.",
                code="password_about_you",
            )

    def get_help_text(self) -> str:
        return "A password must not contain the name, the address or the organization of its owner."


def refuse_weak(user: User, password: str) -> None:
    """Raises Invalid with every rule that `password` breaks for `user`; the last twelve are looked at once all others hold."""
    problems = _rules_broken(user, password)
    if not problems and _was_used(user, password):
        detail = f"It is one of your last {REMEMBERED} passwords; accepted: another one."
        problems = [FieldError("/new_password", "password_reused", detail)]
    if problems:
        raise Invalid("The new password is not accepted; `errors` says why.", errors=problems)


def prove(user: User, *, actor: Actor, at: datetime, password: str) -> None:
    """Have somebody signed in prove themselves by their current password. Raises WrongProof, TooManyAttempts.

    It is `user` as it was read that is proved; sessions.hold refuses when another password took its place meanwhile.
    """
    assert actor.session_id is not None, "only somebody with a session proves themselves anew"
    with attempts.proving(user.email_normalised, actor.session_id):
        if not check_password(password, user.password):
            with transaction.atomic():
                events.record(PASSWORD_REFUSED, user, actor=actor, at=at)
            detail = "This is not the current password."
            raise attempts.WrongProof(detail, errors=[FieldError("/current_password", "wrong_password", detail)])


def remember(user: User, *, at: datetime) -> None:
    """Keep the hash that the user has now, before another takes its place; only as many as are looked at stay."""
    if not user.password or not is_password_usable(user.password):
        return
    PasswordHistory.objects.create(
        organization_id=user.organization_id, user=user, password=user.password, created_at=at
    )
    forgotten = list(_earlier(user).values_list("pk", flat=True)[REMEMBERED:])
    if forgotten:
        PasswordHistory.objects.filter(pk__in=forgotten).delete()


def _rules_broken(user: User, password: str) -> list[FieldError]:
    if len(password) > MAX_LENGTH:
        return [FieldError("/new_password", "max_length", f"It is longer than {MAX_LENGTH} characters.")]
    try:
        validate_password(password, user)
    except ValidationError as error:
        found = chain.from_iterable(item.error_list for item in error.error_list)
        return [FieldError("/new_password", item.code or "invalid", " ".join(item.messages)) for item in found]
    return []


def _was_used(user: User, password: str) -> bool:
    """The password in force is the first of the twelve."""
    with transaction.atomic():
        hashes = [user.password, *_earlier(user).values_list("password", flat=True)[: REMEMBERED - 1]]
    return any(check_password(password, known) for known in hashes if known and is_password_usable(known))


def _earlier(user: User) -> Any:
    return PasswordHistory.objects.filter(user_id=user.pk).order_by("-created_at", "-id")


def _words_about(user: User) -> set[str]:
    """What of a person's name, address and organization is long enough to be more than chance, in one case."""
    local, _, _ = user.email_normalised.partition("@")
    texts = [user.full_name, "".join(user.full_name.split()), *user.full_name.split(), local, user.email_normalised]
    organization = _organization_of(user)
    if organization is not None:
        texts += [organization.slug, organization.name, "".join(organization.name.split()), *organization.name.split()]
    return {text.casefold() for text in texts if len(text) >= SHORTEST_WORD}


def _organization_of(user: User) -> Organization | None:
    """Only inside the user's own tenant, the one that shows it."""
    if tenancy.current_organization_id() != user.organization_id:
        return None
    with transaction.atomic():
        found: Organization | None = Organization.objects.filter(pk=user.organization_id).first()
    return found
