"""Setting an organization up: the tenant, what every tenant has from its first moment, and its first administrator.

Roles and calendars, later policies and the matrix, subscribe to `organization.created`; nothing here knows them.
"""

from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.errors import Conflict, FieldError, Invalid
from apps.organizations.models import Organization
from apps.organizations.services import create_organization
from apps.users import people
from apps.users.models import User, UserType
from apps.users.services import find_user

LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Founding:
    """What a new organization starts with."""

    name: str
    slug: str
    time_zone: str
    language: str
    admin_email: str
    admin_name: str
    is_operator: bool = False


def found_organization(founding: Founding, *, actor: Actor, at: datetime) -> tuple[Organization, User]:
    """The organization and its first administrator, all of it or nothing.

    `actor` acts in the organization that is to be: its id is the actor's. Opens its own transaction, because before it
    there is no tenant to be in. Raises Conflict when slug or address are taken, Invalid naming what is not accepted.
    """
    refuse_administrator(founding)
    with transaction.atomic():
        organization = create_organization(
            at=at,
            actor=actor,
            name=founding.name.strip(),
            slug=founding.slug,
            time_zone=founding.time_zone,
            language=founding.language,
            is_operator=founding.is_operator,
        )
        with tenancy.moved_to(organization.pk):
            return organization, invite_first_administrator(founding, actor=actor, at=at)


def invite_first_administrator(founding: Founding, *, actor: Actor, at: datetime) -> User:
    """Mailed a link by which they set a password themselves."""
    return people.invite(
        actor=actor,
        at=at,
        email=founding.admin_email,
        full_name=founding.admin_name.strip(),
        user_type=UserType.ADMIN,
        time_zone=founding.time_zone,
        language=founding.language,
    )


def refuse_administrator(founding: Founding) -> None:
    """Raises Invalid naming each wrong value, Conflict when somebody of the installation has the address."""
    problems = []
    try:
        validate_email(founding.admin_email)
    except ValidationError:
        detail = "Not an e-mail address; accepted: one such as name@example.com."
        problems.append(FieldError("/admin_email", "invalid", detail))
    if not 0 < len(founding.admin_name.strip()) <= LONGEST_NAME:
        detail = f"The first administrator needs a name; accepted: 1 to {LONGEST_NAME} characters."
        problems.append(FieldError("/admin_name", "required", detail))
    if problems:
        raise Invalid(errors=problems)
    if find_user(founding.admin_email) is not None:
        raise Conflict("This e-mail address is taken; accepted: one that nobody signs in with.", code="duplicate")
