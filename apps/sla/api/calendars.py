"""A calendar's new hours for timers that run already: tried, and asked for."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import strict
from apps.core.api.job_serializer import JobSerializer
from apps.core.api.record_views import RecordViewSet
from apps.core.api.serializers import ObjectList, RecordSerializer, StrictInput, no_input, strict_input
from apps.core.authorization import Action
from apps.organizations.api.calendars import ExceptionSerializer, WindowSerializer
from apps.organizations.calendars import OpenHours, rules
from apps.organizations.models import BusinessCalendar
from apps.sla import calendar_moves, dry_runs
from apps.sla.api.policies import dry_run_answer
from apps.sla.api.policy_serializers import DryRunSerializer

HOURS = ("time_zone", "windows", "exceptions")


class HoursInput(StrictInput):
    """Hours that are not written yet, as a calendar has them; what is left out stays as it is."""

    time_zone = strict.TimeZoneField(max_length=63, required=False)
    windows: Any = ObjectList(child=WindowSerializer(), required=False, max_length=rules.MOST_WINDOWS)
    exceptions: Any = ObjectList(child=ExceptionSerializer(), required=False, max_length=rules.MOST_EXCEPTIONS)
    limit = strict.IntegerField(min_value=1, max_value=dry_runs.MOST_TICKETS, required=False)


class CalendarSerializer(RecordSerializer):
    class Meta:
        model = BusinessCalendar
        fields = ("id", "name")
        read_only_fields = fields


class CalendarTimersViewSet(RecordViewSet):
    """What runs by a calendar. A change of its hours counts for new timers alone, unless somebody asks for more."""

    model = BusinessCalendar
    resource = "sla"
    http_method_names = ["post", "options"]
    serializer_class = CalendarSerializer
    grants: ClassVar[Any] = {"migrate": Action.CONFIGURE, "dry_run": Action.CONFIGURE}

    @extend_schema(request=None, responses={202: JobSerializer})
    def migrate(self, request: Request, pk: Any) -> Response:
        """Let open timers go on by the calendar's current hours, which a job does; what was counted stays as it was."""
        no_input(request.data)
        return self.accepted(calendar_moves.request(self.record(), actor=self.actor, at=timezone.now()))

    @extend_schema(request=HoursInput, responses=DryRunSerializer)
    def dry_run(self, request: Request, pk: Any) -> Response:
        """Which deadlines of open tickets would move, by these hours or by the current ones; nothing is written."""
        given, at = strict_input(HoursInput(data=request.data)), timezone.now()
        calendar, limit = self.record(), given.pop("limit", dry_runs.MOST_TICKETS)
        hours = None
        if given:
            wanted = {name: given.get(name, getattr(calendar, name)) for name in HOURS}
            rules.refuse_senseless(**wanted, at=at)
            hours = OpenHours(wanted["time_zone"], wanted["windows"], wanted["exceptions"])
        found = dry_runs.dry_run_of_calendar(calendar, hours, actor=self.actor, at=at, limit=limit)
        return Response(dry_run_answer(found))
