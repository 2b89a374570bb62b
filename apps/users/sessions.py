"""Ending sessions: what every change of a credential does to the others."""

from datetime import datetime
from uuid import UUID

from apps.users.models import Session, User


def end_live(user: User, *, at: datetime, except_id: UUID | None = None) -> int:
    """End the user's live sessions but one; returns how many. The caller records the fact that this is part of."""
    live = Session.objects.filter(organization_id=user.organization_id, user_id=user.pk, revoked_at=None)
    others = live.exclude(pk=except_id) if except_id else live
    return int(others.update(revoked_at=at))
