"""The life of an incident, walked at random through the real services on the real database.

Whatever anybody tries in whatever order, no row is in a state that the contract does not know. That every legal transition
can be reached is proved one by one in tests/incidents/test_lifecycle.py.
"""

from datetime import timedelta
from functools import partial

from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.audit.models import Event
from apps.core.errors import Conflict, Denied, DomainError, IllegalTransition
from apps.incidents import major, services
from apps.incidents.lifecycle import LIFECYCLE
from apps.incidents.models import Incident
from apps.tickets import relations, verbs
from tests.conftest import IS_FULL_RUN
from tests.incidents.conftest import START, acting
from tests.incidents.life import GIVEN, MATRIX, PARTICIPANTS, base, broken_rules

LIVES = 500 if IS_FULL_RUN else 20
TRIED = sorted(set(MATRIX) - {"split", "convert", "merge", "unmerge"})
REOPEN_WINDOW = timedelta(days=14)


class Life(RuleBasedStateMachine):
    """Somebody tries verbs on one incident, while time goes by. What should happen is known from the contract alone."""

    # Of all examples of a run; the test says who acts.
    seen: set = set()
    actors: dict = {}

    @initialize()
    def open(self):
        self.incident, self.other = (
            services.create(
                actor=self.actors["platform"],
                at=START,
                values={"title": title, "requester_id": self.actors["requester"].id},
            )
            for title in ("Mail is down", "The other one")
        )
        self.status, self.merged_from = "new", ""
        self.at, self.version, self.facts, self.closed_at = START, self.incident.version, 1, None

    @rule(verb=st.sampled_from(TRIED), who=st.sampled_from(["agent", "requester", "platform"]))
    def attempt(self, verb, who):
        wanted = self.refusal(verb, who)
        found, was = self.do(verb, who), self.status
        assert found == wanted, f"{who} {verb} from {was}: {found}, not {wanted}"
        if wanted is None:
            self.arrive(verb, MATRIX[verb][was])

    @precondition(lambda self: self.status in MATRIX["merge"])
    @rule()
    def merge(self):
        assert self.do("merge", "agent", into_id=self.other.pk) is None
        self.merged_from = self.status
        self.arrive("merge", "cancelled")

    @precondition(lambda self: self.status == "cancelled")
    @rule()
    def unmerge(self):
        """Back to where it was; what was cancelled otherwise stays so."""
        found = self.do("unmerge", "agent")
        assert found == (None if self.merged_from else IllegalTransition)
        if self.merged_from:
            self.arrive("unmerge", self.merged_from)
            self.merged_from = ""

    @rule(days=st.sampled_from([1, 13, 14]))
    def wait(self, days):
        self.at += timedelta(days=days)

    def refusal(self, verb, who):
        """How it must be refused; None when it must be done."""
        is_source = self.status in MATRIX[verb]
        if who == "requester" and PARTICIPANTS.get(verb) != (self.status if is_source else PARTICIPANTS.get(verb, "")):
            return Denied
        is_late = verb == "reopen" and self.status == "closed" and self.at > self.closed_at + REOPEN_WINDOW
        if not is_source or is_late:
            return IllegalTransition
        # The platform is nobody who could have it.
        return Denied if who == "platform" and verb == "claim" else None

    def do(self, verb, who, **given):
        try:
            with transaction.atomic():
                verbs.do(self.incident, verb, actor=self.actors[who], at=self.at, **(given or GIVEN.get(verb, {})))
        except DomainError as refusal:
            return type(refusal)
        return None

    def arrive(self, verb, status):
        Life.seen.add((verb, self.status, status))
        self.status, self.version, self.facts = status, self.version + 1, self.facts + 1
        if status in {"closed", "cancelled"} and verb in {"close", "cancel", "merge"}:
            self.closed_at = self.at

    @invariant()
    def is_where_the_contract_says(self):
        found = base(self.incident)
        assert (found.status, found.version, broken_rules(found)) == (self.status, self.version, [])
        assert Event.objects.filter(subject_id=found.pk).count() == self.facts
        allowed = LIFECYCLE.allowed(found, actor=self.actors["agent"], at=self.at)
        assert set(allowed) & set(TRIED) == {verb for verb in TRIED if self.refusal(verb, "agent") is None}


def test_no_sequence_of_verbs_leaves_the_contract(acme, alice, bob, record_property):
    Life.seen = set()
    with acme.entered():
        Life.actors = {"agent": acting(alice), "requester": acting(bob), "platform": acme.system}
        run_state_machine_as_test(
            Life,
            settings=settings(
                max_examples=LIVES, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
    legal = {
        (verb, source, target) for verb, steps in MATRIX.items() for source, target in steps.items() if verb in TRIED
    }
    assert {step for step in Life.seen if step[0] in TRIED} <= legal
    record_property("incident lives walked at random", LIVES)
    record_property("legal transitions met on them", f"{len(Life.seen & legal)} of {len(legal)}")


# Major verb -> from which status it leads where, and who may; a second time, as MATRIX is.
MAJOR_STEPS = {
    "propose": ({"", "rejected", "demoted"}, "candidate"),
    "accept": ({"candidate"}, "accepted"),
    "reject": ({"candidate"}, "rejected"),
    "demote": ({"accepted"}, "demoted"),
}
APPROVED = {"accept", "reject", "demote"}


class MajorLife(RuleBasedStateMachine):
    """Somebody proposes, accepts, rejects, demotes, resolves and reopens one incident; others try to hang it below another."""

    seen: set = set()
    actors: dict = {}

    @initialize()
    def open(self):
        given = {"requester_id": self.actors["requester"].id}
        self.incident, self.other = (
            services.create(actor=self.actors["manager"], at=START, values={"title": title, **given})
            for title in ("Mail is down", "The other one")
        )
        self.major, self.is_open, self.at = "", True, START

    @rule(verb=st.sampled_from(sorted(MAJOR_STEPS)), who=st.sampled_from(["requester", "agent", "manager"]))
    def attempt(self, verb, who):
        sources, target = MAJOR_STEPS[verb]
        act = partial(getattr(major, verb), reason="Nobody can send mail")
        found = self.do(act, who)
        if who == "requester" or (who == "agent" and verb in APPROVED):
            assert found is Denied
        elif self.major not in sources or (verb in {"propose", "accept"} and not self.is_open):
            assert found is IllegalTransition
        else:
            assert found is None
            MajorLife.seen.add((verb, self.major))
            self.major = target

    @rule()
    def turn(self):
        """Resolve what is open, reopen what is resolved: it stays as major as it was."""
        verb = "resolve" if self.is_open else "reopen"
        assert self.do(partial(verbs.do, verb=verb, **GIVEN[verb]), "manager") is None
        self.is_open = not self.is_open

    @precondition(lambda self: self.major in {"candidate", "accepted"})
    @rule()
    def hang(self):
        assert self.do(partial(relations.set_parent, parent_id=self.other.pk), "manager") is Conflict

    def do(self, act, who):
        self.at += timedelta(minutes=1)
        try:
            with transaction.atomic():
                act(self.incident, actor=self.actors[who], at=self.at)
        except DomainError as refusal:
            return type(refusal)
        return None

    @invariant()
    def is_as_major_as_the_contract_says(self):
        found = Incident.objects.get(pk=self.incident.pk)
        is_major = self.major == "accepted"
        assert (found.major_status, found.is_major, found.parent_id) == (self.major, is_major, None)
        assert (found.next_update_due_at is not None) == (is_major and self.is_open)
        assert not is_major or (found.priority, found.commander_id) == (1, self.actors["manager"].id)


def test_no_sequence_of_decisions_leaves_a_major_incident_unled_or_its_clock_wrong(acme, alice, bob, carol):
    MajorLife.seen = set()
    with acme.entered():
        MajorLife.actors = {"agent": acting(alice), "requester": acting(bob), "manager": acting(carol)}
        run_state_machine_as_test(
            MajorLife,
            settings=settings(
                max_examples=200 if IS_FULL_RUN else 8,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    if IS_FULL_RUN:
        # Few lives need not meet every step; that each can be taken, tests/incidents/test_major.py tries one by one.
        assert {verb for verb, _ in MajorLife.seen} == set(MAJOR_STEPS)
