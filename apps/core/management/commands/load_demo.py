"""`manage.py load_demo`: two walled organizations with people and structure, to try the platform with."""

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.core import demo


class Command(BaseCommand):
    """Idempotent. Refused in production: the passwords are published."""

    help = "Load the demo organizations. Only in demo and test mode."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--write", type=Path, help="write base URL and accounts to this file as JSON, readable by you alone"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ITSM_MODE == "production":
            raise CommandError("ITSM_MODE is production; the demo's passwords are published. Accepted: demo, test.")
        accounts = {"base_url": settings.BASE_URL, "organizations": demo.load(timezone.now())}
        if options["write"]:
            write_privately(options["write"], json.dumps(accounts, indent=2) + "\n")
        self.stdout.write(f"demo loaded: {', '.join(accounts['organizations'])}")


def write_privately(path: Path, text: str) -> None:
    """Replace the file in one step, mode 0600, so that no reader sees half of it."""
    temporary = path.with_suffix(".tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)
