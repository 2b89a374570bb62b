"""The compiled policies of each organization, kept in the process for as long as its stamp says the same.

A published version and a calendar's version never change, so those are kept by their key.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from apps.organizations.calendars import ALWAYS, OpenHours, hours_of
from apps.organizations.models import CalendarVersion
from apps.sla.book import Book, Hours, TargetRule, VersionRule
from apps.sla.choices import VersionState
from apps.sla.clock import LevelRule
from apps.sla.conditions import trusted
from apps.sla.models import Level, PolicyVersion, Settings, Target
from apps.sla.rules import read

KEPT = 1_000
_books: dict[UUID, tuple[UUID, Book]] = {}
_versions: dict[UUID, VersionRule] = {}
_hours: dict[UUID, OpenHours] = {}


def book(organization_id: UUID, stamp: UUID | None) -> Book:
    """What new timers are chosen by. Without settings an organization has no policies."""
    if stamp is None:
        return Book()
    kept = _books.get(organization_id)
    if kept is not None and kept[0] == stamp:
        return kept[1]
    found = _read_book(organization_id)
    _keep(_books, organization_id, (stamp, found))
    return found


def _read_book(organization_id: UUID) -> Book:
    settings = Settings.objects.in_tenant(organization_id).get()
    published = (
        PolicyVersion.objects.in_tenant(organization_id)
        .filter(state=VersionState.PUBLISHED, policy__is_active=True)
        .select_related("policy")
        .order_by("policy__position")
    )
    # Of older versions too: timers that are pinned to them choose among their targets.
    wanted = Target.objects.in_tenant(organization_id).exclude(calendar_id=None).values_list("calendar_id", flat=True)
    return Book(tuple(compiled(list(published))), current_hours(wanted.distinct()), settings.selection)


def versions(ids: Iterable[UUID]) -> dict[UUID, VersionRule]:
    """Versions that timers are pinned to."""
    found: dict[UUID, VersionRule] = {}
    missing = []
    for pk in set(ids):
        kept = _versions.get(pk)
        if kept is None:
            missing.append(pk)
        else:
            found[pk] = kept
    if missing:
        rows = list(PolicyVersion.objects.filter(pk__in=missing).select_related("policy"))
        found |= {version.id: version for version in compiled(rows)}
    return found


def hours(version_id: UUID | None) -> OpenHours:
    """Of the calendar version that a timer is pinned to; always open without one."""
    if version_id is None:
        return ALWAYS
    kept = _hours.get(version_id)
    if kept is None:
        kept = hours_of(CalendarVersion.objects.get(pk=version_id))
        _keep(_hours, version_id, kept)
    return kept


def current_hours(calendar_ids: Iterable[UUID]) -> dict[UUID, Hours]:
    """The newest version of each of these calendars."""
    newest = (
        CalendarVersion.objects.filter(calendar_id__in=set(calendar_ids))
        .order_by("calendar_id", "-number")
        .distinct("calendar_id")
    )
    return {version.calendar_id: Hours(version.pk, hours_of(version)) for version in newest}


def compiled(rows: list[PolicyVersion]) -> list[VersionRule]:
    """These versions with their targets and levels, in the same order; drafts are not kept, because they change."""
    missing = [row.pk for row in rows if row.pk not in _versions]
    targets: dict[tuple[UUID, str], list[TargetRule]] = defaultdict(list)
    levels: dict[tuple[UUID, str], list[LevelRule]] = defaultdict(list)
    if missing:
        for target in Target.objects.filter(version_id__in=missing).order_by("metric", "position"):
            targets[target.version_id, target.metric].append(
                TargetRule(
                    target.pk,
                    trusted(target.applies),
                    target.target_seconds,
                    target.business_days,
                    target.calendar_id,
                )
            )
        for level in Level.objects.filter(version_id__in=missing).order_by("metric", "position"):
            rule = LevelRule(
                level.pk, level.percent, level.offset_seconds, bool(level.actions), level.is_around_the_clock
            )
            levels[level.version_id, level.metric].append(rule)
    found = []
    for row in rows:
        version = _versions.get(row.pk)
        if version is None:
            metrics = [metric for pk, metric in targets if pk == row.pk]
            version = VersionRule(
                id=row.pk,
                policy_id=row.policy_id,
                agreement=row.policy.agreement,
                match=trusted(row.match),
                rules={metric: read(metric, row.rules.get(metric, {})) for metric in metrics},
                targets={metric: tuple(targets[row.pk, metric]) for metric in metrics},
                levels={metric: tuple(levels[row.pk, metric]) for metric in metrics},
            )
            if row.state != VersionState.DRAFT:
                _keep(_versions, row.pk, version)
        found.append(version)
    return found


def _keep(kept: dict[UUID, Any], key: UUID, value: Any) -> None:
    while len(kept) >= KEPT:
        kept.pop(next(iter(kept)), None)
    kept[key] = value
