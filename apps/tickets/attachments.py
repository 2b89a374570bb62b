"""Files on tickets: public for everybody who sees the ticket, internal for those who work on it."""

from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Sum

from apps.core import events, turns
from apps.core.actors import Actor
from apps.core.errors import Conflict, FieldError, Invalid
from apps.tickets import attachment_files, conversation, scanning, services
from apps.tickets.attachment_files import Upload
from apps.tickets.choices import Visibility
from apps.tickets.closing import replies
from apps.tickets.file_types import media_type_of
from apps.tickets.models import Attachment, Comment, Ticket

KEYS_AT_ONCE = 1_000
# Not run, not read by pages of other origins, not kept by caches.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def looked_through(file: Any, name: str) -> Upload:
    """What a file is, once it passed every check. Raises Invalid, and Unavailable where the scanner gives no answer."""
    name = attachment_files.called(name)
    content_type = media_type_of(file, name, file.size)
    scanning.scan(file)
    return Upload(file, name, content_type, file.size, attachment_files.digest(file))


def refuse_to_attach(ticket: Ticket, *, actor: Actor) -> None:
    """Raises Denied, Conflict `merged`, before anybody sends a file in vain."""
    conversation.require_to_say(ticket, Visibility.PUBLIC, actor=actor)
    conversation.refuse_merged(ticket)


def add_attachment(
    ticket: Ticket,
    upload: Upload,
    *,
    actor: Actor,
    at: datetime,
    storage_key: str,
    visibility: str,
    comment_id: UUID | None = None,
) -> Attachment:
    """Write down a file that is stored already. Raises Denied, Conflict `merged` or `quota_exceeded`, Invalid.

    A public one that the requester sends without a comment is an answer, as their public comment is.
    Whoever calls this removes the file when the transaction fails (`discard`).
    """
    locked = services.lock(ticket.pk, actor=actor)
    conversation.require_to_say(locked, visibility, actor=actor)
    conversation.refuse_merged(locked)
    comment = None if comment_id is None else _comment(locked, comment_id, visibility, actor=actor)
    attachment = Attachment(
        organization_id=locked.organization_id,
        ticket=locked,
        comment=comment,
        name=upload.name,
        content_type=upload.content_type,
        size_bytes=upload.size_bytes,
        sha256=upload.sha256,
        storage_key=storage_key,
        visibility=visibility,
        uploaded_by_id=actor.local_id,
        created_at=at,
        updated_at=at,
    )
    _record(locked, "attached", attachment, actor=actor, at=at)
    if _is_answer(locked, attachment, actor=actor):
        # Before the quota's lock, because it may lock other tickets.
        conversation.hear(locked, replies.Answer.in_file(attachment, locked.number), actor=actor, at=at)
    _lock_quota(locked.organization_id)
    refuse_beyond_quota(locked.organization_id, upload.size_bytes)
    attachment.save(force_insert=True)
    return attachment


def _is_answer(locked: Ticket, attachment: Attachment, *, actor: Actor) -> bool:
    """Whether the requester lets a file speak for itself, to the desk; the comment that one belongs to has been heard."""
    is_by_requester = attachment.uploaded_by_id is not None and attachment.uploaded_by_id == locked.requester_id
    is_alone = attachment.comment_id is None and not actor.is_system
    return is_by_requester and is_alone and attachment.visibility == Visibility.PUBLIC


def _comment(ticket: Ticket, comment_id: UUID, visibility: str, *, actor: Actor) -> Comment:
    """The comment that the file belongs to: one's own, on this ticket, and as visible."""
    comment: Comment | None = Comment.objects.alive().filter(pk=comment_id, ticket_id=ticket.pk).first()
    if comment is None or comment.author_id is None or comment.author_id != actor.id:
        raise Invalid(errors=[FieldError("/comment", "does_not_exist", f"{comment_id} does not exist.")])
    if comment.visibility == Visibility.INTERNAL and visibility != Visibility.INTERNAL:
        detail = "The comment is internal; accepted: a file that is internal too."
        raise Invalid(errors=[FieldError("/visibility", "invalid_choice", detail)])
    return comment


def refuse_beyond_quota(organization_id: UUID, size_bytes: int) -> None:
    """Raises Conflict `quota_exceeded`. What was deleted counts as long as it can be restored."""
    kept = Attachment.objects.in_tenant(organization_id).aggregate(total=Sum("size_bytes"))["total"] or 0
    if kept + size_bytes > settings.ATTACHMENT_QUOTA_BYTES:
        raise Conflict(
            f"The organization's files may take {settings.ATTACHMENT_QUOTA_BYTES} bytes in all.",
            code="quota_exceeded",
            quota_bytes=settings.ATTACHMENT_QUOTA_BYTES,
        )


def _lock_quota(organization_id: UUID) -> None:
    """One file of an organization at a time, until the transaction ends; the last lock that anybody takes."""
    turns.take(f"attachments:{organization_id}")


def discard(organization_id: UUID, storage_key: str) -> None:
    """Remove a stored file whose row was not written. Where that cannot be known now, the nightly sweep finds out."""
    try:
        with transaction.atomic():
            is_kept = Attachment.objects.in_tenant(organization_id).filter(storage_key=storage_key).exists()
    except DatabaseError:
        return
    if not is_kept:
        attachment_files.remove(storage_key)


def change_visibility(attachment: Attachment, *, actor: Actor, at: datetime, visibility: str) -> Attachment:
    """Show a locked file to the requester, or hide it from them. Raises Denied, Invalid."""
    ticket = services.lock(attachment.ticket_id, actor=actor)
    conversation.require_to_change(ticket, attachment, attachment.uploaded_by_id, actor=actor)
    conversation.require_to_say(ticket, visibility, actor=actor)
    if visibility == attachment.visibility:
        return attachment
    is_of_internal = attachment.comment is not None and attachment.comment.visibility == Visibility.INTERNAL
    if is_of_internal and visibility == Visibility.PUBLIC:
        detail = "It belongs to an internal comment; make that one public first."
        raise Invalid(errors=[FieldError("/visibility", "invalid_choice", detail)])
    attachment.visibility = visibility
    _save(attachment, "visibility", at=at)
    _record(ticket, "attachment_updated", attachment, actor=actor, at=at)
    return attachment


def delete_attachment(attachment: Attachment, *, actor: Actor, at: datetime) -> Attachment:
    """Hide a locked file; it stays stored, and can be restored. Raises Denied, Conflict."""
    ticket = services.lock(attachment.ticket_id, actor=actor)
    conversation.require_to_change(ticket, attachment, attachment.uploaded_by_id, actor=actor)
    if attachment.is_deleted:
        raise Conflict("It is deleted already.", code="already_deleted")
    attachment.deleted_at = at
    _save(attachment, "deleted_at", at=at)
    _record(ticket, "attachment_deleted", attachment, actor=actor, at=at)
    return attachment


def restore_attachment(attachment: Attachment, *, actor: Actor, at: datetime) -> Attachment:
    """Show a locked file again: its sender only what they deleted themselves. Raises Denied, Conflict."""
    ticket = services.lock(attachment.ticket_id, actor=actor)
    conversation.require_to_change(ticket, attachment, attachment.uploaded_by_id, actor=actor)
    if not attachment.is_deleted:
        raise Conflict("It is not deleted.", code="not_deleted")
    conversation.require_to_restore(ticket, "attachment", attachment, actor=actor)
    attachment.deleted_at = None
    _save(attachment, "deleted_at", at=at)
    _record(ticket, "attachment_restored", attachment, actor=actor, at=at)
    return attachment


def shown(rows: Any) -> Any:
    """Of these files, what is deleted neither itself nor with the comment that it belongs to."""
    return rows.alive().filter(comment__deleted_at=None)


def orphans(organization_id: UUID, keys: list[str]) -> list[str]:
    """Those of these keys that no row names, deleted rows included; asked in the organization's own tenant."""
    rows = Attachment.objects.in_tenant(organization_id)
    known: set[str] = set()
    for first in range(0, len(keys), KEYS_AT_ONCE):
        part = keys[first : first + KEYS_AT_ONCE]
        known.update(rows.filter(storage_key__in=part).values_list("storage_key", flat=True))
    return [key for key in keys if key not in known]


def headers(attachment: Attachment) -> dict[str, str]:
    """What its content is sent with: it is saved and never shown, whatever it is."""
    return {
        **HEADERS,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(attachment.name, safe='')}",
        "Content-Length": str(attachment.size_bytes),
    }


def _save(attachment: Attachment, name: str, *, at: datetime) -> None:
    attachment.version += 1
    attachment.updated_at = at
    attachment.save(update_fields=[name, "version", "updated_at"])


def _record(ticket: Ticket, past: str, attachment: Attachment, *, actor: Actor, at: datetime) -> None:
    """A fact of the ticket; what the file is called stays in its row."""
    about: dict[str, Any] = {"attachment": str(attachment.pk), "visibility": attachment.visibility}
    events.record(f"{ticket.kind}.{past}", ticket, actor=actor, at=at, **about)
