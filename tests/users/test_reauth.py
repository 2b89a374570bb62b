"""What changes how an account is entered takes a sign-in of the last five minutes, or a proof of its own."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.users import sessions
from apps.users.models import ApiToken, Session, TotpDevice, User
from tests.core.expectations import assert_problem
from tests.factories import PASSWORD
from tests.users.test_api_tokens import TOKENS, body, by
from tests.users.test_api_tokens import made as made_token

SETUP, REFRESH, SIGN_IN = "/api/v1/auth/mfa/setup/", "/api/v1/auth/token/refresh/", "/api/v1/auth/token/"


def own_page(user):
    return f"/api/v1/users/{user.pk}/"


def age(acme, **by):
    """Let every session be older than it is."""
    with acme.entered():
        for session in Session.objects.all():
            Session.objects.filter(pk=session.pk).update(created_at=session.created_at - timedelta(**by))


CHANGES = {
    "an API token": lambda client, user: client.post(TOKENS, body()),
    "an authenticator": lambda client, user: client.post(SETUP, {}),
    "the e-mail address": lambda client, user: client.patch(own_page(user), {"email": "moved@acme.example"}),
}


def written(acme, user):
    with acme.entered():
        counts = ApiToken.objects.count(), TotpDevice.objects.count()
        return *counts, User.objects.get(pk=user.pk).email == "moved@acme.example"


@pytest.mark.asvs("7.5.1")
@pytest.mark.parametrize("what", CHANGES)
def test_it_is_done_lately_after_a_sign_in_and_refused_later(acme, dan, api, what):
    client = api(dan)
    age(acme, minutes=5, seconds=1)

    refused = assert_problem(CHANGES[what](client, dan), 403, "reauth_required")

    assert "sign in again" in refused["detail"]
    assert written(acme, dan) == (0, 0, False)
    client = api(dan)
    age(acme, minutes=4, seconds=30)
    assert CHANGES[what](client, dan).status_code in {200, 201}
    assert written(acme, dan) != (0, 0, False)


@pytest.mark.asvs("7.5.1")
def test_a_refresh_is_no_sign_in_and_signing_in_anew_is(acme, dan, api):
    def signed_in(access):
        client = api()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
        return client

    credentials = {"email": dan.email, "password": PASSWORD}
    first = api().post(SIGN_IN, credentials).json()
    age(acme, minutes=6)
    refreshed = api().post(REFRESH, {"refresh": first["refresh"]}).json()

    assert_problem(signed_in(refreshed["access"]).post(TOKENS, body()), 403, "reauth_required")
    again = api().post(SIGN_IN, credentials).json()
    assert signed_in(again["access"]).post(TOKENS, body()).status_code == 201
    # The first session lives on, for everything else.
    assert signed_in(refreshed["access"]).get("/api/v1/auth/me/").status_code == 200


def test_somebody_else_s_address_and_one_s_other_fields_take_no_new_sign_in(acme, dan, bob, api):
    client = api(dan)
    age(acme, minutes=6)

    assert client.patch(own_page(bob), {"email": "bobby@acme.example"}).status_code == 200
    assert client.patch(own_page(dan), {"job_title": "Keeper"}).status_code == 200
    assert client.patch(own_page(dan), {"email": dan.email.upper()}).status_code == 200


@pytest.mark.asvs("7.5.1")
def test_an_api_token_moves_its_owner_s_address_never(acme, dan, api):
    program = by(api, made_token(api, dan, scopes=["users:*"])["token"])

    assert_problem(program.patch(own_page(dan), {"email": "moved@acme.example"}), 403, "reauth_required")
    assert written(acme, dan) == (1, 0, False)


def test_the_window_is_open_until_the_fifth_minute_is_over(acme, dan):
    with acme.entered():
        at = timezone.now()
        session = Session.objects.create(
            organization_id=acme.id,
            user=dan,
            current_hash="x",
            rotated_at=at,
            created_at=at,
            idle_until=at,
            absolute_until=at,
        )
        actor = dan.as_actor(session_id=session.pk)
        sessions.require_recent(actor, at=at + timedelta(minutes=5) - timedelta(microseconds=1))
        with pytest.raises(sessions.ReauthRequired):
            sessions.require_recent(actor, at=at + timedelta(minutes=5))
