"""Nothing is served before it is proved, and readiness says what is missing."""

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import OperationalError

from apps.core import proof
from apps.core.api import health
from apps.core.wall.catalogue import assert_walled
from tests.conftest import superuser

READY, TEAMS = "/health/ready/", "/api/v1/teams/"


@pytest.fixture
def unproved():
    """A process that has proved nothing yet."""
    health._verified.clear()
    yield
    proof._pending.clear()
    health._verified.clear()


def demand(error):
    def fail():
        if failures:
            raise failures[0]

    failures = [error]
    proof.demand(fail)
    return failures


@pytest.mark.parametrize(
    "error", [ImproperlyConfigured("the table x lacks row-level security"), OperationalError("no connection")]
)
def test_nothing_is_answered_before_the_proof_and_all_of_it_after(db, unproved, api, error):
    failures = demand(error)

    refused = api().get(TEAMS)

    assert (refused.status_code, refused.json()["code"], refused["Retry-After"]) == (503, "unavailable", "5")
    assert str(error) not in refused.content.decode()
    assert api().get("/health/live/").status_code == 200
    assert api().get(READY).status_code == 503

    failures.clear()
    assert api().get(TEAMS).status_code == 401
    assert api().get(READY).json()["status"] == "ok"


def test_a_hole_in_the_wall_makes_the_process_unready(fresh_database, unproved, api):
    proof.demand(assert_walled)
    with superuser() as connection:
        connection.execute("CREATE TABLE hole (id int)")

    answer = api().get(READY)

    assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "unavailable")
    with superuser() as connection:
        connection.execute("DROP TABLE hole")
    assert api().get(READY).status_code == 200


def test_a_missing_migration_makes_the_process_unready(fresh_database, unproved, api):
    with superuser() as connection:
        connection.execute("DELETE FROM django_migrations WHERE app = 'users'")

    answer = api().get(READY)

    assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "migrations are missing")


def test_without_redis_the_process_stays_in_service_and_says_so(db, unproved, api, settings):
    nowhere = {**django_settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/1"}
    settings.CACHES = {"default": nowhere}

    answer = api().get(READY)

    assert (answer.status_code, answer.json()["status"], answer.json()["checks"]["redis"]) == (
        200,
        "degraded",
        "unavailable",
    )
