"""A calendar's new hours for timers that run already: tried, and asked for."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import strict
from apps.core.api.job_serializer import JobSerializer
from apps.core.api.record_views import the_one
from apps.core.api.serializers import ObjectList, StrictInput, no_input, strict_input
from apps.core.api.views import TenantView
from apps.core.authorization import Action
from apps.core.errors import NotFound
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


class OfCalendar(TenantView):
    """What runs by a calendar. A change of its hours counts for new timers alone, unless somebody asks for more."""

    model = BusinessCalendar
    resource = "sla"
    grants: ClassVar[Any] = {"post": Action.CONFIGURE}

    def check_visible(self) -> None:
        self.calendar(self.kwargs["pk"])

    def calendar(self, pk: Any) -> BusinessCalendar:
        """Raises NotFound."""
        found: BusinessCalendar | None = the_one(BusinessCalendar.objects.visible_to(self.actor), pk)
        if found is None:
            raise NotFound
        return found


class CalendarMigrationView(OfCalendar):
    """A calendar's current hours for open timers too."""

    @extend_schema(request=None, responses={202: JobSerializer})
    def post(self, request: Request, pk: Any) -> Response:
        """Let open timers go on by them, which a job does; what was counted stays as it was."""
        no_input(request.data)
        return self.accepted(calendar_moves.request(self.calendar(pk), actor=self.actor, at=timezone.now()))


class CalendarDryRunView(OfCalendar):
    """What such a migration would do."""

    @extend_schema(request=HoursInput, responses=DryRunSerializer)
    def post(self, request: Request, pk: Any) -> Response:
        """Which deadlines of open tickets would move, by these hours or by the current ones; nothing is written."""
        given, at = strict_input(HoursInput(data=request.data)), timezone.now()
        calendar, limit = self.calendar(pk), given.pop("limit", dry_runs.MOST_TICKETS)
        hours = None
        if given:
            wanted = {name: given.get(name, getattr(calendar, name)) for name in HOURS}
            rules.refuse_senseless(**wanted, at=at)
            hours = OpenHours(wanted["time_zone"], wanted["windows"], wanted["exceptions"])
        found = dry_runs.dry_run_of_calendar(calendar, hours, actor=self.actor, at=at, limit=limit)
        return Response(dry_run_answer(found))
