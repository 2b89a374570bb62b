"""Every URL of the platform: health and docs, the API, the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from apps.core import errors
from apps.core.api import problems
from apps.users.api.pages import set_password_page

urlpatterns = [
    path("", include("apps.core.api.urls")),
    path("api/v1/", include("apps.audit.api.urls")),
    path("api/v1/", include("apps.organizations.api.urls")),
    path("api/v1/", include("apps.users.api.urls")),
    path("api/v1/", include("apps.cmdb.api.urls")),
    path("api/v1/", include("apps.tickets.api.urls")),
    path("api/v1/", include("apps.sla.api.urls")),
    path("api/v1/", include("apps.incidents.api.urls")),
    path("set-password/", set_password_page, name="set-password"),
    path("admin/", admin.site.urls),
]


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problems.plain_response(errors.Invalid("The request cannot be read."))


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problems.plain_response(errors.Denied("This is not allowed."))


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problems.plain_response(errors.NotFound("There is no such address; /api/schema/ lists those that are."))


def handler500(request: HttpRequest, *args: Any) -> HttpResponse:
    return problems.plain_response(problems.Unexpected("The failure has been logged under this request's id."))
