"""Any JSON value within the limits is read as the standard library reads it; any bytes are read or refused."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.api.parsers import MAX_INTEGER, MIN_INTEGER, parse_json
from apps.core.errors import Invalid
from tests.conftest import IS_FULL_RUN

EXAMPLES = 5_000 if IS_FULL_RUN else 100

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(MIN_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=8) | st.dictionaries(texts, inner, max_size=8), max_leaves=30
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(values, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_every_value_within_the_limits_comes_out_as_it_went_in(value, is_ascii, indent):
    raw = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode()

    assert parse_json(raw) == json.loads(raw) == value


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=300) | st.text('[]{}",:\\u0d8\n 1eE+-.', max_size=300).map(str.encode))
def test_any_bytes_are_read_as_the_standard_library_does_or_refused(raw):
    try:
        value = parse_json(raw)
    except Invalid as refusal:
        assert refusal.code == "malformed"
        assert refusal.detail
    else:
        assert value == (json.loads(raw.decode()) if raw.strip() else {})


@settings(max_examples=EXAMPLES, deadline=None)
@given(values, st.integers(0, 10_000))
def test_a_truncated_body_is_refused_or_another_whole_value(value, cut):
    raw = json.dumps([value]).encode()
    part = raw[: cut % len(raw)]

    if part:
        try:
            parse_json(part)
        except Invalid as refusal:
            assert refusal.code == "malformed"
        else:
            raise AssertionError(f"a list cut short was accepted: {part!r}")
