"""System checks: settings that are unsafe in production are errors with an id, not advice."""

from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from apps.core import limits

MIN_SECRET_KEY_LENGTH = 50
MIN_METRICS_TOKEN_LENGTH = 20


@register(Tags.security)
def refuse_unsafe_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """itsm.E001-E012. Demo and test modes are exempt; production is the default mode."""
    if settings.ITSM_MODE != "production":
        return []
    return [
        Error(message, hint=hint, id=f"itsm.{identifier}")
        for is_unsafe, identifier, message, hint in _rules()
        if is_unsafe
    ]


def _rules() -> list[tuple[bool, str, str, str]]:
    base = urlsplit(settings.BASE_URL)
    return [
        (settings.DEBUG, "E001", "DEBUG is on in production.", "Unset DEBUG."),
        (
            any(_is_weak_key(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)),
            "E002",
            "SECRET_KEY, or one of SECRET_KEY_FALLBACKS, is short, repetitive or a published one.",
            "Set 50 random characters.",
        ),
        (not settings.ALLOWED_HOSTS, "E003", "ALLOWED_HOSTS is empty.", "Name the hosts of BASE_URL."),
        ("*" in settings.ALLOWED_HOSTS, "E004", "ALLOWED_HOSTS accepts every host.", "Name the hosts of BASE_URL."),
        (
            "system" in settings.DATABASES and settings.DATABASE_ROLE == "app",
            "E005",
            "A web process holds the system login.",
            "Leave SYSTEM_DATABASE_URL out of the web processes' environment.",
        ),
        (base.scheme != "https", "E006", "BASE_URL is not https.", "Serve behind TLS and say so in BASE_URL."),
        (
            not urlsplit(settings.REDIS_URL).password,
            "E007",
            "REDIS_URL has no password.",
            "Protect the broker; it carries work.",
        ),
        (
            any(map(_is_no_network, settings.TRUSTED_PROXIES)),
            "E008",
            "TRUSTED_PROXIES holds what is no network.",
            "Write each as 10.0.0.0/8, without host bits.",
        ),
        (
            not all(map(_is_https_origin, settings.CORS_ALLOWED_ORIGINS)),
            "E010",
            "CORS_ALLOWED_ORIGINS holds what is no https origin.",
            "Write each as https://host or https://host:port; * is not accepted.",
        ),
        (
            _has_bad_limits(settings.RATE_LIMITS),
            "E011",
            "RATE_LIMITS names an unknown limit, or gives what is none.",
            "Write name=count/seconds, name=count/seconds/burst, or name=0 for no limit.",
        ),
        (
            _has_bad_metrics(),
            "E012",
            "METRICS_ADDRESS is no host:port, METRICS_NETWORKS holds what is no network, or METRICS_TOKEN is short.",
            f"Write 127.0.0.1:9464 or [::]:9464, 10.0.0.0/8, and a token of {MIN_METRICS_TOKEN_LENGTH} random characters or none.",
        ),
    ]


def _is_no_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return True
    return False


def _has_bad_metrics() -> bool:
    address, token = settings.METRICS_ADDRESS, settings.METRICS_TOKEN
    host, _, port = address.rpartition(":")
    is_bare_six = ":" in host and not (host.startswith("[") and host.endswith("]"))
    is_bad_address = bool(address) and (is_bare_six or not (port.isdecimal() and 0 < int(port) < 65_536))
    is_short = bool(token) and len(token) < MIN_METRICS_TOKEN_LENGTH
    return is_bad_address or is_short or any(map(_is_no_network, settings.METRICS_NETWORKS))


def _is_https_origin(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme == "https" and bool(parts.hostname) and text == f"https://{parts.netloc}" and "*" not in text


def _has_bad_limits(given: dict[str, str]) -> bool:
    try:
        for text in given.values():
            limits.configured(limits.PER_USER, text)
    except ImproperlyConfigured:
        return True
    return bool(limits.unknown_names(given))


def _is_weak_key(key: str) -> bool:
    return (
        len(key) < MIN_SECRET_KEY_LENGTH
        or len(set(key)) < 10
        or key.startswith(("only-for-tests", "django-insecure", "demo-"))
    )
