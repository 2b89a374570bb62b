"""Time spent on a ticket, and its checklist: for those who work on it, and nobody else."""

from django.utils import timezone

from apps.audit.models import Event
from apps.tickets.models import Task, TaskDependency, Worklog
from tests.conftest import person
from tests.core.racing import at_once
from tests.tickets.desk import facts, opened, part, refused, told, watch


def logged(client, ticket, **values):
    answer = client.post(part(ticket, "worklogs"), {"minutes": 30, "note": "Looked at the server.", **values})
    assert answer.status_code == 201, answer.json()
    return answer.json()


def tasked(client, ticket, title, *depends_on):
    given = {"title": title, "order": len(title), "depends_on": [task["id"] for task in depends_on]}
    answer = client.post(part(ticket, "tasks"), given)
    assert answer.status_code == 201, answer.json()
    return answer.json()


def count(tenant, model):
    with tenant.entered():
        return model.objects.count()


# --- work logs


def test_work_is_logged_by_whoever_did_it_and_ends_now_unless_said(acme, alice, api):
    agent = api(alice)
    ticket = opened(agent)

    row = logged(agent, ticket, is_billable=True)
    earlier = logged(agent, ticket, started_at="2026-01-05T09:00:00+01:00", minutes=1440)

    assert (row["author"], row["minutes"], row["note"], row["is_billable"]) == (
        str(alice.pk),
        30,
        "Looked at the server.",
        True,
    )
    assert earlier["started_at"] == "2026-01-05T08:00:00Z"
    with acme.entered():
        stored = Worklog.objects.get(pk=row["id"])
        assert (stored.created_at - stored.started_at).total_seconds() == 1800
    shown = agent.get(part(ticket, "worklogs")).json()["results"]
    assert [found["id"] for found in shown] == [earlier["id"], row["id"]]
    assert facts(acme, ticket) == ["created", "work_logged", "work_logged"]
    assert told(acme, ticket, "work_logged") == {"visibility": "internal", "worklog": earlier["id"], "minutes": 1440}


def test_a_note_is_told_by_no_fact(acme, alice, api):
    agent = api(alice)
    ticket = opened(agent)
    row = logged(agent, ticket, note="")

    answer = agent.patch(part(ticket, "worklogs", row["id"]), {"note": "Called the vendor.", "minutes": 45})

    assert (answer.json()["note"], answer.json()["minutes"], answer.json()["version"]) == ("Called the vendor.", 45, 2)
    with acme.entered():
        event = Event.objects.get(subject_id=ticket["id"], name="incident.worklog_updated")
        assert event.changes == {"minutes": [30, 45]}


def test_agents_change_their_own_managers_any_and_administrators_delete(acme, alice, carol, dan, api):
    erin = person(acme, "erin", "agent")
    ticket = opened(api(alice))
    row = logged(api(alice), ticket)
    address = part(ticket, "worklogs", row["id"])

    assert api(erin).get(address).status_code == 200
    assert api(erin).patch(address, {"minutes": 1}).json()["grant"] == "work_logs.update"
    assert api(carol).patch(address, {"minutes": 60}).json()["minutes"] == 60
    assert api(alice).delete(address).json()["grant"] == "work_logs.delete"
    assert api(dan).delete(address).status_code == 204
    assert count(acme, Worklog) == 0
    assert facts(acme, ticket) == ["created", "work_logged", "worklog_updated", "worklog_deleted"]


def test_minutes_and_start_that_cannot_be_are_refused(acme, alice, api):
    agent = api(alice)
    ticket = opened(agent)
    address = part(ticket, "worklogs")

    refused(agent.post(address, {"minutes": 0}), 400, "out_of_range")
    long = refused(agent.post(address, {"minutes": 1441}), 400, "out_of_range")
    assert long["errors"][0]["detail"] == "Out of range; accepted: 1 to 1440."
    refused(agent.post(address, {"minutes": "30"}), 400, "invalid")
    refused(agent.post(address, {"note": "x"}), 400, "required")
    refused(agent.post(address, {"minutes": 5, "started_at": "2026-01-05T09:00:00"}), 400, "naive")
    future = refused(agent.post(address, {"minutes": 5, "started_at": "2190-01-05T09:00:00Z"}), 400, "out_of_range")
    assert future["errors"][0]["pointer"] == "/started_at"
    refused(agent.post(address, {"minutes": 5, "author": str(alice.pk)}), 400, "read_only")
    assert facts(acme, ticket) == ["created"]


def test_a_participant_learns_of_no_work_and_no_task(acme, alice, bob, api):
    agent = api(alice)
    ticket = opened(api(bob))
    hidden = opened(agent)
    watch(acme, hidden, bob)
    row, task = logged(agent, ticket), tasked(agent, ticket, "Order a disk")

    for address, grant in (
        (part(ticket, "worklogs"), "work_logs.read"),
        (part(ticket, "worklogs", row["id"]), "work_logs.read"),
        (part(hidden, "worklogs"), "work_logs.read"),
        (part(ticket, "tasks"), "tasks.read"),
        (part(ticket, "tasks", task["id"]), "tasks.read"),
    ):
        answer = api(bob).get(address)
        assert (answer.status_code, answer.json()["grant"]) == (403, grant)
    assert api(bob).post(part(ticket, "worklogs"), {"minutes": 1}).status_code == 403
    assert api(bob).post(part(ticket, "tasks", task["id"], "done"), {}).status_code == 403
    assert (count(acme, Worklog), count(acme, Task)) == (1, 1)


def test_what_belongs_to_another_ticket_or_tenant_is_not_there(acme, globex, alice, mallory, api):
    agent = api(alice)
    ticket, other = opened(agent), opened(agent)
    row, task = logged(agent, ticket), tasked(agent, ticket, "Order a disk")

    assert agent.get(part(other, "worklogs", row["id"])).status_code == 404
    assert agent.patch(part(other, "tasks", task["id"]), {"title": "x"}).status_code == 404
    assert api(mallory).get(part(ticket, "worklogs")).status_code == 404
    assert api(mallory).post(part(ticket, "tasks", task["id"], "done"), {}).status_code == 404


def test_a_merged_ticket_takes_no_more_work(acme, alice, api):
    agent = api(alice)
    ticket, survivor = opened(agent), opened(agent)
    agent.post(f"/api/v1/tickets/{ticket['id']}/merge/", {"into": survivor["id"]})

    assert refused(agent.post(part(ticket, "worklogs"), {"minutes": 5}), 409, "merged")["into"] == survivor["id"]
    assert refused(agent.post(part(ticket, "tasks"), {"title": "x"}), 409, "merged")["current_status"] == "cancelled"


# --- tasks


def test_a_task_waits_until_what_it_depends_on_is_done(acme, alice, api):
    agent = api(alice)
    ticket = opened(agent)
    order = tasked(agent, ticket, "Order")
    fit = tasked(agent, ticket, "Fit it", order)

    assert fit["depends_on"] == [order["id"]]
    problem = refused(agent.post(part(ticket, "tasks", fit["id"], "done"), {}), 409, "waiting")
    assert problem["detail"] == "It waits for Order."
    done = agent.post(part(ticket, "tasks", order["id"], "done"), {}).json()
    assert (done["done_by"], done["done_at"] is not None, done["version"]) == (str(alice.pk), True, 2)
    assert agent.post(part(ticket, "tasks", fit["id"], "done"), {}).status_code == 200
    refused(agent.post(part(ticket, "tasks", fit["id"], "done"), {}), 409, "already_done")

    needed = refused(agent.post(part(ticket, "tasks", order["id"], "reopen"), {}), 409, "needed")
    assert needed["detail"] == "Reopen first what was done after it: Fit it."
    reopened = agent.post(part(ticket, "tasks", fit["id"], "reopen"), {}).json()
    assert (reopened["done_by"], reopened["done_at"]) == (None, None)
    refused(agent.post(part(ticket, "tasks", fit["id"], "reopen"), {}), 409, "not_done")
    assert facts(acme, ticket) == ["created", *["task_added"] * 2, *["task_done"] * 2, "task_reopened"]


def test_tasks_are_listed_in_their_order(acme, alice, api):
    agent = api(alice)
    ticket = opened(agent)
    for title in ("three", "a", "two"):
        tasked(agent, ticket, title)

    shown = agent.get(part(ticket, "tasks")).json()["results"]

    assert [row["title"] for row in shown] == ["a", "two", "three"]


def test_a_task_depends_on_tasks_of_its_own_ticket_and_never_on_itself(acme, alice, api):
    agent = api(alice)
    ticket, other = opened(agent), opened(agent)
    first = tasked(agent, ticket, "one")
    second = tasked(agent, ticket, "two", first)
    third = tasked(agent, ticket, "three", second)
    elsewhere = tasked(agent, other, "elsewhere")

    given = {"title": "x", "depends_on": [first["id"], elsewhere["id"]]}
    problem = refused(agent.post(part(ticket, "tasks"), given), 400, "does_not_exist")
    assert problem["errors"][0]["pointer"] == "/depends_on/1"
    address = part(ticket, "tasks", first["id"])
    cycle = refused(agent.patch(address, {"depends_on": [third["id"]]}), 400, "cycle")
    assert cycle["errors"][0]["pointer"] == "/depends_on"
    refused(agent.patch(address, {"depends_on": [first["id"]]}), 400, "does_not_exist")
    refused(agent.patch(address, {"depends_on": "x"}), 400, "not_a_list")
    assert agent.get(address).json() == first
    assert count(acme, TaskDependency) == 2


def test_what_a_task_depends_on_is_replaced_and_told(acme, alice, dan, api):
    agent = api(alice)
    ticket = opened(agent)
    first, second = tasked(agent, ticket, "one"), tasked(agent, ticket, "two")
    third = tasked(agent, ticket, "three", first)
    address = part(ticket, "tasks", third["id"])

    refused(api(dan).delete(part(ticket, "tasks", first["id"])), 409, "still_referenced")
    answer = agent.patch(address, {"depends_on": [second["id"]]}).json()
    assert (answer["depends_on"], answer["version"]) == ([second["id"]], 2)
    assert agent.patch(address, {"depends_on": [second["id"]]}).json()["version"] == 2
    assert api(dan).delete(part(ticket, "tasks", first["id"])).status_code == 204
    assert facts(acme, ticket)[-2:] == ["task_updated", "task_deleted"]
    agent.post(part(ticket, "tasks", second["id"], "done"), {})
    agent.post(part(ticket, "tasks", third["id"], "done"), {})
    refused(agent.patch(address, {"depends_on": []}), 409, "done")


def test_a_task_is_given_to_people_who_work(acme, alice, bob, carol, api):
    agent = api(alice)
    ticket = opened(agent)

    task = agent.post(part(ticket, "tasks"), {"title": "x", "assignee": str(carol.pk)}).json()
    assert task["assignee"] == str(carol.pk)
    problem = refused(agent.post(part(ticket, "tasks"), {"title": "x", "assignee": str(bob.pk)}), 400, "not_assignable")
    assert problem["errors"][0]["pointer"] == "/assignee"
    erin = person(acme, "erin", "agent")
    assert api(erin).post(part(ticket, "tasks", task["id"], "done"), {}).json()["grant"] == "tasks.update"
    assert count(acme, Task) == 1


def test_opposite_dependencies_at_once_close_no_circle(fresh_database, acme, alice, api):
    agent = api(alice)
    ticket = opened(agent)
    first, second = tasked(agent, ticket, "one"), tasked(agent, ticket, "two")

    def wait(task, other):
        return api(alice).patch(part(ticket, "tasks", task["id"]), {"depends_on": [other["id"]]}).status_code

    assert sorted(at_once([lambda: wait(first, second), lambda: wait(second, first)])) == [200, 400]
    assert count(acme, TaskDependency) == 1


def test_a_task_is_done_once_however_many_say_so(fresh_database, acme, alice, api):
    agent = api(alice)
    ticket = opened(agent)
    task = tasked(agent, ticket, "one")
    before = timezone.now()

    answers = at_once([lambda: api(alice).post(part(ticket, "tasks", task["id"], "done"), {}).status_code] * 3)

    assert sorted(answers) == [200, 409, 409]
    assert facts(acme, ticket).count("task_done") == 1
    with acme.entered():
        assert Task.objects.get().done_at > before
