"""`manage.py create_organization`: a tenant with roles, calendars and its first administrator."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.utils import IntegrityError
from django.utils import timezone

from apps.core import constraints
from apps.core.actors import Actor
from apps.core.errors import DomainError
from apps.core.models import new_id
from apps.users.founding import Founding, found_organization


class Command(BaseCommand):
    """All of it or nothing. The administrator has no password: the invitation that is mailed lets them set one."""

    help = "Set up an organization: roles, calendars, and its first administrator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help='as people read it, such as "Example Ltd"')
        parser.add_argument("--slug", required=True, help="as programs name it: lower-case letters, digits, hyphens")
        parser.add_argument("--time-zone", default="UTC", help="IANA name, such as Europe/Berlin (default UTC)")
        parser.add_argument("--language", default="en", help="BCP 47 tag, such as en or pt-BR (default en)")
        parser.add_argument("--admin-email", required=True, help="the first administrator signs in with it")
        parser.add_argument("--admin-name", required=True, help="the first administrator's full name")
        parser.add_argument("--operator", action="store_true", help="its administrators look after the platform")

    def handle(self, *args: Any, **options: Any) -> None:
        founding = Founding(
            name=options["name"],
            slug=options["slug"],
            time_zone=options["time_zone"],
            language=options["language"],
            admin_email=options["admin_email"],
            admin_name=options["admin_name"],
            is_operator=options["operator"],
        )
        actor = Actor.system(new_id(), "create_organization")
        try:
            organization, administrator = found_organization(founding, actor=actor, at=timezone.now())
        except IntegrityError as error:
            # Lost a race for slug or address.
            raise CommandError(constraints.explain(error).detail) from error
        except DomainError as refusal:
            raise CommandError(_said(refusal)) from refusal
        self.stdout.write(f"organization {organization.slug} is set up: {organization.pk}")
        self.stdout.write(f"first administrator: {administrator.email}, who is mailed a link to set a password with")


def _said(refusal: DomainError) -> str:
    """One line for each thing that is wrong, by the option's name."""
    lines = [f"--{wrong.pointer.strip('/').replace('_', '-')}: {wrong.detail}" for wrong in refusal.errors]
    return "\n".join(lines) or refusal.detail
