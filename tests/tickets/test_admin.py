"""The queue and incidents in the admin: what is shown, and that every change goes through the verbs of the API."""

import re

import pytest

from apps.audit.models import Event
from apps.incidents.models import Incident
from apps.tickets.models import CannedReply, Category, CustomField, PriorityCell, SavedView, Tag, Ticket
from apps.tickets.priorities import create_default_matrix
from tests import factories
from tests.tickets.test_attachments import send
from tests.tickets.test_merging import requests
from tests.users.test_admin_people import grant, limited_admin, text
from tests.users.test_admin_sign_in import signed_in

__all__ = ["requests"]

QUEUE, INCIDENTS, MATRIX = "/admin/tickets/ticket/", "/admin/incidents/incident/", "/admin/tickets/prioritycell/"
SET_UP = "/admin/tickets/"


CELL = re.compile(r'<t[dh][^>]*class="[^"]*\bfield-(\w+)[^"]*"[^>]*>(.*?)</t[dh]>', re.DOTALL)


def columns(page):
    """The words of a list with one row, by column."""
    return {name: " ".join(re.sub("<[^>]+>", " ", cell).split()) for name, cell in CELL.findall(page)}


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


def test_a_list_says_status_priority_and_time_in_brief_and_a_page_in_words(acme, dan, incident):
    browser = signed_in(dan)

    for address in (QUEUE, INCIDENTS):
        cells = columns(text(browser, address))
        assert cells == {
            "number": incident.number,
            "title": "Mail is down",
            "shown_phase": "new",
            "shown_priority": f"{incident.priority} {incident.get_priority_display()}",
            "team": "-",
            "assignee": "-",
            "requester": "Bob",
            "shown_opened_at": f"{incident.opened_at:%Y-%m-%d %H:%M}",
        }
    page = text(browser, f"{INCIDENTS}{incident.pk}/change/")
    assert incident.get_priority_display() in page
    assert "(&#x27;" not in page
    assert f"({incident.priority}, " not in page


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


def test_teams_and_people_are_searched_for_and_never_listed(acme, dan, alice, bob, incident):
    with acme.entered():
        team = factories.TeamFactory(name="Blue team")
    browser = signed_in(dan)
    page = f"{INCIDENTS}{incident.pk}/do/assign/"

    for verb in ("assign", "escalate", "major-propose"):
        shown = text(browser, f"{INCIDENTS}{incident.pk}/do/{verb}/")
        assert ("Blue team" in shown, alice.full_name in shown) == (False, False)
        assert 'data-ajax--url="/admin/autocomplete/"' in shown
        assert "autocomplete.js" in shown
    asked = {"app_label": "tickets", "model_name": "ticket", "field_name": "team", "term": "blue"}
    assert browser.get("/admin/autocomplete/", asked).json()["results"] == [{"id": str(team.pk), "text": "Blue team"}]
    assert "Select a valid choice" in text(browser, page, {"assignee": str(bob.pk)})
    browser.post(page, {"team": str(team.pk), "assignee": str(alice.pk)})

    assert (row(acme, incident).team_id, row(acme, incident).assignee_id) == (team.pk, alice.pk)


def test_a_ticket_is_merged_into_another_by_its_number_and_unmerged(acme, globex, dan, mallory, incident):
    with acme.entered():
        survivor = factories.IncidentFactory(title="All mail is down", number="INC0004711")
    with globex.entered():
        factories.IncidentFactory(title="Theirs", number="INC0004712")
    browser = signed_in(dan)
    page = f"{INCIDENTS}{incident.pk}/do/"

    for number in ("INC0004712", "nonsense"):
        assert "There is no such ticket" in text(browser, f"{page}merge/", {"into": number})
    assert row(acme, incident).merged_into_id is None
    browser.post(f"{page}merge/", {"into": "inc0004711"})
    assert row(acme, incident).merged_into_id == survivor.pk
    assert f"{page}unmerge/" in text(browser, f"{INCIDENTS}{incident.pk}/change/")
    browser.post(f"{page}unmerge/", {})

    assert (row(acme, incident).merged_into_id, row(acme, incident).status) == (None, "new")
    assert facts(acme, incident) == ["incident.merged", "incident.unmerged"]


def test_a_comment_is_split_off_and_only_those_that_one_reads_are_offered(acme, globex, dan, alice, bob, incident):
    with acme.entered():
        public = factories.CommentFactory(ticket=incident, author=bob, body="The printer jams too.")
        factories.CommentFactory(ticket=incident, author=alice, body="He forgets.", visibility="internal")
        other = factories.CommentFactory(body="Elsewhere.")
    browser = signed_in(dan)
    page = f"{INCIDENTS}{incident.pk}/do/split/"

    assert page in text(browser, f"{INCIDENTS}{incident.pk}/change/")
    shown = text(browser, page)
    assert [words in shown for words in ("The printer jams too.", "He forgets.", "Elsewhere.")] == [True, True, False]
    assert "Select a valid choice" in text(browser, page, {"comment": str(other.pk), "title": "Printer"})
    assert "This field is required." in text(browser, page, {"comment": str(public.pk), "title": ""})
    assert facts(acme, incident) == []
    told = text(browser, page, {"comment": str(public.pk), "title": "Printer jams"})

    with acme.entered():
        made = Ticket.objects.get(title="Printer jams")
    assert (made.kind, made.requester_id, made.description) == ("incident", bob.pk, "The printer jams too.")
    assert f"Split off: {incident.number}, as {made.number}" in told
    assert facts(acme, incident) == ["incident.split"]


@pytest.mark.usefixtures("requests")
def test_a_ticket_is_converted_to_another_kind(acme, dan, incident):
    browser = signed_in(dan)
    page = f"{INCIDENTS}{incident.pk}/do/convert/"

    assert page in text(browser, f"{INCIDENTS}{incident.pk}/change/")
    assert "Select a valid choice" in text(browser, page, {"to": "incident"})
    assert row(acme, incident).status == "new"
    browser.post(page, {"to": "service_request"})

    with acme.entered():
        made = Ticket.objects.get(kind="service_request")
    assert (made.title, row(acme, incident).status) == ("Mail is down", "cancelled")
    assert facts(acme, incident) == ["incident.converted"]
    assert f"{INCIDENTS}{incident.pk}/do/split/" not in text(browser, f"{INCIDENTS}{incident.pk}/change/")
    assert "Cannot convert from cancelled" in text(browser, page, {"to": "service_request"})


def test_nothing_is_converted_where_there_is_no_other_kind(acme, dan, incident):
    assert f"{INCIDENTS}{incident.pk}/do/convert/" not in text(signed_in(dan), f"{INCIDENTS}{incident.pk}/change/")


@pytest.mark.usefixtures("requests")
def test_whoever_may_only_read_splits_and_converts_nothing(acme, globex, bob, mallory, incident):
    reader = limited_admin(acme, grant("incidents", "read"), grant("incidents", "participate"))
    with acme.entered():
        public = factories.CommentFactory(ticket=incident, author=bob, body="The printer jams too.")
        factories.CommentFactory(ticket=incident, author=bob, body="He forgets.", visibility="internal")
    browser = signed_in(reader)
    page = f"{INCIDENTS}{incident.pk}/do/"

    shown = text(browser, f"{INCIDENTS}{incident.pk}/change/")
    assert (f"{page}split/" in shown, f"{page}convert/" in shown) == (False, False)
    assert "He forgets." not in text(browser, f"{page}split/")
    for verb, form in {
        "split": {"comment": str(public.pk), "title": "Printer jams"},
        "convert": {"to": "service_request"},
    }.items():
        assert "incidents.update" in text(browser, f"{page}{verb}/", form)
        assert signed_in(mallory).post(f"{page}{verb}/", form).status_code == 404

    with acme.entered():
        assert Ticket.objects.count() == 1
    assert row(acme, incident).status == "new"


def test_a_major_incident_is_proposed_rejected_accepted_and_demoted_on_its_pages(acme, dan, alice, incident):
    browser = signed_in(dan)
    page, shown = f"{INCIDENTS}{incident.pk}/do/major-", f"{INCIDENTS}{incident.pk}/change/"
    why = {"reason": "Nobody can work."}
    # Each with what is possible after it.
    steps = [
        ("propose", {**why, "commander": str(alice.pk)}, {"accept", "reject"}),
        ("reject", why, {"propose"}),
        ("propose", {**why, "commander": str(alice.pk)}, {"accept", "reject"}),
        ("accept", {**why, "update_interval_minutes": "45"}, {"demote"}),
    ]

    for verb, form, then in steps:
        browser.post(f"{page}{verb}/", form)
        offered = text(browser, shown)
        assert {name for name in ("propose", "accept", "reject", "demote") if f"{page}{name}/" in offered} == then, verb
    with acme.entered():
        major = Incident.objects.get(pk=incident.pk)
    assert (major.is_major, major.commander_id, major.update_interval_minutes) == (True, alice.pk, 45)
    browser.post(f"{page}demote/", why)

    assert not row(acme, incident).is_major
    told = ["proposed", "rejected", "proposed", "accepted", "demoted"]
    assert facts(acme, incident) == [f"incident.major_{past}" for past in told]


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


def test_a_category_is_not_hung_below_itself(acme, dan):
    with acme.entered():
        above = factories.CategoryFactory(name="Hardware")
        below = factories.CategoryFactory(name="Printers", parent=above)

    page = text(signed_in(dan), f"{SET_UP}category/{above.pk}/change/", {"name": "Hardware", "parent": str(below.pk)})

    assert "A category cannot lie below itself" in page
    with acme.entered():
        assert Category.objects.get(pk=above.pk).parent_id is None


def test_a_tag_that_a_ticket_has_is_not_deleted(acme, dan):
    browser = signed_in(dan)
    with acme.entered():
        used, unused = factories.TagFactory(name="vpn"), factories.TagFactory(name="unused")
        factories.IncidentFactory(tags=["vpn"])

    assert "Still referenced by tickets." in text(browser, f"{SET_UP}tag/{used.pk}/delete/", {"post": "yes"})
    browser.post(f"{SET_UP}tag/{unused.pk}/delete/", {"post": "yes"})

    with acme.entered():
        assert list(Tag.objects.values_list("name", flat=True)) == ["vpn"]


@pytest.mark.parametrize(
    ("field_type", "choices", "refusal"),
    [
        ("choice", "", "Nothing could be chosen"),
        ("choice", '["red", "red"]', "Named twice"),
        ("choice", '{"red": 1}', "Not choices"),
        ("choice", '["red", 7]', "Not choices"),
        ("text", '["red"]', "has no choices"),
    ],
)
def test_a_custom_field_has_choices_that_fit_its_type(acme, dan, field_type, choices, refusal):
    form = {"kind": "incident", "key": "colour", "label": "Colour", "field_type": field_type, "position": "0"}
    browser = signed_in(dan)

    assert refusal in text(browser, f"{SET_UP}customfield/add/", {**form, "choices": choices})
    browser.post(f"{SET_UP}customfield/add/", {**form, "field_type": "choice", "choices": '["red", "blue"]'})

    with acme.entered():
        assert [(field.key, field.choices) for field in CustomField.objects.all()] == [("colour", ["red", "blue"])]


def test_custom_fields_belong_to_the_catalogue_here_too(acme):
    fields, tags = f"{SET_UP}customfield/add/", f"{SET_UP}tag/add/"
    browser = signed_in(limited_admin(acme, grant("catalogue", "read"), grant("catalogue", "configure")))

    assert [browser.get(address).status_code for address in (fields, tags)] == [200, 403]


def test_a_canned_reply_names_only_what_can_be_filled_in(acme, dan):
    with acme.entered():
        reply = factories.CannedReplyFactory(name="Hello", body="Hello {{ requester.name }}")
    form = {"name": "Hello", "body": "Hello {{ requester.shoe_size }}", "visibility": "public"}
    browser = signed_in(dan)

    for address in (f"{SET_UP}cannedreply/{reply.pk}/change/", f"{SET_UP}cannedreply/add/"):
        assert "Unknown: requester.shoe_size" in text(browser, address, form | {"name": f"Hello {address[-5:]}"})
    with acme.entered():
        assert list(CannedReply.objects.values_list("body", flat=True)) == ["Hello {{ requester.name }}"]


def test_somebodys_own_view_is_neither_shown_nor_deleted_and_a_shared_one_is(acme, dan, alice):
    with acme.entered():
        own = factories.SavedViewFactory(name="My own queue", owner=alice, shared_with="me")
        shared = factories.SavedViewFactory(name="Our queue", owner=alice, shared_with="organization")
    browser = signed_in(dan)

    page = text(browser, f"{SET_UP}savedview/")
    assert ("My own queue" in page, "Our queue" in page) == (False, True)
    assert browser.get(f"{SET_UP}savedview/{shared.pk}/change/").status_code == 200
    for view in (own, shared):
        browser.post(f"{SET_UP}savedview/{view.pk}/delete/", {"post": "yes"})

    with acme.entered():
        assert list(SavedView.objects.values_list("name", flat=True)) == ["My own queue"]


def test_links_and_watchers_are_shown_with_their_tickets(acme, dan):
    with acme.entered():
        link, watcher = factories.LinkFactory(), factories.WatcherFactory()
    browser = signed_in(dan)

    for kind, row in (("link", link), ("watcher", watcher)):
        assert f"{SET_UP}{kind}/{row.pk}/change/" in text(browser, f"{SET_UP}{kind}/")
        assert browser.get(f"{SET_UP}{kind}/{row.pk}/change/").status_code == 200


def test_files_are_saved_from_the_page_of_their_ticket(acme, dan, mallory, api, files, incident):
    sent = send(api(dan), f"/api/v1/tickets/{incident.pk}/attachments/", "Bericht ä.txt", b"some words").json()
    address = f"{INCIDENTS}{incident.pk}/files/{sent['id']}/"
    browser = signed_in(dan)

    assert address in text(browser, f"{INCIDENTS}{incident.pk}/change/")
    answer = browser.get(address)

    assert (answer.status_code, b"".join(answer.streaming_content)) == (200, b"some words")
    assert answer["Content-Disposition"] == "attachment; filename*=UTF-8''Bericht%20%C3%A4.txt"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    with acme.entered():
        other = factories.IncidentFactory()
    assert browser.get(f"{INCIDENTS}{other.pk}/files/{sent['id']}/").status_code == 404
    assert signed_in(mallory).get(address).status_code == 404
