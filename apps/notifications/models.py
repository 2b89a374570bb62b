"""What was mailed to whom, and the demo's mailbox."""

from typing import Any

from django.db import models

from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel
from apps.users.models import User


class Mail(TenantModel):
    """One mail about one event to one address: written before it is handed over, stamped after. It holds no text."""

    event_id = models.UUIDField()
    recipient = TenantForeignKey["User", "User"](User, models.CASCADE, related_name="mails")
    address = models.EmailField()
    kind = models.CharField(max_length=40)
    # The same however often it is sent, so that a receiver recognises a repeat.
    message_id = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "event_id", "address"], name="mail_once"),
        ]
        indexes = [models.Index(fields=["organization_id", "-created_at", "-id"], name="mail_newest")]

    def __str__(self) -> str:
        return f"{self.kind} to {self.address}"


class MailboxMessage(TenantModel):
    """A mail that the demo keeps instead of sending it. Whoever reads it can use its links, so production keeps none."""

    recipients: Any = models.JSONField(default=list)
    subject = models.CharField(max_length=500)
    text = models.TextField()
    html = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "mailbox message"
        indexes = [models.Index(fields=["organization_id", "-created_at", "-id"], name="mailbox_newest")]

    def __str__(self) -> str:
        return self.subject
