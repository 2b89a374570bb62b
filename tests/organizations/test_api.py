"""Teams over HTTP, from the first request to the event."""

from apps.organizations.models import Team

TEAMS = "/api/v1/teams/"


def test_an_admin_creates_a_team_and_its_event_is_there(acme, dan, api):
    answer = api(dan).post(TEAMS, {"name": "Blue"})

    assert answer.status_code == 201
    assert answer["Location"] == f"{TEAMS}{answer.json()['id']}/"
    assert answer["ETag"] == '"1"'
    events = api(dan).get(f"/api/v1/audit/events/?subject_id={answer.json()['id']}").json()["results"]
    assert [(e["name"], e["actor_id"], e["changes"]) for e in events] == [
        ("team.created", str(dan.pk), {"name": [None, "Blue"]})
    ]


def test_an_agent_may_read_teams_but_not_create_one(acme, alice, api):
    answer = api(alice).post(TEAMS, {"name": "Blue"})

    assert (answer.status_code, answer.json()["grant"]) == (403, "teams.create")
    with acme.entered():
        assert not Team.objects.exists()
