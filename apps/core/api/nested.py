"""Records that live below another one: found below their parent alone."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import lookup
from apps.core.api.record_views import RecordViewSet, the_one
from apps.core.errors import NotFound


class NestedViewSet(RecordViewSet, ABC):
    """`/<parents>/{parent}/<records>/`: below another parent, or one the caller may not see, everything is 404."""

    parent_key: ClassVar[str]
    parent_field: ClassVar[str]
    # With the converter `record`: what the numbers begin with by which an address may name the parent instead of its id.
    parent_prefixes: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def parents(self) -> Any:
        """The parents this caller may see."""

    def parent(self) -> Any:
        """The parent of the URL. Raises NotFound."""
        parents = self.parents()
        self.kwargs[self.parent_key] = lookup.id_of(self.kwargs[self.parent_key], parents, self.parent_prefixes)
        found = the_one(parents, self.kwargs[self.parent_key])
        if found is None:
            raise NotFound
        return found

    def visible(self) -> Any:
        return super().visible().filter(**{self.parent_field: self.parent().pk})

    def check_visible(self) -> None:
        self.parent()
        super().check_visible()

    def create(self, request: Request, **keys: Any) -> Response:
        self.parent()
        return super().create(request)

    def list(self, request: Request, **keys: Any) -> Any:
        return super().list(request)

    def retrieve(self, request: Request, pk: Any = None, **keys: Any) -> Response:
        return super().retrieve(request, pk)

    def partial_update(self, request: Request, pk: Any = None, **keys: Any) -> Response:
        return super().partial_update(request, pk)

    def destroy(self, request: Request, pk: Any = None, **keys: Any) -> Response:
        return super().destroy(request, pk)
