"""The second factor: enrol, confirm, check without replay, recover."""

import secrets
from datetime import datetime

import pyotp
import segno
from django.contrib.auth.hashers import check_password, make_password
from django.db.models import Q

from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import Conflict, FieldError, Invalid
from apps.core.secrets import decrypt, encrypt
from apps.organizations.models import Organization
from apps.users.events import MFA_DISABLED, MFA_ENABLED, RECOVERY_CODE_USED, RECOVERY_CODES_RENEWED
from apps.users.models import RecoveryCode, RoleAssignment, TotpDevice, User

ISSUER = "ITSM"
CODES = 10
# RFC 4648 base 32 without look-alikes would be shorter than its rule; ten characters are 50 bits.
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
CODE_LENGTH = 10
STEP_SECONDS = 30
WRONG = "The code is wrong or was used before; accepted: a fresh code of the authenticator, or a recovery code."


def is_enrolled(user: User) -> bool:
    return TotpDevice.objects.filter(user_id=user.pk, confirmed_at__isnull=False).exists()


def is_required(user: User, organization: Organization, *, at: datetime) -> bool:
    """Whether the organization, or a role the user holds at `at` (UTC), demands a second factor."""
    if organization.requires_mfa:
        return True
    held = RoleAssignment.objects.filter(user_id=user.pk, role__requires_mfa=True, valid_from__lte=at)
    by_team = RoleAssignment.objects.filter(
        team__members__user_id=user.pk, team__deleted_at=None, role__requires_mfa=True, valid_from__lte=at
    )
    is_valid = Q(valid_until=None) | Q(valid_until__gt=at)
    return held.filter(is_valid).exists() or by_team.filter(is_valid).exists()


def begin_setup(user: User, *, at: datetime) -> tuple[str, str, str]:
    """(secret, otpauth URI, QR code as SVG) of a new authenticator that counts once confirmed.

    Raises Conflict when one is confirmed already: it is disabled first, with a code.
    """
    if is_enrolled(user):
        raise Conflict("A second factor is set up already; disable it first.", code="mfa_enabled")
    secret = pyotp.random_base32()
    TotpDevice.objects.update_or_create(
        organization_id=user.organization_id,
        user_id=user.pk,
        defaults={"secret": encrypt(secret), "created_at": at, "confirmed_at": None, "last_step": 0},
    )
    uri = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)
    return secret, uri, segno.make(uri).svg_inline(scale=4)


def confirm(user: User, *, actor: Actor, at: datetime, code: str) -> list[str]:
    """Turn the second factor on; returns ten recovery codes, shown this once. Raises Conflict or Invalid."""
    device = TotpDevice.objects.select_for_update().filter(user_id=user.pk).first()
    if device is None or device.confirmed_at is not None:
        raise Conflict("There is no second factor waiting to be confirmed; begin with setup.", code="no_mfa_setup")
    if not _use_totp(device, code, at=at):
        raise wrong_code()
    TotpDevice.objects.filter(pk=device.pk).update(confirmed_at=at)
    events.record(MFA_ENABLED, user, actor=actor, at=at)
    return _new_codes(user)


def disable(user: User, *, actor: Actor, at: datetime, code: str) -> None:
    """Turn the second factor off with one of its codes. Raises Invalid."""
    require_code(user, actor=actor, at=at, code=code)
    TotpDevice.objects.filter(user_id=user.pk).delete()
    RecoveryCode.objects.filter(user_id=user.pk).delete()
    events.record(MFA_DISABLED, user, actor=actor, at=at)


def renew_codes(user: User, *, actor: Actor, at: datetime, code: str) -> list[str]:
    """Ten new recovery codes instead of the old ones. Raises Invalid."""
    require_code(user, actor=actor, at=at, code=code)
    events.record(RECOVERY_CODES_RENEWED, user, actor=actor, at=at)
    return _new_codes(user)


def require_code(user: User, *, actor: Actor, at: datetime, code: str) -> None:
    """Use up a TOTP or recovery code. Raises Invalid when it is neither, or was used before."""
    device = TotpDevice.objects.filter(user_id=user.pk, confirmed_at__isnull=False).first()
    if device is not None and _use_totp(device, code, at=at):
        return
    if device is not None and _use_recovery_code(user, code):
        events.record(RECOVERY_CODE_USED, user, actor=actor, at=at)
        return
    raise wrong_code()


def wrong_code() -> Invalid:
    return Invalid(WRONG, errors=[FieldError("/code", "wrong_code", WRONG)], code="wrong_code")


def _use_totp(device: TotpDevice, code: str, *, at: datetime) -> bool:
    """Accept a code of this step or a neighbour, once: the update is the decision, so one of many racers wins."""
    if not (code.isascii() and code.isdigit() and len(code) == 6):
        return False
    totp = pyotp.TOTP(decrypt(device.secret))
    now = int(at.timestamp()) // STEP_SECONDS
    steps = [step for step in (now - 1, now, now + 1) if secrets.compare_digest(totp.generate_otp(step), code)]
    return any(TotpDevice.objects.filter(pk=device.pk, last_step__lt=step).update(last_step=step) for step in steps)


def _new_codes(user: User) -> list[str]:
    RecoveryCode.objects.filter(user_id=user.pk).delete()
    codes = ["".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)) for _ in range(CODES)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(organization_id=user.organization_id, user=user, position=position, code_hash=make_password(code))
        for position, code in enumerate(codes)
    )
    return [f"{position}-{code[:5]}-{code[5:]}" for position, code in enumerate(codes)]


def _use_recovery_code(user: User, code: str) -> bool:
    """The first digit finds the row, so that one slow hash decides; deleting it is what makes it single-use."""
    position, _, rest = code.strip().lower().partition("-")
    secret = rest.replace("-", "")
    if not (position.isascii() and position.isdigit() and len(position) == 1 and len(secret) == CODE_LENGTH):
        return False
    row = RecoveryCode.objects.filter(user_id=user.pk, position=int(position)).first()
    if row is None or not check_password(secret, row.code_hash):
        return False
    deleted, _ = RecoveryCode.objects.filter(pk=row.pk).delete()
    return deleted == 1
