"""Conditions of policies: data, never code, and plain enough that one can be proved to imply another.

A condition is a list of clauses, of which one must hold; a clause names fields, all of which must have one of the given
values: `[{"phase": ["new", "open"], "priority": [1, 2]}, {"is_major": [true]}]`. `{"not": […]}` is any other value. No clause
never holds, an empty one always does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.cmdb.models import Criticality
from apps.core.errors import FieldError, Invalid
from apps.core.lifecycle import Phase
from apps.tickets import kinds
from apps.tickets.choices import HoldReason, Kind, Level, Priority, Source

Facts = Mapping[str, Any]

MAX_CLAUSES, MAX_VALUES = 20, 200
# Comparisons of two clauses, in all proofs about one version: well below a second.
MOST_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Field:
    """What a condition may ask: the type of its values, and all of them where they are known."""

    type: type
    values: frozenset[Any] | None = None
    has_none: bool = False

    def accepts(self, value: Any) -> bool:
        if value is None:
            return self.has_none
        if self.values is not None:
            # True is 1 to Python; here it is not.
            return type(value) is self.type and value in self.values
        return is_id(value) if self.is_id else isinstance(value, str)

    @property
    def is_id(self) -> bool:
        return self.type is UUID

    @property
    def accepted(self) -> str:
        found = sorted(map(str, self.values)) if self.values is not None else ["an id" if self.is_id else "words"]
        return ", ".join(found + (["null"] if self.has_none else []))


def is_id(value: Any) -> bool:
    """A UUID as it is written here: lower case, with hyphens."""
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


def _one_of(values: Iterable[Any], kind: type = str, *, has_none: bool = False) -> Field:
    return Field(kind, frozenset(values), has_none)


def _record() -> Field:
    return Field(UUID, None, has_none=True)


FROM_REQUESTER, TO_REQUESTER = "from_requester", "to_requester"
YES_OR_NO = (True, False)
FIELDS: Mapping[str, Field] = {
    # Of the ticket.
    "kind": _one_of(Kind.values),
    "phase": _one_of(Phase.values),
    "status": Field(str),
    "hold_reason": _one_of(["", *HoldReason.values]),
    "priority": _one_of(Priority.values, int),
    "impact": _one_of(Level.values, int),
    "urgency": _one_of(Level.values, int),
    "source": _one_of(Source.values),
    "service": _record(),
    "category": _record(),
    "configuration_item": _record(),
    "team": _record(),
    "requester": _record(),
    "is_assigned": _one_of(YES_OR_NO, bool),
    "is_responded": _one_of(YES_OR_NO, bool),
    "is_major": _one_of(YES_OR_NO, bool),
    # Of what it names.
    "site": _record(),
    "department": _record(),
    "is_vip": _one_of(YES_OR_NO, bool),
    "ci_criticality": _one_of(Criticality.values, int, has_none=True),
    "service_criticality": _one_of(Criticality.values, int, has_none=True),
    # Of this very change: whether somebody said something that the requester reads, and who.
    "message": _one_of(["", FROM_REQUESTER, TO_REQUESTER]),
}


@dataclass(frozen=True, slots=True)
class Values:
    """Some values of a field, or all but some."""

    of: frozenset[Any]
    is_except: bool = False

    def __contains__(self, value: Any) -> bool:
        return (value in self.of) is not self.is_except

    def meet(self, other: "Values") -> "Values":
        if self.is_except and other.is_except:
            return Values(self.of | other.of, is_except=True)
        if self.is_except:
            return Values(other.of - self.of)
        return Values(self.of - other.of if other.is_except else self.of & other.of)

    def but(self, other: "Values") -> "Values":
        return self.meet(Values(other.of, not other.is_except))

    def is_empty(self, field: Field) -> bool:
        if not self.is_except:
            return not self.of
        every = field.values
        return every is not None and every | ({None} if field.has_none else set()) <= self.of


Clause = Mapping[str, Values]
ANY = Values(frozenset(), is_except=True)


class TooComplex(Exception):
    """Whether one condition implies another would take too long to find out."""


class Effort:
    """How much work may still go into proofs."""

    def __init__(self, steps: int = MOST_STEPS) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Raises TooComplex."""
        self.left -= steps
        if self.left < 0:
            raise TooComplex


@dataclass(frozen=True, slots=True)
class Condition:
    """One of its clauses must hold."""

    clauses: tuple[Clause, ...]

    def holds(self, facts: Facts) -> bool:
        return any(all(facts[name] in values for name, values in clause.items()) for clause in self.clauses)

    @property
    def is_never(self) -> bool:
        return not self.clauses

    def names(self) -> set[str]:
        return {name for clause in self.clauses for name in clause}

    def meet(self, other: "Condition") -> "Condition":
        """Both hold."""
        both = (_meet(ours, theirs) for ours in self.clauses for theirs in other.clauses)
        return Condition(tuple(clause for clause in both if clause is not None))

    def implies(self, other: "Condition", effort: "Effort") -> bool:
        """Whether the other holds of every possible ticket of which this one does. Raises TooComplex."""
        possible = _possible()
        effort.spend(len(self.clauses) * len(possible.clauses))
        return all(_is_covered(clause, other.clauses, effort) for clause in self.meet(possible).clauses)


ALWAYS, NEVER = Condition(({},)), Condition(())


def _meet(ours: Clause, theirs: Clause) -> Clause | None:
    both = dict(ours)
    for name, values in theirs.items():
        both[name] = both[name].meet(values) if name in both else values
        if both[name].is_empty(FIELDS[name]):
            return None
    return both


def _is_covered(clause: Clause, others: tuple[Clause, ...], effort: "Effort") -> bool:
    """By one of the others alone; or what one of them leaves of it, field by field, the rest must cover."""
    effort.spend(len(others))
    near = [other for other in others if _meet(clause, other) is not None]
    if any(_contains(other, clause) for other in near):
        return True
    if not near:
        return False
    first, *rest = sorted(near, key=len)
    inside = dict(clause)
    for name, values in first.items():
        mine = inside.get(name, ANY)
        left = mine.but(values)
        if not left.is_empty(FIELDS[name]) and not _is_covered({**inside, name: left}, tuple(rest), effort):
            return False
        # What lies outside this field is settled: no piece is looked at twice.
        inside[name] = mine.meet(values)
    return True


def _contains(outer: Clause, inner: Clause) -> bool:
    return all(inner.get(name, ANY).but(values).is_empty(FIELDS[name]) for name, values in outer.items())


def _possible() -> Condition:
    """What every ticket keeps to: a reason to hold while it is pending and only then, and the phase of its status."""
    none = Values(frozenset({""}))
    pending = Values(frozenset({Phase.PENDING.value}))
    held: Clause = {"phase": pending, "hold_reason": Values(none.of, is_except=True)}
    free: Clause = {"phase": Values(pending.of, is_except=True), "hold_reason": none}
    return Condition((held, free)).meet(_lives())


def _lives() -> Condition:
    registered = list(kinds.every())
    clauses: list[Clause] = [{"kind": Values(frozenset(kind.name for kind in registered), is_except=True)}]
    for kind in registered:
        for phase in sorted(set(kind.lifecycle.phases.values())):
            statuses = frozenset(str(status) for status, its in kind.lifecycle.phases.items() if its == phase)
            clauses.append(
                {
                    "kind": Values(frozenset({kind.name})),
                    "phase": Values(frozenset({phase.value})),
                    "status": Values(statuses),
                }
            )
    return Condition(tuple(clauses))


# --- from JSON and back


def parse(data: Any, *, pointer: str = "") -> Condition:
    """The condition that this JSON writes. Raises Invalid naming each place that is wrong, and what is accepted there."""
    errors: list[FieldError] = []
    condition = Condition(tuple(_clauses(data, pointer, errors)))
    if errors:
        raise Invalid(errors=errors)
    return condition


def trusted(data: Any) -> Condition:
    """As parse, for what was accepted when it was saved."""
    return Condition(tuple({name: _values(given) for name, given in clause.items()} for clause in data))


def _clauses(data: Any, pointer: str, errors: list[FieldError]) -> Iterable[Clause]:
    if not isinstance(data, list) or len(data) > MAX_CLAUSES:
        errors.append(FieldError(pointer, "invalid", f"Accepted: a list of at most {MAX_CLAUSES} clauses."))
        return
    for place, clause in enumerate(data):
        if not isinstance(clause, dict):
            errors.append(FieldError(f"{pointer}/{place}", "invalid", "Accepted: an object of fields and values."))
            continue
        yield {
            name: values
            for name, given in clause.items()
            if (values := _field(name, given, f"{pointer}/{place}/{name}", errors)) is not None
        }


def _field(name: str, given: Any, pointer: str, errors: list[FieldError]) -> Values | None:
    field = FIELDS.get(name)
    if field is None:
        errors.append(FieldError(pointer, "unknown_field", f"Accepted: {', '.join(sorted(FIELDS))}."))
        return None
    is_except = isinstance(given, dict)
    listed = given.get("not") if is_except and set(given) == {"not"} else given
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_VALUES:
        detail = f'Accepted: a list of 1 to {MAX_VALUES} values, or {{"not": that}}.'
        errors.append(FieldError(pointer, "invalid", detail))
        return None
    wrong = [value for value in listed if not field.accepts(value)]
    if wrong:
        errors.append(FieldError(pointer, "invalid_choice", f"{wrong[0]!r} is none; accepted: {field.accepted}."))
        return None
    return Values(frozenset(listed), is_except)


def _values(given: Any) -> Values:
    is_except = isinstance(given, dict)
    return Values(frozenset(given["not"] if is_except else given), is_except)
