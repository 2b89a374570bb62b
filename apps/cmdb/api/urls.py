"""Where this app's resources live."""

from apps.cmdb.api.views import CiClassViewSet, ConfigurationItemViewSet, ServiceViewSet
from apps.core.api.routers import RecordRouter

router = RecordRouter()
router.register("services", ServiceViewSet, basename="services")
router.register("ci-classes", CiClassViewSet, basename="ci-classes")
router.register("configuration-items", ConfigurationItemViewSet, basename="configuration-items")

urlpatterns = router.urls
