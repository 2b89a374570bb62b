"""Structured JSON logs, one object a line, each with the request it belongs to and none with a secret."""

import logging.config
import re
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import structlog
from uuid_utils.compat import uuid7

_request_id: ContextVar[str] = ContextVar("request_id", default="")
ACCEPTABLE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
SECRET_KEY = re.compile(r"password|secret|token|authorization|cookie|^code$|api_key", re.IGNORECASE)


def current_request_id() -> str:
    return _request_id.get()


def begin_request(offered: str) -> str:
    """Adopt the caller's request id when it is well formed, so that no log line can be forged; make one otherwise."""
    request_id = offered if ACCEPTABLE_REQUEST_ID.fullmatch(offered) else uuid7().hex
    _request_id.set(request_id)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def end_request() -> None:
    _request_id.set("")
    structlog.contextvars.clear_contextvars()


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A value whose name sounds secret never reaches a line."""
    for key in event:
        if _sounds_secret(key):
            event[key] = "***"
    return event


@lru_cache(maxsize=1024)
def _sounds_secret(key: str) -> bool:
    return SECRET_KEY.search(key) is not None


def configure(options: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG hook: everything, standard library and structlog, ends in the same JSON formatter."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
        structlog.processors.format_exc_info,
    ]
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
        "foreign_pre_chain": shared,
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": formatter},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "stream": sys.stderr, "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": options["level"]},
            # Django repeats as log lines what the problem+json answer and the access line say already.
            "loggers": {"django.request": {"level": "CRITICAL"}, "django.security": {"level": "ERROR"}},
        }
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
