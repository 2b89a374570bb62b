"""People from a CSV file: read strictly, written row by row through the services, told in numbers and by row.

A row is found again by its e-mail address or employee number, so running an import twice changes nothing the second time.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from itertools import islice
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.utils import IntegrityError
from django.utils import timezone

from apps.core import constraints, jobs, records
from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.core.errors import Conflict, DomainError, FieldError, Invalid
from apps.core.models import Job
from apps.organizations.models import Department, Site
from apps.users import access, people
from apps.users.events import USER_INVITED
from apps.users.models import User, normalise_email, normalise_name
from apps.users.rehearsing import Effects, keys_held, keys_of
from apps.users.services import create_user

KIND = "users.import"
MAX_ROWS = 5_000
# So long other changes of people wait, and keys of the installation are held.
REHEARSED_AT_ONCE = 100
# Each may be one mail.
MAX_INVITING_ROWS = 500
TEXT = "text"
PLAIN = (
    "email",
    "full_name",
    "username",
    "employee_number",
    "job_title",
    "phone",
    "user_type",
    "time_zone",
    "language",
)
PLACES: Mapping[str, type[models.Model]] = {"department": Department, "site": Site}
COLUMNS = (*PLAIN, "is_vip", *PLACES, "manager")
WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
OUTCOMES = ("created", "updated", "unchanged", "failed")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file, numbered as a spreadsheet shows it; empty cells are left out: they change nothing."""

    number: int
    cells: Mapping[str, str]

    @property
    def key(self) -> str:
        return normalise_email(self.cells.get("email", ""))


def request_import(*, actor: Actor, at: datetime, text: str, is_dry_run: bool, is_inviting: bool) -> Job:
    """Queue an import of what `read` accepts. Raises Invalid. The text is forgotten when the job ends."""
    rows = read(text)
    if is_inviting and not is_dry_run and len(rows) > MAX_INVITING_ROWS:
        raise _unreadable(f"Too many rows; accepted with invite: at most {MAX_INVITING_ROWS}.", "too_many_rows")
    parameters = {TEXT: text, "is_dry_run": is_dry_run, "is_inviting": is_inviting}
    return jobs.request(KIND, actor=actor, at=at, parameters=parameters, total=len(rows))


def forget_text(job_id: UUID) -> None:
    job: Job = Job.objects.get(pk=job_id)
    job.parameters = {name: value for name, value in job.parameters.items() if name != TEXT}
    job.save(update_fields=["parameters"])


@jobs.kind(KIND)
def run(job: Job, actor: Actor) -> Mapping[str, Any]:
    """Do it, each row in a transaction of its own, or rehearse it in batches that are undone. Begins where it was left."""
    if TEXT not in job.parameters:
        raise Conflict("The file was forgotten when the job ended; upload it again.", code="file_forgotten")
    rows = in_order(read(job.parameters[TEXT]))
    is_inviting = job.parameters["is_inviting"]
    if job.parameters["is_dry_run"]:
        return _rehearse(job, rows, actor, is_inviting)
    for done, row in islice(enumerate(rows, start=1), job.done, None):
        _do(job, row, done, actor, is_inviting)
    return dict(job.result)


def read(text: str) -> list[Row]:
    """The rows of a file whose first line names its columns, separated by comma or semicolon.

    Raises Invalid when it is no CSV, names a column that is not accepted, or has more than MAX_ROWS rows.
    """
    text = text.removeprefix("\ufeff")
    if "\x00" in text:
        raise _unreadable("NUL characters are not accepted.")
    first = text.partition("\n")[0]
    separator = ";" if first.count(";") > first.count(",") else ","
    try:
        lines = list(islice(csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True), MAX_ROWS + 2))
    except csv.Error as error:
        raise _unreadable(f"It is not CSV: {error}.") from error
    columns = _columns(lines[0] if lines else [])
    if len(lines) > MAX_ROWS + 1:
        raise _unreadable(f"It has too many rows; accepted: at most {MAX_ROWS}.", "too_many_rows")
    return list(_rows(columns, lines[1:]))


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Managers before those who report to them, otherwise as they came."""
    by_key = {row.key: row for row in rows if row.key}
    ordered: dict[int, Row] = {}
    for row in rows:
        chain: dict[int, Row] = {}
        above: Row | None = row
        # Each row is put on a chain once; a circle ends where it closes, and is refused when it is written.
        while above is not None and above.number not in chain and above.number not in ordered:
            chain[above.number] = above
            above = by_key.get(normalise_email(above.cells.get("manager", "")))
        ordered.update(reversed(chain.items()))
    return list(ordered.values())


def _columns(header: Sequence[str]) -> list[str]:
    columns = [name.strip().lower() for name in header]
    accepted = f"accepted: {', '.join(COLUMNS)}"
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise _unreadable(
            f"Unknown columns: {', '.join(unknown)[:200] or 'an empty name'}; {accepted}.", "unknown_column"
        )
    if twice := [name for name, times in Counter(columns).items() if times > 1]:
        raise _unreadable(f"Columns appear twice: {', '.join(twice)}.", "duplicate_column")
    if not {"email", "employee_number"} & set(columns):
        raise _unreadable(f"It needs a column email or employee_number; {accepted}.", "missing_column")
    return columns


def _rows(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=2):
        if len(line) > len(columns):
            raise _unreadable(f"Row {number} has {len(line)} cells, the header {len(columns)}.", "too_many_cells")
        cells = {name: cell.strip() for name, cell in zip(columns, line, strict=False) if cell.strip()}
        if cells:
            yield Row(number, cells)


def _unreadable(detail: str, code: str = "malformed") -> Invalid:
    return Invalid("The file cannot be imported; `errors` says why.", errors=[FieldError("/csv", code, detail)])


def _do(job: Job, row: Row, done: int, actor: Actor, is_inviting: bool) -> None:
    """The row, the count of it and how far the job is, in one transaction; a row that is refused is only counted."""
    at = timezone.now()
    try:
        with transaction.atomic():
            people.lock_people(actor.organization_id)
            outcome = _write(row, actor=actor, at=at, is_inviting=is_inviting)
            _count(job, done, {outcome: 1}, [])
    except (DomainError, IntegrityError) as error:
        with transaction.atomic():
            _count(job, done, {"failed": 1}, _told(row, error))


def _rehearse(job: Job, rows: Sequence[Row], actor: Actor, is_inviting: bool) -> Mapping[str, Any]:
    """As it would be, batch by batch: later rows see what earlier ones wrote, and in the end nothing of it has happened."""
    effects = Effects()
    with transaction.atomic():
        # A rehearsal that was cut short begins again: what its earlier rows did is known to nobody.
        jobs.write(job, done=0, result={}, errors=[])
    for start in range(0, len(rows), REHEARSED_AT_ONCE):
        places = range(start, min(start + REHEARSED_AT_ONCE, len(rows)))
        with transaction.atomic():
            people.lock_people(actor.organization_id)
            outcomes, errors = _rehearse_batch(rows, places, effects, actor, is_inviting)
            transaction.set_rollback(True)
        with transaction.atomic():
            _count(job, places.stop, outcomes, errors)
    return dict(job.result)


def _rehearse_batch(
    rows: Sequence[Row], places: range, effects: Effects, actor: Actor, is_inviting: bool
) -> tuple[Counter[str], list[Mapping[str, Any]]]:
    at = timezone.now()
    for place in effects.met_by(set().union(*(keys_of(rows[place].cells) for place in places))):
        with suppress(DomainError, IntegrityError), transaction.atomic():
            _write(rows[place], actor=actor, at=at, is_inviting=is_inviting)
    outcomes: Counter[str] = Counter()
    errors: list[Mapping[str, Any]] = []
    able = _administrators(at)
    for place in places:
        row = rows[place]
        try:
            with transaction.atomic():
                keys = keys_of(row.cells) | keys_held(_find(row))
                outcome = _write(row, actor=actor, at=at, is_inviting=is_inviting)
        except (DomainError, IntegrityError) as error:
            outcomes["failed"] += 1
            errors += _told(row, error)
            continue
        outcomes[outcome] += 1
        if outcome != "unchanged":
            before, able = able, _administrators(at) if "user_type" in row.cells else able
            effects.add(place, keys, is_for_all=able != before)
    return outcomes, errors


def _administrators(at: datetime) -> set[UUID]:
    return set(access.administrators(at=at).values_list("pk", flat=True))


def _count(job: Job, done: int, outcomes: Mapping[str, int], errors: Sequence[Mapping[str, Any]]) -> None:
    counts = {name: job.result.get(name, 0) + outcomes.get(name, 0) for name in OUTCOMES}
    jobs.write(job, result={**counts, "is_dry_run": job.parameters["is_dry_run"]})
    jobs.advance(job, done=done, errors=errors)


def _told(row: Row, error: DomainError | IntegrityError) -> list[Mapping[str, Any]]:
    refusal = constraints.explain(error) if isinstance(error, IntegrityError) else error
    if not refusal.errors:
        return [{"row": row.number, "code": refusal.code, "detail": refusal.detail}]
    return [
        {"row": row.number, "code": wrong.code, "detail": f"{wrong.pointer.lstrip('/')}: {wrong.detail}"}
        for wrong in refusal.errors
    ]


def _write(row: Row, *, actor: Actor, at: datetime, is_inviting: bool) -> str:
    """Create or change whom the row tells of, and say which. Raises DomainError, IntegrityError."""
    found = _find(row)
    values = _values(row)
    if found is None:
        require(actor, Action.CREATE, "users")
        for name in ("email", "full_name"):
            if name not in values:
                raise Invalid(errors=[FieldError(f"/{name}", "required", "A new user needs it.")])
        created = create_user(actor=actor, at=at, fact=USER_INVITED if is_inviting else "user.created", **values)
        # Only now it can be told whether a grant that reaches less than the organization reaches this one.
        require(actor, Action.CREATE, "users", created)
        return "created"
    locked = records.lock(User, found.pk, actor=actor)
    require(actor, Action.UPDATE, "users", locked)
    if normalise_email(values.get("email", locked.email)) == locked.email_normalised:
        values.pop("email", None)
    version = locked.version
    return (
        "unchanged" if people.change_user(locked, actor=actor, at=at, values=values).version == version else "updated"
    )


def _find(row: Row) -> User | None:
    """Whom the row means: by address, or by employee number. Raises Invalid when these are two people."""
    alive = User.objects.alive()
    by_email = alive.filter(email_normalised=row.key).first() if row.key else None
    number = normalise_name(row.cells.get("employee_number", ""))
    by_number = alive.filter(employee_number_normalised=number).first() if number else None
    if by_email is not None and by_number is not None and by_email != by_number:
        detail = "Somebody else has this number; accepted: the number of whom the address belongs to."
        raise Invalid(errors=[FieldError("/employee_number", "ambiguous", detail)])
    found: User | None = by_email or by_number
    return found


def _values(row: Row) -> dict[str, Any]:
    """The row's cells as the columns of a user. Raises Invalid with everything that is wrong."""
    values: dict[str, Any] = {}
    problems: list[FieldError] = []
    for name, cell in row.cells.items():
        try:
            values.update(_value(name, cell))
        except ValidationError as error:
            detail = " ".join(error.messages)
            problems.append(FieldError(f"/{name}", getattr(error, "code", "") or "invalid", detail))
    if problems:
        raise Invalid(errors=problems)
    return values


def _value(name: str, cell: str) -> dict[str, Any]:
    if name in PLACES:
        return {f"{name}_id": _only_one(PLACES[name]._default_manager.filter(name=cell), cell)}
    if name == "manager":
        return {"manager_id": _only_one(User.objects.alive().filter(email_normalised=normalise_email(cell)), cell)}
    if name == "is_vip":
        if cell.lower() not in WORDS:
            raise ValidationError(f"Not a boolean; accepted: {', '.join(WORDS)}.", code="invalid")
        return {name: WORDS[cell.lower()]}
    field: Any = User._meta.get_field(name)
    return {name: field.clean(cell, None)}


def _only_one(found: "models.QuerySet[Any]", cell: str) -> UUID:
    ids = list(found.values_list("pk", flat=True)[:2])
    if len(ids) != 1:
        problem = "There is none of that name" if not ids else "There are several of that name"
        raise ValidationError(f"{problem}: {cell[:100]}.", code="ambiguous" if ids else "does_not_exist")
    pk: UUID = ids[0]
    return pk
