"""Over random rights and scopes: a scope takes away and never gives, whatever is asked of what is left."""

from typing import Any

from django.db.models import Q
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.authorization import Action, Reach
from apps.core.models import new_id
from apps.users.rights import HeldGrant, Rights
from apps.users.role_table import VOCABULARY
from apps.users.scopes import GROUPS, granted_by, granted_by_all, is_known
from tests.conftest import IS_FULL_RUN

PAIRS = [(resource, str(action)) for resource, actions in VOCABULARY.items() for action in actions]
SCOPES = [f"{resource}:{action}" for resource, action in PAIRS]
SCOPES += [f"{name}:*" for name in (*VOCABULARY, *GROUPS)] + [f"{name}:read" for name in GROUPS] + ["*:read"]
TEAMS, DEPARTMENT, ME = [new_id(), new_id()], new_id(), new_id()
ROUNDS = 5_000 if IS_FULL_RUN else 300


class Record:
    """Something that people, teams and departments can own."""

    reach_columns = {Reach.OWN: ("owner_id",), Reach.TEAM: ("team_id",), Reach.DEPARTMENT: ("department_id",)}

    def __init__(self, owner_id: Any, team_id: Any, department_id: Any) -> None:
        self.owner_id, self.team_id, self.department_id = owner_id, team_id, department_id


held = st.builds(
    HeldGrant, reach=st.sampled_from(Reach), role=st.just("r"), limited_to_team_id=st.sampled_from([None, *TEAMS])
)
rights = st.builds(
    Rights,
    user_id=st.just(ME),
    department_id=st.sampled_from([None, DEPARTMENT]),
    team_ids=st.frozensets(st.sampled_from(TEAMS)),
    grants=st.dictionaries(st.sampled_from(PAIRS), st.lists(held, min_size=1, max_size=3).map(tuple), max_size=40),
)
scopes = st.lists(st.sampled_from([*SCOPES, "moon:read", "", "*:*", "teams", "CANARY"]), max_size=8)
records = st.none() | st.builds(
    Record, st.sampled_from([ME, None]), st.sampled_from([*TEAMS, None]), st.sampled_from([DEPARTMENT, None])
)
pairs = st.sampled_from(PAIRS)


@given(rights=rights, scopes=scopes, pair=pairs, record=records)
@settings(max_examples=ROUNDS, deadline=None)
def test_what_is_allowed_is_what_the_rights_allow_and_a_scope_names(rights, scopes, pair, record):
    resource, action = pair[0], Action(pair[1])
    whole, left = rights.decide(action, resource, record), rights.narrowed(scopes).decide(action, resource, record)

    assert left.is_allowed == (whole.is_allowed and pair in granted_by_all(tuple(scopes)))
    assert left.reach == (whole.reach if left.is_allowed else None)


@given(rights=rights, scopes=scopes, pair=pairs)
@settings(max_examples=ROUNDS, deadline=None)
def test_what_is_listed_is_what_the_rights_list_or_nothing(rights, scopes, pair):
    resource, action = pair[0], Action(pair[1])
    columns = Record.reach_columns
    left = rights.narrowed(scopes).within_reach(action, resource, columns)

    is_named = pair in granted_by_all(tuple(scopes))
    assert left == (rights.within_reach(action, resource, columns) if is_named else Q(pk__in=[]))


@given(rights=rights, some=scopes, more=scopes)
@settings(max_examples=ROUNDS, deadline=None)
def test_narrowing_twice_is_narrowing_by_both_and_more_scopes_never_take_away(rights, some, more):
    once = rights.narrowed(some).grants

    assert once.items() <= rights.grants.items()
    assert rights.narrowed(some).narrowed(some).grants == once
    assert once.items() <= rights.narrowed([*some, *more]).grants.items()
    assert rights.narrowed(some).narrowed(more).grants == rights.narrowed(more).narrowed(some).grants
    both = granted_by_all(tuple(some)) & granted_by_all(tuple(more))
    assert set(rights.narrowed(some).narrowed(more).grants) == set(rights.grants) & both


@given(rights=rights, scopes=scopes, pair=pairs, reach=st.sampled_from(Reach), limit=st.sampled_from([None, *TEAMS]))
@settings(max_examples=ROUNDS, deadline=None)
def test_nothing_can_be_given_that_could_not_be_without_the_token(rights, scopes, pair, reach, limit):
    asked = (Action(pair[1]), pair[0], reach)
    left = rights.narrowed(scopes).may_give(*asked, limited_to_team_id=limit, until=None)

    assert left <= rights.may_give(*asked, limited_to_team_id=limit, until=None)


@given(st.text(max_size=30))
def test_a_scope_that_is_not_written_in_the_vocabulary_gives_nothing(text):
    assert is_known(text) == (text in SCOPES or _is_of_a_group(text))


def _is_of_a_group(text: str) -> bool:
    resource, _, action = text.partition(":")
    return resource in GROUPS and action in list(Action)


def test_every_pair_of_the_vocabulary_has_a_scope_that_gives_it_alone():
    assert {pair for scope in SCOPES for pair in granted_by(scope)} == set(PAIRS)
    assert all(granted_by(f"{resource}:{action}") == {(resource, action)} for resource, action in PAIRS)
    assert granted_by("*:read") == {pair for pair in PAIRS if pair[1] == "read"}
    assert granted_by("*:*") == granted_by("*:update") == granted_by("") == frozenset()
