"""A version of a policy as people fill it in: for whom it is, a row for each target, a row for each level.

What the fields cannot say, a text area of JSON says; nothing that was written over the API is lost by editing it here.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.forms.formsets import BaseFormSet
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from apps.core.errors import FieldError
from apps.organizations.models import BusinessCalendar
from apps.sla.checking import RECIPIENTS
from apps.sla.rules import USUAL
from apps.tickets.admin.forms import searched
from apps.tickets.choices import Kind, Priority
from apps.tickets.models import Ticket

BLANK_TARGETS, BLANK_LEVELS = 3, 2
METRICS = [("", "-"), *((metric, metric.replace("_", " ")) for metric in USUAL)]
PRIORITIES = [(str(value), str(value)) for value in Priority.values]
UNITS = [("minutes", "minutes"), ("hours", "hours"), ("seconds", "seconds"), ("days", "business days")]
SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
WHEN = [("percent", "% of the target"), ("before", "minutes before the deadline"), ("after", "minutes after it")]
# What the fields of the match say; each is one value or some of a few.
BOXES, NAMED = ("kinds", "priorities"), ("service", "category", "team")

Content = dict[str, Any]


def _boxes(choices: Iterable[tuple[str, str]], label: str = "") -> Any:
    return forms.MultipleChoiceField(
        choices=list(choices), required=False, label=label, widget=forms.CheckboxSelectMultiple
    )


def _json(text: str, wanted: type) -> Any:
    """Raises ValidationError."""
    if not text.strip():
        return wanted()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, wanted):
        accepted = "a JSON list" if wanted is list else "a JSON object"
        raise forms.ValidationError(f"Not read; accepted: {accepted}.", code="invalid")
    return found


class JsonField(forms.CharField):
    """JSON of one kind as text."""

    def __init__(self, wanted: type, **kwargs: Any) -> None:
        self.wanted = wanted
        super().__init__(required=False, max_length=100_000, **kwargs)

    def clean(self, value: Any) -> Any:
        return _json(super().clean(value), self.wanted)


class DraftForm(forms.Form):
    """For whom the policy is, and what of its metrics' rules differs from the usual."""

    kinds = _boxes(Kind.choices, "Kinds of ticket")
    priorities = _boxes(PRIORITIES, "Priorities")
    service = searched(Ticket, "service", label="Service")
    category = searched(Ticket, "category", label="Category")
    team = searched(Ticket, "team", label="Team")
    match = JsonField(
        list,
        label="Other condition",
        help_text="In place of the fields above: a list of clauses, of which one must hold, such as"
        ' [{"is_vip": [true]}, {"service_criticality": [1]}].',
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    rules = JsonField(
        dict,
        label="Rules that differ from the usual",
        help_text='By metric, such as {"resolution": {"reopen": "none"}}: start, pause, resume, stop, cancel, reset,'
        " cancel_when, start_from, reopen, on_change.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    note = forms.CharField(required=False, max_length=2000, label="Note", widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, actor: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: Any = self.fields
        for name in NAMED:
            column: Any = Ticket._meta.get_field(name)
            rows = column.remote_field.model._default_manager.visible_to(actor)
            fields[name].queryset = rows

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("match") and self._clause(given):
            self.add_error("match", "Say it either here or in the fields above.")
        return given

    def content(self) -> Content:
        given = self.cleaned_data
        return {
            "match": given["match"] or [self._clause(given)],
            "rules": given["rules"],
            "note": given["note"],
        }

    @staticmethod
    def _clause(given: Mapping[str, Any]) -> dict[str, Any]:
        clause: dict[str, Any] = {}
        if given.get("kinds"):
            clause["kind"] = given["kinds"]
        if given.get("priorities"):
            clause["priority"] = [int(value) for value in given["priorities"]]
        return clause | {name: [str(given[name].pk)] for name in NAMED if given.get(name) is not None}


class TargetForm(forms.Form):
    metric = forms.ChoiceField(choices=METRICS, required=False, widget=UnfoldAdminSelectWidget)
    priorities = _boxes(PRIORITIES)
    amount = forms.IntegerField(required=False, min_value=1, widget=UnfoldAdminIntegerFieldWidget)
    unit = forms.ChoiceField(choices=UNITS, required=False, widget=UnfoldAdminSelectWidget)
    calendar = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)
    applies = JsonField(list, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, calendars: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: Any = self.fields
        fields["calendar"].choices = calendars

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if bool(given.get("metric")) != bool(given.get("amount")) and not self.errors:
            raise forms.ValidationError("A target has a metric and an amount; clear both to drop it.")
        if given.get("applies") and given.get("priorities"):
            self.add_error("applies", "Either priorities or another condition.")
        return given

    def content(self) -> Content | None:
        given = self.cleaned_data
        if not given.get("metric"):
            return None
        priorities = [int(value) for value in given["priorities"]]
        is_days, amount = given["unit"] == "days", given["amount"]
        return {
            "metric": given["metric"],
            "applies": given["applies"] or [{"priority": priorities} if priorities else {}],
            "seconds": None if is_days else amount * SECONDS[given["unit"] or "minutes"],
            "business_days": amount if is_days else None,
            "calendar": given["calendar"] or None,
        }


class LevelForm(forms.Form):
    metric = forms.ChoiceField(choices=METRICS, required=False, widget=UnfoldAdminSelectWidget)
    amount = forms.IntegerField(required=False, min_value=0, widget=UnfoldAdminIntegerFieldWidget)
    when = forms.ChoiceField(choices=WHEN, required=False, widget=UnfoldAdminSelectWidget)
    tell = _boxes((name, name.replace("_", " ")) for name in RECIPIENTS)
    is_around_the_clock = forms.BooleanField(required=False)
    is_until_acknowledged = forms.BooleanField(required=False)
    # What a level does beside telling people, and for which tickets alone, as it was written over the API.
    applies = JsonField(list, widget=forms.HiddenInput)
    more = JsonField(list, widget=forms.HiddenInput)
    # Of an offset that is no whole minute.
    odd_seconds = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if bool(given.get("metric")) != (given.get("amount") is not None) and not self.errors:
            raise forms.ValidationError("A level has a metric and an amount; clear both to drop it.")
        return given

    def content(self) -> Content | None:
        given = self.cleaned_data
        if not given.get("metric"):
            return None
        actions = [{"do": "notify", "to": given["tell"]}] if given["tell"] else []
        offset = given["amount"] * 60 + (given["odd_seconds"] or 0)
        return {
            "metric": given["metric"],
            "percent": given["amount"] if given["when"] == "percent" else None,
            "offset_seconds": {"before": -offset, "after": offset}.get(given["when"]),
            "actions": [*actions, *given["more"]],
            "applies": given["applies"] or [{}],
            "is_until_acknowledged": given["is_until_acknowledged"],
            "is_around_the_clock": given["is_around_the_clock"],
        }


def calendars() -> list[tuple[str, str]]:
    rows = BusinessCalendar.objects.order_by("name").values_list("pk", "name", "time_zone")
    return [("", "always open"), *((str(pk), f"{name} ({zone})") for pk, name, zone in rows)]


Targets: Any = forms.formset_factory(TargetForm, extra=BLANK_TARGETS, max_num=100)
Levels: Any = forms.formset_factory(LevelForm, extra=BLANK_LEVELS, max_num=100)


class Editor:
    """The whole page: the form and its two tables."""

    def __init__(self, data: Any, *, actor: Any, content: Content) -> None:
        self.form = DraftForm(data, actor=actor, initial=_initial(content))
        rows = {"form_kwargs": {"calendars": calendars()}, "initial": [_target(row) for row in content["targets"]]}
        self.targets: BaseFormSet[Any] = Targets(data, prefix="targets", **rows)
        self.levels: BaseFormSet[Any] = Levels(
            data, prefix="levels", initial=[_level(row) for row in content["levels"]]
        )

    @property
    def boxes(self) -> list[Any]:
        """Fields of several boxes to tick."""
        return [self.form[name] for name in BOXES]

    @property
    def others(self) -> list[Any]:
        return [field for field in self.form if field.name not in BOXES]

    def is_valid(self) -> bool:
        return all([self.form.is_valid(), self.targets.is_valid(), self.levels.is_valid()])

    def content(self) -> Content:
        """What the service is given."""
        return {
            **self.form.content(),
            "targets": [row for form in self.targets if (row := form.content()) is not None],
            "levels": [row for form in self.levels if (row := form.content()) is not None],
        }

    def refuse(self, faults: Iterable[FieldError]) -> None:
        """Say what the service refused, by the row that it is about."""
        for fault in faults:
            self.form.add_error(None, f"{_place(fault.pointer)}: {fault.detail}")


def _place(pointer: str) -> str:
    _, name, *rest = [*pointer.split("/"), ""]
    if name in {"targets", "levels"} and rest[:1] and rest[0].isdigit():
        return f"{name.capitalize()[:-1]} {int(rest[0]) + 1} {' '.join(rest[1:])}".strip()
    return " ".join([name, *rest]).strip() or "The draft"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _initial(content: Content) -> dict[str, Any]:
    base = {"rules": _text(content["rules"]) if content["rules"] else "", "note": content["note"]}
    match = content["match"]
    clause = match[0] if len(match) == 1 else None
    is_plain = clause is not None and all(
        isinstance(values, list)
        and (name in {"kind", "priority"} or (name in NAMED and len(values) == 1 and values[0]))
        for name, values in clause.items()
    )
    if clause is None or not is_plain:
        return {**base, "match": _text(match)}
    return {
        **base,
        "kinds": clause.get("kind", []),
        "priorities": [str(value) for value in clause.get("priority", [])],
        **{name: clause[name][0] for name in NAMED if name in clause},
    }


def _target(row: Content) -> dict[str, Any]:
    applies = row["applies"]
    is_plain = len(applies) == 1 and (
        not applies[0] or (list(applies[0]) == ["priority"] and isinstance(applies[0]["priority"], list))
    )
    if row["business_days"] is not None:
        amount, unit = row["business_days"], "days"
    else:
        unit = next(name for name in ("hours", "minutes", "seconds") if row["seconds"] % SECONDS[name] == 0)
        amount = row["seconds"] // SECONDS[unit]
    return {
        "metric": row["metric"],
        "priorities": [str(value) for value in applies[0].get("priority", [])] if is_plain else [],
        "applies": "" if is_plain else _text(applies),
        "amount": amount,
        "unit": unit,
        "calendar": row["calendar"] or "",
    }


def _level(row: Content) -> dict[str, Any]:
    telling = [action for action in row["actions"] if action.get("do") == "notify"]
    is_plain = len(telling) == 1
    more = [action for action in row["actions"] if not (is_plain and action in telling)]
    seconds = row["offset_seconds"]
    return {
        "metric": row["metric"],
        "amount": row["percent"] if seconds is None else abs(seconds) // 60,
        "when": "percent" if seconds is None else ("before" if seconds < 0 else "after"),
        "odd_seconds": None if seconds is None else abs(seconds) % 60,
        "tell": telling[0]["to"] if is_plain else [],
        "more": _text(more) if more else "",
        "applies": "" if row["applies"] == [{}] else _text(row["applies"]),
        "is_until_acknowledged": row["is_until_acknowledged"],
        "is_around_the_clock": row["is_around_the_clock"],
    }
