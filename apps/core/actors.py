"""Who acts. Every verb takes one; nothing reads it from a global."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from apps.core.authorization import Authorizer


class ActorKind(StrEnum):
    USER = "user"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, or a named part of the platform, acting in one organization.

    `home_organization_id` differs from `organization_id` only for a platform operator who acts elsewhere.
    """

    kind: ActorKind
    organization_id: UUID
    id: UUID | None
    label: str
    home_organization_id: UUID | None = None
    session_id: UUID | None = None
    # The API token by which they act; nobody who acts by one does what takes a person (core.api.views).
    token_id: UUID | None = None
    # Loaded when the request or job begins, and never kept beyond it: a changed role holds from the next one on.
    authorizer: Authorizer | None = field(default=None, compare=False, repr=False)

    @classmethod
    def system(cls, organization_id: UUID, part: str) -> "Actor":
        """The platform itself; `part` says which of its hands (relay, demo, sla)."""
        return cls(ActorKind.SYSTEM, organization_id, None, f"system:{part}")

    @property
    def required_id(self) -> UUID:
        """The person's id. Raises LookupError for the platform itself, which has none."""
        if self.id is None:
            raise LookupError(f"{self.label} is nobody with an id")
        return self.id

    @property
    def local_id(self) -> UUID | None:
        """The person's id where they are at home; None for an operator elsewhere, whom no row there can name, and the platform."""
        return self.id if self.home_organization_id in {None, self.organization_id} else None

    @property
    def is_system(self) -> bool:
        return self.kind is ActorKind.SYSTEM
