"""Suspending and resuming a tenant: who may, what it does, and what it leaves behind."""

import pytest
from django.utils import timezone

from apps.audit.models import Event
from apps.core.authorization import Action, may
from apps.core.errors import Denied, IllegalTransition, Invalid
from apps.organizations import services
from apps.organizations.lifecycle import LIFECYCLE, OrganizationStatus
from apps.organizations.models import Organization
from apps.users.rights import actor_for
from tests.core.expectations import assert_problem
from tests.core.racing import at_once

AT = timezone.now()


def state(tenant):
    with tenant.entered():
        return Organization.objects.values_list("status", "version").get()


def facts(tenant):
    with tenant.entered():
        return list(
            Event.objects.filter(subject_type="organization")
            .order_by("recorded_at")
            .values_list("name", "changes", "data")
        )


def test_suspending_and_resuming_write_status_version_and_one_event_each(acme):
    with acme.entered():
        suspended = services.suspend(acme.organization, actor=acme.system, at=AT, reason="unpaid")
        assert (suspended.status, suspended.version, suspended.updated_at) == ("suspended", 2, AT)
        resumed = services.resume(suspended, actor=acme.system, at=AT)
        assert (resumed.status, resumed.version) == ("active", 3)

    assert state(acme) == ("active", 3)
    assert facts(acme) == [
        ("organization.suspended", {"status": ["active", "suspended"]}, {"reason": "unpaid"}),
        ("organization.resumed", {"status": ["suspended", "active"]}, {}),
    ]


@pytest.mark.parametrize(
    ("verb", "arguments", "refusal"),
    [
        ("suspend", {"reason": ""}, Invalid),
        ("resume", {}, IllegalTransition),
    ],
)
def test_a_refused_transition_changes_nothing(acme, verb, arguments, refusal):
    with pytest.raises(refusal), acme.entered():
        getattr(services, verb)(acme.organization, actor=acme.system, at=AT, **arguments)

    assert (state(acme), facts(acme)) == (("active", 1), [])


def test_not_even_an_administrator_suspends_their_own_organization(acme, dan, carol, alice, bob):
    for user in (dan, carol, alice, bob):
        with pytest.raises(Denied) as refusal, acme.entered():
            services.suspend(acme.organization, actor=user.as_actor(), at=AT, reason="mine")
        assert refusal.value.extra == {"grant": "organizations.configure"}

    assert (state(acme), facts(acme)) == (("active", 1), [])


def test_the_table_is_whole():
    assert LIFECYCLE.reachable() == set(OrganizationStatus.values)
    assert {verb: (set(t.sources), t.target) for verb, t in LIFECYCLE.transitions.items()} == {
        "suspend": ({"active"}, "suspended"),
        "resume": ({"suspended"}, "active"),
    }


def test_of_many_who_suspend_at_once_one_does(fresh_database, acme):
    def suspend():
        try:
            with acme.entered():
                services.suspend(acme.organization, actor=acme.system, at=AT, reason="unpaid")
        except IllegalTransition as refusal:
            return refusal.extra["current_status"]
        return "done"

    answers = at_once([suspend] * 8)

    assert sorted(answers) == ["done"] + ["suspended"] * 7
    assert (state(acme)[1], len(facts(acme))) == (2, 1)


@pytest.mark.bar(22)
@pytest.mark.asvs("8.3.2")
def test_everybody_of_a_suspended_organization_is_out_from_the_next_request_on_and_nobody_else(
    *, acme, globex, dan, alice, mallory, api
):
    clients, elsewhere = [api(dan), api(alice)], api(mallory)
    assert [client.get("/api/v1/auth/me/").status_code for client in clients] == [200, 200]

    with acme.entered():
        services.suspend(acme.organization, actor=acme.system, at=AT, reason="unpaid")

    for client in clients:
        assert_problem(client.get("/api/v1/auth/me/"), 401, "session_ended")
    assert elsewhere.get("/api/v1/auth/me/").status_code == 200


@pytest.mark.parametrize(
    "body", [{"status": "suspended"}, {"slug": "other"}, {"is_operator": True}, {"is_demo": True}, {"id": "x"}]
)
def test_no_patch_reaches_what_only_the_platform_sets(acme, dan, api, body):
    answer = api(dan).patch("/api/v1/organizations/current/", body)

    (error,) = assert_problem(answer, 400, "invalid")["errors"]
    assert error["code"] in {"read_only", "unknown_field"}
    assert state(acme) == ("active", 1)


def test_an_administrator_names_the_organization_anew_and_an_agent_does_not(acme, dan, alice, api):
    url = "/api/v1/organizations/current/"
    assert api(dan).patch(url, {"name": "Acme Ltd", "time_zone": "Asia/Tokyo"}).json()["name"] == "Acme Ltd"

    assert_problem(api(alice).patch(url, {"name": "Alice Ltd"}), 403, "missing_grant")
    assert api(alice).get(url).json()["name"] == "Acme Ltd"
    assert facts(acme) == [
        ("organization.updated", {"name": ["Acme", "Acme Ltd"], "time_zone": ["UTC", "Asia/Tokyo"]}, {})
    ]
    with acme.entered():
        assert may(actor_for(dan, at=timezone.now()), Action.UPDATE, "organizations")
