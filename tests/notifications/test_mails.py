"""Who is mailed about what, once, and what the mail lets them do."""

import re
from datetime import timedelta

import pytest
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.utils import timezone

from apps.audit.models import Dispatch, Event
from apps.core import events, tenancy
from apps.core.errors import TenantRequired
from apps.notifications import subscribers
from apps.notifications.delivery import letters
from apps.notifications.delivery.mailbox import MailboxBackend
from apps.notifications.models import Mail
from apps.organizations import services as organization_services
from apps.users import services
from apps.users.models import PasswordLink, User
from tests.factories import PASSWORD
from tests.notifications.conftest import deliver_all, token_in
from tests.users.second_factor import Authenticator

USERS = "/api/v1/users/"
RESET = "/api/v1/auth/password/reset/"
CONFIRM = "/api/v1/auth/password/reset/confirm/"
TOKEN = "/api/v1/auth/token/"
NEW = "staple battery horse correct"


def invited(api, dan, **values):
    body = {"email": "New@example.com", "full_name": "New Person", **values}
    return api(dan).post(f"{USERS}invite/", body).json()


def test_an_invitation_is_mailed_and_its_link_leads_to_a_first_sign_in(acme, api, dan, mailbox):
    user = invited(api, dan, user_type="agent")

    assert deliver_all(acme) == {"notifications.invite": "done"}

    (message,) = mailbox(acme)
    assert (message.recipients, message.subject) == (["New@example.com"], "You are invited to Acme")
    token = token_in(message.text)
    assert f'href="http://127.0.0.1:8000/set-password/#{token}"' in message.html
    assert api().post(TOKEN, {"email": "new@example.com", "password": NEW}).status_code == 401
    answer = api().post(CONFIRM, {"token": token, "new_password": NEW})
    assert (answer.status_code, answer.content) == (204, b"")
    pair = api().post(TOKEN, {"email": "new@example.com", "password": NEW})
    assert pair.status_code == 200
    with acme.entered():
        assert str(Mail.objects.get(kind="invitation").recipient_id) == user["id"]


def test_a_reset_is_mailed_to_the_address_that_is_known_and_ends_every_session(acme, api, bob, mailbox):
    client = api(bob)
    api().post(RESET, {"email": " BOB@acme.EXAMPLE"})

    assert deliver_all(acme) == {"notifications.reset": "done"}

    (message,) = mailbox(acme)
    assert (message.recipients, message.subject) == (["bob@acme.example"], "Set a new password")
    assert api().post(CONFIRM, {"token": token_in(message.text), "new_password": NEW}).status_code == 204
    assert client.get("/api/v1/auth/me/").status_code == 401
    assert api().post(TOKEN, {"email": bob.email, "password": PASSWORD}).status_code == 401
    assert api().post(TOKEN, {"email": bob.email, "password": NEW}).status_code == 200


@pytest.mark.asvs("6.4.6")
def test_an_administrator_starts_a_reset_and_never_sees_the_link(acme, api, dan, bob, mailbox):
    answer = api(dan).post(f"{USERS}{bob.pk}/send-password-reset/")

    assert (answer.status_code, answer.content) == (202, b"")
    assert deliver_all(acme) == {"notifications.reset": "done"}
    (message,) = mailbox(acme)
    assert message.recipients == [bob.email]
    with acme.entered():
        told = str(list(Event.objects.values()) + list(Mail.objects.values()) + list(PasswordLink.objects.values()))
    assert token_in(message.text) not in told


def test_a_mail_is_sent_once_however_often_its_event_is_delivered(acme, api, bob, mailbox):
    api().post(RESET, {"email": bob.email})
    deliver_all(acme)

    with acme.entered():
        event = Event.objects.get(name="user.password_reset_requested")
    with tenancy.tenant(acme.id):
        subscribers.send_reset(event)

    assert len(mailbox(acme)) == 1
    with acme.entered():
        assert (Mail.objects.count(), PasswordLink.objects.count()) == (1, 1)


def test_a_mail_that_may_have_been_sent_is_repeated_with_its_id_and_both_links_work_until_one_is_used(
    acme, api, bob, mailbox
):
    api().post(RESET, {"email": bob.email})
    deliver_all(acme)
    with acme.entered():
        ids = list(Mail.objects.values_list("message_id", flat=True))
        Mail.objects.update(sent_at=None)
        event = Event.objects.get(name="user.password_reset_requested")
    with tenancy.tenant(acme.id):
        subscribers.send_reset(event)

    first, second = (token_in(message.text) for message in mailbox(acme))
    with acme.entered():
        assert list(Mail.objects.values_list("message_id", flat=True)) == ids
    assert api().post(CONFIRM, {"token": first, "new_password": NEW}).status_code == 204
    assert api().post(CONFIRM, {"token": second, "new_password": NEW}).status_code == 401


@pytest.mark.bar(12)
@pytest.mark.parametrize("change", ["deactivated", "deleted", "suspended"])
def test_who_may_not_sign_in_any_more_when_the_mail_leaves_gets_none(*, acme, api, bob, mailbox, change):
    api().post(RESET, {"email": bob.email})
    with acme.entered():
        if change == "deactivated":
            User.objects.filter(pk=bob.pk).update(is_active=False)
        elif change == "deleted":
            User.objects.filter(pk=bob.pk).update(deleted_at=timezone.now())
        else:
            organization_services.suspend(acme.organization, actor=acme.system, at=timezone.now(), reason="unpaid")

    assert deliver_all(acme)["notifications.reset"] == "done"

    assert mailbox(acme) == []
    with acme.entered():
        assert PasswordLink.objects.count() == 0


def test_an_invitation_that_was_accepted_meanwhile_is_not_sent_again(acme, api, dan, mailbox):
    user = invited(api, dan)
    with acme.entered():
        found = User.objects.get(pk=user["id"])
        services.set_password(found, actor=found.as_actor(), at=timezone.now(), password=NEW)

    deliver_all(acme)

    assert [message.subject for message in mailbox(acme)] == ["Your password was changed"]


def test_history_mails_nobody(acme, mailbox):
    with acme.entered(), events.historic():
        services.create_user(
            actor=acme.system, at=timezone.now(), email="x@acme.example", full_name="X", fact="user.invited"
        )

    assert deliver_all(acme) == {}


# --- what owners hear of


def test_the_owner_hears_of_a_new_password(acme, api, bob, mailbox):
    with acme.entered():
        services.set_password(bob, actor=bob.as_actor(), at=timezone.now(), password=NEW)

    deliver_all(acme)

    (message,) = mailbox(acme)
    assert (message.recipients, message.subject) == ([bob.email], "Your password was changed")
    assert NEW not in message.text + message.html


@pytest.mark.bar(21)
def test_the_owner_hears_of_a_key_that_was_used_twice(acme, api, bob, mailbox):
    pair = api().post(TOKEN, {"email": bob.email, "password": PASSWORD}).json()
    assert api().post("/api/v1/auth/token/refresh/", {"refresh": pair["refresh"]}).status_code == 200
    with acme.entered():
        bob.sessions.update(rotated_at=timezone.now() - timedelta(minutes=1))
    assert api().post("/api/v1/auth/token/refresh/", {"refresh": pair["refresh"]}).status_code == 401

    deliver_all(acme)

    assert [message.subject for message in mailbox(acme)] == ["One of your sessions was ended"]


def test_the_old_address_and_the_new_one_hear_of_the_change_and_old_links_are_dead(acme, api, dan, bob, mailbox):
    api().post(RESET, {"email": bob.email})
    deliver_all(acme)
    assert api(dan).patch(f"{USERS}{bob.pk}/", {"email": "robert@acme.example"}).status_code == 200

    assert deliver_all(acme) == {"notifications.user.email_changed": "done"}

    mails = mailbox(acme)
    assert [(message.recipients, message.subject) for message in mails[1:]] == [
        (["bob@acme.example"], "Your e-mail address was changed"),
        (["robert@acme.example"], "Your e-mail address was changed"),
    ]
    assert "robert" not in mails[1].text + mails[1].html
    assert api().post(CONFIRM, {"token": token_in(mails[0].text), "new_password": NEW}).status_code == 401


# --- form


def test_a_name_breaks_neither_a_header_nor_the_page(acme, api, dan, mailbox):
    with acme.entered():
        type(acme.organization).objects.update(name="Ac\r\nBcc: x@evil.example\r\n<script>alert(1)</script>")
    invited(api, dan, full_name="<b>New</b>\u2028Person")

    assert deliver_all(acme) == {"notifications.invite": "done"}

    (message,) = mailbox(acme)
    assert message.subject == "You are invited to Ac Bcc: x@evil.example <script>alert(1)</script>"
    assert "<script>" not in message.html
    assert "<b>" not in message.html


def test_the_mailbox_keeps_nothing_outside_a_tenant(acme):
    with pytest.raises(TenantRequired):
        MailboxBackend().send_messages([EmailMultiAlternatives("x", "y", to=["z@example.com"])])


def test_every_notice_has_its_consumer_and_they_leave_the_transaction():
    names = {consumer.name: consumer for name in letters.NOTICES for consumer in events.consumers_of(name)}

    assert {f"notifications.{name}" for name in letters.NOTICES} <= set(names)
    assert all(names[f"notifications.{name}"].is_outward for name in letters.NOTICES)


def test_the_admin_shows_a_message_as_text_with_its_link_alone(acme, api, dan, mailbox):
    from django.test import Client

    from apps.notifications.models import MailboxMessage
    from tests.factories import MailboxMessageFactory

    with acme.entered():
        row = MailboxMessageFactory(
            text="Open http://127.0.0.1:8000/set-password/#abc\n<script>alert(1)</script>\njavascript:alert(2)",
            html="<script>alert(3)</script>",
        )
    client = Client()
    client.post("/admin/login/", {"username": dan.email, "password": PASSWORD})
    page = client.get(f"/admin/notifications/mailboxmessage/{row.pk}/change/").content.decode()

    assert '<a class="text-link break-all" href="http://127.0.0.1:8000/set-password/#abc" rel="nofollow">' in page
    assert "&lt;script&gt;alert(1)" in page
    assert "alert(3)" not in page
    assert not re.search(r'href="javascript', page)
    with acme.entered(), transaction.atomic():
        assert MailboxMessage.objects.count() == 1


def test_dead_mail_is_seen_by_the_administrator(acme, api, dan, bob, mailbox, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 1, 1
    api().post(RESET, {"email": bob.email})
    for _ in range(8):
        last = deliver_all(acme)

    assert last == {"notifications.reset": "dead"}
    with acme.entered():
        assert Dispatch.objects.get().last_error == "The mail server did not take the mail: ConnectionRefusedError."
    shown = api(dan).get("/api/v1/audit/dispatches/?state=dead").json()["results"]
    assert [row["consumer"] for row in shown] == ["notifications.reset"]


def test_the_owner_hears_of_a_second_factor_and_of_an_api_token(acme, api, dan, bob, mailbox):
    client = api(bob)
    secret = client.post("/api/v1/auth/mfa/setup/").json()["secret"]
    assert client.post("/api/v1/auth/mfa/confirm/", {"code": Authenticator(secret).code()}).status_code == 200
    expires = (timezone.now() + timedelta(days=9)).isoformat()
    body = {"name": "Mine", "scopes": ["sites:read"], "expires_at": expires}
    assert client.post("/api/v1/auth/api-tokens/", body).status_code == 201
    assert api(dan).post(f"{USERS}{bob.pk}/reset-mfa/").status_code == 200

    deliver_all(acme)

    assert {(*message.recipients, message.subject) for message in mailbox(acme)} == {
        (bob.email, "A second factor was set up"),
        (bob.email, "An API token was made"),
        (bob.email, "Your second factor was reset"),
    }
