"""Short ways to what every test about tickets needs: an incident, its address, and what is told of it."""

from typing import Any

from apps.audit.models import Event
from apps.tickets.models import Ticket, Watcher

INCIDENTS, TICKETS = "/api/v1/incidents/", "/api/v1/tickets/"
SOLVED = {"resolution_code": "solution_provided", "resolution_notes": "Restarted the mail server."}


def opened(client: Any, **values: Any) -> dict[str, Any]:
    """A new incident, as its creator sees it."""
    answer = client.post(INCIDENTS, {"title": "Mail is down", **values})
    assert answer.status_code == 201, answer.json()
    return answer.json()


def incident(ticket: dict[str, Any], *path: str) -> str:
    """The address of an incident, or of something below it."""
    return f"{INCIDENTS}{ticket['id']}/" + "".join(f"{part}/" for part in path)


def part(ticket: dict[str, Any], *path: Any) -> str:
    """The address of something below a ticket."""
    return f"{TICKETS}{ticket['id']}/" + "".join(f"{step}/" for step in path)


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The problem that an answer tells; `code` is its own or that of its first error."""
    problem = answer.json()
    codes = {problem["code"], *(error["code"] for error in problem["errors"])}
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), problem
    assert code in codes, problem
    return problem


def stored(tenant: Any, ticket: dict[str, Any]) -> Ticket:
    with tenant.entered():
        return Ticket.objects.get(pk=ticket["id"])


def facts(tenant: Any, ticket: dict[str, Any]) -> list[str]:
    """What is told of a ticket, oldest first."""
    with tenant.entered():
        rows = Event.objects.filter(subject_id=ticket["id"]).order_by("id")
        return [name.partition(".")[2] for name in rows.values_list("name", flat=True)]


def told(tenant: Any, ticket: dict[str, Any], past: str) -> dict[str, Any]:
    """The data of the last such fact."""
    with tenant.entered():
        event = Event.objects.filter(subject_id=ticket["id"], name=f"incident.{past}").order_by("-id").first()
        assert event is not None, past
        return event.data


def watchers(tenant: Any, ticket: dict[str, Any]) -> set[Any]:
    with tenant.entered():
        return set(Watcher.objects.filter(ticket_id=ticket["id"]).values_list("user_id", flat=True))


def watch(tenant: Any, ticket: dict[str, Any], user: Any) -> None:
    with tenant.entered():
        row = stored_row(ticket)
        Watcher.objects.create(organization_id=tenant.id, ticket=row, user=user, created_at=row.opened_at)


def stored_row(ticket: dict[str, Any]) -> Ticket:
    return Ticket.objects.get(pk=ticket["id"])
