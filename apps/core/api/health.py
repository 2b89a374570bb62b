"""Is the process alive, and is it ready: what load balancers and bin/up ask."""

from typing import Any

import redis
import structlog
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import Error as DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from apps.core.wall.catalogue import assert_walled

log = structlog.get_logger(__name__)

_verified: set[str] = set()


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """The process answers. Touches nothing, so that a slow database never gets it killed."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when the database is migrated and walled and Redis answers; 503 with the failing parts otherwise."""
    checks = {"database": _database(), "redis": _redis()}
    is_ready = all(state == "ok" for state in checks.values())
    response = JsonResponse(
        {"status": "ok" if is_ready else "unavailable", "checks": checks}, status=200 if is_ready else 503
    )
    if not is_ready:
        response["Retry-After"] = "5"
    return response


def _database() -> str:
    try:
        if "schema" not in _verified:
            return _verify_schema()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, ImproperlyConfigured) as error:
        log.warning("database_not_ready", error=str(error))
        return "unavailable"
    return "ok"


def _verify_schema() -> str:
    """Once per process: no migration is missing and the wall stands. Neither can change while this code runs."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return "migrations are missing"
    assert_walled()
    _verified.add("schema")
    return "ok"


def _redis() -> str:
    client: Any = cache._cache.get_client()  # type: ignore[attr-defined]
    try:
        client.ping()
    except redis.RedisError as error:
        log.warning("redis_not_ready", error=str(error), url=settings.CACHE_URL.rsplit("@", 1)[-1])
        return "unavailable"
    return "ok"
