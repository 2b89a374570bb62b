"""`manage.py rotate_secrets`: encrypt every secret at rest anew under the current key, so that an older one may go."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import secrets
from apps.core.actors import Actor
from apps.organizations.services import for_each_organization


class Command(BaseCommand):
    """Run it after a new key was put first in ENCRYPTION_KEYS, and take the old one out afterwards. It may be run again."""

    help = "Encrypt every secret at rest under the current key."

    def handle(self, *args: Any, **options: Any) -> None:
        written, unreadable = 0, []

        def visit(actor: Actor) -> None:
            nonlocal written
            count, failed = secrets.rotate(actor.organization_id)
            written += count
            unreadable.extend(failed)

        for_each_organization("rotate_secrets", visit)
        self.stdout.write(f"encrypted anew: {written}")
        if unreadable:
            raise CommandError(f"could not be read, and stay as they are: {', '.join(sorted(unreadable))}")
