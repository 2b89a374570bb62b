"""`manage.py import_incidents FILE --organization SLUG`: the incident histories of another system, as if lived here."""

import json
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.core.errors import DomainError
from apps.incidents.importing import mapping, reading
from apps.incidents.importing.report import Report
from apps.incidents.importing.running import Import, WorkerDied
from apps.organizations.services import find_organization

MAX_WORKERS = 16


class Command(BaseCommand):
    """Nothing is mailed, called or assigned by it. Run again, it goes on where it was stopped, and then changes nothing."""

    help = "Import incident histories from a log of updates, such as ServiceNow's."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="CSV in UTF-8, also packed by gzip")
        parser.add_argument("--organization", required=True, help="slug of the organization that takes them")
        parser.add_argument("--mapping", type=Path, default=mapping.SHIPPED, help="TOML; default: ServiceNow's words")
        parser.add_argument("--dry-run", action="store_true", help="do it all, report it, and undo it")
        parser.add_argument("--report", type=Path, help="write the whole report to this file as JSON")
        parser.add_argument(
            "--workers", type=int, default=2, help="processes, 1 to 16 (default 2); a dry run takes one"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["workers"] <= MAX_WORKERS:
            raise CommandError(f"--workers: accepted: 1 to {MAX_WORKERS}.")
        organization_id = find_organization(options["organization"])
        if organization_id is None:
            raise CommandError(f"There is no organization {options['organization']}.")
        is_dry_run = options["dry_run"]
        try:
            words = mapping.load(options["mapping"])
            log = reading.read(options["file"], words)
            progress = Progress(self.stderr, len(log.cases))
            run = Import(log, words, organization_id, timezone.now(), progress)
            report = Report(words.name, options["organization"], is_dry_run)
            run.rehearse(report) if is_dry_run else run.run(report, workers=options["workers"])
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        except WorkerDied as death:
            raise CommandError(str(death)) from death
        progress.end()
        if options["report"]:
            options["report"].write_text(json.dumps(report.as_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")
        self.stdout.write(report.summary())


class Progress:
    """One line on the error stream: rewritten where somebody looks at it, every ten seconds a new one where it is a file."""

    def __init__(self, stream: Any, total: int) -> None:
        self.stream = stream
        self.total = total
        self.is_watched = sys.stderr.isatty()
        self.every = 0.2 if self.is_watched else 10.0
        self.told_at = time.monotonic()
        self.first: tuple[float, int] | None = None

    def __call__(self, done: int, said: str) -> None:
        now = time.monotonic()
        if not said and self.first is None:
            self.first = (now, done)
        if now - self.told_at < self.every:
            return
        self.told_at = now
        self._tell(said or self._said(done, now))

    def _said(self, done: int, now: float) -> str:
        began, already = self.first or (now, done)
        rate = (done - already) / (now - began) if now > began else 0.0
        left = f", {(self.total - done) / rate:,.0f} s left" if rate else ""
        share = done * 100 // self.total if self.total else 100
        return f"[{'#' * (share // 5):20}] {share} %  {done:,} of {self.total:,} incidents, {rate:,.0f}/s{left}"

    def _tell(self, text: str) -> None:
        self.stream.write(f"\r{text:<78}" if self.is_watched else text, ending="" if self.is_watched else "\n")
        self.stream.flush()

    def end(self) -> None:
        if self.is_watched:
            self.stream.write("")
