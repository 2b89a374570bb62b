"""Every verb, from every status, by every role: done or refused as the contract says, and refused without a trace."""

from datetime import timedelta

import pytest
from django.db import transaction

from apps.audit.models import Event
from apps.core.errors import Denied, DomainError, IllegalTransition, Invalid, NotFound
from apps.incidents.lifecycle import LIFECYCLE
from apps.tickets import services, verbs
from apps.users.models import UserType
from tests import conftest
from tests.incidents.conftest import START, acting
from tests.incidents.life import GIVEN, GRANTS, MATRIX, PARTICIPANTS, PHASES, WAYS, base, broken_rules, put

STATUSES = sorted(PHASES)
LATER = START + timedelta(days=1)
# Only asked for, not done: what else they need is their own tests' to prepare.
ASKED = {
    "merge": {"into": "x"},
    "split": {"comment": "x", "title": "x"},
    "convert": {"to": "service_request"},
    "unmerge": {},
}
# What they do to incidents of others, by role.
HELD = {
    UserType.END_USER: set(),
    UserType.AGENT: {"update", "assign", "resolve"},
    UserType.MANAGER: {"update", "assign", "resolve"},
    UserType.ADMIN: {"update", "assign", "resolve"},
}


class Undone(Exception):
    """Rolls an attempt back."""


def attempt(incident, verb, *, actor):
    """The status that it leads to, or how it is refused; undone in any case."""
    found = None
    try:
        with transaction.atomic():
            if verb in ASKED:
                locked = services.lock(incident.pk, actor=actor)
                found = services.check(locked, verb, actor=actor, at=LATER, given=ASKED[verb]).target_from(
                    locked.status
                )
            else:
                found = verbs.do(incident, verb, actor=actor, at=LATER, **GIVEN.get(verb, {})).status
                assert broken_rules(base(incident)) == []
            raise Undone
    except Undone:
        return found
    except DomainError as refusal:
        return type(refusal)


def expected(verb, status, role):
    """Of an incident that the end user requested."""
    is_source = status in MATRIX[verb]
    if GRANTS[verb] not in HELD[role] and not (
        verb in PARTICIPANTS and (PARTICIPANTS[verb] == status or not is_source)
    ):
        return Denied
    # Nothing was merged here.
    return MATRIX[verb][status] if is_source and verb != "unmerge" else IllegalTransition


def test_the_table_says_what_the_contract_says():
    told = {
        verb: {source: step.target_from(source) for source in step.sources}
        for verb, step in LIFECYCLE.transitions.items()
    }

    assert told == MATRIX
    assert {verb: step.grant.value for verb, step in LIFECYCLE.transitions.items()} == GRANTS
    assert dict(LIFECYCLE.phases) == PHASES
    assert LIFECYCLE.reachable() == set(PHASES)


@pytest.mark.parametrize("role", HELD)
@pytest.mark.parametrize("status", STATUSES)
def test_every_verb_is_done_or_denied_by_role_from_every_status(acme, bob, opened, status, role):
    person = bob if role == UserType.END_USER else conftest.person(acme, "somebody", role)
    with acme.entered():
        incident, actor = put(opened(), status), acting(person)
        before = Event.objects.count()

        found = {verb: attempt(incident, verb, actor=actor) for verb in MATRIX}

        assert found == {verb: expected(verb, status, role) for verb in MATRIX}
        done = {verb for verb, outcome in found.items() if isinstance(outcome, str)}
        assert set(LIFECYCLE.allowed(incident, actor=actor, at=LATER)) == done
        assert Event.objects.count() == before
        assert (base(incident).status, base(incident).version) == (status, incident.version)


@pytest.mark.parametrize("status", STATUSES)
def test_of_a_strangers_incident_a_requester_learns_nothing(acme, alice, bob, opened, status):
    with acme.entered():
        incident = put(opened(requester_id=alice.pk), status)

        assert {attempt(incident, verb, actor=acting(bob)) for verb in MATRIX} == {NotFound}


@pytest.mark.parametrize(
    ("verb", "status", "missing"),
    [
        ("hold", "new", {"reason": ""}),
        ("resolve", "new", {"resolution_code": "", "resolution_notes": "Done"}),
        ("resolve", "new", {"resolution_code": "user_error", "resolution_notes": "  "}),
        ("reopen", "resolved", {"reason": ""}),
        ("cancel", "new", {"reason": " "}),
        ("escalate", "new", {"to": "hierarchical", "reason": ""}),
        ("override-priority", "new", {"priority": 1, "reason": ""}),
        ("hold", "new", {"reason": "awaiting_requester", "comment": " "}),
        ("hold", "new", {"reason": "scheduled"}),
        ("hold", "new", {"reason": "scheduled", "until": START}),
    ],
)
def test_what_a_verb_requires_it_does_not_go_without(acme, alice, opened, verb, status, missing):
    with acme.entered():
        incident = put(opened(), status)
        with pytest.raises(Invalid), transaction.atomic():
            verbs.do(incident, verb, actor=acting(alice), at=LATER, **missing)

        assert (base(incident).status, base(incident).version) == (status, incident.version)


def test_an_agent_reopens_within_fourteen_days_of_closing_and_not_a_second_later(acme, alice, opened):
    with acme.entered():
        incident = put(opened(), "closed")
        last = incident.closed_at + timedelta(days=14)
        with pytest.raises(IllegalTransition, match="14 days"):
            verbs.do(incident, "reopen", actor=acting(alice), at=last + timedelta(seconds=1), reason="Still dead")

        reopened = verbs.do(incident, "reopen", actor=acting(alice), at=last, reason="Still dead")

        assert (reopened.status, reopened.reopen_count, reopened.closed_at) == ("in_progress", 1, None)


@pytest.mark.parametrize("verb", sorted(set(MATRIX) - {"split", "convert"}))
def test_every_legal_transition_is_reached_from_the_first_status(acme, alice, opened, verb):
    """By verbs alone, with nothing written past them."""
    with acme.entered():
        actor, other = acting(alice), opened(title="The other one")

        def do(incident, name, at):
            given = {"into_id": other.pk} if name == "merge" else GIVEN.get(name, {})
            return verbs.do(incident, name, actor=actor, at=at, **given)

        for source, target in MATRIX[verb].items():
            incident = opened()
            for name in WAYS[source]:
                do(incident, name, START + timedelta(minutes=1))
            assert base(incident).status == source

            do(incident, verb, START + timedelta(minutes=2))

            assert (base(incident).status, broken_rules(base(incident))) == (target, [])
