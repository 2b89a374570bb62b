"""The queue and incidents in the admin: what is shown, and that every change goes through the verbs of the API."""

import pytest

from apps.audit.models import Event
from apps.tickets.models import PriorityCell, Ticket
from apps.tickets.priorities import create_default_matrix
from tests import factories
from tests.users.test_admin_people import text
from tests.users.test_admin_sign_in import signed_in

QUEUE, INCIDENTS, MATRIX = "/admin/tickets/ticket/", "/admin/incidents/incident/", "/admin/tickets/prioritycell/"


@pytest.fixture
def incident(acme, bob):
    with acme.entered():
        return factories.IncidentFactory(title="Mail is down", requester=bob)


def facts(tenant, incident):
    with tenant.entered():
        return list(Event.objects.filter(subject_id=incident.pk).order_by("id").values_list("name", flat=True))


def row(tenant, incident):
    with tenant.entered():
        return Ticket.objects.get(pk=incident.pk)


def test_queue_and_incidents_list_base_rows_that_lead_to_their_pages(acme, dan, incident):
    browser = signed_in(dan)

    assert f"{QUEUE}{incident.pk}/change/" in text(browser, QUEUE)
    page = text(browser, INCIDENTS)
    assert "Mail is down" in page
    assert f"{INCIDENTS}{incident.pk}/change/" in page


def test_an_incident_is_opened_and_changed_through_the_services(acme, dan, bob):
    browser = signed_in(dan)
    form = {"title": "Printer jams", "impact": "1", "urgency": "2", "requester": str(bob.pk), "source": "phone"}

    browser.post(f"{INCIDENTS}add/", form)
    with acme.entered():
        made = Ticket.objects.get(title="Printer jams")
    browser.post(f"{INCIDENTS}{made.pk}/change/", {**form, "urgency": "1", "workaround": "Use the other one."})

    assert (made.number, made.priority, made.requester_id) == ("INC0000001", 2, bob.pk)
    assert row(acme, made).priority == 1
    assert facts(acme, made) == ["incident.created", "incident.updated"]


def test_a_verb_that_asks_for_nothing_is_an_action_of_the_list(acme, dan, incident):
    signed_in(dan).post(INCIDENTS, {"action": "do_claim", "_selected_action": [str(incident.pk)]})

    claimed = row(acme, incident)
    assert (claimed.status, claimed.assignee_id) == ("in_progress", dan.pk)
    assert facts(acme, incident) == ["incident.claimed"]


def test_a_verb_that_asks_has_a_page_and_says_there_what_it_refuses(acme, dan, incident):
    browser = signed_in(dan)
    page = f"{INCIDENTS}{incident.pk}/do/hold/"

    refused = text(browser, page, {"reason": "awaiting_requester", "comment": ""})
    assert "Tell the requester what you wait for." in refused
    assert row(acme, incident).status == "new"
    browser.post(page, {"reason": "awaiting_requester", "comment": "Which printer?"})
    browser.post(
        f"{INCIDENTS}{incident.pk}/do/resolve/", {"resolution_code": "user_error", "resolution_notes": "Paper was out."}
    )

    assert row(acme, incident).resolution_code == "user_error"
    shown = text(browser, f"{INCIDENTS}{incident.pk}/change/")
    assert "Which printer?" in shown
    assert "put it on hold" in shown


def test_an_unknown_verb_and_a_foreign_incident_have_no_page(acme, globex, dan, mallory, incident):
    assert signed_in(dan).get(f"{INCIDENTS}{incident.pk}/do/dance/").status_code == 404
    assert signed_in(mallory).get(f"{INCIDENTS}{incident.pk}/do/hold/").status_code == 404


@pytest.mark.parametrize("factory", [factories.LinkFactory, factories.WatcherFactory, factories.CommentFactory])
def test_what_hangs_from_tickets_has_pages(acme, dan, factory):
    with acme.entered():
        row = factory()
    address = f"/admin/tickets/{row._meta.model_name}/"

    assert f"{address}{row.pk}/change/" in text(signed_in(dan), address)
    assert signed_in(dan).get(f"{address}{row.pk}/change/").status_code == 200


def test_the_matrix_is_edited_cell_by_cell(acme, dan):
    with acme.entered():
        create_default_matrix(acme.id, at=dan.created_at)
        cell = PriorityCell.objects.get(kind="incident", impact=3, urgency=3)

    signed_in(dan).post(f"{MATRIX}{cell.pk}/change/", {"priority": "4"})

    with acme.entered():
        assert PriorityCell.objects.get(pk=cell.pk).priority == 4
