"""Where settings come from, in which mode the platform runs, and under which name and key."""

import os
import zoneinfo
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

# Deadlines are computed by the zones that are pinned in requirements.txt, the same on every machine, not by the system's.
zoneinfo.reset_tzpath(to=())
zoneinfo.ZoneInfo.clear_cache()

BASE_DIR = Path(__file__).resolve().parents[2]

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
