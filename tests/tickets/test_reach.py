"""Who holds grants for one team, or only what is theirs: what they may name, hand over, write down and take out."""

import pytest

from apps.cmdb.models import ConfigurationItem, Service
from apps.users.models import RoleAssignment, UserType
from tests import factories
from tests.conftest import person
from tests.tickets.desk import INCIDENTS, facts, incident, opened, part, refused, stored

ITEMS = "/api/v1/configuration-items/"


@pytest.fixture
def teams(acme):
    with acme.entered():
        return [factories.TeamFactory(organization_id=acme.id) for _ in range(2)]


@pytest.fixture
def held(acme, alice, carol, teams):
    """Alice's and Carol's roles hold for the first team alone."""
    with acme.entered():
        people = RoleAssignment.objects.filter(user_id__in=(alice.pk, carol.pk))
        assert people.update(limited_to_team=teams[0]) == 2


@pytest.fixture
def first(acme, bob, dan, held, teams, api):
    """Bob's ticket with the first team."""
    return opened(api(dan), requester=str(bob.pk), team=str(teams[0].pk))


# --- what is named


def test_a_requester_names_what_they_may_read_already_and_so_reads_nothing_more(acme, bob, dan, api):
    with acme.entered():
        hidden = factories.ConfigurationItemFactory(name="payroll-db")
        service = factories.ServiceFactory(name="Payroll")
        owned = factories.ConfigurationItemFactory(name="Bob's laptop", owner=bob)
        used = factories.ServiceFactory(name="Mail", owner=bob)

    for name, row in (("configuration_item", hidden), ("service", service)):
        problem = refused(api(bob).post(INCIDENTS, {"title": "Broken", name: str(row.pk)}), 400, "does_not_exist")
        assert problem["errors"][0]["pointer"] == f"/{name}"
    assert api(bob).get(f"{ITEMS}{hidden.pk}/").status_code == 404
    ticket = opened(api(bob), configuration_item=str(owned.pk), service=str(used.pk))
    assert (ticket["configuration_item"], ticket["service"]) == (str(owned.pk), str(used.pk))
    # What one of their tickets is about is theirs to read, and so to name.
    about = opened(api(dan), requester=str(bob.pk), configuration_item=str(hidden.pk))
    assert about["configuration_item"] == str(hidden.pk)
    assert opened(api(bob), configuration_item=str(hidden.pk))["configuration_item"] == str(hidden.pk)


def test_a_reference_that_is_there_may_be_sent_again_by_whoever_could_not_name_it(acme, alice, dan, first, api):
    with acme.entered():
        item, other = (factories.ConfigurationItemFactory() for _ in range(2))
    assert api(dan).patch(incident(first), {"configuration_item": str(item.pk)}).status_code == 200

    again = api(alice).patch(incident(first), {"configuration_item": str(item.pk), "title": "Mail is slow"})

    assert (again.status_code, again.json()["title"]) == (200, "Mail is slow")
    refused(api(alice).patch(incident(first), {"configuration_item": str(other.pk)}), 400, "does_not_exist")


# --- handing over


def test_a_team_hands_its_ticket_to_another_with_a_note_and_sees_how_it_left(acme, alice, dan, teams, first, api):
    answer = api(alice).post(incident(first, "assign"), {"team": str(teams[1].pk), "note": "Yours: the switch."})

    assert (answer.status_code, answer.json()["team"]) == (200, str(teams[1].pk))
    assert facts(acme, first) == ["created", "commented", "assigned"]
    said = api(dan).get(part(first, "comments")).json()["results"]
    assert [(one["body"], one["visibility"]) for one in said] == [("Yours: the switch.", "internal")]
    assert api(alice).get(incident(first)).status_code == 404


@pytest.mark.parametrize("more", [{}, {"title": "The switch"}])
def test_a_team_hands_its_ticket_over_by_changing_it(acme, alice, teams, first, api, more):
    answer = api(alice).patch(incident(first), {"team": str(teams[1].pk), **more})

    assert (answer.status_code, answer.json()["team"]) == (200, str(teams[1].pk))
    assert stored(acme, first).title == more.get("title", "Mail is down")
    assert api(alice).get(incident(first)).status_code == 404


# --- what lies below its tickets


def test_a_team_logs_and_reads_the_work_on_its_tickets_and_on_no_others(acme, alice, dan, teams, first, api):
    other = opened(api(dan), team=str(teams[1].pk))
    for ticket in (first, other):
        assert api(dan).post(part(ticket, "worklogs"), {"minutes": 5}).status_code == 201
        assert api(dan).post(part(ticket, "tasks"), {"title": "Look"}).status_code == 201

    row = api(alice).post(part(first, "worklogs"), {"minutes": 30})
    task = api(alice).post(part(first, "tasks"), {"title": "Order a disk"})

    assert (row.status_code, task.status_code) == (201, 201), (row.json(), task.json())
    for name, made in (("worklogs", row.json()), ("tasks", task.json())):
        listed = api(alice).get(part(first, name)).json()["results"]
        assert (len(listed), made["id"] in {one["id"] for one in listed}) == (2, True)
        assert api(alice).get(part(other, name)).status_code == 404
        theirs = next(one["id"] for one in listed if one["id"] != made["id"])
        refused(api(alice).patch(part(first, name, theirs), {}), 403, "missing_grant")
    assert api(alice).patch(part(first, "worklogs", row.json()["id"]), {"minutes": 45}).json()["minutes"] == 45


def test_a_watcher_with_grants_for_a_team_reads_no_work_on_anothers_ticket(acme, alice, dan, teams, held, api):
    with acme.entered():
        own = RoleAssignment.objects.get(user_id=person(acme, "una", "end_user").pk).role_id
        factories.RoleAssignmentFactory(organization_id=acme.id, user=alice, role_id=own)
    ticket = opened(api(dan), requester=str(alice.pk), team=str(teams[1].pk))
    api(dan).post(part(ticket, "worklogs"), {"minutes": 5})
    api(dan).post(part(ticket, "tasks"), {"title": "Look"})

    assert api(alice).get(incident(ticket)).status_code == 200
    for name in ("worklogs", "tasks"):
        assert api(alice).get(part(ticket, name)).json()["results"] == []


# --- taken out as a file


@pytest.mark.parametrize("below", ["comments", "attachments", "watchers"])
def test_what_lies_below_a_ticket_is_exported_by_those_who_export_it(acme, alice, carol, dan, teams, first, api, below):
    with acme.entered():
        own = RoleAssignment.objects.get(user_id=person(acme, "una", "end_user").pk).role_id
        factories.RoleAssignmentFactory(organization_id=acme.id, user=carol, role_id=own)
    theirs = opened(api(dan), requester=str(carol.pk), team=str(teams[1].pk))
    api(carol).post(part(first, "comments"), {"body": "Hello", "visibility": "public"})

    answer = api(carol).get(f"{part(first, below)}?format=csv")

    assert (answer.status_code, answer["Content-Type"]) == (200, "text/csv; charset=utf-8")
    # Hers to read as its requester, and not hers to export.
    assert api(carol).get(part(theirs, below)).status_code == 200
    refused(api(carol).get(f"{part(theirs, below)}?format=csv"), 403, "missing_grant")
    refused(api(alice).get(f"{part(first, below)}?format=csv"), 403, "missing_grant")


# --- what is gone


def test_nothing_is_about_what_is_deleted_or_out_of_use(acme, alice, bob, api):
    now = stored(acme, opened(api(bob))).opened_at
    with acme.entered():
        team = factories.TeamFactory(organization_id=acme.id)
        gone = {
            "team": team,
            "configuration_item": factories.ConfigurationItemFactory(),
            "service": factories.ServiceFactory(),
            "category": factories.CategoryFactory(),
            "requester": person(acme, "una", "end_user"),
        }
        kept = factories.ServiceFactory(is_active=False)
    given = {name: str(row.pk) for name, row in gone.items()}
    ticket, other = opened(api(alice), **given), opened(api(alice))
    task = api(alice).post(part(other, "tasks"), {"title": "Look"}).json()
    with acme.entered():
        for name, row in gone.items():
            lost = {"is_active": False} if name in {"category", "requester"} else {"deleted_at": now}
            type(row).objects.filter(pk=row.pk).update(**lost)

    for name, pk in given.items():
        code = "inactive" if name in {"category", "requester"} else "deleted"
        for answer in (
            api(alice).post(INCIDENTS, {"title": "Broken", name: pk}),
            api(alice).patch(incident(other), {name: pk}),
        ):
            assert refused(answer, 400, code)["errors"][0]["pointer"] == f"/{name}"
    refused(api(alice).patch(incident(other), {"service": str(kept.pk)}), 400, "inactive")
    for answer in (
        api(alice).post(incident(other, "assign"), {"team": given["team"]}),
        api(alice).post(incident(other, "escalate"), {"to": "functional", "team": given["team"], "reason": "Too long"}),
        api(alice).post(part(other, "tasks"), {"title": "Look again", "team": given["team"]}),
        api(alice).patch(part(other, "tasks", task["id"]), {"team": given["team"]}),
    ):
        assert refused(answer, 400, "deleted")["errors"][0]["pointer"] == "/team"
    # What it named before stays, and what comes out of it is about the same.
    assert api(alice).patch(incident(ticket), {**given, "title": "Mail is slow"}).json()["title"] == "Mail is slow"
    said = api(alice).post(part(ticket, "comments"), {"body": "Fax too", "visibility": "public"}).json()
    made = api(alice).post(incident(ticket, "split"), {"comment": said["id"], "title": "Fax is down"})
    assert (made.status_code, made.json()["service"]) == (201, given["service"])
    with acme.entered():
        assert not ConfigurationItem.objects.alive().filter(pk=given["configuration_item"]).exists()
        assert not Service.objects.alive().filter(pk=given["service"]).exists()


def test_naming_a_team_while_escalating_takes_the_right_to_assign_whatever_it_is_called(acme, bob, dan, teams, api):
    vera = person(acme, "vera", UserType.END_USER)
    with acme.entered():
        role = factories.RoleFactory(name="Changes and gives nothing away")
        for action in ("read", "update"):
            factories.GrantFactory(role=role, resource="incidents", action=action, reach="organization")
        factories.RoleAssignmentFactory(user=vera, role=role)
    ticket = opened(api(dan), requester=str(bob.pk), team=str(teams[0].pk))
    asked = {"to": "hierarchical", "reason": "Nobody comes"}

    for to in ("hierarchical", "functional"):
        answer = api(vera).post(incident(ticket, "escalate"), {**asked, "to": to, "team": str(teams[1].pk)})
        assert answer.status_code == 403
    assert api(vera).post(incident(ticket, "escalate"), asked).status_code == 200
    assert stored(acme, ticket).team_id == teams[0].pk
    given = api(dan).post(incident(ticket, "escalate"), {**asked, "team": str(teams[1].pk)})
    assert (given.status_code, given.json()["team"]) == (200, str(teams[1].pk))
