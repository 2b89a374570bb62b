"""An operator's power hangs on holding the Admin role at home, and where it is used the organization is told."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import Event
from apps.core.errors import Denied
from apps.users.models import OperatorVisit, RoleAssignment, User, UserType
from apps.users.rights import actor_now
from apps.users.role_table import ADMIN
from tests.conftest import person
from tests.core.expectations import assert_problem
from tests.core.racing import at_once
from tests.factories import TeamFactory

TEAMS, USERS, ROLES = "/api/v1/teams/", "/api/v1/users/", "/api/v1/roles/"
ASSIGNMENTS = "/api/v1/role-assignments/"


@pytest.fixture
def impostor(operators, operator, api):
    """Of type admin, with a custom role that equals Admin, and without Admin itself."""
    grants = [
        {"resource": resource, "action": str(action), "reach": str(reach)}
        for resource, actions in ADMIN.items()
        for action, reach in actions.items()
    ]
    home = api(operator, HTTP_X_ORGANIZATION="operators")
    role = home.post(ROLES, {"name": "As good as Admin", "grants": grants}).json()["id"]
    someone = person(operators, "ivan", UserType.ADMIN)
    assert home.post(ASSIGNMENTS, {"role": role, "user": str(someone.pk)}).status_code == 201
    with operators.entered():
        RoleAssignment.objects.filter(user=someone, role__key=UserType.ADMIN).delete()
    return someone


def entered(tenant):
    with tenant.entered():
        return list(Event.objects.filter(name="organization.operator_entered"))


@pytest.mark.parametrize("loss", ["taken away", "over", "not begun", "limited to a team", "a custom one"])
def test_without_the_admin_role_in_force_nobody_acts_elsewhere(*, acme, operators, operator, api, loss, request):
    at = timezone.now()
    caller = request.getfixturevalue("impostor") if loss == "a custom one" else operator
    with operators.entered():
        held = RoleAssignment.objects.filter(user=caller)
        if loss == "taken away":
            held.delete()
        elif loss == "over":
            held.update(valid_from=at - timedelta(days=2), valid_until=at - timedelta(days=1))
        elif loss == "not begun":
            held.update(valid_from=at + timedelta(days=1))
        elif loss == "limited to a team":
            held.update(limited_to_team=TeamFactory())

    refused = assert_problem(api(caller, HTTP_X_ORGANIZATION="acme").get(TEAMS), 403, "missing_grant")
    assert refused["grant"] == "operator"
    with acme.entered(), pytest.raises(Denied):
        actor_now(acme.id, caller.pk, at, operators.id)
    assert entered(acme) == []


def test_the_ordinary_caller_pays_no_query_for_it(acme, dan, operators, operator, api, django_assert_num_queries):
    client = api(dan)
    client.get(TEAMS)
    # Session with owner and organization, rights, page; two are the transaction's own savepoint.
    with django_assert_num_queries(5):
        client.get(TEAMS)


def test_only_an_operator_makes_another(operators, operator, impostor, api):
    otto = person(operators, "otto", UserType.AGENT)
    client = api(impostor)
    new = {"email": "eve@operators.example", "full_name": "Eve", "user_type": "admin"}

    for answer in (
        client.post(USERS, new),
        client.patch(f"{USERS}{otto.pk}/", {"user_type": "admin"}),
        client.patch(f"{USERS}{operator.pk}/", {"email": "eve@operators.example"}),
        client.post(ASSIGNMENTS, {"role": admin_role(operators), "user": str(impostor.pk)}),
    ):
        assert assert_problem(answer, 403, "missing_grant")["grant"] == "operator"
    with operators.entered():
        assert not User.objects.filter(email="eve@operators.example").exists()
        assert User.objects.get(pk=otto.pk).user_type == UserType.AGENT
    assert client.post(USERS, {**new, "user_type": "agent"}).status_code == 201

    home = api(operator, HTTP_X_ORGANIZATION="operators")
    assert home.patch(f"{USERS}{otto.pk}/", {"user_type": "admin"}).status_code == 200


def admin_role(tenant):
    with tenant.entered():
        return str(RoleAssignment.objects.filter(role__key=UserType.ADMIN).values_list("role_id", flat=True)[0])


def test_elsewhere_who_holds_as_much_makes_an_administrator_as_ever(acme, dan, api):
    new = {"email": "eve@acme.example", "full_name": "Eve", "user_type": "admin"}
    assert api(dan).post(USERS, new).status_code == 201


def test_an_organization_is_told_once_of_a_session_that_reads_in_it(acme, globex, operators, operator, api):
    client = api(operator, HTTP_X_ORGANIZATION="acme")
    assert [client.get(TEAMS).status_code for _ in range(3)] == [200] * 3

    (told,) = entered(acme)
    assert (told.actor_id, told.actor_label, told.subject_id) == (operator.pk, "Olga", acme.id)
    assert (entered(globex), entered(operators)) == ([], [])
    assert api(operator, HTTP_X_ORGANIZATION="acme").get(TEAMS).status_code == 200
    assert len(entered(acme)) == 2


def test_of_many_first_requests_at_once_one_is_told(fresh_database, acme, operators, operator, api):
    client = api(operator, HTTP_X_ORGANIZATION="acme")
    assert at_once([lambda: client.get(TEAMS).status_code for _ in range(6)]) == [200] * 6

    assert len(entered(acme)) == 1
    with acme.entered():
        assert OperatorVisit.objects.count() == 1
