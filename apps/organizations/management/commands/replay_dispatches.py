"""`manage.py replay_dispatches`: give an organization's dead deliveries their attempts back, once what stopped them is mended."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from apps.audit import services
from apps.audit.models import Dispatch
from apps.core import tenancy
from apps.core.actors import Actor
from apps.organizations.services import find_organization


class Command(BaseCommand):
    """Each replay is an event of its own. A consumer takes a delivery once, however often it is replayed."""

    help = "Replay the dead deliveries of one organization."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--consumer", metavar="NAME", help="only deliveries to this consumer")

    def handle(self, *args: Any, **options: Any) -> None:
        organization_id = find_organization(options["organization"])
        if organization_id is None:
            raise CommandError(f"no organization is called {options['organization']}")
        with tenancy.tenant(organization_id), transaction.atomic():
            dead = Dispatch.objects.select_for_update().exclude(dead_at=None).order_by("id")
            if options["consumer"]:
                dead = dead.filter(consumer=options["consumer"])
            actor, at = Actor.system(organization_id, "replay_dispatches"), timezone.now()
            count = len([services.replay(dispatch, actor=actor, at=at) for dispatch in dead])
        self.stdout.write(f"replayed: {count}")
