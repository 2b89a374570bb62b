"""No regular expression of ours can be made slow (T43): looked at for nested repeats, then fed 100 kB of what hurts most."""

import importlib
import pkgutil
import re
import time
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest
from django.apps import apps as registry
from django.core.validators import RegexValidator
from django.db.models import Field

import apps

SIZE = 100_000
SECONDS = 0.2
REPEATS = (parser.MAX_REPEAT, parser.MIN_REPEAT)
# Whatever repeats at least this often can be made slow.
MANY = 100


def ours() -> dict[str, re.Pattern[Any]]:
    """Every compiled pattern in a module or class of the platform, and every one that a model's field is validated by."""
    found: dict[str, re.Pattern[Any]] = {}
    for module_info in pkgutil.walk_packages(apps.__path__, "apps."):
        if ".migrations" in module_info.name or ".management" in module_info.name:
            continue
        module = importlib.import_module(module_info.name)
        holders = [module, *(value for value in vars(module).values() if isinstance(value, type))]
        for holder in holders:
            if holder is module or holder.__module__ == module.__name__:
                for name, value in vars(holder).items():
                    if isinstance(value, re.Pattern):
                        found[f"{module.__name__}.{name}"] = value
    fields: list[Field[Any, Any]] = [f for m in registry.get_models() for f in m._meta.local_fields]
    for field in fields:
        for validator in field.validators:
            if isinstance(validator, RegexValidator) and field.model.__module__.startswith("apps."):
                found[f"{field.model._meta.label}.{field.name}"] = validator.regex
    return found


PATTERNS = ours()


def nested_repeats(tree: Any, is_inside: bool = False) -> bool:
    """Whether a repeat that can give back stands inside another one: the shape of (a+)+."""
    for operator, argument in tree:
        if operator in REPEATS:
            is_long = argument[1] is parser.MAXREPEAT or argument[1] >= MANY
            if (is_long and is_inside) or nested_repeats(argument[2], is_inside or is_long):
                return True
        elif operator is parser.POSSESSIVE_REPEAT:
            if nested_repeats(argument[2], False):
                return True
        elif operator is parser.BRANCH:
            if any(nested_repeats(branch, is_inside) for branch in argument[1]):
                return True
        elif operator is parser.SUBPATTERN:
            if nested_repeats(argument[3], is_inside):
                return True
        elif operator is parser.ATOMIC_GROUP:
            if nested_repeats(argument, False):
                return True
        elif operator in {parser.ASSERT, parser.ASSERT_NOT} and nested_repeats(argument[1], is_inside):
            return True
    return False


def literals(tree: Any) -> set[str]:
    """A character of each kind that the pattern tells apart."""
    found: set[str] = set()
    for operator, argument in tree:
        if operator in {parser.LITERAL, parser.NOT_LITERAL} or operator is parser.RANGE:
            found.add(chr(argument[0] if operator is parser.RANGE else argument))
        elif operator is parser.CATEGORY:
            found.add({"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " "}.get(str(argument), "a"))
        elif isinstance(argument, tuple | list | parser.SubPattern):
            for part in argument if isinstance(argument, tuple) else [argument]:
                if isinstance(part, parser.SubPattern):
                    found |= literals(part)
                elif isinstance(part, list):
                    pairs = [item for item in part if isinstance(item, tuple) and len(item) == 2]
                    found |= literals(pairs)
                    for item in part:
                        if isinstance(item, parser.SubPattern):
                            found |= literals(item)
    return found


def hostile(pattern: re.Pattern[Any]) -> list[str]:
    """100 kB each: one character over and over, pairs of them, and the same with an end that fits nothing."""
    characters = sorted(literals(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)) | {"a", '"', "\\", ",", " "})
    units = characters[:24] + [first + second for first in characters[:8] for second in characters[:8]]
    return [unit * (SIZE // len(unit)) + end for unit in units for end in ("", "\x01")]


def test_the_patterns_are_found() -> None:
    assert {"apps.core.api.parsers.STRING", "apps.core.api.versions.TAGS", "apps.core.logs.SECRET_KEY"} <= set(PATTERNS)


@pytest.mark.bar(43)
@pytest.mark.asvs("1.3.12")
@pytest.mark.parametrize("name", PATTERNS)
def test_no_pattern_repeats_a_repeat(name: str) -> None:
    pattern = PATTERNS[name]
    assert not nested_repeats(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)), (
        f"{pattern.pattern!r}: make the inner or the outer repeat possessive (*+) or atomic"
    )


@pytest.mark.parametrize("slow", ["(a+)+$", "(a|b*)*c", '"(x"*)*"', "(?:a*b?)*$"])
def test_a_slow_shape_is_seen(slow: str) -> None:
    assert nested_repeats(parser.parse(slow))


@pytest.mark.bar(43)
@pytest.mark.parametrize("name", PATTERNS)
def test_100_kilobytes_of_hostile_text_are_decided_at_once(name: str) -> None:
    pattern = PATTERNS[name]
    for text in hostile(pattern):
        given = text.encode() if isinstance(pattern.pattern, bytes) else text
        for use in (pattern.fullmatch, pattern.match):
            assert min(seconds(use, given) for _ in range(2)) < SECONDS, f"{use.__name__} of {given[:20]!r}…"


def seconds(use: Any, given: Any) -> float:
    started = time.process_time()
    use(given)
    return time.process_time() - started
