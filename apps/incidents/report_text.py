"""The report of a major incident as a document: Markdown, and HTML made of it."""

import re
from collections.abc import Iterable
from datetime import datetime

from apps.incidents.choices import UpdateOutcome
from apps.incidents.models import Incident
from apps.incidents.report import Report, Update
from apps.tickets.markup import as_html

# What would mean something in Markdown; names and titles are people's words, and mean themselves.
MEANING = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&])")
OUTCOMES = {
    UpdateOutcome.AWAITED: "awaited",
    UpdateOutcome.GIVEN: "given",
    UpdateOutcome.PACED_ANEW: "another interval was set",
    UpdateOutcome.OVER: "ended before it was due",
}


def as_document(incident: Incident, report: Report) -> str:
    """In Markdown, all times in UTC."""
    return "\n".join(_lines(incident, report)) + "\n"


def as_page(incident: Incident, report: Report) -> str:
    """As sanitised HTML, a fragment without a head."""
    return as_html(as_document(incident, report))


def _lines(incident: Incident, report: Report) -> Iterable[str]:
    yield f"# Major incident {plain(incident.number)}: {plain(incident.title)}"
    yield ""
    yield from _facts(incident, report)
    yield ""
    yield "## Who led it"
    yield ""
    for term in report.roles:
        until = instant(term.until) if term.until else "now"
        yield f"- {term.role.replace('_', ' ').capitalize()}: {plain(term.name)}, {instant(term.since)} to {until}"
    yield ""
    yield "## Public updates"
    yield ""
    counts = f"{report.updates_given} given: {report.updates_on_time} on time, {report.updates_late} late"
    yield f"{counts}; {report.updates_missed} intervals passed without one."
    yield ""
    yield from (f"- {_told(update)}" for update in report.updates)
    yield ""
    yield "## What happened"
    yield ""
    for fact in report.timeline:
        said = fact.get("comment") or {}
        yield f"- {instant(fact['at'])}: {plain(_one_line(fact['summary']))}"
        if said.get("body"):
            yield f"    > {plain(_one_line(said['body']))}"


def _facts(incident: Incident, report: Report) -> Iterable[str]:
    for name, text in (
        ("Opened", instant(report.opened_at)),
        ("Accepted", instant(report.accepted_at)),
        ("Ended", instant(report.ended_at)),
        ("From opening to acceptance", length(report.opened_to_accepted_seconds)),
        ("From acceptance to the first update", length(report.accepted_to_first_update_seconds)),
        ("From acceptance to the end", length(report.accepted_to_ended_seconds)),
        ("From opening to the end", length(report.opened_to_ended_seconds)),
        ("Incidents below it", str(report.children_count)),
        ("Resolution", plain(_one_line(incident.resolution_notes)) or "-"),
        ("Workaround", plain(_one_line(incident.workaround)) or "-"),
        ("Review due", instant(incident.review_due_at)),
    ):
        yield f"- {name}: {text}"


def _told(update: Update) -> str:
    by = f" by {plain(update.given_by)}" if update.given_by else ""
    how = OUTCOMES[UpdateOutcome(update.outcome)]
    if update.outcome == UpdateOutcome.OVER and update.is_late:
        how = "ended without one"
    at = f" {instant(update.ended_at)}" if update.ended_at else ""
    late = f", {length(update.late_seconds)} late" if update.is_late else ""
    return f"Due {instant(update.due_at)}: {how}{at}{by}{late}"


def plain(text: str) -> str:
    """These very words, whatever they would mean as markup."""
    return MEANING.sub(r"\\\1", text)


def instant(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else "-"


def length(seconds: int | None) -> str:
    """Hours and minutes; below a minute seconds."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _one_line(text: str) -> str:
    return " ".join(text.split())
