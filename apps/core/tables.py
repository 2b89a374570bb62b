"""Rows as a file that people open in a spreadsheet: CSV and XLSX, written row by row, and never a formula among them."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import IO, Any, Protocol
from uuid import UUID

import orjson
import xlsxwriter

Cell = str | int | float | bool | None

# What a spreadsheet takes for the beginning of a formula (in full width too), behind any number of our own apostrophes: taking
# one apostrophe away where this matches gives back exactly what was written.
FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# What a cell of XLSX holds, and the whole numbers that its floating point keeps.
MAX_CELL_CHARACTERS = 32_767
MAX_EXACT_INTEGER = 2**53


class Table(Protocol):
    def write(self, row: Iterable[Cell]) -> None: ...

    def close(self) -> None:
        """Finish the file; the stream stays open."""
        ...


class CsvTable:
    """RFC 4180 in UTF-8. With a byte order mark, without which Excel would read another charset."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="", write_through=True)
        self._writer = csv.writer(self._text, lineterminator="\r\n")

    def write(self, row: Iterable[Cell]) -> None:
        self._writer.writerow([self._plain(cell) for cell in row])

    def close(self) -> None:
        self._text.detach()

    def _plain(self, cell: Cell) -> Any:
        if isinstance(cell, bool):
            return "true" if cell else "false"
        return guarded(cell) if isinstance(cell, str) else cell


class XlsxTable:
    """One sheet, in constant memory; every text is a text cell, whatever it looks like."""

    def __init__(self, stream: IO[bytes]) -> None:
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
        }
        self._book = xlsxwriter.Workbook(stream, options)
        self._sheet = self._book.add_worksheet("export")
        self._row = 0

    def write(self, row: Iterable[Cell]) -> None:
        for column, cell in enumerate(row):
            if isinstance(cell, bool):
                self._sheet.write_boolean(self._row, column, cell)
            elif isinstance(cell, float) or (isinstance(cell, int) and abs(cell) <= MAX_EXACT_INTEGER):
                self._sheet.write_number(self._row, column, cell)
            elif cell is not None and cell != "":
                self._sheet.write_string(self._row, column, shortened(str(cell)))
        self._row += 1

    def close(self) -> None:
        self._book.close()


@dataclass(frozen=True, slots=True)
class Format:
    extension: str
    media_type: str
    table: Callable[[IO[bytes]], Table]


XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FORMATS: Mapping[str, Format] = {
    "csv": Format("csv", "text/csv; charset=utf-8", CsvTable),
    "xlsx": Format("xlsx", XLSX_TYPE, XlsxTable),
}


def guarded(text: str) -> str:
    """`text` behind an apostrophe where a spreadsheet would take it for a formula."""
    return f"'{text}" if FORMULA.match(text) else text


def shortened(text: str) -> str:
    """As much as a cell holds, counted as spreadsheets do; a cut shows."""
    if len(text.encode("utf-16-le")) // 2 <= MAX_CELL_CHARACTERS:
        return text
    kept = text.encode("utf-16-le")[: (MAX_CELL_CHARACTERS - 1) * 2].decode("utf-16-le", errors="ignore")
    return f"{kept}…"


def cell_of(value: Any) -> Cell:
    """A value of an answer as one cell: instants as RFC 3339 with Z, lists and objects as JSON."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, UUID | date | Decimal):
        return str(value)
    options = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(value, default=_listed, option=options).decode()


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | set | frozenset) else str(value)
