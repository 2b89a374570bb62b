"""A timer is driven by random changes through the engine, and judged by walking through its whole history in quarter hours."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.organizations.calendars import OpenHours
from apps.sla.book import Book, Hours, TargetRule, VersionRule
from apps.sla.choices import EndReason
from apps.sla.clock import LevelRule
from apps.sla.conditions import ALWAYS as ANY
from apps.sla.conditions import Condition, Values
from apps.sla.engine import Change, Evaluation
from apps.sla.rules import usual
from tests.conftest import IS_FULL_RUN

# A Thursday at eight; office hours are from nine to five, so weekends and nights come into it.
START = datetime(2026, 3, 5, 8, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
OFFICE = OpenHours("UTC", [{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(5)])
CALENDAR = UUID(int=7)
# Priority 1: 16 quarters around the clock; every other: 24 quarters of the office's.
TARGETS = {1: 16, 3: 24}
LEVELS = tuple(LevelRule(UUID(int=100 + percent), percent=percent) for percent in (50, 100, 125))
URGENT = Condition(({"priority": Values(frozenset({1}))},))
VERSION = VersionRule(
    id=UUID(int=1),
    policy_id=UUID(int=2),
    agreement="sla",
    match=ANY,
    rules={"resolution": usual("resolution")},
    targets={
        "resolution": (
            TargetRule(UUID(int=11), URGENT, TARGETS[1] * 900, None, None),
            TargetRule(UUID(int=13), ANY, TARGETS[3] * 900, None, CALENDAR),
        )
    },
    levels={"resolution": LEVELS},
)
BOOK = Book((VERSION,), {CALENDAR: Hours(UUID(int=8), OFFICE)})
FACTS = {
    "kind": "incident", "phase": "new", "status": "new", "hold_reason": "", "priority": 3, "impact": 3, "urgency": 3,
    "source": "api", "service": None, "category": None, "configuration_item": None, "team": None, "requester": None,
    "is_assigned": False, "is_responded": False, "is_major": False, "site": None, "department": None, "is_vip": False,
    "ci_criticality": None, "service_criticality": None, "message": "",
}  # fmt: skip
DOINGS = {
    "work": {"phase": "open", "status": "in_progress", "hold_reason": ""},
    "ask": {"phase": "pending", "status": "on_hold", "hold_reason": "awaiting_requester"},
    "order": {"phase": "pending", "status": "on_hold", "hold_reason": "awaiting_vendor"},
    "solve": {"phase": "resolved", "status": "resolved", "hold_reason": ""},
    "cancel": {"phase": "cancelled", "status": "cancelled", "hold_reason": ""},
    "raise": {"priority": 1},
    "lower": {"priority": 3},
    "pass on": {"team": "01900000-0000-7000-8000-000000000001"},
    "sweep": {},
}
stories = st.lists(
    st.tuples(
        st.integers(0, 60), st.sampled_from(["work", "ask", "order", "solve", "raise", "lower", "pass on", "sweep"])
    ),
    max_size=12,
).flatmap(lambda begun: st.sampled_from([begun, [*begun, (3, "cancel")]]))


# --- the judge, who knows nothing of the engine


def judge(story, until):
    """Stage, quarters counted, whether it was breached, and when it is due if it runs on: by walking, quarter by quarter."""
    happens, at = {}, 0
    for wait, doing in story:
        at += wait
        happens.setdefault(at, []).append(doing)
    state, priority, kept, is_breached, past = "runs", 3, 3, False, []
    for quarter in range(until + 1):
        for doing in happens.get(quarter, ()):
            is_breached = is_breached or passed(past, kept)
            if doing != "cancel" or state != "over":
                state = {"work": "runs", "order": "runs", "ask": "waits", "solve": "over", "cancel": "gone"}.get(
                    doing, state
                )
            priority = {"raise": 1, "lower": 3}.get(doing, priority)
            # What is over keeps its target until it is opened again.
            kept = priority if state in {"runs", "waits"} else kept
            is_breached = is_breached or passed(past, kept)
        if quarter < until:
            past.append(state)
    is_breached = is_breached or passed(past, kept)
    counted = sum(counts(place, each, kept) for place, each in enumerate(past))
    stage = {"runs": "running", "waits": "paused", "gone": "cancelled"}.get(state, "missed" if is_breached else "met")
    return stage, counted, is_breached, due(past, kept) if state == "runs" else None


def is_open(quarter, priority):
    moment = START + quarter * QUARTER
    return priority == 1 or (moment.weekday() < 5 and 9 <= moment.hour < 17)


def counts(quarter, state, priority):
    return state == "runs" and is_open(quarter, priority)


def passed(past, priority):
    """Whether it ran on after its time was used up."""
    used = 0
    for quarter, state in enumerate(past):
        if state == "runs" and used >= TARGETS[priority]:
            return True
        used += counts(quarter, state, priority)
    return False


def due(past, priority):
    """The first instant with the whole target behind it, if it runs on."""
    left, quarter = TARGETS[priority] - sum(counts(place, each, priority) for place, each in enumerate(past)), len(past)
    while left > 0:
        left, quarter = left - is_open(quarter, priority), quarter + 1
    return START + quarter * QUARTER if left == 0 else None


# --- the engine, driven


class Driven:
    """Timers as the engine leaves them, without a database."""

    def __init__(self):
        self.facts, self.held, self.every, self.spans = None, {}, {}, {}
        self.is_over = False
        self.change(0, {}, "created")

    def change(self, quarter, values, because):
        before, after = self.facts, {**(self.facts or FACTS), **values}
        ends = EndReason.TICKET_CANCELLED if after["phase"] == "cancelled" else EndReason.NONE
        change = Change(START + quarter * QUARTER, before, after, START, START, because, ends=ends)
        self.facts = after
        evaluation = Evaluation(change, BOOK, self.held, lambda held: self.spans.get(held.id, []))
        self.settle(evaluation.run())

    def settle(self, touched):
        for held in touched:
            assert not {level.level_id for level in held.clock.passed} & self.every.get(held.id, set())
            self.every.setdefault(held.id, set()).update(level.level_id for level in held.clock.passed)
            self.spans.setdefault(held.id, []).extend(held.clock.spans)
            held.clock.spans, held.clock.passed, held.late_count = [], [], 0
            held.touched = held.is_new = False

    def sweep(self, quarter):
        for held in self.held.values():
            if held.is_live:
                held.clock.reach(START + quarter * QUARTER)
                self.settle([held])


@settings(max_examples=20_000 if IS_FULL_RUN else 200, deadline=None)
@given(stories)
def test_a_timer_agrees_with_whoever_walks_through_its_history(story):
    driven, at = Driven(), 0
    for told, (wait, doing) in enumerate(story, 1):
        at += wait
        if doing == "sweep":
            driven.sweep(at)
        else:
            driven.change(at, DOINGS[doing], doing)
        held = driven.held["sla", "resolution"]
        state, spans = held.clock.state, driven.spans[held.id]
        elapsed, _ = held.clock.elapsed_at(START + at * QUARTER)
        stage, counted, is_breached, due_at = judge(story[:told], at)
        is_late = state.stage == "running" and START + at * QUARTER > state.due_at
        assert (state.stage, elapsed, state.breached_at is not None or is_late) == (stage, counted * 900, is_breached)
        if stage == "running" and not is_breached:
            assert state.due_at == due_at
        assert sum(span.business_seconds for span in spans if span.kind == "running") == state.elapsed_seconds
        assert [span.began_at for span in spans[1:]] == [span.ended_at for span in spans[:-1]]
