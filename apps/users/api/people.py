"""People over HTTP: records, what is done to an account, and the import from a file."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone
from django_filters import filters as f
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import limits
from apps.core.api.filters import filters_for
from apps.core.api.job_serializer import JobSerializer
from apps.core.api.parsers import StrictJSONParser
from apps.core.api.schema import IF_MATCH
from apps.core.api.serializers import RecordSerializer, no_input, strict_input
from apps.core.api.soft_delete import SoftDeleteViewSet
from apps.core.api.views import TenantView
from apps.core.authorization import Action, Reach, decide
from apps.users import imports, people
from apps.users.api.availability import PersonSerializer
from apps.users.api.serializers import ImportForm, ImportRequest, UserSerializer
from apps.users.api.upload import CsvUploadParser
from apps.users.models import User, normalise_email, normalise_name
from apps.users.services import create_user

# Mails that one person has sent to others.
INVITATIONS = limits.declare("invitation", 600, 3600, burst=200)
NORMALISED = {"email": normalise_email, "username": normalise_name, "employee_number": normalise_name}


def by_normalised(queryset: Any, name: str, value: str) -> Any:
    """However it is spelled."""
    return queryset.filter(**{f"{name}_normalised": NORMALISED[name](value)})


class PeopleFilter(
    filters_for(  # type: ignore[misc]
        User,
        (
            "user_type",
            "is_active",
            "is_service_account",
            "is_vip",
            "department",
            "site",
            "manager",
            "created_at",
            "updated_at",
        ),
    )
):
    email = f.CharFilter(method=by_normalised)
    username = f.CharFilter(method=by_normalised)
    employee_number = f.CharFilter(method=by_normalised)


class PeopleViewSet(SoftDeleteViewSet):
    """People of the caller's organization. Who may not read all of them sees names alone, and cannot ask for more."""

    model = User
    resource = "users"
    serializer_class = UserSerializer
    filterset_class = PeopleFilter
    orderings: tuple[str, ...] = ("full_name", "email", "created_at")
    default_ordering = "full_name"
    search_columns: tuple[str, ...] = ("full_name", "email", "username", "employee_number")
    finds_hidden = frozenset(
        {"restore", "deactivate", "activate", "unlock", "reset_mfa", "revoke_sessions", "send_password_reset"}
    )
    grants: ClassVar[Any] = {
        **SoftDeleteViewSet.grants,
        "invite": Action.CREATE,
        **dict.fromkeys(finds_hidden - {"restore"}, Action.UPDATE),
    }

    limits = {"invite": INVITATIONS, "send_password_reset": INVITATIONS}

    # --- what is seen of whom

    def sees_names_alone(self) -> bool:
        """Whether the caller reads less than the whole organization. In the API's description nobody calls."""
        if not hasattr(self, "caller"):
            return False
        return decide(self.actor, Action.READ, self.resource).reach is not Reach.ORGANIZATION

    def reader(self) -> type[RecordSerializer]:
        return PersonSerializer if self.sees_names_alone() else super().reader()

    def accepted_parameters(self) -> frozenset[str]:
        """A filter, or an order, tells what a column holds."""
        accepted = super().accepted_parameters()
        return accepted - frozenset(self.filterset_class.base_filters) if self.sees_names_alone() else accepted

    def list(self, request: Request) -> Any:
        if self.sees_names_alone():
            self.orderings = self.search_columns = ("full_name",)
        return super().list(request)

    # --- records

    def locked(self, request: Request) -> Any:
        people.lock_people(self.actor.organization_id)
        return super().locked(request)

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return create_user(actor=self.actor, at=timezone.now(), **values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return people.change_user(record, actor=self.actor, at=timezone.now(), values=values)

    def delete_record(self, record: Any) -> None:
        people.delete(record, actor=self.actor, at=timezone.now())

    # --- accounts

    @extend_schema(responses={201: UserSerializer})
    @action(detail=False, methods=["post"])
    def invite(self, request: Request) -> Response:
        """Create somebody and mail them a link by which they set their password; it works for seven days."""
        user = people.invite(actor=self.actor, at=timezone.now(), **strict_input(self.writer(request)))
        self.check_reach(user)
        return self.single(user, status=status.HTTP_201_CREATED, location=f"/api/v1/users/{user.pk}/")

    @extend_schema(request=None, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def deactivate(self, request: Request, pk: Any) -> Response:
        """Keep somebody out from the next request on. Not oneself, and not the last administrator."""
        no_input(request.data)
        return self.single(people.deactivate(self.locked(request), actor=self.actor, at=timezone.now()))

    @extend_schema(request=None, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, pk: Any) -> Response:
        """Let somebody in again."""
        no_input(request.data)
        return self.single(people.activate(self.locked(request), actor=self.actor, at=timezone.now()))

    @extend_schema(request=None, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def unlock(self, request: Request, pk: Any) -> Response:
        """Forgive somebody's failed attempts to sign in."""
        no_input(request.data)
        return self.single(people.unlock(self.locked(request), actor=self.actor, at=timezone.now()))

    @extend_schema(request=None, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"], url_path="reset-mfa")
    def reset_mfa(self, request: Request, pk: Any) -> Response:
        """Remove the second factor of somebody who lost phone and recovery codes. Not one's own."""
        no_input(request.data)
        return self.single(people.reset_mfa(self.locked(request), actor=self.actor, at=timezone.now()))

    @extend_schema(request=None, parameters=[IF_MATCH], responses={204: None})
    @action(detail=True, methods=["post"], url_path="revoke-sessions")
    def revoke_sessions(self, request: Request, pk: Any) -> Response:
        """End all of somebody's sessions."""
        no_input(request.data)
        people.revoke_sessions(self.locked(request), actor=self.actor, at=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, parameters=[IF_MATCH], responses={202: None})
    @action(detail=True, methods=["post"], url_path="send-password-reset")
    def send_password_reset(self, request: Request, pk: Any) -> Response:
        """Have a link to set a new password mailed to somebody; nobody sets a password for them."""
        no_input(request.data)
        people.send_reset(self.locked(request), actor=self.actor, at=timezone.now())
        return Response(status=status.HTTP_202_ACCEPTED)


class ImportView(TenantView):
    """People from a file."""

    resource = "users"
    grants = {"post": Action.CREATE}
    parser_classes = [StrictJSONParser, CsvUploadParser]

    @extend_schema(
        request={"multipart/form-data": ImportForm, "application/json": ImportRequest}, responses={202: JobSerializer}
    )
    def post(self, request: Request) -> Response:
        """Import people from CSV as a job, or with `dry_run` only tell what would happen."""
        given = strict_input(ImportRequest(data=request.data))
        job = imports.request_import(
            actor=self.actor,
            at=timezone.now(),
            text=given["csv"],
            is_dry_run=given["dry_run"],
            is_inviting=given["invite"],
        )
        return self.accepted(job)
