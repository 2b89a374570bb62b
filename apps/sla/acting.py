"""What a level that fired does, after the commit and once: in the transaction that marks the delivery."""

from datetime import datetime

import structlog
from django.utils.dateparse import parse_datetime

from apps.audit.models import Event
from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import NotFound
from apps.sla import situation
from apps.sla.conditions import trusted
from apps.sla.escalation import carrying
from apps.sla.events import ACTION_REFUSED
from apps.sla.models import Level
from apps.tickets import services

log = structlog.get_logger(__name__)


def carry_out(event: Event) -> None:
    """Every action of the level, if its condition holds now.

    A ticket that was finished or deleted meanwhile is left alone; so is one that somebody has in hand where the level asks for
    that. A team that is gone is told on the ticket. Any other refusal is raised, so that the delivery fails where people see it,
    and is tried again.
    """
    level = Level.objects.filter(pk=event.data["level"]).first()
    if level is None:
        return
    actor = Actor.system(event.organization_id, "sla")
    try:
        ticket = services.lock(event.subject_id, actor=actor)
    except NotFound:
        return
    if not ticket.is_open or not _is_meant(level, event):
        return
    doing = carrying.Doing(actor, event.recorded_at, _words(event), not_before=_instant(event))
    carried = carrying.carry_out(ticket.pk, level.actions, doing)
    for team in carried.gone:
        # Said to those who run the platform and on the ticket.
        log.warning("sla_action_refused", ticket=str(ticket.pk), level=event.data["level"], team=team)
        data = {name: event.data.get(name) for name in ("timer", "metric", "level", "percent", "offset_seconds")}
        events.record(ACTION_REFUSED, ticket, actor=actor, at=event.recorded_at, team=team, reason="gone", **data)


def _is_meant(level: Level, event: Event) -> bool:
    now = situation.read(event.organization_id, event.subject_id)
    if level.is_until_acknowledged and now.is_acknowledged:
        return False
    return trusted(level.applies).holds(now.facts)


def _instant(event: Event) -> datetime | None:
    return parse_datetime(str(event.data.get("notify_at", "")))


def _words(event: Event) -> str:
    percent, metric = event.data.get("percent"), str(event.data.get("metric", "")).replace("_", " ")
    what = f"{percent} %" if percent is not None else "a level"
    return f"{what} of the {metric} target has passed"
