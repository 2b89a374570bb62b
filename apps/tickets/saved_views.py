"""Saved views: queues under a name. Whose they are, with whom they are shared, and how much each holds.

Everybody who reads tickets keeps their own. A view that is shared is seen by those whose reading reaches further than their
own tickets: with a team by its members, with the organization by all of them. To share with a team one is its member; to share
with the organization takes `dashboards.create` or `templates.configure`. What a view shows is always what the reader may see.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Q, QuerySet

from apps.core import records
from apps.core.actors import Actor
from apps.core.authorization import Action, Reach, decide
from apps.core.errors import Denied, FieldError, Invalid
from apps.tickets.choices import Audience
from apps.tickets.kinds import RESOURCE
from apps.tickets.models import SavedView
from apps.users.models import TeamMember

# Who may share with the whole organization; the second one also keeps what others have shared.
PUBLISHING = ("dashboards", Action.CREATE)
KEEPING = ("templates", Action.CONFIGURE)
# A count goes no further: a queue of a thousand is long, however long.
MOST_COUNTED = 1_000
MOST_VIEWS = 200


def visible(actor: Actor) -> QuerySet[Any]:
    """The actor's own views, and those that are shared with them."""
    views: QuerySet[Any] = SavedView.objects.visible_to(actor)
    if actor.is_system:
        return views
    seen = Q(owner_id=actor.required_id)
    if _sees_shared(actor):
        seen |= Q(shared_with=Audience.ORGANIZATION) | Q(shared_with=Audience.TEAM, team__in=_teams_of(actor))
    if _holds(actor, *KEEPING):
        seen |= ~Q(shared_with=Audience.ME)
    return views.filter(seen)


def _sees_shared(actor: Actor) -> bool:
    return decide(actor, Action.READ, RESOURCE).reach not in {None, Reach.OWN}


def _teams_of(actor: Actor) -> QuerySet[Any, Any]:
    return TeamMember.objects.filter(user_id=actor.required_id, team__deleted_at=None).values("team_id")


def _holds(actor: Actor, resource: str, action: Action) -> bool:
    return decide(actor, action, resource).reach is Reach.ORGANIZATION


def may_change(view: SavedView, *, actor: Actor) -> bool:
    """The owner, and for what is shared whoever keeps the organization's templates."""
    return view.owner_id == actor.id or (view.shared_with != Audience.ME and _holds(actor, *KEEPING))


def create(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> SavedView:
    """A view of the actor's own. Raises Denied, Invalid."""
    if actor.local_id is None:
        raise Denied("Only the organization's own people keep views.", grant="")
    _check_sharing(values.get("shared_with", Audience.ME), values.get("team_id"), actor=actor)
    return records.create(SavedView, actor=actor, at=at, values={**values, "owner_id": actor.id})


def change(view: SavedView, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> SavedView:
    """Change a locked view. Raises Denied, Invalid."""
    require_to_change(view, actor=actor)
    wanted = dict(values)
    audience = wanted.get("shared_with", view.shared_with)
    if audience != Audience.TEAM and "team_id" not in wanted:
        # Shared with a team no more, it names none.
        wanted["team_id"] = None
    team_id = wanted.get("team_id", view.team_id)
    if (audience, team_id) != (view.shared_with, view.team_id):
        _check_sharing(audience, team_id, actor=actor)
    return records.change(view, actor=actor, at=at, values=wanted)


def delete(view: SavedView, *, actor: Actor, at: datetime) -> None:
    """Really delete a locked view. Raises Denied."""
    require_to_change(view, actor=actor)
    records.delete(view, actor=actor, at=at)


def require_to_change(view: SavedView, *, actor: Actor) -> None:
    if not may_change(view, actor=actor):
        grant = ".".join(KEEPING)
        raise Denied(f"Only its owner changes a view, and what is shared whoever holds {grant}.", grant=grant)


def _check_sharing(audience: str, team_id: UUID | None, *, actor: Actor) -> None:
    if (audience == Audience.TEAM) != (team_id is not None):
        detail = "A view that is shared with a team names it, and no other does."
        raise Invalid(errors=[FieldError("/team", "required" if team_id is None else "not_accepted", detail)])
    if audience == Audience.ME or _holds(actor, *KEEPING):
        return
    if audience == Audience.ORGANIZATION and not _holds(actor, *PUBLISHING):
        grant = ".".join(PUBLISHING)
        raise Denied(f"Sharing with the whole organization needs the grant {grant}.", grant=grant)
    if audience == Audience.TEAM and not (_sees_shared(actor) and _teams_of(actor).filter(team_id=team_id).exists()):
        raise Denied("One shares views with the teams that one is in.", grant=".".join(KEEPING))


def counts(queues: Sequence[QuerySet[Any]]) -> list[tuple[int, bool]]:
    """How many rows each of these has, and whether that is where counting stopped; all in one statement."""
    if not queues:
        return []
    statements: list[str] = []
    parameters: list[Any] = []
    for queue in queues:
        try:
            sql, values = queue.order_by().values("pk")[: MOST_COUNTED + 1].query.sql_with_params()
        except EmptyResultSet:
            # Nothing can be in it, so Django writes no statement.
            sql, values = "SELECT 1 WHERE false", ()
        statements.append(f"(SELECT count(*) FROM ({sql}) AS counted)")  # noqa: S608 - Django's own statement
        parameters += values
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(statements)}", parameters)
        found = cursor.fetchone()
    return [(min(number, MOST_COUNTED), number > MOST_COUNTED) for number in found]
