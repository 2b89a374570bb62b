"""Where incidents live."""

from apps.core.api.routers import RecordRouter
from apps.incidents.api.views import IncidentViewSet

router = RecordRouter()
router.register("incidents", IncidentViewSet, basename="incidents")

urlpatterns = router.urls
