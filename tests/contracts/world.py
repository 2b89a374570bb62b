"""Two tenants with a row of every model each; every text of globex is a canary that nobody of acme may ever read."""

import binascii
import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from django.conf import settings
from django.core.signing import b64_decode
from django.db import connection, models, transaction
from django.utils import timezone
from psycopg import sql
from psycopg.types.json import Jsonb

from apps.core import tenancy
from apps.core.querysets import TenantQuerySet, tenant_column
from apps.incidents.models import Incident
from apps.organizations.models import Organization
from apps.users.models import User, UserType
from apps.users.refresh_tokens import Pair
from apps.users.rights import actor_for
from apps.users.services import Device, open_session
from tests import conftest
from tests.contracts import rows
from tests.contracts.routes import Route
from tests.factories import DuplicateSuspicionFactory

CANARY = "CANARY-GLOBEX"
# As much of it as the shortest column holds, in any case.
TRACE = re.compile(r"canary-g", re.IGNORECASE)
ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
ENCODED = re.compile(r"[A-Za-z0-9_-]{24,}")
SHORTEST = len("CANARY-G")

# JSON whose form its serializer insists on, with the canary where a text may be; others get it in every string they hold.
SHAPED = {
    ("organizations_businesscalendar", "exceptions"): [{"date": CANARY, "kind": CANARY}],
}
# What a rule of the database wants a text to begin with.
BEGINS = {("users_user", "password"): "!", ("incidents_incident", "bridge_url"): "https://"}
# Columns that cannot hold the canary although no choices bind them, and why.
CANNOT_HOLD: dict[tuple[str, str], str] = {
    ("organizations_calendarversion", "time_zone"): "timers are computed with it",
    ("organizations_calendarversion", "windows"): "as its zone",
    ("organizations_calendarversion", "exceptions"): "as its zone",
    ("organizations_organization", "time_zone"): "months are reckoned in it",
    ("organizations_numberseries", "prefix"): "a few capitals by which a ticket's number is read, and too short",
    ("sla_timer", "pending"): "levels and their instants, which are read as such",
    ("sla_policyversion", "match"): "a condition, in the words of a vocabulary",
    ("sla_policyversion", "rules"): "conditions, as the match",
    ("sla_target", "applies"): "a condition, as the match",
    ("sla_level", "actions"): "actions, in the words of a vocabulary",
    ("sla_level", "applies"): "a condition, as the match",
    ("sla_escalationpolicy", "match"): "a condition, in the words of a vocabulary",
    ("sla_escalationpolicy", "steps"): "actions, as those of levels",
    ("sla_escalationrun", "steps"): "as its policy's",
    ("incidents_majorrule", "match"): "a condition, in the words of a vocabulary",
    ("sla_notice", "held"): "words that are kept, which are read as such",
    ("users_rotaversion", "hours"): "windows, which are read as such",
    ("users_oncallcoverage", "hours"): "windows, as a rota's",
    ("users_oncallcoverage", "time_zone"): "a zone that is none has no gaps to show",
    ("tickets_assignmentrule", "match"): "a condition, in the words of a vocabulary",
    ("tickets_assignmentrule", "skills"): "ids of skills and levels",
    ("tickets_assignmentqueue", "accept_minutes"): "minutes by priority",
    ("tickets_placement", "skills"): "as a rule's",
    ("organizations_holidayproposal", "start"): "a time of day, and too short",
    ("organizations_holidayproposal", "end"): "a time of day, and too short",
    ("tickets_tag", "colour"): "a colour, and too short",
    ("tickets_attachment", "storage_key"): "names a file, and no answer shows it",
    ("users_rotaversion", "time_zone"): "a zone that is none has no shifts to show",
    ("users_rotaversion", "handover_time"): "as its zone, and too short",
    ("users_grant", "resource"): "a word of the vocabulary; without it mallory would have no rights to be denied",
    (
        "users_apitoken",
        "prefix",
    ): "eight random characters that no two tokens share; too few for both canary and difference",
}

TEXTS = """
SELECT table_name, column_name, data_type, character_maximum_length FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = ANY (%s) AND is_generated = 'NEVER'
  AND (data_type IN ('text', 'character varying', 'character', 'json', 'jsonb') OR udt_name = 'citext')
"""


class World:
    """The cast, a row of every model on either side, and what may not cross."""

    def __init__(self, superuser: psycopg.Connection) -> None:
        self.superuser = superuser
        self.acme, self.globex = conftest.make_tenant("acme", "Acme"), conftest.make_tenant("globex", "Globex")
        self.people = {
            "admin": conftest.person(self.acme, "dan", UserType.ADMIN),
            "manager": conftest.person(self.acme, "carol", UserType.MANAGER),
            "agent": conftest.person(self.acme, "alice", UserType.AGENT),
            "end user": conftest.person(self.acme, "bob", UserType.END_USER),
        }
        self.peer = conftest.person(self.acme, "erin", UserType.AGENT)
        self.mallory = conftest.person(self.globex, "mallory", UserType.ADMIN)
        self.own = self._rows(self.acme, self.people["admin"])
        # With the rights that everybody holds while both walls stand: no test of a wall asks the wall what to expect.
        with self.acme.entered():
            self.actors = {name: actor_for(user, at=timezone.now()) for name, user in self.people.items()}
        self.foreign = self._rows(self.globex, self.mallory)
        # A second of each, so that a page of one has a next; and some that hang from the first.
        self._relate(self.foreign, self._rows(self.globex, self.mallory))
        # Looked at before the first request: the matrix uses rows up, a person's recovery codes for one.
        self.without_rows = {
            tenant.organization.slug: self._without_rows(tenant) for tenant in (self.acme, self.globex)
        }
        self.as_mallory = conftest.Api()
        self.as_mallory.credentials(HTTP_AUTHORIZATION=f"Bearer {session_of(self.mallory).access}")
        self.cursors: dict[str, str] = {}
        self.with_canary, self.without_canary = plant(self.superuser, self.globex.id)
        self.foreign_ids = self._ids(self.globex.id)
        with self.globex.entered():
            for row in (*self.foreign.values(), self.mallory):
                row.refresh_from_db()

    def _rows(self, tenant: conftest.Tenant, owner: User) -> dict[type[models.Model], Any]:
        with tenant.entered():
            made = {
                model: rows.make(model, owner)
                for model in (*rows.tenant_models(), *rows.proxies())
                if model is not Organization and model._meta.label not in rows.NO_FACTORY
            }
        return made | {Organization: tenant.organization}

    def _relate(self, first: dict[type[models.Model], Any], second: dict[type[models.Model], Any]) -> None:
        """What a factory cannot know: one incident below another, and suspected to be the same."""
        above, below = first[Incident], second[Incident]
        with self.globex.entered():
            Incident.objects.filter(pk=below.pk).update(parent_id=above.pk)
            DuplicateSuspicionFactory(incident=above, other=below)

    def _without_rows(self, tenant: conftest.Tenant) -> list[str]:
        return [model._meta.db_table for model in rows.tenant_models() if not self.count(model, tenant.id)]

    def fresh(self, model: type[models.Model], owner: User) -> Any:
        """One more row of acme, for a request that will change it."""
        with self.acme.entered():
            return rows.make(model, owner)

    def collect_cursors(self, lists: list[Route]) -> None:
        """Mallory's own place in each list, which she might hand to somebody of acme."""
        for route in lists:
            following = self.as_mallory.get(route.url(), {"page_size": 1}).json()["next"]
            self.cursors[str(route)] = parse_qs(urlsplit(following).query)["cursor"][0]

    def snapshot(self, organization_id: Any) -> dict[str, tuple[int, int]]:
        """How many rows a tenant has in every table, and which transaction wrote the last of them.

        Whatever is added or changed is written by a later one, also with the values that it had; what goes is missing
        from the number.
        """
        tables = self.superuser.execute(_snapshot(), {"organization": organization_id}).fetchall()
        return {name: (rows, newest) for name, rows, newest in tables}

    def has_canary(self, model: type[models.Model]) -> bool:
        """Whether a row of it has a text of its own, where the canary sits."""
        return any(table == model._meta.db_table for table, _ in self.with_canary)

    def count(self, model: type[models.Model], organization_id: Any) -> int:
        statement = sql.SQL("SELECT count(*) FROM {} WHERE {} = %s").format(
            sql.Identifier(model._meta.db_table), sql.Identifier(tenant_column(model))
        )
        return self.superuser.execute(statement, [organization_id]).fetchone()[0]

    def _ids(self, organization_id: Any) -> set[str]:
        found = {str(organization_id).replace("-", "")}
        for model in rows.tenant_models():
            statement = sql.SQL("SELECT {} FROM {} WHERE {} = %s").format(
                sql.Identifier(model._meta.pk.column),
                sql.Identifier(model._meta.db_table),
                sql.Identifier(tenant_column(model)),
            )
            found |= {str(row[0]).replace("-", "") for row in self.superuser.execute(statement, [organization_id])}
        return found

    def traces(self, text: str, sent: str = "") -> list[str]:
        """What of globex is in `text`: canaries and ids, also inside cursors, except ids that the caller sent."""
        decoded = [text, *(_decoded(word) for word in ENCODED.findall(text))]
        known = _ids_in(sent)
        return [
            trace for part in decoded for trace in (*TRACE.findall(part), *((_ids_in(part) & self.foreign_ids) - known))
        ]


@functools.cache
def _snapshot() -> sql.Composed:
    """One statement for all tables: prepared, it costs little more than its rows."""
    one = sql.SQL("SELECT {}, count(*), COALESCE(max(xmin::text::bigint), 0) FROM {} WHERE {} = %(organization)s")
    return sql.SQL(" UNION ALL ").join(
        one.format(
            sql.Literal(model._meta.db_table),
            sql.Identifier(model._meta.db_table),
            sql.Identifier(tenant_column(model)),
        )
        for model in rows.tenant_models()
    )


def _ids_in(text: str) -> set[str]:
    return {found.replace("-", "").lower() for found in ID.findall(text)}


def _decoded(word: str) -> str:
    try:
        return b64_decode(word.encode()).decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""


def session_of(user: User) -> Pair:
    with tenancy.tenant(user.organization_id), transaction.atomic():
        return open_session(user, at=timezone.now(), device=Device())[1]


Columns = set[tuple[str, str]]


def plant(superuser: psycopg.Connection, organization_id: Any) -> tuple[Columns, Columns]:
    """Put the canary into every text and JSON column of a tenant's rows; returns those columns, and those that kept another value."""
    by_table = {model._meta.db_table: model for model in rows.tenant_models()}
    planted, kept = set(), set()
    superuser.execute("SET session_replication_role = replica")  # neither triggers nor references have a say here
    for table, column, kind, length in superuser.execute(TEXTS, [list(by_table)]).fetchall():
        model = by_table[table]
        field = next((f for f in model._meta.local_fields if f.column == column), None)
        if (field is not None and field.choices) or (length or SHORTEST) < SHORTEST or (table, column) in CANNOT_HOLD:
            kept.add((table, column))
            continue
        planted.add((table, column))
        names = {
            "table": sql.Identifier(table),
            "column": sql.Identifier(column),
            "key": sql.Identifier(model._meta.pk.column),
            "tenant": sql.Identifier(tenant_column(model)),
        }
        if kind in {"json", "jsonb"}:
            _plant_json(superuser, names, SHAPED.get((table, column)), organization_id)
        else:
            # The end of the id keeps unique values unique; what is stored normalised stays so.
            canary = CANARY.lower() if column.endswith("_normalised") else CANARY
            begins = BEGINS.get((table, column), "")
            update = "UPDATE {table} SET {column} = left(%s || right({key}::text, 12), %s) WHERE {tenant} = %s"
            superuser.execute(sql.SQL(update).format(**names), [f"{begins}{canary}-", length or 100, organization_id])
    superuser.execute("SET session_replication_role = origin")
    return planted, kept


def _plant_json(superuser: psycopg.Connection, names: dict[str, Any], shaped: Any, organization_id: Any) -> None:
    select = sql.SQL("SELECT {key}, {column} FROM {table} WHERE {tenant} = %s").format(**names)
    update = sql.SQL("UPDATE {table} SET {column} = %s WHERE {key} = %s").format(**names)
    for key, value in superuser.execute(select, [organization_id]).fetchall():
        superuser.execute(update, [Jsonb(shaped or with_canary(value)), key])


def with_canary(value: Any) -> Any:
    """`value` with the canary for every string in it; where there is none, one is added."""
    if isinstance(value, dict):
        return {key: with_canary(item) for key, item in value.items()} or {CANARY: CANARY}
    if isinstance(value, list):
        return [with_canary(item) for item in value] or [CANARY]
    return CANARY if isinstance(value, str) or value is None else value


@contextmanager
def connected_as(role: str) -> Iterator[None]:
    """Django's own connection under another login, until the block ends."""
    login = settings.DATABASE_LOGINS[role]
    before = {key: connection.settings_dict[key] for key in ("USER", "PASSWORD", "HOST", "PORT")}
    connection.close()
    connection.settings_dict.update({key: login[key] for key in before})
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


def take_down_the_orm_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TenantQuerySet, "in_tenant", lambda queryset, organization_id: queryset)
