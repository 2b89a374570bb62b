"""Comments: public answers and internal notes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from apps.audit.models import Event
from apps.core import events
from apps.core.actors import Actor
from apps.core.authorization import Action, Reach, decide, may, require
from apps.core.errors import Conflict, Denied, FieldError, Invalid
from apps.tickets import kinds, mentions, rights, search, services
from apps.tickets.choices import Visibility, Voice
from apps.tickets.closing import replies
from apps.tickets.markup import as_html
from apps.tickets.models import Attachment, Comment, CommentEdit, Ticket

INTERNAL = rights.INTERNAL


def add_comment(
    ticket: Ticket,
    *,
    actor: Actor,
    at: datetime,
    body: str,
    visibility: str,
    is_automatic: bool = False,
    is_of_verb: bool = False,
) -> Comment:
    """Say something on a ticket, perhaps with a verb that the actor did. Raises Denied, Conflict `merged`, Invalid.

    A first public answer of somebody who works on it is the first response; the requester's own answer ends the waiting
    for it, at `at`, reopens what was resolved, or follows up what is closed for good: not what they say with a verb, which
    has done what it does, nor what a machine says for them (`is_automatic`). The fact names whom the comment mentions.
    """
    html = as_html(body)
    locked = services.lock(ticket.pk, actor=actor)
    require_to_say(locked, visibility, actor=actor)
    refuse_merged(locked)
    comment: Comment = Comment.objects.create(
        organization_id=locked.organization_id,
        ticket=locked,
        body=body,
        html=html,
        visibility=visibility,
        author_id=actor.local_id,
        is_automatic=is_automatic,
        created_at=at,
        updated_at=at,
    )
    voice = voice_of(locked, comment, comment.author_id, actor=actor)
    _respond(locked, comment, voice, at=at)
    search.write(locked)
    called = mentions.mentioned(locked, body, visibility, at=at)
    _record(locked, "commented", comment, actor=actor, at=at, mentions=called, voice=voice)
    if voice == Voice.REQUESTER and visibility == Visibility.PUBLIC and not is_of_verb:
        hear(locked, replies.Answer.of(comment), actor=actor, at=at)
    return comment


def hear(locked: Ticket, answer: replies.Answer, *, actor: Actor, at: datetime) -> None:
    """Let the requester's words do what they do; what is followed up already is answered on that ticket."""
    elsewhere = replies.hear(locked, answer, at=at)
    if elsewhere is not None:
        add_comment(elsewhere, actor=actor, at=at, body=answer.body, visibility=Visibility.PUBLIC)


def require_to_say(ticket: Ticket, visibility: str, *, actor: Actor) -> None:
    """Raises Denied naming the grant that is missing."""
    if visibility == Visibility.INTERNAL:
        require(actor, Action.CREATE, INTERNAL)
        rights.require_to_work_on(actor, ticket, f"{INTERNAL}.{Action.CREATE}")
    require(actor, Action.PARTICIPATE, kinds.get(ticket.kind).resource, ticket)


def refuse_merged(ticket: Ticket) -> None:
    """What is said about a merged ticket is said on the one that it went into. Raises Conflict naming that."""
    if ticket.merged_into_id is not None:
        raise Conflict(
            "It was merged; go on with the ticket that it was merged into.",
            code="merged",
            current_status=ticket.status,
            into=str(ticket.merged_into_id),
        )


def voice_of(ticket: Ticket, comment: Comment, by: UUID | None, *, actor: Actor) -> Voice:
    """As whom `actor`, the person `by`, says it.

    A watcher who says something has not answered the requester; that takes somebody who may work on the ticket.
    It may be an operator of the platform, who is nobody here; the platform itself answers nobody.
    """
    if comment.is_automatic or actor.is_system:
        return Voice.AUTOMATIC
    if by is not None and by == ticket.requester_id:
        return Voice.REQUESTER
    works = may(actor, Action.UPDATE, kinds.get(ticket.kind).resource, ticket)
    return Voice.DESK if works else Voice.OTHER


def _respond(ticket: Ticket, comment: Comment, voice: Voice, *, at: datetime) -> None:
    """Write the first response down: no change of the ticket by a person, so no new version."""
    if ticket.responded_at is None and comment.visibility == Visibility.PUBLIC and voice == Voice.DESK:
        ticket.responded_at = at
        ticket.save_base_row(["responded_at"])


def edit_comment(
    comment: Comment, *, actor: Actor, at: datetime, body: str | None = None, visibility: str | None = None
) -> Comment:
    """Change a locked comment; what it said before is kept. Public ones cannot be made internal: they were read.

    An internal one that becomes public is an answer from `at` on of whoever publishes it, and may be the first response.
    Raises Denied, Conflict, Invalid.
    """
    ticket = services.lock(comment.ticket_id, actor=actor)
    require_to_change(ticket, comment, comment.author_id, actor=actor)
    if comment.is_deleted:
        raise Conflict("It is deleted; restore it first.", code="deleted")
    if visibility is not None and visibility != comment.visibility and comment.visibility == Visibility.PUBLIC:
        raise Invalid(errors=[FieldError("/visibility", "immutable", "It was public; delete it instead.")])
    if visibility == Visibility.PUBLIC and comment.visibility == Visibility.INTERNAL:
        require_to_say(ticket, visibility, actor=actor)
    values: dict[str, Any] = {} if body is None else {"body": body}
    values |= {} if visibility is None else {"visibility": visibility}
    if not any(getattr(comment, name) != value for name, value in values.items()):
        return comment
    CommentEdit.objects.create(
        organization_id=comment.organization_id, comment=comment, body=comment.body, edited_by_id=actor.local_id, at=at
    )
    was_internal = comment.visibility == Visibility.INTERNAL
    called_before = mentions.mentioned(ticket, comment.body, comment.visibility, at=at)
    for name, value in values.items():
        setattr(comment, name, value)
    comment.html, comment.edited_at = as_html(comment.body), at
    _save(comment, ("body", "html", "visibility", "edited_at"), at=at)
    told: dict[str, Any] = {}
    is_published = was_internal and comment.visibility == Visibility.PUBLIC
    if comment.author_id == actor.id or is_published:
        # Said to the requester only now, by whoever lets them read it.
        voice = voice_of(ticket, comment, actor.local_id if is_published else comment.author_id, actor=actor)
        _respond(ticket, comment, voice, at=at)
        told = {"voice": voice} if is_published else {}
    search.write(ticket)
    called = mentions.mentioned(ticket, comment.body, comment.visibility, at=at)
    called = mentions.newly_mentioned(called_before, called)
    _record(ticket, "comment_edited", comment, actor=actor, at=at, mentions=called, **told)
    return comment


def delete_comment(comment: Comment, *, actor: Actor, at: datetime) -> Comment:
    """Hide a locked comment. Raises Denied, Conflict."""
    ticket = services.lock(comment.ticket_id, actor=actor)
    require_to_change(ticket, comment, comment.author_id, actor=actor)
    if comment.is_deleted:
        raise Conflict("It is deleted already.", code="already_deleted")
    comment.deleted_at = at
    _save(comment, ("deleted_at",), at=at)
    search.write(ticket)
    _record(ticket, "comment_deleted", comment, actor=actor, at=at)
    return comment


def restore_comment(comment: Comment, *, actor: Actor, at: datetime) -> Comment:
    """Show a locked comment again: its author only what they deleted themselves. Raises Denied, Conflict."""
    ticket = services.lock(comment.ticket_id, actor=actor)
    require_to_change(ticket, comment, comment.author_id, actor=actor)
    if not comment.is_deleted:
        raise Conflict("It is not deleted.", code="not_deleted")
    require_to_restore(ticket, "comment", comment, actor=actor)
    comment.deleted_at = None
    _save(comment, ("deleted_at",), at=at)
    search.write(ticket)
    _record(ticket, "comment_restored", comment, actor=actor, at=at)
    return comment


def require_to_change(ticket: Ticket, said: Comment | Attachment, by: UUID | None, *, actor: Actor) -> None:
    """One's own, where one may speak at all; anybody's for those whose grant reaches further than their own."""
    if by is not None and by == actor.id:
        require_to_say(ticket, said.visibility, actor=actor)
    elif not changes_all(actor):
        require(actor, Action.UPDATE, INTERNAL, said)
    else:
        require(actor, Action.PARTICIPATE, kinds.get(ticket.kind).resource, ticket)


def require_to_restore(ticket: Ticket, what: str, said: Comment | Attachment, *, actor: Actor) -> None:
    """What one deleted oneself, or anybody's where one changes all. Raises Denied."""
    deleted = Event.objects.in_tenant(ticket.organization_id).filter(
        subject_id=ticket.pk, name=f"{ticket.kind}.{what}_deleted", **{f"data__{what}": str(said.pk)}
    )
    by = deleted.order_by("-at", "-id").values_list("actor_id", flat=True).first()
    if not changes_all(actor) and (by is None or by != actor.id):
        grant = f"{INTERNAL}.{Action.UPDATE}"
        raise Denied(f"Somebody else deleted it; this needs the grant {grant}.", grant=grant)


def changes_all(actor: Actor) -> bool:
    """Whether what others said and uploaded is the actor's to change."""
    return decide(actor, Action.UPDATE, INTERNAL).reach is Reach.ORGANIZATION


def _save(comment: Comment, names: tuple[str, ...], *, at: datetime) -> None:
    comment.version += 1
    comment.updated_at = at
    comment.save(update_fields=[*names, "version", "updated_at"])


def _record(ticket: Ticket, past: str, comment: Comment, *, actor: Actor, at: datetime, **data: Any) -> None:
    """A fact of the ticket; the words stay in the comment, where they can be taken away."""
    about: dict[str, Any] = {"comment": str(comment.pk), "visibility": comment.visibility}
    events.record(f"{ticket.kind}.{past}", ticket, actor=actor, at=at, **about, **data)
