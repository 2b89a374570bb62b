"""Rows of any model of the registry, by the factory that is written for it."""

from functools import cache
from typing import Any

import factory
from django.apps import apps
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from apps.core.authorization import Reach
from apps.core.fields import TenantForeignKey
from apps.core.models import Job
from apps.core.wall.unwalled import UNWALLED
from apps.users.models import TeamMember, User
from tests import factories

# Models without a factory, and why.
NO_FACTORY = {"audit.RowChange": "written by the capture trigger; the application may not insert"}

# Models below people, which name their owner by id alone.
OWNED_BY_ID: dict[type[models.Model], str] = {Job: "requested_by_id"}


def tenant_models() -> list[type[models.Model]]:
    """Every model whose table must be walled: all that do not stand on the unwalled list with a reason."""
    return [
        model
        for model in apps.get_models()
        if model._meta.managed and not model._meta.proxy and model._meta.db_table not in UNWALLED
    ]


def proxies() -> list[type[models.Model]]:
    """Models that are some of another's rows, and that a route may serve as its own."""
    return [model for model in apps.get_models() if model._meta.proxy]


@cache
def all_factories() -> dict[type[models.Model], type[factory.django.DjangoModelFactory]]:
    """The first factory of each model, as tests/factories.py declares them."""
    found: dict[type[models.Model], type[factory.django.DjangoModelFactory]] = {}
    for value in vars(factories).values():
        if isinstance(value, type) and issubclass(value, factory.django.DjangoModelFactory):
            model = value._meta.get_model_class()
            if model is not None and not value._meta.abstract:
                found.setdefault(model, value)
    return found


def factory_of(model: type[models.Model]) -> type[factory.django.DjangoModelFactory]:
    found = all_factories().get(model)
    assert found is not None, f"{model.__name__} has no factory in tests/factories.py"
    return found


def references(model: type[models.Model]) -> list[TenantForeignKey]:
    return [field for field in model._meta.get_fields() if isinstance(field, TenantForeignKey)]


def make(model: type[models.Model], owner: User | None = None) -> Any:
    """A row in the tenant in force with every reference filled, those to people with `owner`."""
    people = [field for field in references(model) if field.remote_field.model is User]
    owned = {field.name: owner for field in people} if owner else {}
    if owner and model in OWNED_BY_ID:
        owned[OWNED_BY_ID[model]] = owner.pk
    row = factory_of(model).create(**owned)
    for field in references(model):
        if getattr(row, field.attname) is None:
            _fill(row, field)
    if owner is not None:
        _join(row, owner)
    return row


def _join(row: Any, owner: User) -> None:
    """What a team's grants reach is the owner's by membership: of the row's own team, or of the one it hangs from."""
    for record in (row, *(getattr(row, field.name) for field in references(type(row)))):
        is_of_team = "team_id" in getattr(record, "reach_columns", {}).get(Reach.TEAM, ())
        if is_of_team and record.team_id is not None:
            key = {"organization_id": record.organization_id, "team_id": record.team_id, "user": owner}
            at = timezone.now()
            TeamMember.objects.get_or_create(**key, defaults={"created_at": at, "updated_at": at})
        if "requester_id" in getattr(record, "reach_columns", {}).get(Reach.OWN, ()):
            # What hangs from a ticket is on one of their own.
            type(record).objects.filter(pk=record.pk).update(requester_id=owner.pk)


def _fill(row: Any, field: TenantForeignKey) -> None:
    """A rule may forbid this reference in this row; then it stays empty."""
    other = factory_of(field.remote_field.model).create()
    try:
        with transaction.atomic():
            setattr(row, field.name, other)
            row.save(update_fields=[field.name])
    except IntegrityError:
        setattr(row, field.name, None)
