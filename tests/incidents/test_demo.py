"""What a newcomer finds: a dozen live incidents and more, in every state, with a family and a major one."""

from collections import Counter

from django.core.management import call_command
from django.db import transaction

from apps.audit.models import Dispatch
from apps.core import tenancy
from apps.incidents.models import Incident
from apps.organizations.services import find_organization
from apps.tickets.models import Attachment, Comment, Ticket


def test_the_demo_has_a_desk_at_work_in_each_organization_and_nobody_is_told_of_it(fresh_database):
    call_command("load_demo")

    for slug in ("acme", "globex"):
        with tenancy.tenant(find_organization(slug)), transaction.atomic():
            tickets = list(Ticket.objects.of_kind("incident"))
            by_phase = Counter(ticket.phase for ticket in tickets)
            assert set(by_phase) == {"new", "open", "pending", "resolved", "closed", "cancelled"}
            assert sum(by_phase[phase] for phase in ("new", "open", "pending")) >= 10
            (grave,) = Incident.objects.filter(is_major=True)
            assert (grave.major_status, grave.commander.full_name, grave.priority) == ("accepted", "Carol Manager", 1)
            assert Counter(child.status for child in grave.children.all()) == {"new": 3}
            said = Counter(Comment.objects.values_list("visibility", flat=True))
            assert min(said["public"], said["internal"]) >= 3
            assert Attachment.objects.get().name == "vpn-log.txt"
            assert not Dispatch.objects.filter(consumer__startswith="incidents.").exists()
    with tenancy.tenant(find_organization("operators")), transaction.atomic():
        assert not Ticket.objects.exists()
