from django.apps import AppConfig


class SlaConfig(AppConfig):
    name = "apps.sla"
    label = "sla"
    verbose_name = "Service levels"

    def ready(self) -> None:
        # Each registers itself.
        from apps.sla import adopting, demo, events, figures, queues, subscribers, tasks, withdrawing, words  # noqa: F401, PLC0415
        from apps.tickets import clocks  # noqa: PLC0415

        clocks.install(queues.narrow)
