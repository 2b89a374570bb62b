"""Open and change an incident. The verbs of its life are `tickets.verbs`; those that only incidents have are in `major`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import records
from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.core.events import Changes
from apps.incidents.models import Incident
from apps.tickets import relations, services
from apps.tickets.choices import Kind, MajorStatus
from apps.tickets.models import Ticket

# Columns of the child's own that people write; everything else is the base row's.
OWN = frozenset({"workaround"})
PARENT = "parent_id"
MAJOR_OR_NEARLY = (MajorStatus.CANDIDATE, MajorStatus.ACCEPTED)


def create(*, actor: Actor, at: datetime, values: Mapping[str, Any], number: str = "") -> Incident:
    """Open an incident at `at` (UTC), below a parent if one is named. Raises Denied, Invalid, Conflict."""
    given = dict(values)
    parent_id = given.pop(PARENT, None)
    if parent_id is not None:
        # Before the series of numbers is: whoever splits a ticket takes a number with the ticket in hand.
        relations.lock_to_hang((), parent_id, actor=actor)
    incident: Incident = services.create(Kind.INCIDENT, actor=actor, at=at, values=given, number=number)
    if parent_id is None:
        return incident
    set_parent(incident, parent_id=parent_id, actor=actor, at=at)
    return _reread(incident.pk)


def change(incident: Incident, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Incident:
    """Change fields of an incident, wherever they are stored: one fact, one version; another parent is a fact of its own.

    Raises Denied, Invalid, Conflict.
    """
    own = differing(incident, {name: value for name, value in values.items() if name in OWN})
    shared = {name: value for name, value in values.items() if name not in OWN and name != PARENT}
    if values.get(PARENT) not in (None, incident.parent_id):
        relations.lock_to_hang((incident.pk,), values[PARENT], actor=actor)
    if shared or own:
        services.change(incident, actor=actor, at=at, values=shared, beside=own)
        save_own(incident, own)
    if PARENT in values and values[PARENT] != incident.parent_id:
        set_parent(incident, parent_id=values[PARENT], actor=actor, at=at)
    return _reread(incident.pk)


def set_parent(incident: Incident, *, parent_id: UUID | None, actor: Actor, at: datetime) -> None:
    """Raises whatever `tickets.relations` refuses; see `refuse_parent`."""
    relations.set_parent(incident, parent_id=parent_id, actor=actor, at=at)


def refuse_parent(ticket: Ticket) -> None:
    """Raises Conflict `is_major` for what others are to hang below; however it is hung (`tickets.kinds`)."""
    if ticket.major_status in MAJOR_OR_NEARLY:
        raise Conflict("A major incident has no parent; hang the other one below it, or demote it.", code="is_major")


def lock(pk: UUID, *, actor: Actor) -> Incident:
    """The whole incident, its base row locked (G3). Raises NotFound for what is not the actor's to see."""
    services.lock(pk, actor=actor)
    return _reread(pk)


def differing(incident: Incident, values: Mapping[str, Any]) -> Changes:
    """What of `values` would change the incident's own row, by field: before and after."""
    before = records.plain(incident, values)
    after = {incident._meta.get_field(name).name: value for name, value in values.items()}
    return {name: (before[name], value) for name, value in after.items() if before[name] != value}


def save_own(incident: Incident, changes: Changes) -> None:
    """Write these changes into the incident's own row; whoever calls records the fact that they belong to."""
    for name, (_, value) in changes.items():
        field: Any = incident._meta.get_field(name)
        setattr(incident, field.attname, value)
    if changes:
        incident.save(update_fields=list(changes))


def _reread(pk: UUID) -> Incident:
    incident: Incident = Incident.objects.get(pk=pk)
    return incident
