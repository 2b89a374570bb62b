"""How scheduled jobs fare: when each last came to its end, and whether its last attempt failed."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Max, Q

from apps.core.figures import Gauge, Reading, source
from apps.core.models import JobTick
from apps.core.schedule import jobs

FINISHED = Gauge(
    "job_last_finished_timestamp_seconds",
    "When a run of this scheduled job last came to its end, as a Unix time.",
    ("job",),
)
FAILED = Gauge(
    "job_failed_runs", "Due times of the last week whose last attempt failed and was not made good.", ("job",)
)


@source("jobs", FINISHED, FAILED)
def read(now: datetime) -> Iterable[Reading]:
    names = set(jobs())
    finished = dict(JobTick.objects.filter(name__in=names).values_list("name").annotate(last=Max("finished_at")))
    broken = JobTick.objects.filter(Q(finished_at=None) & ~Q(error=""), name__in=names).values_list("name", flat=True)
    failures = list(broken)
    for name in sorted(names):
        if finished.get(name) is not None:
            yield Reading(FINISHED, finished[name].timestamp(), (name,))
        yield Reading(FAILED, failures.count(name), (name,))
