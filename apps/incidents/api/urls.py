"""Where incidents live."""

from rest_framework.routers import SimpleRouter

from apps.incidents.api.views import IncidentViewSet

router = SimpleRouter(use_regex_path=False)
router.register("incidents", IncidentViewSet, basename="incidents")

urlpatterns = router.urls
