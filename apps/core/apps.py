from django.apps import AppConfig

from apps.core import proof


class CoreConfig(AppConfig):
    name = "apps.core"
    label = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        from apps.core import checks, job_figures, jobs  # noqa: F401, PLC0415 - register the checks, and what runs jobs
        from apps.core.api import exports  # noqa: F401, PLC0415 - what does export jobs
        from apps.core.wall.catalogue import assert_walled  # noqa: PLC0415

        proof.demand(assert_walled)
