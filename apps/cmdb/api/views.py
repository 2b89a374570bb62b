"""Services, classes and configuration items over HTTP, all behind the grants of `configuration_items`."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from rest_framework.request import Request

from apps.cmdb import services
from apps.cmdb.api.serializers import CiClassSerializer, ConfigurationItemSerializer, ServiceSerializer
from apps.cmdb.models import CiClass, ConfigurationItem, Service
from apps.core.api.bulk import BulkViewSet
from apps.core.api.filters import filters_for
from apps.core.api.record_views import RecordViewSet
from apps.core.api.soft_delete import SoftDeleteViewSet
from apps.core.authorization import Action, may


class ServiceViewSet(BulkViewSet, SoftDeleteViewSet):
    """Services of the caller's organization; deleted ones can be restored."""

    model = Service
    resource = "configuration_items"
    grants = {**SoftDeleteViewSet.grants, **BulkViewSet.grants}
    serializer_class = ServiceSerializer
    filterset_class = filters_for(
        Service, ("name", "criticality", "owner", "support_team", "is_active", "created_at", "updated_at")
    )
    orderings = ("name", "created_at")
    default_ordering = "name"
    search_columns = ("name", "description")

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return services.create_service(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return services.change_service(record, actor=self.actor, at=timezone.now(), values=values)


class CiClassViewSet(RecordViewSet):
    """The tree of classes. Its names are a vocabulary: whoever reads any configuration item reads them all."""

    model = CiClass
    resource = "configuration_items"
    serializer_class = CiClassSerializer
    filterset_class = filters_for(CiClass, ("name", "key", "parent", "created_at", "updated_at"))
    orderings = ("name", "key", "created_at")
    default_ordering = "name"
    search_columns = ("name", "key")

    def visible(self) -> Any:
        everything = CiClass.objects.visible_to(self.actor)
        return everything if may(self.actor, Action.READ, self.resource) else everything.none()

    def locked(self, request: Request) -> Any:
        services.lock_tree(self.actor.organization_id)
        return super().locked(request)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return services.change_class(record, actor=self.actor, at=timezone.now(), values=values)


class ConfigurationItemViewSet(BulkViewSet, SoftDeleteViewSet):
    """Configuration items of the caller's organization, by id or number; deleted ones can be restored."""

    model = ConfigurationItem
    resource = "configuration_items"
    grants = {**SoftDeleteViewSet.grants, **BulkViewSet.grants}
    serializer_class = ConfigurationItemSerializer
    filterset_class = filters_for(
        ConfigurationItem,
        (
            "number", "name", "ci_class", "status", "environment", "criticality", "serial_number", "asset_tag",
            "owner", "support_team", "service", "site", "created_at", "updated_at",
        ),
    )  # fmt: skip
    orderings = ("name", "number", "created_at")
    default_ordering = "name"
    search_columns = ("number", "name", "serial_number", "asset_tag")
    lookup_value_converter = "record"
    number_prefixes = frozenset({services.PREFIX})

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return services.create_item(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return services.change_item(record, actor=self.actor, at=timezone.now(), values=values)
