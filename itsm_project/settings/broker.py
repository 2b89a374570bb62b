"""Redis, with broker and cache in separate databases, and Celery."""

from datetime import timedelta
from urllib.parse import urlsplit

from itsm_project.settings.environment import env

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
