"""A version in words."""

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.cmdb.models import Service
from apps.core.admin import pretty, table
from apps.organizations.models import Team
from apps.sla.admin.words import condition, duration, metric
from apps.sla.models import PolicyVersion
from apps.tickets.models import Category


def shown(version: PolicyVersion) -> SafeString:
    """For whom, targets, levels, and rules that differ."""
    names = _names(version)
    targets = version.targets.select_related("calendar").order_by("position")
    levels = version.levels.order_by("position")
    return format_html(
        '<p class="mb-4">For tickets: {}</p>{}<br>{}{}',
        condition(version.match, names),
        table(
            ("Metric", "Where", "Target", "Calendar"),
            (
                (
                    metric(target.metric),
                    condition(target.applies, names),
                    f"{target.business_days} business days"
                    if target.business_days is not None
                    else duration(target.target_seconds),
                    target.calendar or "always open",
                )
                for target in targets
            ),
        ),
        table(
            ("Metric", "At", "Does", "When"),
            (
                (
                    metric(level.metric),
                    level.words,
                    "; ".join(_action(action) for action in level.actions) or "is written down",
                    "around the clock" if level.is_around_the_clock else "in open time",
                )
                for level in levels
            ),
        ),
        pretty(version.rules) if version.rules else "",
    )


def _action(action: dict[str, Any]) -> str:
    to = ", ".join(name.replace("_", " ") for name in action.get("to", []))
    return f"{str(action.get('do', '')).replace('_', ' ')} {to}".strip()


def _names(version: PolicyVersion) -> dict[str, str]:
    """Of the services, categories and teams that its conditions name."""
    clauses = [*version.match, *(clause for target in version.targets.all() for clause in target.applies)]
    ids = {
        value
        for clause in clauses
        for name, given in clause.items()
        if name in {"service", "category", "team"}
        for value in (given.get("not", []) if isinstance(given, dict) else given)
        if value is not None
    }
    found: dict[str, str] = {}
    if ids:
        for model in (Service, Category, Team):
            rows: Any = model
            found |= {str(pk): name for pk, name in rows.objects.filter(pk__in=ids).values_list("pk", "name")}
    return found
