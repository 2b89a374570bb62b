"""The bare application for tickets: what Django itself costs for the same statements and the same bytes, and nothing else.

As `bare.py`: no middleware, no REST framework, no token, grants, log line or audit context, as a role that row-level security
does not bind. Lists and detail run the product's statement, rows come as tuples and orjson writes them; which verbs are open
from which status is a table that the run fills in, because the bytes could not be the same otherwise. Create writes what the
product writes (number, both rows, words, event) in one transaction through the same models. Searches and view counts replay the
statements that the product sent, fetch every row, and answer the product's bytes as they are.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from django.core.signing import Signer
from django.db import connection, transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from apps.audit.models import Event
from apps.core.api.renderers import dumps
from apps.incidents.api.serializers import LISTED, OWN
from apps.incidents.models import Incident
from apps.organizations.numbers import next_number
from apps.tickets import search
from apps.tickets.friendly import friendly_status
from apps.tickets.models import Ticket
from tests.benchmarks.bare import PAGE, live

# Where the run leaves what it recorded of the product.
RECORDED = "BENCH_RECORDED"
COMPUTED = ("custom_fields", "allowed_transitions")
# No column, but written among them.
WORDS = "friendly_status"


@cache
def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(os.environ[RECORDED]).read_text())
    return found


def columns(model: Any, names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    plain = tuple(name for name in names if name not in COMPUTED)
    return plain, (*(model._meta.get_field(name).attname for name in plain if name != WORDS), "custom_fields")


ROW, ROW_COLUMNS = columns(Ticket, LISTED)
ONE, ONE_COLUMNS = columns(Incident, (*LISTED, *OWN))


def shown(names: tuple[str, ...], values: tuple[Any, ...]) -> dict[str, Any]:
    before = names.index(WORDS)
    row = dict(zip(names[:before], values, strict=False))
    row[WORDS] = friendly_status(row["phase"], row["hold_reason"])
    row.update(zip(names[before + 1 :], values[before:], strict=False))
    row["custom_fields"] = values[-1]
    verbs = recorded()["verbs"]
    row["allowed_transitions"] = verbs.get(str(row["id"])) or verbs.get(row["status"], [])
    return row


def listed(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    rows = Ticket.objects.filter(
        organization_id=organization_id, kind="incident", deleted_at=None, status=request.GET["status"], phase="closed"
    )
    cursor = request.GET.get("cursor")
    if cursor:
        _, _, (at, pk) = Signer(salt="cursor").unsign_object(cursor)
        rows = rows.filter(Q(opened_at__lte=at) & (Q(opened_at__lt=at) | Q(opened_at=at, id__lt=pk)))
    found = list(rows.order_by("-opened_at", "-id").values_list(*ROW_COLUMNS)[: PAGE + 1])
    page = [shown(ROW, values) for values in found[:PAGE]]
    return answer(
        {
            "next": link(request, 0, page[-1]) if len(found) > PAGE else None,
            "previous": link(request, 1, page[0]) if cursor else None,
            "results": page,
        }
    )


def link(request: HttpRequest, direction: int, row: dict[str, Any]) -> str:
    values = ["-opened_at", direction, [row["opened_at"].isoformat(), str(row["id"])]]

    parameters = {"status": request.GET["status"], "cursor": Signer(salt="cursor").sign_object(values)}
    return f"http://{request.get_host()}/api/v1/incidents/?{urlencode(parameters)}"


def detail(request: HttpRequest, organization_id: UUID, pk: UUID) -> HttpResponse:
    rows = Incident.objects.filter(
        tenant=organization_id, organization_id=organization_id, kind="incident", deleted_at=None, pk=pk
    )
    row = shown(ONE, rows.values_list(*ONE_COLUMNS)[0])
    # The one who asks is told of no bridge; computed, it is written last.
    del row["bridge_url"]
    return answer({**row, "bridge_url": None})


def create(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    given, at = orjson.loads(request.body), timezone.now()
    requester = UUID(recorded()["requester"])
    with transaction.atomic():
        row = Incident(
            organization_id=organization_id,
            tenant=organization_id,
            kind="incident",
            number=next_number(organization_id, "INC"),
            status="new",
            phase="new",
            priority=3,
            requester_id=requester,
            opened_by_id=requester,
            opened_at=at,
            created_at=at,
            updated_at=at,
            **given,
        )
        row.save(force_insert=True)
        search.write(row)
        Event.objects.create(
            organization_id=organization_id,
            name="incident.created",
            subject_type="incident",
            subject_id=row.pk,
            actor_kind="user",
            actor_id=requester,
            actor_label="bench",
            at=at,
            recorded_at=at,
            via="api",
            changes={name: [None, value] for name, value in given.items()},
            data={"number": row.number},
        )
    values = tuple(getattr(row, column) for column in ONE_COLUMNS)
    return HttpResponse(dumps(shown(ONE, values)), content_type="application/json", status=201)


def replayed(request: HttpRequest, case: str) -> HttpResponse:
    told = recorded()["cases"][case]
    with connection.cursor() as cursor:
        for statement in told["statements"]:
            cursor.execute(statement)
            cursor.fetchall()
    return HttpResponse(told["body"], content_type="application/json")


def answer(body: Any) -> HttpResponse:
    return HttpResponse(dumps(body), content_type="application/json")


urlpatterns = [
    path("health/live/", live),
    path("<uuid:organization_id>/incidents/", listed),
    path("<uuid:organization_id>/incidents/create/", create),
    path("<uuid:organization_id>/incidents/<uuid:pk>/", detail),
    path("replayed/<slug:case>/", replayed),
]
