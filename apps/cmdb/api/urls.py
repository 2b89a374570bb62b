"""Where this app's resources live."""

from rest_framework.routers import SimpleRouter

from apps.cmdb.api.views import CiClassViewSet, ConfigurationItemViewSet, ServiceViewSet

router = SimpleRouter(use_regex_path=False)
router.register("services", ServiceViewSet, basename="services")
router.register("ci-classes", CiClassViewSet, basename="ci-classes")
router.register("configuration-items", ConfigurationItemViewSet, basename="configuration-items")

urlpatterns = router.urls
