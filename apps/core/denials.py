"""What was refused, to whom: one `access.denied` event each, up to a number per actor and minute.

Written after the refused request was rolled back, in a transaction of its own. Beyond the number a refusal is counted, and
the actor's next event says how many went untold, so that a flood fills no log that nobody may ever prune.
"""

from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.utils import DatabaseError

from apps.core import events, tenancy
from apps.core.actors import Actor
from apps.core.models import DenialCount, new_id

log = structlog.get_logger("access")

ACCESS_DENIED = events.declare(
    "access.denied", "A request was refused: not signed in any more, a grant missing, or no such record for the caller."
)
# Of problems with these the log tells.
STATUSES = frozenset({401, 403, 404})

COUNT_SQL = """
INSERT INTO core_denialcount AS counted (id, organization_id, actor_id, minute, seen, untold)
VALUES (%(id)s, %(organization)s, %(actor)s, date_trunc('minute', statement_timestamp()), 1, 0)
ON CONFLICT (organization_id, actor_id) DO UPDATE SET
    minute = EXCLUDED.minute,
    seen = CASE WHEN counted.minute = EXCLUDED.minute THEN counted.seen + 1 ELSE 1 END,
    untold = counted.untold + CASE WHEN counted.minute = EXCLUDED.minute AND counted.seen >= %(most)s THEN 1 ELSE 0 END
RETURNING seen, untold
"""


def note(request: Any, error: Exception) -> None:
    """Keep a refusal of a page, of which `record` tells once the page's transaction is over."""
    request.refused = error


def record(actor: Actor | None, *, at: datetime, via: str = "api", **what: Any) -> None:
    """Tell the actor's organization of one refusal; of a stranger's, whom no organization knows, only the process's log.

    Never raises: the caller has been refused already, and gets that answer.
    """
    if actor is None:
        log.warning("access_denied", **what)
        return
    try:
        with tenancy.tenant(actor.organization_id, actor_id=actor.id, via=via), transaction.atomic():
            is_told, untold = _count(actor)
            if is_told:
                person = get_user_model()(pk=actor.required_id)
                what |= {"untold": untold} if untold else {}
                events.record(ACCESS_DENIED, person, actor=actor, at=at, **what)
            else:
                log.warning("access_denied", actor_id=str(actor.id), **what)
    except DatabaseError:
        log.exception("access_denied", actor_id=str(actor.id), **what)


def _count(actor: Actor) -> tuple[bool, int]:
    """Whether this refusal gets an event, and how many before it got none. Holds the actor's row until the transaction ends."""
    most = settings.ACCESS_DENIED_PER_MINUTE
    values: dict[str, Any] = {
        "id": new_id(),
        "organization": actor.organization_id,
        "actor": actor.required_id,
        "most": most,
    }
    with connection.cursor() as cursor:
        cursor.execute(COUNT_SQL, values)
        seen, untold = cursor.fetchone()
    if seen > most:
        return False, 0
    if untold:
        DenialCount.objects.filter(organization_id=actor.organization_id, actor_id=actor.required_id).update(untold=0)
    return True, int(untold)
