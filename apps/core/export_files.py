"""Where the files of exports lie, under names that nobody guesses, and when they go."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import IO, Any
from uuid import UUID, uuid4

import structlog
from django.core.files import File
from django.core.files.storage import storages
from django.db.models import Q

from apps.core.models import Job
from apps.core.storage import unavailable

log = structlog.get_logger(__name__)

KIND = "export"
KEPT = timedelta(hours=24)
# A job that never ended had its time.
GIVEN_UP = timedelta(hours=48)


def new_name(extension: str) -> str:
    return f"{uuid4()}.{extension}"


def keep(name: str, content: IO[bytes]) -> str:
    """Put the file there; returns its name, which is another one where an earlier run of the job left a file."""
    kept: str = storages["exports"].save(name, File(content))
    return kept


def read(name: str) -> Any:
    """The open file. Raises FileNotFoundError, and Unavailable where the storage does not answer."""
    try:
        return storages["exports"].open(name, "rb")
    except FileNotFoundError:
        raise
    except Exception as error:
        # Storages of other servers raise what their libraries raise.
        log.exception("export_not_read", name=name)
        raise unavailable() from error


def remove(name: str) -> None:
    storages["exports"].delete(name)


def is_deleted(job: Job) -> bool:
    """Delete the job's file; one that cannot be deleted now keeps no other from going, and is tried again."""
    try:
        remove(job.parameters["file"])
    except Exception:
        # Storages of other servers raise what their libraries raise.
        log.exception("export_not_removed", job=str(job.pk))
        return False
    return True


def expired(organization_id: UUID, *, at: datetime) -> list[Job]:
    """Export jobs of one organization whose file has had its time at `at` (UTC)."""
    had_its_time = Q(finished_at__lt=at - KEPT) | Q(finished_at=None, created_at__lt=at - GIVEN_UP)
    jobs = Job.objects.filter(had_its_time, organization_id=organization_id, kind=KIND, parameters__has_key="file")
    return list(jobs)


def forget(organization_id: UUID, job_ids: Iterable[UUID]) -> None:
    """Write down that these jobs have no file any more."""
    for job in Job.objects.filter(organization_id=organization_id, pk__in=list(job_ids)):
        job.parameters.pop("file", None)
        job.result.pop("url", None)
        job.save(update_fields=["parameters", "result"])
