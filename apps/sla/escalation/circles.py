"""Whether chains lead back to where they began: from team to team, or from policy to policy. No database."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

from apps.sla.choices import Chain
from apps.sla.conditions import Values, trusted

Edge = tuple[UUID, UUID]
# Chain, match and steps of a policy.
Written = tuple[str, Any, Any]


def leads_to(steps: Iterable[Mapping[str, Any]]) -> set[UUID]:
    """The policies that steps let begin."""
    return {UUID(action["policy"]) for step in steps for action in step["actions"] if action["do"] == "escalate"}


def hand_overs(written: Iterable[Written]) -> Iterable[Edge]:
    """From which team to which functional chains give a ticket: from those that a policy is for, then on from step to step.

    What is for any team is for none by name: it begins once on a ticket, and so comes to an end. What is for all but some is for
    every other one that a ticket is given to; a team gives nothing to itself.
    """
    ways = [(match, _way(steps)) for chain, match, steps in written if chain == Chain.FUNCTIONAL]
    given_to = {str(team) for _, way in ways for team in way}
    for match, way in ways:
        for source in _teams_of(match, given_to - {str(way[0])}):
            yield source, way[0]
        yield from pairwise(way)


def _way(steps: Iterable[Mapping[str, Any]]) -> list[UUID]:
    return [UUID(action["team"]) for step in steps for action in step["actions"] if action["do"] == "reassign"]


def _teams_of(match: Any, others: Iterable[str]) -> set[UUID]:
    """Those that a condition names, and of `others` those that an exception leaves."""
    named = [clause["team"] for clause in trusted(match).clauses if "team" in clause]
    return {UUID(team) for values in named for team in _those(values, others)}


def _those(values: Values, others: Iterable[str]) -> Iterable[str]:
    if values.is_except:
        return [team for team in others if team in values]
    return [team for team in values.of if team is not None]


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
