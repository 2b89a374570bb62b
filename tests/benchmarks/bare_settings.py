"""Settings of the bare application: ours without middleware, and a plain login that no policy binds."""

from itsm_project.settings import *  # noqa: F403
from itsm_project.settings import DATABASES

MIDDLEWARE: list[str] = []
ROOT_URLCONF = "tests.benchmarks.bare"
DATABASES = {
    "default": {**DATABASES["default"], "ENGINE": "django.db.backends.postgresql", "CONN_HEALTH_CHECKS": False}
}
