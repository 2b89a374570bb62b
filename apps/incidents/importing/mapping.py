"""What a source's words, dates and columns mean here: read from a small TOML file, checked before anything happens."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from apps.core.errors import FieldError, Invalid
from apps.core.validators import validate_time_zone
from apps.incidents.lifecycle import Status
from apps.tickets.choices import HoldReason, Level, Priority, ResolutionCode, Source

SHIPPED = Path(__file__).with_name("servicenow.toml")
UNCHANGED = "unchanged"
REQUIRED = ("number", "state", "at")
COLUMNS = (
    *REQUIRED, "by", "opened_at", "opened_by", "requester", "site", "category", "subcategory", "impact", "urgency", "priority",
    "team", "assignee", "source", "resolution_code", "reopen_count", "reassignment_count", "resolved_at", "closed_at",
    "description",
)  # fmt: skip
# A hold until when: no log of updates says it.
HOLDS = frozenset(HoldReason.values) - {HoldReason.SCHEDULED.value}
REQUIREMENTS = ("resolution_notes", "reason", "comment", "reopen_window")
YEARS = range(1970, 2200)


@dataclass(frozen=True, slots=True)
class State:
    """What a state of the source is here; no status: it says nothing."""

    status: str = ""
    hold_reason: str = ""

    @property
    def is_open(self) -> bool:
        return self.status in {Status.NEW, Status.IN_PROGRESS, Status.ON_HOLD}


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done about what the source cannot tell."""

    cannot_meet: tuple[str, ...] = REQUIREMENTS
    resolution_code_missing: str = ResolutionCode.NO_RESOLUTION_PROVIDED.value
    resolution_code_unknown: str = ResolutionCode.SOLUTION_PROVIDED.value
    resolution_notes: str = ""
    unknown_requester: str = "Unknown caller"
    sets_matrix: bool = False
    matrix: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class SourceMapping:
    """One source's language. `columns`, `custom_fields`: our name -> the source's column."""

    name: str
    delimiter: str
    missing: frozenset[str]
    dates: tuple[str, ...]
    zone: ZoneInfo
    columns: Mapping[str, str]
    title: tuple[str, ...]
    custom_fields: Mapping[str, str]
    states: Mapping[str, State]
    levels: Mapping[str, int]
    priorities: Mapping[str, int]
    sources: Mapping[str, str]
    resolution_codes: Mapping[str, str]
    policy: Policy
    _instants: dict[str, datetime] = field(default_factory=dict, compare=False, repr=False)

    def instant(self, text: str) -> datetime:
        """The instant (UTC). Raises ValueError saying what is accepted."""
        known = self._instants.get(text)
        if known is None:
            known = self._instants[text] = self._read(text)
        return known

    def _read(self, text: str) -> datetime:
        for pattern in self.dates:
            try:
                read = datetime.strptime(text, pattern)  # noqa: DTZ007 - the zone is the mapping's
            except ValueError:
                continue
            if read.year not in YEARS:
                break
            return (read if read.tzinfo else read.replace(tzinfo=self.zone)).astimezone(UTC)
        raise ValueError(f"not a date as in {', '.join(self.dates)}, from {YEARS[0]} to {YEARS[-1]}: {text[:40]!r}")

    def resolution(self, code: str) -> tuple[str, str]:
        """Our code and notes for the source's code; empty is missing."""
        if not code:
            return self.policy.resolution_code_missing, ""
        if code in self.resolution_codes:
            return self.resolution_codes[code], ""
        return self.policy.resolution_code_unknown, self.policy.resolution_notes.replace("{code}", code)


def load(path: Path = SHIPPED) -> SourceMapping:
    """Raises Invalid naming everything that is wrong with the file."""
    try:
        text = path.read_text(encoding="utf-8")
        given = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Invalid(f"The mapping {path} cannot be read: {error}.") from error
    reader = _Reader(given)
    mapping = reader.mapping()
    if reader.problems:
        detail = " ".join(f"{problem.pointer}: {problem.detail}" for problem in reader.problems)
        raise Invalid(f"The mapping {path} is wrong. {detail}", errors=reader.problems)
    return mapping


class _Reader:
    """Takes a TOML document apart and remembers what is wrong with it."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given
        self.problems: list[FieldError] = []

    def mapping(self) -> SourceMapping:
        known = {
            "name", "file", "columns", "title", "custom_fields", "states", "levels", "priorities", "sources",
            "resolution_codes", "policy",
        }  # fmt: skip
        self._only("", self.given, known)
        file = self._table("file")
        self._only("/file", file, {"delimiter", "missing", "dates", "zone"})
        return SourceMapping(
            name=str(self.given.get("name", ""))[:60],
            delimiter=self._delimiter(file),
            missing=frozenset(self._texts("/file/missing", file.get("missing", [""]))),
            dates=tuple(self._texts("/file/dates", file.get("dates", ["%Y-%m-%d %H:%M:%S"]))),
            zone=self._zone(file),
            columns=self._columns(),
            title=tuple(self._texts("/title/columns", self._table("title").get("columns", []))),
            custom_fields={key: str(column) for key, column in self._table("custom_fields").items()},
            states=self._words("states", [*Status.values, *HOLDS, UNCHANGED], _state),
            levels=self._words("levels", Level.values, int),
            priorities=self._words("priorities", Priority.values, int),
            sources=self._words("sources", Source.values, str),
            resolution_codes=self._words("resolution_codes", ResolutionCode.values, str),
            policy=self._policy(),
        )

    def _table(self, name: str) -> Mapping[str, Any]:
        table = self.given.get(name, {})
        if not isinstance(table, dict):
            self._refuse(f"/{name}", "Accepted: a table.")
            return {}
        return table

    def _columns(self) -> Mapping[str, str]:
        columns = {name: str(column) for name, column in self._table("columns").items()}
        self._only("/columns", columns, set(COLUMNS))
        for name in REQUIRED:
            if name not in columns:
                self._refuse(f"/columns/{name}", "Required.")
        return columns

    def _delimiter(self, file: Mapping[str, Any]) -> str:
        delimiter = file.get("delimiter", ",")
        if delimiter not in {",", ";", "\t", "|"}:
            self._refuse("/file/delimiter", "Accepted: comma, semicolon, tab, bar.")
            return ","
        return str(delimiter)

    def _zone(self, file: Mapping[str, Any]) -> ZoneInfo:
        name = file.get("zone", "UTC")
        try:
            validate_time_zone(name)
            return ZoneInfo(name)
        except Exception as error:
            self._refuse("/file/zone", f"Accepted: an IANA name such as Europe/Berlin ({error}).")
            return ZoneInfo("UTC")

    def _words(self, name: str, accepted: Iterable[Any], make: Callable[[Any], Any]) -> Mapping[str, Any]:
        accepted, words = list(accepted), {}
        for word, meaning in self._table(name).items():
            if meaning in accepted and not isinstance(meaning, bool):
                words[word] = make(meaning)
            else:
                self._refuse(f"/{name}/{word}", f"Accepted: {', '.join(str(value) for value in accepted)}.")
        return words

    def _policy(self) -> Policy:
        given = dict(self._table("policy"))
        self._only("/policy", given, {one.name for one in fields(Policy)})
        cannot = tuple(self._texts("/policy/cannot_meet", given.get("cannot_meet", REQUIREMENTS)))
        for word in cannot:
            if word not in REQUIREMENTS:
                self._refuse("/policy/cannot_meet", f"{word} is none; accepted: {', '.join(REQUIREMENTS)}.")
        for name in ("resolution_code_missing", "resolution_code_unknown"):
            if given.get(name, ResolutionCode.SOLUTION_PROVIDED) not in ResolutionCode.values:
                self._refuse(f"/policy/{name}", f"Accepted: {', '.join(ResolutionCode.values)}.")
        matrix = given.get("matrix", [])
        is_square = isinstance(matrix, list) and all(
            isinstance(row, list) and len(row) == 3 and all(cell in Priority.values for cell in row) for row in matrix
        )
        sets_matrix = given.get("sets_matrix", False) is True
        if not is_square or (sets_matrix and len(matrix) != 3):
            self._refuse("/policy/matrix", "Accepted: three rows (impact) of three priorities (urgency), 1 to 5.")
            matrix = []
        texts = {name: str(given[name]) for name in _POLICY_TEXTS if name in given}
        return Policy(cannot_meet=cannot, sets_matrix=sets_matrix, matrix=tuple(map(tuple, matrix)), **texts)

    def _texts(self, pointer: str, given: Any) -> list[str]:
        if isinstance(given, list | tuple) and all(isinstance(one, str) for one in given):
            return list(given)
        self._refuse(pointer, "Accepted: a list of texts.")
        return []

    def _only(self, pointer: str, table: Mapping[str, Any], accepted: set[str]) -> None:
        for name in table:
            if name not in accepted:
                self._refuse(f"{pointer}/{name}", f"Unknown; accepted: {', '.join(sorted(accepted))}.")

    def _refuse(self, pointer: str, detail: str) -> None:
        self.problems.append(FieldError(pointer, "invalid", detail))


_POLICY_TEXTS = ("resolution_code_missing", "resolution_code_unknown", "resolution_notes", "unknown_requester")


def _state(meaning: str) -> State:
    if meaning == UNCHANGED:
        return State()
    return State(Status.ON_HOLD.value, meaning) if meaning in HOLDS else State(meaning)
