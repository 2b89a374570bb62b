"""Each field takes its one JSON type and refuses every other with a pointer, in every resource there is."""

from typing import Any

import pytest
from rest_framework import serializers

from apps.core.api import strict
from apps.sla.api.policy_serializers import ConditionField, ObjectsField, RulesField
from apps.tickets.api.assignment import CheckedField, SkillsField
from apps.tickets.api.saved_views import FiltersField
from apps.tickets.api.serializers import CustomFieldsField
from tests.core import routes
from tests.core.expectations import assert_problem, pointers

SAMPLES: dict[str, Any] = {
    "a list": ["x"],
    "an object": {"x": 1},
    "true": True,
    "null": None,
    "a whole number": 7,
    "a fraction": 1.5,
    "a text": "\u2620 not a value",
}
TYPES: list[tuple[type[Any], set[str]]] = [
    (serializers.ListSerializer, {"a list"}),
    (serializers.ManyRelatedField, {"a list"}),
    (serializers.BaseSerializer, {"an object"}),
    (strict.BooleanField, {"true"}),
    (strict.IntegerField, {"a whole number"}),
    (strict.EmailField, set()),
    (strict.TimeZoneField, set()),
    (strict.TextField, {"a text"}),
    (strict.ChoiceField, set()),
    (strict.ReferenceField, set()),
    (strict.InstantField, set()),
    (strict.DateField, set()),
    (strict.IdField, set()),
    (strict.ClockField, set()),
    (serializers.ListField, {"a list"}),
    (CustomFieldsField, {"an object"}),
    (FiltersField, {"an object"}),
    # What they hold is judged place by place (tests/sla/test_policies_api.py).
    (ConditionField, {"a list"}),
    (ObjectsField, {"a list"}),
    (SkillsField, {"a list"}),
    (CheckedField, {"an object"}),
    (RulesField, {"an object"}),
]
TOP_LEVEL_CODES = {
    "invalid", "null", "not_a_list", "invalid_choice", "out_of_range", "does_not_exist", "unknown_zone", "blank", "required",
}  # fmt: skip


def accepted_samples(field: Any) -> set[str]:
    """Which samples may pass. A type this table does not know fails the test: decide it."""
    for kind, names in TYPES:
        if isinstance(field, kind):
            return names | ({"null"} if field.allow_null else set())
    raise AssertionError(f"{field!r} accepts nobody knows what; use a field of apps.core.api.strict")


def cases() -> list[Any]:
    found = []
    for route in routes.creations():
        for name, field in routes.input_of(route).fields.items():
            if not field.read_only:
                refused = [sample for sample in SAMPLES if sample not in accepted_samples(field)]
                found.append(pytest.param(route, name, refused, id=f"{route}{name}"))
    return found


@pytest.mark.bar(6)
@pytest.mark.asvs("15.3.5")
@pytest.mark.budget(90)
@pytest.mark.parametrize(("route", "field", "refused"), cases())
def test_a_field_refuses_every_type_but_its_own(*, acme, dan, api, route, field, refused):
    client, path = api(dan), routes.path_in(route, acme)
    with acme.entered():
        before = route.view.model.objects.count()

    for sample in refused:
        body = assert_problem(client.post(path, {field: SAMPLES[sample]}), 400, "invalid")
        found = [error for error in body["errors"] if error["pointer"].split("/")[1] == field]
        assert found, (sample, pointers(body))
        assert found[0]["code"] in TOP_LEVEL_CODES, sample
    with acme.entered():
        assert route.view.model.objects.count() == before


@pytest.mark.bar(6)
@pytest.mark.asvs("15.3.3")
@pytest.mark.parametrize("route", routes.creations(), ids=str)
def test_every_column_that_is_not_writable_is_refused_in_a_body(acme, dan, api, route):
    writable = {name for name, field in routes.input_of(route).fields.items() if not field.read_only}
    columns = {name for field in route.view.model._meta.concrete_fields for name in (field.name, field.attname)}
    assert columns - writable

    for name in sorted(columns - writable):
        answer = api(dan).post(routes.path_in(route, acme), {name: "x"})
        found = [
            error["code"]
            for error in assert_problem(answer, 400, "invalid")["errors"]
            if error["pointer"] == f"/{name}"
        ]
        assert found in (["read_only"], ["unknown_field"]), name


@pytest.mark.parametrize("route", routes.creations(), ids=str)
def test_what_is_read_only_is_called_so(acme, dan, api, route):
    given = routes.input_of(route)
    writable = {name for name, field in given.fields.items() if not field.read_only}
    shown = route.view.serializer_class().fields
    read_only = {name for name, field in shown.items() if field.read_only} - writable
    columns = {field.name for field in route.view.model._meta.concrete_fields}
    assert {"id", "created_at"} | ({"version", "updated_at"} & columns) <= read_only
    # An input of its own does not know what answers show.
    codes = {name: "read_only" if name in given.fields else "unknown_field" for name in read_only}
    if isinstance(given, route.view.serializer_class):
        assert set(codes.values()) == {"read_only"}

    body = assert_problem(api(dan).post(routes.path_in(route, acme), dict.fromkeys(read_only, "x")), 400, "invalid")

    assert set(codes.items()) <= {(pointer.removeprefix("/"), code) for pointer, code in pointers(body)}


INSTANTS = {
    "2026-11-21T08:30:00Z": None,
    "2026-11-21T08:30:00+05:45": None,
    "1970-01-01T00:00:00Z": None,
    "2026-11-21T08:30:00": "naive",
    "2026-11-21": "naive",
    "2026-11-21T25:00:00Z": "invalid",
    "2026-02-30T00:00:00Z": "invalid",
    "tomorrow": "invalid",
    "": "invalid",
    "1969-12-31T23:59:59Z": "out_of_range",
    "2201-01-01T00:00:00Z": "out_of_range",
    "0001-01-01T00:00:00+14:00": "out_of_range",
    "9999-12-31T23:59:59-14:00": "out_of_range",
}


@pytest.mark.parametrize("text", INSTANTS)
def test_an_instant_has_an_offset_and_lies_between_1970_and_2200(text):
    field = strict.InstantField()
    if INSTANTS[text] is None:
        assert field.run_validation(text).utcoffset() is not None
        return
    with pytest.raises(serializers.ValidationError) as refusal:
        field.run_validation(text)

    assert [detail.code for detail in refusal.value.detail] == [INSTANTS[text]]
    assert "accepted" in refusal.value.detail[0]


@pytest.mark.parametrize("given", [0, 1.0, "1", True, None, [], {}, 2**63])
def test_a_whole_number_is_a_json_integer_in_its_range(given):
    field = strict.IntegerField(min_value=1, max_value=3)
    with pytest.raises(serializers.ValidationError):
        field.run_validation(given)

    assert field.run_validation(3) == 3


@pytest.mark.parametrize(
    ("field", "given", "code", "accepted"),
    [
        (strict.IntegerField(min_value=1, max_value=3), 0, "out_of_range", "1 to 3"),
        (strict.IntegerField(min_value=1), 0, "out_of_range", "at least 1"),
        (strict.IntegerField(max_value=3), 4, "out_of_range", "at most 3"),
        (strict.ChoiceField(choices=[1, 2, 3]), 4, "out_of_range", "1, 2, 3"),
        (strict.ChoiceField(choices=[1, 2, 3]), "high", "invalid_choice", "1, 2, 3"),
        (strict.ChoiceField(choices=[1, 2, 3]), True, "invalid_choice", "1, 2, 3"),
        (strict.ChoiceField(choices=["low", "high"]), 4, "invalid_choice", "low, high"),
        (strict.ChoiceField(choices=["low", "high"]), "odd", "invalid_choice", "low, high"),
    ],
)
def test_a_number_out_of_its_range_is_called_so_and_told_the_range(field, given, code, accepted):
    with pytest.raises(serializers.ValidationError) as refusal:
        field.run_validation(given)

    (detail,) = refusal.value.detail
    assert (detail.code, detail.endswith(f"accepted: {accepted}.")) == (code, True)


@pytest.mark.parametrize("given", [True, 1, "4", "", None, [], {}])
def test_a_choice_is_one_of_those_named(given):
    field = strict.ChoiceField(choices=["low", "high"])
    with pytest.raises(serializers.ValidationError) as refusal:
        field.run_validation(given)

    assert given is None or "accepted: low, high" in str(refusal.value.detail[0])
