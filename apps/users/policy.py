"""The built-in roles of API.md as one table, and the authorizer that answers from it. What is not in the table is denied."""

from collections.abc import Mapping
from typing import Any

from apps.core.actors import Actor
from apps.core.authorization import Action, Decision, Reach
from apps.users.models import UserType

Grants = Mapping[str, Mapping[Action, Reach]]

A, ORGANIZATION = Action, Reach.ORGANIZATION
STRUCTURE = ("users", "teams", "departments", "sites", "cost_centres")
CONFIGURATION = ("calendars",)


def _each(resources: tuple[str, ...], *actions: Action) -> dict[str, dict[Action, Reach]]:
    return {resource: dict.fromkeys(actions, ORGANIZATION) for resource in resources}


READERS: Grants = {**_each(STRUCTURE, A.READ), **_each(CONFIGURATION, A.READ), **_each(("organizations",), A.READ)}
ROLES: Mapping[str, Grants] = {
    UserType.END_USER: {},
    UserType.AGENT: READERS,
    UserType.MANAGER: READERS,
    UserType.ADMIN: {
        **_each(STRUCTURE, A.CREATE, A.READ, A.UPDATE, A.DELETE, A.EXPORT),
        **_each(CONFIGURATION, A.READ, A.CONFIGURE),
        **_each(("organizations",), A.READ, A.UPDATE),
        **_each(("audit",), A.READ, A.VERIFY, A.EXPORT),
    },
}


class RoleTable:
    """core.authorization.Authorizer over the built-in roles. The platform itself may everything; it asks to be explainable."""

    def decide(self, actor: Actor, action: Action, resource: str, subject: Any = None) -> Decision:
        if actor.is_system:
            return Decision(True, ORGANIZATION, (f"{actor.label} is the platform itself",))
        reach = ROLES.get(actor.role, {}).get(resource, {}).get(action)
        if reach is None:
            return Decision(False, None, (f"the role {actor.role or 'none'} has no grant {resource}.{action}",))
        return Decision(True, reach, (f"the role {actor.role} grants {resource}.{action} in its {reach}",))
