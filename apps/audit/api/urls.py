"""Where the log is read."""

from apps.audit.api.views import DispatchViewSet, EventViewSet
from apps.core.api.routers import RecordRouter

router = RecordRouter()
router.register("audit/events", EventViewSet, basename="audit-events")
router.register("audit/dispatches", DispatchViewSet, basename="audit-dispatches")
urlpatterns = router.urls
