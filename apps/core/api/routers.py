"""The router of views over records."""

from typing import Any

from rest_framework.routers import SimpleRouter


class RecordRouter(SimpleRouter):
    """Leaves out what a view grants nobody: a ticket is opened at its practice's address, a timer by its ticket."""

    def __init__(self) -> None:
        super().__init__(use_regex_path=False)

    def get_method_map(self, viewset: Any, method_map: Any) -> dict[str, str]:
        return {method: name for method, name in method_map.items() if name in viewset.grants}
