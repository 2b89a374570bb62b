"""The organization chart is a tree, also when two people move branches at once."""

import pytest
from django.utils import timezone

from apps.audit.models import Event
from apps.core.models import new_id
from apps.organizations.models import Department
from tests.conftest import IS_FULL_RUN
from tests.core.expectations import assert_problem, pointers
from tests.core.racing import at_once
from tests.factories import DepartmentFactory

DEPARTMENTS = "/api/v1/departments/"
ROUNDS = 10 if IS_FULL_RUN else 2


@pytest.fixture
def chain(acme):
    """Four departments, each below the one before."""
    with acme.entered():
        found = [DepartmentFactory(name="0")]
        for depth in range(1, 4):
            found.append(DepartmentFactory(name=str(depth), parent=found[-1]))
        return found


def chart(tenant):
    with tenant.entered():
        return dict(Department.objects.values_list("pk", "parent_id"))


def is_a_tree(parents):
    for start in parents:
        seen, above = {start}, parents[start]
        while above is not None:
            if above in seen:
                return False
            seen.add(above)
            above = parents[above]
    return True


@pytest.mark.parametrize(("moved", "below"), [(0, 0), (0, 1), (0, 3), (1, 2), (2, 3), (3, 3)])
def test_a_department_does_not_go_below_itself(*, acme, dan, api, chain, moved, below):
    before = chart(acme)

    answer = api(dan).patch(f"{DEPARTMENTS}{chain[moved].pk}/", {"parent": str(chain[below].pk)})

    body = assert_problem(answer, 400, "invalid")
    assert pointers(body) == [("/parent", "cycle")]
    assert "accepted: one that is not below this one" in body["errors"][0]["detail"]
    assert chart(acme) == before
    with acme.entered():
        assert not Event.objects.filter(name="department.updated").exists()


@pytest.mark.parametrize(("moved", "below"), [(3, 0), (2, 0), (3, 1), (1, None), (3, None)])
def test_any_other_move_is_fine(*, acme, dan, api, chain, moved, below):
    target = None if below is None else str(chain[below].pk)

    answer = api(dan).patch(f"{DEPARTMENTS}{chain[moved].pk}/", {"parent": target})

    assert (answer.status_code, answer.json()["parent"]) == (200, target)
    assert is_a_tree(chart(acme))


def test_two_moves_at_once_do_not_close_a_circle(fresh_database, acme, dan, api):
    authorization = api(dan)._credentials["HTTP_AUTHORIZATION"]
    for number in range(ROUNDS):
        with acme.entered():
            one, two = (DepartmentFactory(name=f"{name} {number}") for name in ("one", "two"))

        def move(what, below):
            return api().patch(f"{DEPARTMENTS}{what.pk}/", {"parent": str(below.pk)}, HTTP_AUTHORIZATION=authorization)

        answers = at_once([lambda o=one, t=two: move(o, t), lambda o=one, t=two: move(t, o)])

        assert sorted(answer.status_code for answer in answers) == [200, 400]
        (refused,) = (answer for answer in answers if answer.status_code == 400)
        assert pointers(assert_problem(refused, 400, "invalid")) == [("/parent", "cycle")]
        assert is_a_tree(chart(acme))


def test_the_same_name_is_free_below_another_parent_only(acme, dan, api, chain):
    top = {"name": "0"}
    below = {"name": "1", "parent": str(chain[0].pk)}
    for body in (top, below):
        assert_problem(api(dan).post(DEPARTMENTS, body), 409, "duplicate")

    assert api(dan).post(DEPARTMENTS, {"name": "1", "parent": str(chain[1].pk)}).status_code == 201


def test_a_parent_next_door_does_not_exist(acme, globex, dan, api, chain):
    with globex.entered():
        foreign = DepartmentFactory(created_at=timezone.now())
    for parent in (foreign.pk, new_id()):
        body = assert_problem(api(dan).patch(f"{DEPARTMENTS}{chain[3].pk}/", {"parent": str(parent)}), 400, "invalid")
        assert pointers(body) == [("/parent", "does_not_exist")]
    assert chart(acme)[chain[3].pk] == chain[2].pk
