"""Bodies of the sign-in endpoints, and how a caller sees themselves."""

from typing import Any, ClassVar

from rest_framework import serializers

from apps.core.api import strict
from apps.core.api.resources import ENVELOPE
from apps.core.api.serializers import RecordSerializer, StrictInput
from apps.core.authorization import Action, Reach
from apps.users.api.availability import OutOfOffice
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
            "id", "email", "full_name", "user_type", "department", "site", "time_zone", "language",
            "presence", "out_of_office",
            "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = (*ENVELOPE, "email", "user_type", "department", "site")


class GrantSerializer(StrictInput):
    """One grant of a role."""

    resource = strict.TextField(max_length=40)
    action = strict.ChoiceField(choices=[action.value for action in Action])
    reach = strict.ChoiceField(choices=[reach.value for reach in Reach])


class RoleSerializer(RecordSerializer):
    """A role and everything it grants."""

    grants: Any = serializers.ListSerializer(child=GrantSerializer(), required=False, max_length=500)
    is_built_in = serializers.BooleanField(read_only=True)

    class Meta:
        model = Role
        fields = ("id", "name", "key", "description", "is_built_in", "grants", "created_at", "updated_at", "version")
        read_only_fields = (*ENVELOPE, "key", "is_built_in")
        extra_kwargs: ClassVar[dict[str, Any]] = {"name": {"required": True, "allow_blank": False}}


class RoleAssignmentSerializer(RecordSerializer):
    """A role for a user or a team."""

    valid_from = strict.InstantField(required=False)

    class Meta:
        model = RoleAssignment
        fields = (
            "id", "role", "user", "team", "limited_to_team", "valid_from", "valid_until",
            "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = ENVELOPE
        expandable: ClassVar[dict[str, Any]] = {"role": (RoleSerializer, "roles")}


class Explanation(serializers.Serializer[Any]):
    """Whether, and which assignment says so."""

    allowed = serializers.BooleanField()
    reach = serializers.CharField(allow_null=True)
    because = serializers.ListField(child=serializers.CharField())
