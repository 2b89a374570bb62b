"""An organization's terms, checked as a whole before they are written."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from apps.core import records
from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.core.errors import FieldError, Invalid
from apps.organizations.models import BusinessCalendar
from apps.organizations.services import OFFICE_HOURS
from apps.tickets.closing import terms
from apps.tickets.models import ClosingSettings
from apps.tickets.models.closing import MOST_DAYS, MOST_REMINDERS

RESOURCE = "workflows"
COUNTS = ("resolve_after", "warn_after", "close_after", "reopen_within")


def settings(organization_id: UUID, *, at: datetime) -> ClosingSettings:
    """The organization's row; made where there is none."""
    found = ClosingSettings.objects.first()
    return begin(organization_id, at=at) if found is None else found


def begin(organization_id: UUID, *, at: datetime) -> ClosingSettings:
    """A new organization counts by its office hours. Part of the fact that it was created."""
    office = BusinessCalendar.objects.filter(name=OFFICE_HOURS).first()
    row, _ = ClosingSettings.objects.get_or_create(
        organization_id=organization_id, defaults={"calendar": office, "created_at": at, "updated_at": at}
    )
    found: ClosingSettings = row
    return found


def change(row: ClosingSettings, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> ClosingSettings:
    """Change the locked terms, for what waits already too: the next sweep counts it anew. Raises Denied, Invalid."""
    require(actor, Action.CONFIGURE, RESOURCE)
    names = (*COUNTS, "remind_after")
    if errors := faults({**{name: getattr(row, name) for name in names}, **values}):
        raise Invalid(errors=errors)
    changed = records.change(row, actor=actor, at=at, values=values)
    terms.forget()
    return changed


def faults(values: Mapping[str, Any]) -> list[FieldError]:
    """All that is wrong with terms: out of range, or a notice that comes when it is too late."""
    wrong = [
        FieldError(f"/{name}", "out_of_range", f"Out of range; accepted: 0 (off) to {MOST_DAYS} days.")
        for name in COUNTS
        if type(values[name]) is not int or not 0 <= values[name] <= MOST_DAYS
    ]
    wrong += _wrong_reminders(values["remind_after"])
    if wrong:
        return wrong
    last, end = max(values["remind_after"], default=0), values["resolve_after"]
    if end and last >= end:
        detail = f"The last reminder comes before the ticket is resolved; accepted: less than {end} days."
        wrong.append(FieldError("/remind_after", "out_of_range", detail))
    if values["warn_after"] and values["warn_after"] >= values["close_after"]:
        accepted = (
            f"less than {values['close_after']} days" if values["close_after"] else "0, as nothing closes by itself"
        )
        wrong.append(FieldError("/warn_after", "out_of_range", f"The warning comes before; accepted: {accepted}."))
    return wrong


def _wrong_reminders(given: Any) -> list[FieldError]:
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) > MOST_REMINDERS:
        detail = f"Accepted: a list of at most {MOST_REMINDERS} numbers of days, [] for none."
        return [FieldError("/remind_after", "invalid", detail)]
    wrong = [
        FieldError(f"/remind_after/{place}", "out_of_range", f"Out of range; accepted: 1 to {MOST_DAYS} days.")
        for place, days in enumerate(given)
        if type(days) is not int or not 1 <= days <= MOST_DAYS
    ]
    if not wrong and any(later <= earlier for earlier, later in pairwise(given)):
        detail = "Accepted: each later than the one before."
        wrong.append(FieldError("/remind_after", "out_of_range", detail))
    return wrong
