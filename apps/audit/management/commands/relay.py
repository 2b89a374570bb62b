"""`manage.py relay`: run the relay until SIGTERM or Ctrl-C. `manage.py relay --status`: say how far delivery is behind."""

import json
import signal
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.audit.relay import Relay, status
from apps.core.metrics_server import Metrics, serve

MAX_OVERDUE_SECONDS = 60
log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Needs WORKER_DATABASE_URL for effects and SYSTEM_DATABASE_URL to list what is due."""

    help = "Hand recorded events to their consumers, and show figures; run one or more beside the Celery workers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--status",
            action="store_true",
            help=f"print waiting, overdue and dead deliveries as JSON; exit 1 when any is dead or over {MAX_OVERDUE_SECONDS} s late",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if "system" not in settings.DATABASES:
            raise CommandError("SYSTEM_DATABASE_URL is not set: the relay lists due deliveries with that login")
        if options["status"]:
            self.report()
            return
        if settings.METRICS_ADDRESS:
            try:
                serve(settings.METRICS_ADDRESS, Metrics(settings.METRICS_NETWORKS, settings.METRICS_TOKEN))
            except OSError:
                # Deliveries matter more; and where two relays share a host, one shows the figures of both.
                log.exception("metrics_not_served", address=settings.METRICS_ADDRESS)
        relay = Relay()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: relay.stop())
        relay.run()

    def report(self) -> None:
        now = status()
        self.stdout.write(json.dumps(asdict(now)))
        if now.dead or now.overdue_seconds > MAX_OVERDUE_SECONDS:
            sys.exit(1)
