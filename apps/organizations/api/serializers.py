"""Serializers of the hand-written resources."""

from typing import Any

from apps.core.api import strict
from apps.core.api.resources import ENVELOPE
from apps.core.api.serializers import RecordSerializer
from apps.organizations.api.resources import CALENDARS
from apps.organizations.models import CostCentre, Department, Organization, Team


class OrganizationSerializer(RecordSerializer):
    """The caller's own organization."""

    time_zone = strict.TimeZoneField(max_length=63, required=False)

    class Meta:
        model = Organization
        fields = (
            "id",
            "name",
            "slug",
            "time_zone",
            "language",
            "status",
            "requires_if_match",
            "requires_mfa",
            "created_at",
            "updated_at",
            "version",
        )
        read_only_fields = (*ENVELOPE, "slug", "status")


class CostCentreOutlineSerializer(RecordSerializer):
    """What work is charged to; the users app adds who answers for it."""

    class Meta:
        model = CostCentre
        fields = ("id", "code", "name", "is_active", "created_at", "updated_at", "version")
        read_only_fields = ENVELOPE


class DepartmentOutlineSerializer(RecordSerializer):
    """A node of the organization chart; the users app adds who heads it."""

    class Meta:
        model = Department
        fields: tuple[str, ...] = ("id", "name", "parent", "cost_centre", "created_at", "updated_at", "version")
        read_only_fields = ENVELOPE
        expandable: dict[str, Any] = {"cost_centre": (CostCentreOutlineSerializer, "cost_centres")}


class TeamSerializer(RecordSerializer):
    """A group that work is given to."""

    class Meta:
        model = Team
        fields = ("id", "name", "description", "email", "calendar", "created_at", "updated_at", "version", "deleted_at")
        read_only_fields = (*ENVELOPE, "deleted_at")
        expandable = {"calendar": (CALENDARS.serializer(), "calendars")}
