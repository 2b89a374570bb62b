"""Is the process alive, and is it ready: what load balancers and bin/up ask."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import redis
import structlog
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from apps.core import proof
from apps.core.api import problems

log = structlog.get_logger(__name__)

_verified: set[str] = set()


def safe_only(answer: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """GET and HEAD; anything else is refused as everywhere else, not by a page about cookies."""

    @csrf_exempt
    @wraps(answer)
    def guarded(request: HttpRequest) -> HttpResponse:
        return answer(request) if request.method in problems.SAFE_METHODS else problems.only_safe(request)

    return guarded


@safe_only
def live(request: HttpRequest) -> JsonResponse:
    """The process answers. Touches nothing, so that a slow database never gets it killed."""
    return JsonResponse({"status": "ok"})


@safe_only
def ready(request: HttpRequest) -> JsonResponse:
    """200 when the database is migrated and walled, 503 otherwise.

    Without Redis requests are still answered, so a process is then `degraded` and not taken out of service.
    """
    checks = {"database": _database(), "redis": _redis()}
    is_ready = checks["database"] == "ok"
    state = ("ok" if checks["redis"] == "ok" else "degraded") if is_ready else "unavailable"
    response = JsonResponse({"status": state, "checks": checks}, status=200 if is_ready else 503)
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
    proof.complete()
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
