"""Bodies of the sign-in endpoints, and how a caller sees themselves."""

from typing import Any, ClassVar

from rest_framework import serializers

from apps.core.api import strict
from apps.core.api.resources import ENVELOPE
from apps.core.api.serializers import ObjectList, RecordSerializer, StrictInput
from apps.core.authorization import Action, Reach
from apps.organizations.api.resources import SITES
from apps.organizations.api.serializers import DepartmentOutlineSerializer
from apps.users.api.availability import OutOfOffice, PersonSerializer
from apps.users.models import PresenceStatus, Role, RoleAssignment, User

MAX_PASSWORD = 1024


class TokenRequest(StrictInput):
    email = strict.TextField(max_length=254)
    password = strict.TextField(max_length=MAX_PASSWORD, trim_whitespace=False)


class RefreshRequest(StrictInput):
    refresh = strict.TextField(max_length=200)


class TokenPair(serializers.Serializer[Any]):
    access = serializers.CharField()
    refresh = serializers.CharField()


class MeSerializer(RecordSerializer):
    """The caller: what they may change about themselves, and what only an administrator may."""

    time_zone = strict.TimeZoneField(max_length=63, required=False)

    presence = serializers.ChoiceField(choices=PresenceStatus.choices, source="availability.presence", read_only=True)
    out_of_office = OutOfOffice(source="availability", read_only=True)

    class Meta:
        model = User
        fields = (
            "id", "email", "full_name", "username", "employee_number", "job_title", "phone", "user_type",
            "department", "site", "manager", "time_zone", "language", "presence", "out_of_office",
            "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = (
            *ENVELOPE, "email", "username", "employee_number", "job_title", "user_type", "department", "site", "manager",
        )  # fmt: skip


class UserSerializer(RecordSerializer):
    """A person of the organization. Whether they are active is changed by its own actions, a password by themselves alone."""

    time_zone = strict.TimeZoneField(max_length=63, required=False)

    class Meta:
        model = User
        fields = (
            "id", "email", "full_name", "username", "employee_number", "job_title", "phone", "user_type", "is_active",
            "is_service_account", "is_vip", "department", "site", "manager", "time_zone", "language",
            "created_at", "updated_at", "version", "deleted_at",
        )  # fmt: skip
        read_only_fields = (*ENVELOPE, "is_active", "is_service_account", "deleted_at")
        expandable: ClassVar[dict[str, Any]] = {
            "department": (DepartmentOutlineSerializer, "departments"),
            "site": (SITES.serializer(), "sites"),
            "manager": (PersonSerializer, "users"),
        }


class ImportRequest(StrictInput):
    """The same as the multipart form, whose part `file` is read as `csv`."""

    csv = strict.TextField(trim_whitespace=False)
    dry_run = strict.BooleanField(default=False)
    invite = strict.BooleanField(default=False)


class ImportForm(serializers.Serializer[Any]):
    """How the multipart form looks; the parser reads it."""

    file = serializers.FileField()
    dry_run = serializers.BooleanField(required=False)
    invite = serializers.BooleanField(required=False)


class ResetRequest(StrictInput):
    email = strict.TextField(max_length=254)


class ResetAccepted(serializers.Serializer[Any]):
    """The same for every address."""

    detail = serializers.CharField()


class ResetConfirmation(StrictInput):
    token = strict.TextField(max_length=200)
    new_password = strict.TextField(max_length=MAX_PASSWORD, trim_whitespace=False)


class GrantSerializer(StrictInput):
    """One grant of a role."""

    resource = strict.TextField(max_length=40)
    action = strict.ChoiceField(choices=[action.value for action in Action])
    reach = strict.ChoiceField(choices=[reach.value for reach in Reach])


class RoleSerializer(RecordSerializer):
    """A role and everything it grants."""

    grants: Any = ObjectList(child=GrantSerializer(), required=False, max_length=500)
    is_built_in = serializers.BooleanField(read_only=True)

    class Meta:
        model = Role
        fields = (
            "id", "name", "key", "description", "is_built_in", "requires_mfa", "grants",
            "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = (*ENVELOPE, "key", "is_built_in")
        extra_kwargs: ClassVar[dict[str, Any]] = {"name": {"required": True, "allow_blank": False}}


class RoleAssignmentSerializer(RecordSerializer):
    """A role, or direct grants without one, for a user or a team."""

    valid_from = strict.InstantField(required=False)
    grants: Any = ObjectList(child=GrantSerializer(), required=False, max_length=500)

    class Meta:
        model = RoleAssignment
        fields = (
            "id", "role", "grants", "user", "team", "limited_to_team", "valid_from", "valid_until",
            "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = ENVELOPE
        extra_kwargs: ClassVar[dict[str, Any]] = {"role": {"required": False}}
        expandable: ClassVar[dict[str, Any]] = {"role": (RoleSerializer, "roles")}


class Explanation(serializers.Serializer[Any]):
    """Whether, and which assignment says so."""

    allowed = serializers.BooleanField()
    reach = serializers.CharField(allow_null=True)
    because = serializers.ListField(child=serializers.CharField())
