"""Comments over HTTP: who says what to whom, what stays hidden, and what a change leaves behind."""

import pytest

from apps.audit.models import Event
from apps.tickets import services
from apps.tickets.markup import as_html
from apps.tickets.models import Comment, Ticket
from apps.users.models import UserType
from tests.conftest import person
from tests.tickets.desk import refused

TICKETS = "/api/v1/tickets/"
SECRET = "he-is-to-be-let-go"


@pytest.fixture
def comments(ticket):
    return f"{TICKETS}{ticket['id']}/comments/"


def said(client, comments, body="Have you tried it again?", **values):
    answer = client.post(comments, {"body": body, **values})
    assert answer.status_code == 201, answer.json()
    return answer.json()


def facts(tenant, ticket_id, past):
    with tenant.entered():
        return list(Event.objects.filter(subject_id=ticket_id, name=f"incident.{past}").order_by("id"))


def test_an_answer_is_public_unless_said_otherwise_and_its_markdown_becomes_safe_html(
    acme, alice, bob, api, ticket, comments
):
    answer = api(alice).post(comments, {"body": "**Try** <script>x</script> [it](javascript:x)"})

    comment = answer.json()
    assert (answer.status_code, answer["ETag"], comment["version"]) == (201, '"1"', 1)
    assert answer["Location"] == f"{comments}{comment['id']}/"
    assert (comment["visibility"], comment["author"], comment["is_automatic"]) == ("public", str(alice.pk), False)
    assert comment["html"] == "<p><strong>Try</strong> &lt;script&gt;x&lt;/script&gt; [it](javascript:x)</p>\n"
    assert api(bob).get(f"{comments}{comment['id']}/").json()["body"] == comment["body"]
    assert api(bob).get(f"{TICKETS}{ticket['number']}/comments/").json()["results"][0]["id"] == comment["id"]
    assert api(bob).get(f"{TICKETS}{ticket['id']}/").json()["responded_at"] == comment["created_at"]


def test_internal_notes_are_nowhere_for_the_requester(acme, alice, bob, api, ticket, comments):
    note = said(api(alice), comments, SECRET, visibility="internal")
    public = said(api(alice), comments, "We look into it.")
    requester = api(bob)

    assert [row["id"] for row in requester.get(comments).json()["results"]] == [public["id"]]
    assert requester.get(comments, {"count": "true"}).json()["count"] == 1
    assert requester.get(comments, {"visibility": "internal"}).json()["results"] == []
    for method in ("get", "patch", "delete"):
        assert getattr(requester, method)(f"{comments}{note['id']}/").status_code == 404
    assert requester.post(f"{comments}{note['id']}/restore/").status_code == 404
    assert requester.get(comments, {"format": "csv"}).status_code == 403
    assert [row["body"] for row in api(alice).get(comments).json()["results"]] == [SECRET, "We look into it."]


def test_a_requester_may_not_whisper(acme, bob, api, comments):
    refusal = api(bob).post(comments, {"body": "psst", "visibility": "internal"})

    assert (refusal.status_code, refusal.json()["grant"]) == (403, "internal_comments.create")
    own = said(api(bob), comments, "psst")
    assert (
        api(bob).patch(f"{comments}{own['id']}/", {"visibility": "internal"}).json()["errors"][0]["code"] == "immutable"
    )


def test_strangers_and_neighbours_find_no_ticket_to_comment_on(acme, globex, alice, mallory, api, comments):
    erin = person(acme, "erin", UserType.END_USER)
    comment = said(api(alice), comments)

    for outsider in (erin, mallory):
        assert api(outsider).get(comments).status_code == 404
        assert api(outsider).post(comments, {"body": "hello"}).status_code == 404
        assert api(outsider).get(f"{comments}{comment['id']}/").status_code == 404
        assert api(outsider).patch(f"{comments}{comment['id']}/", {"body": "x"}).status_code == 404
        assert api(outsider).delete(f"{comments}{comment['id']}/").status_code == 404


def test_a_comment_is_found_below_its_own_ticket_alone(acme, alice, api, comments):
    other = api(alice).post("/api/v1/incidents/", {"title": "Another"}).json()
    comment = said(api(alice), comments)

    assert api(alice).get(f"{TICKETS}{other['id']}/comments/{comment['id']}/").status_code == 404


def test_agents_change_their_own_and_managers_any_and_what_was_said_is_kept_for_those_who_work_on_it(
    acme, alice, bob, carol, api, ticket, comments
):
    erin = person(acme, "erin", UserType.AGENT)
    comment = said(api(alice), comments, "Frist answer", visibility="internal")
    address = f"{comments}{comment['id']}/"

    assert api(erin).patch(address, {"body": "x"}).json()["grant"] == "internal_comments.update"
    assert api(erin).delete(address).status_code == 403
    edited = api(alice).patch(address, {"body": "First answer", "visibility": "public"}).json()
    assert (edited["version"], edited["visibility"]) == (2, "public")
    assert edited["edited_at"] is not None
    assert api(carol).patch(address, {"body": "First answer!"}).json()["version"] == 3
    assert api(alice).patch(address, {"body": "First answer!"}).json()["version"] == 3
    edits = api(alice).get(f"{address}edits/").json()["results"]
    assert [(edit["body"], edit["edited_by"]) for edit in edits] == [
        ("Frist answer", str(alice.pk)),
        ("First answer", str(carol.pk)),
    ]
    assert api(bob).get(f"{address}edits/").json()["grant"] == "internal_comments.read"
    assert api(bob).get(f"{TICKETS}{ticket['id']}/").json()["responded_at"] == edited["edited_at"]


def test_what_was_read_by_the_requester_cannot_be_made_internal(acme, alice, api, comments):
    comment = said(api(alice), comments)

    refusal = api(alice).patch(f"{comments}{comment['id']}/", {"visibility": "internal"})

    assert (refusal.status_code, refusal.json()["errors"][0]["pointer"]) == (400, "/visibility")


def test_a_deleted_comment_is_gone_until_somebody_who_may_restores_it(acme, alice, bob, api, comments):
    comment = said(api(alice), comments)
    address = f"{comments}{comment['id']}/"

    assert api(alice).post(f"{address}restore/").json()["code"] == "not_deleted"
    assert api(alice).delete(address).status_code == 204
    assert api(alice).get(address).status_code == 404
    assert api(alice).patch(address, {"body": "x"}).status_code == 404
    assert api(bob).post(f"{address}restore/").status_code == 404
    assert api(alice).post(f"{address}restore/").json()["id"] == comment["id"]
    assert api(bob).get(address).status_code == 200


def test_a_version_that_is_not_the_one_read_is_refused(acme, alice, api, comments):
    address = f"{comments}{said(api(alice), comments)['id']}/"

    assert api(alice).patch(address, {"body": "x"}, HTTP_IF_MATCH='"7"').status_code == 412
    assert api(alice).patch(address, {"body": "x"}, HTTP_IF_MATCH='"1"').status_code == 200


def test_a_merged_ticket_takes_no_comments_and_names_the_one_that_does(acme, alice, bob, api, ticket, comments):
    survivor = api(bob).post("/api/v1/incidents/", {"title": "Mail is down, too"}).json()
    with acme.entered():
        absorbed = services.lock(ticket["id"], actor=acme.system)
        Ticket.objects.filter(pk=absorbed.pk).update(
            phase="cancelled", status="cancelled", merged_into_id=survivor["id"]
        )

    refusal = api(alice).post(comments, {"body": "hello"})

    assert (refusal.status_code, refusal.json()["code"], refusal.json()["into"]) == (409, "merged", survivor["id"])
    assert refusal.json()["current_status"] == "cancelled"


def test_the_requesters_answer_ends_the_waiting_for_it_and_nobody_elses_does(acme, alice, bob, api, ticket, comments):
    address = f"{TICKETS}{ticket['id']}/"
    api(alice).post(f"{address}hold/", {"reason": "awaiting_requester", "comment": "Which server?"})

    said(api(alice), comments, "Still there?")
    assert api(bob).get(address).json()["status"] == "on_hold"
    said(api(bob), comments, "mail-1")
    assert api(bob).get(address).json()["status"] == "in_progress"


def test_a_watcher_who_says_something_has_not_answered_the_requester(acme, bob, api, ticket, comments):
    erin = person(acme, "erin", UserType.END_USER)
    with acme.entered():
        Ticket.objects.get(pk=ticket["id"]).watchers.create(
            organization_id=acme.id, user=erin, created_at=ticket["created_at"]
        )

    said(api(erin), comments, "Me too!")

    assert api(bob).get(f"{TICKETS}{ticket['id']}/").json()["responded_at"] is None


def test_mentions_are_those_who_may_see_the_comment(acme, globex, alice, bob, carol, mallory, api, ticket, comments):
    erin = person(acme, "erin", UserType.END_USER)
    everybody = " ".join(
        f"@[{somebody.full_name}](user:{somebody.pk})" for somebody in (carol, bob, erin, mallory, carol)
    )

    said(api(alice), comments, everybody)
    note = said(api(alice), comments, everybody, visibility="internal")
    api(alice).patch(f"{comments}{note['id']}/", {"visibility": "public"})

    assert [fact.data["mentions"] for fact in facts(acme, ticket["id"], "commented")] == [
        [str(carol.pk), str(bob.pk)],
        [str(carol.pk)],
    ]
    # Whom it called before is not called again.
    assert [fact.data["mentions"] for fact in facts(acme, ticket["id"], "comment_edited")] == [[str(bob.pk)]]


def test_no_fact_holds_the_words(acme, alice, api, ticket, comments):
    said(api(alice), comments, SECRET, visibility="internal")

    with acme.entered():
        assert not any(SECRET in f"{event.data}{event.changes}" for event in Event.objects.all())
        assert Comment.objects.get().body == SECRET


def test_the_same_comment_sent_twice_with_one_key_is_said_once(acme, alice, api, comments):
    first = api(alice).post(comments, {"body": "once"}, HTTP_IDEMPOTENCY_KEY="k")
    second = api(alice).post(comments, {"body": "once"}, HTTP_IDEMPOTENCY_KEY="k")

    assert (first.json(), second["Idempotency-Replayed"]) == (second.json(), "true")
    assert api(alice).get(comments, {"count": "true"}).json()["count"] == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"body": ""}, "blank"),
        ({"body": 7}, "invalid"),
        ({"body": "x" * 100_001}, "max_length"),
        ({"body": "x", "visibility": "secret"}, "invalid_choice"),
        ({"body": "x", "author": "me"}, "read_only"),
        ({"body": "x", "html": "<b>"}, "read_only"),
        ({"body": "x", "colour": "red"}, "unknown_field"),
    ],
)
def test_bad_bodies_are_400(acme, alice, api, comments, body, code):
    refusal = api(alice).post(comments, body)

    assert (refusal.status_code, refusal.json()["errors"][0]["code"]) == (400, code)


BOMBS = {
    "a table": "|" + "a|" * 100 + "\n|" + "-|" * 100 + "\n" + "|\n" * 500,
    "a link by reference": f"[a]: https://{'x' * 2000}.example\n\n" + "[a] " * 20_000,
    "quotes": (">" * 20 + "\n\n") * 4000,
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_little_markup_never_becomes_much_html(acme, alice, api, comments, body):
    answer = api(alice).post(comments, {"body": body})

    if answer.status_code == 201:
        assert len(answer.json()["html"]) <= 15 * len(body)
    else:
        problem = refused(answer, 400, "too_much_markup")
        assert problem["errors"][0]["pointer"] == "/body"
    assert len(as_html("[a](b)\n" * 10_000)) > 400_000


def test_what_the_requester_says_with_a_verb_is_no_answer_to_it(acme, alice, api):
    ticket = api(alice).post("/api/v1/incidents/", {"title": "Her own"}).json()
    address = f"{TICKETS}{ticket['id']}/"

    held = api(alice).post(f"{address}hold/", {"reason": "awaiting_requester", "comment": "I look for the cable."})

    assert (held.status_code, api(alice).get(address).json()["status"]) == (200, "on_hold")
    said(api(alice), f"{address}comments/", "Found it.")
    assert api(alice).get(address).json()["status"] == "in_progress"


def test_an_author_restores_what_they_deleted_and_not_what_a_manager_did(acme, alice, carol, api, comments):
    address = f"{comments}{said(api(alice), comments)['id']}/"
    api(alice).delete(address)
    assert api(alice).post(f"{address}restore/").status_code == 200
    api(carol).delete(address)

    assert refused(api(alice).post(f"{address}restore/"), 403, "missing_grant")["grant"] == "internal_comments.update"
    assert api(alice).get(address).status_code == 404
    assert api(carol).post(f"{address}restore/").status_code == 200
