"""From the lines of a log to cases: each line judged by itself, so that a broken one spoils nothing but its own incident."""

import csv
import gzip
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, TypeVar

from apps.core.errors import Invalid
from apps.incidents.importing.mapping import SourceMapping
from apps.organizations.numbers import DIGITS, MOST_DIGITS
from apps.tickets.kinds import PREFIXES

PREFIX = PREFIXES["incident"]
NUMBER = re.compile(rf"{PREFIX}\d{{{DIGITS},{20 - len(PREFIX)}}}", re.ASCII)
MAX_LINE_BYTES = 1_000_000
# A cell in quotes may hold line breaks; a quote that is never closed must not swallow the file.
MAX_LINES_OF_A_ROW = 200
# What our own columns hold.
LONGEST: Mapping[str, int] = {
    "by": 200, "opened_by": 200, "requester": 200, "assignee": 200, "team": 120, "site": 120, "category": 120,
    "subcategory": 120, "resolution_code": 200, "description": 100_000,
}  # fmt: skip
LONGEST_CUSTOM = 5000
LONGEST_TITLE = 255
W = TypeVar("W")
GZIP = b"\x1f\x8b"


class BrokenLine(ValueError):
    """Why one line cannot be read; `number` where it still says whose it is."""

    def __init__(self, code: str, detail: str, number: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.number = number


@dataclass(frozen=True, slots=True)
class RejectedLine:
    line: int
    number: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One update of an incident: all it said after it. Empty texts and None are what the source left out."""

    line: int
    at: datetime
    state: str
    by: str
    opened_at: datetime | None
    opened_by: str
    requester: str
    site: str
    category: str
    subcategory: str
    impact: int | None
    urgency: int | None
    priority: int | None
    team: str
    assignee: str
    source: str
    resolution_code: str
    reopen_count: int | None
    reassignment_count: int | None
    resolved_at: datetime | None
    closed_at: datetime | None
    description: str
    title: str
    custom_fields: tuple[tuple[str, str], ...]
    digest: bytes


@dataclass(slots=True)
class Case:
    """One incident's history, in the order of time; lines of one minute in the order of the file."""

    number: str
    entries: list[Entry] = field(default_factory=list)
    is_sorted: bool = True
    # The first of its lines that could not be read: half a history is none.
    broken: RejectedLine | None = None

    @property
    def fingerprint(self) -> str:
        """Of its lines, whatever their order in the file."""
        return sha256(b"".join(sorted(entry.digest for entry in self.entries))).hexdigest()


@dataclass(slots=True)
class Log:
    """A whole file: cases in the order of their first lines."""

    lines: int = 0
    cases: dict[str, Case] = field(default_factory=dict)
    rejected: list[RejectedLine] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)


def read(path: Path, mapping: SourceMapping) -> Log:
    """The file's cases. Raises Invalid when it is no such log at all: unreadable, cut off, or without a column it needs."""
    log = Log()
    try:
        with _opened(path) as file:
            _read_into(log, file, mapping)
    except (OSError, EOFError, zlib.error) as error:
        raise Invalid(f"{path} cannot be read to its end: {error}. Nothing was imported.") from error
    for case in log.cases.values():
        ordered = sorted(case.entries, key=lambda entry: entry.at)
        case.is_sorted = ordered == case.entries
        case.entries = ordered
    return log


def _opened(path: Path) -> gzip.GzipFile | IO[bytes]:
    with path.open("rb") as file:
        is_packed = file.read(2) == GZIP
    opened: Any = gzip.open(path, "rb") if is_packed else path.open("rb")  # noqa: SIM115 - the caller closes it
    stream: IO[bytes] = opened
    return stream


def _read_into(log: Log, file: gzip.GzipFile | IO[bytes], mapping: SourceMapping) -> None:
    lines = _Lines(file)
    columns = _header(lines, mapping)
    seen: set[bytes] = set()
    for number, raw in lines:
        log.lines += 1
        try:
            cells = _cells(raw, lines, columns, mapping, is_torn=number in lines.torn)
        except BrokenLine as broken:
            _reject(log, number, broken)
            continue
        try:
            entry = _entry(number, raw, cells, columns, mapping)
        except BrokenLine as broken:
            _reject(log, number, BrokenLine(broken.code, broken.detail, broken.number or cells[columns["number"]]))
            continue
        name = cells[columns["number"]]
        key = name.encode() + entry.digest
        if key in seen:
            # Word for word the same: said twice, not happened twice.
            log.rejected.append(
                RejectedLine(number, name, "repeated", "An earlier line says exactly this; it counts once.")
            )
            continue
        seen.add(key)
        log.states[entry.state] += 1
        log.cases.setdefault(name, Case(name)).entries.append(entry)


def _reject(log: Log, line: int, broken: BrokenLine) -> None:
    name = broken.number if NUMBER.fullmatch(broken.number) else ""
    rejected = RejectedLine(line, name, broken.code, broken.detail)
    log.rejected.append(rejected)
    if name:
        case = log.cases.setdefault(name, Case(name))
        case.broken = case.broken or rejected


class _Lines:
    """Physical lines with their numbers, none longer than MAX_LINE_BYTES; a reader may ask for the ones that follow."""

    def __init__(self, file: gzip.GzipFile | IO[bytes]) -> None:
        self.file = file
        self.number = 0
        self.waiting: list[tuple[int, bytes]] = []
        # Lines that were cut because they were too long.
        self.torn: set[int] = set()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while (line := self.take()) is not None:
            if line[1].strip():
                yield line

    def take(self) -> tuple[int, bytes] | None:
        if self.waiting:
            return self.waiting.pop(0)
        raw = self.file.readline(MAX_LINE_BYTES + 1)
        if not raw:
            return None
        self.number += 1
        if len(raw) > MAX_LINE_BYTES:
            self.torn.add(self.number)
            rest = raw
            while rest and not rest.endswith(b"\n"):
                rest = self.file.readline(MAX_LINE_BYTES)
        return self.number, raw

    def give_back(self, lines: Sequence[tuple[int, bytes]]) -> None:
        self.waiting[:0] = lines


Columns = Mapping[str, int]
# Beside the names of mapping.COLUMNS, the source's own names under this mark.
RAW = "column:"
WIDTH = ":width"


def _header(lines: _Lines, mapping: SourceMapping) -> Columns:
    first = lines.take()
    text = first[1].decode("utf-8-sig", errors="replace") if first else ""
    names = [name.strip() for name in next(csv.reader([text], delimiter=mapping.delimiter), [])]
    wanted = {*mapping.columns.values(), *mapping.title, *mapping.custom_fields.values()}
    if missing := sorted(wanted - set(names)):
        raise Invalid(
            f"The file's first line does not name the columns {', '.join(missing)}; it names {', '.join(names)[:500] or 'none'}."
        )
    places = {f"{RAW}{name}": names.index(name) for name in wanted}
    return {**places, **{ours: names.index(theirs) for ours, theirs in mapping.columns.items()}, WIDTH: len(names)}


def _cells(raw: bytes, lines: _Lines, columns: Columns, mapping: SourceMapping, *, is_torn: bool) -> list[str]:
    """The cells of the row that begins with this line. Raises BrokenLine; lines tried in vain are read again."""
    if is_torn:
        raise BrokenLine("too_long", f"Longer than {MAX_LINE_BYTES} bytes.")
    text, further = _text(raw), list[tuple[int, bytes]]()
    cells = _split(text, mapping)
    while cells is None and len(further) < MAX_LINES_OF_A_ROW and (following := lines.take()) is not None:
        further.append(following)
        text += following[1].decode("utf-8", errors="replace")
        cells = _split(text, mapping)
    if cells is not None and len(cells) == columns[WIDTH]:
        return cells
    lines.give_back(further)
    width = columns[WIDTH]
    rough = raw.decode("utf-8", errors="replace").rstrip("\r\n").split(mapping.delimiter)
    number = rough[columns["number"]].strip() if columns["number"] < len(rough) else ""
    if cells is None or further:
        raise BrokenLine("open_quote", "A quote is opened and never closed.", number)
    raise BrokenLine("cell_count", f"It has {len(cells)} cells; accepted: {width}, as the first line.", number)


def _text(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        rough = raw.decode("utf-8", errors="replace")
        found = NUMBER.search(rough)
        raise BrokenLine("encoding", f"Not UTF-8 at byte {error.start}.", found.group() if found else "") from error
    if "\x00" in text:
        found = NUMBER.search(text)
        raise BrokenLine("nul", "NUL characters are not accepted.", found.group() if found else "")
    return text


def _split(text: str, mapping: SourceMapping) -> list[str] | None:
    """None while a quote is open."""
    if '"' not in text:
        return [cell.strip() for cell in text.rstrip("\r\n").split(mapping.delimiter)]
    try:
        rows = list(csv.reader(text.splitlines(keepends=True), delimiter=mapping.delimiter, strict=True))
    except csv.Error:
        return None
    return [cell.strip() for cell in rows[0]] if len(rows) == 1 else None


def _entry(line: int, raw: bytes, cells: Sequence[str], columns: Columns, mapping: SourceMapping) -> Entry:
    row = _Row(cells, columns, mapping)
    number = row.text("number")
    if NUMBER.fullmatch(number) is None:
        raise BrokenLine(
            "number", f"{number[:40]!r} is no number; accepted: {PREFIX} and {DIGITS} to {MOST_DIGITS - 1} digits."
        )
    state = row.text("state")
    if state not in mapping.states:
        raise BrokenLine("state", f"Unknown state {state[:40]!r}; accepted: {', '.join(mapping.states)}.", number)
    at = row.instant("at")
    if at is None:
        raise BrokenLine("date", "It does not say when it happened.", number)
    return Entry(
        line=line,
        at=at,
        state=state,
        by=row.text("by"),
        opened_at=row.instant("opened_at"),
        opened_by=row.text("opened_by"),
        requester=row.text("requester"),
        site=row.text("site"),
        category=row.text("category"),
        subcategory=row.text("subcategory"),
        impact=row.word("impact", mapping.levels),
        urgency=row.word("urgency", mapping.levels),
        priority=row.word("priority", mapping.priorities),
        team=row.text("team"),
        assignee=row.text("assignee"),
        source=row.word("source", mapping.sources) or "",
        resolution_code=row.text("resolution_code"),
        reopen_count=row.count("reopen_count"),
        reassignment_count=row.count("reassignment_count"),
        resolved_at=row.instant("resolved_at"),
        closed_at=row.instant("closed_at"),
        description=row.text("description"),
        title=row.title(),
        custom_fields=row.custom_fields(),
        digest=sha256(raw.rstrip(b"\r\n") + "\x00".join(cells).encode()).digest()[:16],
    )


class _Row:
    """One row's cells by our names. Each question raises BrokenLine for what it does not accept."""

    def __init__(self, cells: Sequence[str], columns: Columns, mapping: SourceMapping) -> None:
        self.cells = cells
        self.columns = columns
        self.mapping = mapping

    def text(self, name: str) -> str:
        place = self.columns.get(name)
        value = "" if place is None else self.cells[place]
        if value in self.mapping.missing:
            return ""
        longest = LONGEST.get(name.removeprefix(RAW), LONGEST_CUSTOM)
        if len(value) > longest:
            raise BrokenLine(
                "too_long", f"{name.removeprefix(RAW)} has {len(value)} characters; accepted: at most {longest}."
            )
        # The same few words on every line: kept once.
        return sys.intern(value)

    def instant(self, name: str) -> datetime | None:
        text = self.text(name)
        if not text:
            return None
        try:
            return self.mapping.instant(text)
        except ValueError as error:
            raise BrokenLine("date", f"{name}: {error}.") from error

    def word(self, name: str, words: Mapping[str, W]) -> W | None:
        text = self.text(name)
        if text and text not in words:
            raise BrokenLine(name, f"Unknown {name} {text[:40]!r}; accepted: {', '.join(words)}.")
        return words[text] if text else None

    def count(self, name: str) -> int | None:
        text = self.text(name)
        if text and not (text.isascii() and text.isdecimal() and len(text) < 9):
            raise BrokenLine(name, f"{name} is no count: {text[:40]!r}; accepted: digits.")
        return int(text) if text else None

    def title(self) -> str:
        parts = [self.text(f"{RAW}{name}") for name in self.mapping.title]
        return sys.intern(" / ".join(part for part in parts if part)[:LONGEST_TITLE])

    def custom_fields(self) -> tuple[tuple[str, str], ...]:
        pairs = ((key, self.text(f"{RAW}{column}")) for key, column in self.mapping.custom_fields.items())
        return tuple((key, value) for key, value in pairs if value)
