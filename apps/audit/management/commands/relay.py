"""`manage.py relay`: run the relay until SIGTERM or Ctrl-C."""

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.audit.relay import Relay
from apps.core.wall.catalogue import assert_walled


class Command(BaseCommand):
    """Needs WORKER_DATABASE_URL for effects and SYSTEM_DATABASE_URL to list what is due."""

    help = "Hand recorded events to their consumers; run one or more beside the Celery workers."

    def handle(self, *args: Any, **options: Any) -> None:
        if "system" not in settings.DATABASES:
            raise CommandError("SYSTEM_DATABASE_URL is not set: the relay lists due deliveries with that login")
        assert_walled()
        relay = Relay()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: relay.stop())
        relay.run()
