"""Rules to a team: what they may say, what a ticket says of itself, and which rule is the first that holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from apps.cmdb.models import CiClass, ConfigurationItem, Service
from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.errors import FieldError
from apps.organizations.models import Department, Site, Team
from apps.tickets.assignment.choosing import SkillWish, wishes
from apps.tickets.choices import Destination, Kind, Level, Priority, Source
from apps.tickets.models import AssignmentRule, Category, Ticket
from apps.users.models import Skill, User

MOST_VALUES, MOST_SKILLS, BEST_LEVEL = 200, 20, 5
# Fields whose values are ids, and of what.
RECORDS: Mapping[str, Any] = {
    "category": Category,
    "service": Service,
    "configuration_item": ConfigurationItem,
    "ci_class": CiClass,
    "requester": User,
    "site": Site,
    "department": Department,
}
# And those whose values are words or numbers.
WORDS: Mapping[str, tuple[Any, ...]] = {
    "kind": tuple(Kind.values),
    "source": tuple(Source.values),
    "priority": tuple(Priority.values),
    "impact": tuple(Level.values),
    "urgency": tuple(Level.values),
    "is_vip": (True, False),
}
FIELDS = (*WORDS, *RECORDS)


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules read of a ticket: values by field, ids as texts. `item_team` and `service_team` support what it is about.

    `categories` are its category and all above it: a rule for mail holds for what lies below mail.
    """

    values: Mapping[str, Any]
    categories: frozenset[str] = frozenset()
    item_team: UUID | None = None
    service_team: UUID | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it is applied."""

    id: UUID | None
    name: str
    match: Mapping[str, Any]
    destination: str
    team_id: UUID | None
    skills: tuple[SkillWish, ...] = ()

    def team_for(self, facts: Facts) -> UUID | None:
        """Where it sends this ticket; None where it does not hold, or nobody supports what the ticket is about."""
        if not all(_holds(name, accepted, facts) for name, accepted in self.match.items()):
            return None
        match self.destination:
            case Destination.CONFIGURATION_ITEM:
                return facts.item_team
            case Destination.SERVICE:
                return facts.service_team
            case _:
                return self.team_id


@dataclass(frozen=True, slots=True)
class Routed:
    """The rule that decided, and the team it leads to."""

    rule: Rule
    team_id: UUID


def _holds(name: str, accepted: Any, facts: Facts) -> bool:
    if name == "category":
        return not facts.categories.isdisjoint(accepted)
    return facts.values.get(name) in accepted


def first(rules: Iterable[Rule], facts: Facts) -> Routed | None:
    """The first rule, in their order, that leads somewhere."""
    for rule in rules:
        team_id = rule.team_for(facts)
        if team_id is not None:
            return Routed(rule, team_id)
    return None


# --- of one new ticket

# Rules of teams that were deleted lead nowhere. What the rules read beside the ticket's own columns comes with each of them:
# one statement for whatever every new ticket pays.
READ = f"""
WITH RECURSIVE up (id, parent_id) AS (
    SELECT c.id, c.parent_id FROM {Category._meta.db_table} c
    WHERE c.organization_id = %(tenant)s AND c.id = %(category)s
    UNION
    SELECT c.id, c.parent_id FROM up JOIN {Category._meta.db_table} c
    ON c.organization_id = %(tenant)s AND c.id = up.parent_id
)
SELECT r.id, r.name, r.match, r.destination, r.team_id, r.skills,
    u.site_id, u.department_id, u.is_vip, i.ci_class_id, it.id, st.id, (SELECT array_agg(up.id::text) FROM up)
FROM {AssignmentRule._meta.db_table} r
LEFT JOIN {Team._meta.db_table} t ON t.organization_id = %(tenant)s AND t.id = r.team_id
LEFT JOIN {User._meta.db_table} u ON u.organization_id = %(tenant)s AND u.id = %(requester)s
LEFT JOIN {ConfigurationItem._meta.db_table} i ON i.organization_id = %(tenant)s AND i.id = %(item)s
LEFT JOIN {Team._meta.db_table} it
    ON it.organization_id = %(tenant)s AND it.id = i.support_team_id AND it.deleted_at IS NULL
LEFT JOIN {Service._meta.db_table} s ON s.organization_id = %(tenant)s AND s.id = %(service)s
LEFT JOIN {Team._meta.db_table} st
    ON st.organization_id = %(tenant)s AND st.id = s.support_team_id AND st.deleted_at IS NULL
WHERE r.organization_id = %(tenant)s AND r.is_active AND t.deleted_at IS NULL
ORDER BY r.position
"""  # noqa: S608 - our tables


def route(ticket: Ticket) -> Routed | None:
    """Where the organization's rules send this ticket, which need not be stored yet. One statement."""
    given = {
        "tenant": tenancy.required_organization_id(),
        "category": ticket.category_id,
        "requester": ticket.requester_id,
        "item": ticket.configuration_item_id,
        "service": ticket.service_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(READ, given)
        rows = cursor.fetchall()
    if not rows:
        return None
    site, department, is_vip, ci_class, item_team, service_team, categories = rows[0][6:]
    beside = {"site": _text(site), "department": _text(department), "is_vip": bool(is_vip), "ci_class": _text(ci_class)}
    facts = Facts({**own(ticket), **beside}, frozenset(categories or ()), item_team, service_team)
    return first((_rule(row) for row in rows), facts)


def own(ticket: Ticket) -> dict[str, Any]:
    """What the ticket's own columns say."""
    return {
        "kind": ticket.kind,
        "source": ticket.source,
        "priority": ticket.priority,
        "impact": ticket.impact,
        "urgency": ticket.urgency,
        "service": _text(ticket.service_id),
        "configuration_item": _text(ticket.configuration_item_id),
        "requester": _text(ticket.requester_id),
    }


def stored(rules: Iterable[AssignmentRule]) -> list[Rule]:
    """Rows as they are applied."""
    return [Rule(row.pk, row.name, row.match, row.destination, row.team_id, wishes(row.skills)) for row in rules]


def _rule(row: tuple[Any, ...]) -> Rule:
    pk, name, match, destination, team_id, skills = row[:6]
    return Rule(pk, name, _json(match), destination, team_id, wishes(_json(skills)))


def _json(found: Any) -> Any:
    """A plain cursor hands JSON over as text."""
    return orjson.loads(found) if isinstance(found, str | bytes) else found


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


# --- whether a rule makes sense


def faults(match: Any, skills: Any, *, actor: Actor) -> list[FieldError]:
    """All that is wrong with what a rule asks of tickets and people; ids must be there for the actor to name."""
    wrong = wrong_match(match) + wrong_skills(skills)
    return wrong or [*_missing_of_match(match, actor), *_missing_skills(skills, actor)]


def wrong_match(match: Any) -> list[FieldError]:
    """What can be seen without asking whether the records are there."""
    if not isinstance(match, dict):
        return [FieldError("/match", "invalid", "Not an object; accepted: fields, each with a list of values.")]
    wrong = []
    for name, values in match.items():
        pointer = f"/match/{name}"
        if name not in FIELDS:
            wrong.append(FieldError(pointer, "invalid_choice", f"Not a field; accepted: {', '.join(FIELDS)}."))
        elif not isinstance(values, list) or not 1 <= len(values) <= MOST_VALUES:
            detail = f"Not a list of values; accepted: 1 to {MOST_VALUES} of them."
            wrong.append(FieldError(pointer, "invalid", detail))
        else:
            wrong += _wrong_words(pointer, values, WORDS[name]) if name in WORDS else _wrong_ids(pointer, values)
    return wrong


def _wrong_words(pointer: str, values: list[Any], accepted: tuple[Any, ...]) -> list[FieldError]:
    words = ", ".join(str(each).lower() if isinstance(each, bool) else str(each) for each in accepted)
    return [
        FieldError(f"{pointer}/{place}", "invalid_choice", f"Not a choice; accepted: {words}.")
        for place, value in enumerate(values)
        # 1 is not true here.
        if not any(value == each and type(value) is type(each) for each in accepted)
    ]


def _wrong_ids(pointer: str, values: list[Any]) -> list[FieldError]:
    detail = "Not an id; accepted: a UUID as a JSON string, in lower case."
    return [
        FieldError(f"{pointer}/{place}", "invalid", detail)
        for place, value in enumerate(values)
        if as_id(value) is None
    ]


def as_id(value: Any) -> UUID | None:
    """A UUID as the API writes them, in lower case with hyphens; None for anything else."""
    try:
        found = UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and str(found) == value else None


def wrong_skills(skills: Any) -> list[FieldError]:
    """As `wrong_match`, of the skills."""
    if not isinstance(skills, list) or len(skills) > MOST_SKILLS:
        return [FieldError("/skills", "invalid", f"Not a list of skills; accepted: at most {MOST_SKILLS} of them.")]
    wrong = [error for place, each in enumerate(skills) for error in _wrong_skill(f"/skills/{place}", each)]
    if wrong:
        return wrong
    named = [each["skill"] for each in skills]
    return [
        FieldError(f"/skills/{place}/skill", "duplicate", "This skill is named twice.")
        for place, skill in enumerate(named)
        if skill in named[:place]
    ]


def _wrong_skill(pointer: str, each: Any) -> list[FieldError]:
    accepted = ("skill", "level", "is_required")
    if not isinstance(each, dict) or not set(each) <= set(accepted) or as_id(each.get("skill")) is None:
        detail = 'Accepted: {"skill": id, "level": 1 to 5, "is_required": true or false}.'
        return [FieldError(pointer, "invalid", detail)]
    level = each.get("level", 1)
    if type(level) is not int or not 1 <= level <= BEST_LEVEL:
        return [FieldError(f"{pointer}/level", "out_of_range", f"Out of range; accepted: 1 to {BEST_LEVEL}.")]
    if not isinstance(each.get("is_required", True), bool):
        return [FieldError(f"{pointer}/is_required", "invalid", "Not a boolean; accepted: true, false.")]
    return []


def _missing_of_match(match: Mapping[str, list[Any]], actor: Actor) -> list[FieldError]:
    return [
        FieldError(f"/match/{name}/{place}", "does_not_exist", f"{pk} does not exist.")
        for name, values in match.items()
        if name in RECORDS
        for place, pk in _missing(RECORDS[name], values, actor)
    ]


def _missing_skills(skills: list[Mapping[str, Any]], actor: Actor) -> list[FieldError]:
    return [
        FieldError(f"/skills/{place}/skill", "does_not_exist", f"{pk} does not exist.")
        for place, pk in _missing(Skill, [each["skill"] for each in skills], actor)
    ]


def _missing(model: Any, ids: list[str], actor: Actor) -> list[tuple[int, str]]:
    known = set(model.objects.visible_to(actor).filter(pk__in=ids).values_list("pk", flat=True)) if ids else set()
    return [(place, pk) for place, pk in enumerate(ids) if UUID(pk) not in known]
