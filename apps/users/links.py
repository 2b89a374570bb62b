"""Links by which somebody sets their password: asked for, minted when the mail leaves, opened once.

Asking and opening start their own transaction: before them there is no tenant. No link opens a session, so none goes around
a second factor.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django.db import transaction

from apps.audit.models import Event
from apps.core import events, tenancy
from apps.core.actors import Actor
from apps.core.errors import NotSignedIn
from apps.core.models import new_id
from apps.organizations.lifecycle import OrganizationStatus
from apps.organizations.models import Organization
from apps.users import attempts
from apps.users.events import RESET_REQUESTED
from apps.users.mfa import is_enrolled
from apps.users.models import LinkPurpose, PasswordLink, User
from apps.users.services import find_user, hash_new, write_password
from apps.users.sessions import lock_row

LIFETIMES = {LinkPurpose.INVITE: timedelta(days=7), LinkPurpose.RESET: timedelta(hours=1)}
# So many mails an account gets in any hour, however often somebody asks.
RESETS_PER_HOUR = 5
REFUSED = "This link opens nothing any more: it was used, has expired, or is not one of ours. Ask for a new one."


def request_reset(*, email: str, at: datetime) -> None:
    """Have whoever this address belongs to mailed a link, to the address we know. The caller learns nothing of it."""
    found = find_user(email)
    if found is None:
        return
    user_id, organization_id = found
    with tenancy.tenant(organization_id, via="api"), transaction.atomic():
        # Locked, so that requests at one moment are counted one after the other.
        user = User.objects.select_for_update(of=("self",)).get(pk=user_id)
        if may_open(user) and _resets_lately(user, at) < RESETS_PER_HOUR:
            events.record(RESET_REQUESTED, user, actor=Actor.system(organization_id, "password_reset"), at=at)


def mint(user: User, purpose: LinkPurpose, *, at: datetime) -> str:
    """A new token for a link to `user`. It is shown here alone; earlier links go on working until one of them is used."""
    link_id = new_id()
    token = _signer().sign(f"{user.organization_id.hex}.{link_id.hex}.{secrets.token_urlsafe(32)}")
    PasswordLink.objects.create(
        id=link_id,
        organization_id=user.organization_id,
        user=user,
        purpose=purpose,
        token_hash=_digest(token),
        created_at=at,
        expires_at=at + LIFETIMES[purpose],
    )
    return token


def open_link(*, token: str, password: str, at: datetime, address: str | None = None) -> None:
    """Set the password of the link's owner; all their sessions end and all their links are spent.

    Whoever has the mailbox is the owner: `address` is a place of theirs from now on, and what strangers tried is forgiven. Not
    to who has a second factor, or a stolen mailbox could guess codes for ever; their new place lets them in all the same.

    One winner by compare-and-swap; the slow hashes are computed before anything is locked. Raises NotSignedIn with one answer for
    every reason, and whatever set_password refuses, which leaves the link unspent.
    """
    organization_id, link_id = _parse(token)
    with tenancy.tenant(organization_id, via="api"), transaction.atomic():
        unspent = PasswordLink.objects.filter(pk=link_id, token_hash=_digest(token), spent_at=None, expires_at__gt=at)
        link = unspent.select_related("user").first()
        if link is None or not may_open(link.user):
            raise _refused()
        user = link.user
    with tenancy.tenant(organization_id, via="api"):
        hashed = hash_new(user, password)
    with tenancy.tenant(organization_id, via="api"), transaction.atomic():
        # The owner before the link, as every change of a password: two links of one person cannot deadlock.
        now = lock_row(user.pk)
        if now is None or not may_open(now) or not unspent.update(spent_at=at, spent_from=address):
            raise _refused()
        write_password(user, hashed, actor=user.as_actor(), at=at)
        if not is_enrolled(user):
            attempts.forgive(user.email_normalised)


def may_open(user: User) -> bool:
    """Whether a link would be of any use to them: they may sign in, and so may their organization."""
    home = Organization.objects.filter(pk=user.organization_id, status=OrganizationStatus.ACTIVE, deleted_at=None)
    return user.may_sign_in and not user.is_service_account and home.exists()


def spend_all(user_id: UUID, *, at: datetime) -> None:
    """Let no link to this user open anything any more."""
    PasswordLink.objects.filter(user_id=user_id, spent_at=None).update(spent_at=at)


def _resets_lately(user: User, at: datetime) -> int:
    lately = Event.objects.filter(subject_id=user.pk, name=RESET_REQUESTED, at__gt=at - timedelta(hours=1))
    return int(lately.count())


def _parse(token: str) -> tuple[UUID, UUID]:
    try:
        organization, link, _ = _signer().unsign(token).split(".")
        return UUID(organization), UUID(link)
    except (BadSignature, ValueError) as error:
        raise _refused() from error


def _refused() -> NotSignedIn:
    return NotSignedIn(REFUSED, code="token_invalid")


def _signer() -> Signer:
    return Signer(salt="password-link")


def _digest(token: str) -> str:
    # A random 256-bit secret needs no slow hash.
    return hashlib.sha256(token.encode()).hexdigest()
