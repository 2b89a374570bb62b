"""Numbers: each once, in order, without gaps, whoever else is asking."""

from threading import Event as Signal

import pytest
from django.db import connection, transaction

from apps.core import tenancy
from apps.core.errors import Invalid
from apps.organizations.models import NumberSeries
from apps.organizations.numbers import next_number, raise_to, reserve_numbers
from tests.conftest import IS_FULL_RUN
from tests.core.racing import at_once

CALLERS = 16 if IS_FULL_RUN else 4
EACH = 25 if IS_FULL_RUN else 5


def last(tenant, prefix):
    with tenant.entered():
        return NumberSeries.objects.get(prefix=prefix).last


def test_numbers_count_up_from_one_for_each_prefix_and_organization(acme, globex):
    with acme.entered():
        mine = [next_number(acme.id, "CI"), next_number(acme.id, "CI"), next_number(acme.id, "INC")]
    with globex.entered():
        theirs = next_number(globex.id, "CI")

    assert (mine, theirs) == (["CI0000001", "CI0000002", "INC0000001"], "CI0000001")
    assert (last(acme, "CI"), last(acme, "INC"), last(globex, "CI")) == (2, 1, 1)


def test_an_eighth_digit_comes_when_seven_are_used_up(acme):
    with acme.entered():
        raise_to(acme.id, "CI", "CI9999998")

        assert [next_number(acme.id, "CI") for _ in range(3)] == ["CI9999999", "CI10000000", "CI10000001"]


def test_many_are_reserved_at_once_in_their_order(acme):
    with acme.entered():
        first = next_number(acme.id, "CI")
        reserved = reserve_numbers(acme.id, "CI", 3)
        following = next_number(acme.id, "CI")

    assert (first, reserved, following) == ("CI0000001", ["CI0000002", "CI0000003", "CI0000004"], "CI0000005")


@pytest.mark.parametrize("count", [0, -1])
def test_none_are_reserved_where_none_are_asked_for(acme, count):
    with acme.entered():
        assert reserve_numbers(acme.id, "CI", count) == []
        assert not NumberSeries.objects.exists()


@pytest.mark.parametrize(
    ("brought", "following"), [("CI0000041", "CI0000042"), ("CI0000005", "CI0000006"), ("CI0000002", "CI0000006")]
)
def test_the_series_goes_on_above_a_number_that_was_brought(acme, brought, following):
    with acme.entered():
        reserve_numbers(acme.id, "CI", 5)
        raise_to(acme.id, "CI", brought)

        assert next_number(acme.id, "CI") == following


@pytest.mark.parametrize(
    "brought", ["INC0000041", "CI41", "CI-000041", "CI", "", "0000041", "CI000004x", "CI٠٠٠٠٠٤١", "CI1234567890123"]
)
def test_what_is_no_number_of_the_prefix_raises_nothing(acme, brought):
    with acme.entered():
        with pytest.raises(Invalid, match="accepted: CI and 7 to 12 digits"):
            raise_to(acme.id, "CI", brought)

        assert not NumberSeries.objects.exists()


def test_what_a_rolled_back_transaction_took_is_given_again(fresh_database, acme):
    with tenancy.tenant(acme.id):
        with transaction.atomic():
            kept = next_number(acme.id, "CI")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            lost = next_number(acme.id, "CI")
            raise ZeroDivisionError
        with transaction.atomic():
            again = next_number(acme.id, "CI")

    assert (kept, lost, again) == ("CI0000001", "CI0000002", "CI0000002")


def test_of_many_callers_at_once_nobody_gets_a_number_twice_and_none_is_left_out(fresh_database, acme):
    def take():
        found = []
        with tenancy.tenant(acme.id):
            for _ in range(EACH):
                with transaction.atomic():
                    found.append(next_number(acme.id, "CI"))
        return found

    taken = at_once([take] * CALLERS)

    assert sorted(number for found in taken for number in found) == [
        f"CI{number:07d}" for number in range(1, CALLERS * EACH + 1)
    ]
    assert all(found == sorted(found) for found in taken)
    assert last(acme, "CI") == CALLERS * EACH


def test_the_second_caller_waits_for_the_first_and_gets_its_number_if_that_rolls_back(fresh_database, acme):
    has_taken = Signal()

    def first():
        with tenancy.tenant(acme.id), transaction.atomic():
            number = next_number(acme.id, "CI")
            has_taken.set()
            waiting = "SELECT pg_sleep(0.02) FROM pg_locks WHERE NOT granted LIMIT 1"
            with connection.cursor() as cursor:
                while not cursor.execute(waiting).fetchall():
                    pass
            transaction.set_rollback(True)
        return number

    def second():
        assert has_taken.wait(30)
        with tenancy.tenant(acme.id), transaction.atomic():
            return next_number(acme.id, "CI")

    assert at_once([first, second]) == ["CI0000001", "CI0000001"]
    assert last(acme, "CI") == 1


def test_nobody_counts_for_another_organization(acme, globex):
    with globex.entered():
        next_number(globex.id, "CI")
    with pytest.raises(Exception, match="row-level security"), acme.entered():
        next_number(globex.id, "CI")
    assert last(globex, "CI") == 1
