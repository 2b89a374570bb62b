"""Services, classes and configuration items in JSON."""

from typing import Any, ClassVar

from apps.cmdb.models import CiClass, ConfigurationItem, Criticality, Service
from apps.core.api import strict
from apps.core.api.resources import ENVELOPE
from apps.core.api.serializers import RecordSerializer
from apps.organizations.api.resources import SITES
from apps.organizations.api.serializers import TeamSerializer
from apps.users.api.availability import ColleagueSerializer

RESPONSIBLE = {"owner": (ColleagueSerializer, "users"), "support_team": (TeamSerializer, "teams")}
CRITICALITY: dict[str, Any] = {"min_value": min(Criticality), "max_value": max(Criticality), "required": False}


class CiClassSerializer(RecordSerializer):
    """A kind of configuration item; `key` is what imports call it."""

    class Meta:
        model = CiClass
        fields = ("id", "name", "key", "parent", "created_at", "updated_at", "version")
        read_only_fields = ENVELOPE


class ServiceSerializer(RecordSerializer):
    """What the business calls what it uses; criticality 1 (high) to 4 (low)."""

    criticality = strict.IntegerField(**CRITICALITY)

    class Meta:
        model = Service
        fields = (
            "id", "name", "description", "criticality", "owner", "support_team", "is_active",
            "created_at", "updated_at", "version", "deleted_at",
        )  # fmt: skip
        read_only_fields = (*ENVELOPE, "deleted_at")
        expandable: ClassVar[dict[str, Any]] = RESPONSIBLE


class ConfigurationItemSerializer(RecordSerializer):
    """A thing that services are made of; criticality 1 (high) to 4 (low)."""

    criticality = strict.IntegerField(**CRITICALITY)

    class Meta:
        model = ConfigurationItem
        fields = (
            "id", "number", "name", "ci_class", "status", "environment", "criticality", "serial_number", "asset_tag",
            "owner", "support_team", "service", "site", "description",
            "created_at", "updated_at", "version", "deleted_at",
        )  # fmt: skip
        read_only_fields = (*ENVELOPE, "number", "deleted_at")
        expandable: ClassVar[dict[str, Any]] = {
            "ci_class": (CiClassSerializer, "configuration_items"),
            "service": (ServiceSerializer, "configuration_items"),
            "site": (SITES.serializer(), "sites"),
            **RESPONSIBLE,
        }
