"""The log in the admin: read with names and filters, and dead deliveries tried again by the service."""

import pytest
from django.utils import timezone

from apps.audit.models import Dispatch, Event, RowChange
from tests import factories
from tests.users.test_admin_sign_in import signed_in

EVENTS, DISPATCHES, ROWS = "/admin/audit/event/", "/admin/audit/dispatch/", "/admin/audit/rowchange/"


def page(browser, address, query=None):
    answer = browser.get(address, query or {})
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


@pytest.fixture
def dead(acme):
    with acme.entered():
        event = factories.EventFactory(name="team.created")
        return factories.DispatchFactory(event_id=event.pk, dead_at=timezone.now(), attempts=8)


def test_an_event_names_what_it_is_about_and_who_did_it(acme, dan):
    browser = signed_in(dan)
    browser.post("/admin/organizations/site/add/", {"name": "Harbour", "time_zone": "UTC", "address": ""})
    with acme.entered():
        event = Event.objects.get(name="site.created")

    for shown in (page(browser, EVENTS), page(browser, f"{EVENTS}{event.pk}/change/")):
        assert (
            f'<a class="text-link" href="/admin/organizations/site/{event.subject_id}/change/">site Harbour</a>'
            in shown
        )
        assert "Dan" in shown


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ({"name": "site.created"}, True),
        ({"name": "team.created"}, False),
        ({"subject_type": "site"}, True),
        ({"via": "task"}, False),
        ({"since": "hour"}, True),
        ({"since": "nonsense"}, True),
        ({"q": "Dan"}, True),
        ({"q": "Mallory"}, False),
    ],
)
def test_events_are_filtered_by_what_the_code_declares(acme, dan, query, is_found):
    browser = signed_in(dan)
    browser.post("/admin/organizations/site/add/", {"name": "Harbour", "time_zone": "UTC", "address": ""})

    assert ("site Harbour" in page(browser, EVENTS, query)) is is_found


def test_a_row_change_names_its_row_and_its_actor(acme, dan):
    browser = signed_in(dan)
    browser.post("/admin/organizations/site/add/", {"name": "Harbour", "time_zone": "UTC", "address": ""})

    shown = page(browser, ROWS, {"table_name": "organizations_site", "operation": "INSERT"})

    assert "site Harbour" in shown
    assert "Dan" in shown
    assert "site Harbour" not in page(browser, ROWS, {"operation": "DELETE"})


@pytest.mark.parametrize("address", [EVENTS, ROWS, DISPATCHES])
def test_the_log_is_never_written_here(acme, dan, dead, address):
    browser = signed_in(dan)
    model = {EVENTS: Event, ROWS: RowChange, DISPATCHES: Dispatch}[address]
    # That somebody was refused is told, by the platform.
    told = {"name": "access.denied"} if model is Event else {"pk__in": []}
    with acme.entered():
        row, before = model.objects.order_by("pk").first(), model.objects.exclude(**told).count()

    answers = [
        browser.get(f"{address}add/"),
        browser.post(f"{address}add/", {}),
        browser.post(f"{address}{row.pk}/change/", {"name": "x"}),
        browser.post(f"{address}{row.pk}/delete/", {"post": "yes"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4
    browser.post(address, {"action": "delete_selected", "_selected_action": str(row.pk), "post": "yes"})
    with acme.entered():
        assert model.objects.exclude(**told).count() == before
        assert model.objects.count() - before == (4 if model is Event else 0)


def test_deliveries_show_what_has_not_arrived_unless_asked(acme, dan, dead):
    browser = signed_in(dan)
    with acme.entered():
        factories.DispatchFactory(consumer="tests.arrived", done_at=timezone.now())

    assert "tests.sink" in page(browser, DISPATCHES)
    assert "to tests.arrived" not in page(browser, DISPATCHES)
    assert page(browser, DISPATCHES, {"state": "done"}).count(">tests.arrived<") == 1
    assert ">tests.sink<" not in page(browser, DISPATCHES, {"state": "waiting"})


def test_a_dead_delivery_is_tried_again_as_one_event_and_a_living_one_is_refused(acme, dan, dead):
    browser = signed_in(dan)
    ticked = {"action": "replay", "_selected_action": str(dead.pk)}

    first = browser.post(DISPATCHES, ticked, follow=True).content.decode()
    second = browser.post(DISPATCHES, ticked, follow=True).content.decode()

    assert "Deliveries begun anew: 1" in first
    assert "Only a dead delivery can be replayed." in second
    with acme.entered():
        now = Dispatch.objects.get(pk=dead.pk)
        assert (now.dead_at, now.attempts) == (None, 0)
        assert Event.objects.get(name="dispatch.replayed").actor_id == dan.pk


def test_a_delivery_next_door_is_not_tried_again(acme, globex, dan):
    with globex.entered():
        theirs = factories.DispatchFactory(dead_at=timezone.now(), attempts=8)

    signed_in(dan).post(DISPATCHES, {"action": "replay", "_selected_action": str(theirs.pk)})

    with globex.entered():
        assert Dispatch.objects.get(pk=theirs.pk).attempts == 8
