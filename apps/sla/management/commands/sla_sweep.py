"""`manage.py sla_sweep`: fire what is due, once. `manage.py sla_sweep --status`: say how far firing is behind."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.core.schedule import database_now
from apps.sla import sweeping

MAX_LAG_SECONDS = 120


class Command(BaseCommand):
    """The scheduled sweep by hand; it may run beside it. Its status needs SYSTEM_DATABASE_URL."""

    help = "Fire the service levels that are due."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--status",
            action="store_true",
            help=f"print how many timers are due, and for how long, as JSON; exit 1 when for over {MAX_LAG_SECONDS} s",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["status"]:
            self.stdout.write(json.dumps(asdict(sweeping.sweep(database_now()))))
            return
        if "system" not in settings.DATABASES:
            raise CommandError("SYSTEM_DATABASE_URL is not set: the status is of all organizations")
        lag = sweeping.DUE.lag(database_now())
        self.stdout.write(json.dumps(asdict(lag)))
        if lag.seconds > MAX_LAG_SECONDS:
            sys.exit(1)
