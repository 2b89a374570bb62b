"""The bare application: what Django itself costs for the same data and the same bytes, and nothing else.

Two functions of a URLconf. No middleware, no REST framework, no token, no session, no grants, no request id, no log line,
no transaction: the one statement runs in autocommit on a kept connection without health check, as a role that
row-level security does not bind. The statement is the product's own: the tenant as a literal, the same order, the same keyset
bound, 51 rows. Rows come as the dictionaries of `.values()`, cheaper than model instances, and orjson writes them as they are.
What a page's `next` and `previous` need is signed here too, because the bytes could not be the same otherwise.
"""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from django.core.signing import Signer
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import path

from apps.organizations.models import Site

FIELDS = ("id", "name", "time_zone", "address", "is_active", "created_at", "updated_at", "version")
PAGE = 50


def live(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"ok")


def listed(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """The page after the cursor; these benchmarks only go forward."""
    rows = Site.objects.filter(organization_id=organization_id)
    cursor = request.GET.get("cursor")
    if cursor:
        _, _, (name, pk) = Signer(salt="cursor").unsign_object(cursor)
        rows = rows.filter(Q(name__gte=name) & (Q(name__gt=name) | Q(name=name, id__gt=pk)))
    found = list(rows.order_by("name", "id").values(*FIELDS)[: PAGE + 1])
    page = found[:PAGE]
    return answer(
        {
            "next": link(request, 0, page[-1]) if len(found) > PAGE else None,
            "previous": link(request, 1, page[0]) if cursor else None,
            "results": page,
        }
    )


def link(request: HttpRequest, direction: int, row: dict[str, Any]) -> str:
    cursor = Signer(salt="cursor").sign_object(["name", direction, [row["name"], str(row["id"])]])
    return f"http://{request.get_host()}/api/v1/sites/?{urlencode({'cursor': cursor})}"


def detail(request: HttpRequest, organization_id: UUID, pk: UUID) -> HttpResponse:
    return answer(Site.objects.filter(organization_id=organization_id, pk=pk).values(*FIELDS)[0])


def answer(body: Any) -> HttpResponse:
    return HttpResponse(orjson.dumps(body, option=orjson.OPT_UTC_Z), content_type="application/json")


urlpatterns = [
    path("health/live/", live),
    path("<uuid:organization_id>/sites/", listed),
    path("<uuid:organization_id>/sites/<uuid:pk>/", detail),
]
