"""`manage.py generate_load`: very many incidents in one organization, to see and measure the platform with."""

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.incidents import load
from apps.organizations.services import find_organization


class Command(BaseCommand):
    """A second run adds more. Refused in production: it writes past the audit's row capture."""

    help = "Write many made-up incidents, with their history, into one organization. Only in demo and test mode."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, help="its slug")
        parser.add_argument("--tickets", type=int, required=True, help="how many, 1 to 10,000,000")
        parser.add_argument("--seed", type=int, default=1, help="the same seed tells the same stories")
        parser.add_argument("--comments", type=float, default=1.5, help="on each, on the average; 0 to 10")
        parser.add_argument("--without-events", action="store_true", help="tickets and comments alone, without history")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ITSM_MODE not in {"demo", "test"}:
            raise CommandError(f"ITSM_MODE is {settings.ITSM_MODE}; nothing is loaded. Accepted: demo, test.")
        if "migrator" not in settings.DATABASE_LOGINS:
            raise CommandError("MIGRATOR_DATABASE_URL is not set; the load is written with that login.")
        if not 1 <= options["tickets"] <= 10_000_000:
            raise CommandError("--tickets is out of range; accepted: 1 to 10,000,000.")
        if not 0 <= options["comments"] <= 10:
            raise CommandError("--comments is out of range; accepted: 0 to 10.")
        organization_id = find_organization(options["organization"])
        if organization_id is None:
            raise CommandError(f"There is no organization {options['organization']}.")
        started = time.monotonic()
        loaded = load.generate(
            organization_id,
            options["tickets"],
            seed=options["seed"],
            at=timezone.now(),
            comments=options["comments"],
            with_events=not options["without_events"],
            progress=lambda done: self._tell(done, started),
        )
        seconds = time.monotonic() - started
        rows = 3 * loaded.tickets + loaded.comments + loaded.events
        self.stdout.write(
            f"{loaded.tickets} tickets, {loaded.comments} comments and {loaded.events} events in {seconds:.1f} s:"
            f" {loaded.tickets / seconds:.0f} tickets/s, {rows / seconds:.0f} rows/s; content {loaded.digest}"
        )

    def _tell(self, done: int, started: float) -> None:
        if done % 50_000 == 0:
            self.stdout.write(f"{done} tickets, {done / (time.monotonic() - started):.0f}/s")
