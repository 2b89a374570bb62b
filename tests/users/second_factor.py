"""An authenticator in the test's hands, and time that passes for the counters."""

from dataclasses import dataclass
from datetime import timedelta

import pyotp
from django.contrib.auth.hashers import make_password
from django.db.models import F
from django.utils import timezone

from apps.core.secrets import encrypt
from apps.users.models import RecoveryCode, SignInCounter, TotpDevice, User
from tests.conftest import Tenant

# RFC 6238, appendix B: the ASCII string 12345678901234567890.
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
RECOVERY_CODE = "3-abcde-23456"
TOKEN = "/api/v1/auth/token/"
SECOND = "/api/v1/auth/token/mfa/"
ME = "/api/v1/auth/me/"


@dataclass(frozen=True)
class Authenticator:
    secret: str = SECRET

    def code(self, *, steps: int = 0) -> str:
        """The code of now, or of so many steps from now."""
        return pyotp.TOTP(self.secret).at(timezone.now() + timedelta(seconds=30 * steps))


def enrol(tenant: Tenant, user: User) -> Authenticator:
    """A confirmed authenticator and one recovery code, without the ceremony."""
    with tenant.entered():
        own = {"organization_id": tenant.id, "user_id": user.pk}
        TotpDevice.objects.update_or_create(
            **own, defaults={"secret": encrypt(SECRET), "created_at": timezone.now(), "confirmed_at": timezone.now()}
        )
        RecoveryCode.objects.update_or_create(**own, position=3, defaults={"code_hash": make_password("abcde23456")})
    return Authenticator()


def unused(tenant: Tenant) -> None:
    """Every authenticator as if no code had been used yet."""
    with tenant.entered():
        TotpDevice.objects.update(last_step=0)


def pass_time(seconds: float) -> None:
    """So much earlier is everything that the counters remember."""
    by = timedelta(seconds=seconds)
    SignInCounter.objects.update(blocked_until=F("blocked_until") - by, full_at=F("full_at") - by)


def forget_attempts() -> None:
    SignInCounter.objects.all().delete()
