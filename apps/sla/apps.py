from django.apps import AppConfig


class SlaConfig(AppConfig):
    name = "apps.sla"
    label = "sla"
    verbose_name = "Service levels"

    def ready(self) -> None:
        from apps.sla import demo, events, queues, subscribers, tasks, words  # noqa: F401, PLC0415 - each registers itself
        from apps.tickets import clocks  # noqa: PLC0415

        clocks.install(queues.narrow)
