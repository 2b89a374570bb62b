"""The walking slice: an incident's life over HTTP, from its opening to a reopening, with who may do what."""

URL = "/api/v1/incidents/"
SOLVED = {"resolution_code": "solution_provided", "resolution_notes": "Restarted the mail server."}


def opened(client, **values):
    answer = client.post(URL, {"title": "Mail is down", **values})
    assert answer.status_code == 201, answer.json()
    return answer.json()


def test_priority_follows_the_matrix_and_the_number_names_the_incident_everywhere(acme, alice, bob, api):
    incident = opened(api(bob), impact=1, urgency=2)

    assert (incident["number"], incident["priority"], incident["status"]) == ("INC0000001", 2, "new")
    for address in (f"{URL}{incident['id']}/", f"{URL}INC0000001/", "/api/v1/tickets/INC0000001/"):
        assert api(alice).get(address).json()["id"] == incident["id"]


def test_an_incident_lives_from_claim_to_reopening(acme, alice, bob, api):
    agent, requester = api(alice), api(bob)
    address = f"{URL}{opened(requester)['id']}/"

    assert agent.post(f"{address}claim/", {}).json()["assignee"] == str(alice.pk)
    assert agent.post(f"{address}hold/", {"reason": "awaiting_vendor"}).json()["phase"] == "pending"
    assert agent.post(f"{address}resume/", {}).json()["hold_reason"] == ""
    assert agent.post(f"{address}resolve/", SOLVED).json()["status"] == "resolved"
    assert agent.post(f"{address}resolve/", SOLVED).json()["code"] == "illegal_transition"
    reopened = requester.post(f"{address}reopen/", {"reason": "still dead"}).json()
    assert (reopened["status"], reopened["reopen_count"], reopened["resolved_at"]) == ("in_progress", 1, None)
    assert (reopened["last_reopened_at"], reopened["last_reopened_by"]) == (reopened["updated_at"], str(bob.pk))
    agent.post(f"{address}resolve/", SOLVED)
    assert requester.post(f"{address}close/", {}).json()["status"] == "closed"
    assert requester.post(f"{address}reopen/", {"reason": "again"}).status_code == 403
    again = agent.post(f"{address}reopen/", {"reason": "again"}).json()
    assert (again["reopen_count"], again["last_reopened_by"]) == (2, str(alice.pk))
    assert again["last_reopened_at"] > reopened["last_reopened_at"]
    # Resolving takes nothing of it away, nobody writes it, and both may be asked for.
    agent.post(f"{address}resolve/", SOLVED)
    kept = {"last_reopened_at": again["last_reopened_at"], "last_reopened_by": str(alice.pk)}
    assert requester.get(address, {"fields": ",".join(kept)}).json() == kept
    opened(requester)
    for query in ({"last_reopened_by": "me"}, {"last_reopened_at__gte": again["last_reopened_at"]}):
        assert [each["number"] for each in agent.get(URL, query).json()["results"]] == [again["number"]]
    refused = agent.patch(address, {"last_reopened_by": None}).json()["errors"]
    assert [(error["pointer"], error["code"]) for error in refused] == [("/last_reopened_by", "read_only")]


def test_a_requester_neither_works_on_it_nor_sees_that_of_others_and_next_door_there_is_nothing(
    acme, globex, alice, bob, mallory, api
):
    theirs, own = opened(api(alice)), opened(api(bob))

    assert api(bob).get(f"{URL}{theirs['id']}/").status_code == 404
    assert api(mallory).get(f"{URL}{own['id']}/").status_code == 404
    assert api(bob).post(f"{URL}{own['id']}/claim/", {}).json()["grant"] == "incidents.assign"
    assert [row["id"] for row in api(bob).get("/api/v1/tickets/").json()["results"]] == [own["id"]]
    assert api(mallory).get("/api/v1/tickets/").json()["results"] == []


def test_a_patch_of_owner_and_fields_is_two_facts_or_none(acme, alice, api):
    agent = api(alice)
    incident = opened(agent)
    address = f"{URL}{incident['id']}/"

    refused = agent.patch(address, {"assignee": str(alice.pk), "custom_fields": {"unheard_of": 1}})
    changed = agent.patch(address, {"assignee": str(alice.pk), "title": "Mail is slow"})

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/custom_fields/unheard_of")
    assert (changed.json()["version"], changed.headers["ETag"]) == (incident["version"] + 2, '"3"')
    told = agent.get(f"/api/v1/tickets/{incident['id']}/timeline/").json()["results"]
    assert [fact["event"] for fact in told] == ["incident.created", "incident.updated", "incident.assigned"]
