"""Structure in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.core.actors import Actor
from apps.core.admin import AliveAdmin, ReadOnlyAdmin, RecordAdmin, actor_of
from apps.core.authorization import Action
from apps.organizations import calendar_records, services
from apps.organizations.models import (
    BusinessCalendar,
    CalendarVersion,
    CostCentre,
    Department,
    HolidayProposal,
    Organization,
    Site,
    Team,
)

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@admin.register(Organization)
class OrganizationAdmin(RecordAdmin):
    """The administrator's own organization; others do not exist here."""

    resource = "organizations"
    list_display = ("name", "slug", "shown_status", "time_zone", "language")
    fields = ("name", "time_zone", "language", "requires_if_match", "requires_mfa")
    ordering = ("name",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        labels = {"requires_mfa": "Requires a second factor", "requires_if_match": "Requires If-Match"}
        return super().get_form(request, obj, change=change, labels=labels, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="status", label={"active": "success", "suspended": "danger"})
    def shown_status(self, organization: Organization) -> str:
        return str(organization.status)


@admin.register(Site)
class SiteAdmin(RecordAdmin):
    resource = "sites"
    list_display = ("name", "time_zone", "address", "is_active")
    list_filter = ("is_active",)
    search_fields = ("name", "address")
    ordering = ("name",)


@admin.register(CostCentre)
class CostCentreAdmin(RecordAdmin):
    resource = "cost_centres"
    list_display = ("code", "name", "is_active")
    list_filter = ("is_active",)
    search_fields = ("code", "name")
    ordering = ("code",)


@admin.register(Department)
class DepartmentAdmin(RecordAdmin):
    resource = "departments"
    list_display = ("name", "parent", "cost_centre")
    list_select_related = ("parent", "cost_centre")
    search_fields = ("name",)
    ordering = ("name",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        services.lock_chart(actor_of(request).organization_id)
        super().save_model(request, obj, form, change)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return services.change_department(record, actor=actor, at=at, values=values)


@admin.register(BusinessCalendar)
class BusinessCalendarAdmin(RecordAdmin):
    """Name and zone are changed here; hours through the API, which checks them, until the calendar editor comes."""

    resource = "calendars"
    write_action = Action.CONFIGURE
    list_display = ("name", "time_zone", "shown_windows", "updated_at")
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name", "time_zone", "shown_windows", "shown_exceptions")
    readonly_fields = ("shown_windows", "shown_exceptions")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return calendar_records.change_calendar(record, actor=actor, at=at, values=values)

    def delete_record(self, record: Any, *, actor: Actor, at: Any) -> None:
        calendar_records.delete_calendar(record, actor=actor, at=at)

    @display(description="hours")
    def shown_windows(self, calendar: BusinessCalendar) -> SafeString:
        return shown_windows(calendar)

    @display(description="days that differ")
    def shown_exceptions(self, calendar: BusinessCalendar) -> SafeString:
        return shown_exceptions(calendar)


@admin.register(CalendarVersion)
class CalendarVersionAdmin(ReadOnlyAdmin):
    """What a calendar's hours were, version by version."""

    resource = "calendars"
    list_display = ("calendar", "number", "time_zone", "created_at")
    list_select_related = ("calendar",)
    search_fields = ("calendar__name",)
    ordering = ("-created_at", "-id")
    fields = ("calendar", "number", "time_zone", "created_at", "shown_windows", "shown_exceptions")
    readonly_fields = ("shown_windows", "shown_exceptions")

    @display(description="hours")
    def shown_windows(self, version: CalendarVersion) -> SafeString:
        return shown_windows(version)

    @display(description="days that differ")
    def shown_exceptions(self, version: CalendarVersion) -> SafeString:
        return shown_exceptions(version)


@admin.register(HolidayProposal)
class HolidayProposalAdmin(ReadOnlyAdmin):
    """Proposed holidays; they are confirmed on their calendar's page."""

    resource = "calendars"
    list_display = ("date", "name", "calendar", "source", "shown_state")
    list_select_related = ("calendar",)
    list_filter = ("state",)
    search_fields = ("name", "calendar__name")
    ordering = ("date", "id")
    fields = ("calendar", "date", "start", "end", "name", "source", "shown_state", "decided_at")
    readonly_fields = ("shown_state",)

    @display(description="state", label={"proposed": "warning", "confirmed": "success", "dismissed": "info"})
    def shown_state(self, proposal: HolidayProposal) -> str:
        return str(proposal.state)


@admin.register(Team)
class TeamAdmin(AliveAdmin):
    resource = "teams"
    list_display = ("name", "description", "email", "calendar")
    list_select_related = ("calendar",)
    search_fields = ("name", "description")
    ordering = ("name",)
    fields = ("name", "description", "email", "calendar", "shown_members")
    readonly_fields = ("shown_members",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else self.fields[:-1]

    @display(description="members")
    def shown_members(self, team: Team) -> SafeString:
        link = f"{reverse('admin:users_teammember_changelist')}?team__exact={team.pk}"
        return format_html('<a class="text-link" href="{}">Who is in it</a>', link)


def shown_windows(hours: BusinessCalendar | CalendarVersion) -> SafeString:
    days: dict[str, list[str]] = {}
    for window in hours.windows:
        days.setdefault(WEEKDAYS[window["weekday"]], []).append(f"{window['start']}-{window['end']}")
    return _lines((f"{day} {', '.join(found)}",) for day, found in _folded(days))


def shown_exceptions(hours: BusinessCalendar | CalendarVersion) -> SafeString:
    return _lines(
        (f"{day['date']} {day['kind']}" + (f" {day['start']}-{day['end']}" if day.get("start") else ""),)
        for day in hours.exceptions
    )


def _folded(days: dict[str, list[str]]) -> list[tuple[str, list[str]]]:
    """Neighbouring days with the same hours as one line."""
    folded: list[list[Any]] = []
    for day, hours in days.items():
        if folded and folded[-1][2] == hours and WEEKDAYS.index(day) == WEEKDAYS.index(folded[-1][1]) + 1:
            folded[-1][1] = day
        else:
            folded.append([day, day, hours])
    return [(first if first == last else f"{first} to {last}", hours) for first, last, hours in folded]


def _lines(rows: Any) -> SafeString:
    return format_html_join("", "<div>{}</div>", rows) or format_html("-")
