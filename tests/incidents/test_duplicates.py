"""Suspected duplicates: a hint at creation and while typing, of what the caller may see."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import Dispatch, Event
from apps.audit.services import deliver
from apps.core import events, tenancy
from apps.incidents import duplicates, services
from apps.incidents.models import DuplicateSuspicion
from apps.tickets import verbs
from tests import factories

URL = "/api/v1/incidents/"
TITLE = "Outlook cannot send mail since this morning"
# Similarity to TITLE: 0.68, 0.33 and 0.02.
ALIKE, NEARLY, OTHER = "Outlook cannot send mail", "Outlook crashes since this update", "Coffee machine leaks"


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def item(acme):
    with acme.entered():
        return factories.ConfigurationItemFactory()


def facts():
    return Event.objects.filter(subject_type="incident").count()


def suspect(acme, incident):
    """What the worker does with the fact that it was created."""
    with acme.entered():
        event = Event.objects.get(subject_id=incident.pk, name="incident.created")
        duplicates.suspect(event)
        return list(
            DuplicateSuspicion.objects.filter(incident_id=incident.pk)
            .order_by("-percent")
            .values_list("other_id", "percent", "is_same_item")
        )


def test_a_title_that_is_alike_is_suspected_and_one_that_is_nearly_so_only_on_the_same_item(acme, opened, item, now):
    with acme.entered():
        alike = opened(at=now, title=ALIKE)
        on_item = opened(at=now, title=NEARLY, configuration_item_id=item.pk)
        opened(at=now, title=NEARLY)
        opened(at=now, title=OTHER, configuration_item_id=item.pk)
        new = opened(at=now, title=TITLE, configuration_item_id=item.pk)

    found = suspect(acme, new)

    assert [(other, is_same) for other, _, is_same in found] == [(alike.pk, False), (on_item.pk, True)]
    assert all(30 <= percent <= 100 for _, percent, _ in found)
    assert suspect(acme, new) == found


def test_neither_later_ones_nor_what_is_over_deleted_or_old_is_suspected(acme, globex, mallory, opened, now):
    with globex.entered():
        services.create(actor=globex.system, at=now, values={"title": TITLE, "requester_id": mallory.pk})
    with acme.entered():
        verbs.do(opened(at=now, title=TITLE), "cancel", actor=acme.system, at=now, reason="a mistake")
        opened(at=now - duplicates.WINDOW - timedelta(minutes=1), title=TITLE)
        gone = opened(at=now, title=TITLE)
        gone.deleted_at = now
        gone.save_base_row(["deleted_at"])
        new = opened(at=now, title=TITLE)
        opened(at=now + timedelta(minutes=1), title=TITLE)

    assert suspect(acme, new) == []


def test_at_most_five_are_suspected_the_most_alike_ones(acme, opened, now):
    with acme.entered():
        for number in range(7):
            opened(at=now, title=f"{ALIKE} {'x' * number * 3}")
        new = opened(at=now, title=ALIKE)

    found = suspect(acme, new)

    assert len(found) == duplicates.MOST_SUSPECTED
    assert found[0][1] == 100


def test_the_worker_does_it_after_the_commit_and_of_history_nothing_is_suspected(fresh_database, acme, opened, now):
    with acme.entered():
        opened(at=now, title=TITLE)
        with events.historic():
            old = opened(at=now, title=TITLE)
        new = opened(at=now, title=TITLE)
        waiting = {
            dispatch.event_id: dispatch.pk for dispatch in Dispatch.objects.filter(consumer="incidents.duplicates")
        }
        of_new = waiting[Event.objects.get(subject_id=new.pk, name="incident.created").pk]
        assert Event.objects.get(subject_id=old.pk, name="incident.created").pk not in waiting
    assert tenancy.current() is None

    assert deliver(acme.id, of_new) == "done"

    with acme.entered():
        assert DuplicateSuspicion.objects.filter(incident_id=new.pk).count() == 2


def test_each_sees_of_the_suspected_what_is_theirs(acme, globex, alice, bob, mallory, opened, api, now):
    with acme.entered():
        own = opened(at=now, title=TITLE)
        others = opened(at=now, title=TITLE, requester_id=alice.pk)
        new = opened(at=now, title=TITLE)
    suspect(acme, new)
    url = f"{URL}{new.number}/suspected-duplicates/"

    seen = api(alice).get(url).json()["results"]

    assert {row["incident"]["number"] for row in seen} == {own.number, others.number}
    assert seen[0] == {
        "incident": {
            "id": str(others.pk),
            "number": others.number,
            "title": TITLE,
            "status": "new",
            "phase": "new",
            "priority": 5,
            "opened_at": seen[0]["incident"]["opened_at"],
            "configuration_item": None,
            "team": None,
        },
        "percent": 100,
        "is_same_item": False,
    }
    assert [row["incident"]["number"] for row in api(bob).get(url).json()["results"]] == [own.number]
    assert api(mallory).get(f"{URL}{new.pk}/suspected-duplicates/").status_code == 404


def test_agents_are_warned_while_they_type_and_requesters_learn_nothing_by_typing(
    acme, globex, alice, bob, mallory, opened, api, item, now
):
    with acme.entered():
        known = opened(at=now, title=NEARLY, configuration_item_id=item.pk)
        before = facts()
    url, typed = f"{URL}suspected-duplicates/", {"title": TITLE, "configuration_item": str(item.pk)}

    answer = api(alice).post(url, typed)

    assert answer.status_code == 200
    assert [row["incident"]["number"] for row in answer.json()["results"]] == [known.number]
    assert api(alice).post(url, {"title": TITLE}).json() == {"results": []}
    assert api(mallory).post(url, {"title": NEARLY}).json() == {"results": []}
    assert api(mallory).post(url, typed).status_code == 400
    with acme.entered():
        assert facts() == before
    assert api(bob).post(url, typed).json()["grant"] == "incidents.update"
    assert api(alice).post(url, {}).status_code == 400
