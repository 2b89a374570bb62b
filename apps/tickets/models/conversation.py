"""What is said on a ticket, and the files that come with it."""

from uuid import UUID

from django.db import models
from django.db.models import Q

from apps.core.fields import TenantForeignKey
from apps.core.models import SoftDeleteModel, TenantModel
from apps.tickets.choices import Visibility
from apps.tickets.models.ticket import Ticket
from apps.users.models import User


class Comment(SoftDeleteModel):
    """A public answer or an internal note. `body` is Markdown as it was written, `html` what it becomes, sanitised."""

    ticket = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="comments", db_index=False)
    body = models.TextField(max_length=100_000)
    html = models.TextField(editable=False)
    visibility = models.CharField(max_length=8, choices=Visibility, default=Visibility.PUBLIC)
    # Null: the platform itself wrote it.
    author = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, editable=False, related_name="comments", db_index=False
    )
    # By a rule or the platform: no answer in the sense of a first response.
    is_automatic = models.BooleanField(default=False, editable=False)
    edited_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(visibility__in=Visibility.values), name="comment_visibility")]
        indexes = [
            models.Index(fields=["organization_id", "ticket", "created_at", "id"], name="comment_of_ticket"),
            models.Index(fields=["organization_id", "author", "-created_at"], name="comment_of_author"),
        ]

    def __str__(self) -> str:
        return f"{self.visibility} comment of {self.created_at:%Y-%m-%d %H:%M} UTC"


class CommentEdit(TenantModel):
    """What a comment said before it was changed."""

    comment = TenantForeignKey["Comment", "Comment"](Comment, models.CASCADE, related_name="edits", db_index=False)
    body = models.TextField()
    edited_by = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, related_name="+", db_index=False
    )
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["organization_id", "comment", "at"], name="comment_edit_of_comment")]

    def __str__(self) -> str:
        return f"before {self.at:%Y-%m-%d %H:%M} UTC"

    @property
    def ticket_id(self) -> UUID:
        return self.comment.ticket_id


class Attachment(SoftDeleteModel):
    """A file on a ticket. It lies in the storage under `storage_key`, a random name; `name` is what people call it."""

    ticket = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="attachments", db_index=False)
    comment = TenantForeignKey["Comment | None", "Comment | None"](
        Comment, models.PROTECT, null=True, blank=True, related_name="attachments", db_index=False
    )
    name = models.CharField(max_length=255, editable=False)
    content_type = models.CharField(max_length=120, editable=False)
    size_bytes = models.PositiveBigIntegerField(editable=False)
    sha256 = models.CharField(max_length=64, editable=False)
    storage_key = models.CharField(max_length=80, editable=False)
    visibility = models.CharField(max_length=8, choices=Visibility, default=Visibility.PUBLIC)
    uploaded_by = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, editable=False, related_name="attachments", db_index=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(visibility__in=Visibility.values), name="attachment_visibility"),
            models.UniqueConstraint(fields=["organization_id", "storage_key"], name="attachment_storage_key"),
        ]
        indexes = [models.Index(fields=["organization_id", "ticket", "created_at", "id"], name="attachment_of_ticket")]

    def __str__(self) -> str:
        return self.name
