"""One case lived again, update by update, through the verbs that the API uses, each at its own time."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.incidents import services
from apps.incidents.importing.cast import Cast
from apps.incidents.importing.mapping import SourceMapping, State
from apps.incidents.importing.reading import Case, Entry
from apps.incidents.lifecycle import Status
from apps.tickets import services as ticket_services
from apps.tickets import verbs
from apps.tickets.choices import Source
from apps.tickets.models import Ticket

OWNERSHIP = ("team_id", "assignee_id")


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about one incident that a person may want to know: where ours differs from the source's, what was decided."""

    number: str
    code: str
    detail: str
    line: int = 0


@dataclass(slots=True)
class Outcome:
    """What came of one case: imported, unchanged, changed (in the source since), rejected."""

    number: str
    result: str = "imported"
    updates: int = 0
    # Of the source's words, `New -> Active`; kept apart from updates that change no state.
    transitions: Counter[str] = field(default_factory=Counter)
    remarks: list[Remark] = field(default_factory=list)


class Replay:
    """The replay of one case. Raises DomainError at the entry that `entry` shows."""

    def __init__(self, case: Case, cast: Cast, mapping: SourceMapping) -> None:
        self.case = case
        self.cast = cast
        self.mapping = mapping
        self.entry = case.entries[0]
        self.outcome = Outcome(case.number, updates=len(case.entries))
        self.ticket: Any = None
        # The source's last word that meant something.
        self.word = ""

    def run(self) -> Outcome:
        """In the caller's transaction, inside `core.events.historic`."""
        self._open()
        with ticket_services.holding(self.ticket):
            self._follow_all()
        self._compare(self.case.entries[-1])
        if not self.case.is_sorted:
            self._remark("out_of_order", "Its lines are not in the order of time; they were put into it.")
        return self.outcome

    def _follow_all(self) -> None:
        before = ""
        for entry in self.case.entries:
            self.entry = entry
            if self._is_stray(entry):
                self._remark(
                    "back_to_new", f"The source went back to {entry.state}; here it stays {self.ticket.status}."
                )
                continue
            self._follow(entry)
            if before and before != entry.state:
                self.outcome.transitions[f"{before} -> {entry.state}"] += 1
            before = entry.state
            if entry.priority is not None and self.ticket.priority != entry.priority:
                self._remark("priority", f"{self.ticket.priority} by our matrix, {entry.priority} by the source")

    # --- one update

    def _open(self) -> None:
        first = self.entry
        opened_at = first.opened_at or first.at
        if first.at < opened_at:
            self._remark("before_opening", f"Its first update is of {first.at:%Y-%m-%d %H:%M}, before it was opened.")
        values = {
            "title": first.title or self.case.number,
            "description": first.description,
            **self._ours(first),
            **self._owners(first),
            "custom_fields": dict(first.custom_fields),
        }
        self.ticket = services.create(
            actor=self.cast.actor(first.opened_by), at=opened_at, values=values, number=self.case.number
        )

    def _is_stray(self, entry: Entry) -> bool:
        """Nothing becomes new again, here or there: such a line lies at the wrong time."""
        return self.mapping.states[entry.state].status == Status.NEW and self.ticket.status != Status.NEW

    def _follow(self, entry: Entry) -> None:
        """What became of it first where it opens again, what was changed first where it ends: a closed one takes no change."""
        state = self.mapping.states[entry.state]
        is_step = bool(state.status) and entry.state != self.word
        if is_step:
            self.word = entry.state
        is_over = not self.ticket.is_open
        if is_over and is_step and state.is_open:
            self._reopen(state)
            if self.ticket.is_open:
                self._change(entry)
        elif is_over:
            self._go_on_being_over(entry, state, is_step=is_step)
        else:
            self._change(entry)
            if is_step:
                self._step(state)

    def _do(self, verb: str, **given: Any) -> None:
        self.ticket = verbs.do(self.ticket, verb, actor=self.cast.actor(self.entry.by), at=self.entry.at, **given)

    def _reopen(self, state: State) -> None:
        if self.ticket.status == Status.CANCELLED:
            self._remark(
                "cancelled_for_good", f"The source goes on to {self.entry.state}; a cancelled one stays cancelled here."
            )
            return
        self._do("reopen", reason="")
        if state.status == Status.ON_HOLD:
            self._do("hold", reason=state.hold_reason)

    def _go_on_being_over(self, entry: Entry, state: State, *, is_step: bool) -> None:
        """Resolved anew, closed, or touched after closing; whatever else changed belongs to the same fact."""
        if is_step and state.status == Status.CLOSED and self.ticket.status == Status.RESOLVED:
            self._do("close")
        elif is_step and state.status == Status.RESOLVED and self.ticket.status == Status.CLOSED:
            self._do("reopen", reason="")
            self._resolve()
        elif self.ticket.status == Status.CANCELLED:
            return
        elif state.status:
            # Said again at this time, whether or not anything differs.
            self._restate(entry)
            return
        if changed := self._differing(entry):
            self._restate(entry, changed)

    def _restate(self, entry: Entry, changed: Mapping[str, Any] | None = None) -> None:
        code, notes = self.mapping.resolution(entry.resolution_code)
        self.ticket = verbs.restate(
            self.ticket,
            actor=self.cast.actor(entry.by),
            at=entry.at,
            resolution_code=code,
            resolution_notes=notes,
            values=self._differing(entry) if changed is None else changed,
        )

    def _step(self, state: State) -> None:
        """To the state that an open one reached."""
        status, now = state.status, self.ticket.status
        if status == Status.ON_HOLD:
            self._do("hold", reason=state.hold_reason)
        elif status == Status.IN_PROGRESS and now == Status.NEW:
            self._do("start")
        elif status == Status.IN_PROGRESS and now == Status.ON_HOLD:
            self._do("resume")
        elif status == Status.RESOLVED:
            self._resolve()
        elif status == Status.CLOSED:
            self._remark("closed_unresolved", "Closed without having been resolved: resolved and closed at once here.")
            self._resolve()
            self._do("close")
        elif status == Status.CANCELLED:
            self._do("cancel", reason="")

    def _resolve(self) -> None:
        code, notes = self.mapping.resolution(self.entry.resolution_code)
        self._do("resolve", resolution_code=code, resolution_notes=notes)

    # --- fields

    def _change(self, entry: Entry) -> None:
        """Whose work it is, then everything else."""
        differing = self._differing(entry)
        to = {name: differing.pop(name) for name in OWNERSHIP if name in differing}
        if to:
            self._do("assign", **to)
        if differing:
            self.ticket = ticket_services.change(
                self.ticket, actor=self.cast.actor(entry.by), at=entry.at, values=differing
            )

    def _differing(self, entry: Entry) -> dict[str, Any]:
        """What the entry says otherwise than the ticket; with another team always the person too."""
        owners = self._owners(entry)
        wanted = {**self._ours(entry), **owners}
        differing = {name: value for name, value in wanted.items() if getattr(self.ticket, name) != value}
        if "team_id" in differing:
            differing["assignee_id"] = owners["assignee_id"]
        custom = dict(entry.custom_fields)
        told = {key: custom.get(key) for key in self.mapping.custom_fields}
        if changed := {key: value for key, value in told.items() if self.ticket.custom_fields.get(key) != value}:
            differing["custom_fields"] = changed
        return differing

    def _ours(self, entry: Entry) -> dict[str, Any]:
        """Columns that an entry sets. Levels and ways in that it leaves out stay as they were."""
        is_new = self.ticket is None
        values: dict[str, Any] = {"category_id": self.cast.category_id(entry)}
        if entry.requester or is_new:
            values["requester_id"] = self.cast.requester_id(entry)
        values |= {name: getattr(entry, name) for name in ("impact", "urgency") if getattr(entry, name) is not None}
        if entry.source or is_new:
            values["source"] = entry.source or Source.API.value
        return values

    def _owners(self, entry: Entry) -> dict[str, Any]:
        return {"team_id": self.cast.team_id(entry.team), "assignee_id": self.cast.person_id(entry.assignee)}

    # --- what the source counted itself

    def _compare(self, last: Entry) -> None:
        ticket: Ticket = self.ticket
        for name in ("reopen_count", "reassignment_count"):
            theirs = getattr(last, name)
            if theirs is not None and theirs != getattr(ticket, name):
                self._remark(name, f"{getattr(ticket, name)} by its updates, {theirs} by the source's own count")
        for name in ("resolved_at", "closed_at"):
            when: datetime | None = getattr(last, name)
            if when is not None and when != getattr(ticket, name):
                self._remark(name, f"{getattr(ticket, name)} by its updates, {when} by the source")

    def _remark(self, code: str, detail: str) -> None:
        self.outcome.remarks.append(Remark(self.case.number, code, detail, self.entry.line))
