from django.apps import AppConfig

from apps.audit.capture import NOT_CAPTURED


class SinkConfig(AppConfig):
    name = "tests.sink"
    label = "sink"

    def ready(self) -> None:
        from tests.sink import subscribers  # noqa: F401

        NOT_CAPTURED["sink_arrival"] = "counts arrivals in tests"
