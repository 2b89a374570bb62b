"""What every refusal looks like, said once."""

import json
from typing import Any

PROBLEM = "application/problem+json"
MEMBERS = {"type", "title", "status", "detail", "code", "request_id", "errors"}
TRACE_WORDS = ("Traceback", 'File "', "psycopg", "django.", "rest_framework", 'SELECT "', "INSERT INTO", "DETAIL:")


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """RFC 9457 with our members and no trace; returns the body."""
    assert answer["Content-Type"] == PROBLEM, (answer.status_code, answer.content[:500])
    body: dict[str, Any] = json.loads(answer.content)
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert set(body) >= MEMBERS
    assert body["type"] == f"urn:itsm:problem:{code}"
    assert body["request_id"] == answer["X-Request-ID"]
    assert isinstance(body["title"], str)
    assert body["title"]
    assert isinstance(body["detail"], str)
    assert body["detail"]
    for error in body["errors"]:
        assert set(error) == {"pointer", "code", "detail"}
        assert error["pointer"] == "" or error["pointer"].startswith("/")
        assert error["code"]
        assert error["detail"]
    text = answer.content.decode()
    assert not [word for word in TRACE_WORDS if word in text], text
    return body


def pointers(body: dict[str, Any]) -> list[tuple[str, str]]:
    """(pointer, code) of each error, in order."""
    return [(error["pointer"], error["code"]) for error in body["errors"]]
