"""Without a tenant, or in another's, every walled table is empty and closed: for the web's login and for the worker's."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db.migrations.loader import MigrationLoader
from psycopg import errors, sql
from psycopg.types.json import Jsonb

from apps.core.models import new_id
from apps.core.querysets import tenant_column
from apps.core.wall.operations import ShowToSystem
from tests.contracts import rows
from tests.contracts.world import World

pytestmark = pytest.mark.bar(8)

MODELS = rows.tenant_models()
EACH_TABLE = pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.db_table)
EACH_LOGIN = pytest.mark.parametrize("role", ["app", "worker"])

INSERTABLE = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER' AND identity_generation IS NULL
"""


@contextmanager
def login(role: str, tenant: Any = None) -> Iterator[psycopg.Connection]:
    """A transaction of this role, told the tenant as the backend tells it; undone at the end."""
    found = settings.DATABASE_LOGINS[role]
    name = settings.DATABASES["default"]["NAME"]
    parts = {"host": found["HOST"], "port": found["PORT"], "user": found["USER"], "password": found["PASSWORD"]}
    with psycopg.connect(dbname=name, **{key: value for key, value in parts.items() if value}) as opened:
        if tenant is not None:
            opened.execute("SELECT set_config('app.org_id', %s, true)", [str(tenant)])
        yield opened
        opened.rollback()


def names(model: Any) -> dict[str, sql.Composable]:
    return {
        "table": sql.Identifier(model._meta.db_table),
        "tenant": sql.Identifier(tenant_column(model)),
        "key": sql.Identifier(model._meta.pk.column),
    }


def select(opened: psycopg.Connection, statement: str, model: Any, *values: Any) -> list[tuple[Any, ...]]:
    return opened.execute(sql.SQL(statement).format(**names(model)), values).fetchall()


def touched(opened: psycopg.Connection, statement: str, model: Any, *values: Any) -> int | str:
    """How many rows a write touched, or the class of the refusal."""
    try:
        with opened.transaction(force_rollback=True):
            return opened.execute(sql.SQL(statement).format(**names(model)), values).rowcount
    except errors.InsufficientPrivilege:
        return "refused"


def copy_of_a_row(world: World, model: Any, organization_id: Any) -> tuple[list[str], dict[str, Any]]:
    """A row of that tenant under a new id: what an INSERT would smuggle in. The superuser reads it for us."""
    columns = [row[0] for row in world.superuser.execute(INSERTABLE, [model._meta.db_table]).fetchall()]
    found = select(
        world.superuser, "SELECT to_jsonb(t) FROM {table} t WHERE {tenant} = %s LIMIT 1", model, organization_id
    )
    values = dict(found[0][0])
    # The row of a child keeps the key of the base row that it hangs from: under another there is none.
    if model._meta.pk.column != tenant_column(model) and model._meta.pk.remote_field is None:
        values[model._meta.pk.column] = str(new_id())
    return columns, values


def insert(opened: psycopg.Connection, model: Any, columns: list[str], values: dict[str, Any]) -> int | str:
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL(
        "INSERT INTO {table} ({listed}) SELECT {listed} FROM jsonb_populate_record(NULL::{table}, %s)"
    ).format(listed=listed, **names(model))
    try:
        with opened.transaction(force_rollback=True):
            return opened.execute(statement, [Jsonb(values, dumps=json.dumps)]).rowcount
    except errors.InsufficientPrivilege:
        return "refused"
    except errors.UniqueViolation:
        return "not unique"


@EACH_LOGIN
@EACH_TABLE
def test_without_a_tenant_a_table_is_empty_and_closed(world: World, model: Any, role: str) -> None:
    assert world.count(model, world.acme.id) > 0
    columns, values = copy_of_a_row(world, model, world.acme.id)
    with login(role) as opened:
        assert select(opened, "SELECT count(*) FROM {table}", model) == [(0,)]
        assert insert(opened, model, columns, values) == "refused"
        assert touched(opened, "UPDATE {table} SET {key} = {key}", model) in {0, "refused"}
        assert touched(opened, "DELETE FROM {table}", model) in {0, "refused"}
        assert touched(opened, "TRUNCATE {table} CASCADE", model) == "refused"


@EACH_LOGIN
@pytest.mark.parametrize("setting", ["", "not-a-uuid"])
@EACH_TABLE
def test_a_setting_that_names_no_tenant_opens_nothing(world: World, model: Any, role: str, setting: str) -> None:
    """Empty is what a pooled connection holds after another transaction; nonsense is an error, never a row."""
    with login(role, setting) as opened:
        try:
            assert select(opened, "SELECT count(*) FROM {table}", model) == [(0,)]
        except errors.InvalidTextRepresentation:
            assert setting == "not-a-uuid"


@EACH_LOGIN
@EACH_TABLE
def test_in_one_tenant_anothers_rows_are_not_there(world: World, model: Any, role: str) -> None:
    columns, values = copy_of_a_row(world, model, world.globex.id)
    foreign = world.globex.id
    with login(role, world.acme.id) as opened:
        own = world.count(model, world.acme.id)
        assert select(opened, "SELECT count(*) FROM {table}", model) == [(own,)]
        assert select(opened, "SELECT count(*) FROM {table} WHERE {tenant} = %s", model, foreign) == [(0,)]
        assert insert(opened, model, columns, values) == "refused"
        assert touched(opened, "UPDATE {table} SET {key} = {key} WHERE {tenant} = %s", model, foreign) in {0, "refused"}
        assert touched(opened, "DELETE FROM {table} WHERE {tenant} = %s", model, foreign) in {0, "refused"}
        # Nor can an own row be given away.
        assert touched(opened, "UPDATE {table} SET {tenant} = %s", model, foreign) == "refused"


@EACH_LOGIN
@EACH_TABLE
def test_in_its_own_tenant_the_very_same_row_gets_through_the_wall(world: World, model: Any, role: str) -> None:
    """What the refusals above would prove nothing without. A unique key may stop the copy, which is past the wall."""
    columns, values = copy_of_a_row(world, model, world.acme.id)
    with login(role, world.acme.id) as opened:
        outcome = insert(opened, model, columns, values)

    assert outcome in ({"refused"} if model._meta.db_table in NOT_INSERTED else {1, "not unique"})


# Tables that no login inserts into, whatever the tenant: a trigger does.
NOT_INSERTED = {"audit_rowchange"}


def shown_to_the_system() -> dict[str, set[str]]:
    """What migrations show to itsm_system, table by table; the last word on a table counts."""
    loader = MigrationLoader(None)
    state = loader.project_state()
    shown: dict[str, set[str]] = {}
    for key in loader.graph.nodes:
        for operation in loader.graph.nodes[key].operations:
            if isinstance(operation, ShowToSystem):
                table = state.apps.get_model(key[0], operation.model)._meta.db_table
                shown.setdefault(table, set()).update(operation.columns)
    return shown


@EACH_TABLE
def test_the_system_sees_only_the_columns_it_was_shown(world: World, model: Any) -> None:
    shown = shown_to_the_system().get(model._meta.db_table, set())
    columns = {
        name
        for (name,) in world.superuser.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            [model._meta.db_table],
        ).fetchall()
    }
    everything = world.superuser.execute(sql.SQL("SELECT count(*) FROM {table}").format(**names(model))).fetchone()[0]
    readable = set()
    with login("system") as opened:
        for column in columns:
            statement = sql.SQL("SELECT {column} FROM {table}").format(column=sql.Identifier(column), **names(model))
            try:
                with opened.transaction():
                    found = opened.execute(statement).fetchall()
                readable.add(column)
                assert len(found) == everything
            except errors.InsufficientPrivilege:
                pass
        for write in ("UPDATE {table} SET {key} = {key}", "DELETE FROM {table}", "TRUNCATE {table} CASCADE"):
            assert touched(opened, write, model) == "refused"
    assert readable == shown


def test_what_the_system_is_shown_holds_no_text(world: World) -> None:
    """Ids, instants and counters; never a word that somebody wrote."""
    words = {
        (table, column)
        for table, columns in shown_to_the_system().items()
        for column, kind in world.superuser.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s", [table]
        ).fetchall()
        if column in columns and kind in {"text", "character varying", "json", "jsonb"}
    }
    assert words == set()
    assert shown_to_the_system() != {}
