"""What a level that fired does, after the commit and once: in the transaction that marks the delivery."""

from datetime import datetime

from django.utils.dateparse import parse_datetime

from apps.audit.models import Event
from apps.core.actors import Actor
from apps.core.errors import NotFound
from apps.sla import situation
from apps.sla.conditions import trusted
from apps.sla.escalation import carrying
from apps.sla.models import Level
from apps.tickets import services


def carry_out(event: Event) -> None:
    """Every action of the level, if its condition holds now.

    A ticket that was finished or deleted meanwhile, or whose state allows it no more, is left alone; so is one that somebody has
    in hand where the level asks for that.
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
    carrying.carry_out(ticket.pk, level.actions, doing)


def _is_meant(level: Level, event: Event) -> bool:
    now = situation.read(event.organization_id, event.subject_id)
    if level.is_until_acknowledged and now.is_acknowledged:
        return False
    return trusted(level.applies).holds(now.facts)


def _instant(event: Event) -> datetime | None:
    return parse_datetime(str(event.data.get("notify_at", "")))


def _words(event: Event) -> str:
    percent, metric = event.data.get("percent"), str(event.data.get("metric", "")).replace("_", " ")
    return (
        f"{percent} % of the {metric} target has passed"
        if percent is not None
        else f"a level of the {metric} target has passed"
    )
