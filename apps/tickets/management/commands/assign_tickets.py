"""`manage.py assign_tickets`: what a minute brings to assignment, once. `--status`: how much waits, and for how long."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from apps.core.schedule import database_now
from apps.tickets.assignment import sweeping


class Command(BaseCommand):
    """The scheduled job by hand; it may run beside it."""

    help = "Pass on what nobody accepted, and give out what waits."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--status", action="store_true", help="print how many tickets wait, and for how long, as JSON"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        at = database_now()
        self.stdout.write(json.dumps(asdict(sweeping.status(at) if options["status"] else sweeping.sweep(at))))
