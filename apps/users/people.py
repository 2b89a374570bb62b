"""Questions about people that several verbs ask."""

from uuid import UUID

from apps.core.errors import FieldError, Invalid
from apps.users.models import User


def refuse_inactive(user_id: UUID | None, pointer: str) -> None:
    """Raises Invalid when that user of the tenant in force is deactivated or deleted; nobody at all is fine."""
    if user_id is None:
        return
    if not User.objects.alive().filter(pk=user_id, is_active=True).exists():
        detail = "This user is deactivated or deleted; accepted: somebody active."
        raise Invalid(errors=[FieldError(pointer, "inactive", detail)])
