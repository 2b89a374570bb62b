"""`manage.py climb`: take the steps of chains that are due, once. `manage.py climb --status`: say how far they are behind."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.core.schedule import database_now
from apps.sla.escalation import climbing

MAX_LAG_SECONDS = 120


class Command(BaseCommand):
    """The scheduled job by hand; it may run beside it. Its status needs SYSTEM_DATABASE_URL."""

    help = "Take the steps of escalation that are due."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--status",
            action="store_true",
            help=f"print how much is due, and for how long, as JSON; exit 1 when for over {MAX_LAG_SECONDS} s",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["status"]:
            self.stdout.write(json.dumps(asdict(climbing.climb(database_now()))))
            return
        if "system" not in settings.DATABASES:
            raise CommandError("SYSTEM_DATABASE_URL is not set: the status is of all organizations")
        lag = climbing.DUE.lag(database_now())
        self.stdout.write(json.dumps(asdict(lag)))
        if lag.seconds > MAX_LAG_SECONDS:
            sys.exit(1)
