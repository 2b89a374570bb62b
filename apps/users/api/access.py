"""Roles, their assignments, and why somebody may or may not."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import records
from apps.core.api.filters import filters_for
from apps.core.api.pagination import invalid_parameter
from apps.core.api.record_views import RecordViewSet
from apps.core.api.views import TenantView
from apps.core.authorization import Action, within_reach
from apps.users import access, people
from apps.users.api.serializers import Explanation, RoleAssignmentSerializer, RoleSerializer
from apps.users.models import Role, RoleAssignment, User
from apps.users.rights import actor_for
from apps.users.role_table import VOCABULARY
from apps.users.subjects import find_subject


class RoleViewSet(RecordViewSet):
    """Roles of the organization: four built in, others copied from them."""

    model = Role
    resource = "roles"
    serializer_class = RoleSerializer
    filterset_class = filters_for(Role, ("name", "key", "created_at", "updated_at"))
    orderings = ("name", "created_at")
    default_ordering = "name"
    search_columns = ("name", "description")

    def visible(self) -> Any:
        # Anonymous roles show as what they are: one person's direct grants, among the assignments.
        return super().visible().exclude(name="").prefetch_related("grants")

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return access.create_role(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return access.change_role(record, actor=self.actor, at=timezone.now(), values=values)

    def delete_record(self, record: Any) -> None:
        access.refuse_built_in(record)
        records.delete(record, actor=self.actor, at=timezone.now())


class RoleAssignmentViewSet(RecordViewSet):
    """Who has which role, from when to when, and perhaps for one team only."""

    model = RoleAssignment
    resource = "roles"
    serializer_class = RoleAssignmentSerializer
    filterset_class = filters_for(
        RoleAssignment,
        ("role", "user", "team", "limited_to_team", "valid_from", "valid_until", "created_at", "updated_at"),
    )
    orderings = ("created_at", "valid_from")

    def shaped(self, queryset: Any) -> Any:
        return super().shaped(queryset).select_related("role").prefetch_related("role__grants")

    def locked(self, request: Request) -> Any:
        people.lock_people(self.actor.organization_id)
        return super().locked(request)

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return access.assign(actor=self.actor, at=timezone.now(), **values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return access.change_assignment(record, actor=self.actor, at=timezone.now(), values=values)

    def delete_record(self, record: Any) -> None:
        access.withdraw(record, actor=self.actor, at=timezone.now())


class ExplainView(TenantView):
    """Why somebody may do something, or why not."""

    resource = "roles"
    grants = {"get": Action.READ}
    parameters = frozenset({"user", "resource", "action", "object"})

    @extend_schema(
        responses=Explanation,
        parameters=[
            OpenApiParameter("user", UUID, required=True),
            OpenApiParameter("resource", str, enum=sorted(VOCABULARY), required=True),
            OpenApiParameter("action", str, enum=[action.value for action in Action], required=True),
            OpenApiParameter("object", UUID, description="A record of the resource; without it, any."),
        ],
    )
    def get(self, request: Request) -> Response:
        """Answer for one user, one action and perhaps one record, as of now."""
        user = self._user()
        resource = self._choice("resource", VOCABULARY)
        action = Action(self._choice("action", [action.value for action in Action]))
        subject = find_subject(resource, self._id("object"), self.actor) if "object" in self.query else None
        authorizer = actor_for(user, at=timezone.now()).authorizer
        assert authorizer is not None
        decision = authorizer.decide(action, resource, subject)
        return Response({"allowed": decision.is_allowed, "reach": decision.reach, "because": list(decision.because)})

    def _user(self) -> User:
        # Rights are read as far as the caller's grant to read them reaches.
        people = within_reach(User.objects.visible_to(self.actor), self.actor, Action.READ, self.resource)
        user: User | None = people.filter(pk=self._id("user")).first()
        if user is None:
            raise invalid_parameter("user", "There is no such user.", "does_not_exist")
        return user

    def _id(self, name: str) -> UUID:
        try:
            return UUID(self.query.get(name, ""))
        except ValueError as error:
            raise invalid_parameter(name, f"{name} is not an id; accepted: a UUID.") from error

    def _choice(self, name: str, accepted: Any) -> str:
        given = self.query.get(name, "")
        if given not in accepted:
            raise invalid_parameter(
                name, f"{name} is not accepted; accepted: {', '.join(sorted(accepted))}.", "invalid_choice"
            )
        return given
