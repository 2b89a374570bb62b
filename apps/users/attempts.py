"""How often somebody may guess. Counted in PostgreSQL, each count one atomic statement, so that no race and no flush resets it.

No account is ever locked by strangers: the limit of an account does not bind the places its owner has signed in from.
Every attempt counts as a failure before it is tried; success takes it back.
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection

from apps.core.errors import DomainError

DELAY_FROM = 5
MAX_DELAY_SECONDS = 900


class TooManyAttempts(DomainError):
    """The allowance is used up; `retry_after` (seconds) says when to come back."""

    status = 429
    code = "too_many_attempts"
    title = "Too many attempts"


@dataclass(frozen=True, slots=True)
class Allowance:
    """`burst` attempts at once, and one more each `interval`; in any hour at most burst + hour / interval."""

    burst: int
    interval: timedelta


PER_NETWORK = Allowance(burst=20, interval=timedelta(seconds=3))
# 50 + 3600 / 72 = 100 guesses in any hour, from however many addresses.
PER_ACCOUNT = Allowance(burst=50, interval=timedelta(seconds=72))

# Refuses without counting when the allowance is used up: no row comes back.
TAKE = """
INSERT INTO users_signincounter AS c (key, failures, blocked_until, theoretical_arrival)
VALUES (%(key)s, 0, clock_timestamp(), clock_timestamp() + %(interval)s::interval)
ON CONFLICT (key) DO UPDATE
SET theoretical_arrival = GREATEST(c.theoretical_arrival, clock_timestamp()) + %(interval)s::interval
WHERE GREATEST(c.theoretical_arrival, clock_timestamp()) <= clock_timestamp() + %(window)s::interval
RETURNING 1
"""
GIVE_BACK = "UPDATE users_signincounter SET theoretical_arrival = theoretical_arrival - %s::interval WHERE key = %s"
# From the fifth failure on the next attempt waits 1, 2, 4 … seconds, at most a quarter of an hour.
TAKE_DELAYED = """
INSERT INTO users_signincounter AS c (key, failures, blocked_until, theoretical_arrival)
VALUES (%(key)s, 1, clock_timestamp(), clock_timestamp())
ON CONFLICT (key) DO UPDATE
SET failures = c.failures + 1, blocked_until = clock_timestamp() + CASE
        WHEN c.failures + 1 < %(from)s THEN interval '0'
        ELSE LEAST(2 ^ LEAST(c.failures + 1 - %(from)s, 20), %(max)s) * interval '1 second' END
WHERE c.blocked_until <= clock_timestamp()
RETURNING 1
"""
WAIT = """
SELECT CEIL(EXTRACT(epoch FROM GREATEST(blocked_until, theoretical_arrival - %s::interval) - clock_timestamp()))
FROM users_signincounter WHERE key = %s
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt was counted under, so that success can take it back."""

    account: str
    network: str
    place: str
    is_known_place: bool


def begin(account: str, address: str | None, *, is_known_place: bool) -> Attempt:
    """Count one attempt at `account` from `address`. Raises TooManyAttempts, and then nothing more is counted.

    Runs in autocommit, outside any tenant: what was counted stays counted, whatever becomes of the attempt.
    """
    attempt = Attempt(_key("account", account), _key("network", network_of(address)), _key("place", account, address or ""), is_known_place)
    _take_delayed(attempt.place)
    _take(attempt.network, PER_NETWORK)
    if not is_known_place:
        _take(attempt.account, PER_ACCOUNT)
    return attempt


def succeeded(attempt: Attempt) -> None:
    """Take the count back: it was the owner."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM users_signincounter WHERE key = %s", [attempt.place])
        cursor.execute(GIVE_BACK, [_seconds(PER_NETWORK.interval), attempt.network])
        if not attempt.is_known_place:
            cursor.execute(GIVE_BACK, [_seconds(PER_ACCOUNT.interval), attempt.account])


def forgive(account: str) -> None:
    """An administrator's unlock: the account's own allowance is full again."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM users_signincounter WHERE key = %s", [_key("account", account)])


def network_of(address: str | None) -> str:
    """Whom an address belongs to, roughly: a /24 of IPv4, a /64 of IPv6."""
    if not address:
        return "unknown"
    ip = ipaddress.ip_address(address)
    return str(ipaddress.ip_network(f"{address}/{24 if ip.version == 4 else 64}", strict=False))


def _take(key: str, allowance: Allowance) -> None:
    window = allowance.interval * (allowance.burst - 1)
    with connection.cursor() as cursor:
        cursor.execute(TAKE, {"key": key, "interval": _seconds(allowance.interval), "window": _seconds(window)})
        if cursor.fetchone() is None:
            _refuse(key, window)


def _take_delayed(key: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(TAKE_DELAYED, {"key": key, "from": DELAY_FROM, "max": MAX_DELAY_SECONDS})
        if cursor.fetchone() is None:
            _refuse(key, timedelta(0))


def _refuse(key: str, window: timedelta) -> None:
    with connection.cursor() as cursor:
        cursor.execute(WAIT, [_seconds(window), key])
        row = cursor.fetchone()
    seconds = max(int(row[0]), 1) if row else 1
    raise TooManyAttempts(f"Too many failed attempts; try again in {seconds} seconds.", retry_after=seconds)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds()} seconds"
