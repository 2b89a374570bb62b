"""What opening an incident asks of the database, statement by statement: a desk opens more of them than of anything else."""

from django.db import connection

from tests import factories
from tests.incidents.test_slice import URL

STATEMENTS = (
    "FROM users_session",
    "FROM users_roleassignment",
    "FROM tickets_customfield",
    'INTO "organizations_numberseries"',
    "FROM tickets_prioritycell",
    # Whose work it is by the organization's rules.
    "FROM tickets_assignmentrule",
    'INTO "tickets_ticket"',
    'INTO "incidents_incident"',
    "INTO tickets_searchdocument",
    'INTO "audit_event"',
    # Service levels: the ticket as conditions read it; nothing is promised here.
    "FROM sla_settings",
    "INTO audit_dispatch",
)


def sent(post):
    statements = []

    def note(execute, sql, params, many, context):
        statements.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        answer = post()
    assert answer.status_code == 201, answer.json()
    # The request's own transaction is a savepoint of the test's.
    assert [statements[0].split()[0], statements[-1].split()[0]] == ["SAVEPOINT", "RELEASE"]
    return statements[1:-1]


def test_opening_an_incident_takes_twelve_statements(acme, alice, api):
    client = api(alice)
    # What a role grants is read once for a version of it.
    client.post(URL, {"title": "Mail is down"})

    statements = sent(lambda: client.post(URL, {"title": "Mail is down", "impact": 2, "urgency": 2}))

    assert len(statements) == len(STATEMENTS), statements
    for statement, table in zip(statements, STATEMENTS, strict=True):
        assert table in statement


def test_references_cost_one_more_and_each_one_to_be_there_still_a_team_its_queue_and_definitions_only_with_values(
    acme, alice, bob, api
):
    client = api(alice)
    with acme.entered():
        team = factories.TeamFactory()
        factories.CustomFieldFactory(kind="incident", key="room", field_type="text")
    client.post(URL, {"title": "Mail is down"})

    bare = sent(lambda: client.post(URL, {"title": "Mail is down", "requester": str(bob.pk)}))
    given = sent(
        lambda: client.post(
            URL, {"title": "Mail", "requester": str(bob.pk), "team": str(team.pk), "custom_fields": {"room": "12"}}
        )
    )

    assert (len(bare), len(given)) == (len(STATEMENTS) + 2, len(STATEMENTS) + 4)
    assert ["field_type" in statement for statement in (" ".join(bare), " ".join(given))] == [False, True]


def test_a_required_field_is_missed_also_where_no_values_are_given_unless_it_is_the_desks_own(acme, alice, bob, api):
    with acme.entered():
        factories.CustomFieldFactory(kind="incident", key="room", field_type="text", is_required=True, is_public=False)

    refused = api(alice).post(URL, {"title": "Mail is down"})
    accepted = api(bob).post(URL, {"title": "Mail is down"})

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/custom_fields/room")
    assert accepted.status_code == 201
