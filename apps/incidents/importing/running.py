"""All cases of a log: one transaction each, by one process or several; what is there already is left alone."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from uuid import UUID

from django.db import DataError, IntegrityError, connections, transaction

from apps.core import constraints, events, tenancy
from apps.core.actors import Actor
from apps.core.errors import DomainError
from apps.incidents.importing.cast import Cast, assemble
from apps.incidents.importing.mapping import SourceMapping
from apps.incidents.importing.reading import PREFIX, Case, Log
from apps.incidents.importing.replaying import Outcome, Remark, Replay
from apps.incidents.importing.report import Report
from apps.incidents.models import ImportedIncident
from apps.organizations.numbers import raise_to

# Outcomes travel from worker to parent in such batches.
BATCH = 25


class WorkerDied(RuntimeError):
    """A worker process ended before its work; what it had committed stays, and another run goes on from there."""


@dataclass(frozen=True, slots=True)
class Import:
    """One run: which log, in whose language, into which organization."""

    log: Log
    mapping: SourceMapping
    organization_id: UUID
    at: datetime
    # Told how many cases are done, and what is going on before the first.
    progress: Callable[[int, str], None]

    def run(self, report: Report, *, workers: int = 1) -> Report:
        """Import, and fill in the report. Running it again goes on where a killed run was, and then changes nothing.

        Raises DomainError when the organization cannot take it, WorkerDied.
        """
        report.begin(self.log)
        with tenancy.tenant(self.organization_id), events.historic(lacking=self.mapping.policy.cannot_meet):
            self._fill(report, workers)
        return report

    def rehearse(self, report: Report) -> Report:
        """The same in one transaction that is undone: the same report, and nothing has happened."""
        report.begin(self.log)
        with (
            tenancy.tenant(self.organization_id),
            events.historic(lacking=self.mapping.policy.cannot_meet),
            transaction.atomic(),
        ):
            self._fill(report, 1)
            transaction.set_rollback(True)
        return report

    def _fill(self, report: Report, workers: int) -> None:
        actor = Actor.system(self.organization_id, "import")
        cast = assemble(self.log, self.mapping, actor=actor, at=self.at, progress=lambda said: self.progress(0, said))
        report.made = dict(cast.made)
        with transaction.atomic():
            known = dict(ImportedIncident.objects.values_list("number", "fingerprint"))
            numbers = [case.number for case in self.log.cases.values() if case.entries and case.broken is None]
            if numbers:
                # Numbers given from now on lie above those the log brings.
                raise_to(
                    self.organization_id, PREFIX, max(numbers, key=lambda number: int(number.removeprefix(PREFIX)))
                )
        todo = []
        for case in self.log.cases.values():
            if outcome := _decided(case, known):
                report.add(outcome)
            else:
                todo.append(case)
        self._replay(todo, cast, report, workers)

    def _replay(self, todo: Sequence[Case], cast: Cast, report: Report, workers: int) -> None:
        outcomes = self._apart(todo, cast, workers) if workers > 1 and todo else self._here(todo, cast)
        done = len(self.log.cases) - len(todo)
        for outcome in outcomes:
            report.add(outcome)
            done += 1
            self.progress(done, "")

    def _here(self, cases: Sequence[Case], cast: Cast) -> Iterator[Outcome]:
        for case in cases:
            yield self._one(case, cast)

    def _one(self, case: Case, cast: Cast) -> Outcome:
        """One case in a transaction of its own; what is refused leaves nothing behind."""
        replay = Replay(case, cast, self.mapping)
        try:
            with transaction.atomic():
                outcome = replay.run()
                ImportedIncident.objects.create(
                    organization_id=self.organization_id,
                    number=case.number,
                    fingerprint=case.fingerprint,
                    source=self.mapping.name,
                    imported_at=self.at,
                )
                return outcome
        except (DomainError, IntegrityError, DataError) as error:
            with transaction.atomic():
                # Another run, or what is left of a killed one, was faster.
                known = dict(ImportedIncident.objects.filter(number=case.number).values_list("number", "fingerprint"))
            return _decided(case, known) or _rejected(case, replay.entry.line, error)

    # --- several processes

    def _apart(self, todo: Sequence[Case], cast: Cast, workers: int) -> Iterator[Outcome]:
        """Each worker is a copy of this process with a connection of its own and every `workers`th case."""
        connections.close_all()
        context = get_context("fork")
        pipes: dict[Connection, int] = {}
        processes = []
        for place in range(workers):
            ours, theirs = context.Pipe(duplex=False)
            share = todo[place::workers]
            process = context.Process(target=self._work, args=(share, cast, theirs), daemon=True)
            process.start()
            theirs.close()
            pipes[ours] = len(share)
            processes.append(process)
        try:
            yield from _gather(pipes)
        finally:
            for process in processes:
                process.terminate()
                process.join()

    def _work(self, cases: Sequence[Case], cast: Cast, pipe: Connection) -> None:
        """Until the cases are done, or nobody is there to tell."""
        parent, batch = os.getppid(), list[Outcome]()
        for outcome in self._here(cases, cast):
            batch.append(outcome)
            if os.getppid() != parent:
                return
            if len(batch) == BATCH:
                pipe.send(batch)
                batch = []
        pipe.send(batch)
        connections.close_all()


def _gather(pipes: dict[Connection, int]) -> Iterator[Outcome]:
    """Outcomes as they come. Raises WorkerDied when a pipe ends before its cases do."""
    while any(pipes.values()):
        for ready in wait([pipe for pipe, left in pipes.items() if left]):
            assert isinstance(ready, Connection)
            try:
                batch: list[Outcome] = ready.recv()
            except EOFError as error:
                raise WorkerDied("A worker process ended before its work; run the import again, it goes on.") from error
            pipes[ready] -= len(batch)
            yield from batch


def _decided(case: Case, known: dict[str, str]) -> Outcome | None:
    """What needs no replay: a line of it is broken, or it is here already."""
    if case.broken is not None:
        detail = f"Line {case.broken.line} of it was rejected: {case.broken.detail}"
        return Outcome(case.number, "rejected", remarks=[Remark(case.number, "rejected", detail, case.broken.line)])
    if case.number not in known:
        return None
    if known[case.number] == case.fingerprint:
        return Outcome(case.number, "unchanged")
    detail = "Its history in the file is not the one that was imported; it was left as it is."
    return Outcome(case.number, "changed", remarks=[Remark(case.number, "changed", detail, case.entries[0].line)])


def _rejected(case: Case, line: int, error: DomainError | IntegrityError | DataError) -> Outcome:
    if isinstance(error, DomainError):
        reasons = [f"{wrong.pointer} {wrong.detail}" for wrong in error.errors] or [error.detail]
        detail = " ".join(reasons)
    elif isinstance(error, IntegrityError):
        detail = constraints.explain(error).detail
        if "ticket_number" in str(error):
            detail = "A ticket that was not imported has this number."
    else:
        detail = "The database does not accept one of its values."
    return Outcome(case.number, "rejected", remarks=[Remark(case.number, "rejected", f"Line {line}: {detail}", line)])
