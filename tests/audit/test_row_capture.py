"""T13: whatever changes a captured row, and by whatever way, leaves one row that says what, by whom and why."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.audit import services
from apps.audit.capture import NOT_CAPTURED
from apps.audit.models import Dispatch, RowChange
from apps.core import tenancy
from apps.core.models import TenantModel
from apps.core.wall.catalogue import walled_tables
from apps.organizations.models import Site, Team
from apps.users.models import Session, User
from tests.audit.conftest import queued
from tests.conftest import IS_FULL_RUN, Tenant, access_token, superuser
from tests.factories import BusinessCalendarFactory, SessionFactory, SiteFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.bar(13)

SECRET = "argon2$canary-4711"


def changes(tenant: Tenant, table: str, **filters: Any) -> list[RowChange]:
    with tenant.entered():
        return list(RowChange.objects.filter(table_name=table, **filters).order_by("at"))


def count(tenant: Tenant) -> int:
    with tenant.entered():
        return RowChange.objects.count()


def execute(sql: str, parameters: Any = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.rowcount


# --- every way of writing, one row each


def create_by_save(tenant: Tenant) -> None:
    TeamFactory(name="Blue")


def create_in_bulk(tenant: Tenant) -> None:
    now = timezone.now()
    rows = [Team(organization_id=tenant.id, name=f"T{n}", created_at=now, updated_at=now) for n in range(3)]
    Team.objects.bulk_create(rows)


def create_by_raw_sql(tenant: Tenant) -> None:
    execute(
        "INSERT INTO organizations_team (id, organization_id, name, description, email, version, created_at, updated_at)"
        " SELECT gen_random_uuid(), %s, 'R' || n, '', '', 1, now(), now() FROM generate_series(1, 3) AS n",
        [tenant.id],
    )


def change_by_save(tenant: Tenant) -> None:
    team = Team.objects.get(name="Blue")
    team.name = "Navy"
    team.save()


def change_by_queryset(tenant: Tenant) -> None:
    Team.objects.filter(name="Blue").update(description="changed")


def change_in_bulk(tenant: Tenant) -> None:
    teams = list(Team.objects.order_by("name"))
    for team in teams:
        team.description = "in bulk"
    Team.objects.bulk_update(teams, ["description"])


def change_by_raw_sql(tenant: Tenant) -> None:
    execute("UPDATE organizations_team SET description = 'raw' WHERE name = 'Blue'")


def change_by_upsert(tenant: Tenant) -> None:
    execute(
        "INSERT INTO organizations_team SELECT (t.*).* FROM organizations_team t WHERE name = 'Blue'"
        " ON CONFLICT (id) DO UPDATE SET description = 'upserted'"
    )


def change_by_merge(tenant: Tenant) -> None:
    execute(
        "MERGE INTO organizations_team t USING (SELECT 1) AS one ON t.name = 'Blue'"
        " WHEN MATCHED THEN UPDATE SET description = 'merged'"
    )


def delete_one(tenant: Tenant) -> None:
    Team.objects.get(name="Blue").delete()


def delete_by_queryset(tenant: Tenant) -> None:
    Team.objects.all().delete()


def delete_by_raw_sql(tenant: Tenant) -> None:
    execute("DELETE FROM organizations_team WHERE name = 'Blue'")


@pytest.mark.parametrize(
    ("write", "operations"),
    [
        (create_by_save, {"INSERT": 1}),
        (create_in_bulk, {"INSERT": 3}),
        (create_by_raw_sql, {"INSERT": 3}),
        (change_by_save, {"UPDATE": 1}),
        (change_by_queryset, {"UPDATE": 1}),
        (change_in_bulk, {"UPDATE": 2}),
        (change_by_raw_sql, {"UPDATE": 1}),
        (change_by_upsert, {"UPDATE": 1}),
        (change_by_merge, {"UPDATE": 1}),
        (delete_one, {"DELETE": 1}),
        (delete_by_queryset, {"DELETE": 2}),
        (delete_by_raw_sql, {"DELETE": 1}),
    ],
    ids=lambda given: getattr(given, "__name__", None),
)
def test_each_changed_row_leaves_one_change_with_its_actor_request_and_way(acme, dan, write, operations):
    if not write.__name__.startswith("create"):
        with acme.entered():
            TeamFactory(name="Blue")
            TeamFactory(name="Green")
    before = {change.pk for change in changes(acme, "organizations_team")}

    with tenancy.tenant(acme.id, actor_id=dan.pk, request_id="request-0001", via="admin"), transaction.atomic():
        write(acme)

    new = [change for change in changes(acme, "organizations_team") if change.pk not in before]
    assert {name: sum(change.operation == name for change in new) for name in {c.operation for c in new}} == operations
    assert {(c.organization_id, c.actor_id, c.request_id, c.via) for c in new} == {
        (acme.id, dan.pk, "request-0001", "admin")
    }
    assert len({change.row_id for change in new}) == len(new)


def test_an_insert_and_a_delete_keep_the_row_and_an_update_keeps_the_difference(acme):
    with acme.entered():
        team = TeamFactory(name="Blue", description="Does things", calendar=None)
        Team.objects.filter(pk=team.pk).update(name="Navy", version=2, description="Does things")
        Team.objects.filter(pk=team.pk).delete()

    born, changed, died = changes(acme, "organizations_team")

    assert set(born.diff) == {field.column for field in Team._meta.fields}
    assert (born.diff["name"], born.diff["version"], born.diff["calendar_id"]) == ("Blue", 1, None)
    assert changed.diff == {"name": ["Blue", "Navy"], "version": [1, 2]}
    assert died.diff == born.diff | {"name": "Navy", "version": 2}
    assert {change.row_id for change in (born, changed, died)} == {team.pk}


def test_an_update_that_changes_nothing_writes_nothing(acme):
    with acme.entered():
        TeamFactory(name="Blue")
    before = count(acme)

    with acme.entered():
        assert Team.objects.update(name=F("name")) == 1
        assert execute("UPDATE organizations_team SET description = description, version = version + 0") == 1

    assert count(acme) == before


def test_what_is_taken_back_leaves_no_change(acme):
    before = count(acme)

    with pytest.raises(RuntimeError), acme.entered():
        TeamFactory()
        raise RuntimeError("take it back")

    assert count(acme) == before


def test_a_cascade_in_the_database_leaves_one_change_for_each_row_that_went_with_it(fresh_database, acme):
    key = "users_session_user_id_tenant_fk"
    with superuser() as owner:
        owner.execute(f"ALTER TABLE users_session DROP CONSTRAINT {key}")
        owner.execute(
            f"ALTER TABLE users_session ADD CONSTRAINT {key} FOREIGN KEY (organization_id, user_id)"
            " REFERENCES users_user (organization_id, id) ON DELETE CASCADE"
        )
    with acme.entered():
        user = UserFactory()
        sessions = {SessionFactory(user=user).pk for _ in range(3)}
    with acme.entered():
        execute("DELETE FROM users_user WHERE id = %s", [user.pk])

    assert [c.row_id for c in changes(acme, "users_user", operation="DELETE")] == [user.pk]
    assert {c.row_id for c in changes(acme, "users_session", operation="DELETE")} == sessions
    assert len(changes(acme, "users_session", operation="DELETE")) == 3


def test_a_write_over_the_api_names_the_caller_the_request_and_the_way(acme, dan, api):
    access_token(dan)
    answer = api(dan).post("/api/v1/teams/", {"name": "Blue"}, HTTP_X_REQUEST_ID="request-from-outside-1")

    assert answer.status_code == 201
    (change,) = changes(acme, "organizations_team")
    assert (change.operation, str(change.row_id)) == ("INSERT", answer.json()["id"])
    assert (change.actor_id, change.request_id, change.via) == (dan.pk, "request-from-outside-1", "api")


def test_a_denied_write_over_the_api_changes_no_row(acme, alice, api):
    client = api(alice)
    before = count(acme)

    assert client.post("/api/v1/teams/", {"name": "Blue"}).status_code == 403

    assert count(acme) == before


def test_a_change_belongs_to_the_tenant_of_its_row(acme, globex):
    with acme.entered():
        SiteFactory()

    assert len(changes(acme, "organizations_site")) == 1
    assert changes(globex, "organizations_site") == []


# --- the diffs are the history


def state_of(table: str) -> dict[str, dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT id::text, to_jsonb(t)::text FROM "{table}" AS t')
        return {key: json.loads(value) for key, value in cursor.fetchall()}


def replayed(history: list[RowChange]) -> dict[str, dict[str, Any]]:
    """The rows as the changes tell them, each change checked against the state it met."""
    rows: dict[str, dict[str, Any]] = {}
    for change in history:
        key = str(change.row_id)
        if change.operation == "INSERT":
            assert key not in rows
            rows[key] = dict(change.diff)
        elif change.operation == "UPDATE":
            assert {column: pair[0] for column, pair in change.diff.items()} == {
                column: rows[key][column] for column in change.diff
            }
            assert all(before != after for before, after in change.diff.values())
            rows[key].update({column: pair[1] for column, pair in change.diff.items()})
        else:
            assert rows.pop(key) == change.diff
    return rows


texts = st.text(st.characters(blacklist_characters="\x00", blacklist_categories=("Cs",)), max_size=40)
writes = st.one_of(
    st.tuples(st.just("create"), texts),
    st.tuples(st.just("bulk_create"), st.integers(1, 4)),
    st.tuples(st.just("save"), texts),
    st.tuples(st.just("update"), texts),
    st.tuples(st.just("update_all"), st.integers(1, 100)),
    st.tuples(st.just("raw"), texts),
    st.tuples(st.just("reference"), st.booleans()),
    st.tuples(st.just("soft_delete"), st.booleans()),
    st.tuples(st.just("taken_back"), texts),
    st.tuples(st.just("delete"), st.none()),
    st.tuples(st.just("raw_delete"), st.none()),
)


class Writer:
    """Applies one random write to the teams of a tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.calendar = BusinessCalendarFactory(name=f"Calendar {uuid4()}")

    def apply(self, kind: str, value: Any) -> None:
        getattr(self, kind)(value)

    def name(self) -> str:
        return f"Team {uuid4()}"

    def some(self) -> Any:
        return Team.objects.order_by("id").first()

    def create(self, text: str) -> None:
        TeamFactory(name=self.name(), description=text)

    def bulk_create(self, number: int) -> None:
        Team.objects.bulk_create(
            TeamFactory.build(name=self.name(), organization_id=self.tenant.id) for _ in range(number)
        )

    def save(self, text: str) -> None:
        if team := self.some():
            team.description = text
            team.version += 1
            team.save()

    def update(self, text: str) -> None:
        Team.objects.filter(pk=getattr(self.some(), "pk", None)).update(description=text)

    def update_all(self, number: int) -> None:
        Team.objects.update(version=F("version") + number)

    def raw(self, text: str) -> None:
        execute("UPDATE organizations_team SET description = description || %s WHERE version %% 2 = 1", [text])

    def reference(self, is_set: bool) -> None:
        Team.objects.update(calendar=self.calendar if is_set else None)

    def soft_delete(self, is_deleted: bool) -> None:
        Team.objects.update(deleted_at=timezone.now() if is_deleted else None)

    def taken_back(self, text: str) -> None:
        savepoint = transaction.savepoint()
        Team.objects.update(description=text + "!")
        transaction.savepoint_rollback(savepoint)

    def delete(self, _: None) -> None:
        if team := self.some():
            team.delete()

    def raw_delete(self, _: None) -> None:
        execute("DELETE FROM organizations_team WHERE id = (SELECT max(id::text)::uuid FROM organizations_team)")


@settings(
    max_examples=500 if IS_FULL_RUN else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(writes, min_size=1, max_size=20))
def test_the_changes_applied_again_give_the_state_that_is_there(acme, steps):
    with acme.entered():
        savepoint = transaction.savepoint()
        writer = Writer(acme)
        for kind, value in steps:
            writer.apply(kind, value)
        history = list(RowChange.objects.filter(table_name="organizations_team").order_by("at"))

        assert replayed(history) == state_of("organizations_team")
        transaction.savepoint_rollback(savepoint)


# --- what is kept out


def test_a_secret_is_three_stars_and_its_value_nowhere(acme):
    with acme.entered():
        user = UserFactory(password=SECRET)
        User.objects.filter(pk=user.pk).update(password=SECRET + "2")
        session = SessionFactory(user=user, current_hash=SECRET, previous_hash="")
        Session.objects.filter(pk=session.pk).update(current_hash=SECRET + "2", previous_hash=SECRET)
        execute("DELETE FROM users_session WHERE id = %s", [session.pk])
        execute("DELETE FROM users_user WHERE id = %s", [user.pk])

    born, changed, died = changes(acme, "users_user")
    assert (born.diff["password"], changed.diff, died.diff["password"]) == ("***", {"password": ["***", "***"]}, "***")
    assert born.diff["full_name"] == "Somebody"
    # Between them the session was refreshed, which is nobody's change.
    opened, ended = changes(acme, "users_session")
    assert {opened.diff[c] for c in ("current_hash", "previous_hash")} == {"***"} == {ended.diff["current_hash"]}
    with superuser() as connection_, acme.entered():
        assert RowChange.objects.filter(diff__icontains="canary-4711").count() == 0
        assert connection_.execute(
            "SELECT count(*) FROM audit_rowchange r WHERE r::text LIKE '%canary-4711%'"
        ).fetchone() == (0,)


def triggers() -> dict[str, tuple[str, ...]]:
    """Table → the arguments of its capture: tenant column, secrets, key."""
    with superuser() as connection_:
        rows = connection_.execute(
            "SELECT c.relname, encode(t.tgargs, 'escape') FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " JOIN pg_proc p ON p.oid = t.tgfoid WHERE p.proname = 'audit_capture_row' AND t.tgenabled = 'O'"
            # Each row changed or deleted (1 + 8 + 16), each statement that adds (4): both, of the same arguments.
            " GROUP BY 1, 2 HAVING array_agg(t.tgtype ORDER BY t.tgtype) = '{4,25}'"
        ).fetchall()
    return {table: tuple(arguments.split("\\000")[:3]) for table, arguments in rows}


def test_every_walled_table_is_captured_or_on_the_list_of_those_that_are_not(db):
    with transaction.atomic():
        walled = set(walled_tables())

    assert walled - set(triggers()) == set(NOT_CAPTURED)
    assert set(triggers()) & set(NOT_CAPTURED) == set()


def test_every_secret_column_of_a_model_is_a_secret_of_its_capture(db):
    declared = {
        model._meta.db_table: set(model.secret_columns)
        for model in apps.get_models()
        if issubclass(model, TenantModel) and model.secret_columns
    }
    captured = {
        table: set(filter(None, secrets.strip("{}").split(","))) for table, (_, secrets, _) in triggers().items()
    }

    assert declared != {}
    assert {table: captured[table] for table in declared} == declared
    for table, secrets in declared.items():
        columns = {
            field.column for model in apps.get_models() if model._meta.db_table == table for field in model._meta.fields
        }
        assert secrets <= columns


def test_what_the_relay_moves_leaves_no_change(acme):
    _, dispatch = queued(acme)
    before = count(acme)

    assert services.deliver(acme.id, dispatch.pk) == "done"

    with acme.entered():
        assert Dispatch.objects.get(pk=dispatch.pk).attempts == 1
    assert count(acme) == before
    assert [changes(acme, table) for table in NOT_CAPTURED] == [[]] * len(NOT_CAPTURED)


def test_the_sites_of_a_tenant_are_captured_like_its_teams(acme):
    with acme.entered():
        site = SiteFactory(name="Berlin")
        Site.objects.filter(pk=site.pk).update(is_active=False)

    assert [(c.operation, c.diff.get("is_active")) for c in changes(acme, "organizations_site")] == [
        ("INSERT", True),
        ("UPDATE", [True, False]),
    ]


def test_a_session_used_again_is_nobodys_change_and_a_revoked_one_is(acme):
    with acme.entered():
        session = SessionFactory()
        before = RowChange.objects.filter(table_name="users_session").count()
        Session.objects.filter(pk=session.pk).update(idle_until=timezone.now(), generation=2, current_hash="f" * 64)
        assert RowChange.objects.filter(table_name="users_session").count() == before

        Session.objects.filter(pk=session.pk).update(revoked_at=timezone.now(), generation=3)
        last = RowChange.objects.filter(table_name="users_session").latest("at")
    assert (last.operation, set(last.diff)) == ("UPDATE", {"revoked_at"})


def test_what_one_statement_adds_is_captured_row_by_row(acme: Tenant) -> None:
    at = timezone.now()
    with acme.entered():
        sites = [Site(organization_id=acme.id, name=f"Site {n}", created_at=at, updated_at=at) for n in range(3)]
        Site.objects.bulk_create(sites)
        found = list(RowChange.objects.filter(table_name="organizations_site").order_by("diff__name"))

    assert [(row.operation, row.row_id, row.diff["name"]) for row in found] == [
        ("INSERT", site.pk, site.name) for site in sites
    ]


def test_an_upsert_is_captured_as_what_it_did_to_each_row(acme: Tenant) -> None:
    at = timezone.now()
    with acme.entered():
        there = Site.objects.create(organization_id=acme.id, name="There", created_at=at, updated_at=at)
        new = Site(organization_id=acme.id, name="New", created_at=at, updated_at=at)
        there.name = "Here"
        Site.objects.bulk_create([there, new], update_conflicts=True, update_fields=["name"], unique_fields=["id"])
        found = list(RowChange.objects.filter(table_name="organizations_site").order_by("at"))

    assert [(row.operation, row.row_id) for row in found] == [
        ("INSERT", there.pk), ("UPDATE", there.pk), ("INSERT", new.pk),
    ]  # fmt: skip
    assert found[1].diff == {"name": ["There", "Here"]}
