"""Verbs on incidents that other kinds of tickets do not have; those of every kind are `tickets.verbs`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from apps.core.actors import Actor
from apps.incidents.models import Incident
from apps.tickets import services
from apps.tickets.choices import Kind

# Columns of the child's own; everything else is the base row's.
OWN = frozenset({"workaround"})


def create(*, actor: Actor, at: datetime, values: Mapping[str, Any], number: str = "") -> Incident:
    """Open an incident at `at` (UTC). Raises Denied, Invalid."""
    incident: Incident = services.create(Kind.INCIDENT, actor=actor, at=at, values=values, number=number)
    return incident


def change(incident: Incident, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Incident:
    """Change fields of an incident, wherever they are stored: one fact, one version. Raises Denied, Invalid, Conflict."""
    own = {name: value for name, value in values.items() if name in OWN and getattr(incident, name) != value}
    beside = {name: (getattr(incident, name), value) for name, value in own.items()}
    shared = {name: value for name, value in values.items() if name not in OWN}
    services.change(incident, actor=actor, at=at, values=shared, beside=beside)
    for name, value in own.items():
        setattr(incident, name, value)
    if own:
        incident.save(update_fields=list(own))
    return Incident.objects.get(pk=incident.pk)
