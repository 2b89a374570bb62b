"""Bodies of the sign-in endpoints, and how a caller sees themselves."""

from typing import Any

from rest_framework import serializers

from apps.core.api import strict
from apps.core.api.resources import ENVELOPE
from apps.core.api.serializers import RecordSerializer, StrictInput
from apps.users.models import User

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

    class Meta:
        model = User
        fields = (
            "id", "email", "full_name", "user_type", "department", "site", "time_zone", "language",
            "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = (*ENVELOPE, "email", "user_type", "department", "site")
