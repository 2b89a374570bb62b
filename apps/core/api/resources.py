"""Plain resources: one row each. A frozen dataclass that builds an ordinary serializer and viewset, and never grows hooks.

The first resource that needs a method of its own becomes a hand-written class beside these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from apps.core.api.bulk import BulkViewSet
from apps.core.api.filters import filters_for
from apps.core.api.record_views import RecordViewSet
from apps.core.api.routers import RecordRouter
from apps.core.api.serializers import RecordSerializer
from apps.core.authorization import Action

ENVELOPE = ("id", "created_at", "updated_at", "version")


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """A lookup-like resource at `/api/v1/<path>/`, guarded by the grants of `grant` (default: the path's last part).

    `declared` replaces a model field's own serializer field; `expandable` maps a reference to its serializer and grant.
    """

    path: str
    model: type[Any]
    fields: tuple[str, ...]
    filters: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    orderings: tuple[str, ...] = ("created_at",)
    default_ordering: str = "-created_at"
    declared: Mapping[str, Any] = field(default_factory=dict)
    expandable: Mapping[str, Any] = field(default_factory=dict)
    grant: str = ""
    # Where the role table says `configure` instead of create, update and delete.
    write_grant: Action | None = None
    # `POST …/bulk/` to update and delete many.
    has_bulk: bool = False

    def serializer(self) -> type[RecordSerializer]:
        """One class, however often it is asked for: where another record expands to this one, it is the same schema."""
        return _serializer(self)

    def viewset(self) -> type[RecordViewSet]:
        return type(
            f"{self.model.__name__}ViewSet",
            (self.base(),),
            {
                "__doc__": f"{str(self.model._meta.verbose_name_plural).capitalize()} of the caller's organization.",
                "model": self.model,
                "resource": self.grant or self.path.rsplit("/", 1)[-1].replace("-", "_"),
                "serializer_class": self.serializer(),
                "filterset_class": filters_for(self.model, (*self.filters, "created_at", "updated_at")),
                "orderings": self.orderings,
                "default_ordering": self.default_ordering,
                "search_columns": self.search,
                "grants": self.grants(),
                "export_grant": self.write_grant or RecordViewSet.export_grant,
            },
        )

    def base(self) -> type[RecordViewSet]:
        return BulkViewSet if self.has_bulk else RecordViewSet

    def grants(self) -> dict[str, Action | None]:
        usual = dict(self.base().grants)
        if self.write_grant is None:
            return usual
        return {name: grant if grant is Action.READ else self.write_grant for name, grant in usual.items()}

    def register(self, router: RecordRouter) -> None:
        router.register(self.path, self.viewset(), basename=self.path.replace("/", "-"))


@cache
def _serializer(resource: Resource) -> type[RecordSerializer]:
    meta = type(
        "Meta",
        (),
        {
            "model": resource.model,
            "fields": (ENVELOPE[0], *resource.fields, *ENVELOPE[1:]),
            "read_only_fields": ENVELOPE,
            "expandable": resource.expandable,
        },
    )
    return type(f"{resource.model.__name__}Serializer", (RecordSerializer,), {**resource.declared, "Meta": meta})
