"""Where tickets live."""

from django.urls import path

from apps.core.api.routers import RecordRouter
from apps.tickets.api.assignment import AssignmentQueueViewSet, AssignmentRuleViewSet, WaitingView
from apps.tickets.api.attachments import AttachmentDownloadView, AttachmentViewSet
from apps.tickets.api.canned_replies import CannedReplyViewSet
from apps.tickets.api.closing import ClosingSettingsViewSet, UpcomingView
from apps.tickets.api.comments import CommentEditViewSet, CommentViewSet
from apps.tickets.api.configuration import (
    CategoryViewSet,
    CustomFieldViewSet,
    PriorityMatrixViewSet,
    TagViewSet,
)
from apps.tickets.api.links import LinkViewSet
from apps.tickets.api.saved_views import SavedViewViewSet
from apps.tickets.api.timeline import TimelineView
from apps.tickets.api.views import TicketViewSet
from apps.tickets.api.watchers import WatcherViewSet
from apps.tickets.api.work import TaskViewSet, WorklogViewSet

router = RecordRouter()
router.register("tickets/<record:ticket_pk>/links", LinkViewSet, basename="ticket-links")
router.register("tickets/<record:ticket_pk>/worklogs", WorklogViewSet, basename="ticket-worklogs")
router.register("tickets/<record:ticket_pk>/tasks", TaskViewSet, basename="ticket-tasks")
router.register("categories", CategoryViewSet, basename="categories")
router.register("tags", TagViewSet, basename="tags")
router.register("custom-fields", CustomFieldViewSet, basename="custom-fields")
router.register("priority-matrix", PriorityMatrixViewSet, basename="priority-matrix")
router.register("tickets/<record:ticket_pk>/comments", CommentViewSet, basename="ticket-comments")
router.register("tickets/<record:ticket_pk>/attachments", AttachmentViewSet, basename="ticket-attachments")
router.register("tickets/<record:ticket_pk>/watchers", WatcherViewSet, basename="ticket-watchers")
router.register("canned-replies", CannedReplyViewSet, basename="canned-replies")
router.register("assignment-rules", AssignmentRuleViewSet, basename="assignment-rules")
router.register("assignment-queues", AssignmentQueueViewSet, basename="assignment-queues")
router.register("views", SavedViewViewSet, basename="views")
router.register("tickets", TicketViewSet, basename="tickets")

urlpatterns = [
    path(
        "tickets/<record:ticket_pk>/comments/<uuid:comment_pk>/edits/",
        CommentEditViewSet.as_view({"get": "list"}),
        name="comment-edits",
    ),
    path(
        "tickets/<record:ticket_pk>/attachments/<uuid:pk>/download/",
        AttachmentDownloadView.as_view(),
        name="attachment-download",
    ),
    path("tickets/<record:pk>/timeline/", TimelineView.as_view(), name="ticket-timeline"),
    path("tickets/<record:pk>/upcoming/", UpcomingView.as_view(), name="ticket-upcoming"),
    path(
        "closing/settings/",
        ClosingSettingsViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="closing-settings",
    ),
    path("assignment/waiting/", WaitingView.as_view(), name="assignment-waiting"),
    *router.urls,
]
