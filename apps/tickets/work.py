"""Work on a ticket: the time it took, and its checklist. Both are internal, and facts of the ticket."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps.core import events, records
from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.core.errors import Conflict, FieldError, Invalid, StillReferenced
from apps.core.models import VersionedModel
from apps.tickets import kinds, rights, services
from apps.tickets.choices import Visibility
from apps.tickets.models import Task, TaskDependency, Ticket, Worklog

WORKLOGS, TASKS = "work_logs", "tasks"
# Free words stay in their row, where they can be taken away.
UNTOLD = frozenset({"note"})
CREATE_LOG = f"{WORKLOGS}.{Action.CREATE}"


def log_work(ticket: Ticket, *, actor: Actor, at: datetime, minutes: int, **values: Any) -> Worklog:
    """Write down `minutes` of the actor's own work, which ended at `at` unless `started_at` (UTC) says otherwise.

    Raises Denied, Invalid, Conflict `merged`.
    """
    locked = _lock(ticket.pk, Action.CREATE, WORKLOGS, actor=actor)
    given = {"started_at": at - timedelta(minutes=minutes), **values}
    _refuse_future(given, at=at)
    row = Worklog(minutes=minutes, author_id=services.somebody_here(actor, CREATE_LOG), **_origin(locked, at), **given)
    row.save(force_insert=True)
    _record(locked, "work_logged", row, actor=actor, at=at, minutes=minutes)
    return row


def change_worklog(row: Worklog, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Worklog:
    """Raises Denied for somebody else's, Invalid."""
    ticket = _lock(row.ticket_id, Action.UPDATE, WORKLOGS, row, actor=actor)
    _refuse_future(values, at=at)
    _write(ticket, row, values, past="worklog_updated", actor=actor, at=at)
    return row


def delete_worklog(row: Worklog, *, actor: Actor, at: datetime) -> None:
    """Raises Denied."""
    ticket = _lock(row.ticket_id, Action.DELETE, WORKLOGS, row, actor=actor)
    _record(ticket, "worklog_deleted", row, actor=actor, at=at, minutes=row.minutes)
    row.delete()


def add_task(ticket: Ticket, *, actor: Actor, at: datetime, depends_on: Iterable[UUID] = (), **values: Any) -> Task:
    """Raises Denied, Invalid, Conflict `merged`."""
    locked = _lock(ticket.pk, Action.CREATE, TASKS, actor=actor)
    services.refuse_unassignable(values.get("assignee_id"))
    services.refuse_gone(values)
    task = Task(created_by_id=actor.local_id, **_origin(locked, at), **values)
    task.save(force_insert=True)
    _depend(task, depends_on)
    _record(locked, "task_added", task, actor=actor, at=at, title=task.title)
    return task


def change_task(
    task: Task, *, actor: Actor, at: datetime, values: Mapping[str, Any], depends_on: Iterable[UUID] | None = None
) -> Task:
    """`depends_on` replaces what it waits for. Raises Denied, Invalid, and Conflict `done` for a new wait of what is done."""
    ticket = _lock(task.ticket_id, Action.UPDATE, TASKS, task, actor=actor)
    if values.get("assignee_id") != task.assignee_id:
        services.refuse_unassignable(values.get("assignee_id"))
    services.refuse_gone(values, before=task)
    beside: dict[str, tuple[Any, Any]] = {}
    before = set(task.dependencies.values_list("depends_on_id", flat=True))
    after = before if depends_on is None else set(depends_on)
    if after != before:
        if task.done_at is not None:
            raise Conflict("It is done; reopen it before you let it wait for another.", code="done")
        _depend(task, after)
        beside = {"depends_on": (sorted(map(str, before)), sorted(map(str, after)))}
    _write(ticket, task, values, past="task_updated", actor=actor, at=at, beside=beside)
    return task


def delete_task(task: Task, *, actor: Actor, at: datetime) -> None:
    """Raises Denied, and StillReferenced while another task waits for it."""
    ticket = _lock(task.ticket_id, Action.DELETE, TASKS, task, actor=actor)
    waiting = TaskDependency.objects.filter(depends_on=task).select_related("task")
    if titles := [dependency.task.title for dependency in waiting]:
        raise StillReferenced(f"Still waited for by {', '.join(titles)}.")
    _record(ticket, "task_deleted", task, actor=actor, at=at, title=task.title)
    task.delete()


def finish_task(task: Task, *, actor: Actor, at: datetime) -> Task:
    """Done at `at` (UTC). Raises Denied, and Conflict `already_done`, or `waiting` naming what is not done yet."""
    ticket = _lock(task.ticket_id, Action.UPDATE, TASKS, task, actor=actor)
    task.refresh_from_db()
    if task.done_at is not None:
        raise Conflict("It is done already.", code="already_done")
    open_ones = Task.objects.filter(dependents__task=task, done_at=None).order_by("order", "id")
    if titles := list(open_ones.values_list("title", flat=True)):
        raise Conflict(f"It waits for {', '.join(titles)}.", code="waiting")
    _write(ticket, task, {"done_at": at, "done_by_id": actor.local_id}, past="task_done", actor=actor, at=at)
    return task


def reopen_task(task: Task, *, actor: Actor, at: datetime) -> Task:
    """To be done again. Raises Denied, and Conflict `not_done`, or `needed` naming what was done after it."""
    ticket = _lock(task.ticket_id, Action.UPDATE, TASKS, task, actor=actor)
    task.refresh_from_db()
    if task.done_at is None:
        raise Conflict("It is not done.", code="not_done")
    done_after = Task.objects.filter(dependencies__depends_on=task, done_at__isnull=False).order_by("order", "id")
    if titles := list(done_after.values_list("title", flat=True)):
        raise Conflict(f"Reopen first what was done after it: {', '.join(titles)}.", code="needed")
    _write(ticket, task, {"done_at": None, "done_by_id": None}, past="task_reopened", actor=actor, at=at)
    return task


def _lock(ticket_id: UUID, action: Action, resource: str, row: Any = None, *, actor: Actor) -> Ticket:
    """The ticket, whose lock is that of all its parts: what waits for what is settled one change at a time."""
    require(actor, action, resource, row)
    ticket = services.lock(ticket_id, actor=actor)
    require(actor, Action.PARTICIPATE, kinds.get(ticket.kind).resource, ticket)
    rights.require_to_work_on(actor, ticket, f"{resource}.{action}")
    if action is Action.CREATE and ticket.merged_into_id is not None:
        raise Conflict(
            "It was merged; work on the ticket that it was merged into.",
            code="merged",
            current_status=ticket.status,
            into=str(ticket.merged_into_id),
        )
    return ticket


def _origin(ticket: Ticket, at: datetime) -> dict[str, Any]:
    return {
        "organization_id": ticket.organization_id,
        "ticket_id": ticket.pk,
        "created_at": at,
        "updated_at": at,
    }


def _refuse_future(values: Mapping[str, Any], *, at: datetime) -> None:
    if "started_at" in values and values["started_at"] > at:
        raise Invalid(
            errors=[FieldError("/started_at", "out_of_range", "Not yet; accepted: an instant that has passed.")]
        )


def _depend(task: Task, depends_on: Iterable[UUID]) -> None:
    wanted = list(dict.fromkeys(depends_on))
    siblings = set(Task.objects.filter(ticket_id=task.ticket_id).exclude(pk=task.pk).values_list("pk", flat=True))
    errors = [
        FieldError(f"/depends_on/{position}", "does_not_exist", f"{pk} is no other task of this ticket.")
        for position, pk in enumerate(wanted)
        if pk not in siblings
    ]
    if errors:
        raise Invalid(errors=errors)
    _refuse_cycle(task, wanted)
    TaskDependency.objects.filter(task=task).delete()
    TaskDependency.objects.bulk_create(
        TaskDependency(organization_id=task.organization_id, task=task, depends_on_id=pk) for pk in wanted
    )


def _refuse_cycle(task: Task, wanted: Iterable[UUID]) -> None:
    waits: dict[UUID, set[UUID]] = {}
    rows = TaskDependency.objects.filter(task__ticket_id=task.ticket_id)
    for waiting, awaited in rows.values_list("task_id", "depends_on_id"):
        waits.setdefault(waiting, set()).add(awaited)
    met: set[UUID] = set()
    frontier = set(wanted)
    while frontier:
        met |= frontier
        frontier = {awaited for waiting in frontier for awaited in waits.get(waiting, ())} - met
    if task.pk in met:
        detail = "They would wait for each other; accepted: tasks that do not wait for this one."
        raise Invalid(errors=[FieldError("/depends_on", "cycle", detail)])


def _write(
    ticket: Ticket,
    row: VersionedModel,
    values: Mapping[str, Any],
    *,
    past: str,
    actor: Actor,
    at: datetime,
    beside: events.Changes | None = None,
) -> None:
    """Write what differs into the part, and record it as a fact of the ticket; nothing differs, nothing happens."""
    named = {row._meta.get_field(name.removesuffix("_id")).name: value for name, value in values.items()}
    before = records.plain(row, named)
    for name, value in values.items():
        setattr(row, name, value)
    after = records.plain(row, named)
    differing = {name: (before[name], after[name]) for name in after if before[name] != after[name]}
    if not differing and not beside:
        return
    row.version += 1
    row.updated_at = at
    row.save(update_fields=[*differing, "version", "updated_at"])
    told = {name: change for name, change in differing.items() if name not in UNTOLD}
    _record(ticket, past, row, actor=actor, at=at, changes={**told, **(beside or {})})


def _record(
    ticket: Ticket,
    past: str,
    row: Any,
    *,
    actor: Actor,
    at: datetime,
    changes: events.Changes | None = None,
    **data: Any,
) -> None:
    part: dict[str, Any] = {"worklog" if isinstance(row, Worklog) else "task": str(row.pk)}
    internal = str(Visibility.INTERNAL.value)
    events.record(
        f"{ticket.kind}.{past}", ticket, actor=actor, at=at, changes=changes, visibility=internal, **part, **data
    )
