"""The base serializer: strict on the way in, compiled on the way out.

On the way out DRF walks its fields for every row, which costs more than the rest of a list together. Here each class's plain
fields become one attrgetter, once; orjson formats what it gets.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from copy import copy, deepcopy
from functools import lru_cache
from operator import attrgetter
from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.db.models import Value
from rest_framework import serializers

from apps.core.api import strict
from apps.core.authorization import Action, may, within_reach

Represent = Callable[[Any, "RecordSerializer"], dict[str, Any]]

# Whoever sends more wrong keys, or more wrong objects in a list, than this learns nothing from the rest.
MAX_WRONG = 100


_fields: dict[type["RecordSerializer"], dict[str, Any]] = {}
_validators: dict[type["RecordSerializer"], list[Any]] = {}


class ComputedField(serializers.Field[Any, Any, Any, Any], ABC):
    """A field whose value is worked out of the whole record, for the reader that the context names."""

    @abstractmethod
    def computed(self, instance: Any, context: Mapping[str, Any]) -> Any:
        """The value of `instance` for whom `context` names."""


class RecordSerializer(serializers.ModelSerializer[Any]):
    """One kind of record. `Meta.expandable` maps a reference's name to (serializer class, resource to ask the grant of)."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: strict.TextField,
        models.TextField: strict.TextField,
        models.EmailField: strict.EmailField,
        models.BooleanField: strict.BooleanField,
        models.IntegerField: strict.IntegerField,
        models.PositiveIntegerField: strict.IntegerField,
        models.PositiveSmallIntegerField: strict.IntegerField,
        models.SmallIntegerField: strict.IntegerField,
        models.DateTimeField: strict.InstantField,
        models.DateField: strict.DateField,
        models.UUIDField: strict.IdField,
    }
    # What is embedded instead for those who read less of it than the whole organization.
    narrowed: "ClassVar[type[RecordSerializer] | None]" = None

    serializer_choice_field = strict.ChoiceField
    serializer_related_field = strict.ReferenceField

    def get_fields(self) -> dict[str, Any]:
        """A class's fields are worked out once: reading them off the model costs a millisecond, and every write needs them.

        Each serializer gets its own, because a field knows whose it is; what contains fields of its own is copied whole.
        """
        kind = type(self)
        if kind not in _fields:
            _fields[kind] = super().get_fields()
        return {name: deepcopy(field) if _contains(field) else copy(field) for name, field in _fields[kind].items()}

    def get_validators(self) -> list[Any]:
        """As its fields, worked out of the model once for a class."""
        kind = type(self)
        if kind not in _validators:
            _validators[kind] = list(super().get_validators())
        return list(_validators[kind])

    def to_representation(self, instance: Any) -> dict[str, Any]:
        wanted = self.context.get("fields")
        return compiled(type(self), wanted)(instance, self)

    def to_internal_value(self, data: Any) -> Any:
        """The validated values, references as `<name>_id`. Unknown and read-only fields are refused, not dropped."""
        values = refusing_unknown(self, data, super().to_internal_value)
        return resolving_references(self, values)


def _contains(field: Any) -> bool:
    return isinstance(field, serializers.BaseSerializer) or hasattr(field, "child") or hasattr(field, "child_relation")


def resolving_references(serializer: serializers.Serializer[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """References as `<name>_id`. Raises ValidationError for what does not exist, or is not the caller's to see.

    All references in one query; a foreign or invisible id is like one that never was.
    """
    fields = serializer.fields
    references = {name: value for name, value in values.items() if isinstance(fields.get(name), strict.ReferenceField)}
    given = {name: value for name, value in references.items() if value is not None}
    if given:
        _refuse_missing(serializer, given)
    return {f"{name}_id" if name in references else name: value for name, value in values.items()}


def _refuse_missing(serializer: serializers.Serializer[Any], references: Mapping[str, UUID]) -> None:
    probes = [
        _referable(serializer, name, pk).filter(pk=pk).order_by().values_list(Value(name), flat=True)
        for name, pk in references.items()
    ]
    found = set(probes[0].union(*probes[1:], all=True) if len(probes) > 1 else probes[0])
    missing = {
        name: [serializers.ErrorDetail(f"{pk} does not exist.", "does_not_exist")]
        for name, pk in references.items()
        if name not in found
    }
    if missing:
        raise serializers.ValidationError(missing)


def _referable(serializer: serializers.Serializer[Any], name: str, pk: UUID) -> Any:
    """What the caller may name there. What is read by a grant (`read_as`) no further than it reaches: naming shows it.

    A reference that the record has already shows nothing new.
    """
    actor = serializer.context["actor"]
    model = _reference_target(serializer.fields[name])
    rows = model._default_manager.visible_to(actor)
    resource = getattr(model, "read_as", "")
    is_there = getattr(serializer.instance, f"{name}_id", None) == pk
    if not resource or is_there or not may(actor, Action.READ, resource):
        return rows
    return within_reach(rows, actor, Action.READ, resource)


def _reference_target(field: Any) -> Any:
    """The model referred to; a declared field may refer to what the record's own table has no column for."""
    return field.queryset.model


def no_input(data: Any) -> None:
    """For actions that take no body. Raises ValidationError when there is something in it."""
    strict_input(StrictInput(data=data))


def strict_input(serializer: serializers.BaseSerializer[Any]) -> Any:
    """The validated values. Raises ValidationError, which becomes a 400 with pointers."""
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


class StrictInput(serializers.Serializer[Any]):
    """The input of an action: like RecordSerializer it refuses what it does not know."""

    def to_internal_value(self, data: Any) -> Any:
        return refusing_unknown(self, data, super().to_internal_value)


class ReferringInput(StrictInput):
    """The input of an action that names other records, by ReferenceFields; they come out as `<name>_id`."""

    def to_internal_value(self, data: Any) -> Any:
        return resolving_references(self, super().to_internal_value(data))


class ObjectList(serializers.ListSerializer[Any]):
    """A list of objects, such as `ObjectList(child=…, max_length=500)`. After MAX_WRONG wrong ones it reads no further."""

    wrong = 0

    def to_internal_value(self, data: Any) -> Any:
        self.wrong = 0
        return super().to_internal_value(data)

    def run_child_validation(self, data: Any) -> Any:
        if self.wrong == MAX_WRONG:
            # The list is refused already: nobody sees what stands for the rest.
            return {}
        try:
            return super().run_child_validation(data)
        except serializers.ValidationError:
            self.wrong += 1
            raise


def refusing_unknown(serializer: serializers.Serializer[Any], data: Any, read: Callable[[Any], Any]) -> Any:
    """`read(data)`, with every unknown or read-only key among the errors: one answer names all that is wrong."""
    problems: dict[str, Any] = {}
    values: Any = {}
    try:
        values = read(data)
    except serializers.ValidationError as error:
        problems.update(error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail})
    if isinstance(data, Mapping):
        problems.update(_unknown(serializer, data))
        if serializer.parent is not None:
            problems.update(_missing(serializer, data))
    if problems:
        raise serializers.ValidationError(problems)
    return values


def _unknown(serializer: serializers.Serializer[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    problems: dict[str, Any] = {}
    fields = serializer.fields
    writable = ", ".join(name for name, field in fields.items() if not field.read_only) or "none"
    for name in data:
        if len(problems) == MAX_WRONG:
            break
        if name not in fields:
            problems[str(name)] = [serializers.ErrorDetail(f"Unknown field; accepted: {writable}.", "unknown_field")]
        elif fields[name].read_only:
            problems[name] = [serializers.ErrorDetail("This field is set by the platform.", "read_only")]
    return problems


def _missing(serializer: serializers.Serializer[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """What a nested object lacks. DRF lets it be incomplete in a PATCH, but only the record itself is changed in parts."""
    return {
        name: [serializers.ErrorDetail("This field is required.", "required")]
        for name, field in serializer.fields.items()
        if field.required and name not in data
    }


@lru_cache(maxsize=1024)
def compiled(serializer_class: type[RecordSerializer], wanted: tuple[str, ...] | None) -> Represent:
    """How to represent one record with the fields `wanted` (None: all), worked out once."""
    fields = {name: field for name, field in serializer_class().fields.items() if not field.write_only}
    chosen = {name: fields[name] for name in (fields if wanted is None else wanted)}
    plain = {name: _attribute(field) for name, field in chosen.items() if not _is_computed(field)}
    computed = [(name, _computation(name, field)) for name, field in chosen.items() if _is_computed(field)]
    names, get = tuple(plain), _getter(tuple(plain.values()))

    def represent(instance: Any, serializer: RecordSerializer) -> dict[str, Any]:
        values = dict(zip(names, get(instance), strict=True))
        for name, compute in computed:
            values[name] = compute(instance, serializer)
        return values

    return represent


def _computation(name: str, field: serializers.Field[Any, Any, Any, Any]) -> Callable[[Any, RecordSerializer], Any]:
    """How one field is worked out; without `serializer.fields`, which costs a millisecond, where that can be."""
    if isinstance(field, ComputedField):
        return lambda instance, serializer: field.computed(instance, serializer.context)
    if isinstance(field, serializers.SerializerMethodField):
        method = str(field.method_name)
        return lambda instance, serializer: getattr(serializer, method)(instance)

    def nested(instance: Any, serializer: RecordSerializer) -> Any:
        own = serializer.fields[name]
        return own.to_representation(own.get_attribute(instance))

    return nested


def _is_computed(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    return isinstance(field, ComputedField | serializers.SerializerMethodField | serializers.BaseSerializer)


def _attribute(field: serializers.Field[Any, Any, Any, Any]) -> str:
    source = field.source or str(field.field_name)
    return f"{source}_id" if isinstance(field, serializers.PrimaryKeyRelatedField) else source


def _getter(attributes: tuple[str, ...]) -> Callable[[Any], Iterable[Any]]:
    if not attributes:
        return lambda _: ()
    if len(attributes) == 1:
        only = attrgetter(attributes[0])
        return lambda instance: (only(instance),)
    return attrgetter(*attributes)
