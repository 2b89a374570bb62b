"""What was mailed, and the demo's mailbox. Looked at only."""

from typing import Any

from django.contrib import admin
from django.utils.html import urlize
from django.utils.safestring import SafeString, mark_safe

from apps.core.admin import ReadOnlyAdmin
from apps.notifications.models import Mail, MailboxMessage


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    resource = "integrations"
    list_display = ("kind", "address", "recipient", "created_at", "sent_at")
    list_select_related = ("recipient",)
    list_filter = ("kind",)
    search_fields = ("address", "message_id")
    ordering = ("-created_at",)
    fields = ("kind", "address", "recipient", "message_id", "event_id", "created_at", "sent_at")


@admin.register(MailboxMessage)
class MailboxMessageAdmin(ReadOnlyAdmin):
    """The text of each message; its HTML form is never rendered here."""

    resource = "integrations"
    list_display = ("subject", "to", "created_at")
    search_fields = ("subject", "text")
    ordering = ("-created_at",)
    fields = ("subject", "to", "created_at", "message")
    readonly_fields = ("to", "message")

    @admin.display(description="To")
    def to(self, message: MailboxMessage) -> str:
        return ", ".join(str(address) for address in message.recipients)

    @admin.display(description="Message")
    def message(self, message: MailboxMessage) -> SafeString:
        """Escaped, line by line, with what looks like a link made one."""
        lines: list[Any] = [urlize(line, nofollow=True, autoescape=True) for line in message.text.splitlines()]
        # Only urlize writes a tag here: what the message says is escaped.
        text = "<br>".join(lines).replace("<a ", '<a class="text-link break-all" ')
        return mark_safe(text)  # noqa: S308 - urlize has escaped each line
