"""Rows of the ticket floor, by noun."""

from apps.tickets.models.assignment import AssignmentQueue, AssignmentRule, AssignmentTurn, Placement
from apps.tickets.models.closing import ClosingSettings, Countdown
from apps.tickets.models.configuration import CannedReply, Category, CustomField, PriorityCell, SavedView, Tag
from apps.tickets.models.conversation import Attachment, Comment, CommentEdit
from apps.tickets.models.relations import Link, Merge, Watcher
from apps.tickets.models.search import SearchDocument
from apps.tickets.models.ticket import Ticket
from apps.tickets.models.work import Task, TaskDependency, Worklog

__all__ = [
    "AssignmentQueue",
    "AssignmentRule",
    "AssignmentTurn",
    "Attachment",
    "CannedReply",
    "Category",
    "ClosingSettings",
    "Comment",
    "CommentEdit",
    "Countdown",
    "CustomField",
    "Link",
    "Merge",
    "Placement",
    "PriorityCell",
    "SavedView",
    "SearchDocument",
    "Tag",
    "Task",
    "TaskDependency",
    "Ticket",
    "Watcher",
    "Worklog",
]
