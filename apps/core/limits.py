"""How often a caller may ask: GCRA, one number per caller in Redis, by Redis' own clock, in one atomic script.

A limit lets `burst` requests through at once and `count` per period in the long run. Redis away: the same rule in this
process alone, so never unlimited; Redis is then left in peace for a while, so an outage costs a request no time.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from threading import Lock
from typing import Any

import redis
import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.retry import Retry

log = structlog.get_logger(__name__)

# KEYS: the caller. ARGV: microseconds between two requests in the long run, the burst. The key holds the theoretical arrival
# time (GCRA): until when the caller has used up their share. Answers: admitted, remaining, microseconds to wait, and to rest.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local used_until = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local room = now + interval * burst - used_until
if room < interval then
  return {0, 0, interval - room, used_until - now}
end
used_until = used_until + interval
redis.call('SET', KEYS[1], string.format('%.0f', used_until), 'PX', math.ceil((used_until - now) / 1000))
return {1, math.floor((room - interval) / interval), 0, used_until - now}
"""
SECOND = 1_000_000
# Longer than Redis takes even on a busy machine, and waited for once in an outage.
REDIS_TIMEOUT_SECONDS = 0.5
# More threads than this wait for each other, not for Redis.
MAX_CONNECTIONS, POOL_TIMEOUT_SECONDS = 16, 2.0
REST_SECONDS = 5.0
MAX_LOCAL_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    """`count` requests per `period_seconds`, `burst` of them at once (default: all)."""

    name: str
    count: int
    period_seconds: int
    burst: int = 0

    @property
    def size(self) -> int:
        return self.burst or self.count

    @property
    def interval(self) -> int:
        """Microseconds from one request to the next in the long run."""
        return ceil(self.period_seconds * SECOND / self.count)

    @property
    def window_seconds(self) -> int:
        """In how long a burst is used up and whole again: what `size` is counted over."""
        return ceil(self.interval * self.size / SECOND)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one more request was let through; how many are left at once, and after how long there are all again."""

    limit: Limit
    is_admitted: bool
    remaining: int
    retry_after_seconds: int
    reset_seconds: int


_declared: dict[str, Limit] = {}


def declare(name: str, count: int, period_seconds: int, *, burst: int = 0) -> Limit:
    """A limit under a name of its own, by which RATE_LIMITS changes it or turns it off. Raises ValueError for a name twice."""
    if name in _declared:
        raise ValueError(f"two limits are called {name}")
    _declared[name] = Limit(name, count, period_seconds, burst)
    return _declared[name]


PER_USER = declare("user", 6_000, 60, burst=2_000)
PER_TOKEN = declare("token", 6_000, 60, burst=2_000)
PER_ADDRESS = declare("anonymous", 1_200, 60, burst=600)


def unknown_names(given: Mapping[str, str]) -> list[str]:
    """What RATE_LIMITS names although no limit is called so."""
    return sorted(set(given) - set(_declared))


@lru_cache(maxsize=256)
def configured(limit: Limit, given: str | None) -> Limit | None:
    """The limit as RATE_LIMITS gives it: `count/seconds`, `count/seconds/burst`, or 0 for none at all.

    Raises ImproperlyConfigured for anything else.
    """
    if given is None:
        return limit
    parts = given.split("/")
    if parts == ["0"]:
        return None
    if len(parts) not in {2, 3} or not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        detail = "accepted: count/seconds, count/seconds/burst, or 0 for no limit"
        raise ImproperlyConfigured(f"RATE_LIMITS gives {limit.name} as {given!r}; {detail}")
    count, period, burst = (*map(int, parts), 0)[:3]
    return replace(limit, count=count, period_seconds=period, burst=burst)


def admit(limit: Limit, caller: str) -> Verdict | None:
    """Count one request of `caller`. None where the limit is turned off."""
    in_force = configured(limit, settings.RATE_LIMITS.get(limit.name))
    return None if in_force is None else _verdict(in_force, *_count(in_force, f"rate:{limit.name}:{caller}"))


def _verdict(limit: Limit, is_admitted: int, remaining: int, wait: int, rest: int) -> Verdict:
    return Verdict(limit, bool(is_admitted), int(remaining), ceil(wait / SECOND), ceil(rest / SECOND))


def _count(limit: Limit, key: str) -> tuple[int, int, int, int]:
    if not _breaker.is_open():
        try:
            found: Any = _script(settings.CACHE_URL)(keys=[key], args=[limit.interval, limit.size])
        except redis.RedisError as error:
            _breaker.trip()
            log.warning("rate_limits_are_local", error=str(error), seconds=REST_SECONDS)
        else:
            return found[0], found[1], found[2], found[3]
    return _local.count(limit, key)


@lru_cache(maxsize=4)
def _script(url: str) -> Any:
    """One client per process; its pool is safe for threads and for a fork."""
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=POOL_TIMEOUT_SECONDS,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return redis.Redis(connection_pool=pool).register_script(SCRIPT)


class Breaker:
    """After a failure nobody asks Redis for REST_SECONDS: an outage costs each thread one time-out, not each request."""

    def __init__(self) -> None:
        self._rests_until = 0.0

    def is_open(self) -> bool:
        return time.monotonic() < self._rests_until

    def trip(self) -> None:
        self._rests_until = time.monotonic() + REST_SECONDS

    def close(self) -> None:
        self._rests_until = 0.0


class LocalBuckets:
    """The same rule by this process's clock. Of too many callers the one longest unheard of is forgotten."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._used_until: OrderedDict[str, int] = OrderedDict()

    def count(self, limit: Limit, key: str) -> tuple[int, int, int, int]:
        with self._lock:
            now = time.monotonic_ns() // 1000
            used_until = max(self._used_until.get(key, 0), now)
            room = now + limit.interval * limit.size - used_until
            if room < limit.interval:
                return 0, 0, limit.interval - room, used_until - now
            self._used_until[key] = used_until + limit.interval
            self._used_until.move_to_end(key)
            if len(self._used_until) > MAX_LOCAL_KEYS:
                self._used_until.popitem(last=False)
            return 1, room // limit.interval - 1, 0, used_until + limit.interval - now


_breaker = Breaker()
_local = LocalBuckets()
