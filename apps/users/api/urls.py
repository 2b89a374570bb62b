"""Where sign-in lives."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.users.api.access import ExplainView, RoleAssignmentViewSet, RoleViewSet
from apps.users.api.api_tokens import ApiTokenViewSet, ServiceAccountViewSet
from apps.users.api.views import LogoutView, MeViewSet, RefreshView, TokenView

router = SimpleRouter(use_regex_path=False)
router.register("roles", RoleViewSet, basename="roles")
router.register("role-assignments", RoleAssignmentViewSet, basename="role-assignments")
router.register("auth/api-tokens", ApiTokenViewSet, basename="api-tokens")
router.register("service-accounts", ServiceAccountViewSet, basename="service-accounts")

urlpatterns = [
    path("auth/permissions/explain/", ExplainView.as_view(), name="explain"),
    path("auth/token/", TokenView.as_view(), name="token"),
    path("auth/token/refresh/", RefreshView.as_view(), name="token-refresh"),
    path("auth/logout/", LogoutView.as_view(), name="logout"),
    path("auth/me/", MeViewSet.as_view({"get": "retrieve", "patch": "partial_update"}), name="me"),
    *router.urls,
]
