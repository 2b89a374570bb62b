"""What every model of the registry must have, asked of the registry: a later app's model is covered by being there."""

import re
from collections import defaultdict
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection, models
from django.db.models.fields.related import ForeignKey, OneToOneField

from apps.audit.capture import NOT_CAPTURED
from apps.core.admin import RecordAdmin
from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel
from apps.core.querysets import TenantManager, TenantQuerySet, tenant_column
from apps.core.wall.catalogue import walled_tables
from apps.core.wall.unwalled import INSTALLATION_WIDE_KEYS, UNWALLED
from tests.contracts import rows

MODELS = [model for model in apps.get_models() if model._meta.managed and not model._meta.proxy]
TENANT_MODELS = rows.tenant_models()

# Models that nobody looks after in the admin, and why.
NO_ADMIN = {
    "admin.LogEntry": "Django's own log: not written, the audit app takes its place",
    "auth.Permission": "nothing here asks Django's permissions",
    "auth.Group": "unused and not writable, roles take their place",
    "contenttypes.ContentType": "names of models",
    "core.IdempotencyKey": "answers kept for a day, with what they said",
    "core.DenialCount": "counts refusals by the minute, so that a flood fills no log",
    "core.JobTick": "due times of platform jobs, no tenant's",
    "sink.Arrival": "exists in tests alone",
    "organizations.NumberSeries": "the last number given under a prefix; moved by the service that numbers alone",
    "incidents.DuplicateSuspicion": "found by the platform; shown beside its incident over the API",
    "incidents.ImportedIncident": "remembers what an import has read; the incident itself is shown",
    "incidents.MajorUpdate": "shown with its incident, on its page and over the API",
    "incidents.Handover": "as its updates",
    "sla.Target": "shown with its version",
    "sla.Level": "shown with its version",
    "sla.Segment": "shown in its timer's explanation",
    "sla.LevelFiring": "as segments; what it told is an event",
    "sla.EscalationFiring": "shown with its run",
    "sla.Acknowledgement": "shown with its ticket; what it follows from is an event",
    "sla.Notice": "when somebody was told last; what they were told is an event",
    "sla.Reading": "what conditions read of other records, kept for replays",
    "tickets.AssignmentTurn": "whose turn it is; moved with every ticket that is given out",
    "tickets.Placement": "where a ticket stands in its queue; the timeline tells of it, and a page shows what waits",
    "tickets.CommentEdit": "what a comment said before; shown beside it over the API",
    "tickets.Merge": "what to put back when a merge is undone; the timeline tells of it",
    "tickets.SearchDocument": "words of what is shown elsewhere",
    "tickets.TaskDependency": "shown with its task over the API",
    "users.OperatorVisit": "remembers which sessions of operators the log has told of",
    "users.PasswordHistory": "hashes, of no use to anybody",
    "users.RecoveryCode": "hashes, of no use to anybody",
    "users.SignInCounter": "counts under keyed hashes, no tenant's",
    "users.TotpDevice": "an encrypted secret and when it was used",
    "sink.Pulse": "exists in tests alone",
}
# Models of which no test needs a row, and why.
NO_FACTORY = {
    **rows.NO_FACTORY,
    "admin.LogEntry": "not writable",
    "auth.Permission": "not writable",
    "auth.Group": "not writable",
    "contenttypes.ContentType": "written by migrations",
}

TRIGGERS = """
SELECT c.relname, t.tgnargs, t.tgargs, t.tgtype, t.tgenabled FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid WHERE p.proname = 'audit_capture_row'
"""
FOREIGN_KEYS = """
SELECT s.relname,
       (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k(a, n)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.a),
       t.relname,
       (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY k(a, n)
        JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.a)
FROM pg_constraint c JOIN pg_class s ON s.oid = c.conrelid JOIN pg_class t ON t.oid = c.confrelid
WHERE c.contype = 'f' AND c.convalidated AND c.connamespace = 'public'::regnamespace
"""


def select(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def foreign_keys() -> set[tuple[str, tuple[str, ...], str, tuple[str, ...]]]:
    return {(source, tuple(columns), target, tuple(keys)) for source, columns, target, keys in select(FOREIGN_KEYS)}


@pytest.mark.bar(7)
def test_every_table_is_walled_or_unwalled_with_a_reason(db: None) -> None:
    tables = {table for (table,) in select("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    walled = set(walled_tables())

    assert walled & set(UNWALLED) == set()
    assert tables - walled - set(UNWALLED) == set()
    assert {model._meta.db_table for model in TENANT_MODELS} == walled
    assert all(entry.reason for entry in UNWALLED.values())


@pytest.mark.bar(7)
def test_every_exception_to_a_rule_is_still_needed(db: None) -> None:
    tables = {table for (table,) in select("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    indexes = {name for (name,) in select("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")}
    labels = {model._meta.label for model in MODELS}

    assert set(UNWALLED) - tables == set()
    assert set(INSTALLATION_WIDE_KEYS) - indexes == set()
    assert set(NOT_CAPTURED) - set(walled_tables()) == set()
    assert (set(NO_ADMIN) | set(NO_FACTORY)) - labels == set()


@pytest.mark.bar(7)
@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model._meta.label)
def test_every_walled_model_is_filtered_by_its_manager(model: type[models.Model]) -> None:
    for manager in model._meta.managers:
        assert isinstance(manager, TenantManager)
        assert isinstance(manager.get_queryset(), TenantQuerySet)
    column = next(f for f in model._meta.local_fields if tenant_column(model) in {f.name, f.attname})
    assert not column.null


@pytest.mark.bar(7)
def test_no_many_to_many_table_is_made_automatically() -> None:
    automatic = {
        field.remote_field.through._meta.db_table
        for model in MODELS
        for field in model._meta.local_many_to_many
        if field.remote_field.through._meta.auto_created
    }
    assert automatic - set(UNWALLED) == set()


@pytest.mark.bar(7)
def test_references_between_tenants_rows_are_tenant_foreign_keys() -> None:
    """A parent link is the primary key itself, which only its own row can name."""
    plain = [
        f"{model._meta.label}.{field.name}"
        for model in TENANT_MODELS
        for field in model._meta.local_fields
        if isinstance(field, ForeignKey)
        and not isinstance(field, TenantForeignKey)
        and not (isinstance(field, OneToOneField) and field.remote_field.parent_link)
    ]
    assert plain == []


@pytest.mark.bar(7)
def test_every_reference_has_its_composite_constraint(db: None) -> None:
    existing = foreign_keys()
    wanted = {
        (
            model._meta.db_table,
            (tenant_column(model), field.column),
            field.remote_field.model._meta.db_table,
            (tenant_column(field.remote_field.model), field.remote_field.model._meta.pk.column),
        )
        for model in TENANT_MODELS
        for field in model._meta.local_fields
        if isinstance(field, TenantForeignKey)
    }
    assert wanted - existing == set()
    assert len(wanted) >= 6, "the registry was walked"


@pytest.mark.bar(7)
def test_every_tenants_row_belongs_to_an_organization_that_exists(db: None) -> None:
    existing = foreign_keys()
    wanted = {
        (model._meta.db_table, ("organization_id",), "organizations_organization", ("id",))
        for model in TENANT_MODELS
        if tenant_column(model) == "organization_id"
    }
    assert wanted - existing == set()
    assert len(wanted) >= 10, "the registry was walked"


@pytest.mark.bar(13)
def test_every_walled_table_is_captured_or_not_with_a_reason(db: None) -> None:
    captured = {table for table, *_ in select(TRIGGERS)}
    walled = {model._meta.db_table for model in TENANT_MODELS}

    assert captured & set(NOT_CAPTURED) == set()
    assert captured | set(NOT_CAPTURED) == walled
    assert all(NOT_CAPTURED.values())


@pytest.mark.bar(13)
@pytest.mark.bar(18)
def test_the_capture_trigger_knows_tenant_key_and_secrets_of_its_model(db: None) -> None:
    by_table = {model._meta.db_table: model for model in TENANT_MODELS}
    kinds: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for table, count, arguments, kind, is_enabled in select(TRIGGERS):
        model = by_table[table]
        tenant, secrets, key, *stamps = bytes(arguments).decode().split("\0")[:count]
        assert (tenant, key) == (tenant_column(model), model._meta.pk.column), table
        assert set(filter(None, secrets.strip("{}").split(","))) == set(getattr(model, "secret_columns", ())), table
        columns = {field.column for field in model._meta.local_fields}
        assert {name for names in stamps for name in names.strip("{}").split(",") if name} <= columns, table
        kinds[table].append((kind, is_enabled))
    # Of each row (1) DELETE (8) and UPDATE (16), of each statement INSERT (4); also for the owner's statements.
    assert kinds.keys() == by_table.keys() - NOT_CAPTURED.keys()
    assert [table for table, found in kinds.items() if sorted(found) != [(4, "O"), (1 | 8 | 16, "O")]] == []


@pytest.mark.bar(18)
def test_a_column_that_sounds_secret_is_declared_secret_or_named_here() -> None:
    sounds = re.compile(r"password|secret|token|_hash$|private|api_key|recovery|otp", re.IGNORECASE)
    undeclared = {
        f"{model._meta.db_table}.{field.column}"
        for model in TENANT_MODELS
        for field in model._meta.local_fields
        if sounds.search(field.column) and field.column not in getattr(model, "secret_columns", ())
    }
    # Names the row of a token, and is nothing that opens anything.
    assert undeclared == {"core_job.requested_by_token_id"}


def test_every_model_has_a_factory_or_a_reason() -> None:
    without = {model._meta.label for model in MODELS if model not in rows.all_factories()}

    assert without == set(NO_FACTORY)


def test_every_model_has_an_admin_or_a_reason() -> None:
    without = {model._meta.label for model in MODELS if not admin.site.is_registered(model)}

    assert without == set(NO_ADMIN)


def test_every_admin_class_stands_behind_the_platforms_base() -> None:
    others = {model._meta.label for model, found in admin.site._registry.items() if not isinstance(found, RecordAdmin)}

    assert others == set()


def test_every_admin_class_names_the_resource_that_guards_it() -> None:
    assert {model._meta.label for model, found in admin.site._registry.items() if not found.resource} == set()


@pytest.mark.bar(7)
def test_every_tenant_model_is_on_the_registry_once() -> None:
    """An abstract base that was forgotten to be abstract, or a model outside the base, shows here."""
    odd = {m._meta.label for m in TENANT_MODELS if not issubclass(m, TenantModel) and tenant_column(m) != "id"}

    assert odd == set()
