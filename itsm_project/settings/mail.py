"""Mail: the server that takes it."""

from typing import Any
from urllib.parse import urlsplit

from itsm_project.settings.environment import BASE_URL, ITSM_MODE, env

# Keeps messages as rows that the admin shows; demo and test mode have it unless EMAIL_URL names a server.
MAILBOX_BACKEND = "apps.notifications.delivery.mailbox.MailboxBackend"
EMAIL_URL: str = env.str("EMAIL_URL", default="") or (
    "smtp://localhost:25" if ITSM_MODE == "production" else "mailbox:"
)
# smtps is TLS from the first byte (RFC 8314); the library would take it for STARTTLS.
_server = EMAIL_URL.replace("smtps://", "smtp+ssl://", 1)
_mail: dict[str, Any] = {} if EMAIL_URL == "mailbox:" else env.email_url_config(_server)  # type: ignore[no-untyped-call]
EMAIL_BACKEND: str = _mail.get("EMAIL_BACKEND", MAILBOX_BACKEND)
EMAIL_HOST: str = _mail.get("EMAIL_HOST") or "localhost"
EMAIL_PORT: int = _mail.get("EMAIL_PORT") or 25
EMAIL_HOST_USER: str = _mail.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD: str = _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS: bool = _mail.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL: bool = _mail.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = env.int("MAIL_TIMEOUT_SECONDS", default=10)
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("MAIL_FROM", default="") or f"no-reply@{urlsplit(BASE_URL).hostname}"
