"""What a change of a ticket does to its timers. No database, no clock: facts in, timers as they then are out.

In one change cancel comes before stop, reset, another target, pause, resume and start; what paused and is stopped at once ends its
pause and stops, at one instant.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from apps.core.lifecycle import Phase
from apps.core.models import new_id
from apps.sla.book import Book, Choice, Key, VersionRule
from apps.sla.choices import FINISHED, OF_TEAM, EndReason, Stage, Stretch
from apps.sla.clock import Cause, Clock, Span, whole
from apps.sla.conditions import Facts
from apps.sla.rules import CancelWhen, OnChange, Reopen, Rules, StartFrom

OVER = frozenset({Phase.RESOLVED.value, Phase.CLOSED.value, Phase.CANCELLED.value})
# Ended by a loss of the ticket that can be undone.
LOST = frozenset({EndReason.MERGED, EndReason.DELETED})


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a ticket: what conditions read before (None: it was opened just now) and after."""

    at: datetime
    before: Facts | None
    after: Facts
    opened_at: datetime
    created_at: datetime
    because: str = ""
    event_id: UUID | None = None
    owner_id: str | None = None
    # The ticket itself is gone: merged, deleted, cancelled.
    ends: EndReason = EndReason.NONE
    # And came back.
    is_back: bool = False

    @property
    def cause(self) -> Cause:
        return Cause(self.because, self.event_id, self.after["team"], self.owner_id)


@dataclass(slots=True)
class Held:
    """A timer in hand, with what it is pinned to."""

    id: UUID
    agreement: str
    metric: str
    version: VersionRule
    target_id: UUID
    team_id: str | None
    sequence: int
    cycle: int
    clock: Clock
    live_from: datetime
    attached_at: datetime
    replaces_id: UUID | None = None
    segment_count: int = 0
    is_new: bool = False
    # Levels passed before it was attached, as many as `clock.passed` held then.
    late_count: int = 0
    # Its breach was told of the timer that it took over from.
    is_breach_told: bool = False
    # Who set its deadline by hand, and why.
    set_by_id: UUID | None = None
    set_because: str = ""
    touched: bool = False

    @property
    def key(self) -> Key:
        return self.agreement, self.metric

    @property
    def calendar_version_id(self) -> UUID | None:
        return self.clock.plan.calendar_version_id

    @property
    def rules(self) -> Rules:
        return self.version.rules[self.metric]

    @property
    def is_live(self) -> bool:
        return self.clock.state.is_live


SpansOf = Callable[[Held], Sequence[Span]]


@dataclass(frozen=True, slots=True)
class Past:
    """What conditions read after an earlier fact of the ticket."""

    at: datetime
    facts: Facts
    cause: Cause


# The ticket's earlier facts, oldest first; asked for only where a timer begins later than it counts from.
PastOf = Callable[[], Sequence[Past]]


@dataclass(slots=True)
class Evaluation:
    """One change, met by the last timer of each agreement and metric; `touched` are those it changed, new ones last."""

    change: Change
    book: Book
    held: dict[Key, Held]
    # The stretches that are over of a timer, for another target to take over.
    spans_of: SpansOf
    past_of: PastOf = tuple
    touched: list[Held] = field(default_factory=list)

    def run(self) -> list[Held]:
        change = self.change
        pinned = {held.version.policy_id: held.version for held in self.held.values() if held.is_live}
        after = self.book.choose(change.after, since=change.opened_at, pinned=pinned)
        before = after
        if change.before is None:
            before = {}
        elif change.before != change.after:
            before = self.book.choose(change.before, since=change.opened_at, pinned=pinned)
        for key, held in list(self.held.items()):
            if held.is_live:
                self._go_on(held, before.get(key), after.get(key))
        if change.ends is EndReason.NONE:
            for key, choice in after.items():
                held_now = self.held.get(key)
                if held_now is None or not held_now.is_live:
                    self._perhaps_begin(key, held_now, choice, is_newly_chosen=key not in before)
        return self.touched

    # --- what runs or waits

    def _go_on(self, held: Held, before: Choice | None, after: Choice | None) -> None:
        change, clock, rules = self.change, held.clock, held.rules
        at, facts = whole(change.at), change.after
        if change.ends is not EndReason.NONE:
            self._touch(held).cancel(at, change.ends)
        elif self._is_cancelled(rules):
            self._touch(held).cancel(at, EndReason.CONDITION)
        elif rules.stop.holds(facts):
            self._touch(held).stop(at)
        elif held.agreement in OF_TEAM and facts["team"] != held.team_id:
            self._touch(held).stop(at, EndReason.HANDED_OVER)
        elif self._now(rules, "reset"):
            self._touch(held).stop(at, EndReason.RESET)
        elif self._is_retargeted(held, before, after):
            self._retarget(held, after)
        elif clock.state.stage is Stage.RUNNING and _pauses(rules, facts):
            self._touch(held).pause(at, change.cause)
        elif clock.state.stage is Stage.PAUSED and _resumes(rules, facts):
            self._touch(held).resume(at, change.cause)
        elif (clock.state.cause.team_id, clock.state.cause.owner_id) != (facts["team"], change.owner_id):
            why = clock.state.cause
            self._touch(held).hand_on(at, Cause(why.because, why.event_id, facts["team"], change.owner_id))

    def _is_cancelled(self, rules: Rules) -> bool:
        facts = self.change.after
        if rules.cancel_when is CancelWhen.CANCEL_TRUE:
            return rules.cancel.holds(facts)
        return rules.cancel_when is CancelWhen.START_FALSE and not rules.start.holds(facts)

    def _now(self, rules: Rules, name: str) -> bool:
        """Whether a condition holds since this very change."""
        condition, before = getattr(rules, name), self.change.before
        return bool(condition.holds(self.change.after) and (before is None or not condition.holds(before)))

    @staticmethod
    def _is_retargeted(held: Held, before: Choice | None, after: Choice | None) -> bool:
        """Whether the change itself chose another target: what was published since is for new tickets."""
        chosen = after.target.id if after else None
        return chosen not in {held.target_id, before.target.id if before else None}

    def _retarget(self, held: Held, choice: Choice | None) -> None:
        at = whole(self.change.at)
        if choice is None:
            self._touch(held).cancel(at, EndReason.UNMATCHED)
        elif choice.version.rules[held.metric].on_change is OnChange.FRESH:
            self._touch(held).cancel(at, EndReason.REPLACED)
            begun = self._begin(choice, held.metric, at, after=held, cycle=held.cycle)
            self._inherit_breach(begun, held)
        else:
            self.carry(held, choice, at)

    def give_up(self, held: Held, reason: EndReason) -> None:
        self._touch(held).cancel(whole(self.change.at), reason)

    def carry(self, held: Held, choice: Choice, at: datetime, *, gap: str = "") -> Held:
        """Let another target take over start, pauses and breach, as if it had been there from the start.

        `gap`: why the time since the timer ended is not counted either.
        """
        earlier = list(self.spans_of(held))
        if held.is_live:
            clock = self._touch(held)
            clock.cancel(at, EndReason.REPLACED)
            earlier += clock.spans
        uncounted = list(_uncounted(earlier, self.change.cause))
        ended_at = held.clock.state.ended_at
        if gap and ended_at is not None and ended_at < at:
            why = Cause(gap, self.change.event_id)
            uncounted.append((Span(Stretch.STOPPED, ended_at, at, 0, 0, why), self.change.cause))
        begun = self._make(choice, held.metric, held.clock.state.started_at, after=held, cycle=held.cycle)
        begun.replaces_id = held.id
        first = min(earlier, key=lambda span: span.began_at, default=None)
        if first is not None:
            begun.clock.state.cause = first.cause
        begun.clock.replay(uncounted)
        begun.clock.hand_on(at, self.change.cause)
        begun.late_count = len(begun.clock.passed)
        self._inherit_breach(begun, held)
        if held.clock.state.fixed_due_at is not None:
            begun.set_by_id, begun.set_because = held.set_by_id, held.set_because
            begun.clock.keep_deadline(held.clock.state.fixed_due_at)
        self._settle_in(begun, at)
        return begun

    @staticmethod
    def _inherit_breach(begun: Held, held: Held) -> None:
        breached_at = held.clock.state.breached_at
        if breached_at is not None:
            begun.is_breach_told = True
            begun.clock.inherit_breach(breached_at)

    # --- what may begin

    def _perhaps_begin(self, key: Key, last: Held | None, choice: Choice, *, is_newly_chosen: bool) -> None:
        change, rules = self.change, choice.version.rules[key[1]]
        facts, before, at = change.after, change.before, whole(change.at)
        if rules.stop.holds(facts) or not rules.start.holds(facts):
            return
        if rules.cancel_when is CancelWhen.CANCEL_TRUE and rules.cancel.holds(facts):
            return
        reason = last.clock.state.end_reason if last is not None else EndReason.NONE
        if last is not None and change.is_back and reason in LOST:
            self.carry(last, choice, at, gap="lost")
            return
        if last is not None and reason is EndReason.UNMATCHED and self._takes_up(last, rules):
            self.carry(last, choice, at, gap="unmatched")
            return
        has_just_ended = last is not None and last.touched and reason in {EndReason.RESET, EndReason.HANDED_OVER}
        is_edge = before is None or is_newly_chosen or not rules.start.holds(before) or rules.stop.holds(before)
        is_taken_over = choice.version.agreement in OF_TEAM and before is not None and before["team"] != facts["team"]
        if not (is_edge or has_just_ended or is_taken_over):
            return
        if last is None or last.clock.state.stage is Stage.CANCELLED or has_just_ended or is_taken_over:
            cycle = 1 if last is None else last.cycle + 1
            self._begin(choice, key[1], self._start(choice.version.agreement, rules, last), after=last, cycle=cycle)
        elif last.clock.state.stage in FINISHED and rules.reopen is Reopen.RESTART:
            self._begin(choice, key[1], at, after=last, cycle=last.cycle + 1)
        elif last.clock.state.stage in FINISHED and rules.reopen is Reopen.RESUME:
            self._reopen(last, choice, at)

    def _takes_up(self, last: Held, rules: Rules) -> bool:
        """Whether what no policy was for in between goes on: leaving a policy and coming back is no way to a new deadline."""
        is_same_team = last.agreement not in OF_TEAM or last.team_id == self.change.after["team"]
        return is_same_team and rules.on_change is not OnChange.FRESH

    def _reopen(self, last: Held, choice: Choice, at: datetime) -> None:
        """The same timer goes on; where the ticket changed meanwhile, another target of its version or policy takes over."""
        if choice.version.policy_id == last.version.policy_id:
            target = last.version.targets_for(self.change.after).get(last.metric)
            if target is not None and target.id == last.target_id:
                self._touch(last).reopen(at, self.change.cause)
                self._settle_in(last, at)
                return
            if target is not None:
                choice = Choice(last.version, target, self.book.hours(target))
        self.carry(last, choice, at, gap="stopped")

    def _start(self, agreement: str, rules: Rules, last: Held | None) -> datetime:
        """What the target is counted from. A team's begins with its assignment, and what begins again does not look back."""
        change = self.change
        begins_again = last is not None or (change.before is not None and change.before["phase"] in OVER)
        if agreement in OF_TEAM or rules.start_from is StartFrom.CHANGE or begins_again:
            return whole(change.at)
        return whole(change.opened_at if rules.start_from is StartFrom.OPENED_AT else change.created_at)

    def _begin(self, choice: Choice, metric: str, started_at: datetime, *, after: Held | None, cycle: int) -> Held:
        begun = self._make(choice, metric, started_at, after=after, cycle=cycle)
        at = whole(self.change.at)
        if started_at < at and self.change.before is not None:
            self._look_back(begun)
        begun.clock.reach(at)
        begun.late_count = len(begun.clock.passed)
        self._settle_in(begun, at)
        return begun

    def _look_back(self, begun: Held) -> None:
        """Pauses before a timer was attached are pauses all the same, and what was over then is not counted either."""
        rules, clock = begun.rules, begun.clock
        waits: Stretch | None = None
        for past in self.past_of():
            if past.at <= clock.state.since:
                clock.state.cause = past.cause
            before, waits = waits, _waits(rules, past.facts, waits)
            if before is not None and before is not waits:
                clock.resume(past.at, past.cause, kind=before)
            if waits is not None and before is not waits:
                clock.pause(past.at, past.cause)
        if waits is Stretch.STOPPED:
            clock.resume(whole(self.change.at), self.change.cause, kind=waits)

    def _make(self, choice: Choice, metric: str, started_at: datetime, *, after: Held | None, cycle: int) -> Held:
        agreement, at = choice.version.agreement, whole(self.change.at)
        seconds = choice.target.seconds_from(started_at, choice.hours.open)
        clock = Clock.begin(choice.plan(metric), target_seconds=seconds, started_at=started_at, cause=self.change.cause)
        return Held(
            id=new_id(),
            agreement=agreement,
            metric=metric,
            version=choice.version,
            target_id=choice.target.id,
            team_id=self.change.after["team"] if agreement in OF_TEAM else None,
            sequence=1 if after is None else after.sequence + 1,
            cycle=cycle,
            clock=clock,
            live_from=at,
            attached_at=at,
            is_new=True,
        )

    def _settle_in(self, held: Held, at: datetime) -> None:
        """It takes its place; what it was attached to may be waiting already."""
        self.held[held.key] = held
        clock = self._touch(held)
        if clock.state.stage is Stage.RUNNING and _pauses(held.rules, self.change.after):
            clock.pause(at, self.change.cause)
        elif clock.state.stage is Stage.PAUSED and _resumes(held.rules, self.change.after):
            clock.resume(at, self.change.cause)

    def _touch(self, held: Held) -> Clock:
        if not held.touched:
            held.touched = True
            self.touched.append(held)
        return held.clock


def _waits(rules: Rules, facts: Facts, waits: Stretch | None) -> Stretch | None:
    """Why a timer that `waits` so, or runs, does not run at these facts."""
    if rules.stop.holds(facts):
        return Stretch.STOPPED
    if waits is Stretch.PAUSED:
        return None if _resumes(rules, facts) else waits
    return Stretch.PAUSED if _pauses(rules, facts) else None


def _pauses(rules: Rules, facts: Facts) -> bool:
    """A major incident waits for nobody, whatever an organization wrote."""
    return not facts["is_major"] and rules.pause.holds(facts)


def _resumes(rules: Rules, facts: Facts) -> bool:
    if facts["is_major"]:
        return True
    return not rules.pause.holds(facts) if rules.resume is None else rules.resume.holds(facts)


def _uncounted(spans: Iterable[Span], last: Cause) -> Iterable[tuple[Span, Cause]]:
    """Everything that was not counted, in order, with why it ended."""
    ordered = sorted(spans, key=lambda span: span.began_at)
    for place, span in enumerate(ordered):
        if span.kind is not Stretch.RUNNING:
            yield span, ordered[place + 1].cause if place + 1 < len(ordered) else last
