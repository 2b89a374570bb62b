"""Scopes of API tokens: `<resource>:<action>`, `<resource>:*` or `*:read`. They narrow what the owner may, and never widen it."""

from collections.abc import Mapping
from functools import lru_cache

from apps.core.authorization import Action
from apps.users.role_table import PRACTICES, REQUESTS, VOCABULARY

ANY = "*"
# Words for several resources at once.
GROUPS: Mapping[str, tuple[str, ...]] = {"tickets": (*REQUESTS, *PRACTICES)}
ACCEPTED = (
    "<resource>:<action>, <resource>:* or *:read; a resource is one of "
    f"{', '.join(sorted({*GROUPS, *VOCABULARY}))}; an action is one that it knows, such as read"
)


def is_known(scope: str) -> bool:
    return bool(granted_by(scope))


@lru_cache(maxsize=1024)
def granted_by(scope: str) -> frozenset[tuple[str, str]]:
    """The (resource, action) pairs that a scope lets through; none for one that is not known."""
    resource, _, action = scope.partition(":")
    resources = GROUPS.get(resource, (resource,))
    if resource == ANY and action == Action.READ:
        resources = tuple(VOCABULARY)
    return frozenset(
        (name, str(known)) for name in resources for known in VOCABULARY.get(name, ()) if action in {ANY, str(known)}
    )


@lru_cache(maxsize=1024)
def granted_by_all(scopes: tuple[str, ...]) -> frozenset[tuple[str, str]]:
    return frozenset().union(*map(granted_by, scopes))
