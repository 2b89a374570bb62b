"""A month of a service desk's arrivals, given out by the product's own choice and by pure round robin.

Forty agents in four teams, in three shifts, with skills of several levels and days of absence. Arrivals are those of a month of the
real log where it is there (`ITSM_SHARED_DATA`), else invented. Everything runs in memory: what is measured is who gets what, not
how fast. A ticket keeps its agent busy for open hours that depend on the ticket alone: every method has the same work to give.

Pure round robin is what naive desks do: the next in the list, there or not, full or not, able or not.
"""

import argparse
import csv
import gzip
import heapq
import os
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.benchmarks import harness  # noqa: F401 # isort: skip - sets Django up
from apps.organizations.calendars import OpenHours, add_business
from apps.tickets.assignment.choosing import Candidate, Choice, SkillWish, Terms, Wanted, choose, deal
from apps.tickets.choices import AssignmentMethod
from tests import databases

LOG = (
    Path(os.environ.get("ITSM_SHARED_DATA", databases.ROOT.parent / "shared" / "data"))
    / "uci_incident_event_log"
    / "incident_event_log.csv.gz"
)
TEAMS, AGENTS, CAPACITY, MOST = 4, 40, 20, 10_000
SHIFTS = {"early": ("06:00", "14:00"), "day": ("09:00", "17:00"), "late": ("13:00", "21:00")}
ROOTED = ("least_loaded", "round_robin", "skill")
# Open hours of work by priority, halved or doubled by the ticket's own luck.
HOURS = {1: 2, 2: 3, 3: 5, 4: 6, 5: 8}


@dataclass(frozen=True)
class Arrival:
    """One ticket: when it came, how urgent, for which team, what it takes, and how many open seconds."""

    number: int
    at: datetime
    priority: int
    team: int
    wishes: tuple[SkillWish, ...]
    seconds: int

    @property
    def order(self) -> tuple[Any, ...]:
        return (self.priority, self.at, self.number)


@dataclass
class Agent:
    """Somebody, with their shift and the days they are away."""

    candidate: Candidate
    team: int
    shift: str
    hours: OpenHours
    away: frozenset[Any]
    # How many they were given; by weight what they were given, and what they held, by the second.
    tickets: int = 0
    received: int = 0
    held: float = 0.0
    since: datetime | None = None

    def changes(self, at: datetime) -> None:
        """What they hold is about to be another amount."""
        if self.since is not None:
            self.held += self.candidate.load * (at - self.since).total_seconds()
        self.since = at

    @property
    def peers(self) -> tuple[Any, ...]:
        """Who has the same shift, skills and days away should have the same to do."""
        return (self.team, self.shift, tuple(sorted(self.candidate.skills.items())), self.away)


@dataclass
class Outcome:
    """What came of a month."""

    method: str
    assigned: int = 0
    waited: list[float] = field(default_factory=list)
    idle_waits: int = 0
    jumped: int = 0
    wrongly: Counter[str] = field(default_factory=Counter)
    most_open: int = 0
    # How far equals are from their mean: in the load that they held on average, and in the weight that they were given.
    spread: float = 0.0
    received_spread: float = 0.0
    # By how many tickets equals differ at most.
    apart: int = 0
    digest: int = 0


def uuid(place: int) -> UUID:
    return UUID(int=place + 1)


def month(tickets: int, seed: int) -> list[Arrival]:
    """The real log's busiest month, its tickets dealt to teams by their group; or an invented one."""
    luck = random.Random(seed)
    rows = _real() if LOG.is_file() else _invented(luck)
    found = []
    for number, (at, priority, group, topic) in enumerate(rows[:tickets]):
        wish = SkillWish(uuid(topic % 5), 1 + topic % 3, is_required=topic % 4 == 0)
        wishes = (wish,) if topic % 2 == 0 else ()
        seconds = int(HOURS[priority] * 3600 * luck.choice((0.5, 1, 1, 2)))
        found.append(Arrival(number, at, priority, group % TEAMS, wishes, seconds))
    return found


def _real() -> list[tuple[datetime, int, int, int]]:
    """The month with the most arrivals: opened, priority, and numbers for group and subject that hash() would not keep."""
    first: dict[str, dict[str, str]] = {}
    with gzip.open(LOG, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            first.setdefault(row["number"], row)
    rows = [
        (
            _instant(row["opened_at"]),
            int(row["priority"][0]),
            _figures(row["assignment_group"]),
            _figures(row["subcategory"]),
        )
        for row in first.values()
    ]
    busiest = Counter((at.year, at.month) for at, *_ in rows).most_common(1)[0][0]
    return sorted(row for row in rows if (row[0].year, row[0].month) == busiest)


def _instant(text: str) -> datetime:
    return datetime.strptime(text, "%d/%m/%Y %H:%M").replace(tzinfo=UTC)


def _figures(text: str) -> int:
    return int("".join(filter(str.isdigit, text)) or 0)


def _invented(luck: random.Random) -> list[tuple[datetime, int, int, int]]:
    """Most of it in office hours, on weekdays."""
    begin = datetime(2026, 11, 2, tzinfo=UTC)
    rows = []
    for _ in range(MOST):
        at = begin + timedelta(days=luck.randrange(28), hours=luck.choice((8, 9, 9, 10, 11, 13, 14, 15, 16, 20)))
        if at.weekday() < 5 or luck.random() < 0.05:
            priority = luck.choices((1, 2, 3, 4, 5), (1, 5, 60, 24, 10))[0]
            rows.append((at + timedelta(minutes=luck.randrange(60)), priority, luck.randrange(40), luck.randrange(60)))
    return sorted(rows)


def people(begin: datetime, seed: int) -> list[Agent]:
    """Ten to a team: pairs of equals, in three shifts, and some who are away for a week."""
    luck = random.Random(seed)
    shifts = cycle(SHIFTS)
    found = []
    for pair in range(AGENTS // 2):
        shift = next(shifts)
        start, end = SHIFTS[shift]
        windows = [{"weekday": day, "start": start, "end": end} for day in range(5)]
        skills = {uuid(luck.randrange(5)): luck.randint(1, 5) for _ in range(3)}
        # One pair in four is away for some week, both of them.
        week = luck.randrange(4) if pair % 4 == 3 else None
        away = (
            frozenset((begin + timedelta(days=7 * week + day)).date() for day in range(7))
            if week is not None
            else frozenset()
        )
        for twin in range(2):
            user_id = uuid(1000 + pair * 2 + twin)
            candidate = Candidate(user_id, f"Agent {pair}{'ab'[twin]}", CAPACITY, skills=skills)
            found.append(Agent(candidate, pair % TEAMS, shift, OpenHours("UTC", windows), away))
    return found


class Month:
    """The desk, moved from event to event: a ticket comes, one is done, somebody's day begins or ends."""

    def __init__(self, method: str, arrivals: list[Arrival], agents: list[Agent]) -> None:
        self.method, self.arrivals, self.agents = method, arrivals, agents
        self.terms = Terms(method if method in ROOTED else AssignmentMethod.ROUND_ROBIN, needs_presence=False)
        self.teams: dict[int, list[Agent]] = defaultdict(list)
        for agent in agents:
            self.teams[agent.team].append(agent)
        self.by_id = {agent.candidate.user_id: agent for agent in agents}
        self.waiting: dict[int, list[Arrival]] = defaultdict(list)
        self.outcome = Outcome(method)
        self.turns = {team: cycle(members) for team, members in self.teams.items()}
        self.ids = count()
        self.events: list[tuple[datetime, int, str, Any]] = []

    def run(self) -> Outcome:
        begin = self.arrivals[0].at.replace(hour=0, minute=0)
        for day in range(45):
            for hour in sorted({int(edge[:2]) for shift in SHIFTS.values() for edge in shift} | {0}):
                self._push(begin + timedelta(days=day, hours=hour), "clock", None)
        for arrival in self.arrivals:
            self._push(arrival.at, "comes", arrival)
        while self.events:
            at, _, kind, what = heapq.heappop(self.events)
            if kind == "comes":
                self._comes(what, at)
                self._drain(what.team, at)
            elif kind == "done":
                self._done(*what, at)
                self._drain(what[0].team, at)
            else:
                self._look(at)
                for team in self.teams:
                    self._drain(team, at)
        self._measure()
        return self.outcome

    def _push(self, at: datetime, kind: str, what: Any) -> None:
        heapq.heappush(self.events, (at, next(self.ids), kind, what))

    def _look(self, at: datetime) -> None:
        for agent in self.agents:
            agent.candidate.is_in_shift = agent.hours.is_open(at)
            agent.candidate.is_out = at.date() in agent.away

    def _comes(self, arrival: Arrival, at: datetime) -> None:
        if self.method == "pure":
            self._give(next(self.turns[arrival.team]), arrival, at, is_pure=True)
        else:
            self.waiting[arrival.team].append(arrival)
            self.waiting[arrival.team].sort(key=lambda each: each.order)

    def _drain(self, team: int, at: datetime) -> None:
        waiting = self.waiting[team]
        if not waiting:
            return
        candidates = [agent.candidate for agent in self.teams[team]]
        wanted = {each.number: Wanted(each.priority, each.wishes) for each in waiting}

        def give(arrival: Arrival, asked: Wanted, choice: Choice) -> bool:
            assert choice.chosen is not None
            self.by_id[choice.chosen.user_id].changes(at)
            self._note_jumps(arrival, choice.chosen, wanted, team)
            self._give(self.by_id[choice.chosen.user_id], arrival, at)
            self.waiting[team].remove(arrival)
            return True

        deal([(each, wanted[each.number]) for each in waiting], candidates, self.terms, at, give=give, most=MOST)
        # Nobody waits while somebody could take it: asked anew, of everything that still waits.
        for each in self.waiting[team]:
            self.outcome.idle_waits += choose(candidates, wanted[each.number], self.terms).chosen is not None

    def _note_jumps(self, arrival: Arrival, chosen: Candidate, wanted: dict[int, Wanted], team: int) -> None:
        """Whether one that comes before it in the order still waits, though the same person could take it."""
        before = [each for each in self.waiting[team] if each.order < arrival.order]
        could = [each for each in before if choose([chosen], wanted[each.number], self.terms).chosen is not None]
        self.outcome.jumped += len(could)

    def _give(self, agent: Agent, arrival: Arrival, at: datetime, *, is_pure: bool = False) -> None:
        candidate, wanted = agent.candidate, Wanted(arrival.priority, arrival.wishes)
        if is_pure:
            why = choose([candidate], wanted, self.terms).looked_at[0][1]
            self.outcome.wrongly.update([why.value] if why else [])
            agent.changes(at)
            candidate.take(wanted, at)
        agent.tickets += 1
        agent.received += wanted.weight
        self.outcome.assigned += 1
        self.outcome.most_open = max(self.outcome.most_open, candidate.open_tickets + (not is_pure))
        self.outcome.digest = hash((self.outcome.digest, arrival.number, candidate.user_id.int, at.timestamp()))
        # Whoever is away begins when they are back.
        start = at
        while start.date() in agent.away:
            start = (start + timedelta(days=1)).replace(hour=0, minute=0)
        begins = add_business(start, 1, agent.hours)
        self.outcome.waited.append((begins - arrival.at).total_seconds() / 3600)
        self._push(add_business(start, arrival.seconds, agent.hours), "done", (agent, wanted))

    def _done(self, agent: Agent, wanted: Wanted, at: datetime) -> None:
        agent.changes(at)
        agent.candidate.open_tickets -= 1
        agent.candidate.load -= wanted.weight

    def _measure(self) -> None:
        self.outcome.spread = self._spread([(agent, agent.held) for agent in self.agents])
        self.outcome.received_spread = self._spread([(agent, agent.received) for agent in self.agents])
        equals = defaultdict(list)
        for agent in self.agents:
            equals[agent.peers].append(agent.tickets)
        self.outcome.apart = max(max(each) - min(each) for each in equals.values())

    def _spread(self, amounts: list[tuple[Agent, float]]) -> float:
        """How far one of several equals is from their mean at most, in percent of it."""
        groups = defaultdict(list)
        for agent, amount in amounts:
            groups[agent.peers].append(amount)
        means = [(found, sum(found) / len(found)) for found in groups.values() if len(found) > 1 and sum(found)]
        return 100 * max((abs(amount - mean) / mean for found, mean in means for amount in found), default=0.0)


def simulate(method: str, tickets: int = MOST, seed: int = 7) -> Outcome:
    """One month by one method; the same question has the same answer."""
    arrivals = month(tickets, seed)
    return Month(method, arrivals, people(arrivals[0].at, seed)).run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=MOST)
    given = parser.parse_args()
    source = "real" if LOG.is_file() else "invented"
    print(f"arrivals: {len(month(given.tickets, 7)):,} ({source}), {AGENTS} agents in {TEAMS} teams")
    print(
        f"{'method':<14}{'assigned':>9}{'mean wait h':>12}{'p95 h':>8}{'most open':>10}{'held %':>8}{'given %':>9}"
        f"{'idle waits':>11}{'jumped':>7}  given wrongly"
    )
    for method in (*ROOTED, "pure"):
        first, second = simulate(method, given.tickets), simulate(method, given.tickets)
        waited = sorted(first.waited)
        print(
            f"{method:<14}{first.assigned:>9,}{sum(waited) / len(waited):>12.2f}{waited[int(len(waited) * 0.95)]:>8.1f}"
            f"{first.most_open:>10}{first.spread:>8.1f}{first.received_spread:>9.1f}{first.idle_waits:>11}{first.jumped:>7}"
            f"  {dict(first.wrongly) or 'none'}{'' if first.digest == second.digest else '  DIFFERS when run twice'}"
        )


if __name__ == "__main__":
    main()
