"""What a newcomer finds: a dozen live incidents and more, in every state, with a family and a major one."""

from collections import Counter
from datetime import timedelta

from django.core.management import call_command
from django.db import transaction

from apps.audit.models import Dispatch, Event
from apps.core import tenancy
from apps.incidents.demo import UNATTENDED
from apps.incidents.models import Incident
from apps.organizations.services import find_organization
from apps.sla.escalation import climbing
from apps.sla.models import EscalationRun
from apps.tickets.models import Attachment, Comment, Ticket
from apps.users.models import User


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
            alone = Ticket.objects.get(title=UNATTENDED)
            told = Event.objects.filter(pk__in=Dispatch.objects.values("event_id"), subject_type="incident")
            assert set(told.values_list("subject_id", flat=True)) == {alone.pk}, "all else is history"
    with tenancy.tenant(find_organization("operators")), transaction.atomic():
        assert not Ticket.objects.exists()


def test_what_nobody_comes_to_climbs_by_itself_from_the_agent_to_whoever_is_on_call_to_the_head(fresh_database):
    call_command("load_demo")
    organization_id = find_organization("acme")
    with tenancy.tenant(organization_id), transaction.atomic():
        alone = Ticket.objects.get(title=UNATTENDED)
    for seconds in range(0, 600, 20):
        climbing.climb_organization(organization_id, alone.opened_at + timedelta(seconds=seconds))

    with tenancy.tenant(organization_id), transaction.atomic():
        names = {str(user.pk): user.full_name for user in User.objects.all()}
        steps = Event.objects.filter(subject_id=alone.pk, name="escalation.climbed").order_by("at", "id")
        climbed = [(step.data["step"], [names[user] for user in step.data["reached"]]) for step in steps]
        called = Event.objects.filter(subject_id=alone.pk, name="escalation.paged").order_by("at")
        paged = [names[user] for event in called for user in event.data["users"]]
        (run,) = EscalationRun.objects.filter(ticket_id=alone.pk)
    on_call = paged[0]
    assert on_call in {"Alice Agent", "Carol Manager"}
    assert climbed == [(1, ["Arthur Agent"]), (2, [on_call]), (2, [on_call]), (3, ["Carol Manager"])]
    assert run.end_reason == "exhausted"
