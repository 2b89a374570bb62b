"""The Celery application; workers log in as `itsm_worker`."""

import os

from celery import Celery
from celery.signals import setup_logging, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itsm_project.settings")
os.environ.setdefault("DATABASE_ROLE", "worker")

app = Celery("itsm", task_cls="apps.core.tasks:TenantTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logging(**_: object) -> None:
    """Django's settings configured logging already; connecting here keeps Celery from replacing it."""


@worker_init.connect
def refuse_to_work_through_a_hole(**_: object) -> None:
    """A worker proves the wall before it takes its first task."""
    from itsm_project.startup import assert_may_serve  # noqa: PLC0415 - the apps are loaded only now

    assert_may_serve()
