"""The first wall: every queryset of a tenant's rows carries the tenant as a literal."""

from functools import cache
from typing import Any, Self, TypeVar
from uuid import UUID

from django.db import models
from django.db.models.lookups import Exact
from django.db.models.sql.where import AND

from apps.core import tenancy
from apps.core.actors import Actor

M = TypeVar("M", bound=models.Model)


class TenantQuerySet(models.QuerySet[M]):
    """Rows of one organization. The planner needs the literal too: behind the policy alone it cannot estimate."""

    walled_for: UUID | None = None

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]
        clone.walled_for = self.walled_for
        return clone

    def in_tenant(self, organization_id: UUID) -> Self:
        """Only this organization's rows; asking twice for the same one adds nothing."""
        if self.walled_for == organization_id:
            return self
        column = _own_column(self.model)
        if column is None or self.query.is_sliced or self.query.combinator:
            walled = self.filter(**{tenant_column(self.model): organization_id})
        else:
            # What filter() arrives at, without its search for a path: a third of the price, and paid by every query.
            walled = self.all()
            walled.query.where.add(Exact(column.get_col(walled.query.get_initial_alias()), organization_id), AND)
        walled.walled_for = organization_id
        return walled

    def visible_to(self, actor: Actor) -> Self:
        """What `actor` may see. Models with narrower rules extend this; none widens it."""
        return self.in_tenant(actor.organization_id)


def tenant_column(model: type[models.Model]) -> str:
    """The column of `model`'s own table that names the tenant."""
    return str(getattr(model, "tenant_field", "organization_id"))


@cache
def _own_column(model: type[models.Model]) -> "models.Field[Any, Any] | None":
    """The tenant's column where the model's own table has it; a child of a base table has it only there."""
    columns = {field.attname: field for field in model._meta.local_concrete_fields}
    return columns.get(tenant_column(model))


class TenantManager(models.Manager[M]):
    """Hands out querysets that are already inside the tenant in force, so that a forgotten filter still finds no foreign row."""

    def get_queryset(self) -> TenantQuerySet[M]:
        queryset: Any = super().get_queryset()
        organization_id = tenancy.current_organization_id()
        walled: TenantQuerySet[M] = queryset if organization_id is None else queryset.in_tenant(organization_id)
        return walled


class SoftDeleteQuerySet(TenantQuerySet[M]):
    """Rows that can be deleted and restored."""

    def alive(self) -> Self:
        return self.filter(deleted_at=None)

    def deleted(self) -> Self:
        return self.exclude(deleted_at=None)


# Named, so that the type checker can follow them into the models.
TenantObjects = TenantManager.from_queryset(TenantQuerySet)
SoftDeleteObjects = TenantManager.from_queryset(SoftDeleteQuerySet)
