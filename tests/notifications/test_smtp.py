"""A real mail server at the other end: what it is handed, and what happens while it is away."""

import email
import socket
from email import policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from apps.notifications.models import Mail
from tests.notifications.conftest import deliver_all, token_in

RESET = "/api/v1/auth/password/reset/"


class Receiver:
    """Keeps what it is handed; answers `refusal` instead while there is one."""

    def __init__(self) -> None:
        self.messages: list = []
        self.refusal = ""

    async def handle_DATA(self, server, session, envelope) -> str:
        if self.refusal:
            return self.refusal
        message = email.message_from_bytes(envelope.content, policy=policy.default)
        self.messages.append((envelope.mail_from, envelope.rcpt_tos, message))
        return "250 taken"


class Server(Controller):
    def factory(self) -> SMTP:
        return SMTP(self.handler, hostname="mail.test")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def receiver(settings, fresh_database):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", free_port(), 5
    settings.DEFAULT_FROM_EMAIL = "ITSM <no-reply@itsm.example>"
    return Receiver()


@pytest.fixture
def server(receiver, settings):
    """Started by the test, stopped after it."""
    started = Server(receiver, hostname="127.0.0.1", port=settings.EMAIL_PORT)
    yield started
    if started.server is not None:
        started.stop()


def sent(tenant):
    with tenant.entered():
        return [mail.sent_at is not None for mail in Mail.objects.all()]


def test_the_server_gets_one_mail_in_two_forms_that_says_what_it_is(acme, api, bob, receiver, server):
    server.start()
    api().post(RESET, {"email": bob.email})

    assert deliver_all(acme) == {"notifications.reset": "done"}

    ((sender, recipients, message),) = receiver.messages
    assert (sender, recipients) == ("no-reply@itsm.example", [bob.email])
    assert (message["From"], message["To"]) == ("ITSM <no-reply@itsm.example>", bob.email)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    assert token_in(text) in html
    with acme.entered():
        mail = Mail.objects.get()
    assert message["Message-ID"] == mail.message_id
    assert mail.message_id.endswith("@itsm.example>")


def test_what_a_server_could_not_take_while_it_was_away_arrives_once_it_is_back(acme, api, bob, receiver, server):
    api().post(RESET, {"email": bob.email})
    assert deliver_all(acme) == {"notifications.reset": "failed"}
    assert deliver_all(acme) == {"notifications.reset": "failed"}
    assert sent(acme) == [False]

    server.start()
    receiver.refusal = "451 later"
    assert deliver_all(acme) == {"notifications.reset": "failed"}
    receiver.refusal = ""
    assert deliver_all(acme) == {"notifications.reset": "done"}
    assert deliver_all(acme) == {}

    assert (len(receiver.messages), sent(acme)) == (1, [True])
    (_, _, message) = receiver.messages[0]
    token = token_in(message.get_body(("plain",)).get_content())
    answer = api().post(f"{RESET}confirm/", {"token": token, "new_password": "staple battery horse correct"})
    assert answer.status_code == 204


def test_what_the_server_says_is_told_by_its_code_alone(acme, api, bob, receiver, server):
    from apps.audit.models import Dispatch

    server.start()
    receiver.refusal = "554 user bob@acme.example is unknown here"
    api().post(RESET, {"email": bob.email})

    assert deliver_all(acme) == {"notifications.reset": "failed"}

    with acme.entered():
        assert Dispatch.objects.get().last_error == "The mail server did not take the mail: it answered 554."
