"""Migration operations that build the wall. `Wall` belongs in every migration that makes a table or adds a reference."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Model

from apps.core.fields import TenantForeignKey
from apps.core.wall.roles import APP, DOOR, SYSTEM, WORKER

ORGANIZATIONS = "organizations_organization"
# NULLIF is not optional: once a SET LOCAL has ended the setting is '', which would not cast.
TENANT_EXPRESSION = "(SELECT NULLIF(current_setting('app.org_id', true), '')::uuid)"


class WallOperation(Operation):
    """What all of these share: they change the database, not Django's state, and undo nothing when reversed."""

    reversible = True
    reduces_to_sql = True

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """The wall is invisible to Django's models."""

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """The table goes, and its wall with it; a wall is never taken down from a table that stays."""


class Wall(WallOperation):
    """Put these models' tables behind row-level security and give their references composite keys.

    For each: UNIQUE (tenant, id), ENABLE and FORCE with one policy, write grants for the application's roles, a foreign key
    (tenant, reference) for each TenantForeignKey, and one to the organization. Running it again adds what is missing.
    """

    def __init__(self, *models: str, column: str = "organization_id") -> None:
        self.models = models
        self.column = column

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        return self.__class__.__name__, list(self.models), {"column": self.column}

    def describe(self) -> str:
        return f"Wall {', '.join(self.models)}"

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        models = [to_state.apps.get_model(app_label, name) for name in self.models]
        for model in models:
            for statement in wall_statements(model._meta.db_table, self.column, model._meta.pk.column):
                schema_editor.execute(statement, params=None)
        for model in models:
            for statement in reference_statements(model, self.column):
                schema_editor.execute(statement, params=None)


def wall_statements(table: str, column: str, key_column: str = "id") -> list[str]:
    """The policy, the key that composite references need, and the grants of one table."""
    writers = f"{APP}, {WORKER}"
    statements = [
        f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY',
        f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY',
        f'DROP POLICY IF EXISTS tenant ON "{table}"',
        f'CREATE POLICY tenant ON "{table}" AS PERMISSIVE FOR ALL TO {writers}'
        f' USING ("{column}" = {TENANT_EXPRESSION}) WITH CHECK ("{column}" = {TENANT_EXPRESSION})',
        f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO {writers}',
    ]
    if column != "id":
        key = f"{table}_tenant_key"
        unique = f'ALTER TABLE "{table}" ADD CONSTRAINT "{key}" UNIQUE ("{column}", "{key_column}")'
        statements += [_unless_constraint(table, key, unique)]
    return statements


def reference_statements(model: type[Model], column: str) -> list[str]:
    """Composite foreign keys of one table: to what it references, and to its organization where that table exists.

    Immediate by default, so that a wrong reference is refused where it is written; a load may defer them.
    """
    table = model._meta.db_table
    statements = []
    fields: list[Any] = list(model._meta.local_fields)
    for field in fields:
        # A child's row is of the same tenant as the base row that it hangs from.
        is_parent_link = getattr(field.remote_field, "parent_link", False)
        if isinstance(field, TenantForeignKey) or is_parent_link:
            target = field.remote_field.model._meta.db_table
            statements.append(_composite_key(table, column, field.column, target))
    if column == "organization_id":
        key = f"{table}_organization_fk"
        statements.append(
            f"DO $$ BEGIN IF to_regclass('{ORGANIZATIONS}') IS NOT NULL AND NOT EXISTS"
            f" (SELECT 1 FROM pg_constraint WHERE conname = '{key}' AND conrelid = '{table}'::regclass) THEN"
            f' ALTER TABLE "{table}" ADD CONSTRAINT "{key}" FOREIGN KEY ("{column}") REFERENCES {ORGANIZATIONS} (id);'
            " END IF; END $$"
        )
    return statements


def _composite_key(table: str, column: str, reference: str, target: str) -> str:
    key = f"{table}_{reference}_tenant_fk"
    return _unless_constraint(
        table,
        key,
        f'ALTER TABLE "{table}" ADD CONSTRAINT "{key}" FOREIGN KEY ("{column}", "{reference}")'
        f' REFERENCES "{target}" (organization_id, id) DEFERRABLE INITIALLY IMMEDIATE',
    )


def _unless_constraint(table: str, name: str, statement: str) -> str:
    if len(name) > 63:
        raise ValueError(f"{name} is longer than PostgreSQL's 63 bytes; give the table a shorter db_table")
    return (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = '{name}'"
        f" AND conrelid = '{table}'::regclass) THEN {statement}; END IF; END $$"
    )


class ShowToSystem(WallOperation):
    """Let `itsm_system` list these columns of every tenant's rows: ids and due times, never content."""

    def __init__(self, model: str, columns: Sequence[str]) -> None:
        self.model = model
        self.columns = columns

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        return self.__class__.__name__, [self.model, self.columns], {}

    def describe(self) -> str:
        return f"Let the system role list {self.model}"

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        table = to_state.apps.get_model(app_label, self.model)._meta.db_table
        columns = ", ".join(f'"{column}"' for column in self.columns)
        for statement in (
            f'DROP POLICY IF EXISTS system ON "{table}"',
            f'CREATE POLICY system ON "{table}" FOR SELECT TO {SYSTEM} USING (true)',
            f'GRANT SELECT ({columns}) ON "{table}" TO {SYSTEM}',
        ):
            schema_editor.execute(statement, params=None)


class GrantWrites(WallOperation):
    """Let the application's roles write a table that stands on the unwalled list."""

    def __init__(self, model: str, privileges: str) -> None:
        self.model = model
        self.privileges = privileges

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        return self.__class__.__name__, [self.model, self.privileges], {}

    def describe(self) -> str:
        return f"Grant {self.privileges} on {self.model}"

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        table = to_state.apps.get_model(app_label, self.model)._meta.db_table
        schema_editor.execute(f'GRANT {self.privileges} ON "{table}" TO {APP}, {WORKER}', params=None)


class Door(WallOperation):
    """One function that may look before the tenant is known. It returns ids, to enter the tenant with, and no content."""

    def __init__(
        self,
        signature: str,
        returns: str,
        body: str,
        *,
        reads: Sequence[str],
        language: str = "sql",
        callers: Sequence[str] = (APP, WORKER),
    ) -> None:
        # The system login, where what is told is of all tenants and no business of whoever serves requests.
        self.callers = callers
        self.signature = signature
        self.returns = returns
        self.body = body
        self.reads = reads
        # plpgsql, where the plan has to follow the values.
        self.language = language

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        return (
            self.__class__.__name__,
            [self.signature, self.returns, self.body],
            {
                "reads": self.reads,
                "language": self.language,
                "callers": self.callers,
            },
        )

    def describe(self) -> str:
        return f"Open the door {self.signature}"

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        name = self.signature.split("(", 1)[0]
        for statement in (
            *(f'GRANT SELECT ON "{table}" TO {DOOR}' for table in self.reads),
            f"CREATE OR REPLACE FUNCTION {self.signature} RETURNS {self.returns} LANGUAGE {self.language} STABLE"
            " SECURITY DEFINER"
            f" SET search_path = pg_catalog, public, pg_temp AS $$ {self.body} $$",
            f"ALTER FUNCTION {name} OWNER TO {DOOR}",
            f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC",
            f"GRANT EXECUTE ON FUNCTION {name} TO {', '.join(self.callers)}",
        ):
            schema_editor.execute(statement, params=None)
