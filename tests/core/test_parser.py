"""JSON that would hurt is refused early, cheaply, and with words (T39)."""

import gzip
import json
import resource
import time

import pytest
from django.conf import settings

from apps.core.api.parsers import MAX_DEPTH, MAX_NODES, parse_json
from apps.core.errors import Invalid
from apps.organizations.models import Team
from tests.core.expectations import assert_problem
from tests.factories import TeamFactory

TEAMS = "/api/v1/teams/"
LIMIT = settings.BODY_LIMIT_BYTES
# Of our own processor time, the best of three: what else the machine does is not the parser's. What was quadratic took
# seconds or hours.
SECONDS = 0.1
GROWTH_KIB = 50 * 1024


def filled(start: bytes, unit: bytes, end: bytes = b"") -> bytes:
    """As many units as fit into the largest body."""
    return start + unit * ((LIMIT - len(start) - len(end)) // len(unit)) + end


BOMBS = {
    "deep lists": filled(b"", b"["),
    "deep objects": filled(b"", b'{"a":'),
    "one level too deep": b'{"name":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
    "wide list": filled(b"[1", b",1", b"]"),
    "wide object": b"{" + b",".join(b'"k%d":1' % n for n in range(MAX_NODES + 1)) + b"}",
    "empty lists": filled(b"[[]", b",[]", b"]"),
    "empty texts": filled(b"[" * 32, b'""'),
    "texts and colons": filled(b"[" * 32, b'"":'),
    "unterminated escapes": filled(b"[" * 32 + b'"', b'\\"'),
    "unterminated escapes that end in a backslash": filled(b"[" * 32 + b'"', b'\\"', b"\\"),
    "unterminated text": filled(b"[" * 32 + b'"', b"x"),
    "duplicate keys": b'{"name":"a","name":"b"}',
    "duplicate keys deeper": b'{"a":{"b":1,"b":1}}',
    "duplicate keys in two spellings": b'{"name":"a","n\\u0061me":"b"}',
    "five thousand duplicate keys": b"{" + b",".join(b'"k%d":1' % (n // 2) for n in range(MAX_NODES - 10)) + b"}",
    "a duplicate key of a megabyte": b'{"' + b"k" * 900_000 + b'":1,"' + b"k" * 900_000 + b'":1}',
    "NUL": b'{"name":"a\x00b"}',
    "NUL outside": b'{"name":"a"}\x00',
    "escaped NUL": b'{"name":"a\\u0000b"}',
    "escaped NUL in a key": b'{"n\\u0000":"a"}',
    "lone surrogate": b'{"name":"\\ud800"}',
    "surrogates the wrong way round": b'{"name":"\\udc00\\ud800"}',
    "lone surrogate in a key": b'{"\\udfff":"a"}',
    "lone surrogate below": b'{"name":[{"x":["\\udbff"]}]}',
    "surrogate in UTF-8": b'{"name":"\xed\xa0\x80"}',
    "overlong UTF-8": b'{"name":"\xc0\x80"}',
    "latin-1": '{"name":"Blü"}'.encode("latin-1"),
    "UTF-16": '{"name":"Blue"}'.encode("utf-16"),
    "UTF-32": '{"name":"Blue"}'.encode("utf-32"),
    "byte order mark": b'\xef\xbb\xbf{"name":"Blue"}',
    "long integer": b'{"name":' + b"9" * 1_000_000 + b"}",
    "integer beyond 64 bits": b'{"name":9223372036854775808}',
    "integer below 64 bits": b'{"name":-9223372036854775809}',
    "float beyond a double": b'{"name":1e400}',
    "long exponent": b'{"name":1e' + b"9" * 1_000_000 + b"}",
    "NaN": b'{"name":NaN}',
    "Infinity": b'{"name":Infinity}',
    "minus Infinity": b'{"name":-Infinity}',
    "truncated": b'{"name":"Bl',
    "truncated after the value": b'{"name":"Blue"',
    "trailing comma": b'{"name":"Blue",}',
    "two values": b'{"name":"Blue"}{"name":"Blue"}',
    "single quotes": b"{'name':'Blue'}",
    "comment": b'{"name":"Blue"/* */}',
    "leading zero": b'{"name":01}',
    "raw newline in a text": b'{"name":"a\nb"}',
    "python": b'{"name":None}',
    "form": b"name=Blue",
    "xml": b"<name>Blue</name>",
    "gzip": gzip.compress(b'{"name":"Blue"}'),
    "gzip bomb": gzip.compress(b'{"name":"' + b"x" * 100_000_000 + b'"}', compresslevel=9),
}


def resident_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def best_of_three(send):
    """The last answer, and the fewest seconds of processor time that one took."""
    taken = []
    for _ in range(3):
        started = time.process_time()
        answer = send()
        taken.append(time.process_time() - started)
    return answer, min(taken)


@pytest.mark.bar(39)
@pytest.mark.asvs("2.4.1", "4.3.1")
@pytest.mark.parametrize("name", BOMBS)
def test_a_hostile_body_is_malformed_quickly_and_in_little_memory(acme, dan, api, name):
    client, body = api(dan), BOMBS[name]
    assert len(body) <= LIMIT
    client.post(TEAMS, {})
    memory = resident_kib()

    answer, took = best_of_three(lambda: client.generic("POST", TEAMS, body, content_type="application/json"))

    assert took < SECONDS
    assert resident_kib() - memory < GROWTH_KIB
    problem = assert_problem(answer, 400, "malformed")
    assert len(problem["detail"]) < 500
    with acme.entered():
        assert not Team.objects.exists()


@pytest.mark.bar(39)
def test_a_gzip_bomb_that_says_so_is_not_inflated(acme, dan, api):
    memory = resident_kib()
    answer = api(dan).generic(
        "POST", TEAMS, BOMBS["gzip bomb"], content_type="application/json", HTTP_CONTENT_ENCODING="gzip"
    )

    assert_problem(answer, 400, "malformed")
    assert resident_kib() - memory < GROWTH_KIB


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_body_in_chunks_without_a_length_is_refused_and_not_taken_for_an_empty_one(acme, dan, api, method):
    with acme.entered():
        team = TeamFactory(name="Blue")
    url = TEAMS if method == "POST" else f"{TEAMS}{team.pk}/"

    answer = api(dan).generic(method, url, content_type="application/json", HTTP_TRANSFER_ENCODING="chunked")

    assert "Content-Length" in assert_problem(answer, 400, "malformed")["detail"]
    with acme.entered():
        assert Team.objects.values_list("name", "version").get() == ("Blue", 1)


@pytest.mark.bar(39)
@pytest.mark.parametrize("key", [None, "one"])
@pytest.mark.parametrize("name", ["deep lists", "escaped NUL", "UTF-16", "gzip bomb", "truncated", "long integer"])
def test_a_patch_or_a_keyed_post_meets_the_same_parser(acme, dan, api, name, key):
    with acme.entered():
        team = TeamFactory(name="Blue")
    headers = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
    method, url = ("POST", TEAMS) if key else ("PATCH", f"{TEAMS}{team.pk}/")

    assert_problem(
        api(dan).generic(method, url, BOMBS[name], content_type="application/json", **headers), 400, "malformed"
    )
    with acme.entered():
        assert Team.objects.values_list("name", "version").get() == ("Blue", 1)


@pytest.mark.parametrize("url", ["/api/v1/auth/token/", "/api/v1/auth/token/refresh/"])
@pytest.mark.parametrize(
    "name", ["deep lists", "unterminated escapes", "escaped NUL", "lone surrogate", "duplicate keys"]
)
def test_strangers_meet_the_same_parser(db, api, url, name):
    assert_problem(api().generic("POST", url, BOMBS[name], content_type="application/json"), 400, "malformed")


@pytest.mark.bar(39)
def test_ten_thousand_unknown_fields_are_refused_quickly(acme, dan, api):
    body = b"{" + b",".join(b'"k%d":1' % n for n in range(MAX_NODES - 10)) + b"}"
    client = api(dan)
    client.post(TEAMS, {})

    answer, took = best_of_three(lambda: client.generic("POST", TEAMS, body, content_type="application/json"))

    assert took < SECONDS
    problem = assert_problem(answer, 400, "invalid")
    assert len(problem["errors"]) == 100
    assert len(answer.content) < 20_000


def test_what_is_just_within_the_limits_is_accepted():
    deep: object = 1
    for _ in range(MAX_DEPTH):
        deep = [deep]
    wide = list(range(MAX_NODES))
    brackets_in_text = ['[{,\\"' * 10_000, "\\", '"', "\\\\"]
    numbers = [2**63 - 1, -(2**63), 1e308, -0.0, 5e-324]

    for value in (deep, wide, brackets_in_text, numbers):
        assert parse_json(json.dumps(value).encode()) == value


def test_a_text_as_large_as_the_body_may_be_is_read_in_linear_time():
    def seconds(length: int) -> float:
        raw = b"[" * 31 + b'"' + b'\\"' * length + b'"' + b"]" * 31
        started = time.thread_time()
        parse_json(raw)
        return time.thread_time() - started

    seconds(1000)
    small = min(seconds(50_000) for _ in range(3))
    large = min(seconds(1_000_000) for _ in range(3))

    assert large < 20 * small * 5


@pytest.mark.parametrize("raw", [b"", b"  \r\n\t "])
def test_no_body_at_all_is_an_empty_object(raw):
    assert parse_json(raw) == {}


def test_a_pair_of_surrogates_is_one_character():
    assert parse_json(b'["\\ud83d\\ude00"]') == ["😀"]


@pytest.mark.parametrize("raw", [b'{"a":NaN}', b"[1e999]", b"[-1e999]"])
def test_what_is_no_number_is_named(raw):
    with pytest.raises(Invalid) as refusal:
        parse_json(raw)

    assert refusal.value.code == "malformed"
    assert "number" in refusal.value.detail
