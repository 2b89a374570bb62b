"""Whether chains lead back to where they began: from team to team, or from policy to policy. No database."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

from apps.sla.choices import Chain

Edge = tuple[UUID, UUID]
# Chain, match and steps of a policy.
Written = tuple[str, Any, Any]


def leads_to(steps: Iterable[Mapping[str, Any]]) -> set[UUID]:
    """The policies that steps let begin."""
    return {UUID(action["policy"]) for step in steps for action in step["actions"] if action["do"] == "escalate"}


def hand_overs(written: Iterable[Written]) -> Iterable[Edge]:
    """From which team to which functional chains give a ticket: from those that a policy is for, then on from step to step.

    What is for any team is for none by name: it begins once on a ticket, and so comes to an end.
    """
    for chain, match, steps in written:
        if chain != Chain.FUNCTIONAL:
            continue
        way = [UUID(action["team"]) for step in steps for action in step["actions"] if action["do"] == "reassign"]
        for source in _teams_of(match):
            yield source, way[0]
        yield from pairwise(way)


def _teams_of(match: Iterable[Mapping[str, Any]]) -> set[UUID]:
    listed = [clause["team"] for clause in match if isinstance(clause.get("team"), list)]
    return {UUID(value) for values in listed for value in values if value is not None}


def first(edges: Iterable[Edge]) -> Sequence[UUID]:
    """The first circle found, its beginning also its end; nothing where there is none."""
    following: dict[UUID, list[UUID]] = {}
    for source, to in edges:
        following.setdefault(source, []).append(to)
    done: set[UUID] = set()
    for start in following:
        found = _circle_from(start, following, done)
        if found:
            return found
    return ()


def _circle_from(start: UUID, following: Mapping[UUID, Sequence[UUID]], done: set[UUID]) -> Sequence[UUID]:
    """Walks without recursion: as deep as there are policies."""
    way: list[UUID] = []
    stack = [(start, iter(following.get(start, ())))] if start not in done else []
    if stack:
        way.append(start)
    while stack:
        node, ahead = stack[-1]
        to = next(ahead, None)
        if to is None:
            done.add(node)
            stack.pop()
            way.pop()
        elif to in way:
            return [*way[way.index(to) :], to]
        elif to not in done:
            stack.append((to, iter(following.get(to, ()))))
            way.append(to)
    return ()
