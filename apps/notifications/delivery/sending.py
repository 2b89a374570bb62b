"""Hand a letter to the mail server: once for each event and address, as far as anybody can tell.

The row is written first and stamped afterwards. Between the two a worker can die; the mail is then sent again, with the same
Message-ID.
"""

import hashlib
import smtplib
from collections.abc import Callable
from email.utils import parseaddr
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.utils import timezone, translation

from apps.core.errors import DomainError
from apps.core.events import Fact
from apps.notifications.delivery.letters import Letter
from apps.notifications.models import Mail
from apps.users.models import User


class NotTaken(DomainError):
    """The mail server was away or refused; the delivery is tried again."""

    status = 503
    code = "mail_not_taken"


def send_once(event: Fact, *, to: User, address: str, kind: str, compose: Callable[[], Letter]) -> None:
    """Send what `compose` writes, unless that was done. Runs in the tenant and in no transaction. Raises NotTaken.

    `compose` runs inside a transaction of its own: it may write what the letter carries.
    """
    with transaction.atomic(), translation.override(to.language):
        mail = _claimed(event, to=to, address=address, kind=kind)
        if mail.sent_at is not None:
            return
        message = _message(mail, compose())
    try:
        message.send()
    except (smtplib.SMTPException, OSError) as error:
        raise NotTaken(f"The mail server did not take the mail: {_reason(error)}.") from error
    with transaction.atomic():
        Mail.objects.filter(pk=mail.pk).update(sent_at=timezone.now())


def message_id(event_id: UUID, address: str) -> str:
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].partition("@")[2] or "localhost"
    return f"<{event_id.hex}.{hashlib.sha256(address.encode()).hexdigest()[:16]}@{domain}>"


def _claimed(event: Fact, *, to: User, address: str, kind: str) -> Mail:
    mail: Mail = Mail.objects.get_or_create(
        organization_id=event.organization_id,
        event_id=event.id,
        address=address,
        defaults={
            "recipient": to,
            "kind": kind,
            "message_id": message_id(event.id, address),
            "created_at": timezone.now(),
        },
    )[0]
    return mail


def _message(mail: Mail, letter: Letter) -> EmailMultiAlternatives:
    headers = {"Message-ID": mail.message_id, "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
    message = EmailMultiAlternatives(letter.subject_line, letter.text, to=[mail.address], headers=headers)
    message.attach_alternative(letter.html, "text/html")
    return message


def _reason(error: Exception) -> str:
    """For an administrator's eyes: the server's code, or only the kind of failure. What a server says may hold anything."""
    return (
        f"it answered {error.smtp_code}" if isinstance(error, smtplib.SMTPResponseException) else type(error).__name__
    )
