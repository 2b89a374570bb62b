"""Sign in, stay signed in, sign out. Signing in opens its own transaction: before it there is no tenant."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.contrib.auth.hashers import make_password, verify_password
from django.db import connection, transaction
from django.db.models import Model

from apps.core import events, records, tenancy
from apps.core.actors import Actor
from apps.core.addresses import network_of
from apps.core.errors import Conflict, NotSignedIn
from apps.core.models import new_id
from apps.organizations.lifecycle import OrganizationStatus
from apps.organizations.models import Organization
from apps.users import attempts, mfa, mfa_tokens, passwords, refresh_tokens, sessions
from apps.users.access import assign_built_in
from apps.users.attempts import Place
from apps.users.events import (
    PASSWORD_CHANGED,
    SESSION_ENDED,
    SESSIONS_ENDED,
    SIGN_IN_FAILED,
    SIGNED_IN,
    SIGNED_OUT,
    USER_SESSIONS_ENDED,
)
from apps.users.models import PasswordLink, Session, User, UserType, normalise_email, normalise_name
from apps.users.refresh_tokens import Pair

log = structlog.get_logger(__name__)

# How long an address counts as one that its owner signs in from.
KNOWN_FOR = timedelta(days=90)
UNIQUE_NAMES = ("username", "employee_number")
REFUSED = "E-mail address or password are wrong, or the account may not sign in."


@dataclass(frozen=True, slots=True)
class Device:
    """Where a sign-in came from, as far as it can be told."""

    address: str | None = None
    user_agent: str = ""
    via: str = "api"


def find_user(email: str) -> tuple[UUID, UUID] | None:
    """(user, organization) behind an address, before any tenant is known."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT user_id, organization_id FROM auth_find_user(%s)", [normalise_email(email)])
        row = cursor.fetchone()
    return (row[0], row[1]) if row else None


def create_user(
    *,
    actor: Actor,
    at: datetime,
    email: str,
    full_name: str,
    user_type: str = UserType.END_USER,
    password: str | None = None,
    fact: str = "user.created",
    **fields: Any,
) -> User:
    """A user of the actor's organization; without a password nobody can sign in as them yet.

    An address that anybody of the installation has is a neutral 409 at the edge (the constraint user_email).
    """
    user = User(
        organization_id=actor.organization_id,
        email=email.strip(),
        email_normalised=normalise_email(email),
        full_name=full_name,
        user_type=user_type,
        password=make_password(password),
        created_at=at,
        updated_at=at,
        **fields,
        **normalised_names(fields),
    )
    user.save(force_insert=True)
    told = records.plain(user, {"email": None, "full_name": None, "user_type": None, **fields})
    events.record(fact, user, actor=actor, at=at, changes={name: (None, value) for name, value in told.items()})
    assign_built_in(user, actor=actor, at=at)
    return user


def normalised_names(values: Mapping[str, Any]) -> dict[str, str]:
    """The columns by which usernames and employee numbers are unique, for those of them that `values` sets."""
    return {f"{name}_normalised": normalise_name(values[name]) for name in UNIQUE_NAMES if name in values}


def sign_in(*, email: str, password: str, at: datetime, device: Device) -> tuple[User, Session, Pair]:
    """Check the password and open a session.

    Raises NotSignedIn with one answer for every reason; with an `mfa_token` and a code of its own when the password is right
    and a second step is due; TooManyAttempts. The slow hash is computed in no transaction.
    """
    account = normalise_email(email)
    user, known = _somebody(account, device, at=at)
    attempt = attempts.begin(account, device.address, known=known)
    is_right, is_old_hash = verify_password(password, user.password if user else _nobodys_hash())
    better_hash = make_password(password) if is_right and is_old_hash else None
    if user is None:
        _refuse_nobody(attempt, device)
    outcome = _enter(user, is_right=is_right, better_hash=better_hash, at=at, device=device) if user else None
    if outcome is None:
        attempts.failed(attempt)
        raise NotSignedIn(REFUSED, code="invalid_credentials")
    if isinstance(outcome, NotSignedIn):
        attempts.withdraw(attempt)
        raise outcome
    attempts.succeeded(attempt)
    return outcome


def _somebody(account: str, device: Device, *, at: datetime) -> tuple[User | None, Place]:
    """Whose account it is, and how well the place is known as theirs. Nobody's costs the same look-ups."""
    user_id, organization_id = find_user(account) or (new_id(), new_id())
    with tenancy.tenant(organization_id, via=device.via), transaction.atomic():
        user: User | None = User.objects.filter(pk=user_id).first()
        return user, known_place(user_id, device, at=at)


def known_place(user_id: UUID, device: Device, *, at: datetime) -> Place:
    """Whether the user signed in, or opened a link out of their mailbox, from there in the last KNOWN_FOR before `at`."""
    if device.address is None:
        return Place.STRANGE
    since = at - KNOWN_FOR
    sessions_from = Session.objects.filter(user_id=user_id, created_at__gt=since, address__isnull=False)
    links_from = PasswordLink.objects.filter(user_id=user_id, spent_at__gt=since, spent_from__isnull=False)
    known = set(sessions_from.values_list("address").union(links_from.values_list("spent_from")))
    if (device.address,) in known:
        return Place.ADDRESS
    network = network_of(device.address)
    return Place.NETWORK if any(network_of(address) == network for (address,) in known) else Place.STRANGE


def _enter(
    user: User, *, is_right: bool, better_hash: str | None, at: datetime, device: Device
) -> tuple[User, Session, Pair] | NotSignedIn | None:
    """The session of somebody whose password was looked at; the second step that is due before; None, with an event: refused."""
    with tenancy.tenant(user.organization_id, actor_id=user.pk, via=device.via), transaction.atomic():
        if not is_right or not still_may_sign_in(user):
            events.record(SIGN_IN_FAILED, user, actor=user.as_actor(), at=at, address=device.address)
            return None
        if better_hash is not None:
            user.password = better_hash
            user.save(update_fields=["password"])
        if mfa.is_enrolled(user):
            return mfa_tokens.challenge(user, mfa_tokens.REQUIRED, at=at)
        if mfa.is_required(user, at=at):
            return mfa_tokens.challenge(user, mfa_tokens.SETUP, at=at)
        return user, *open_session(user, at=at, device=device)


def _refuse_nobody(attempt: attempts.Attempt, device: Device) -> None:
    """A line in the log, because no organization has the event; as many statements and commits as the event costs."""
    log.info("sign_in_failed", address=device.address)
    with tenancy.tenant(new_id(), via=device.via), transaction.atomic():
        attempts.rewrite(attempt)


def still_may_sign_in(user: User) -> bool:
    """Locks the row: whether nobody changed the password or closed the account since `user` was read.

    Whoever ends the sessions of a user, or changes what they prove themselves by, holds this lock too: no session slips in
    behind them.
    """
    now = sessions.lock_row(user.pk)
    return (
        now is not None and now.may_sign_in and now.password == user.password and sessions.is_open(user.organization_id)
    )


def sign_out(*, actor: Actor, at: datetime) -> None:
    """End the session that the actor came with; its tokens are refused from the next request on."""
    assert actor.session_id is not None, "only somebody with a session signs out"
    session = Session.objects.select_for_update(of=("self",)).select_related("user").get(pk=actor.session_id)
    sessions.revoke(session, at=at)
    events.record(SIGNED_OUT, session.user, actor=actor, at=at, session_id=session.pk)


def extend(session: Session, *, at: datetime) -> None:
    """Keep a session from idling out while its owner works; written once it has used up half of its idle time."""
    if session.idle_until - at < settings.SESSION_IDLE_LIFETIME / 2:
        session.idle_until = at + settings.SESSION_IDLE_LIFETIME
        session.save(update_fields=["idle_until"])


def change_password(user: User, *, actor: Actor, at: datetime, current: str, new: str) -> None:
    """Change one's own password; outside any transaction, so that a wrong guess stays counted and no hash is computed in one.

    Raises WrongProof when `current` is wrong, TooManyAttempts, Invalid when `new` is weak, Conflict `retry` when another password
    was set meanwhile.
    """
    passwords.prove(user, actor=actor, at=at, password=current)
    set_password(user, actor=actor, at=at, password=new)


def set_password(user: User, *, actor: Actor, at: datetime, password: str) -> None:
    """A new password for somebody who has proved who they are; all sessions but the actor's own end.

    Raises Invalid when it is weak or one of the last twelve, Conflict `retry` when another was set since `user` was read.
    """
    hashed = hash_new(user, password)
    with transaction.atomic():
        write_password(user, hashed, actor=actor, at=at)


def hash_new(user: User, password: str) -> str:
    """The hash of a new password for `user`, that write_password takes: all that is slow, and no lock. Raises Invalid."""
    passwords.refuse_weak(user, password)
    return make_password(password)


def write_password(user: User, hashed: str, *, actor: Actor, at: datetime) -> None:
    """The one verb that writes a password, which hash_new has looked at. Raises Conflict `retry` as set_password."""
    locked = sessions.hold(user)
    passwords.remember(locked, at=at)
    user.password = locked.password = hashed
    locked.version += 1
    locked.updated_at = at
    locked.save(update_fields=["password", "version", "updated_at"])
    ended = sessions.end_live(user, at=at, except_id=actor.session_id)
    events.record(PASSWORD_CHANGED, user, actor=actor, at=at, sessions_ended=ended)


def end_sessions_of(user: User, *, actor: Actor, at: datetime, except_id: UUID | None = None) -> int:
    """End the live sessions of a user, but one; returns how many. Their tokens are refused from the next request on."""
    records.lock(User, user.pk, actor=actor)
    ended = sessions.end_live(user, at=at, except_id=except_id)
    events.record(USER_SESSIONS_ENDED, user, actor=actor, at=at, sessions_ended=ended)
    return ended


def end_session(session: Session, *, actor: Actor, at: datetime) -> None:
    """End somebody's locked session; its tokens are refused from the next request on. Raises Conflict when it has ended."""
    if not session.is_live(at):
        raise Conflict("This session has ended already.", code="session_ended")
    sessions.revoke(session, at=at)
    events.record(SESSION_ENDED, session.user, actor=actor, at=at, session_id=session.pk)


def end_all_sessions(organization_id: UUID, *, at: datetime) -> int:
    """End every live session that was opened by `at`; returns how many. One event tells of all, on the organization."""
    live = Session.objects.filter(organization_id=organization_id, revoked_at=None, created_at__lte=at)
    ended = live.update(revoked_at=at)
    organization = Organization.objects.get(pk=organization_id)
    actor = Actor.system(organization_id, "end_sessions")
    events.record(SESSIONS_ENDED, organization, actor=actor, at=at, sessions=ended)
    return int(ended)


def live_session(session_id: UUID, *, at: datetime) -> tuple[Session, Organization] | None:
    """The session with its user, and the organization, if requests may still use it.

    Every request asks this, so it is one statement, written out: the three rows have only the columns of LIVE.
    """
    organization_id = tenancy.required_organization_id()
    with connection.cursor() as cursor:
        cursor.execute(LIVE_SQL, [organization_id, session_id])
        row = cursor.fetchone()
    if row is None:
        return None
    session, user, organization = _instances(row)
    session.user = user
    is_open = organization.status == OrganizationStatus.ACTIVE and organization.deleted_at is None
    return (session, organization) if session.is_live(at) and user.may_sign_in and is_open else None


def _in_model_order(model: type[Model], names: set[str]) -> list[str]:
    """As `from_db` expects them."""
    return [field.attname for field in model._meta.concrete_fields if field.attname in names]


LIVE = [
    (
        Session,
        _in_model_order(Session, {"id", "organization_id", "user_id", "idle_until", "absolute_until", "revoked_at"}),
    ),
    (
        User,
        _in_model_order(
            User, {"id", "organization_id", "full_name", "user_type", "department_id", "is_active", "deleted_at"}
        ),
    ),
    (
        Organization,
        _in_model_order(Organization, {"id", "slug", "status", "is_operator", "requires_if_match", "deleted_at"}),
    ),
]
LIVE_SQL = f"""
SELECT {", ".join(f"{model._meta.db_table}.{column}" for model, columns in LIVE for column in columns)}
FROM users_session
JOIN users_user ON users_user.organization_id = users_session.organization_id AND users_user.id = users_session.user_id
JOIN organizations_organization ON organizations_organization.id = users_session.organization_id
WHERE users_session.organization_id = %s AND users_session.id = %s
"""  # noqa: S608 - names of our own columns


def _instances(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """One row of LIVE_SQL as its three records; a column that is not there would be read when asked for."""
    values = iter(row)
    return tuple(model.from_db("default", columns, list(islice(values, len(columns)))) for model, columns in LIVE)


def open_session(user: User, *, at: datetime, device: Device) -> tuple[Session, Pair]:
    """A session for somebody who has proved who they are by all that is asked of them."""
    session_id = new_id()
    token = refresh_tokens.make(user.organization_id, session_id)
    session = Session.objects.create(
        id=session_id,
        organization_id=user.organization_id,
        user=user,
        current_hash=refresh_tokens.digest(token),
        rotated_at=at,
        created_at=at,
        idle_until=at + settings.SESSION_IDLE_LIFETIME,
        absolute_until=at + settings.SESSION_ABSOLUTE_LIFETIME,
        user_agent=device.user_agent[:300],
        address=device.address,
    )
    events.record(
        SIGNED_IN,
        user,
        actor=user.as_actor(session_id=session_id),
        at=at,
        session_id=session_id,
        address=device.address,
    )
    return session, refresh_tokens.pair_of(session, token, at=at)


_nobody: list[str] = []


def _nobodys_hash() -> str:
    if not _nobody:
        _nobody.append(make_password(secrets.token_urlsafe(16)))
    return _nobody[0]
