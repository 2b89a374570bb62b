"""People and their sessions."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import models
from django.db.models import F, Q

from apps.core.actors import Actor, ActorKind
from apps.core.authorization import Authorizer, Reach, ReachColumns
from apps.core.fields import TenantForeignKey
from apps.core.models import SoftDeleteModel, TenantModel
from apps.core.querysets import SoftDeleteObjects
from apps.core.validators import validate_language, validate_time_zone
from apps.organizations.models import Department, Site


class UserType(models.TextChoices):
    """Which built-in role somebody has."""

    END_USER = "end_user", "End User"
    AGENT = "agent", "Agent"
    MANAGER = "manager", "Manager"
    ADMIN = "admin", "Admin"


def normalise_email(email: str) -> str:
    """The form in which addresses are compared and unique: trimmed, lower case."""
    return email.strip().lower()


def normalise_name(name: str) -> str:
    """The form in which usernames and employee numbers are compared and unique; empty for none."""
    return name.strip().casefold()


class User(SoftDeleteModel, AbstractBaseUser):
    """Somebody with one home organization. Signs in by e-mail address, which is unique in the whole installation."""

    secret_columns: ClassVar[tuple[str, ...]] = ("password",)
    reach_columns: ClassVar[ReachColumns] = {Reach.OWN: ("id",), Reach.DEPARTMENT: ("department_id",)}
    USERNAME_FIELD = "email_normalised"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    # Django would write this on every sign-in; the session row knows better.
    last_login = None
    email = models.EmailField()
    email_normalised = models.EmailField("e-mail address", editable=False)
    full_name = models.CharField(max_length=200)
    user_type = models.CharField(max_length=10, choices=UserType, default=UserType.END_USER)
    is_active = models.BooleanField(default=True)
    username = models.CharField(max_length=150, blank=True)
    # As long as a folded name can get: some letters become three.
    username_normalised = models.CharField(max_length=450, blank=True, editable=False)
    employee_number = models.CharField(max_length=50, blank=True)
    employee_number_normalised = models.CharField(max_length=150, blank=True, editable=False)
    job_title = models.CharField(max_length=120, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    is_vip = models.BooleanField("VIP", default=False)
    is_service_account = models.BooleanField(default=False, editable=False)
    time_zone = models.CharField(max_length=63, default="UTC", validators=[validate_time_zone])
    language = models.CharField(max_length=10, default="en", validators=[validate_language])
    department = TenantForeignKey["Department | None", "Department | None"](
        Department, models.PROTECT, null=True, blank=True, related_name="users"
    )
    site = TenantForeignKey["Site | None", "Site | None"](
        Site, models.PROTECT, null=True, blank=True, related_name="users"
    )
    manager = TenantForeignKey["User | None", "User | None"](
        "self", models.PROTECT, null=True, blank=True, related_name="reports"
    )

    objects: ClassVar[Any] = SoftDeleteObjects()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["email_normalised"], name="user_email"),
            models.UniqueConstraint(
                fields=["organization_id", "username_normalised"],
                name="user_username",
                condition=~Q(username_normalised=""),
            ),
            models.UniqueConstraint(
                fields=["organization_id", "employee_number_normalised"],
                name="user_employee_number",
                condition=~Q(employee_number_normalised=""),
            ),
            models.CheckConstraint(
                condition=Q(manager=None) | ~Q(manager=F("id")),
                name="user_manager",
                violation_error_message="Nobody is their own manager.",
            ),
            models.CheckConstraint(condition=Q(user_type__in=UserType.values), name="user_type"),
            # Nobody signs in as one, and no type of its own opens the admin to it.
            models.CheckConstraint(
                condition=Q(is_service_account=False)
                | Q(password__startswith=UNUSABLE_PASSWORD_PREFIX, user_type=UserType.END_USER),
                name="user_service_account",
                violation_error_message="A service account has no password and no type.",
            ),
        ]
        indexes = [
            models.Index(fields=["organization_id", "full_name", "id"], name="user_name"),
            models.Index(fields=["organization_id", "manager"], name="user_of_manager"),
        ]

    def __str__(self) -> str:
        return self.full_name

    def get_username(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.full_name

    @property
    def may_sign_in(self) -> bool:
        return self.is_active and self.deleted_at is None

    def as_actor(
        self, *, session_id: UUID | None = None, token_id: UUID | None = None, authorizer: Authorizer | None = None
    ) -> Actor:
        """This person acting at home; without an authorizer they can be named as the actor of a fact, and do nothing."""
        return Actor(
            kind=ActorKind.USER,
            organization_id=self.organization_id,
            id=self.pk,
            label=self.full_name,
            home_organization_id=self.organization_id,
            session_id=session_id,
            token_id=token_id,
            authorizer=authorizer,
        )

    # --- what Django's admin asks; the same authorizer answers

    @property
    def is_staff(self) -> bool:
        return self.may_sign_in and self.user_type == UserType.ADMIN

    @property
    def is_superuser(self) -> bool:
        return False

    def has_perm(self, permission: str, obj: Any = None) -> bool:
        """Django's names lead nowhere: admin classes ask the authorizer by resource (core.admin.RecordAdmin)."""
        return False

    def has_perms(self, permissions: Any, obj: Any = None) -> bool:
        return False

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_staff


class Session(TenantModel):
    """One sign-in on one device. The access token and the admin's cookie name it; every request reads it.

    The refresh token is opaque and rotates: only SHA-256 of the current and the previous one are kept.
    """

    secret_columns: ClassVar[tuple[str, ...]] = ("current_hash", "previous_hash")

    user = TenantForeignKey["User", "User"](User, models.CASCADE, related_name="sessions")
    current_hash = models.CharField(max_length=64)
    previous_hash = models.CharField(max_length=64, blank=True)
    rotated_at = models.DateTimeField()
    generation = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    idle_until = models.DateTimeField()
    absolute_until = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    user_agent = models.CharField(max_length=300, blank=True)
    address = models.GenericIPAddressField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["organization_id", "user", "-created_at"], name="session_of_user"),
            models.Index(fields=["organization_id", "-created_at", "-id"], name="session_newest"),
        ]

    def __str__(self) -> str:
        return f"since {self.created_at:%Y-%m-%d %H:%M} UTC"

    def is_live(self, at: datetime) -> bool:
        return self.revoked_at is None and at < self.idle_until and at < self.absolute_until
