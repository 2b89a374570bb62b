"""Where incidents live."""

from apps.core.api.routers import RecordRouter
from apps.incidents.api.rules import MajorRuleViewSet
from apps.incidents.api.views import IncidentViewSet

router = RecordRouter()
router.register("incidents", IncidentViewSet, basename="incidents")
router.register("major-rules", MajorRuleViewSet, basename="major-rules")

urlpatterns = router.urls
