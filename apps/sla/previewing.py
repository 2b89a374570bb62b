"""What a ticket raised now would be promised: chosen and counted by the engine, and not written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from apps.cmdb.models import ConfigurationItem, Service
from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.sla import library
from apps.sla.engine import Change, Evaluation
from apps.sla.models import Policy, Settings
from apps.sla.situation import RELATED
from apps.tickets import kinds
from apps.tickets.choices import Level, Source
from apps.users.models import User

RESOURCE = "sla"
# What is not said of the ticket.
UNSAID: Mapping[str, Any] = {
    **RELATED, "impact": Level.LOW.value, "urgency": Level.LOW.value, "source": Source.PORTAL.value, "hold_reason": "",
    "service": None, "category": None, "configuration_item": None, "team": None, "requester": None,
    "is_major": False, "is_assigned": False, "is_responded": False, "message": "",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Promise:
    """One timer that would begin. Instants are UTC; `local_due_at` is the deadline in the calendar's zone."""

    policy_id: Any
    policy: str
    agreement: str
    metric: str
    target_seconds: int
    due_at: datetime
    local_due_at: datetime
    time_zone: str
    levels: tuple[tuple[str, datetime], ...]


def preview(facts: Mapping[str, Any], *, actor: Actor, at: datetime) -> list[Promise]:
    """By the policies that are published now, for a ticket with these facts (apps.sla.conditions) opened at `at`. Raises Denied.

    `kind` and `priority` are required. Of the requester, service and configuration item the same is read as of a real ticket's.
    """
    require(actor, Action.READ, RESOURCE)
    lifecycle = kinds.get(facts["kind"]).lifecycle
    born = {"status": lifecycle.initial, "phase": lifecycle.phases[lifecycle.initial].value}
    after = {**UNSAID, **born, **_related(facts), **facts}
    stamp = Settings.objects.values_list("stamp", flat=True).first()
    change = Change(at=at, before=None, after=after, opened_at=at, created_at=at)
    begun = Evaluation(change, library.book(actor.organization_id, stamp), {}, lambda held: ()).run()
    names = dict(Policy.objects.filter(pk__in=[held.version.policy_id for held in begun]).values_list("pk", "name"))
    promises = []
    for held in begun:
        state, hours = held.clock.state, held.clock.plan.hours
        percents = {level.id: level for level in held.clock.plan.levels}
        levels = [
            (f"{rule.percent} %" if rule.percent is not None else f"{rule.offset_seconds} s", instant)
            for level_id, instant in state.pending
            if instant is not None and (rule := percents[level_id])
        ]
        promises.append(
            Promise(
                policy_id=held.version.policy_id,
                policy=names[held.version.policy_id],
                agreement=held.agreement,
                metric=held.metric,
                target_seconds=state.target_seconds,
                due_at=state.original_due_at,
                local_due_at=state.original_due_at.astimezone(ZoneInfo(hours.time_zone)),
                time_zone=hours.time_zone,
                levels=tuple(sorted(levels, key=lambda level: level[1])),
            )
        )
    return promises


def _related(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the named records say, as a real ticket's are read."""
    found: dict[str, Any] = {}
    if facts.get("requester") is not None:
        columns = {"site": "site_id", "department": "department_id", "is_vip": "is_vip"}
        person = User.objects.filter(pk=facts["requester"]).values(*columns.values()).first() or {}
        read = {name: person.get(column, RELATED[name]) for name, column in columns.items()}
        found |= {name: str(value) if isinstance(value, UUID) else value for name, value in read.items()}
    named = (("service", "service_criticality", Service), ("configuration_item", "ci_criticality", ConfigurationItem))
    for name, fact, model in named:
        rows: Any = model
        if facts.get(name) is not None:
            found[fact] = rows.objects.filter(pk=facts[name]).values_list("criticality", flat=True).first()
    return found
