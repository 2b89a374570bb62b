"""The second factor: enrol, confirm, check without replay, recover. TOTP is RFC 6238 with SHA-1, six digits and 30 s steps."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pyotp
import segno
from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.db.models import Q

from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import Conflict, FieldError
from apps.core.secrets import decrypt, encrypt
from apps.organizations.models import Organization
from apps.users import attempts, sessions
from apps.users.attempts import WrongProof
from apps.users.events import (
    MFA_DISABLED,
    MFA_ENABLED,
    RECOVERY_CODE_USED,
    RECOVERY_CODES_RENEWED,
    SECOND_FACTOR_FAILED,
)
from apps.users.models import RecoveryCode, RoleAssignment, TotpDevice, User

ISSUER = "ITSM"
CODES = 10
# Base 32 in lower case: ten characters are 50 bits.
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
CODE_LENGTH = 10
STEP_SECONDS = 30
# Clocks may differ by one step, to either side.
WINDOW = 1
WRONG = "The code is wrong or was used before; accepted: a fresh code of the authenticator, or an unused recovery code."


@dataclass(frozen=True, slots=True)
class Setup:
    """What an authenticator needs to know, shown until it is confirmed."""

    secret: str
    otpauth_uri: str
    qr_svg: str


@dataclass(frozen=True, slots=True)
class Match:
    """What a code belongs to: time steps of an authenticator, or a recovery code beside it."""

    device: TotpDevice
    steps: tuple[int, ...]
    recovery_code: RecoveryCode | None


def is_enrolled(user: User) -> bool:
    return TotpDevice.objects.filter(user_id=user.pk, confirmed_at__isnull=False).exists()


def is_required(user: User, *, at: datetime) -> bool:
    """Whether the organization, or a role the user holds at `at` (UTC) by themselves or by a team, demands a second factor."""
    if Organization.objects.filter(pk=user.organization_id, requires_mfa=True).exists():
        return True
    by_team = Q(team__members__user_id=user.pk, team__deleted_at=None)
    held = RoleAssignment.objects.filter(Q(user_id=user.pk) | by_team, role__requires_mfa=True, valid_from__lte=at)
    return bool(held.filter(Q(valid_until=None) | Q(valid_until__gt=at)).exists())


def begin_setup(user: User, *, at: datetime) -> Setup:
    """A new authenticator that counts once confirmed; one that waits to be confirmed is forgotten.

    Raises Conflict when one is confirmed already: it is disabled first, with a code; or `retry` as sessions.hold.
    """
    sessions.hold(user)
    if is_enrolled(user):
        raise Conflict("A second factor is set up already; disable it first.", code="mfa_enabled")
    secret = pyotp.random_base32()
    TotpDevice.objects.update_or_create(
        organization_id=user.organization_id,
        user_id=user.pk,
        defaults={"secret": encrypt(secret), "created_at": at, "confirmed_at": None, "last_step": 0},
    )
    return _setup(user, secret)


def pending_setup(user: User) -> Setup | None:
    """The authenticator that waits to be confirmed, once more."""
    device = TotpDevice.objects.filter(user_id=user.pk, confirmed_at=None).first()
    return _setup(user, decrypt(device.secret)) if device is not None else None


def confirm(user: User, *, actor: Actor, at: datetime, code: str) -> list[str]:
    """Turn the second factor on and end the other sessions; returns ten recovery codes, shown this once.

    Raises Conflict, or WrongProof.
    """
    device = TotpDevice.objects.filter(user_id=user.pk, confirmed_at=None).first()
    if device is None:
        raise Conflict("There is no second factor waiting to be confirmed; begin with setup.", code="no_mfa_setup")
    steps = _matching_steps(device, code, at=at)
    if not steps:
        raise wrong_code()
    # The slow hashes first: from the next line on the row is locked.
    codes = _hashed_codes()
    sessions.hold(user)
    waiting = TotpDevice.objects.filter(pk=device.pk, secret=device.secret, confirmed_at=None)
    if not waiting.update(confirmed_at=at, last_step=max(steps)):
        raise Conflict("The second factor was confirmed or begun anew meanwhile.", code="no_mfa_setup")
    _write_codes(user, codes)
    ended = sessions.end_live(user, at=at, except_id=actor.session_id)
    events.record(MFA_ENABLED, user, actor=actor, at=at, sessions_ended=ended)
    return [shown for shown, _ in codes]


def disable(user: User, *, actor: Actor, at: datetime, code: str) -> None:
    """Turn the second factor off with one of its codes, and end the other sessions; outside any transaction, as `proving`.

    Raises Conflict, WrongProof, TooManyAttempts.
    """
    with proving(user, actor=actor, at=at, code=code) as match, transaction.atomic():
        _use_up_held(match, user, actor=actor, at=at)
        forget(user)
        ended = sessions.end_live(user, at=at, except_id=actor.session_id)
        events.record(MFA_DISABLED, user, actor=actor, at=at, sessions_ended=ended)


def renew_codes(user: User, *, actor: Actor, at: datetime, code: str) -> list[str]:
    """Ten new recovery codes instead of the old ones; outside any transaction, as `proving`.

    Raises Conflict, WrongProof, TooManyAttempts.
    """
    with proving(user, actor=actor, at=at, code=code) as match:
        codes = _hashed_codes()
        with transaction.atomic():
            _use_up_held(match, user, actor=actor, at=at)
            _write_codes(user, codes)
            events.record(RECOVERY_CODES_RENEWED, user, actor=actor, at=at)
    return [shown for shown, _ in codes]


def forget(user: User) -> None:
    """Whatever second factor a locked user has or began to set up. The caller records the fact that this is part of."""
    TotpDevice.objects.filter(user_id=user.pk).delete()
    RecoveryCode.objects.filter(user_id=user.pk).delete()


@contextmanager
def proving(user: User, *, actor: Actor, at: datetime, code: str) -> Iterator[Match]:
    """Around what somebody signed in may do by a code: what it matched, for the block to use up in its own transaction.

    Slow hashes are computed in none, and wrong codes stay counted. Raises Conflict without a second factor, WrongProof,
    TooManyAttempts.
    """
    assert actor.session_id is not None, "only somebody with a session proves themselves anew"
    with transaction.atomic():
        if not is_enrolled(user):
            raise Conflict("There is no second factor; set one up first.", code="mfa_not_enabled")
    with attempts.proving(user.email_normalised, actor.session_id):
        try:
            match = find_match(user, code, at=at)
            if match is None:
                raise wrong_code()
            yield match
        except WrongProof:
            with transaction.atomic():
                events.record(SECOND_FACTOR_FAILED, user, actor=actor, at=at)
            raise


def use_code(user: User, *, actor: Actor, at: datetime, code: str) -> bool:
    """Use up a TOTP or recovery code; False when it is neither or was used before."""
    match = find_match(user, code, at=at)
    return match is not None and use_up(match, user, actor=actor, at=at)


def find_match(user: User, code: str, *, at: datetime) -> Match | None:
    """What a code belongs to around `at` (UTC), by one slow hash at most. It locks nothing and decides nothing yet."""
    with transaction.atomic():
        device = TotpDevice.objects.filter(user_id=user.pk, confirmed_at__isnull=False).first()
        if device is None:
            return None
        steps = _matching_steps(device, code, at=at)
        row, secret = (None, "") if steps else _named_recovery_code(user, code)
    if row is not None and not check_password(secret, row.code_hash):
        row = None
    return Match(device, tuple(steps), row) if steps or row is not None else None


def use_up(match: Match, user: User, *, actor: Actor, at: datetime) -> bool:
    """Decide in the caller's transaction: False when the code was used, or the second factor changed, since it was matched."""
    device = TotpDevice.objects.filter(pk=match.device.pk, secret=match.device.secret, confirmed_at__isnull=False)
    # Each update is a decision, so one of many racers wins.
    if any(device.filter(last_step__lt=step).update(last_step=step) for step in match.steps):
        return True
    row = match.recovery_code
    if row is None or not device.exists():
        return False
    deleted, _ = RecoveryCode.objects.filter(pk=row.pk, code_hash=row.code_hash).delete()
    if deleted != 1:
        return False
    events.record(RECOVERY_CODE_USED, user, actor=actor, at=at)
    return True


def _use_up_held(match: Match, user: User, *, actor: Actor, at: datetime) -> None:
    """Behind the lock of whoever changes a credential. Raises WrongProof, Conflict `retry`."""
    sessions.hold(user)
    if not use_up(match, user, actor=actor, at=at):
        raise wrong_code()


def wrong_code() -> WrongProof:
    return WrongProof(WRONG, errors=[FieldError("/code", "wrong_code", WRONG)], code="wrong_code")


def _setup(user: User, secret: str) -> Setup:
    uri = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)
    return Setup(secret, uri, segno.make(uri).svg_inline(scale=4))


def _matching_steps(device: TotpDevice, code: str, *, at: datetime) -> list[int]:
    """The time steps around `at` (UTC) that the code belongs to."""
    code = code.strip()
    if not (code.isascii() and code.isdigit() and len(code) == 6):
        return []
    totp = pyotp.TOTP(decrypt(device.secret))
    now = int(at.timestamp()) // STEP_SECONDS
    near = range(max(now - WINDOW, 0), now + WINDOW + 1)
    return [step for step in near if secrets.compare_digest(totp.generate_otp(step), code)]


def _hashed_codes() -> list[tuple[str, str]]:
    """Ten new codes as they are shown, `3-abcde-fghij`, each with its hash; the first digit finds the row."""
    made = ["".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)) for _ in range(CODES)]
    return [(f"{position}-{code[:5]}-{code[5:]}", make_password(code)) for position, code in enumerate(made)]


def _write_codes(user: User, codes: list[tuple[str, str]]) -> None:
    RecoveryCode.objects.filter(user_id=user.pk).delete()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(organization_id=user.organization_id, user=user, position=position, code_hash=code_hash)
        for position, (_, code_hash) in enumerate(codes)
    )


def _named_recovery_code(user: User, code: str) -> tuple[RecoveryCode | None, str]:
    """The row that the first digit names, and what its hash is to be of."""
    position, _, rest = code.strip().lower().partition("-")
    secret = rest.replace("-", "")
    if not (position.isascii() and position.isdigit() and len(position) == 1 and len(secret) == CODE_LENGTH):
        return None, ""
    return RecoveryCode.objects.filter(user_id=user.pk, position=int(position)).first(), secret
