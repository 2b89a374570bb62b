"""A calendar's hours as people type them: a line for each weekday, a line for each day that differs."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from apps.core.errors import Invalid
from apps.core.validators import CLOCK, zone_names
from apps.organizations.admin.picture import WEEKDAYS
from apps.organizations.calendars.rules import refuse_senseless
from apps.organizations.models import BusinessCalendar

ACCEPTED_WINDOW = "accepted: stretches such as 09:00-12:30, 13:00-17:00, the day's end being 24:00"
ACCEPTED_DAY = (
    "accepted: a date, closed or open, and the times, such as 2026-12-24 closed or 2026-12-27 open 10:00-14:00"
)

Entry = dict[str, Any]


def typed_windows(windows: list[Entry], weekday: int) -> str:
    found = sorted((window["start"], window["end"]) for window in windows if window["weekday"] == weekday)
    return ", ".join(f"{start}-{end}" for start, end in found)


def typed_exceptions(exceptions: list[Entry]) -> str:
    return "\n".join(
        f"{day['date']} {day['kind']}" + (f" {day['start']}-{day['end']}" if day.get("start") else "")
        for day in exceptions
    )


def read_windows(text: str, weekday: int) -> list[Entry]:
    """Raises ValidationError saying what is accepted."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return [{"weekday": weekday, **_stretch(part, ACCEPTED_WINDOW)} for part in parts]


def read_exceptions(text: str) -> list[Entry]:
    """Raises ValidationError naming the line and what is accepted."""
    return [_exception(line.split(), line) for line in text.splitlines() if line.strip()]


def _exception(words: list[str], line: str) -> Entry:
    refusal = forms.ValidationError(f"“{line.strip()[:60]}” is not read; {ACCEPTED_DAY}.", code="invalid")
    if len(words) not in {2, 3} or words[1] not in {"closed", "open"}:
        raise refusal
    try:
        day = date.fromisoformat(words[0])
    except ValueError:
        raise refusal from None
    times = _stretch(words[2], ACCEPTED_DAY) if len(words) == 3 else {}
    return {"date": day.isoformat(), "kind": words[1], **times}


def _stretch(text: str, accepted: str) -> Entry:
    start, _, end = (part.strip() for part in text.partition("-"))
    if CLOCK.fullmatch(start) is None or CLOCK.fullmatch(end) is None:
        raise forms.ValidationError(f"“{text[:60]}” is not read; {accepted}.", code="invalid")
    return {"start": start, "end": end}


class HoursForm(forms.ModelForm):  # type: ignore[type-arg]
    """A calendar. Which hours make sense, the same rules say as everywhere."""

    time_zone = forms.ChoiceField(
        choices=lambda: [(zone, zone) for zone in sorted(zone_names())], widget=UnfoldAdminSelectWidget
    )
    # Not called as the model's own field: what is typed here is not what is kept.
    different_days = forms.CharField(
        required=False,
        max_length=100_000,
        label="Days that differ",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8}),
        help_text="One a line: 2026-12-24 closed, 2026-12-31 closed 12:00-24:00, 2026-12-27 open 10:00-14:00."
        " Where both speak of one time, open counts.",
    )
    monday, tuesday, wednesday, thursday, friday, saturday, sunday = (
        forms.CharField(
            required=False,
            max_length=500,
            widget=UnfoldAdminTextInputWidget,
            help_text="Such as 09:00-12:30, 13:00-17:00; empty is closed, an end before the start is on the next day."
            if name == WEEKDAYS[0]
            else "",
        )
        for name in WEEKDAYS
    )

    class Meta:
        model = BusinessCalendar
        fields = ("name", "time_zone")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        calendar: BusinessCalendar = self.instance
        for weekday, name in enumerate(WEEKDAYS):
            self.initial[name.lower()] = typed_windows(calendar.windows, weekday)
        self.initial["different_days"] = typed_exceptions(calendar.exceptions)

    def clean(self) -> dict[str, Any] | None:
        super().clean()
        windows: list[Entry] = []
        for weekday, name in enumerate(WEEKDAYS):
            windows.extend(self._read(name.lower(), lambda text, day=weekday: read_windows(text, day)))
        exceptions = self._read("different_days", read_exceptions)
        if not self.errors:
            self._judge(windows, exceptions)
        return self.cleaned_data

    def _read(self, name: str, read: Any) -> list[Entry]:
        try:
            entries: list[Entry] = read(self.cleaned_data.get(name, ""))
        except forms.ValidationError as error:
            self.add_error(name, error)
            return []
        return entries

    def _judge(self, windows: list[Entry], exceptions: list[Entry]) -> None:
        """Keep what the rules accept; what they refuse is said beside the line that it is about."""
        calendar: BusinessCalendar = self.instance
        has_other_week = {name.lower() for name in WEEKDAYS} & set(self.changed_data)
        hours = {
            "time_zone": self.cleaned_data["time_zone"],
            "windows": windows if has_other_week else calendar.windows,
            "exceptions": exceptions if "different_days" in self.changed_data else calendar.exceptions,
        }
        try:
            refuse_senseless(**hours, at=timezone.now())
        except Invalid as refusal:
            for fault in refusal.errors:
                self.add_error(_field_of(fault.pointer, hours), fault.detail)
            return
        self.hours = hours

    def values(self) -> dict[str, Any]:
        """What the service is given."""
        return {"name": self.cleaned_data["name"], **self.hours}


def _field_of(pointer: str, hours: Mapping[str, Any]) -> str | None:
    _, name, *place = pointer.split("/")
    if name == "exceptions":
        return "different_days"
    return WEEKDAYS[hours["windows"][int(place[0])]["weekday"]].lower() if place else None
