"""Calendars in the admin: their hours, as a picture too, their versions, and the holidays proposed for them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.core import denials, records
from apps.core.actors import Actor
from apps.core.admin import MOST_AT_ONCE, ReadOnlyAdmin, RecordAdmin, actor_of, lines, words_of
from apps.core.authorization import Action, require
from apps.core.errors import DomainError
from apps.organizations import calendar_records, holiday_proposals
from apps.organizations.admin import picture
from apps.organizations.admin.hours_form import HoursForm, typed_exceptions
from apps.organizations.admin.picture import WEEKDAYS
from apps.organizations.models import BusinessCalendar, CalendarVersion, HolidayProposal

SHOWN_DAYS = 21
DAY_FIELDS = tuple(name.lower() for name in WEEKDAYS)


@admin.register(BusinessCalendar)
class BusinessCalendarAdmin(RecordAdmin):
    """When an organization works. A change of hours counts from then on: it writes the calendar's next version."""

    resource = "calendars"
    write_action = Action.CONFIGURE
    form = HoursForm
    list_display = ("name", "time_zone", "shown_windows", "updated_at")
    search_fields = ("name",)
    ordering = ("name",)
    fieldsets_of_new = (
        (None, {"fields": ("name", "time_zone")}),
        ("An ordinary week", {"fields": DAY_FIELDS}),
        ("Days that differ", {"fields": ("different_days",)}),
    )
    fieldsets_of_known = (
        ("Open hours", {"fields": ("shown_week", "shown_days", "shown_links")}),
        *fieldsets_of_new,
    )
    readonly_fields = ("shown_week", "shown_days", "shown_links")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.fieldsets_of_new
        if self.has_change_permission(request, obj):
            return self.fieldsets_of_known
        return ((None, {"fields": ("name", "time_zone")}), self.fieldsets_of_known[0])

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        actor, at = actor_of(request), timezone.now()
        if change:
            calendar_records.change_calendar(self.locked(obj.pk, actor=actor), actor=actor, at=at, values=form.values())
        else:
            obj.pk = calendar_records.create_calendar(actor=actor, at=at, values=form.values()).pk

    def delete_record(self, record: Any, *, actor: Actor, at: Any) -> None:
        calendar_records.delete_calendar(record, actor=actor, at=at)

    @display(description="hours")
    def shown_windows(self, calendar: BusinessCalendar) -> SafeString:
        return shown_windows(calendar)

    @display(description="an ordinary week")
    def shown_week(self, calendar: BusinessCalendar) -> SafeString:
        return picture.week_of(calendar)

    @display(description="the next three weeks, * where a day differs")
    def shown_days(self, calendar: BusinessCalendar) -> SafeString:
        today = timezone.now().astimezone(ZoneInfo(calendar.time_zone)).date()
        return picture.days_from(calendar, today, SHOWN_DAYS)

    @display(description="see also")
    def shown_links(self, calendar: BusinessCalendar) -> SafeString:
        query = f"?calendar__exact={calendar.pk}"
        return lines(
            [
                (reverse("admin:organizations_calendarversion_changelist") + query, "Versions of these hours"),
                (reverse("admin:organizations_holidayproposal_changelist") + query, "Holidays proposed for it"),
            ]
        )


@admin.register(CalendarVersion)
class CalendarVersionAdmin(ReadOnlyAdmin):
    """What a calendar's hours were, version by version."""

    resource = "calendars"
    list_display = ("calendar", "number", "time_zone", "shown_windows", "created_at")
    list_select_related = ("calendar",)
    search_fields = ("calendar__name",)
    linked_lookups = ("calendar",)
    ordering = ("-created_at", "-number")
    fields = ("calendar", "number", "time_zone", "created_at", "shown_week", "shown_exceptions")
    readonly_fields = ("shown_week", "shown_exceptions")

    @display(description="hours")
    def shown_windows(self, version: CalendarVersion) -> SafeString:
        return shown_windows(version)

    @display(description="an ordinary week")
    def shown_week(self, version: CalendarVersion) -> SafeString:
        return picture.week_of(version)

    @display(description="days that differ")
    def shown_exceptions(self, version: CalendarVersion) -> SafeString:
        return _lines((line,) for line in typed_exceptions(version.exceptions).splitlines())


@admin.register(HolidayProposal)
class HolidayProposalAdmin(ReadOnlyAdmin):
    """Days on which a calendar may be closed; they count once confirmed."""

    resource = "calendars"
    list_display = ("date", "name", "calendar", "source", "shown_state")
    list_select_related = ("calendar",)
    list_filter = ("state",)
    search_fields = ("name", "calendar__name")
    linked_lookups = ("calendar",)
    ordering = ("date", "id")
    fields = ("calendar", "date", "start", "end", "name", "source", "shown_state", "decided_at")
    readonly_fields = ("shown_state",)
    actions = ("confirm", "dismiss")

    @display(description="state", label={"proposed": "warning", "confirmed": "success", "dismissed": "info"})
    def shown_state(self, proposal: HolidayProposal) -> str:
        return str(proposal.state)

    def has_configure_permission(self, request: HttpRequest) -> bool:
        return self._may(request, Action.CONFIGURE)

    @admin.action(description="Confirm: closed on these days", permissions=["configure"])
    def confirm(self, request: HttpRequest, queryset: Any) -> None:
        self._decide(request, queryset, holiday_proposals.confirm, "Confirmed")

    @admin.action(description="Dismiss", permissions=["configure"])
    def dismiss(self, request: HttpRequest, queryset: Any) -> None:
        self._decide(request, queryset, holiday_proposals.dismiss, "Dismissed")

    def _decide(self, request: HttpRequest, queryset: Any, verb: Callable[..., Any], done: str) -> None:
        """Calendar by calendar, each with one new version at most; a refusal keeps no other from its turn."""
        chosen: dict[UUID, list[UUID]] = {}
        for pk, calendar_id in queryset.order_by("calendar_id", "date").values_list("pk", "calendar_id")[:MOST_AT_ONCE]:
            chosen.setdefault(calendar_id, []).append(pk)
        actor, count = actor_of(request), 0
        for calendar_id, ids in chosen.items():
            try:
                with transaction.atomic():
                    calendar = records.lock(BusinessCalendar, calendar_id, actor=actor)
                    require(actor, Action.CONFIGURE, self.resource, calendar)
                    verb(calendar, ids, actor=actor, at=timezone.now())
                    count += len(ids)
            except DomainError as error:
                denials.note(request, error)
                self.message_user(request, words_of(error), messages.ERROR)
        if count:
            self.message_user(request, f"{done}: {count}", messages.SUCCESS)


def shown_windows(hours: BusinessCalendar | CalendarVersion) -> SafeString:
    days: dict[str, list[str]] = {}
    for window in sorted(hours.windows, key=lambda window: (window["weekday"], window["start"])):
        days.setdefault(WEEKDAYS[window["weekday"]], []).append(f"{window['start']}-{window['end']}")
    return _lines((f"{day} {', '.join(found)}",) for day, found in _folded(days))


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
