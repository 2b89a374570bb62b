"""Categories, tags, custom fields and the priority matrix.

Categories and custom fields make the form that a requester fills in, so they are part of the `catalogue`: who reads only
what they are entitled to sees those that are active and public. Tags are the agents' own, like other `templates`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from apps.core.api import strict
from apps.core.api.filters import filters_for
from apps.core.api.record_views import RecordViewSet
from apps.core.api.resources import ENVELOPE
from apps.core.api.serializers import RecordSerializer
from apps.core.authorization import Action, Reach, decide
from apps.tickets import configuration
from apps.tickets.models import Category, CustomField, PriorityCell, Tag

CONFIGURED: Mapping[str, Action | None] = {
    name: grant if grant is Action.READ else Action.CONFIGURE for name, grant in RecordViewSet.grants.items()
}


class ConfigurationViewSet(RecordViewSet):
    """Read by those who work with it, written by those who configure."""

    grants: ClassVar[Any] = CONFIGURED
    export_grant = Action.CONFIGURE


class CatalogueViewSet(ConfigurationViewSet):
    """What requesters choose from, too."""

    resource = "catalogue"
    # What somebody sees who reads only what they are entitled to.
    entitled: ClassVar[Mapping[str, Any]]

    def visible(self) -> Any:
        rows = self.model._default_manager.visible_to(self.actor)
        reach = decide(self.actor, Action.READ, self.resource).reach
        if reach is Reach.ORGANIZATION:
            return rows
        return rows.none() if reach is None else rows.filter(**self.entitled)


class CategorySerializer(RecordSerializer):
    """A node of the tree that says what a ticket is about."""

    class Meta:
        model = Category
        fields = ("id", "name", "parent", "description", "is_active", "created_at", "updated_at", "version")
        read_only_fields = ENVELOPE


class CategoryViewSet(CatalogueViewSet):
    """Categories, each below another or on top; one that a ticket or another category names cannot be deleted."""

    model = Category
    serializer_class = CategorySerializer
    entitled: ClassVar[Mapping[str, Any]] = {"is_active": True}
    filterset_class = filters_for(Category, ("name", "parent", "is_active", "created_at", "updated_at"))
    orderings = ("name", "created_at")
    default_ordering = "name"
    search_columns = ("name", "description")

    def locked(self, request: Request) -> Any:
        configuration.lock_categories(self.actor.organization_id)
        return super().locked(request)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return configuration.change_category(record, actor=self.actor, at=timezone.now(), values=values)


class TagSerializer(RecordSerializer):
    """A word of the vocabulary. Tickets hold the word itself, so it never changes."""

    class Meta:
        model = Tag
        fields = ("id", "name", "colour", "description", "created_at", "updated_at", "version")
        read_only_fields = ENVELOPE


class TagViewSet(ConfigurationViewSet):
    """The vocabulary of tags. It grows as agents use new ones; one that a ticket has cannot be deleted."""

    model = Tag
    resource = "templates"
    serializer_class = TagSerializer
    filterset_class = filters_for(Tag, ("name", "colour", "created_at", "updated_at"))
    orderings = ("name", "created_at")
    default_ordering = "name"
    search_columns = ("name", "description")

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return configuration.change_tag(record, actor=self.actor, at=timezone.now(), values=values)

    def delete_record(self, record: Any) -> None:
        configuration.delete_tag(record, actor=self.actor, at=timezone.now())


class CustomFieldSerializer(RecordSerializer):
    """A field that tickets of one kind have beside the usual ones."""

    choices = serializers.ListField(
        child=strict.TextField(max_length=configuration.MAX_CHOICE_LENGTH),
        required=False,
        max_length=configuration.MAX_CHOICES,
    )

    class Meta:
        model = CustomField
        fields = (
            "id", "kind", "key", "label", "field_type", "choices", "is_required", "is_public", "is_active", "position",
            "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = ENVELOPE
        extra_kwargs: ClassVar[dict[str, Any]] = {"position": {"max_value": 32767}}


class CustomFieldViewSet(CatalogueViewSet):
    """Fields of one's own, by kind of ticket. None is deleted, because tickets hold values of it: deactivate it instead."""

    model = CustomField
    serializer_class = CustomFieldSerializer
    http_method_names = ["get", "post", "patch", "head", "options"]
    entitled: ClassVar[Mapping[str, Any]] = {"is_active": True, "is_public": True}
    filterset_class = filters_for(
        CustomField, ("kind", "key", "field_type", "is_required", "is_public", "is_active", "created_at", "updated_at")
    )
    orderings = ("position", "key", "created_at")
    default_ordering = "position"
    search_columns = ("key", "label")

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return configuration.create_custom_field(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return configuration.change_custom_field(record, actor=self.actor, at=timezone.now(), values=values)


class PriorityCellSerializer(RecordSerializer):
    """What priority a ticket of this kind has at this impact and urgency."""

    class Meta:
        model = PriorityCell
        fields = ("id", "kind", "impact", "urgency", "priority", "created_at", "updated_at", "version")
        read_only_fields = (*ENVELOPE, "kind", "impact", "urgency")


class PriorityMatrixViewSet(ConfigurationViewSet):
    """The cells of the priority matrix. A change holds for tickets that are rated from then on."""

    model = PriorityCell
    resource = "matrix"
    serializer_class = PriorityCellSerializer
    http_method_names = ["get", "patch", "head", "options"]
    filterset_class = filters_for(PriorityCell, ("kind", "impact", "urgency", "priority", "created_at", "updated_at"))
    orderings = ("impact", "urgency", "priority", "created_at")
    default_ordering = "impact"
