"""Whom and what a log names: people, teams, categories, sites and custom fields, found here or made before the first case."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.text import slugify

from apps.core import records
from apps.core.actors import Actor
from apps.core.authorization import Action, Decision, Reach, ReachColumns
from apps.core.errors import Conflict
from apps.incidents.importing.mapping import SourceMapping
from apps.incidents.importing.reading import Entry, Log
from apps.organizations.models import Organization, Site, Team
from apps.tickets.choices import FieldType, Kind
from apps.tickets.models import Category, CustomField, PriorityCell
from apps.tickets.priorities import create_default_matrix
from apps.users import people
from apps.users.models import User, UserType, normalise_email
from apps.users.services import create_user

# RFC 2606 keeps .invalid from ever being anybody's; the organization's slug keeps two organizations' imports apart.
DOMAIN = "imported.invalid"
# One transaction each, and a sign of life after it.
AT_ONCE = 200
MAX_LOCAL = 60
Progress = Callable[[str], None]


class AsItWas:
    """The rights of history: whoever did something then was allowed to. Carried by imported people, during the import alone."""

    def decide(self, action: Action, resource: str, subject: Any = None) -> Decision:
        return Decision(True, Reach.ORGANIZATION, ("it has happened",))

    def allows(self, action: Action, resource: str, subject: Any = None) -> bool:
        return True

    def within_reach(self, action: Action, resource: str, columns: ReachColumns) -> Q | None:
        return None


@dataclass(slots=True)
class Cast:
    """Ids by the source's names; shared by all cases of one run."""

    organization_id: UUID
    people: dict[str, tuple[UUID, str]] = field(default_factory=dict)
    teams: dict[str, UUID] = field(default_factory=dict)
    categories: dict[tuple[str, str], UUID] = field(default_factory=dict)
    unknown_requester: str = ""
    # What had to be made, by noun.
    made: Counter[str] = field(default_factory=Counter)

    def actor(self, name: str) -> Actor:
        """Whom the timeline shows: the person the source names, or the import itself."""
        if not name:
            return Actor.system(self.organization_id, "import")
        person_id, label = self.people[identity(name)]
        user = User(id=person_id, organization_id=self.organization_id, full_name=label)
        return user.as_actor(authorizer=AsItWas())

    def person_id(self, name: str) -> UUID | None:
        return self.people[identity(name)][0] if name else None

    def requester_id(self, entry: Entry) -> UUID | None:
        return self.person_id(entry.requester or self.unknown_requester)

    def team_id(self, name: str) -> UUID | None:
        return self.teams[name] if name else None

    def category_id(self, entry: Entry) -> UUID | None:
        return self.categories.get((entry.category, entry.subcategory)) if entry.category else None


def identity(name: str) -> str:
    """Names that differ by case or spaces mean one person."""
    return " ".join(name.split()).casefold()


def address(name: str, slug: str) -> str:
    """`Caller 2403` of acme is caller-2403@acme.imported.invalid; what a slug loses, a digest keeps apart."""
    key = identity(name)
    local = slugify(key)
    if local.replace("-", " ") != key or len(local) > MAX_LOCAL:
        local = f"{local[:40] or 'person'}-{sha256(key.encode()).hexdigest()[:12]}"
    return f"{local}@{slug}.{DOMAIN}"


def assemble(log: Log, mapping: SourceMapping, *, actor: Actor, at: datetime, progress: Progress) -> Cast:
    """Find or make everything the log names, in transactions of AT_ONCE; made twice, it changes nothing.

    People are made as accounts that cannot sign in. Raises Conflict for a custom field of another type.
    """
    cast = Cast(actor.organization_id, unknown_requester=mapping.policy.unknown_requester)
    with transaction.atomic():
        slug = Organization.objects.get(pk=actor.organization_id).slug
        _set_matrix(cast, mapping, actor=actor, at=at)
        _declare_fields(cast, mapping, actor=actor, at=at)
        sites = _by_name(cast, Site, (entry.site for entry in _entries(log)), actor=actor, at=at)
        cast.teams = _by_name(cast, Team, (entry.team for entry in _entries(log)), actor=actor, at=at)
        _find_categories(cast, log, actor=actor, at=at)
    _find_people(cast, log, slug, sites, actor=actor, at=at, progress=progress)
    return cast


def _entries(log: Log) -> Iterable[Entry]:
    return (entry for case in log.cases.values() if case.broken is None for entry in case.entries)


def _set_matrix(cast: Cast, mapping: SourceMapping, *, actor: Actor, at: datetime) -> None:
    """The organization's matrix becomes the source's, where the policy says so."""
    if not mapping.policy.sets_matrix:
        return
    create_default_matrix(cast.organization_id, at=at)
    for cell in PriorityCell.objects.filter(kind=Kind.INCIDENT).order_by("pk"):
        wanted = mapping.policy.matrix[cell.impact - 1][cell.urgency - 1]
        if cell.priority != wanted:
            records.change(
                records.lock(PriorityCell, cell.pk, actor=actor), actor=actor, at=at, values={"priority": wanted}
            )
            cast.made["matrix cells changed"] += 1


def _declare_fields(cast: Cast, mapping: SourceMapping, *, actor: Actor, at: datetime) -> None:
    there = {one.key: one for one in CustomField.objects.filter(kind=Kind.INCIDENT)}
    for key, column in mapping.custom_fields.items():
        if key not in there:
            values = {
                "kind": Kind.INCIDENT.value,
                "key": key,
                "label": key.replace("_", " ").capitalize(),
                "field_type": FieldType.TEXT.value,
                "is_public": False,
            }
            records.create(CustomField, actor=actor, at=at, values=values)
            cast.made["custom fields"] += 1
        elif there[key].field_type != FieldType.TEXT or not there[key].is_active:
            raise Conflict(f"The custom field {key} is no active text; map {column} to another one.", code="field_type")


def _by_name(cast: Cast, model: Any, names: Iterable[str], *, actor: Actor, at: datetime) -> dict[str, UUID]:
    """Ids of the plain records of these names; those that are missing are made."""
    rows = model.objects.filter(deleted_at=None) if model is Team else model.objects.all()
    found: dict[str, UUID] = dict(rows.values_list("name", "pk"))
    for name in sorted({name for name in names if name} - set(found)):
        found[name] = records.create(model, actor=actor, at=at, values={"name": name}).pk
        cast.made[str(model._meta.verbose_name_plural)] += 1
    return found


def _find_categories(cast: Cast, log: Log, *, actor: Actor, at: datetime) -> None:
    """A subcategory is a category with a parent."""
    there: dict[tuple[UUID | None, str], UUID] = {
        (parent_id, name): pk for pk, parent_id, name in Category.objects.values_list("pk", "parent_id", "name")
    }

    def found(parent_id: UUID | None, name: str) -> UUID:
        if (parent_id, name) not in there:
            values = {"name": name, "parent_id": parent_id}
            there[parent_id, name] = records.create(Category, actor=actor, at=at, values=values).pk
            cast.made["categories"] += 1
        return there[parent_id, name]

    for category, subcategory in sorted({(e.category, e.subcategory) for e in _entries(log) if e.category}):
        above = found(None, category)
        cast.categories[category, subcategory] = found(above, subcategory) if subcategory else above


@dataclass(slots=True)
class _Named:
    """What the log tells of one person."""

    name: str
    is_agent: bool = False
    site: str = ""


def _find_people(
    cast: Cast, log: Log, slug: str, sites: Mapping[str, UUID], *, actor: Actor, at: datetime, progress: Progress
) -> None:
    named = _named(log, cast.unknown_requester)
    keys = list(named)
    for start in range(0, len(keys), AT_ONCE):
        with transaction.atomic():
            _find_some(
                cast, {key: named[key] for key in keys[start : start + AT_ONCE]}, slug, sites, actor=actor, at=at
            )
        progress(f"{min(start + AT_ONCE, len(keys)):,} of {len(keys):,} people")


def _named(log: Log, unknown: str) -> dict[str, _Named]:
    named: dict[str, _Named] = {}

    def meet(name: str) -> _Named:
        return named.setdefault(identity(name), _Named(" ".join(name.split())))

    for entry in _entries(log):
        for name in (entry.opened_by, entry.by):
            if name:
                meet(name)
        requester = meet(entry.requester or unknown)
        requester.site = requester.site or (entry.site if entry.requester else "")
        if entry.assignee:
            meet(entry.assignee).is_agent = True
    return named


def _find_some(
    cast: Cast, named: Mapping[str, _Named], slug: str, sites: Mapping[str, UUID], *, actor: Actor, at: datetime
) -> None:
    """By the address an earlier import gave them, or by their own where the source names people by address."""
    addresses = {key: address(one.name, slug) for key, one in named.items()}
    wanted = [*addresses.values(), *(normalise_email(one.name) for one in named.values() if "@" in one.name)]
    there = {user.email_normalised: user for user in User.objects.filter(email_normalised__in=wanted)}
    for key, one in named.items():
        user = there.get(normalise_email(one.name)) or there.get(addresses[key])
        if user is None:
            user = create_user(
                actor=actor,
                at=at,
                email=addresses[key],
                full_name=one.name,
                user_type=UserType.AGENT if one.is_agent else UserType.END_USER,
                is_active=False,
                site_id=sites.get(one.site),
            )
            cast.made["people"] += 1
        elif one.is_agent and user.user_type == UserType.END_USER and user.email_normalised == addresses[key]:
            people.change_user(
                records.lock(User, user.pk, actor=actor), actor=actor, at=at, values={"user_type": UserType.AGENT}
            )
            cast.made["people who work on tickets now"] += 1
        cast.people[key] = (user.pk, user.full_name)
