"""Forged, stale and mixed-up access tokens: all 401, and none opens anything (T19)."""

import base64
import hashlib
import hmac
import json
import time
from datetime import timedelta
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.conf import settings
from django.utils import timezone

from apps.core.errors import NotSignedIn
from apps.core.models import new_id
from apps.organizations.models import Team
from apps.users import api_tokens, token_format, tokens
from apps.users.models import ApiToken
from apps.users.services import Device, open_session
from tests.conftest import signed_in_now
from tests.core.expectations import assert_problem

ME = "/api/v1/auth/me/"
TEAMS = "/api/v1/teams/"
KEY = settings.SIMPLE_JWT["SIGNING_KEY"]


def encoded(value) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header, claims, key=KEY, digest=hashlib.sha256) -> str:
    """A token signed by hand, so that a library's own care cannot get in the way of the forgery."""
    start = f"{encoded(header)}.{encoded(claims)}"
    return (
        f"{start}.{encoded(hmac.new(key.encode() if isinstance(key, str) else key, start.encode(), digest).digest())}"
    )


KID = {"kid": tokens.key_id(KEY)}
HS = {"alg": "HS256", "typ": "JWT", **KID}
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
PUBLIC = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def pair(acme, dan):
    """What an administrator got at sign-in."""
    with acme.entered():
        return open_session(dan, at=timezone.now(), device=Device())[1]


@pytest.fixture
def good(pair):
    """Their token and its claims."""
    return pair.access, jwt.decode(pair.access, options={"verify_signature": False})


def but(claims, **changes):
    """The claims with some of them replaced, or left out where None is given."""
    return {key: value for key, value in {**claims, **changes}.items() if value is not None}


def corpus(token, claims, globex, mallory, refresh):
    return {
        **algorithms(token, claims),
        **keys(claims),
        **times(claims),
        **audiences(claims, refresh),
        **subjects(claims, globex, mallory),
        **forms(token, claims, mallory),
    }


def algorithms(token, claims):
    """What a header may claim about the algorithm."""
    _, payload, signature = token.split(".")
    return {
        "alg none": f"{encoded({'alg': 'none', 'typ': 'JWT', **KID})}.{payload}.",
        "alg None": f"{encoded({'alg': 'None', **KID})}.{payload}.",
        "alg none with the old signature": f"{encoded({'alg': 'none', **KID})}.{payload}.{signature}",
        "alg empty": f"{encoded({'alg': '', **KID})}.{payload}.{signature}",
        "alg missing": signed({"typ": "JWT", **KID}, claims),
        "alg a list": signed({"alg": ["HS256"], **KID}, claims),
        "alg null": signed({"alg": None, **KID}, claims),
        "alg HS512 with our key": signed({"alg": "HS512", **KID}, claims, digest=hashlib.sha512),
        "alg HS384 with our key": signed({"alg": "HS384", **KID}, claims, digest=hashlib.sha384),
        "alg RS256": jwt.encode(claims, RSA, "RS256", headers=KID),
        "alg ES256": jwt.encode(claims, EC, "ES256", headers=KID),
        "RS and HS confused": signed(HS, claims, key=PUBLIC),
        "header says RS256, signed as HS256": signed({"alg": "RS256", **KID}, claims),
    }


def keys(claims):
    """What a header may claim about the key."""
    return {
        "another key": signed(HS, claims, key="k" * 64),
        "an empty key": signed(HS, claims, key=""),
        "no kid": signed({"alg": "HS256", "typ": "JWT"}, claims),
        "kid null": signed({**HS, "kid": None}, claims),
        "kid a list": signed({**HS, "kid": [HS["kid"]]}, claims),
        "kid of another key": signed({**HS, "kid": tokens.key_id("k" * 64)}, claims, key="k" * 64),
        "kid of a file": signed({**HS, "kid": "/dev/null"}, claims, key=""),
        "kid of SQL": signed({**HS, "kid": "x' UNION SELECT 'k"}, claims, key="k"),
        "jwk in the header": signed({**HS, "jwk": {"kty": "oct", "k": encoded(b"k" * 64)}}, claims, key="k" * 64),
        "jku in the header": signed({**HS, "jku": "https://evil.example/keys"}, claims, key="k" * 64),
        "crit in the header": signed({**HS, "crit": ["exp"], "exp": 1}, claims),
    }


def times(claims):
    """Claims about time, signed with our key."""
    now = int(time.time())
    return {
        "expired": signed(HS, but(claims, exp=now - 1, iat=now - 301)),
        "expired long ago": signed(HS, but(claims, exp=0, iat=0)),
        "no exp": signed(HS, but(claims, exp=None)),
        "exp a text": signed(HS, but(claims, exp="tomorrow")),
        "exp infinite": signed(HS, encoded_infinity(claims)),
        "exp beyond all time": signed(HS, but(claims, exp="9" * 5000)),
        "nbf in the future": signed(HS, but(claims, nbf=now + 300)),
        "iat in the future": signed(HS, but(claims, iat=now + 300)),
    }


def audiences(claims, refresh):
    """Tokens for somebody or something else, signed with our key."""
    return {
        "another audience": signed(HS, but(claims, aud="other-api")),
        "no audience": signed(HS, but(claims, aud=None)),
        "another issuer": signed(HS, but(claims, iss="evil")),
        "no issuer": signed(HS, but(claims, iss=None)),
        "typ refresh": signed(HS, but(claims, typ="refresh")),
        "typ mfa": signed(HS, but(claims, typ="mfa")),
        "no typ": signed(HS, but(claims, typ=None)),
        "the refresh token": refresh,
    }


def subjects(claims, globex, mallory):
    """Signed with our key, so only the session row is left to refuse."""
    return {
        "another organization": signed(HS, but(claims, org=str(globex.id))),
        "another organization and its user": signed(HS, but(claims, org=str(globex.id), sub=str(mallory.pk))),
        "another user": signed(HS, but(claims, sub=str(mallory.pk))),
        "a user who never was": signed(HS, but(claims, sub=str(new_id()))),
        "a session that never was": signed(HS, but(claims, sid=str(new_id()))),
        "an organization that never was": signed(HS, but(claims, org=str(new_id()))),
        "no organization": signed(HS, but(claims, org=None)),
        "no session": signed(HS, but(claims, sid=None)),
        "no user": signed(HS, but(claims, sub=None)),
        "user is a number": signed(HS, but(claims, sub=1)),
        "session is a list": signed(HS, but(claims, sid=[claims["sid"]])),
        "session is null": signed(HS, {**claims, "sid": None}),
        "organization is SQL": signed(HS, but(claims, org="' OR 1=1--")),
        "claims are a list": signed(HS, [claims]),
        "claims are a text": signed(HS, "x"),
    }


def forms(token, claims, mallory):
    """What is no token at all, or not in one piece."""
    header, payload, signature = token.split(".")
    return {
        "truncated": token[:-10],
        "no signature": f"{header}.{payload}.",
        "two parts": f"{header}.{payload}",
        "four parts": f"{token}.{signature}",
        "another payload under the signature": f"{header}.{encoded(but(claims, sub=str(mallory.pk)))}.{signature}",
        "one bit of the signature": f"{header}.{payload}.{'B' if signature[0] != 'B' else 'C'}{signature[1:]}",
        "header is no JSON": f"{encoded(b'{')}.{payload}.{signature}",
        "header is a list": signed([], claims),
        "header is a thousandfold list": f"{encoded(b'[' * 100_000)}.{payload}.{signature}",
        "payload is a thousandfold list": signed(HS, b"[" * 100_000),
        "payload is not UTF-8": signed(HS, b"\xff\xfe"),
        "not base64": "!!!.???.***",
        "dots": "..",
        "not ASCII": "ü.ü.ü",
        "latin": "\xff\xfe",
        "long": "a" * 100_000,
        "NUL": "a\x00b",
        "twice": f"{token} {token}",
        "with a comma": f"{token},{token}",
    }


def encoded_infinity(claims) -> bytes:
    return json.dumps({**claims, "exp": 1}).replace('"exp": 1', '"exp": 1e400').encode()


NAMES = corpus("a.b.c", {"sid": ""}, type("T", (), {"id": ""}), type("U", (), {"pk": ""}), "")


@pytest.mark.bar(19)
@pytest.mark.asvs("9.1.1", "9.1.2", "9.2.1", "9.2.2", "9.2.3")
@pytest.mark.parametrize("name", NAMES)
def test_a_token_that_is_not_ours_now_and_for_this_is_401(*, globex, mallory, api, pair, good, name):
    forged = corpus(*good, globex, mallory, pair.refresh)[name]
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {forged}")

    answer = client.post(TEAMS, {"name": "Forged"})

    assert answer.status_code == 401, answer.content
    code = {"expired": "token_expired", "expired long ago": "token_expired"}.get(name)
    is_signed_by_us = name.startswith(
        ("another organization", "another user", "a user", "a session", "an organization")
    )
    assert_problem(answer, 401, code or ("session_ended" if is_signed_by_us else "token_invalid"))
    assert answer["WWW-Authenticate"] == 'Bearer realm="itsm"'
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {good[0]}")
    assert client.get(TEAMS).json()["results"] == []


def altered(text, index):
    """One character replaced, and the checksum made right again: only the secret is left to refuse it."""
    start = text.rpartition("_")[0]
    start = start[:index] + ("A" if start[index] != "A" else "B") + start[index + 1 :]
    return f"{start}_{token_format.checksum(start)}"


def own_checksum(start):
    return f"{start}_{token_format.checksum(start)}"


# Each takes the owner's good API token and somebody else's, and says with which code it is refused.
API_TOKENS = {
    "checksum wrong": (lambda mine, other: mine[:-1] + ("0" if mine[-1] != "0" else "1"), "token_invalid"),
    "checksum missing": (lambda mine, other: mine.rpartition("_")[0], "token_invalid"),
    "checksum in capitals": (lambda mine, other: mine[:-8] + mine[-8:].upper() + "A", "token_invalid"),
    "secret altered, checksum wrong": (lambda mine, other: mine[:20] + "~" + mine[21:], "token_invalid"),
    "secret altered, checksum right": (lambda mine, other: altered(mine, 30), "token_invalid"),
    "last letter of the secret altered": (lambda mine, other: altered(mine, len(mine) - 10), "token_invalid"),
    "id altered, checksum right": (lambda mine, other: altered(mine, 12), "token_invalid"),
    "id of one, secret of another": (
        lambda mine, other: own_checksum(f"{mine[:18]}_{other.split('_')[3]}"),
        "token_invalid",
    ),
    "another environment": (
        lambda mine, other: own_checksum(mine.rpartition("_")[0].replace("_test_", "_live_")),
        "token_invalid",
    ),
    "never made": (lambda mine, other: token_format.make()[1], "token_invalid"),
    "in capitals": (lambda mine, other: mine.upper(), "token_invalid"),
    "its hash": (lambda mine, other: f"itsm_{hashlib.sha256(mine.encode()).hexdigest()}", "token_invalid"),
    "only the prefix": (lambda mine, other: "itsm_", "token_invalid"),
    "longer": (lambda mine, other: mine + "a", "token_invalid"),
    "twice": (lambda mine, other: mine + mine, "token_invalid"),
    "inside a JWT": (lambda mine, other: signed(HS, {"sub": mine}), "token_invalid"),
    "expired": (lambda mine, other: mine, "token_expired"),
    "revoked": (lambda mine, other: mine, "token_revoked"),
    "another address": (lambda mine, other: mine, "address_not_allowed"),
    "owner deactivated": (lambda mine, other: mine, "token_revoked"),
    "organization suspended": (lambda mine, other: mine, "token_revoked"),
}


def spoil(name, acme, dan):
    """What a stale token is refused for lies in the rows."""
    with acme.entered():
        mine = ApiToken.objects.filter(user=dan)
        if name == "expired":
            mine.update(expires_at=timezone.now())
        elif name == "revoked":
            mine.update(revoked_at=timezone.now())
        elif name == "another address":
            mine.update(allowed_addresses=["203.0.113.0/24"])
        elif name == "owner deactivated":
            type(dan).objects.filter(pk=dan.pk).update(is_active=False)
        elif name == "organization suspended":
            type(acme.organization).objects.filter(pk=acme.id).update(status="suspended")


def api_token(tenant, owner):
    now = timezone.now()
    values = {"name": "CI", "scopes": ["teams:*"], "expires_at": now + timedelta(days=1)}
    with tenant.entered():
        return api_tokens.create(actor=signed_in_now(owner), at=now, owner=owner, **values)[1]


@pytest.mark.bar(19)
@pytest.mark.parametrize("name", API_TOKENS)
def test_an_api_token_that_is_not_ours_now_and_from_here_is_401(*, acme, globex, dan, mallory, api, name):
    forge, code = API_TOKENS[name]
    mine, other = api_token(acme, dan), api_token(globex, mallory)
    forged = forge(mine, other)
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {mine}")
    assert client.get(TEAMS).status_code == 200
    spoil(name, acme, dan)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {forged}")

    answer = client.post(TEAMS, {"name": "Forged"})

    assert_problem(answer, 401, code)
    assert answer["WWW-Authenticate"] == 'Bearer realm="itsm"'
    with acme.entered():
        assert not Team.objects.exists()


@pytest.mark.bar(19)
def test_the_corpus_is_as_long_as_the_bar_wants():
    print(f"T19: {len(NAMES)} forged or stale access tokens, {len(API_TOKENS)} API tokens")
    assert len(NAMES) >= 30
    assert len(API_TOKENS) >= 20


def test_the_good_token_is_good_and_says_only_who_where_and_until_when(acme, api, dan, good):
    token, claims = good
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"bearer  {token}")

    assert client.get(ME).json()["id"] == str(dan.pk)
    assert set(claims) == {"sub", "sid", "org", "typ", "iat", "exp", "aud", "iss"}
    assert (claims["exp"] - claims["iat"], claims["typ"]) == (300, "access")
    assert jwt.get_unverified_header(token) == HS


@pytest.mark.parametrize("scheme", ["Basic", "Token", "JWT", "Digest", "bearer:", "Bearer\t"])
def test_only_the_bearer_scheme_is_accepted(acme, api, good, scheme):
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"{scheme} {good[0]}")

    assert client.get(ME).status_code == 401


def test_a_token_ends_five_minutes_after_it_was_issued():
    ids = {name: new_id() for name in ("user_id", "session_id", "organization_id")}
    now = timezone.now()

    young = tokens.read(tokens.issue(**ids, at=now - timedelta(minutes=4, seconds=50)))
    assert (young.user_id, young.session_id, young.organization_id) == tuple(UUID(str(value)) for value in ids.values())
    with pytest.raises(NotSignedIn) as refusal:
        tokens.read(tokens.issue(**ids, at=now - timedelta(minutes=5, seconds=1)))
    assert refusal.value.code == "token_expired"


@pytest.fixture
def rotate(settings, monkeypatch):
    """Start anew, as it were, with another key and those that are still accepted."""

    def forget():
        tokens._backends.cache_clear()
        tokens._verified.cache_clear()

    def to(key, *accepted):
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = key, list(accepted)
        monkeypatch.setitem(tokens._configuration, "SIGNING_KEY", key)
        forget()

    yield to
    forget()


def test_what_an_earlier_key_signed_is_accepted_while_it_is_named_and_not_after(acme, api, pair, rotate):
    new = "n" * 64
    refresh = "/api/v1/auth/token/refresh/"

    def status(access):
        client = api()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
        return client.get(ME).status_code

    rotate(new, KEY)
    assert status(pair.access) == 200
    answer = api().post(refresh, {"refresh": pair.refresh})
    assert answer.status_code == 200
    later = answer.json()
    assert jwt.get_unverified_header(later["access"])["kid"] == tokens.key_id(new) != HS["kid"]

    # A process that was not restarted yet knows the coming key when it is named.
    rotate(KEY, new)
    assert status(later["access"]) == 200

    rotate(new)
    assert (status(later["access"]), status(pair.access)) == (200, 401)
    assert_problem(api().post(refresh, {"refresh": pair.refresh}), 401, "token_invalid")
    assert api().post(refresh, {"refresh": later["refresh"]}).status_code == 200
