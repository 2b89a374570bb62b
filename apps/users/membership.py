"""Verbs on team membership. A membership holds for rights from the next request on: they are read when it begins."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import events, records
from apps.core.actors import Actor
from apps.core.errors import FieldError, Invalid
from apps.users.access import refuse_giving_roles_of_team
from apps.users.models import MemberSkill, Skill, TeamMember
from apps.users.people import refuse_inactive

Skills = Sequence[Mapping[str, Any]]


def add_member(*, actor: Actor, at: datetime, team_id: UUID, values: Mapping[str, Any]) -> TeamMember:
    """Somebody's place in a team, with `skills` [{skill_id, level}].

    Raises Invalid for somebody inactive or an unknown skill; Denied when the team's roles give more than the actor holds.
    A second membership of the same team is a duplicate key.
    """
    plain, skills = _split(values)
    refuse_inactive(plain["user_id"], "/user")
    refuse_giving_roles_of_team(team_id, actor=actor, at=at)
    _check(skills, actor)
    beside = {"skills": (None, _told(skills))} if skills else None
    member = records.create(TeamMember, actor=actor, at=at, values={"team_id": team_id, **plain}, beside=beside)
    _write(member, skills)
    return member


def change_member(member: TeamMember, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> TeamMember:
    """Change a locked membership; `skills` replaces all of them. Raises Invalid; team and person stay."""
    plain, skills = _split(values)
    if plain.get("user_id", member.user_id) != member.user_id:
        raise Invalid(errors=[FieldError("/user", "immutable", "Remove the member and add the other one.")])
    beside = _replace(member, skills, actor) if "skills" in values else None
    return records.change(member, actor=actor, at=at, values=plain, beside=beside)


def remove_member(member: TeamMember, *, actor: Actor, at: datetime) -> None:
    """End a locked membership; what the team's roles gave ends with it."""
    records.delete(member, actor=actor, at=at)


def _split(values: Mapping[str, Any]) -> tuple[dict[str, Any], Skills]:
    return {name: value for name, value in values.items() if name != "skills"}, values.get("skills", ())


def _replace(member: TeamMember, skills: Skills, actor: Actor) -> events.Changes | None:
    before = dict(MemberSkill.objects.filter(member_id=member.pk).values_list("skill_id", "level"))
    _check(skills, actor)
    if before == {skill["skill_id"]: skill["level"] for skill in skills}:
        return None
    MemberSkill.objects.filter(member_id=member.pk).delete()
    _write(member, skills)
    told = _told([{"skill_id": skill_id, "level": level} for skill_id, level in before.items()])
    return {"skills": (told, _told(skills))}


def _check(skills: Skills, actor: Actor) -> None:
    """Raises Invalid naming each skill that is unknown, or comes twice."""
    wanted = [skill["skill_id"] for skill in skills]
    known = set(Skill.objects.visible_to(actor).filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else set()
    problems = [
        FieldError(f"/skills/{place}/skill", "does_not_exist", f"{skill_id} does not exist.")
        if skill_id not in known
        else FieldError(f"/skills/{place}/skill", "duplicate", "This skill is named twice.")
        for place, skill_id in enumerate(wanted)
        if skill_id not in known or skill_id in wanted[:place]
    ]
    if problems:
        raise Invalid(errors=problems)


def _write(member: TeamMember, skills: Skills) -> None:
    MemberSkill.objects.bulk_create(
        MemberSkill(organization_id=member.organization_id, member=member, **skill) for skill in skills
    )


def _told(skills: Skills) -> list[dict[str, Any]]:
    """As the event keeps them."""
    return [
        {"skill": str(skill["skill_id"]), "level": skill["level"]}
        for skill in sorted(skills, key=lambda each: str(each["skill_id"]))
    ]
