"""`manage.py suspend_organization SLUG --reason …` and, with `--resume`, the way back."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.errors import DomainError
from apps.organizations import services
from apps.organizations.models import Organization


class Command(BaseCommand):
    """For operators. Everybody of the organization is kept out from the next request on; nothing is deleted."""

    help = "Suspend an organization, or resume a suspended one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--reason", default="", help="required to suspend; recorded with the event")
        parser.add_argument("--resume", action="store_true", help="let them in again")

    def handle(self, *args: Any, **options: Any) -> None:
        organization_id = services.find_organization(options["slug"])
        if organization_id is None:
            raise CommandError(f"There is no organization {options['slug']}.")
        actor, at = Actor.system(organization_id, "operator"), timezone.now()
        with tenancy.tenant(organization_id), transaction.atomic():
            organization = Organization.objects.get(pk=organization_id)
            try:
                if options["resume"]:
                    services.resume(organization, actor=actor, at=at)
                else:
                    services.suspend(organization, actor=actor, at=at, reason=options["reason"])
            except DomainError as refusal:
                raise CommandError(" ".join([refusal.detail, *(error.detail for error in refusal.errors)])) from refusal
        self.stdout.write(f"{options['slug']} is {'active' if options['resume'] else 'suspended'}")
