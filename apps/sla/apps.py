from django.apps import AppConfig


class SlaConfig(AppConfig):
    name = "apps.sla"
    label = "sla"
    verbose_name = "Service levels"

    def ready(self) -> None:
        from apps.sla import events, subscribers, tasks  # noqa: F401, PLC0415 - each registers itself
