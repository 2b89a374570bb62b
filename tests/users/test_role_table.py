"""T02: the built-in roles against the contract's table, typed here by hand and on purpose a second time."""

import pytest

from apps.core.authorization import Action, Reach, decide
from apps.users.models import Grant, Role, UserType
from apps.users.rights import actor_for, rights_from_table
from apps.users.role_table import BUILT_IN, VOCABULARY

# resource: {role: {reach: actions}}; nothing of the contract is an empty mapping.
NOBODY: dict[str, str] = {}
REQUEST = {
    "end_user": {"own": "create read participate"},
    "agent": {"organization": "create read update assign resolve participate"},
    "manager": {"organization": "create read update assign resolve participate approve export"},
    "admin": {"organization": "create read update assign resolve participate approve export delete"},
}
PRACTICE = {
    "end_user": NOBODY,
    "agent": {"organization": "create read update participate", "team": "resolve"},
    "manager": {"organization": "create read update participate approve assign resolve export"},
    "admin": {"organization": "create read update participate approve assign resolve export delete"},
}
NOTE = {
    "end_user": NOBODY,
    "agent": {"organization": "create read", "own": "update"},
    "manager": {"organization": "create read update"},
    "admin": {"organization": "create read update delete"},
}
INVENTORY = {
    "end_user": {"own": "read"},
    "agent": {"organization": "read create update"},
    "manager": {"organization": "read create update export"},
    "admin": {"organization": "read create update export delete"},
}
STRUCTURE = {
    "end_user": NOBODY,
    "agent": {"organization": "read"},
    "manager": {"organization": "read"},
    "admin": {"organization": "create read update delete export"},
}
SETTING = {
    "end_user": NOBODY,
    "agent": {"organization": "read"},
    "manager": {"organization": "read"},
    "admin": {"organization": "read configure"},
}
CONNECTION = {"end_user": NOBODY, "agent": NOBODY, "manager": NOBODY, "admin": {"organization": "read configure"}}
REPORT = {
    "end_user": {"own": "read"},
    "agent": {"team": "read run"},
    "manager": {"organization": "read run create"},
    "admin": {"organization": "create read update delete export run"},
}
GOLDEN = {
    **dict.fromkeys(("incidents", "service_requests"), REQUEST),
    **dict.fromkeys(("problems", "changes"), PRACTICE),
    **dict.fromkeys(("internal_comments", "work_logs", "tasks"), NOTE),
    "knowledge": {
        "end_user": {"own": "read"},
        "agent": {"organization": "create read update"},
        "manager": {"organization": "create read update publish"},
        "admin": {"organization": "create read update delete export publish"},
    },
    **dict.fromkeys(("configuration_items", "assets"), INVENTORY),
    **dict.fromkeys(("teams", "departments", "sites", "cost_centres", "organizations", "roles", "skills"), STRUCTURE),
    "users": {**STRUCTURE, "end_user": {"own": "read"}},
    "team_members": {**STRUCTURE, "manager": {"organization": "read", "team": "create update delete"}},
    # Beyond the contract's table, in its spirit.
    "on_call": {**STRUCTURE, "manager": {"organization": "read", "team": "update"}},
    "absences": {
        "end_user": {"own": "create read update delete"},
        "agent": {"organization": "read", "own": "create update delete"},
        "manager": {"organization": "read", "own": "create update delete"},
        "admin": {"organization": "create read update delete export"},
    },
    **dict.fromkeys(("sla", "calendars", "workflows", "templates", "matrix", "assignment_rules"), SETTING),
    "catalogue": {**SETTING, "end_user": {"own": "read"}},
    **dict.fromkeys(("webhooks", "api_tokens", "integrations"), CONNECTION),
    **dict.fromkeys(("reports", "dashboards"), REPORT),
    "audit": {"end_user": NOBODY, "agent": NOBODY, "manager": NOBODY, "admin": {"organization": "read verify export"}},
    "timeline": {
        "end_user": NOBODY,
        "agent": {"organization": "read"},
        "manager": {"organization": "read"},
        "admin": {"organization": "read"},
    },
}


def cells():
    """(role, resource, action, expected reach or None) over the whole vocabulary."""
    for resource, actions in VOCABULARY.items():
        for role in BUILT_IN:
            granted = {
                action: reach for reach, names in GOLDEN[resource][str(role)].items() for action in names.split()
            }
            yield from ((str(role), resource, str(action), granted.get(str(action))) for action in actions)


@pytest.mark.bar(2)
def test_the_table_in_code_has_no_difference_from_the_contract(dan):
    differences = []
    for role, resource, action, expected in cells():
        decision = rights_from_table(dan.pk, role, BUILT_IN[role]).decide(Action(action), resource)
        if (decision.reach and str(decision.reach)) != expected:
            differences.append((role, resource, action, expected, decision.reach))
    assert differences == []
    assert set(GOLDEN) == set(VOCABULARY)


@pytest.mark.bar(2)
@pytest.mark.parametrize("person", ["bob", "alice", "carol", "dan"])
def test_what_people_of_each_type_hold_in_the_database_is_the_table(request, acme, person):
    user = request.getfixturevalue(person)
    with acme.entered():
        actor = actor_for(user, at=user.created_at)
        held = {
            (resource, str(action)): str(decision.reach)
            for resource, actions in VOCABULARY.items()
            for action in actions
            if (decision := decide(actor, action, resource)).is_allowed
        }
    expected = {(r, a): reach for role, r, a, reach in cells() if role == user.user_type and reach}
    assert held == expected


@pytest.mark.bar(2)
def test_every_organization_has_its_four_roles_with_the_rows_of_the_table(acme):
    with acme.entered():
        rows = {
            role.key: set(Grant.objects.filter(role=role).values_list("resource", "action", "reach"))
            for role in Role.objects.all()
        }
    table = {
        str(key): {(r, str(a), str(reach)) for r, actions in roles.items() for a, reach in actions.items()}
        for key, roles in BUILT_IN.items()
    }
    assert rows == table
    assert set(rows) == {str(user_type) for user_type in UserType}


def test_what_no_role_names_is_denied(dan):
    rights = rights_from_table(dan.pk, "admin", BUILT_IN[UserType.ADMIN])

    assert not rights.decide(Action.READ, "nuclear_codes").is_allowed
    assert rights.within_reach(Action.READ, "nuclear_codes", {Reach.OWN: ("id",)}) is not None
