"""Policies: write a version, publish it, withdraw a policy. A published version is never changed; timers are pinned to theirs."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Max

from apps.core import events, records
from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.core.errors import Conflict, FieldError, Invalid, NotFound
from apps.core.models import new_id
from apps.sla import checking, reaching, references
from apps.sla.choices import Adoption, Selection, VersionState
from apps.sla.models import Level, Policy, PolicyVersion, Settings, Target, Timer

RESOURCE = "sla"
R = TypeVar("R", Policy, Settings)


def restamp(organization_id: UUID) -> None:
    """New timers are chosen anew from the next transaction on."""
    Settings.objects.filter(organization_id=organization_id).update(stamp=new_id())


def create(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Policy:
    """A policy that says nothing yet; without a position it is asked last. Raises Denied."""
    require(actor, Action.CONFIGURE, RESOURCE)
    settings(actor.organization_id, at=at)
    given = dict(values)
    if given.get("position") is None:
        given["position"] = (Policy.objects.aggregate(last=Max("position"))["last"] or 0) + 1
    return records.create(Policy, actor=actor, at=at, values=given)


def change(policy: Policy, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Policy:
    """Another name, place or description of a locked policy. Raises Denied; Conflict for another agreement once published.

    It is withdrawn by `withdrawing.withdraw`, which ends its timers.
    """
    require(actor, Action.CONFIGURE, RESOURCE)
    if values.get("is_active", policy.is_active) != policy.is_active:
        raise Conflict("A policy is withdrawn, not switched off; accepted: its withdrawal.", code="withdraw")
    is_other = values.get("agreement", policy.agreement) != policy.agreement
    if is_other and policy.versions.exclude(state=VersionState.DRAFT).exists():
        raise Conflict("It was published; accepted: another policy with that agreement.", code="published")
    return _changed(policy, actor=actor, at=at, values=values)


def choose_by(selection: str, *, actor: Actor, at: datetime) -> Settings:
    """How new timers are chosen among several policies: `first_match` or `strictest`. Raises Denied, Invalid."""
    require(actor, Action.CONFIGURE, RESOURCE)
    if selection not in Selection.values:
        detail = f"Accepted: {', '.join(Selection.values)}."
        raise Invalid(errors=[FieldError("/selection", "invalid_choice", detail)])
    locked = records.lock(Settings, settings(actor.organization_id, at=at).pk, actor=actor)
    return _changed(locked, actor=actor, at=at, values={"selection": selection})


def _changed(row: R, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> R:
    before = row.version
    changed = records.change(row, actor=actor, at=at, values=values)
    if changed.version != before:
        restamp(actor.organization_id)
    return changed


def settings(organization_id: UUID, *, at: datetime) -> Settings:
    """How the organization chooses; made where there is none."""
    row, _ = Settings.objects.get_or_create(
        organization_id=organization_id, defaults={"created_at": at, "updated_at": at}
    )
    found: Settings = row
    return found


def draft(policy: Policy, *, actor: Actor, at: datetime, content: Mapping[str, Any]) -> PolicyVersion:
    """A new version of a locked policy, or its draft written anew. Raises Denied, Invalid naming all that is wrong.

    `content`: match, rules, targets, levels, note (apps.sla.checking). What it is warned of stands in `warnings`.
    """
    require(actor, Action.CONFIGURE, RESOURCE)
    errors, warnings = checking.check(content)
    errors += references.missing(content)
    errors = errors or reaching.too_far(content, at=at)
    if errors:
        raise Invalid(errors=errors)
    # Written anew, not changed: whoever looked at the old draft finds it gone.
    policy.versions.filter(state=VersionState.DRAFT).delete()
    last = policy.versions.aggregate(last=Max("number"))["last"] or 0
    version = PolicyVersion(
        organization_id=policy.organization_id,
        policy=policy,
        number=last + 1,
        match=content.get("match", [{}]),
        rules=content.get("rules", {}),
        note=content.get("note", ""),
        warnings=warnings,
        created_at=at,
    )
    version.save(force_insert=True)
    Target.objects.bulk_create(_targets(version, content))
    Level.objects.bulk_create(_levels(version, content))
    events.record(
        "sla_policy.drafted", policy, actor=actor, at=at, policy_version=str(version.pk), number=version.number
    )
    return version


def _targets(version: PolicyVersion, content: Mapping[str, Any]) -> Iterable[Target]:
    for position, target in enumerate(content["targets"]):
        yield Target(
            organization_id=version.organization_id,
            version=version,
            metric=target["metric"],
            position=position,
            applies=target.get("applies", [{}]),
            target_seconds=target.get("seconds"),
            business_days=target.get("business_days"),
            calendar_id=target.get("calendar"),
        )


def _levels(version: PolicyVersion, content: Mapping[str, Any]) -> Iterable[Level]:
    """As they are given, and of each metric the breach, which is always told."""
    given = list(content.get("levels") or [])
    metrics = {target["metric"] for target in content["targets"]}
    breaches = {level["metric"] for level in given if level.get("percent") == 100 or level.get("offset_seconds") == 0}
    given += [{"metric": metric, "percent": 100} for metric in sorted(metrics - breaches)]
    for position, level in enumerate(given):
        yield Level(
            organization_id=version.organization_id,
            version=version,
            metric=level["metric"],
            position=position,
            percent=level.get("percent"),
            offset_seconds=level.get("offset_seconds"),
            actions=level.get("actions", []),
            applies=level.get("applies") or [{}],
            is_until_acknowledged=level.get("is_until_acknowledged", False),
            is_around_the_clock=level.get("is_around_the_clock", False),
        )


def publish(version: PolicyVersion, *, actor: Actor, at: datetime, adoption: str = Adoption.NEW_ONLY) -> PolicyVersion:
    """Let new tickets be measured by a draft; open ones too where `adoption` says so, which `moving.migrate` then does.

    Raises Denied, Conflict for what is no draft.
    """
    require(actor, Action.CONFIGURE, RESOURCE)
    policy = records.lock(Policy, version.policy_id, actor=actor)
    locked: PolicyVersion | None = PolicyVersion.objects.select_for_update().filter(pk=version.pk).first()
    if locked is None:
        raise NotFound
    if locked.state != VersionState.DRAFT:
        raise Conflict(
            f"It is {locked.state}; accepted: a draft.", code="illegal_transition", current_status=locked.state
        )
    policy.versions.filter(state=VersionState.PUBLISHED).update(state=VersionState.RETIRED, retired_at=at)
    locked.state, locked.published_at = VersionState.PUBLISHED, at
    locked.save(update_fields=["state", "published_at"])
    settings(actor.organization_id, at=at)
    restamp(actor.organization_id)
    told: dict[str, Any] = {"policy_version": str(locked.pk), "number": locked.number, "adoption": adoption}
    if policy.is_active:
        events.record("sla_policy.published", policy, actor=actor, at=at, **told)
    else:
        # Withdrawn once, and promised again.
        records.change(policy, actor=actor, at=at, values={"is_active": True}, verb="published", told=told)
    return locked


def withdraw(policy: Policy, *, actor: Actor, at: datetime) -> int:
    """Promise it no more: a locked policy chooses nothing from now on. Says how many timers still run by it.

    Those `withdrawing` ends. Raises Denied.
    """
    require(actor, Action.CONFIGURE, RESOURCE)
    count = Timer.objects.live().filter(version__policy_id=policy.pk).count()
    records.change(policy, actor=actor, at=at, values={"is_active": False}, verb="withdrawn", told={"timers": count})
    restamp(actor.organization_id)
    return count
