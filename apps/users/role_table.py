"""The built-in roles, exactly as the contract's table has them, and the actions that each resource knows.

New organizations get these as rows; custom roles are checked against the vocabulary here.
"""

from collections.abc import Iterable, Mapping

from apps.core.authorization import Action, Reach
from apps.users.models import UserType

A = Action
OWN, TEAM, ORGANIZATION = Reach.OWN, Reach.TEAM, Reach.ORGANIZATION

Table = dict[str, dict[Action, Reach]]

REQUESTS = ("incidents", "service_requests")
PRACTICES = ("problems", "changes")
NOTES = ("internal_comments", "work_logs", "tasks")
INVENTORY = ("configuration_items", "assets")
STRUCTURE = ("users", "teams", "departments", "sites", "cost_centres", "organizations", "roles", "skills")
CONFIGURATION = ("sla", "calendars", "catalogue", "workflows", "templates", "matrix", "assignment_rules")
CONNECTIONS = ("webhooks", "api_tokens", "integrations")
REPORTING = ("reports", "dashboards")

TICKET_ACTIONS = (A.CREATE, A.READ, A.UPDATE, A.DELETE, A.PARTICIPATE, A.ASSIGN, A.RESOLVE, A.APPROVE, A.EXPORT)
PLAIN_ACTIONS = (A.CREATE, A.READ, A.UPDATE, A.DELETE, A.EXPORT)


def _vocabulary() -> dict[str, tuple[Action, ...]]:
    by_group: list[tuple[Iterable[str], tuple[Action, ...]]] = [
        ((*REQUESTS, *PRACTICES), TICKET_ACTIONS),
        (NOTES, (A.CREATE, A.READ, A.UPDATE, A.DELETE)),
        (("knowledge",), (*PLAIN_ACTIONS, A.PUBLISH)),
        ((*INVENTORY, *STRUCTURE), PLAIN_ACTIONS),
        (("team_members", "on_call", "absences"), PLAIN_ACTIONS),
        (CONFIGURATION, (A.READ, A.CONFIGURE)),
        (CONNECTIONS, (A.READ, A.CONFIGURE)),
        (REPORTING, (*PLAIN_ACTIONS, A.RUN)),
        (("audit",), (A.READ, A.VERIFY, A.EXPORT)),
        (("timeline",), (A.READ,)),
    ]
    return {resource: actions for resources, actions in by_group for resource in resources}


VOCABULARY: Mapping[str, tuple[Action, ...]] = _vocabulary()


def _each(resources: Iterable[str], reach: Reach, *actions: Action) -> Table:
    return {resource: dict.fromkeys(actions, reach) for resource in resources}


def _over(*tables: Table) -> Table:
    """The tables merged; a later one overrides an earlier grant."""
    merged: Table = {}
    for table in tables:
        for resource, grants in table.items():
            merged.setdefault(resource, {}).update(grants)
    return merged


END_USER: Table = _over(
    _each(REQUESTS, OWN, A.CREATE, A.READ, A.PARTICIPATE),
    # Own: what is public, on own tickets, or entitled to; each resource's queryset says which that is.
    _each(("knowledge", *INVENTORY, "users", "catalogue", *REPORTING), OWN, A.READ),
    # Everybody plans their own; who may change a membership plans for its member too (users.absences).
    _each(("absences",), OWN, A.CREATE, A.READ, A.UPDATE, A.DELETE),
)
AGENT: Table = _over(
    _each(REQUESTS, ORGANIZATION, A.CREATE, A.READ, A.UPDATE, A.ASSIGN, A.RESOLVE, A.PARTICIPATE),
    _each(PRACTICES, ORGANIZATION, A.CREATE, A.READ, A.UPDATE, A.PARTICIPATE),
    _each(PRACTICES, TEAM, A.RESOLVE),
    _each(NOTES, ORGANIZATION, A.CREATE, A.READ),
    _each(NOTES, OWN, A.UPDATE),
    _each(("knowledge", *INVENTORY), ORGANIZATION, A.CREATE, A.READ, A.UPDATE),
    _each((*STRUCTURE, "team_members", "on_call", *CONFIGURATION, "timeline"), ORGANIZATION, A.READ),
    _each(("absences",), OWN, A.CREATE, A.UPDATE, A.DELETE),
    _each(("absences",), ORGANIZATION, A.READ),
    _each(REPORTING, TEAM, A.READ, A.RUN),
)
MANAGER: Table = _over(
    AGENT,
    _each(REQUESTS, ORGANIZATION, A.APPROVE, A.EXPORT),
    _each(PRACTICES, ORGANIZATION, A.APPROVE, A.ASSIGN, A.RESOLVE, A.EXPORT),
    _each(NOTES, ORGANIZATION, A.UPDATE),
    _each(("knowledge",), ORGANIZATION, A.PUBLISH),
    _each(INVENTORY, ORGANIZATION, A.EXPORT),
    _each(("team_members",), TEAM, A.CREATE, A.UPDATE, A.DELETE),
    _each(("on_call",), TEAM, A.UPDATE),
    _each(REPORTING, ORGANIZATION, A.READ, A.RUN, A.CREATE),
)
ADMIN: Table = {resource: dict.fromkeys(actions, ORGANIZATION) for resource, actions in VOCABULARY.items()}

BUILT_IN: Mapping[str, Table] = {
    UserType.END_USER: END_USER,
    UserType.AGENT: AGENT,
    UserType.MANAGER: MANAGER,
    UserType.ADMIN: ADMIN,
}
