"""`manage.py replay_sla --organization SLUG`: every ticket's timers once more from its history, and what differs put right."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from apps.core import records, tenancy
from apps.core.actors import Actor
from apps.organizations.services import find_organization
from apps.sla import replaying
from apps.sla.chronicle import Chronicle, current_stamp
from apps.tickets.models import Ticket

BATCH = 500


class Command(BaseCommand):
    """A transaction for each ticket: stopped anywhere it has done what it has said, and `--after` goes on from there."""

    help = "Recompute the service levels of one organization's tickets from their events; repair and tell what differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--ticket", metavar="NUMBER", help="only this one")
        parser.add_argument("--after", metavar="NUMBER", help="go on after this one, in the order of opening")
        parser.add_argument("--dry-run", action="store_true", help="tell what differs and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        organization_id = find_organization(options["organization"])
        if organization_id is None:
            raise CommandError(f"There is no organization {options['organization']}.")
        self.is_dry_run = options["dry_run"]
        self.chronicle: Chronicle | None = None
        seen = differing = 0
        with tenancy.tenant(organization_id, via="command"):
            for pk, number in self._tickets(options["ticket"], options["after"]):
                differing += self._replay(organization_id, pk, number)
                seen += 1
                if seen % 10_000 == 0:
                    self.stdout.write(f"{seen:,} tickets, the last of them {number}")
        done = "differ" if self.is_dry_run else "differed and were repaired"
        self.stdout.write(f"{seen:,} tickets replayed, {differing:,} {done}")
        if differing and self.is_dry_run:
            raise CommandError(f"{differing:,} tickets differ from their history; without --dry-run they are repaired.")

    def _tickets(self, number: str | None, after: str | None) -> Iterator[tuple[UUID, str]]:
        """In the order of their keys, some at a time."""
        last = self._named(after) if after else None
        only = self._named(number) if number else None
        if only is not None:
            yield only, number or ""
            return
        while True:
            with transaction.atomic():
                rows = Ticket.objects.order_by("pk")
                rows = rows if last is None else rows.filter(pk__gt=last)
                found = list(rows.values_list("pk", "number")[:BATCH])
            if not found:
                return
            yield from found
            last = found[-1][0]

    def _named(self, number: str) -> UUID:
        with transaction.atomic():
            pk: UUID | None = Ticket.objects.filter(number=number).values_list("pk", flat=True).first()
        if pk is None:
            raise CommandError(f"There is no ticket {number}.")
        return pk

    def _replay(self, organization_id: UUID, pk: UUID, number: str) -> bool:
        actor = Actor.system(organization_id, "replay_sla")
        with transaction.atomic():
            ticket = records.lock(Ticket, pk, actor=actor)
            # Under the lock: whatever moved this ticket's timers read policies that are there by now.
            if self.chronicle is None or self.chronicle.stamp != current_stamp():
                self.chronicle = Chronicle()
            if self.is_dry_run:
                found = replaying.compare(ticket, self.chronicle)
            else:
                found = replaying.repair(
                    pk, self.chronicle, actor=actor, at=timezone.now(), reason="Replayed from its history."
                )
        for difference in found.differences:
            self.stdout.write(f"{number} {difference}")
        return bool(found.differences)
