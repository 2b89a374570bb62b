"""Every setting, from the environment. Unsafe values for production are refused by system checks (apps/core/checks.py).

Variables are described in `.env.example`; a file named by ITSM_ENV_FILE (default `.env`) is read first, the real environment wins.
"""

import os
import zoneinfo
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from itsm_project.theme import UNFOLD  # noqa: F401 - a setting like the others

# Deadlines are computed by the zones that are pinned in requirements.txt, the same on every machine, not by the system's.
zoneinfo.reset_tzpath(to=())
zoneinfo.ZoneInfo.clear_cache()

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()  # type: ignore[no-untyped-call]
env_file = Path(os.environ.get("ITSM_ENV_FILE", BASE_DIR / ".env"))
if env_file.is_file():
    env.read_env(env_file)

# production: refuses what is unsafe. demo: bin/up, with published credentials. test: bin/test.
ITSM_MODE: str = env("ITSM_MODE", default="production")
if ITSM_MODE not in {"production", "demo", "test"}:
    raise ImproperlyConfigured(f"ITSM_MODE is {ITSM_MODE!r}; accepted: production, demo, test")
IS_DEMO = ITSM_MODE == "demo"
IS_TEST = ITSM_MODE == "test"

DEBUG: bool = env.bool("DEBUG", default=False)
SECRET_KEY: str = env("SECRET_KEY", default="")
if not SECRET_KEY:
    if not IS_TEST:
        raise ImproperlyConfigured("SECRET_KEY is empty: set it to 50 or more random characters")
    SECRET_KEY = "only-for-tests-" + "0" * 50
# Earlier or coming keys: what they signed is accepted, nothing is signed with them.
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS: list[str] = env.list(
    "ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "testserver"] if ITSM_MODE != "production" else []
)
BASE_URL: str = env("BASE_URL", default="http://127.0.0.1:8000").rstrip("/")
IS_BEHIND_TLS = BASE_URL.startswith("https://")

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "itsm_project.admin.ItsmAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "apps.core",
    "apps.audit",
    "apps.organizations",
    "apps.users",
    "apps.cmdb",
    "apps.tickets",
    "apps.sla",
    "apps.incidents",
    "apps.notifications",
]
if IS_TEST:
    # A consumer that only counts what reaches it; the fault tests compare its table with the events written.
    INSTALLED_APPS.append("tests.sink")

MIDDLEWARE = [
    "apps.core.middleware.RequestContextMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "apps.core.middleware.ProofMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.core.middleware.ApiHeadersMiddleware",
    "apps.core.middleware.AdminHeadersMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.users.middleware.AdminTenantMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "itsm_project.urls"
WSGI_APPLICATION = "itsm_project.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "itsm_project" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- Database: one login per role, see docs/operations.md ---------------------------------------------------------------

DATABASE_ROLE: str = env("DATABASE_ROLE", default="app")
ROLE_VARIABLES = {
    "app": "DATABASE_URL",
    "worker": "WORKER_DATABASE_URL",
    "system": "SYSTEM_DATABASE_URL",
    "migrator": "MIGRATOR_DATABASE_URL",
    "admin": "ADMIN_DATABASE_URL",
}
if DATABASE_ROLE not in ROLE_VARIABLES:
    raise ImproperlyConfigured(f"DATABASE_ROLE is {DATABASE_ROLE!r}; accepted: {', '.join(ROLE_VARIABLES)}")


def login(variable: str) -> dict[str, Any]:
    """The parts of a database URL. A Unix socket's directory comes percent-encoded in the place of the host."""
    parts: dict[str, Any] = env.db_url(variable, engine="apps.core.postgresql")
    return {**parts, "HOST": unquote(parts["HOST"])}


# Every login this process was given; a deployment gives each process only its own.
DATABASE_LOGINS: dict[str, dict[str, Any]] = {
    role: login(variable) for role, variable in ROLE_VARIABLES.items() if env.str(variable, default="")
}


def database(variable: str) -> dict[str, Any]:
    """The login that `variable` holds, spoken to through the tenant-aware backend."""
    configuration = login(variable)
    configuration.update(
        CONN_MAX_AGE=env.int("CONN_MAX_AGE", default=60),
        CONN_HEALTH_CHECKS=True,
        DISABLE_SERVER_SIDE_CURSORS=env.bool("DATABASE_BEHIND_POOLER", default=False),
    )
    if IS_TEST:
        # The suite makes databases of its own in the same cluster, and starts processes that work in them.
        configuration["NAME"] = env.str("TEST_DATABASE_NAME", default="") or configuration["NAME"]
    options = configuration.setdefault("OPTIONS", {})
    options.setdefault("connect_timeout", 5)
    options.setdefault("application_name", f"itsm-{DATABASE_ROLE}")
    return configuration


DATABASES: dict[str, dict[str, Any]] = {}
_login = ROLE_VARIABLES[DATABASE_ROLE]
if env.str(_login, default=""):
    DATABASES["default"] = database(_login)
elif IS_TEST and not env.str("DATABASE_URL", default=""):
    # Linters and the schema generator need settings, not a database.
    DATABASES["default"] = {"ENGINE": "apps.core.postgresql", "NAME": "itsm"}
else:
    raise ImproperlyConfigured(
        f"{_login} is not set: this process runs as the role {DATABASE_ROLE!r} (docs/operations.md)"
    )
if env.str("SYSTEM_DATABASE_URL", default="") and DATABASE_ROLE in {"worker", "app"}:
    DATABASES["system"] = database("SYSTEM_DATABASE_URL")
DATABASE_ROUTERS = ["apps.core.postgresql.routers.OnlyDefault"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: broker and cache in separate databases ----------------------------------------------------------------------

REDIS_URL: str = env("REDIS_URL", default="redis://127.0.0.1:6379/0")
CACHE_URL: str = env.str("CACHE_URL", default="") or urlsplit(REDIS_URL)._replace(path="/1").geturl()
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": CACHE_URL}}

# docs/adr/0003 and 0011: a job lives in the database, the broker only carries the word that it is due.
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_SOFT_TIME_LIMIT = 270
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
    "max_retries": 1,
    "interval_start": 0,
    "interval_max": 0.5,
}
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 30
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
# Celery would open a new connection for every task; itsm_project.celery has each one checked before a task uses it.
CELERY_DB_REUSE_MAX = 1000
# Beat only wakes; which job is due, and whether somebody already took it, is decided by the database's clock. No `expires`:
# it would compare beat's clock with the worker's, and a difference of seconds would drop every tick.
CELERY_BEAT_SCHEDULE = {"tick": {"task": "core.tick", "schedule": timedelta(seconds=5)}}

# --- Sign-in ------------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = ["apps.users.admin_backend.GrantBackend"]
PASSWORD_HASHERS = ["apps.users.hashers.Argon2Hasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "apps.users.passwords.NotAboutYou"},
]
# Secrets at rest (apps/core/secrets.py): id=secret pairs, the first encrypts, all decrypt; without any, SECRET_KEY is the key.
ENCRYPTION_KEYS: dict[str, str] = env.dict("ENCRYPTION_KEYS", default={})
ACCESS_TOKEN_LIFETIME = timedelta(minutes=5)
# Refusals of one person in one minute that get an event each (apps/core/denials.py); the rest are counted.
ACCESS_DENIED_PER_MINUTE: int = env.int("ACCESS_DENIED_PER_MINUTE", default=20)
SESSION_IDLE_LIFETIME = timedelta(minutes=env.int("SESSION_IDLE_MINUTES", default=30))
SESSION_ABSOLUTE_LIFETIME = timedelta(hours=env.int("SESSION_ABSOLUTE_HOURS", default=12))
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": SECRET_KEY,
    "ACCESS_TOKEN_LIFETIME": ACCESS_TOKEN_LIFETIME,
    "AUDIENCE": "itsm-api",
    "ISSUER": "itsm",
    "LEEWAY": 0,
}

# The admin's cookie names its organization and a session row, signed; the row decides (docs/adr/0009).
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = int(SESSION_ABSOLUTE_LIFETIME.total_seconds())
SESSION_COOKIE_PATH = "/admin/"
CSRF_COOKIE_PATH = "/admin/"
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_BEHIND_TLS
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/admin/"

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000 if IS_BEHIND_TLS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_BEHIND_TLS
SECURE_HSTS_PRELOAD = False
SECURE_SSL_REDIRECT = env.bool("SSL_REDIRECT", default=False)
X_FRAME_OPTIONS = "DENY"
# Networks of our own proxies, whose X-Forwarded-For is believed (apps/core/addresses.py).
TRUSTED_PROXIES: list[str] = env.list("TRUSTED_PROXIES", default=[])
if IS_BEHIND_TLS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # the redirect to TLS is the proxy's; itsm.E006 demands an https BASE_URL in production
    "security.W005",
    "security.W021",  # subdomains and preload are the domain owner's decision
]

# --- API ----------------------------------------------------------------------------------------------------------------

BODY_LIMIT_BYTES = 2 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = BODY_LIMIT_BYTES
REST_FRAMEWORK = {
    # The base view signs callers in before DRF could ask.
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["apps.core.api.permissions.Refuse"],
    "DEFAULT_RENDERER_CLASSES": ["apps.core.api.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.core.api.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "apps.core.api.schema.ApiSchema",
    "EXCEPTION_HANDLER": "apps.core.api.problems.handle",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "apps.core.api.renderers.OnlyJSON",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
# Changes to the limits that apps declare, by name: count/seconds, count/seconds/burst, 0 for none (apps/core/limits.py).
# The suite sends more in a minute than a client does in a day, all from one address.
RATE_LIMITS: dict[str, str] = env.dict(
    "RATE_LIMITS",
    default=dict.fromkeys(("user", "token", "anonymous", "password_reset", "invitation"), "10000000/60")
    if IS_TEST
    else {},
)

# Browsers on other origins: none unless named here. Bearer tokens only, so never cookies.
CORS_ALLOWED_ORIGINS: list[str] = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_CREDENTIALS = False
CORS_ALLOW_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS")
CORS_ALLOW_HEADERS = (
    "accept", "authorization", "content-type", "idempotency-key", "if-match", "x-organization", "x-request-id",
)  # fmt: skip
CORS_EXPOSE_HEADERS = (
    "Content-Disposition", "ETag", "Idempotency-Replayed", "Location", "RateLimit", "RateLimit-Limit", "RateLimit-Policy",
    "RateLimit-Remaining", "RateLimit-Reset", "Retry-After", "X-Request-ID",
)  # fmt: skip
CORS_PREFLIGHT_MAX_AGE = 600

SPECTACULAR_SETTINGS = {
    "TITLE": "ITSM platform",
    "VERSION": "1.0.0",
    "DESCRIPTION": "IT service management for many organizations, each walled from the others.",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVERS": [{"url": BASE_URL}],
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "ENUM_NAME_OVERRIDES": {
        "PresenceStatus": "apps.users.models.PresenceStatus",
        "CiStatus": "apps.cmdb.models.CiStatus",
        "CiEnvironment": "apps.cmdb.models.Environment",
        "TicketKind": "apps.tickets.choices.Kind",
        "Level": "apps.tickets.choices.Level",
        "HoldReason": "apps.tickets.choices.HoldReason",
        "CountedDays": "apps.tickets.choices.Days",
        "StepOfTime": "apps.tickets.choices.Doing",
        "LeadRole": "apps.incidents.choices.LeadRole",
        "UpdateOutcome": "apps.incidents.choices.UpdateOutcome",
        "HandoverOutcome": "apps.incidents.choices.HandoverOutcome",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.core.api.schema.refuse_unknown_fields",
        "apps.core.api.schema.drop_unreferenced",
        "apps.core.api.schema.declare_tags",
    ],
    "APPEND_COMPONENTS": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}},
}

# --- Mail ---------------------------------------------------------------------------------------------------------------

# Keeps messages as rows that the admin shows; demo and test mode have it unless EMAIL_URL names a server.
MAILBOX_BACKEND = "apps.notifications.delivery.mailbox.MailboxBackend"
EMAIL_URL: str = env.str("EMAIL_URL", default="") or (
    "smtp://localhost:25" if ITSM_MODE == "production" else "mailbox:"
)
# smtps is TLS from the first byte (RFC 8314); the library would take it for STARTTLS.
_server = EMAIL_URL.replace("smtps://", "smtp+ssl://", 1)
_mail: dict[str, Any] = {} if EMAIL_URL == "mailbox:" else env.email_url_config(_server)  # type: ignore[no-untyped-call]
EMAIL_BACKEND: str = _mail.get("EMAIL_BACKEND", MAILBOX_BACKEND)
EMAIL_HOST: str = _mail.get("EMAIL_HOST") or "localhost"
EMAIL_PORT: int = _mail.get("EMAIL_PORT") or 25
EMAIL_HOST_USER: str = _mail.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD: str = _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS: bool = _mail.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL: bool = _mail.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = env.int("MAIL_TIMEOUT_SECONDS", default=10)
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("MAIL_FROM", default="") or f"no-reply@{urlsplit(BASE_URL).hostname}"

# --- Time, text, files, logs --------------------------------------------------------------------------------------------

TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"
USE_I18N = True
FORMAT_MODULE_PATH = ["itsm_project.formats"]
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default="") or BASE_DIR / ".local" / "static")
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Files of exports: private, readable by web and worker, gone after a day. Another server's storage by its class and options.
EXPORTS_ROOT = Path(env.str("EXPORTS_ROOT", default="") or BASE_DIR / ".local" / "exports")
STORAGES["exports"] = {
    "BACKEND": env.str("EXPORTS_STORAGE", default="") or "django.core.files.storage.FileSystemStorage",
    "OPTIONS": env.json("EXPORTS_STORAGE_OPTIONS", default=None)
    or {
        "location": EXPORTS_ROOT,
        "base_url": None,
        "file_permissions_mode": 0o600,
        "directory_permissions_mode": 0o700,
    },
}
# Files of tickets: private too, and kept. What one may be, and all of an organization together, in bytes.
ATTACHMENTS_ROOT = Path(env.str("ATTACHMENTS_ROOT", default="") or BASE_DIR / ".local" / "attachments")
STORAGES["attachments"] = {
    "BACKEND": env.str("ATTACHMENTS_STORAGE", default="") or "apps.core.storage.DurableFiles",
    "OPTIONS": env.json("ATTACHMENTS_STORAGE_OPTIONS", default=None)
    or {"location": ATTACHMENTS_ROOT, "base_url": None},
}
ATTACHMENT_LIMIT_BYTES: int = env.int("ATTACHMENT_LIMIT_BYTES", default=25 * 1024 * 1024)
ATTACHMENT_QUOTA_BYTES: int = env.int("ATTACHMENT_QUOTA_BYTES", default=10 * 1024**3)
# A function that reads a file and says clean, infected or error (apps/tickets/scanning.py).
ATTACHMENT_SCANNER: str = env.str("ATTACHMENT_SCANNER", default="") or "apps.tickets.scanning.nothing"
WHITENOISE_USE_FINDERS = ITSM_MODE != "production"
# Every test client builds the middleware anew: a file is looked for when it is asked for, instead of all at each start.
WHITENOISE_AUTOREFRESH = IS_TEST

# Where the relay shows figures to Prometheus, as host:port; nowhere where it is empty. Who may ask: these networks, and whoever has
# the token (docs/operations.md).
METRICS_ADDRESS: str = env.str("METRICS_ADDRESS", default="")
METRICS_NETWORKS: list[str] = env.list("METRICS_NETWORKS", default=["127.0.0.0/8", "::1/128"])
METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="")

LOG_LEVEL: str = env("LOG_LEVEL", default="INFO")
LOGGING_CONFIG = "apps.core.logs.configure"
LOGGING = {"level": LOG_LEVEL}
