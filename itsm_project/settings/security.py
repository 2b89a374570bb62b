"""Signing in, sessions, secrets, and what browsers are told."""

from datetime import timedelta

from itsm_project.settings.environment import IS_BEHIND_TLS, SECRET_KEY, env

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
