"""The cast, and a database that the tests enter as the application does: as itsm_app, which row-level security binds."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import connections, transaction
from django.test import override_settings
from django.utils import timezone
from rest_framework.test import APIClient

from apps.core import proof, tenancy
from apps.core.actors import Actor
from apps.organizations.models import Organization
from apps.users.models import User, UserType
from apps.users.services import Device, open_session
from tests import databases, factories, hashing, sampling

IS_FULL_RUN = os.environ.get("ITSM_TEST_ALL") == "1"


@dataclass(frozen=True)
class Tenant:
    """An organization of the cast and the system actor that prepares things in it."""

    organization: Organization

    @property
    def id(self) -> Any:
        return self.organization.pk

    @property
    def system(self) -> Actor:
        return Actor.system(self.organization.pk, "test")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Act in this tenant, in a transaction: `with acme.entered(): …`."""
        with tenancy.tenant(self.organization.pk), transaction.atomic():
            yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any, worker_id: str) -> Iterator[None]:
    """One database per xdist worker, made from a template that is provisioned and migrated once."""
    with django_db_blocker.unblock():
        name = databases.create_for_worker(worker_id)
        databases.use(name)
        # As at the start of a server: requests are answered 503 before.
        proof.complete()
        yield
        connections.close_all()
        databases.drop(name)


@pytest.fixture(scope="session", autouse=True)
def _cheap_hashes() -> Iterator[None]:
    """A sign-in costs what its queries cost; for tests about hashes and their price there is `real_hashes`."""
    with hashing.hashed_by("tests.hashing.CheapHasher"):
        yield


@pytest.fixture
def real_hashes() -> Iterator[None]:
    """As in production. Asked for before the people whose passwords matter."""
    with hashing.hashed_by(*hashing.REAL):
        yield


@pytest.fixture
def fresh_database(request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Real commits: no transaction around the test, and afterwards the database is made anew from the template.

    The application may not TRUNCATE, so Django's own transactional tests cannot clean up here.
    """
    with django_db_blocker.unblock():
        yield
        connections.close_all()
        databases.recreate(str(settings.DATABASES["default"]["NAME"]))


@pytest.fixture
def database(request: pytest.FixtureRequest) -> None:
    """A database to write to: rolled back afterwards, or with real commits where the test asks for `fresh_database`."""
    request.getfixturevalue("fresh_database" if "fresh_database" in request.fixturenames else "db")


@pytest.fixture(autouse=True)
def _no_tenant_leaks() -> Iterator[None]:
    """A test that leaves a tenant in force would prove nothing about the next one."""
    assert tenancy.current() is None
    yield
    assert tenancy.current() is None


def make_tenant(slug: str, name: str) -> Tenant:
    return Tenant(factories.make_organization(slug=slug, name=name))


@pytest.fixture
def acme(database: None) -> Tenant:
    return make_tenant("acme", "Acme")


@pytest.fixture
def globex(database: None) -> Tenant:
    return make_tenant("globex", "Globex")


def person(tenant: Tenant, name: str, user_type: UserType) -> User:
    with tenant.entered():
        return factories.make_person(
            organization_id=tenant.id,
            email=f"{name}@{tenant.organization.slug}.example",
            full_name=name.title(),
            user_type=user_type,
        )


@pytest.fixture
def alice(acme: Tenant) -> User:
    return person(acme, "alice", UserType.AGENT)


@pytest.fixture
def bob(acme: Tenant) -> User:
    return person(acme, "bob", UserType.END_USER)


@pytest.fixture
def carol(acme: Tenant) -> User:
    return person(acme, "carol", UserType.MANAGER)


@pytest.fixture
def dan(acme: Tenant) -> User:
    return person(acme, "dan", UserType.ADMIN)


@pytest.fixture
def mallory(globex: Tenant) -> User:
    """An administrator next door, who must never see anything of acme."""
    return person(globex, "mallory", UserType.ADMIN)


@pytest.fixture
def operators(database: None) -> Tenant:
    return Tenant(factories.make_organization(slug="operators", name="Operators", is_operator=True))


@pytest.fixture
def operator(operators: Tenant) -> User:
    """Somebody who looks after the platform and lives in an organization of their own."""
    return person(operators, "olga", UserType.ADMIN)


@pytest.fixture(scope="session", autouse=True)
def _files_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Attachments of the suite lie in no directory that anybody works with."""
    root = tmp_path_factory.mktemp("attachments")
    ours = {**settings.STORAGES["attachments"], "OPTIONS": {"location": root, "base_url": None}}
    with override_settings(STORAGES={**settings.STORAGES, "attachments": ours}):
        yield


class Api(APIClient):
    """Speaks JSON, and forms where a file is in them; signed in as somebody or as nobody."""

    def __init__(self, user: User | None = None, **headers: str) -> None:
        super().__init__()
        self.default_format = "json"
        self.raise_request_exception = False
        if user is not None:
            self.credentials(HTTP_AUTHORIZATION=f"Bearer {access_token(user)}", **headers)

    def _encode_data(self, data: Any, format: str | None = None, content_type: str | None = None) -> Any:
        files = [value for value in data.values() if isinstance(value, UploadedFile)] if isinstance(data, dict) else []
        for file in files:
            # The same body may be sent again.
            file.seek(0)
        return super()._encode_data(data, "multipart" if files else format, content_type)


def access_token(user: User) -> str:
    """An access token of a session that exists, as sign-in would give it but without the slow password hash."""
    with tenancy.tenant(user.organization_id), transaction.atomic():
        return open_session(user, at=timezone.now(), device=Device())[1].access


def signed_in_now(user: User) -> Actor:
    """Somebody as an actor with a session that was opened just now; called inside their tenant."""
    return user.as_actor(session_id=open_session(user, at=timezone.now(), device=Device())[0].pk)


@pytest.fixture
def api() -> Callable[..., Api]:
    """`api(dan).get("/api/v1/teams/")`; without a user it is anonymous."""
    return Api


@contextmanager
def superuser() -> Iterator[psycopg.Connection]:
    """A superuser's connection to the test database, for what no role of the platform may do."""
    with psycopg.connect(databases.admin_dsn(str(settings.DATABASES["default"]["NAME"])), autocommit=True) as opened:
        yield opened


BAR = range(1, 55)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bar", action="store_true", help="say which numbers of the security bar have tests, with --co")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is beyond the tests' budgets, unless everything or something in particular is asked for."""
    is_particular = config.option.keyword or any("::" in argument for argument in config.args)
    if IS_FULL_RUN or is_particular:
        return
    beyond = sampling.left_out(items)
    if beyond:
        config.hook.pytest_deselected(items=list(beyond))
        items[:] = [item for item in items if item not in beyond]


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """With `--bar`: how many of the collected tests carry each number."""
    if not config.getoption("--bar"):
        return []
    found = Counter(number for item in items for mark in item.iter_markers("bar") for number in mark.args)
    missing = ", ".join(f"T{number:02}" for number in BAR if number not in found)
    return [*(f"T{number:02}: {found[number]} tests" for number in sorted(found)), f"without a test: {missing}"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The figures that tests recorded: numbers of one name added up, everything else as it was said."""
    figures: dict[str, Any] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()) if getattr(report, "when", "") == "call" else ():
                figures[name] = figures.get(name, 0) + value if isinstance(value, int) else value
    if figures:
        terminalreporter.section("figures")
        for name, value in sorted(figures.items()):
            terminalreporter.line(f"{name}: {value}")
