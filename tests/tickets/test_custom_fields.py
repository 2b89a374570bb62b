"""Custom fields: what an organization declares is what its tickets may hold."""

import pytest

from apps.tickets.models import CustomField
from tests.factories import CustomFieldFactory
from tests.tickets.desk import facts, incident, opened, refused, stored

DIGITS = 'a decimal number of at most 30 digits, such as "12.50"'
ADDRESS = "an address of at most 2000 characters that begins with http:// or https://"
INSTANT = "an instant with its offset, such as 2026-11-21T08:30:00Z"
DAY = "a date as YYYY-MM-DD, 1970 to 2200"


def declared(tenant, **values):
    with tenant.entered():
        return CustomFieldFactory(**{"key": "extra", "label": "Extra", **values})


@pytest.mark.parametrize(
    ("field_type", "given", "kept"),
    [
        ("text", "North wing", "North wing"),
        ("integer", -7, -7),
        ("decimal", "12.50", "12.50"),
        ("decimal", 3, "3"),
        ("decimal", "1e3", "1000"),
        ("boolean", False, False),
        ("date", "2026-02-28", "2026-02-28"),
        ("instant", "2026-11-21T09:30:00+01:00", "2026-11-21T08:30:00Z"),
        ("choice", "red", "red"),
        ("choices", ["red", "blue", "red"], ["red", "blue"]),
        ("url", "https://example.org/a?b=c", "https://example.org/a?b=c"),
    ],
)
def test_a_value_of_its_type_is_kept(acme, alice, api, field_type, given, kept):
    declared(acme, field_type=field_type, choices=["red", "blue"] if field_type.startswith("choice") else [])

    ticket = opened(api(alice), custom_fields={"extra": given})

    assert ticket["custom_fields"] == {"extra": kept}
    assert api(alice).get(incident(ticket)).json()["custom_fields"] == {"extra": kept}


@pytest.mark.parametrize(
    ("field_type", "given", "accepted"),
    [
        ("text", 7, "a text of at most 5000 characters"),
        ("text", "x" * 5001, "a text of at most 5000 characters"),
        ("integer", "7", "a whole number within ±2^53"),
        ("integer", 7.5, "a whole number within ±2^53"),
        ("integer", True, "a whole number within ±2^53"),
        ("integer", 2**53, "a whole number within ±2^53"),
        ("decimal", "seven", DIGITS),
        ("decimal", "NaN", DIGITS),
        ("decimal", True, DIGITS),
        ("decimal", "1e30", DIGITS),
        ("boolean", "true", "true or false"),
        ("boolean", 1, "true or false"),
        ("date", "2026-02-30", DAY),
        ("date", "28.02.2026", DAY),
        ("date", "20260228", DAY),
        ("date", "0001-01-01", DAY),
        ("instant", "2026-11-21T08:30:00", INSTANT),
        ("instant", "0001-01-01T00:00:00+14:00", INSTANT),
        ("instant", 1763713800, INSTANT),
        ("choice", "green", "one of red, blue"),
        ("choice", ["red"], "one of red, blue"),
        ("choices", "red", "a list of red, blue"),
        ("choices", ["red", 1], "a list of red, blue"),
        ("user", "00000000-0000-0000-0000-000000000000", "the id of a person of the organization"),
        ("user", "alice", "the id of a person of the organization"),
        ("user", 7, "the id of a person of the organization"),
        ("url", "javascript:alert(1)", ADDRESS),
        ("url", "http://[", ADDRESS),
        ("url", "https://", ADDRESS),
        ("url", "https://a b", ADDRESS),
    ],
)
def test_a_value_of_another_type_is_refused_with_what_is_accepted(acme, alice, api, field_type, given, accepted):
    declared(acme, field_type=field_type, choices=["red", "blue"] if field_type.startswith("choice") else [])
    ticket = opened(api(alice))

    problem = refused(api(alice).patch(incident(ticket), {"custom_fields": {"extra": given}}), 400, "invalid")

    assert problem["errors"] == [
        {"pointer": "/custom_fields/extra", "code": "invalid", "detail": f"Extra: accepted is {accepted}."}
    ]
    assert (facts(acme, ticket), stored(acme, ticket).custom_fields) == (["created"], {})


def test_a_user_field_takes_people_of_the_organization_alone(acme, globex, alice, bob, mallory, api):
    declared(acme, field_type="user")

    assert opened(api(alice), custom_fields={"extra": str(bob.pk)})["custom_fields"] == {"extra": str(bob.pk)}
    answer = api(alice).post("/api/v1/incidents/", {"title": "x", "custom_fields": {"extra": str(mallory.pk)}})
    refused(answer, 400, "invalid")


def test_every_error_is_told_at_once(acme, alice, api):
    declared(acme, key="seats", label="Seats", field_type="integer")
    declared(acme, key="seat", label="Seat", field_type="text", is_required=True)

    given = {"title": "x", "custom_fields": {"seats": "many", "floor": 1}}
    problem = refused(api(alice).post("/api/v1/incidents/", given), 400, "unknown_field")

    assert problem["errors"] == [
        {
            "pointer": "/custom_fields/seats",
            "code": "invalid",
            "detail": "Seats: accepted is a whole number within ±2^53.",
        },
        {
            "pointer": "/custom_fields/floor",
            "code": "unknown_field",
            "detail": "No such custom field; accepted: seat, seats.",
        },
        {"pointer": "/custom_fields/seat", "code": "required", "detail": "Seat is required."},
    ]
    for nonsense in (["seat"], {"Seat / 1": "x"}):
        answer = api(alice).post("/api/v1/incidents/", {"title": "x", "custom_fields": nonsense})
        assert refused(answer, 400, "invalid")["errors"][0]["pointer"] == "/custom_fields"


def test_a_patch_changes_the_keys_it_names_and_null_takes_one_away(acme, alice, api):
    for key in ("one", "two"):
        declared(acme, key=key, label=key, field_type="integer")
    declared(acme, key="must", label="Must", field_type="text", is_required=True)
    agent = api(alice)
    ticket = opened(agent, custom_fields={"one": 1, "two": 2, "must": "be"})

    assert agent.patch(incident(ticket), {"custom_fields": {"two": 3}}).json()["custom_fields"] == {
        "one": 1,
        "two": 3,
        "must": "be",
    }
    assert agent.patch(incident(ticket), {"custom_fields": {"one": None}}).json()["custom_fields"] == {
        "two": 3,
        "must": "be",
    }
    for nothing in (None, ""):
        problem = refused(agent.patch(incident(ticket), {"custom_fields": {"must": nothing}}), 400, "required")
        assert problem["errors"][0]["detail"] == "Must is required; it cannot be taken away."
    assert stored(acme, ticket).custom_fields == {"two": 3, "must": "be"}


def test_what_is_declared_for_another_kind_or_no_more_is_unknown(acme, alice, api):
    declared(acme, key="other", kind="change", field_type="text")
    declared(acme, key="gone", field_type="text", is_active=False, is_required=True)

    for key in ("other", "gone"):
        answer = api(alice).post("/api/v1/incidents/", {"title": "x", "custom_fields": {key: "y"}})
        problem = refused(answer, 400, "unknown_field")
        assert problem["errors"][0]["detail"] == "No such custom field; accepted: none."
    assert opened(api(alice))["custom_fields"] == {}


def test_a_value_of_a_deactivated_field_stays_through_other_changes(acme, alice, api):
    field = declared(acme, key="old", field_type="text")
    declared(acme, key="new", field_type="text")
    ticket = opened(api(alice), custom_fields={"old": "kept"})
    with acme.entered():
        CustomField.objects.filter(pk=field.pk).update(is_active=False)

    answer = api(alice).patch(incident(ticket), {"custom_fields": {"new": "come"}})

    assert answer.json()["custom_fields"] == {"old": "kept", "new": "come"}


def test_a_requester_neither_reads_nor_writes_nor_must_fill_in_what_is_not_public(acme, alice, bob, api):
    declared(acme, key="secret", label="Secret", field_type="text", is_public=False, is_required=True)
    declared(acme, key="room", label="Room", field_type="text")
    requester, agent = api(bob), api(alice)

    given = {"title": "x", "custom_fields": {"secret": "y"}}
    problem = refused(requester.post("/api/v1/incidents/", given), 400, "unknown_field")
    assert problem["errors"][0]["detail"] == "No such custom field; accepted: room."
    ticket = opened(requester, custom_fields={"room": "7"})
    shown = agent.patch(incident(ticket), {"custom_fields": {"secret": "VIP"}}).json()["custom_fields"]
    assert shown == {"room": "7", "secret": "VIP"}

    assert requester.get(incident(ticket)).json()["custom_fields"] == {"room": "7"}
    rows = requester.get("/api/v1/tickets/").json()["results"]
    assert [row["custom_fields"] for row in rows] == [{"room": "7"}]
    refused(agent.post("/api/v1/incidents/", {"title": "x"}), 400, "required")
