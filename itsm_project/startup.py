"""What must hold before a process serves anybody."""

import structlog
from django.db.utils import OperationalError

from apps.core.wall.catalogue import assert_walled
from apps.organizations.services import refuse_demo_in_production

log = structlog.get_logger(__name__)


def assert_may_serve() -> None:
    """Raises ImproperlyConfigured when the wall has a hole or production holds the demo.

    While the database is away nothing can be proved and nothing be served: /health/ready/ repeats the proof when it is back.
    """
    try:
        assert_walled()
        refuse_demo_in_production()
    except OperationalError as error:
        log.warning("started_without_database", error=str(error))
