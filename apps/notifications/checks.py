"""System checks of what leaves the house."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.security)
def refuse_mailbox_in_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """itsm.E030: the demo's mailbox shows everybody's links to administrators, and sends nothing."""
    if settings.ITSM_MODE != "production" or settings.EMAIL_BACKEND != settings.MAILBOX_BACKEND:
        return []
    hint = "Name a mail server in EMAIL_URL, such as smtp+tls://user:password@mail.example.com:587."
    return [Error("Mail goes into the demo's mailbox.", hint=hint, id="itsm.E030")]
