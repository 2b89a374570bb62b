"""Load: very many incidents that look as if the verbs had made them, and that nobody hears of."""

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from apps.audit.models import Dispatch, Event, RowChange
from apps.incidents import load
from apps.incidents.lifecycle import LIFECYCLE, Status
from apps.incidents.models import Incident
from apps.tickets.markup import as_html
from apps.tickets.models import Comment, SearchDocument, Ticket
from apps.tickets.priorities import DEFAULT
from tests.conftest import superuser

MANY = 400


@pytest.fixture
def loaded(fresh_database, acme):
    with acme.entered():
        before = RowChange.objects.count(), Dispatch.objects.count()
    return load.generate(acme.id, MANY, seed=7, at=timezone.now()), before


def test_what_is_loaded_is_as_the_verbs_would_have_left_it_and_nobody_hears_of_it(acme, loaded):
    done, before = loaded
    with acme.entered():
        tickets = list(Ticket.objects.all())
        assert (RowChange.objects.count(), Dispatch.objects.count()) == before
        assert (Incident.objects.count(), SearchDocument.objects.count(), Comment.objects.count()) == (
            MANY,
            MANY,
            done.comments,
        )
        events = Event.objects.filter(subject_type="incident")
        assert events.count() == done.events >= MANY
        assert not events.filter(is_historic=False).exists()
        moments = {}
        for name, subject, at in events.order_by("subject_id", "at", "id").values_list("name", "subject_id", "at"):
            moments.setdefault(subject, []).append((name, at))
        comments = list(Comment.objects.all()[:50])
    assert len(tickets) == done.tickets == MANY
    assert len({ticket.number for ticket in tickets}) == MANY
    assert {ticket.status for ticket in tickets} == {*Status.values}
    for ticket in tickets:
        assert ticket.phase == LIFECYCLE.phases[ticket.status]
        assert ticket.priority == DEFAULT[ticket.impact, ticket.urgency]
        assert (ticket.assignee_id is None) == (ticket.status == "new")
        assert moments[ticket.pk][0] == ("incident.created", ticket.opened_at)
        instants = [at for at in (ticket.opened_at, ticket.responded_at) if at]
        assert instants == sorted(instants)
        ends = [at for at in (ticket.opened_at, ticket.resolved_at, ticket.closed_at) if at]
        assert ends == sorted(ends)
        assert ticket.updated_at <= timezone.now()
        assert (f"incident.{ticket.status}" in dict(moments[ticket.pk])) == (
            ticket.status in {"resolved", "closed", "cancelled"}
        )
    for comment in comments:
        assert comment.html.strip() == as_html(comment.body).strip()


def test_numbers_go_on_and_row_capture_is_back(acme, loaded, dan, api):
    answer = api(dan).post("/api/v1/incidents/", {"title": "After the load"}).json()

    assert answer["number"] == f"INC{MANY + 1:07}"
    with acme.entered():
        assert RowChange.objects.filter(table_name="tickets_ticket", row_id=answer["id"]).count() == 1
    with superuser() as admin:
        disabled = admin.execute("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'capture_%' AND tgenabled <> 'O'")
        assert disabled.fetchone() == (0,)


def test_what_is_loaded_is_found_and_listed(acme, globex, loaded, dan, mallory, api):
    answer = api(dan).get("/api/v1/incidents/", {"search": "vpn", "count": "true"}).json()

    with acme.entered():
        assert answer["count"] >= Ticket.objects.filter(title__startswith="VPN").count() > 0
    assert "<mark>VPN</mark>" in str(answer["results"])
    assert api(mallory).get("/api/v1/incidents/", {"count": "true"}).json()["count"] == 0


def test_the_same_seed_tells_the_same_stories_and_a_second_run_adds_more(acme, globex, loaded):
    done, _ = loaded
    elsewhere = load.generate(globex.id, MANY, seed=7, at=timezone.now(), with_events=False)
    other = load.generate(globex.id, MANY, seed=8, at=timezone.now(), with_events=False, comments=0)

    assert (elsewhere.digest, elsewhere.comments, elsewhere.events) == (done.digest, done.comments, 0)
    assert (other.digest != done.digest, other.comments) == (True, 0)
    with globex.entered():
        assert Ticket.objects.count() == 2 * MANY
    again = load.generate(acme.id, MANY, seed=7, at=timezone.now())
    assert again.digest == done.digest
    with acme.entered():
        assert Ticket.objects.count() == 2 * MANY


def test_a_batch_that_fails_leaves_nothing_and_row_capture_on(fresh_database, acme, monkeypatch):
    monkeypatch.setattr(load, "INCIDENT", (*load.INCIDENT[:-1], "no_such_column"))

    with pytest.raises(Exception, match="no_such_column"):
        load.generate(acme.id, 10, seed=1, at=timezone.now())

    with acme.entered():
        assert Ticket.objects.count() == 0
    with superuser() as admin:
        disabled = admin.execute("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'capture_%' AND tgenabled <> 'O'")
        assert disabled.fetchone() == (0,)


def test_the_command_says_how_much_and_how_fast(fresh_database, acme, capsys):
    call_command("generate_load", organization="acme", tickets=20, seed=3, comments=0)

    assert "20 tickets, 0 comments and " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("mode", "options", "message"),
    [
        ("production", {}, "Accepted: demo, test"),
        ("test", {"organization": "nobody"}, "There is no organization nobody"),
        ("test", {"tickets": 0}, "out of range"),
        ("test", {"comments": 11}, "out of range"),
    ],
)
def test_the_command_refuses_production_and_nonsense(acme, mode, options, message):
    with override_settings(ITSM_MODE=mode), pytest.raises(CommandError, match=message):
        call_command("generate_load", **{"organization": "acme", "tickets": 5, **options})
    with transaction.atomic(), acme.entered():
        assert Ticket.objects.count() == 0
