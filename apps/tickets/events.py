"""What this floor records. Facts about a ticket are named by its kind, `incident.resolved`, and have the ticket as subject."""

from collections.abc import Mapping

from apps.core.events import declare
from apps.core.records import declare_events
from apps.tickets.models import (
    AssignmentQueue,
    AssignmentRule,
    CannedReply,
    Category,
    ClosingSettings,
    CustomField,
    PriorityCell,
    SavedView,
    Tag,
)

for model in (AssignmentQueue, AssignmentRule, CannedReply, Category, CustomField, SavedView, Tag):
    declare_events(model)
declare_events(PriorityCell, "updated")
declare_events(ClosingSettings, "updated")

# Past -> what happened. The first half are the lifecycle's verbs.
TICKET_FACTS: Mapping[str, str] = {
    "created": "opened",
    "updated": "fields changed",
    "deleted": "deleted; it can be restored",
    "restored": "restored",
    "claimed": "taken over by an agent",
    "assigned": "assigned to a team or person",
    "passed_on": "refused, not accepted in time, or its person is away or gone: it went on to the next",
    "started": "work has begun",
    "put_on_hold": "waits for something or somebody",
    "resumed": "goes on",
    "hold_due": "the time has come until which it was to wait",
    "reminded": "its requester was reminded that an answer is waited for",
    "closing_announced": "its requester was told that it will be closed",
    "resolved": "resolved",
    "resolution_restated": "resolved anew while resolved, as the history of another system tells it",
    "closure_restated": "closed anew while closed, as the history of another system tells it",
    "closed": "closed",
    "reopened": "reopened",
    "cancelled": "cancelled",
    "escalated": "escalated to another team or up the hierarchy",
    "priority_overridden": "priority set by hand, or given back to the matrix",
    "merged": "merged into another ticket, and cancelled",
    "absorbed": "another ticket was merged into it",
    "unmerged": "its merge was undone",
    "released": "a ticket that was merged into it is on its own again",
    "split": "a new ticket was made from one of its comments",
    "followed_up": "a new ticket goes on where it ended",
    "converted": "became a ticket of another kind, and cancelled",
    "commented": "got a comment",
    "comment_edited": "a comment was changed",
    "comment_deleted": "a comment was deleted",
    "comment_restored": "a comment was restored",
    "attached": "got a file",
    "attachment_updated": "a file was shown or hidden",
    "attachment_deleted": "a file was deleted",
    "attachment_restored": "a file was restored",
    "work_logged": "work was logged",
    "worklog_updated": "a work log was changed",
    "worklog_deleted": "a work log was deleted",
    "watched": "somebody watches it",
    "unwatched": "somebody watches it no more",
    "linked": "linked to another ticket",
    "unlinked": "a link was removed",
    "task_added": "got a task",
    "task_updated": "a task was changed",
    "task_done": "a task was done",
    "task_reopened": "a task is to be done again",
    "task_deleted": "a task was deleted",
}


def declare_for(kind: str) -> None:
    """Publish the facts of one kind; its app calls this beside registering it."""
    noun = kind.replace("_", " ").capitalize()
    for past, text in TICKET_FACTS.items():
        declare(f"{kind}.{past}", f"{noun}: {text}.")
