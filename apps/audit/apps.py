from django.apps import AppConfig

from apps.core import events


class AuditConfig(AppConfig):
    name = "apps.audit"
    label = "audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        from apps.audit import figures, services  # noqa: F401, PLC0415 - models exist only now

        events.install_recorder(services.record)
