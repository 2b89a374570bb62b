"""Team members, skills, and the structure with the people who head and own it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone
from django_filters import filters as f
from rest_framework import serializers

from apps.core.api import strict
from apps.core.api.filters import filters_for
from apps.core.api.nested import NestedViewSet
from apps.core.api.record_views import RecordViewSet
from apps.core.api.resources import ENVELOPE, Resource
from apps.core.api.serializers import ObjectList, RecordSerializer, StrictInput
from apps.core.authorization import Action, within_reach
from apps.organizations.api.resources import COST_CENTRES
from apps.organizations.api.serializers import DepartmentOutlineSerializer as StructureSerializer
from apps.organizations.api.views import DepartmentViewSet as StructureViewSet
from apps.organizations.models import CostCentre, Department, Team
from apps.users import heads, membership
from apps.users.api.availability import ColleagueSerializer, OutOfOffice, ShowsAvailability
from apps.users.models import CostCentreOwner, DepartmentHead, PresenceStatus, Skill, TeamMember, User

MAX_SKILLS = 100

SKILLS = Resource(
    "skills",
    Skill,
    fields=("name", "description"),
    filters=("name",),
    search=("name", "description"),
    orderings=("name", "created_at"),
    default_ordering="name",
)


class MemberSkillSerializer(StrictInput):
    """How good a member is at a skill: 1 beginner to 5 expert."""

    skill = strict.IdField(source="skill_id")
    level = strict.IntegerField(min_value=1, max_value=5)


class TeamMemberSerializer(RecordSerializer):
    """A person's place in a team. `skills` is replaced as a whole."""

    skills: Any = ObjectList(child=MemberSkillSerializer(), required=False, max_length=MAX_SKILLS)
    presence = serializers.ChoiceField(choices=PresenceStatus.choices, source="availability.presence", read_only=True)
    out_of_office = OutOfOffice(source="availability", read_only=True)

    class Meta:
        model = TeamMember
        fields = (
            "id", "team", "user", "is_lead", "capacity", "calendar", "skills", "presence", "out_of_office",
            "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = (*ENVELOPE, "team")
        extra_kwargs: ClassVar[dict[str, Any]] = {"capacity": {"max_value": 1000}}
        expandable: ClassVar[dict[str, Any]] = {"user": (ColleagueSerializer, "users")}


class TeamMemberViewSet(NestedViewSet, ShowsAvailability):
    """Who works in a team. A team may have several leads."""

    model = TeamMember
    resource = "team_members"
    serializer_class = TeamMemberSerializer
    filterset_class = type(
        "TeamMemberFilter",
        (filters_for(TeamMember, ("user", "is_lead", "capacity", "created_at", "updated_at")),),
        {"skill": f.UUIDFilter(field_name="skills__skill_id")},
    )
    orderings = ("created_at", "capacity")
    default_ordering = "created_at"
    parent_key, parent_field = "team_pk", "team_id"

    def parents(self) -> Any:
        """Teams whose members the caller may read, if only their own membership."""
        teams = Team.objects.visible_to(self.actor).alive()
        wholly = within_reach(teams, self.actor, Action.READ, self.resource)
        members = within_reach(TeamMember.objects.visible_to(self.actor), self.actor, Action.READ, self.resource)
        return wholly | teams.filter(pk__in=members.values("team_id"))

    def shaped(self, queryset: Any) -> Any:
        return super().shaped(queryset).prefetch_related("skills")

    def person_of(self, row: Any) -> Any:
        return row.user_id

    def create_record(self, values: Mapping[str, Any]) -> Any:
        team_id = self.parent().pk
        return membership.add_member(actor=self.actor, at=timezone.now(), team_id=team_id, values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return membership.change_member(record, actor=self.actor, at=timezone.now(), values=values)

    def delete_record(self, record: Any) -> None:
        membership.remove_member(record, actor=self.actor, at=timezone.now())


class ShowsPerson(RecordViewSet):
    """A record of structure with one person of ours beside it, shown in its body like any other reference."""

    person: ClassVar[str]
    person_kind: ClassVar[type[Any]]
    person_key: ClassVar[str]

    def shaped(self, queryset: Any) -> Any:
        joins = [name for name in self.expanded() if name != self.person]
        return queryset.select_related(*joins) if joins else queryset

    def represent_all(self, rows: list[Any]) -> list[Any]:
        beside = self.person_kind.objects.filter(**{f"{self.person_key}__in": [row.pk for row in rows]})
        ids = dict(beside.values_list(self.person_key, "user_id"))
        is_embedded = self.person in self.expanded()
        people = User.objects.visible_to(self.actor).in_bulk(list(ids.values())) if is_embedded and ids else {}
        for row in rows:
            setattr(row, f"{self.person}_id", ids.get(row.pk))
            if is_embedded:
                setattr(row, self.person, people.get(ids.get(row.pk)))
        return super().represent_all(rows)


class DepartmentSerializer(StructureSerializer):
    """A node of the organization chart, with who heads it."""

    head = strict.ReferenceField(queryset=User.objects, required=False, allow_null=True)

    class Meta(StructureSerializer.Meta):
        fields = (*StructureSerializer.Meta.fields, "head")
        expandable = {**StructureSerializer.Meta.expandable, "head": (ColleagueSerializer, "users")}


class DepartmentViewSet(ShowsPerson, StructureViewSet):
    """The organization chart: departments, each below another or on top, each with at most one head."""

    serializer_class = DepartmentSerializer
    filterset_class = type(
        "DepartmentFilter",
        (filters_for(Department, ("name", "parent", "cost_centre", "created_at", "updated_at")),),
        {"head": f.UUIDFilter(field_name="headed_by__user_id")},
    )
    person, person_kind, person_key = "head", DepartmentHead, "department_id"

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return heads.create_department(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return heads.change_department(record, actor=self.actor, at=timezone.now(), values=values)


class CostCentreSerializer(RecordSerializer):
    """What work is charged to, and who answers for it."""

    owner = strict.ReferenceField(queryset=User.objects, required=False, allow_null=True)

    class Meta:
        model = CostCentre
        fields = ("id", *COST_CENTRES.fields, "owner", "created_at", "updated_at", "version")
        read_only_fields = ENVELOPE
        expandable: ClassVar[dict[str, Any]] = {"owner": (ColleagueSerializer, "users")}


class CostCentreViewSet(ShowsPerson):
    """Cost centres, each with at most one owner."""

    model = CostCentre
    resource = "cost_centres"
    serializer_class = CostCentreSerializer
    filterset_class = type(
        "CostCentreFilter",
        (filters_for(CostCentre, (*COST_CENTRES.filters, "created_at", "updated_at")),),
        {"owner": f.UUIDFilter(field_name="owned_by__user_id")},
    )
    orderings = COST_CENTRES.orderings
    default_ordering = COST_CENTRES.default_ordering
    search_columns = COST_CENTRES.search
    person, person_kind, person_key = "owner", CostCentreOwner, "cost_centre_id"

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return heads.create_cost_centre(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return heads.change_cost_centre(record, actor=self.actor, at=timezone.now(), values=values)
