from django.apps import AppConfig

from apps.audit.capture import NOT_CAPTURED
from apps.core.wall.unwalled import leave_unwalled


class SinkConfig(AppConfig):
    name = "tests.sink"
    label = "sink"

    def ready(self) -> None:
        from tests.sink import subscribers  # noqa: F401

        NOT_CAPTURED["sink_arrival"] = "counts arrivals in tests"
        leave_unwalled("sink_pulse", "counts runs of a platform job in tests", writes=frozenset({"INSERT"}))
