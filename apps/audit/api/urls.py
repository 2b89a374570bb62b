"""Where the log is read."""

from rest_framework.routers import SimpleRouter

from apps.audit.api.views import DispatchViewSet, EventViewSet

router = SimpleRouter(use_regex_path=False)
router.register("audit/events", EventViewSet, basename="audit-events")
router.register("audit/dispatches", DispatchViewSet, basename="audit-dispatches")
urlpatterns = router.urls
