"""Over random lifecycles: no sequence of verbs leaves the table, and allowed() says what check() accepts."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from apps.core.actors import Actor, ActorKind
from apps.core.authorization import Action
from apps.core.errors import Denied, DomainError, IllegalTransition, Invalid
from apps.core.lifecycle import Lifecycle, Transition
from apps.core.models import new_id
from apps.users.models import UserType
from apps.users.rights import rights_from_table
from apps.users.role_table import BUILT_IN
from tests.conftest import IS_FULL_RUN

STATUSES = ["a", "b", "c", "d", "e"]
START = datetime(2026, 11, 21, tzinfo=UTC)
ROLES = [UserType.ADMIN, UserType.AGENT, UserType.END_USER]


def on_even_seconds(record, actor, at):
    return None if at.second % 2 == 0 else "Only on even seconds."


transitions = st.builds(
    Transition,
    sources=st.frozensets(st.sampled_from(STATUSES), min_size=1),
    # One for all sources, one for each, or none: the status stays.
    target=st.one_of(
        st.none(), st.sampled_from(STATUSES), st.fixed_dictionaries({s: st.sampled_from(STATUSES) for s in STATUSES})
    ),
    grant=st.sampled_from([Action.READ, Action.UPDATE, Action.CONFIGURE]),
    requires=st.sampled_from([(), ("reason",), ("reason", "code")]),
    guard=st.sampled_from([None, on_even_seconds]),
    also=st.dictionaries(st.just(Action.READ), st.frozensets(st.sampled_from(STATUSES))),
)
lifecycles = st.builds(
    Lifecycle,
    resource=st.just("teams"),
    initial=st.sampled_from(STATUSES),
    statuses=st.just(frozenset(STATUSES)),
    transitions=st.dictionaries(st.sampled_from(["one", "two", "three", "four", "five"]), transitions, min_size=1),
)
actors = st.sampled_from(
    [
        Actor(ActorKind.USER, new_id(), user_id, role, authorizer=rights_from_table(user_id, role, BUILT_IN[role]))
        for role in ROLES
        for user_id in [new_id()]
    ]
    + [Actor.system(new_id(), "test")]
)
FULL = {"reason": "because", "code": "done"}


@settings(max_examples=2_000 if IS_FULL_RUN else 200, deadline=None)
@given(lifecycles, st.sampled_from(STATUSES), actors, st.integers(0, 3))
def test_allowed_is_exactly_what_check_accepts(lifecycle, status, actor, seconds):
    record, at = SimpleNamespace(status=status), START + timedelta(seconds=seconds)
    accepted = []
    for name in lifecycle.transitions:
        try:
            accepted.append((name, lifecycle.check(record, name, actor=actor, at=at, given=FULL)))
        except DomainError as refusal:
            assert isinstance(refusal, Denied | IllegalTransition)

    assert lifecycle.allowed(record, actor=actor, at=at) == [name for name, _ in accepted]
    assert all(transition is lifecycle.transitions[name] for name, transition in accepted)


class AnyLifecycle(RuleBasedStateMachine):
    """Somebody tries verbs in any order, with and without the required fields."""

    @initialize(lifecycle=lifecycles)
    def begin(self, lifecycle):
        self.lifecycle = lifecycle
        self.record = SimpleNamespace(status=lifecycle.initial)
        self.reachable = lifecycle.reachable()

    @rule(
        data=st.data(),
        actor=actors,
        seconds=st.integers(0, 3),
        given=st.sampled_from([{}, {"reason": "because"}, FULL]),
    )
    def attempt(self, data, actor, seconds, given):
        name = data.draw(st.sampled_from(sorted(self.lifecycle.transitions)))
        table, at, before = self.lifecycle.transitions[name], START + timedelta(seconds=seconds), self.record.status
        is_offered = name in self.lifecycle.allowed(self.record, actor=actor, at=at)
        try:
            found = self.lifecycle.check(self.record, name, actor=actor, at=at, given=given)
            self.record.status = found.target_from(before)
        except Invalid as refusal:
            assert is_offered
            assert [error.pointer for error in refusal.errors] == [
                f"/{key}" for key in table.requires if key not in given
            ]
            assert self.record.status == before
        except DomainError:
            assert not is_offered
            assert self.record.status == before
        else:
            assert is_offered
            assert before in table.sources
            assert self.record.status == table.target_from(before)
            assert set(table.requires) <= set(given)

    @invariant()
    def is_where_the_table_leads(self):
        if hasattr(self, "record"):
            assert self.record.status in self.reachable


AnyLifecycle.TestCase.settings = settings(
    max_examples=500 if IS_FULL_RUN else 50, stateful_step_count=50 if IS_FULL_RUN else 20, deadline=None
)


@pytest.mark.bar(48)
@pytest.mark.asvs("2.2.1", "2.3.1")
class TestAnyLifecycle(AnyLifecycle.TestCase):
    pass
