"""Who works where and who is reachable when, in the admin: written by the same verbs as over the API."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.core.actors import Actor
from apps.core.admin import ReadOnlyAdmin, RecordAdmin
from apps.core.authorization import Action
from apps.users import absences, coverage, membership, rosters, rotas
from apps.users.models import (
    Absence,
    CostCentreOwner,
    DepartmentHead,
    MemberSkill,
    OnCallCoverage,
    OnCallOverride,
    OnCallRota,
    Presence,
    RotaMember,
    RotaVersion,
    Skill,
    TeamMember,
    User,
)

SHOWN_SHIFTS = timedelta(weeks=4)


def _names(user_ids: Iterable[UUID | None]) -> dict[UUID | None, str]:
    return dict(User.objects.filter(pk__in={pk for pk in user_ids if pk}).values_list("pk", "full_name"))


@admin.register(Skill)
class SkillAdmin(RecordAdmin):
    resource = "skills"
    list_display = ("name", "description", "updated_at")
    search_fields = ("name", "description")
    ordering = ("name",)


class KeptAdmin(RecordAdmin):
    """Who and where it is stays when it is changed."""

    kept: tuple[str, ...] = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.kept if obj is not None else ()


@admin.register(TeamMember)
class TeamMemberAdmin(KeptAdmin):
    """Skills are set through the API, as a whole."""

    resource = "team_members"
    kept = ("team", "user")
    list_display = ("user", "team", "is_lead", "capacity")
    linked_lookups = ("team", "user")
    list_select_related = ("team", "user")
    list_filter = ("is_lead",)
    search_fields = ("team__name", "user__full_name")
    ordering = ("team", "user")
    fields = ("team", "user", "is_lead", "capacity", "calendar")

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return membership.add_member(actor=actor, at=at, team_id=values.pop("team_id"), values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return membership.change_member(record, actor=actor, at=at, values=values)

    def delete_record(self, record: Any, *, actor: Actor, at: Any) -> None:
        membership.remove_member(record, actor=actor, at=at)


@admin.register(MemberSkill)
class MemberSkillAdmin(ReadOnlyAdmin):
    resource = "team_members"
    list_display = ("member", "skill", "level")
    list_select_related = ("member__team", "member__user", "skill")
    list_filter = ("level",)
    search_fields = ("skill__name", "member__user__full_name")
    ordering = ("member", "skill")


@admin.register(DepartmentHead)
class DepartmentHeadAdmin(ReadOnlyAdmin):
    resource = "departments"
    list_display = ("department", "user", "since")
    list_select_related = ("department", "user")
    search_fields = ("department__name", "user__full_name")
    ordering = ("department",)


@admin.register(CostCentreOwner)
class CostCentreOwnerAdmin(ReadOnlyAdmin):
    resource = "cost_centres"
    list_display = ("cost_centre", "user", "since")
    list_select_related = ("cost_centre", "user")
    search_fields = ("cost_centre__name", "user__full_name")
    ordering = ("cost_centre",)


@admin.register(Presence)
class PresenceAdmin(ReadOnlyAdmin):
    resource = "users"
    list_display = ("user", "status", "since")
    list_select_related = ("user",)
    list_filter = ("status",)
    search_fields = ("user__full_name",)
    ordering = ("user",)


@admin.register(Absence)
class AbsenceAdmin(KeptAdmin):
    resource = "absences"
    kept = ("user",)
    list_display = ("user", "starts_at", "ends_at", "delegate")
    list_select_related = ("user", "delegate")
    search_fields = ("user__full_name", "note")
    ordering = ("-starts_at",)
    fields = ("user", "starts_at", "ends_at", "delegate", "note")

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return absences.plan_absence(actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return absences.change_absence(record, actor=actor, at=at, values=values)

    def delete_record(self, record: Any, *, actor: Actor, at: Any) -> None:
        absences.delete_absence(record, actor=actor, at=at)


@admin.register(OnCallRota)
class OnCallRotaAdmin(ReadOnlyAdmin):
    """Read here; an order of people with the instant from which it holds is written through the API."""

    resource = "on_call"
    list_display = ("name", "team", "layer")
    list_select_related = ("team",)
    search_fields = ("name", "team__name")
    ordering = ("name",)
    fields = ("name", ("team", "layer"), "shown_on_call", "shown_shifts", "shown_gaps")
    readonly_fields = ("shown_on_call", "shown_shifts", "shown_gaps")

    @display(description="on call now")
    def shown_on_call(self, rota: OnCallRota) -> str:
        at = timezone.now()
        (found,) = rosters.on_call([rota], at=at, now=at)
        return _names([found.user_id]).get(found.user_id, "nobody")

    @display(description="next four weeks")
    def shown_shifts(self, rota: OnCallRota) -> SafeString:
        """As planned: with overrides, without absences."""
        at = timezone.now()
        shifts = rosters.shifts_of(rota, begin=at, end=at + SHOWN_SHIFTS)
        names = _names(shift.user_id for shift in shifts)
        rows = ((f"{shift.starts_at:%Y-%m-%d %H:%M}", names.get(shift.user_id, "nobody")) for shift in shifts)
        return format_html_join("", "<div>from {}: {}</div>", rows) or format_html("-")

    @display(description="nobody of the team is on call, next four weeks")
    def shown_gaps(self, rota: OnCallRota) -> SafeString:
        """At the hours that are promised to be covered, or at any where none are."""
        at = timezone.now()
        found = coverage.gaps(rota.team_id, at, at + SHOWN_SHIFTS, now=at)
        rows = ((f"{gap.starts_at:%Y-%m-%d %H:%M}", f"{gap.ends_at:%Y-%m-%d %H:%M}") for gap in found)
        return format_html_join("", "<div>from {} to {} UTC</div>", rows) or format_html("-")


@admin.register(OnCallCoverage)
class OnCallCoverageAdmin(KeptAdmin):
    """When somebody of a team must be on call; what the rotas do not keep is refused."""

    resource = "on_call"
    kept = ("team",)
    list_display = ("team", "time_zone", "covered_from")
    list_select_related = ("team",)
    search_fields = ("team__name",)
    ordering = ("team",)
    fields = ("team", "time_zone", "hours", "covered_from")

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return coverage.create_coverage(actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return coverage.change_coverage(record, actor=actor, at=at, values=values)


@admin.register(RotaVersion)
class RotaVersionAdmin(ReadOnlyAdmin):
    resource = "on_call"
    list_display = (
        "rota",
        "effective_at",
        "time_zone",
        "handover_weekday",
        "handover_time",
        "weeks_per_turn",
        "is_active",
    )
    list_select_related = ("rota",)
    search_fields = ("rota__name",)
    ordering = ("-effective_at",)


@admin.register(RotaMember)
class RotaMemberAdmin(ReadOnlyAdmin):
    resource = "on_call"
    list_display = ("rota_version", "position", "user")
    list_select_related = ("rota_version__rota", "user")
    search_fields = ("rota_version__rota__name", "user__full_name")
    ordering = ("rota_version", "position")


@admin.register(OnCallOverride)
class OnCallOverrideAdmin(KeptAdmin):
    resource = "on_call"
    write_action = Action.UPDATE
    kept = ("rota",)
    list_display = ("rota", "user", "starts_at", "ends_at", "reason")
    list_select_related = ("rota", "user")
    search_fields = ("rota__name", "user__full_name", "reason")
    ordering = ("-starts_at",)
    fields = ("rota", "user", "starts_at", "ends_at", "reason")

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        rota = OnCallRota.objects.visible_to(actor).get(pk=values.pop("rota_id"))
        return rotas.add_override(actor=actor, at=at, rota=rota, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return rotas.change_override(record, actor=actor, at=at, values=values)

    def delete_record(self, record: Any, *, actor: Actor, at: Any) -> None:
        rotas.delete_override(record, actor=actor, at=at)
