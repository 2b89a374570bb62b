"""Where sign-in lives."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.users.api.access import ExplainView, RoleAssignmentViewSet, RoleViewSet
from apps.users.api.availability import AbsenceViewSet, PresenceView
from apps.users.api.on_call import OnCallNowView, OverrideViewSet, RotaViewSet
from apps.users.api.teamwork import SKILLS, CostCentreViewSet, DepartmentViewSet, TeamMemberViewSet
from apps.users.api.views import LogoutView, MeViewSet, RefreshView, TokenView

router = SimpleRouter(use_regex_path=False)
router.register("roles", RoleViewSet, basename="roles")
router.register("role-assignments", RoleAssignmentViewSet, basename="role-assignments")
router.register("departments", DepartmentViewSet, basename="departments")
router.register("cost-centres", CostCentreViewSet, basename="cost-centres")
router.register("teams/<uuid:team_pk>/members", TeamMemberViewSet, basename="team-members")
SKILLS.register(router)
router.register("absences", AbsenceViewSet, basename="absences")
router.register("on-call/rotas/<uuid:rota_pk>/overrides", OverrideViewSet, basename="on-call-overrides")
router.register("on-call/rotas", RotaViewSet, basename="on-call-rotas")

urlpatterns = [
    path("auth/permissions/explain/", ExplainView.as_view(), name="explain"),
    path("auth/token/", TokenView.as_view(), name="token"),
    path("auth/token/refresh/", RefreshView.as_view(), name="token-refresh"),
    path("auth/logout/", LogoutView.as_view(), name="logout"),
    path("auth/me/", MeViewSet.as_view({"get": "retrieve", "patch": "partial_update"}), name="me"),
    path("auth/presence/", PresenceView.as_view(), name="presence"),
    path("on-call/now/", OnCallNowView.as_view(), name="on-call-now"),
    *router.urls,
]
