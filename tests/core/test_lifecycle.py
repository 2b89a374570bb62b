"""The lifecycle engine: what a table allows, in which order it refuses, and which tables are none."""

from types import SimpleNamespace

import pytest
from django.utils import timezone

from apps.core.actors import Actor, ActorKind
from apps.core.authorization import Action, Reach
from apps.core.errors import Denied, IllegalTransition, Invalid
from apps.core.lifecycle import Lifecycle, Phase, Transition
from apps.core.models import new_id
from apps.incidents.lifecycle import LIFECYCLE as INCIDENTS
from apps.users.models import UserType
from apps.users.rights import rights_from_table
from apps.users.role_table import BUILT_IN

NOW = timezone.now()


def actor(role):
    user_id = new_id()
    return Actor(
        ActorKind.USER, new_id(), user_id, role, authorizer=rights_from_table(user_id, role, BUILT_IN.get(role, {}))
    )


ADMIN, AGENT = actor(UserType.ADMIN), actor(UserType.AGENT)


def not_on_hold(record, actor, at):
    return "It is on hold." if record.is_on_hold else None


# The grants of teams are in the role table: administrators may change them, agents only read.
LIFECYCLE = Lifecycle(
    resource="teams",
    initial="new",
    statuses={"new", "open", "closed"},
    phases={"new": Phase.NEW, "open": Phase.OPEN, "closed": Phase.CLOSED},
    transitions={
        "start": Transition(sources={"new"}, target="open", grant=Action.UPDATE),
        "close": Transition(
            sources={"new", "open"}, target="closed", grant=Action.UPDATE, requires=("code", "notes"), guard=not_on_hold
        ),
        "look": Transition(sources={"new", "open"}, target="open", grant=Action.READ),
    },
)


def record(status="new", is_on_hold=False):
    return SimpleNamespace(status=status, is_on_hold=is_on_hold)


def check(name, subject, who=ADMIN, **given):
    return LIFECYCLE.check(subject, name, actor=who, at=NOW, given=given)


def test_what_the_table_allows_is_returned_and_the_record_is_left_alone():
    subject = record()

    assert check("start", subject) is LIFECYCLE.transitions["start"]
    assert check("close", subject, code="done", notes="all") is LIFECYCLE.transitions["close"]
    assert subject.status == "new"


@pytest.mark.asvs("2.3.1")
def test_from_another_status_it_is_illegal_and_says_from_which_it_would_be():
    with pytest.raises(IllegalTransition) as refusal:
        check("close", record("closed"), code="done", notes="all")

    assert (refusal.value.status, refusal.value.code) == (409, "illegal_transition")
    assert refusal.value.detail == "Cannot close from closed; accepted: new, open."
    assert refusal.value.extra == {"current_status": "closed"}


def test_a_guard_says_why_not_now():
    with pytest.raises(IllegalTransition) as refusal:
        check("close", record(is_on_hold=True), code="done", notes="all")

    assert (refusal.value.detail, refusal.value.extra) == ("It is on hold.", {"current_status": "new"})


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ["/code", "/notes"]),
        ({"code": "done"}, ["/notes"]),
        ({"code": "", "notes": None}, ["/code", "/notes"]),
        ({"notes": "all"}, ["/code"]),
    ],
)
def test_each_required_field_that_is_missing_is_named(given, missing):
    with pytest.raises(Invalid) as refusal:
        check("close", record(), **given)

    assert [(error.pointer, error.code) for error in refusal.value.errors] == [(name, "required") for name in missing]


def test_refusals_come_in_the_order_denied_illegal_invalid():
    broken = record("closed", is_on_hold=True)
    for who, subject, refusal in (
        (AGENT, broken, Denied),
        (ADMIN, broken, IllegalTransition),
        (ADMIN, record(is_on_hold=True), IllegalTransition),
        (ADMIN, record(), Invalid),
    ):
        with pytest.raises(refusal):
            check("close", subject, who)
    with pytest.raises(Denied) as denied:
        check("close", broken, AGENT)
    assert denied.value.extra == {"grant": "teams.update"}


def test_an_unknown_verb_is_a_programming_error():
    with pytest.raises(KeyError):
        check("explode", record())


@pytest.mark.parametrize(
    ("who", "subject", "verbs"),
    [
        (ADMIN, record(), ["start", "close", "look"]),
        (ADMIN, record("open"), ["close", "look"]),
        (ADMIN, record("closed"), []),
        (ADMIN, record(is_on_hold=True), ["start", "look"]),
        (AGENT, record(), ["look"]),
        (actor(UserType.END_USER), record(), []),
        (actor(""), record(), []),
        (Actor.system(new_id(), "test"), record(), ["start", "close", "look"]),
    ],
)
def test_allowed_lists_the_verbs_in_the_table_s_order(who, subject, verbs):
    assert LIFECYCLE.allowed(subject, actor=who, at=NOW) == verbs


def test_reachable_follows_the_transitions_from_the_initial_status():
    island = Lifecycle(
        resource="teams",
        initial="new",
        statuses={"new", "open", "island"},
        transitions={
            "start": Transition(sources={"new"}, target="open", grant=Action.UPDATE),
            "swim": Transition(sources={"island"}, target="new", grant=Action.UPDATE),
        },
    )

    assert LIFECYCLE.reachable() == {"new", "open", "closed"}
    assert island.reachable() == {"new", "open"}


TO_B = {"go": Transition(sources={"a"}, target="b", grant=Action.UPDATE)}
CONTRADICTIONS = {
    "an unknown target": {"statuses": {"a"}, "transitions": TO_B},
    "an unknown source": {"statuses": {"b"}, "initial": "b", "transitions": TO_B},
    "an unknown initial status": {"initial": "z"},
    "a status without a phase": {"phases": {"a": Phase.NEW}},
    "a phase without a status": {"phases": {"a": Phase.NEW, "b": Phase.OPEN, "c": Phase.CLOSED}},
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_table_that_contradicts_itself_is_refused_when_it_is_made(name):
    sound = {"resource": "things", "initial": "a", "statuses": {"a", "b"}, "transitions": TO_B}
    assert Lifecycle(**sound).reachable() == {"a", "b"}

    with pytest.raises(ValueError, match="things"):
        Lifecycle(**{**sound, **CONTRADICTIONS[name]})


def test_a_table_cannot_be_changed_afterwards():
    with pytest.raises(AttributeError):
        LIFECYCLE.initial = "open"
    with pytest.raises(AttributeError):
        LIFECYCLE.transitions["start"].target = "closed"


@pytest.mark.parametrize("role", BUILT_IN)
@pytest.mark.parametrize("status", ["new", "in_progress", "on_hold", "resolved", "closed", "cancelled"])
def test_what_lists_ask_once_is_what_each_record_would_answer(acme, role, status):
    who, at = actor(role), timezone.now()
    incident = SimpleNamespace(
        status=status,
        requester_id=new_id(),
        team_id=None,
        pk=new_id(),
        merged_into_id=None,
        is_major=False,
        closed_at=at,
        reach_columns={Reach.OWN: ("requester_id",), Reach.TEAM: ("team_id",)},
    )

    granted = INCIDENTS.granted(status, actor=who)

    if granted is not None:
        with acme.entered():
            verbs = [name for name, guard in granted if guard is None or guard(incident, who, at) is None]
            assert verbs == INCIDENTS.allowed(incident, actor=who, at=at)
    assert (granted is None) == (role == UserType.END_USER and status in {"new", "resolved"})
