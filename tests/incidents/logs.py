"""Invented incident logs in the shape of ServiceNow's, for the importer's tests."""

import csv
import gzip
from io import StringIO
from pathlib import Path

COLUMNS = (
    "number", "incident_state", "sys_updated_at", "sys_updated_by", "opened_at", "opened_by", "caller_id", "location",
    "category", "subcategory", "u_symptom", "impact", "urgency", "priority", "assignment_group", "assigned_to",
    "contact_type", "closed_code", "cmdb_ci", "problem_id", "rfc", "caused_by", "vendor", "reopen_count",
    "reassignment_count", "resolved_at", "closed_at",
)  # fmt: skip
USUAL = {
    "sys_updated_by": "Desk One",
    "opened_at": "1/3/2020 08:00",
    "opened_by": "Desk Two",
    "caller_id": "Ann Caller",
    "location": "Harbour",
    "category": "Mail",
    "subcategory": "Outbox",
    "u_symptom": "Nothing leaves",
    "impact": "2 - Medium",
    "urgency": "2 - Medium",
    "priority": "3 - Moderate",
    "assignment_group": "Servers",
    "contact_type": "Phone",
    "closed_code": "code 6",
}


def line(number: str, state: str, at: str, **cells: str) -> dict[str, str]:
    """One update; what is not named is as USUAL, or `?`."""
    return {**USUAL, "number": number, "incident_state": state, "sys_updated_at": at, **cells}


def text(*lines: dict[str, str]) -> str:
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([[one.get(name, "?") for name in COLUMNS] for one in lines])
    return out.getvalue()


def write(path: Path, *lines: dict[str, str]) -> Path:
    """As a file; packed where its name says so."""
    content = text(*lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def short(number: str) -> list[dict[str, str]]:
    """The least that happens to an incident."""
    return [
        line(number, "New", "1/3/2020 08:05"),
        line(number, "Resolved", "1/3/2020 09:00"),
        line(number, "Closed", "6/3/2020 09:07"),
    ]
