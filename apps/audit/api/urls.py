"""Where the log is read."""

from rest_framework.routers import SimpleRouter

from apps.audit.api.views import EventViewSet

router = SimpleRouter(use_regex_path=False)
router.register("audit/events", EventViewSet, basename="audit-events")
urlpatterns = router.urls
