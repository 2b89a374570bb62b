"""How often somebody may guess. Counted in PostgreSQL by its clock, each count one atomic statement: no race, no flush resets it.

No account is ever locked by strangers: what limits an account does not bind the places its owner has signed in from. Every
attempt is counted before it is tried; success takes the count back, so that only failures use up an allowance.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.utils.crypto import salted_hmac

from apps.core.addresses import network_of
from apps.core.errors import DomainError, Invalid

log = structlog.get_logger(__name__)

DELAY_FROM = 5
MAX_DELAY_SECONDS = 900
FORGOTTEN_AFTER = timedelta(hours=24)


class TooManyAttempts(DomainError):
    """The allowance is used up; `retry_after` (seconds) says when to come back."""

    status = 429
    code = "too_many_attempts"
    title = "Too many attempts"


class WrongProof(Invalid):
    """A password or code of somebody signed in is not right. It was counted, whatever becomes of what was asked for."""


class Place(Enum):
    """How well a place is known as one where the account's owner has been."""

    ADDRESS = "the owner was at this very address"
    NETWORK = "the owner was in this network"
    STRANGE = "the owner was never near it"


@dataclass(frozen=True, slots=True)
class Allowance:
    """`burst` attempts at once, and one more each `interval`: in any hour at most burst + hour / interval (GCRA)."""

    burst: int
    interval: timedelta


PER_NETWORK = Allowance(burst=20, interval=timedelta(seconds=3))
# An office whose people have signed in from there before: one guesser among them keeps nobody else out.
PER_KNOWN_NETWORK = Allowance(burst=100, interval=timedelta(seconds=0.6))
# 50 + 3600 / 72 = 100 guesses in any hour, from however many addresses.
PER_ACCOUNT = Allowance(burst=50, interval=timedelta(seconds=72))
# At one moment; what was tried and failed is delayed besides.
PER_PLACE = Allowance(burst=20, interval=timedelta(seconds=3))

# No row comes back, and nothing is counted, when the key is blocked or its allowance used up.
TAKE = """
INSERT INTO users_signincounter AS c (key, account, failures, blocked_until, full_at)
VALUES (%(key)s, %(account)s, 0, clock_timestamp(), clock_timestamp() + %(interval)s::interval)
ON CONFLICT (key) DO UPDATE SET full_at = GREATEST(c.full_at, clock_timestamp()) + %(interval)s::interval
WHERE c.blocked_until <= clock_timestamp()
  AND GREATEST(c.full_at, clock_timestamp()) <= clock_timestamp() + %(window)s::interval
RETURNING 1
"""
GIVE_BACK = "UPDATE users_signincounter SET full_at = full_at - %s::interval WHERE key = %s"
# From the fifth failure on the next attempt waits 1, 2, 4 … seconds, at most a quarter of an hour.
FAIL = """
UPDATE users_signincounter SET failures = failures + 1, blocked_until = clock_timestamp() + CASE
    WHEN failures + 1 < %(from)s THEN interval '0'
    ELSE LEAST(2 ^ LEAST(failures + 1 - %(from)s, 20), %(max)s) * interval '1 second' END
WHERE key = %(key)s
"""
WAIT = """
SELECT CEIL(EXTRACT(epoch FROM GREATEST(blocked_until, full_at - %s::interval) - clock_timestamp()))
FROM users_signincounter WHERE key = %s
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt was counted under: its place, and the allowances beside it."""

    place: str
    taken: tuple[tuple[str, Allowance], ...]


def begin(account: str, address: str | None, *, known: Place) -> Attempt:
    """Count one attempt at `account` (a normalised address) from `address`, before it is tried.

    Raises TooManyAttempts, and then nothing is counted. Commits by itself, outside any tenant: what was counted stays counted,
    whatever becomes of the attempt. The owner's networks have an allowance each, which nobody elsewhere uses up; the owner's
    own addresses are bound by none of the account's.
    """
    owner, network = _account_key(account), network_of(address)
    place = _key("place", account, address or "")
    if known is Place.STRANGE:
        taken = [(_key("network", network), "", PER_NETWORK), (owner, owner, PER_ACCOUNT)]
    else:
        taken = [(_key("known network", network), "", PER_KNOWN_NETWORK)]
    if known is Place.NETWORK:
        taken.append((_key("account in network", account, network), owner, PER_ACCOUNT))
    with transaction.atomic():
        for key, about, allowance in [*taken, (place, owner, PER_PLACE)]:
            _take(key, about, allowance)
    return Attempt(place, tuple((key, allowance) for key, _, allowance in taken))


def failed(attempt: Attempt) -> None:
    """It was wrong: the count stays, and the next attempt from this place may have to wait."""
    _execute(FAIL, {"key": attempt.place, "from": DELAY_FROM, "max": MAX_DELAY_SECONDS})


def rewrite(attempt: Attempt) -> None:
    """Write a row as it is: what it costs to write down that somebody failed, where there is nobody to write about."""
    _execute("UPDATE users_signincounter SET failures = failures WHERE key = %s", [attempt.place])


def succeeded(attempt: Attempt) -> None:
    """Take the counts back and forget the failures of this place: it was the owner."""
    withdraw(attempt)
    _execute("DELETE FROM users_signincounter WHERE key = %s", [attempt.place])


def withdraw(attempt: Attempt) -> None:
    """Take the counts back, and no more: right so far, but a second step is to come, whose failures count on."""
    for key, allowance in (*attempt.taken, (attempt.place, PER_PLACE)):
        _execute(GIVE_BACK, [_seconds(allowance.interval), key])


@contextmanager
def proving(account: str, session_id: UUID) -> Iterator[None]:
    """Around a check of a password or code by somebody signed in: counted under their session, and all sessions of the account.

    Raises TooManyAttempts. To be used outside any transaction: each count then commits by itself, before the guess is tried, and
    nothing is locked while it is. Inside one the counters' rows stay locked until it ends, so the user's row is locked before.
    """
    owner, proofs = _account_key(account), _key("proofs", account)
    attempt = Attempt(_key("session", str(session_id)), ((proofs, PER_ACCOUNT),))
    with transaction.atomic():
        _take(proofs, owner, PER_ACCOUNT)
        _take(attempt.place, owner, PER_PLACE)
    try:
        yield
    except WrongProof:
        with transaction.atomic():
            failed(attempt)
        raise
    with transaction.atomic():
        succeeded(attempt)


def forgive(account: str) -> None:
    """Nothing is counted or delayed any more for a normalised address, at any place.

    The last lock that a transaction takes: whoever counts an attempt inside one holds the user's row before.
    """
    _execute("DELETE FROM users_signincounter WHERE account = %s", [_account_key(account)])


def forget_old() -> int:
    """Delete counters that have stood full for FORGOTTEN_AFTER; returns how many."""
    condition = "GREATEST(blocked_until, full_at) < clock_timestamp() - %s::interval"
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM users_signincounter WHERE {condition}", [_seconds(FORGOTTEN_AFTER)])  # noqa: S608 - our own words
        return int(cursor.rowcount)


def _take(key: str, account: str, allowance: Allowance) -> None:
    interval, window = allowance.interval, allowance.interval * (allowance.burst - 1)
    given = {"key": key, "account": account, "interval": _seconds(interval), "window": _seconds(window)}
    with connection.cursor() as cursor:
        cursor.execute(TAKE, given)
        if cursor.fetchone() is not None:
            return
        cursor.execute(WAIT, [_seconds(window), key])
        row = cursor.fetchone()
    seconds = max(int(row[0]), 1) if row else 1
    log.warning("too_many_attempts", retry_after=seconds)
    raise TooManyAttempts(f"Too many failed attempts; try again in {seconds} seconds.", retry_after=seconds)


def _execute(statement: str, parameters: list[str] | dict[str, str | int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def _account_key(account: str) -> str:
    return _key("account", account)


def _key(*parts: str) -> str:
    # Keyed: there are few enough addresses to try them all on a plain hash.
    return salted_hmac("sign-in counter", "\0".join(parts), algorithm="sha256").hexdigest()


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds()} seconds"
