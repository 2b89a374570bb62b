"""The admin filters by what its lists show: any other column could be guessed letter by letter."""

import pytest

from tests.users.test_admin_sign_in import signed_in

USERS, SESSIONS = "/admin/users/user/", "/admin/users/session/"


@pytest.mark.parametrize(
    ("address", "query"),
    [
        (USERS, {"password__startswith": "argon2"}),
        (USERS, {"password__regex": "("}),
        (USERS, {"full_name": "\x00"}),
        (USERS, {"created_at__year": "99999999999"}),
        (SESSIONS, {"current_hash__startswith": "0"}),
    ],
)
def test_a_column_that_is_no_filter_is_refused_whatever_it_holds(acme, dan, address, query):
    answer = signed_in(dan).get(address, query)

    assert answer.status_code == 400
    assert dan.email not in answer.content.decode()


def test_a_filter_that_the_list_shows_works(acme, dan, bob):
    page = signed_in(dan).get(USERS, {"user_type__exact": "end_user"}).content.decode()

    assert bob.full_name in page
