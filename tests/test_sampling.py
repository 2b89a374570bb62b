"""A default run's sample of a table: within its budget, even, and the same everywhere."""

import itertools

from tests.sampling import few, sample

ROUTES, WALLS = [f"route-{number}/" for number in range(71)], ("both", "database", "orm")
CASES = list(itertools.product(ROUTES, WALLS))


def chosen(budget, cases=CASES):
    return sample(cases, budget, subject_of=lambda case: case[0], name_of=lambda case: f"test[{case[1]}-{case[0]}]")


def test_no_subject_has_a_second_case_before_each_has_its_first():
    for budget, counts in ((20, {1}), (71, {1}), (96, {1, 2}), (142, {2}), (200, {2, 3})):
        found = [route for route, _ in chosen(budget)]

        assert len(found) == budget
        assert {found.count(route) for route in found} == counts
        assert len(set(found)) == min(budget, len(ROUTES))


def test_no_wall_is_preferred():
    walls = [wall for _, wall in chosen(71)]

    assert all(walls.count(wall) >= 12 for wall in WALLS), walls


def test_the_order_of_the_cases_does_not_matter_and_a_new_route_moves_at_most_one_other():
    grown = {*chosen(50, [*CASES, *(("new/", wall) for wall in WALLS)])}

    assert chosen(50, CASES[::-1]) == chosen(50)
    assert len({*chosen(50)} - grown) <= 1


def test_a_budget_that_is_large_enough_leaves_nothing_out():
    assert {*chosen(1000)} == {*CASES}


def test_every_value_has_its_turn_at_some_name_and_every_name_its_own(monkeypatch):
    monkeypatch.delenv("ITSM_TEST_ALL", raising=False)
    values = [f"value-{number}" for number in range(60)]
    chosen_for = {route: few(values, 12, route) for route in ROUTES}

    assert {len(found) for found in chosen_for.values()} == {12}
    assert {value for found in chosen_for.values() for value in found} == {*values}
    monkeypatch.setenv("ITSM_TEST_ALL", "1")
    assert few(values, 12, ROUTES[0]) == values
