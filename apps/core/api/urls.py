"""Health, schema and the two readers of it."""

from django.urls import include, path

from apps.core.api.docs import RedocView, SchemaView, SwaggerView
from apps.core.api.exports import ExportDownloadView, ExportsView
from apps.core.api.health import live, ready
from apps.core.api.jobs import JobViewSet
from apps.core.api.routers import RecordRouter

router = RecordRouter()
router.register("jobs", JobViewSet, basename="jobs")

urlpatterns = [
    path("health/live/", live, name="health-live"),
    path("health/ready/", ready, name="health-ready"),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", SwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/redoc/", RedocView.as_view(url_name="schema"), name="redoc"),
    path("api/v1/exports/", ExportsView.as_view(), name="exports"),
    path("api/v1/exports/<uuid:pk>/download/", ExportDownloadView.as_view(), name="export-download"),
    path("api/v1/", include(router.urls)),
]
