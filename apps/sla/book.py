"""The policies of an organization as the engine reads them: compiled, in order, and never changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from apps.organizations.calendars import ALWAYS, HORIZON, BeyondHorizon, OpenHours, business_between, days_later
from apps.sla.choices import OF_TEAM, Selection
from apps.sla.clock import LevelRule, Plan, reckoned
from apps.sla.conditions import Condition, Facts
from apps.sla.rules import Rules

# Agreement and metric: at most one timer of each runs on a ticket.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class TargetRule:
    """How long one metric may take where `applies` holds."""

    id: UUID
    applies: Condition
    seconds: int | None
    business_days: int | None
    calendar_id: UUID | None

    def seconds_from(self, start: datetime, hours: OpenHours) -> int:
        """The target in open seconds, for what starts then."""
        if self.seconds is not None:
            return self.seconds
        try:
            end = days_later(start, self.business_days or 0, hours)
        except BeyondHorizon:
            end = start + HORIZON
        return max(1, business_between(start, end, hours))


@dataclass(frozen=True, slots=True)
class VersionRule:
    """One version of a policy."""

    id: UUID
    policy_id: UUID
    agreement: str
    match: Condition
    rules: Mapping[str, Rules]
    targets: Mapping[str, tuple[TargetRule, ...]]
    levels: Mapping[str, tuple[LevelRule, ...]]

    def targets_for(self, facts: Facts) -> dict[str, TargetRule]:
        """By metric the first that applies; none of a ticket that the version is not for."""
        if not self.match.holds(facts):
            return {}
        found = {}
        for metric, targets in self.targets.items():
            target = next((target for target in targets if target.applies.holds(facts)), None)
            if target is not None:
                found[metric] = target
        return found


@dataclass(frozen=True, slots=True)
class Hours:
    """A calendar's current version; always open where it has none."""

    version_id: UUID | None = None
    open: OpenHours = ALWAYS


@dataclass(frozen=True, slots=True)
class Choice:
    """What a timer is to be measured by."""

    version: VersionRule
    target: TargetRule
    hours: Hours

    def plan(self, metric: str) -> Plan:
        return Plan(self.hours.open, self.version.levels.get(metric, ()), self.hours.version_id)


@dataclass(frozen=True, slots=True)
class Book:
    """The published versions in the order of their policies, and the current calendars."""

    versions: tuple[VersionRule, ...] = ()
    calendars: Mapping[UUID, Hours] = field(default_factory=dict)
    selection: str = Selection.FIRST_MATCH

    def hours(self, target: TargetRule) -> Hours:
        return Hours() if target.calendar_id is None else self.calendars[target.calendar_id]

    def choose(self, facts: Facts, *, since: datetime, pinned: Mapping[UUID, VersionRule]) -> dict[Key, Choice]:
        """Which target counts, by agreement and metric. A policy with timers on the ticket speaks by the version they are pinned to.

        `since`: what a strictest deadline is worked out from.
        """
        chosen: dict[Key, Choice] = {}
        deadlines: dict[Key, datetime] = {}
        for current in self.versions:
            version = pinned.get(current.policy_id, current)
            if version.agreement in OF_TEAM and facts["team"] is None:
                continue
            for metric, target in version.targets_for(facts).items():
                key = (version.agreement, metric)
                choice = Choice(version, target, self.hours(target))
                if self.selection == Selection.FIRST_MATCH:
                    chosen.setdefault(key, choice)
                    continue
                deadline = reckoned(since, target.seconds_from(since, choice.hours.open), choice.hours.open)
                if key not in chosen or deadline < deadlines[key]:
                    chosen[key], deadlines[key] = choice, deadline
        return chosen
