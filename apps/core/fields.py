"""Model fields the wall needs."""

from typing import Any, TypeVar

from django.db import models

_ST = TypeVar("_ST", contravariant=True)
_GT = TypeVar("_GT", covariant=True)


class TenantForeignKey(models.ForeignKey[_ST, _GT]):
    """A reference inside one organization.

    Its constraint is the composite `(organization, id)` one that the Wall operation writes: PostgreSQL checks foreign keys
    beneath row-level security, so a single-column one could point into another tenant.
    """

    def __init__(self, to: Any, on_delete: Any, **kwargs: Any) -> None:
        kwargs["db_constraint"] = False
        super().__init__(to, on_delete, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("db_constraint", None)
        return name, path, args, kwargs
