"""What a later row of a file would see of earlier ones, when those were undone with the batch they stood in.

Rows meet in the keys of people: addresses, usernames, employee numbers. Before a batch is rehearsed, the earlier rows that it
meets, directly or over others, are written again; so nothing is held longer than a batch takes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from apps.users.models import User, normalise_email, normalise_name

Key = tuple[str, str]


def keys_of(cells: Mapping[str, str]) -> set[Key]:
    """Everybody whom a row of the file names: its own person, and their manager."""
    keys = {
        ("email", normalise_email(cells.get("email", ""))),
        ("email", normalise_email(cells.get("manager", ""))),
        ("username", normalise_name(cells.get("username", ""))),
        ("employee_number", normalise_name(cells.get("employee_number", ""))),
    }
    return {key for key in keys if key[1]}


def keys_held(user: User | None) -> set[Key]:
    """By which keys somebody is found before a row changes them."""
    if user is None:
        return set()
    return keys_of({"email": user.email, "username": user.username, "employee_number": user.employee_number})


class Effects:
    """Which rows changed something, by the keys they touch; in the order in which they were written."""

    def __init__(self) -> None:
        self._keys: list[set[Key]] = []
        self._by_key: dict[Key, list[int]] = defaultdict(list)
        self._places: list[int] = []
        self._for_all: set[int] = set()

    def add(self, place: int, keys: set[Key], *, is_for_all: bool) -> None:
        """`is_for_all`: every later row may depend on it, as who is the last administrator does."""
        index = len(self._places)
        self._places.append(place)
        self._keys.append(keys)
        for key in keys:
            self._by_key[key].append(index)
        if is_for_all:
            self._for_all.add(index)

    def met_by(self, keys: Iterable[Key]) -> Iterator[int]:
        """The places of the rows to write again, in order, before rows that touch these keys."""
        found = set(self._for_all)
        open_keys = set(keys).union(*(self._keys[index] for index in found))
        seen: set[Key] = set()
        while open_keys:
            key = open_keys.pop()
            seen.add(key)
            for index in self._by_key.get(key, ()):
                if index not in found:
                    found.add(index)
                    open_keys |= self._keys[index] - seen
        return (self._places[index] for index in sorted(found))
