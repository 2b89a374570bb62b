"""The API: how it reads, answers, limits and describes itself."""

from itsm_project.settings.environment import BASE_URL, IS_TEST, env

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
