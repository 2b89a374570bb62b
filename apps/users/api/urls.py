"""Where sign-in lives."""

from django.urls import path

from apps.users.api.views import LogoutView, MeViewSet, RefreshView, TokenView

urlpatterns = [
    path("auth/token/", TokenView.as_view(), name="token"),
    path("auth/token/refresh/", RefreshView.as_view(), name="token-refresh"),
    path("auth/logout/", LogoutView.as_view(), name="logout"),
    path("auth/me/", MeViewSet.as_view({"get": "retrieve", "patch": "partial_update"}), name="me"),
]
