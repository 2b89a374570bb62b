"""What a recurrence rule says: RFC 5545's RRULE by the day, and on which days it comes true. No hours, no clocks."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from apps.core.errors import FieldError, Invalid

LONGEST_RULE = 500
FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
FINER = frozenset({"SECONDLY", "MINUTELY", "HOURLY", "BYHOUR", "BYMINUTE", "BYSECOND"})
WEEKDAY = r"(?:MO|TU|WE|TH|FR|SA|SU)"
WEEKDAYS = re.compile(rf"{WEEKDAY}(?:,{WEEKDAY})*")
NTH_WEEKDAYS = re.compile(rf"(?:[+-]?[1-9][0-9]?)?{WEEKDAY}(?:,(?:[+-]?[1-9][0-9]?)?{WEEKDAY})*")
UNTIL = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})Z)?")
NUMBER = re.compile(r"[+-]?[0-9]{1,6}")
MOST_IN_MONTH, MOST_IN_YEAR = 5, 53
GREGORIAN_CYCLE = 400
# Every walk is shorter than ten years and a bit (HORIZON), and ends before dateutil's last year.
LATEST_START = 9999 - 11
EXAMPLE = "FREQ=MONTHLY;BYMONTHDAY=10"


class Numbers(NamedTuple):
    """A part that is one number, or a list of them, and with which frequencies it goes."""

    most: int
    frequencies: tuple[str, ...] = FREQUENCIES
    is_list: bool = True
    # Whether it may be counted from the end.
    is_signed: bool = False

    def refusal(self, value: str) -> str | None:
        """What is accepted, if `value` is not."""
        given = value.split(",") if self.is_list else [value]
        least = -self.most if self.is_signed else 1
        if all(NUMBER.fullmatch(each) and least <= int(each) <= self.most and int(each) for each in given):
            return None
        numbers = "numbers" if self.is_list else "a number"
        return f"{numbers} from 1 to {self.most}" + (f" or -{self.most} to -1" if self.is_signed else "")


NUMBERS = {
    "INTERVAL": Numbers(1_000, is_list=False),
    "COUNT": Numbers(100_000, is_list=False),
    "BYMONTH": Numbers(12),
    "BYMONTHDAY": Numbers(31, ("DAILY", "MONTHLY", "YEARLY"), is_signed=True),
    "BYYEARDAY": Numbers(366, ("YEARLY",), is_signed=True),
    "BYWEEKNO": Numbers(53, ("YEARLY",)),
    "BYSETPOS": Numbers(366, ("MONTHLY", "YEARLY"), is_signed=True),
}
ACCEPTED = ("FREQ", "UNTIL", "BYDAY", "WKST", *NUMBERS)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that was read. `until` is a last day, or a last instant in UTC."""

    text: str
    count: int | None
    until: date | None

    def days(self, start: datetime, zone: ZoneInfo) -> Iterator[date]:
        """The days from `start` (a wall clock's time, without zone) on, in order; endless only if it comes true for ever.

        The start itself is one of them only if the rule says so.
        """
        # dateutil looks for what never comes true until the year 9999. The calendar repeats every 400 years to the weekday,
        # so that the search is moved to its last ones: a fraction of a second at worst instead of eight.
        shift = (LATEST_START - start.year) // GREGORIAN_CYCLE * GREGORIAN_CYCLE
        found = rrulestr(self.text, dtstart=start.replace(year=start.year + shift))
        for moved in islice(found, self.count):
            local = moved.replace(year=moved.year - shift)
            if self._is_over(local, zone):
                return
            yield local.date()

    def _is_over(self, local: datetime, zone: ZoneInfo) -> bool:
        if isinstance(self.until, datetime):
            return local.replace(tzinfo=zone).astimezone(UTC) > self.until
        return self.until is not None and local.date() > self.until


def rule_of(text: str) -> Rule:
    """The rule that `text` is. Raises Invalid for "/rule" saying what is accepted."""
    parts = _parts(text)
    frequency = parts.get("FREQ")
    if frequency not in FREQUENCIES:
        raise _refused("frequency", f"{_of_what_is_finer(frequency or '')}FREQ is {' or '.join(FREQUENCIES)}.")
    for name, value in parts.items():
        wanted = _refusal_of(name, value, parts)
        if wanted is not None:
            raise _refused("not_accepted", f"{name}={value}; accepted: {wanted}.")
    kept = ";".join(f"{name}={value}" for name, value in parts.items() if name not in ("COUNT", "UNTIL"))
    count, until = parts.get("COUNT"), parts.get("UNTIL")
    return Rule(kept, None if count is None else int(count), None if until is None else _end(until))


def _parts(text: str) -> dict[str, str]:
    if len(text) > LONGEST_RULE:
        raise _refused("too_long", f"accepted: at most {LONGEST_RULE} characters.")
    parts: dict[str, str] = {}
    for pair in text.strip().upper().removeprefix("RRULE:").split(";"):
        name, _, value = pair.partition("=")
        if name not in ACCEPTED:
            said = f"{_of_what_is_finer(name)}accepted: {', '.join(ACCEPTED)}, such as {EXAMPLE}."
            raise _refused("not_accepted", said)
        if name in parts:
            raise _refused("not_accepted", f"{name} is there twice; accepted: each part once.")
        parts[name] = value
    if "COUNT" in parts and "UNTIL" in parts:
        raise _refused("not_accepted", "accepted: either COUNT or UNTIL.")
    return parts


def _of_what_is_finer(word: str) -> str:
    return "It repeats by the day at most, at the start's time of day; " if word in FINER else ""


def _refusal_of(name: str, value: str, parts: Mapping[str, str]) -> str | None:
    """What is accepted instead, if a part is not, by itself or beside the others (RFC 5545, 3.3.10)."""
    numbers = NUMBERS.get(name)
    if numbers is not None and parts["FREQ"] not in numbers.frequencies:
        return f"{name} beside FREQ={' or '.join(numbers.frequencies)}"
    if name == "BYSETPOS" and not any(other.startswith("BY") for other in parts if other != name):
        return "BYSETPOS beside another BY… part, out of whose days it chooses"
    if name == "BYWEEKNO" and not {"BYDAY"} <= parts.keys():
        return "BYWEEKNO beside BYDAY"
    if numbers is not None:
        return numbers.refusal(value)
    check: Callable[[str, Mapping[str, str]], str | None] = OTHERS[name]
    return check(value, parts)


def _refusal_of_weekdays(value: str, parts: Mapping[str, str]) -> str | None:
    has_nth = parts["FREQ"] in ("MONTHLY", "YEARLY") and "BYWEEKNO" not in parts
    if not (NTH_WEEKDAYS if has_nth else WEEKDAYS).fullmatch(value):
        return "MO to SU, separated by commas" + (", with a place such as 1MO or -1FR" if has_nth else "")
    most = MOST_IN_YEAR if parts["FREQ"] == "YEARLY" and "BYMONTH" not in parts else MOST_IN_MONTH
    places = [int(each[:-2]) for each in value.split(",") if len(each) > len("MO")]
    return None if all(abs(place) <= most for place in places) else f"places from 1 to {most} or -{most} to -1"


def _refusal_of_week_start(value: str, parts: Mapping[str, str]) -> str | None:
    return None if re.fullmatch(WEEKDAY, value) else "one of MO to SU"


def _refusal_of_end(value: str, parts: Mapping[str, str]) -> str | None:
    try:
        _end(value)
    except ValueError:
        return "a day such as 20271231 or an instant in UTC such as 20271231T225959Z"
    return None


def _end(value: str) -> date:
    found = UNTIL.fullmatch(value)
    if found is None:
        raise ValueError(value)
    year, month, day, *clock = (int(each) for each in found.groups() if each is not None)
    if not clock:
        return date(year, month, day)
    hour, minute, second = clock
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


OTHERS: Mapping[str, Callable[[str, Mapping[str, str]], str | None]] = {
    "FREQ": lambda value, parts: None,
    "BYDAY": _refusal_of_weekdays,
    "WKST": _refusal_of_week_start,
    "UNTIL": _refusal_of_end,
}


def _refused(code: str, detail: str) -> Invalid:
    return Invalid(errors=[FieldError("/rule", code, f"Not a rule that is followed here: {detail}")])
