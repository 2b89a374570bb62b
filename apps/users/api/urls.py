"""Where sign-in lives."""

from django.urls import path

from apps.core.api.routers import RecordRouter
from apps.users.api.access import ExplainView, RoleAssignmentViewSet, RoleViewSet
from apps.users.api.api_tokens import ApiTokenViewSet, ServiceAccountViewSet
from apps.users.api.availability import AbsenceViewSet, PresenceView
from apps.users.api.coverage import CoverageViewSet, GapsView
from apps.users.api.credentials import (
    ConfirmView,
    DisableView,
    PasswordChangeView,
    RecoveryCodesView,
    SecondStepView,
    SetupView,
)
from apps.users.api.links import ResetConfirmView, ResetView
from apps.users.api.on_call import CalendarFileView, OnCallNowView, OverrideViewSet, RotaViewSet
from apps.users.api.people import ImportView, PeopleViewSet
from apps.users.api.sessions import SessionViewSet
from apps.users.api.teamwork import SKILLS, CostCentreViewSet, DepartmentViewSet, TeamMemberViewSet
from apps.users.api.views import LogoutView, MeViewSet, RefreshView, TokenView

router = RecordRouter()
router.register("users", PeopleViewSet, basename="users")
router.register("roles", RoleViewSet, basename="roles")
router.register("role-assignments", RoleAssignmentViewSet, basename="role-assignments")
router.register("auth/sessions", SessionViewSet, basename="sessions")
router.register("departments", DepartmentViewSet, basename="departments")
router.register("cost-centres", CostCentreViewSet, basename="cost-centres")
router.register("teams/<uuid:team_pk>/members", TeamMemberViewSet, basename="team-members")
SKILLS.register(router)
router.register("absences", AbsenceViewSet, basename="absences")
router.register("on-call/rotas/<uuid:rota_pk>/overrides", OverrideViewSet, basename="on-call-overrides")
router.register("on-call/rotas", RotaViewSet, basename="on-call-rotas")
router.register("on-call/coverages", CoverageViewSet, basename="on-call-coverages")
router.register("auth/api-tokens", ApiTokenViewSet, basename="api-tokens")
router.register("service-accounts", ServiceAccountViewSet, basename="service-accounts")

urlpatterns = [
    path("auth/permissions/explain/", ExplainView.as_view(), name="explain"),
    path("auth/token/", TokenView.as_view(), name="token"),
    path("auth/token/refresh/", RefreshView.as_view(), name="token-refresh"),
    path("auth/token/mfa/", SecondStepView.as_view(), name="token-mfa"),
    path("auth/mfa/setup/", SetupView.as_view(), name="mfa-setup"),
    path("auth/mfa/confirm/", ConfirmView.as_view(), name="mfa-confirm"),
    path("auth/mfa/disable/", DisableView.as_view(), name="mfa-disable"),
    path("auth/mfa/recovery-codes/", RecoveryCodesView.as_view(), name="mfa-recovery-codes"),
    path("auth/password/change/", PasswordChangeView.as_view(), name="password-change"),
    path("auth/logout/", LogoutView.as_view(), name="logout"),
    path("auth/password/reset/", ResetView.as_view(), name="password-reset"),
    path("auth/password/reset/confirm/", ResetConfirmView.as_view(), name="password-reset-confirm"),
    path("users/import/", ImportView.as_view(), name="users-import"),
    path("auth/me/", MeViewSet.as_view({"get": "retrieve", "patch": "partial_update"}), name="me"),
    path("auth/presence/", PresenceView.as_view(), name="presence"),
    path("on-call/now/", OnCallNowView.as_view(), name="on-call-now"),
    path("on-call/rotas/<uuid:pk>/ical/", CalendarFileView.as_view(), name="on-call-ical"),
    path("on-call/gaps/", GapsView.as_view(), name="on-call-gaps"),
    *router.urls,
]
