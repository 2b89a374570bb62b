"""The admin's first page: how the organization stands now, in figures that cost little."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from apps.audit.models import Dispatch, Event
from apps.core.actors import Actor
from apps.core.authorization import Action, may
from apps.core.models import Job, JobState
from apps.users.events import SIGN_IN_FAILED
from apps.users.models import Session, User, UserType

# Counting stops here: beyond, the exact number helps nobody and would cost every visit.
MOST = 10_000
DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with the list it comes from."""

    label: str
    value: str
    link: str
    is_alarming: bool = False


def with_figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Only what the caller's grants let them read."""
    actor: Actor | None = getattr(request, "actor", None)
    if actor is None:
        return context
    at, groups = timezone.now(), []
    if may(actor, Action.READ, "users"):
        groups.append(("People", list(people())))
        groups.append(("Sign-in", list(sign_in(actor, at))))
    if may(actor, Action.READ, "audit"):
        groups.append(("Work in the background", list(background(at))))
    return {**context, "figure_groups": groups}


def people() -> Iterator[Figure]:
    counts = dict(User.objects.alive().filter(is_active=True).order_by().values_list("user_type").annotate(Count("pk")))
    for user_type in UserType:
        address = reverse("admin:users_user_changelist")
        link = f"{address}?user_type__exact={user_type.value}&is_active__exact=1"
        yield Figure(str(user_type.label), f"{counts.get(user_type.value, 0):,}", link)


def sign_in(actor: Actor, at: datetime) -> Iterator[Figure]:
    begun = at - settings.SESSION_ABSOLUTE_LIFETIME
    live = Session.objects.filter(created_at__gt=begun, revoked_at=None, idle_until__gt=at, absolute_until__gt=at)
    yield Figure("Live sessions", _counted(live)[0], f"{reverse('admin:users_session_changelist')}?state=live")
    if may(actor, Action.READ, "audit"):
        failed, number = _counted(Event.objects.filter(name=SIGN_IN_FAILED, at__gt=at - DAY))
        link = f"{reverse('admin:audit_event_changelist')}?name={SIGN_IN_FAILED}&since=day"
        yield Figure("Failed sign-ins, 24 hours", failed, link, is_alarming=number >= 100)


def background(at: datetime) -> Iterator[Figure]:
    deliveries = reverse("admin:audit_dispatch_changelist")
    undone = Dispatch.objects.filter(done_at=None)
    yield Figure("Waiting deliveries", _counted(undone.filter(dead_at=None))[0], f"{deliveries}?state=waiting")
    dead, number = _counted(undone.exclude(dead_at=None))
    yield Figure("Dead deliveries", dead, f"{deliveries}?state=dead", is_alarming=number > 0)
    jobs, recent = reverse("admin:core_job_changelist"), Job.objects.filter(created_at__gt=at - DAY)
    running = recent.filter(state__in=[JobState.QUEUED, JobState.RUNNING])
    yield Figure("Open jobs, 24 hours", _counted(running)[0], jobs)
    failed, number = _counted(recent.filter(state=JobState.FAILED))
    yield Figure("Failed jobs, 24 hours", failed, f"{jobs}?state__exact=failed", is_alarming=number > 0)


def _counted(rows: QuerySet[Any]) -> tuple[str, int]:
    """As people read it, and as a number; never more than MOST rows are read."""
    number = rows.order_by().values("pk")[: MOST + 1].count()
    return (f"{MOST:,}+" if number > MOST else f"{number:,}"), number
