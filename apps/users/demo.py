"""The demo's people and how they work together. Their passwords are published, so they exist in demo and test mode alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from apps.core import demo, records, tenancy
from apps.core.actors import Actor
from apps.organizations.models import CostCentre, Department, Site, Team
from apps.organizations.services import find_organization
from apps.users import absences, heads, membership, rotas
from apps.users.models import Skill, TeamMember, UserType
from apps.users.services import create_user, find_user

IT, FINANCE = "Information technology", "Finance"


@dataclass(frozen=True, slots=True)
class Part:
    """Somebody of the cast; `site` counts the organization's sites by name, `reports_to` names another part."""

    full_name: str
    user_type: str
    job_title: str = ""
    department: str = ""
    site: int = 0
    reports_to: str = ""
    is_vip: bool = False


# Whoever is reported to comes first.
CAST = {
    "admin": Part("Dana Admin", UserType.ADMIN, "Platform administrator", IT),
    "manager": Part("Carol Manager", UserType.MANAGER, "Head of IT service", IT),
    "agent": Part("Alice Agent", UserType.AGENT, "Service desk analyst", IT, reports_to="manager"),
    "agent2": Part("Arthur Agent", UserType.AGENT, "Network engineer", IT, site=1, reports_to="manager"),
    "requester2": Part("Rita Requester", UserType.END_USER, "Finance director", FINANCE, site=1, is_vip=True),
    "requester": Part("Bob Requester", UserType.END_USER, "Accountant", FINANCE, reports_to="requester2"),
}
OPERATORS = {"operator": Part("Olga Operator", UserType.ADMIN, "Platform operator")}
SKILLS = {"Networking": "Switches, lines and Wi-Fi", "Windows": "Clients and servers", "German": "Spoken and written"}
# Team: whoever is in it, with the level of their skills. The manager leads.
MEMBERS: dict[str, dict[str, dict[str, int]]] = {
    "Service Desk": {"manager": {}, "agent": {"Windows": 4, "German": 5}, "agent2": {"Windows": 2}},
    "Network": {"manager": {}, "agent2": {"Networking": 5}},
}


@demo.part(floor=2)
def load(at: datetime, accounts: dict[str, Any]) -> None:
    if settings.ITSM_MODE == "production":
        raise ImproperlyConfigured("The demo's accounts are never made in production.")
    for slug, people in accounts.items():
        organization_id = find_organization(slug)
        assert organization_id is not None, "the floor below has made it"
        cast = OPERATORS if slug == "operators" else CAST
        with tenancy.tenant(organization_id), transaction.atomic():
            actor = Actor.system(organization_id, "demo")
            ids = _people(actor, at, slug, cast)
            if cast is CAST and not TeamMember.objects.exists():
                _arrange(actor, at, ids)
        for role in cast:
            people[role] = _account(slug, role)


def _account(slug: str, role: str) -> dict[str, str]:
    return {"email": f"{role}@{slug}.example", "password": f"demo-{slug}-{role}"}


def _people(actor: Actor, at: datetime, slug: str, cast: dict[str, Part]) -> dict[str, UUID]:
    """Everybody by their part; who is missing is made."""
    departments = dict(Department.objects.values_list("name", "id"))
    sites = list(Site.objects.order_by("name"))
    ids: dict[str, UUID] = {}
    for role, part in cast.items():
        account = _account(slug, role)
        known = find_user(account["email"])
        if known is not None:
            ids[role] = known[0]
            continue
        site = sites[part.site] if sites else None
        user = create_user(
            actor=actor,
            at=at,
            **account,
            full_name=part.full_name,
            user_type=part.user_type,
            job_title=part.job_title,
            is_vip=part.is_vip,
            department_id=departments.get(part.department),
            site_id=site.pk if site else None,
            manager_id=ids.get(part.reports_to),
            time_zone=site.time_zone if site else "UTC",
        )
        ids[role] = user.pk
    return ids


def _arrange(actor: Actor, at: datetime, ids: dict[str, UUID]) -> None:
    """Teams, heads, a rota with an override, and who is away."""
    as_system: dict[str, Any] = {"actor": actor, "at": at}
    skills = {
        name: records.create(Skill, **as_system, values={"name": name, "description": text}).pk
        for name, text in SKILLS.items()
    }
    for name, members in MEMBERS.items():
        team = Team.objects.get(name=name)
        for role, levels in members.items():
            known = [{"skill_id": skills[skill], "level": level} for skill, level in levels.items()]
            # Who leads gets what nobody else accepts, and nothing else by itself.
            is_lead = role == "manager"
            values = {"user_id": ids[role], "is_lead": is_lead, "capacity": 0 if is_lead else 10, "skills": known}
            membership.add_member(**as_system, team_id=team.pk, values=values)
    heads.change_department(Department.objects.get(name=IT), **as_system, values={"head_id": ids["manager"]})
    heads.change_cost_centre(CostCentre.objects.get(code="4100"), **as_system, values={"owner_id": ids["manager"]})
    _on_call(actor, at, ids)
    for away, stands_in, begin in (("requester2", "requester", at), ("agent2", "agent", at + timedelta(days=14))):
        values = {
            "user_id": ids[away],
            "delegate_id": ids[stands_in],
            "starts_at": begin,
            "ends_at": begin + timedelta(days=7),
            "note": "On holiday",
        }
        absences.plan_absence(**as_system, values=values)


def _on_call(actor: Actor, at: datetime, ids: dict[str, UUID]) -> None:
    desk = Team.objects.get(name="Service Desk")
    rota = rotas.create_rota(
        actor=actor,
        at=at,
        values={
            "name": "Service desk out of hours",
            "team_id": desk.pk,
            "time_zone": Site.objects.order_by("name").values_list("time_zone", flat=True)[0],
            "starts_on": (at - timedelta(days=at.weekday())).date(),
            "handover_weekday": 0,
            "handover_time": "09:00",
            "members": [ids["agent"], ids["agent2"]],
        },
    )
    begin = at.replace(hour=18, minute=0, second=0, microsecond=0) + timedelta(days=1)
    values = {
        "user_id": ids["manager"],
        "starts_at": begin,
        "ends_at": begin + timedelta(hours=12),
        "reason": "Release night",
    }
    rotas.add_override(actor=actor, at=at, rota=rota, values=values)
