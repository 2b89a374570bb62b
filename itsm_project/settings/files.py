"""Files: what is served as it is, and where exports and attachments lie."""

from pathlib import Path
from typing import Any

from itsm_project.settings.environment import BASE_DIR, IS_TEST, ITSM_MODE, env

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
