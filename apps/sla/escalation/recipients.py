"""Who is meant by `assignee`, `team_lead` and the like, on one ticket at one instant; and who stands in for whom."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.organizations.models import Department
from apps.tickets.models import Ticket, Watcher
from apps.users import rosters
from apps.users.availability import availability_of
from apps.users.models import DepartmentHead, TeamMember, User

# Whom to ask where nobody is meant: up the hierarchy, never down.
INSTEAD: Mapping[str, str] = {
    "assignee": "team_lead",
    "team": "team_lead",
    "on_call": "team_lead",
    "manager": "department_head",
    "team_lead": "department_head",
}


@dataclass(slots=True)
class Reached:
    """Each person with the word that meant them, and what was found strange on the way: one sentence each."""

    people: dict[UUID, str] = field(default_factory=dict)
    because: list[str] = field(default_factory=list)

    def take(self, other: "Reached") -> None:
        for user_id, word in other.people.items():
            self.people.setdefault(user_id, word)
        self.because += other.because


def find(words: Iterable[str], ticket: Ticket, *, at: datetime) -> Reached:
    """Everybody that these words mean. Whoever is out of office is replaced by their delegate, and kept where they have none."""
    found = Reached()
    for word in words:
        found.take(_find(word, ticket, at))
    return found


def these(people: Mapping[UUID, str], *, at: datetime) -> Reached:
    """People by their ids, each with the word that means them; whoever has left is left out, and delegates stand in as above."""
    found = Reached()
    for word in dict.fromkeys(people.values()):
        meant = _active([user_id for user_id, given in people.items() if given == word])
        if meant:
            found.take(_stood_in_for(Reached(dict.fromkeys(meant, word)), word, at))
    return found


def _find(word: str, ticket: Ticket, at: datetime) -> Reached:
    found = Reached()
    while True:
        ids = WHO[word](ticket, at)
        active = _active(ids)
        if active:
            found.people = dict.fromkeys(active, word)
            return _stood_in_for(found, word, at)
        instead = INSTEAD.get(word)
        name = word.replace("_", " ")
        found.because.append(f"nobody is {name}" + (f"; the {instead.replace('_', ' ')} instead" if instead else ""))
        if instead is None:
            return found
        word = instead


def _active(ids: Sequence[UUID]) -> list[UUID]:
    known = set(User.objects.alive().filter(pk__in=ids, is_active=True).values_list("pk", flat=True)) if ids else set()
    return [user_id for user_id in dict.fromkeys(ids) if user_id in known]


def _stood_in_for(found: Reached, word: str, at: datetime) -> Reached:
    # On call, absences are counted with already.
    away = {} if word == "on_call" else availability_of(list(found.people), at)
    people: dict[UUID, str] = {}
    for user_id in found.people:
        person = away.get(user_id)
        delegate = person.delegate_id if person is not None and person.is_out else None
        people.setdefault(delegate or user_id, word)
        if delegate is not None:
            found.because.append(f"the {word.replace('_', ' ')} is out of office; their delegate instead")
    found.people = people
    return found


# --- each word


def _assignee(ticket: Ticket, at: datetime) -> list[UUID]:
    return [ticket.assignee_id] if ticket.assignee_id else []


def _team(ticket: Ticket, at: datetime) -> list[UUID]:
    return _members(ticket)


def _team_lead(ticket: Ticket, at: datetime) -> list[UUID]:
    return _members(ticket, is_lead=True)


def _members(ticket: Ticket, **only: Any) -> list[UUID]:
    if ticket.team_id is None:
        return []
    rows = TeamMember.objects.filter(team_id=ticket.team_id, **only).order_by("user_id")
    return list(rows.values_list("user_id", flat=True))


def _manager(ticket: Ticket, at: datetime) -> list[UUID]:
    """Of whoever works on it, else of whoever leads the team."""
    people = _assignee(ticket, at) or _team_lead(ticket, at)
    rows = User.objects.filter(pk__in=people, manager__isnull=False).order_by("pk")
    return list(rows.values_list("manager_id", flat=True))


def _department_head(ticket: Ticket, at: datetime) -> list[UUID]:
    """Of the assignee's department, else of its lead's or a member's; of the one above where they head it themselves."""
    for people in (_assignee(ticket, at), _team_lead(ticket, at), _members(ticket)):
        rows = User.objects.filter(pk__in=people, department__isnull=False).order_by("pk")
        placed = list(rows.values_list("pk", "department_id")[:1])
        if placed:
            return _head_above(*placed[0])
    return []


def _head_above(user_id: UUID, department_id: UUID) -> list[UUID]:
    above = dict(Department.objects.values_list("pk", "parent_id"))
    # Who has left heads nothing any more, whatever is still written down.
    there = DepartmentHead.objects.filter(user__is_active=True, user__deleted_at=None)
    heads = dict(there.values_list("department_id", "user_id"))
    seen: set[UUID] = set()
    current: UUID | None = department_id
    last: list[UUID] = []
    while current is not None and current not in seen:
        seen.add(current)
        head = heads.get(current)
        if head is not None and head != user_id:
            return [head]
        last = last or ([head] if head is not None else [])
        current = above.get(current)
    # Who heads it all has nobody above them.
    return last


def _on_call(ticket: Ticket, at: datetime) -> list[UUID]:
    if ticket.team_id is None:
        return []
    return first_on_call(rosters.of_team(ticket.team_id), at=at)


def first_on_call(found: Sequence[Any], *, at: datetime, layer: int | None = None) -> list[UUID]:
    """Who is called of these rotas: whoever is on call in the lowest layer in which somebody can be reached, or in `layer` alone.

    Where nobody can, whoever is on call and away, by the same order.
    """
    known = rosters.on_call(found, at=at, now=at) if found else []
    names = [each for each in known if each.user_id is not None and layer in {None, each.rota.layer}]
    names = [each for each in names if each.is_reached] or names
    wanted = min((each.rota.layer for each in names), default=0)
    return [each.user_id for each in names if each.rota.layer == wanted and each.user_id is not None]


def _requester(ticket: Ticket, at: datetime) -> list[UUID]:
    return [ticket.requester_id]


def _watchers(ticket: Ticket, at: datetime) -> list[UUID]:
    return list(Watcher.objects.filter(ticket_id=ticket.pk).order_by("created_at").values_list("user_id", flat=True))


WHO: Mapping[str, Callable[[Ticket, datetime], list[UUID]]] = {
    "assignee": _assignee,
    "team": _team,
    "team_lead": _team_lead,
    "department_head": _department_head,
    "manager": _manager,
    "on_call": _on_call,
    "requester": _requester,
    "watchers": _watchers,
}
