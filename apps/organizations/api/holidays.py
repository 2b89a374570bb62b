"""Proposed holidays and earlier hours of a calendar, over HTTP."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import records
from apps.core.api import strict
from apps.core.api.filters import filters_for
from apps.core.api.nested import NestedViewSet
from apps.core.api.refusals import TooLarge
from apps.core.api.serializers import RecordSerializer, StrictInput, strict_input
from apps.core.api.uploads import UploadParser
from apps.core.authorization import Action
from apps.organizations import holiday_proposals, holiday_sources
from apps.organizations.api.calendars import ExceptionSerializer, WindowSerializer
from apps.organizations.models import BusinessCalendar, CalendarVersion, HolidayProposal, Organization


class CalendarVersionSerializer(RecordSerializer):
    """What a calendar's hours were from `created_at` until the next version. Never changes."""

    windows: Any = WindowSerializer(many=True)
    exceptions: Any = ExceptionSerializer(many=True)

    class Meta:
        model = CalendarVersion
        fields = ("id", "calendar", "number", "time_zone", "windows", "exceptions", "created_at")
        read_only_fields = fields


class HolidayProposalSerializer(RecordSerializer):
    """A day, or with times a part of one, on which the calendar may be closed. Counts for nothing until confirmed."""

    class Meta:
        model = HolidayProposal
        fields = (
            "id", "calendar", "date", "start", "end", "name", "source", "state", "decided_at", "created_at", "updated_at",
            "version",
        )  # fmt: skip
        read_only_fields = fields


class BelowCalendar(NestedViewSet):
    """What hangs from a calendar, under the calendar's own grants."""

    resource = "calendars"
    parent_key, parent_field = "calendar_pk", "calendar_id"
    export_grant = Action.CONFIGURE

    def parents(self) -> Any:
        return BusinessCalendar.objects.visible_to(self.actor)


class CalendarVersionViewSet(BelowCalendar):
    """Every version of a calendar's hours, the newest first."""

    model = CalendarVersion
    serializer_class = CalendarVersionSerializer
    filterset_class = filters_for(CalendarVersion, ("number", "created_at"))
    orderings = ("number", "created_at")
    default_ordering = "-number"
    http_method_names = ["get", "head", "options"]
    grants: ClassVar[Any] = {"list": Action.READ, "retrieve": Action.READ}

    def single(self, record: Any, *, status: int = 200, location: str = "") -> Response:
        return Response(self.represent_all([record])[0], status=status)


class CountryInput(StrictInput):
    """Whose public holidays: an ISO 3166 country, one of its regions, and up to ten years."""

    country = strict.TextField(max_length=10)
    region = strict.TextField(max_length=60, required=False, allow_blank=True, default="")
    years = serializers.ListField(
        child=strict.IntegerField(min_value=strict.EARLIEST_YEAR, max_value=strict.LATEST_YEAR),
        min_length=1,
        max_length=holiday_sources.MOST_YEARS,
    )


class FileInput(StrictInput):
    """An iCalendar file (RFC 5545)."""

    file = serializers.FileField(allow_empty_file=True)


class ChosenInput(StrictInput):
    """Which proposals."""

    ids = serializers.ListField(child=strict.IdField(), min_length=1, max_length=holiday_proposals.MOST_IDS)


class ProposalsSerializer(serializers.Serializer[Any]):
    """The proposals that were made or decided."""

    results: Any = HolidayProposalSerializer(many=True)


class CalendarFileParser(UploadParser):
    """A form with one small file."""

    def limit_bytes(self) -> int:
        return holiday_sources.MOST_BYTES


class HolidayProposalViewSet(BelowCalendar):
    """Holidays proposed for a calendar by its country's law or by a file; confirmed ones become its exceptions."""

    model = HolidayProposal
    serializer_class = HolidayProposalSerializer
    filterset_class = filters_for(HolidayProposal, ("state", "date", "name", "source", "created_at", "updated_at"))
    orderings = ("date", "created_at")
    default_ordering = "date"
    search_columns = ("name",)
    http_method_names = ["get", "post", "head", "options"]
    grants: ClassVar[Any] = {
        "list": Action.READ,
        "retrieve": Action.READ,
        "propose": Action.CONFIGURE,
        "upload": Action.CONFIGURE,
        "confirm": Action.CONFIGURE,
        "dismiss": Action.CONFIGURE,
    }
    is_upload = False

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        self.is_upload = request.path.endswith("/import/")
        return super().initialize_request(request, *args, **kwargs)

    def get_parsers(self) -> list[Any]:
        if self.is_upload or getattr(self, "action", None) == "upload":
            return [CalendarFileParser()]
        return super().get_parsers()

    def calendar(self) -> BusinessCalendar:
        """The calendar of the URL, locked: two who answer at once do so one after the other."""
        return records.lock(BusinessCalendar, self.parent().pk, actor=self.actor)

    @extend_schema(request=CountryInput, responses=ProposalsSerializer)
    def propose(self, request: Request, **keys: Any) -> Response:
        """Propose a country's public holidays, as real dates. What was proposed before is not proposed again."""
        self.parent()
        given = strict_input(CountryInput(data=request.data))
        language = Organization.objects.get(pk=self.actor.organization_id).language
        found = holiday_sources.public_holidays(given["country"], given["region"], given["years"], language=language)
        source = "holidays " + "-".join(filter(None, (given["country"], given["region"])))
        return self.proposed(found, source)

    @extend_schema(request={"multipart/form-data": FileInput}, responses=ProposalsSerializer)
    def upload(self, request: Request, **keys: Any) -> Response:
        """Propose what an iCalendar file of at most 1 MiB closes in this year and the next four, recurring events as real dates."""
        zone = self.parent().time_zone
        file = strict_input(FileInput(data=request.data))["file"]
        if file.size > holiday_sources.MOST_BYTES:
            raise TooLarge(f"The file is larger than {holiday_sources.MOST_BYTES} bytes.")
        found = holiday_sources.closings_in(file.read(), time_zone=zone, at=timezone.now())
        return self.proposed(found, f"file {file.name}"[:120])

    def proposed(self, found: Sequence[holiday_sources.Closing], source: str) -> Response:
        calendar = self.calendar()
        made = holiday_proposals.propose(calendar, found, actor=self.actor, at=timezone.now(), source=source)
        return Response({"results": self.represent_all(made)})

    @extend_schema(request=ChosenInput, responses=ProposalsSerializer)
    def confirm(self, request: Request, **keys: Any) -> Response:
        """Close the calendar on these days: each becomes an exception, all of them one new version."""
        ids = self.chosen(request)
        _, decided = holiday_proposals.confirm(self.calendar(), ids, actor=self.actor, at=timezone.now())
        return Response({"results": self.represent_all(decided)})

    @extend_schema(request=ChosenInput, responses=ProposalsSerializer)
    def dismiss(self, request: Request, **keys: Any) -> Response:
        """Answer no: these days stay as they are, and are not proposed again."""
        ids = self.chosen(request)
        decided = holiday_proposals.dismiss(self.calendar(), ids, actor=self.actor, at=timezone.now())
        return Response({"results": self.represent_all(decided)})

    def chosen(self, request: Request) -> list[UUID]:
        self.parent()
        ids: list[UUID] = strict_input(ChosenInput(data=request.data))["ids"]
        return list(dict.fromkeys(ids))
