"""A platform operator works on another organization's tickets; no row there names them, and the facts do."""

from django.core.files.uploadedfile import SimpleUploadedFile

from apps.audit.models import Event
from apps.incidents.models import Incident
from apps.tickets.models import Attachment, Comment, CommentEdit, Merge, Task
from tests.tickets.desk import SOLVED, incident, opened, part, refused, stored


def test_an_operator_does_with_tickets_what_an_administrator_does(acme, bob, operator, files, api):
    client = api(operator, HTTP_X_ORGANIZATION="acme")
    ticket = opened(client, requester=str(bob.pk))
    assert ticket["opened_by"] is None

    said = client.post(part(ticket, "comments"), {"body": "We look into it.", "visibility": "internal"})
    assert (said.status_code, said.json()["author"]) == (201, None)
    edited = client.patch(part(ticket, "comments", said.json()["id"]), {"body": "We look into it now."})
    assert (edited.status_code, edited.json()["body"]) == (200, "We look into it now.")
    file = client.post(part(ticket, "attachments"), {"file": SimpleUploadedFile("log.txt", b"one\n", "text/plain")})
    assert (file.status_code, file.json()["uploaded_by"]) == (201, None)
    task = client.post(part(ticket, "tasks"), {"title": "Look"})
    assert (task.status_code, task.json()["created_by"]) == (201, None)
    done = client.post(part(ticket, "tasks", task.json()["id"], "done"), {})
    assert (done.status_code, done.json()["done_by"], done.json()["done_at"] is None) == (200, None, False)
    other = opened(client, requester=str(bob.pk))
    assert client.post(incident(other, "merge"), {"into": ticket["id"]}).status_code == 200
    assert client.post(incident(ticket, "resolve"), SOLVED).json()["status"] == "resolved"

    with acme.entered():
        for model, column in (
            (Comment, "author_id"),
            (CommentEdit, "edited_by_id"),
            (Attachment, "uploaded_by_id"),
            (Merge, "merged_by_id"),
            (Task, "done_by_id"),
        ):
            assert list(model.objects.values_list(column, flat=True)) == [None], model
        assert set(Event.objects.filter(subject_id=ticket["id"]).values_list("actor_id", "actor_label")) == {
            (operator.pk, "Olga")
        }


def test_an_operator_is_nobody_of_the_organization_who_claims_logs_work_or_asks_for_something(acme, bob, operator, api):
    client = api(operator, HTTP_X_ORGANIZATION="acme")
    ticket = opened(client, requester=str(bob.pk))

    claim = refused(client.post(incident(ticket, "claim"), {}), 403, "missing_grant")
    log = refused(client.post(part(ticket, "worklogs"), {"minutes": 5}), 403, "missing_grant")
    asked = refused(client.post("/api/v1/incidents/", {"title": "Mine"}), 400, "required")

    assert (claim["grant"], log["grant"]) == ("incidents.assign", "work_logs.create")
    assert "people of the organization" in claim["detail"]
    assert asked["errors"][0]["pointer"] == "/requester"
    assert stored(acme, ticket).assignee_id is None


def test_an_operators_public_answer_is_the_first_response_and_their_note_is_none(acme, alice, bob, operator, api):
    client = api(operator, HTTP_X_ORGANIZATION="acme")
    ticket, other = (opened(client, requester=str(bob.pk)) for _ in range(2))

    note = client.post(part(ticket, "comments"), {"body": "Their disk is full.", "visibility": "internal"}).json()
    assert stored(acme, ticket).responded_at is None
    answer = client.post(part(ticket, "comments"), {"body": "We look into it."}).json()
    client.post(part(ticket, "comments"), {"body": "It is done."})

    assert api(bob).get(incident(ticket)).json()["responded_at"] == answer["created_at"]
    assert (note["author"], answer["author"]) == (None, None)
    with acme.entered():
        row = Incident.objects.get(pk=ticket["id"])
        assert f"{row.acknowledged_at:%Y-%m-%dT%H:%M:%S.%fZ}" == note["created_at"]
    # A note that becomes public is an answer from then on.
    note = client.post(part(other, "comments"), {"body": "Their disk is full.", "visibility": "internal"}).json()
    told = client.patch(part(other, "comments", note["id"]), {"visibility": "public"}).json()
    assert api(bob).get(incident(other)).json()["responded_at"] == told["edited_at"]
