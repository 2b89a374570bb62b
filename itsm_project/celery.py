"""The Celery application; workers log in as `itsm_worker`."""

import os
import sys
import time
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging, task_postrun, task_prerun, worker_init
from django.core.exceptions import ImproperlyConfigured
from django.db import close_old_connections
from django.db.utils import OperationalError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itsm_project.settings")
os.environ.setdefault("DATABASE_ROLE", "worker")

log = structlog.get_logger(__name__)

DATABASE_REST_SECONDS = 2.0

app = Celery("itsm", task_cls="apps.core.tasks:TenantTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# In every thread, not only in the one that imported this: others would send to a broker that is not ours.
app.set_default()


@setup_logging.connect
def keep_our_logging(**_: object) -> None:
    """Django's settings configured logging already; connecting here keeps Celery from replacing it."""


@task_prerun.connect
def renew_connections(**_: object) -> None:
    """As before every request: a connection that broke or grew old is replaced, the others are tried before their first use."""
    close_old_connections()


@task_prerun.connect
def name_the_tenant(task: Any, args: Any, **_: object) -> None:
    """Every line of a task carries its organization, as a request's lines do; Celery's own about it too."""
    from apps.core.tasks import PlatformTask  # noqa: PLC0415 - the apps are loaded only now

    if args and not isinstance(task, PlatformTask):
        structlog.contextvars.bind_contextvars(organization_id=str(args[0]))


@task_postrun.connect
def forget_the_tenant(**_: object) -> None:
    structlog.contextvars.unbind_contextvars("organization_id")


@worker_init.connect
def refuse_to_work_through_a_hole(**_: object) -> None:
    """A worker proves settings and wall before it takes its first task, and waits for a database that is away.

    Raises SystemExit, because Celery only logs what a signal's receiver raises otherwise.
    """
    from apps.core import proof  # noqa: PLC0415 - the apps are loaded only now
    from itsm_project.startup import refuse_unsafe_settings  # noqa: PLC0415

    while True:
        try:
            refuse_unsafe_settings()
            return proof.complete()
        except ImproperlyConfigured as error:
            sys.exit(str(error))
        except OperationalError as error:
            log.warning("worker_waits_for_database", error=str(error))
            time.sleep(DATABASE_REST_SECONDS)
