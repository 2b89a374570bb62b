"""Where tickets live."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.tickets.api.attachments import AttachmentViewSet
from apps.tickets.api.canned_replies import CannedReplyViewSet
from apps.tickets.api.comments import CommentEditViewSet, CommentViewSet
from apps.tickets.api.timeline import TimelineView
from apps.tickets.api.views import TicketViewSet
from apps.tickets.api.watchers import WatcherViewSet

router = SimpleRouter(use_regex_path=False)
router.register("tickets/<record:ticket_pk>/comments", CommentViewSet, basename="ticket-comments")
router.register("tickets/<record:ticket_pk>/attachments", AttachmentViewSet, basename="ticket-attachments")
router.register("tickets/<record:ticket_pk>/watchers", WatcherViewSet, basename="ticket-watchers")
router.register("canned-replies", CannedReplyViewSet, basename="canned-replies")
router.register("tickets", TicketViewSet, basename="tickets")

urlpatterns = [
    path(
        "tickets/<record:ticket_pk>/comments/<uuid:comment_pk>/edits/",
        CommentEditViewSet.as_view({"get": "list"}),
        name="comment-edits",
    ),
    path("tickets/<record:pk>/timeline/", TimelineView.as_view(), name="ticket-timeline"),
    *router.urls,
]
