"""What is, and what would be: the chains of a ticket, and whom a policy would call. Nothing is written."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.organizations.models import CalendarVersion, Team
from apps.sla import situation
from apps.sla.conditions import trusted
from apps.sla.escalation import carrying, chains
from apps.sla.escalation.notices import PAGE
from apps.sla.models import Acknowledgement, EscalationFiring, EscalationPolicy, EscalationRun
from apps.tickets.models import Ticket
from apps.users.models import User

MOST_RUNS = 100


def of_ticket(ticket: Ticket) -> dict[str, Any]:
    """Who has it in hand, and its chains, newest first."""
    known = Acknowledgement.objects.filter(ticket_id=ticket.pk).first()
    runs = list(
        EscalationRun.objects.filter(ticket_id=ticket.pk)
        .select_related("policy")
        .order_by("-began_at", "-id")[:MOST_RUNS]
    )
    firings: dict[UUID, list[dict[str, Any]]] = {}
    for row in EscalationFiring.objects.filter(run__in=runs).order_by("fired_at", "step", "round"):
        told = {"step": row.step + 1, "round": row.round, "due_at": row.due_at, "fired_at": row.fired_at}
        firings.setdefault(row.run_id, []).append(told)
    return {
        "acknowledged_at": known.at if known else None,
        "acknowledged_by": known.user_id if known else None,
        "results": [
            {
                "id": run.pk,
                "policy": run.policy_id,
                "policy_name": run.policy.name,
                "because": run.because,
                "began_at": run.began_at,
                "next_step": None if run.ended_at else run.next_step + 1,
                "steps": len(run.steps),
                "next_due_at": run.next_due_at,
                "ended_at": run.ended_at,
                "end_reason": run.end_reason,
                "firings": firings.get(run.pk, []),
            }
            for run in runs
        ],
    }


def preview(policy: EscalationPolicy, ticket: Ticket, *, at: datetime) -> dict[str, Any]:
    """If nobody came from `at` (UTC) on: each step with its time, whom it would reach then, and what it would do."""
    version = None
    if policy.calendar_id is not None:
        version = CalendarVersion.objects.filter(calendar_id=policy.calendar_id).latest("number")
    facts = situation.read(ticket.organization_id, ticket.pk).facts
    # As later steps would find it.
    ticket = Ticket.objects.get(pk=ticket.pk)
    results, moment = [], at
    for number, step in enumerate(policy.steps, 1):
        moment = chains.later(moment, step["after_minutes"], version)
        begun, again = moment, []
        for _ in range(step.get("repeats", 0)):
            moment = chains.later(moment, step["repeat_minutes"], version)
            again.append(moment)
        results.append({"step": number, "at": begun, "repeats_at": again, **_step(step, ticket, begun)})
    return {
        "policy": policy.pk,
        "ticket": ticket.pk,
        "is_matching": trusted(policy.match).holds(facts),
        "results": results,
    }


def _step(step: Mapping[str, Any], ticket: Ticket, at: datetime) -> dict[str, Any]:
    does: list[str] = []
    because: list[str] = []
    people: dict[UUID, tuple[str, str]] = {}
    for action in step["actions"]:
        if action["do"] == "reassign":
            ticket.team_id, ticket.assignee_id = UUID(action["team"]), None
            does.append(f"gives it to {Team.objects.filter(pk=ticket.team_id).first() or 'a team that is gone'}")
        elif action["do"] in carrying.REACHES:
            found, how = carrying.REACHES[action["do"]](ticket, action, at)
            because += found.because
            for user_id, word in found.people.items():
                if how == PAGE or user_id not in people:
                    people[user_id] = (how, word)
        else:
            does.append(action["do"].replace("_", " "))
    names = dict(User.objects.filter(pk__in=people).values_list("pk", "full_name"))
    shown = [
        {"user": user_id, "name": names.get(user_id, ""), "how": how, "word": word}
        for user_id, (how, word) in people.items()
    ]
    return {"people": shown, "does": does, "because": because}
