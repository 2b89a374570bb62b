"""Django's hook for sending mail, filled by the demo: each message becomes a row that the admin shows."""

from collections.abc import Sequence
from typing import Any

from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import EmailMessage
from django.db import transaction
from django.utils import timezone

from apps.core import tenancy
from apps.notifications.models import MailboxMessage


class MailboxBackend(BaseEmailBackend):
    """Keeps messages in the tenant in force; raises TenantRequired outside one."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        organization_id = tenancy.required_organization_id()
        with transaction.atomic():
            for message in email_messages:
                MailboxMessage.objects.create(
                    organization_id=organization_id,
                    recipients=message.recipients(),
                    subject=str(message.subject)[:500],
                    text=str(message.body),
                    html=_html(message),
                    created_at=timezone.now(),
                )
        return len(email_messages)


def _html(message: Any) -> str:
    alternatives: list[tuple[str, str]] = getattr(message, "alternatives", [])
    return next((str(content) for content, kind in alternatives if kind == "text/html"), "")
