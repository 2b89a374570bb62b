"""What a session depends on, and how it ends: what every change of a credential does to the others, behind one lock."""

from datetime import datetime, timedelta
from uuid import UUID

from apps.core.actors import Actor
from apps.core.errors import Conflict, Denied
from apps.organizations.lifecycle import OrganizationStatus
from apps.organizations.models import Organization
from apps.users.models import Session, User

# How long a sign-in vouches for whoever changes how an account is entered: ASVS 7.5.1.
RECENT = timedelta(minutes=5)


class ReauthRequired(Denied):
    code = "reauth_required"
    title = "Sign in again first"


def require_recent(actor: Actor, *, at: datetime) -> None:
    """Raises ReauthRequired unless the actor's session was opened within RECENT before `at` (UTC): refreshing does not count.

    For what changes how an account is entered and is not proved by a password or code of its own.
    """
    opened_lately = Session.objects.filter(created_at__gt=at - RECENT)
    if actor.session_id is None or not opened_lately.filter(pk=actor.session_id).exists():
        raise ReauthRequired(
            "It takes a sign-in of the last five minutes; sign in again, and do it in the new session."
        )


def lock_row(user_id: UUID) -> User | None:
    """The user's newest row, locked until the transaction ends. Rows that refer to it can still be written meanwhile.

    Whoever changes a credential, ends the sessions of a user or opens one holds this lock, so that none slips in behind.
    """
    found: User | None = User.objects.select_for_update(of=("self",), no_key=True).filter(pk=user_id).first()
    return found


def hold(user: User) -> User:
    """Lock the row of somebody whose credential is about to change. Raises Conflict `retry` when what was proved holds no more.

    What is slow, a hash above all, is computed from `user` as it was read, before.
    """
    now = lock_row(user.pk)
    if now is None or now.may_sign_in != user.may_sign_in or now.password != user.password:
        raise Conflict("The account was changed meanwhile; read it again, and try once more.", code="retry")
    return now


def end_live(user: User, *, at: datetime, except_id: UUID | None = None) -> int:
    """End the user's live sessions but one; returns how many. The caller records the fact that this is part of."""
    live = Session.objects.filter(organization_id=user.organization_id, user_id=user.pk, revoked_at=None)
    others = live.exclude(pk=except_id) if except_id else live
    return int(others.update(revoked_at=at))


def revoke(session: Session, *, at: datetime) -> None:
    """End a locked session."""
    session.revoked_at = at
    session.save(update_fields=["revoked_at"])


def is_open(organization_id: UUID) -> bool:
    """Whether people of the organization may work; asked inside its tenant."""
    return bool(
        Organization.objects.filter(pk=organization_id, status=OrganizationStatus.ACTIVE, deleted_at=None).exists()
    )
