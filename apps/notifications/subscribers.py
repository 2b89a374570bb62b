"""Who is mailed about which event. Whether they still may be told is asked when the mail leaves, not when the event happened."""

from django.db import transaction
from django.utils import timezone

from apps.core.events import Fact, outward
from apps.notifications.delivery import letters
from apps.notifications.delivery.sending import NotTaken, send_once
from apps.organizations.models import Organization
from apps.users.events import API_TOKEN_CREATED, RESET_REQUESTED, USER_INVITED
from apps.users.links import may_open, mint
from apps.users.models import LinkPurpose, User

# Longer than a mail server may take for two mails, each step of which ends after MAIL_TIMEOUT_SECONDS.
LIMIT_SECONDS = 180


@outward(USER_INVITED, consumer="notifications.invite", limit_seconds=LIMIT_SECONDS)
def send_invitation(event: Fact) -> None:
    """Not to somebody who has a password by now."""
    found = _recipient(event)
    if found is None or found[0].has_usable_password():
        return
    user, organization = found
    send_once(
        event,
        to=user,
        address=user.email,
        kind="invitation",
        compose=lambda: letters.invitation(user, organization, mint(user, LinkPurpose.INVITE, at=timezone.now())),
    )


@outward(RESET_REQUESTED, consumer="notifications.reset", limit_seconds=LIMIT_SECONDS)
def send_reset(event: Fact) -> None:
    """To the address we know, whatever was typed."""
    found = _recipient(event)
    if found is None:
        return
    user, organization = found
    send_once(
        event,
        to=user,
        address=user.email,
        kind="password_reset",
        compose=lambda: letters.reset(user, organization, mint(user, LinkPurpose.RESET, at=timezone.now())),
    )


def send_notice(event: Fact) -> None:
    """To the owner; of a new address also to the old one. An address that fails keeps no other from its mail."""
    found = _recipient(event)
    if found is None:
        return
    user, organization = found
    failures = []
    for address in _addresses(event, user):
        try:
            send_once(
                event,
                to=user,
                address=address,
                kind=event.name.partition(".")[2],
                compose=lambda: letters.notice(user, organization, event.name),
            )
        except NotTaken as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


for name in letters.NOTICES:
    outward(name, consumer=f"notifications.{name}", limit_seconds=LIMIT_SECONDS)(send_notice)


def _addresses(event: Fact, user: User) -> list[str]:
    if event.name != letters.EMAIL_CHANGED:
        return [user.email]
    return [address for address in event.changes["email"] if address]


def _recipient(event: Fact) -> tuple[User, Organization] | None:
    """Whom the event is about, unless they may not sign in any more: of a token its owner."""
    _, owner_id = event.changes["user"] if event.name == API_TOKEN_CREATED else (None, event.subject_id)
    with transaction.atomic():
        user = User.objects.filter(pk=owner_id).first()
        if user is None or not may_open(user):
            return None
        return user, Organization.objects.get(pk=event.organization_id)
