"""Teams' members, absences, overrides and API tokens in the admin: the verbs of the API, each with its event."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.users import rotas
from apps.users.models import Absence, ApiToken, OnCallOverride, TeamMember
from tests import factories
from tests.users.test_admin_people import grant, limited_admin, names, text
from tests.users.test_admin_sign_in import signed_in

MEMBERS, ABSENCES = "/admin/users/teammember/", "/admin/users/absence/"
OVERRIDES, TOKENS = "/admin/users/oncalloverride/", "/admin/users/apitoken/"


def period(begin, end):
    """The four fields of two instants (UTC)."""
    return {
        "starts_at_0": f"{begin:%Y-%m-%d}",
        "starts_at_1": f"{begin:%H:%M:%S}",
        "ends_at_0": f"{end:%Y-%m-%d}",
        "ends_at_1": f"{end:%H:%M:%S}",
    }


@pytest.fixture
def tomorrow():
    return timezone.now().replace(microsecond=0) + timedelta(days=1)


def test_a_member_is_added_changed_and_removed(acme, dan, bob):
    browser = signed_in(dan)
    with acme.entered():
        team = factories.TeamFactory()

    browser.post(f"{MEMBERS}add/", {"team": str(team.pk), "user": str(bob.pk), "capacity": "5"})
    with acme.entered():
        member = TeamMember.objects.get(team=team, user=bob)
    browser.post(f"{MEMBERS}{member.pk}/change/", {"is_lead": "on", "capacity": "7"})
    with acme.entered():
        now = TeamMember.objects.get(pk=member.pk)
    browser.post(f"{MEMBERS}{member.pk}/delete/", {"post": "yes"})

    assert (member.is_lead, member.capacity, now.is_lead, now.capacity) == (False, 5, True, 7)
    assert names(acme, member.pk) == ["team_member.created", "team_member.updated", "team_member.deleted"]


def test_somebody_deactivated_joins_no_team(acme, dan, bob):
    with acme.entered():
        team = factories.TeamFactory()
        type(bob).objects.filter(pk=bob.pk).update(is_active=False)

    page = text(signed_in(dan), f"{MEMBERS}add/", {"team": str(team.pk), "user": str(bob.pk), "capacity": "5"})

    assert "This user is deactivated or deleted" in page
    with acme.entered():
        assert not TeamMember.objects.filter(team=team).exists()


def test_an_absence_is_planned_moved_and_forgotten(acme, dan, alice, bob, tomorrow):
    browser, later = signed_in(dan), tomorrow + timedelta(days=3)
    form = {"user": str(bob.pk), "delegate": str(alice.pk), "note": "Away", **period(tomorrow, later)}

    browser.post(f"{ABSENCES}add/", form)
    with acme.entered():
        absence = Absence.objects.get(user=bob)
    overlapping = text(browser, f"{ABSENCES}add/", form)
    browser.post(f"{ABSENCES}{absence.pk}/change/", {**period(later, later + timedelta(days=1)), "delegate": ""})
    with acme.entered():
        now = Absence.objects.get(user=bob)
    browser.post(f"{ABSENCES}{absence.pk}/delete/", {"post": "yes"})

    assert (absence.starts_at, absence.ends_at, absence.delegate_id) == (tomorrow, later, alice.pk)
    assert "It overlaps another absence" in overlapping
    assert (now.starts_at, now.delegate_id, now.note) == (later, None, "")
    assert names(acme, absence.pk) == ["absence.created", "absence.updated", "absence.deleted"]


def test_an_override_is_planned_changed_and_taken_back(acme, dan, alice, bob, tomorrow):
    browser, later = signed_in(dan), tomorrow + timedelta(hours=12)
    with acme.entered():
        rota = factories.OnCallRotaFactory()

    browser.post(f"{OVERRIDES}add/", {"rota": str(rota.pk), "user": str(bob.pk), **period(tomorrow, later)})
    with acme.entered():
        override = OnCallOverride.objects.get(rota=rota)
    form = {"user": str(alice.pk), "reason": "Swap", **period(tomorrow, later)}
    browser.post(f"{OVERRIDES}{override.pk}/change/", form)
    with acme.entered():
        now = OnCallOverride.objects.get(rota=rota)
    browser.post(f"{OVERRIDES}{override.pk}/delete/", {"post": "yes"})

    assert (override.user_id, override.starts_at, override.ends_at) == (bob.pk, tomorrow, later)
    assert (now.user_id, now.reason) == (alice.pk, "Swap")
    assert names(acme, override.pk) == [
        "on_call_override.created",
        "on_call_override.updated",
        "on_call_override.deleted",
    ]


def test_the_page_of_a_rota_says_who_is_on_call_and_who_will_be(acme, dan, alice, bob):
    now = timezone.now()
    with acme.entered():
        values = {
            "name": "Nights",
            "team_id": factories.TeamFactory().pk,
            "time_zone": "UTC",
            "starts_on": (now - timedelta(days=7)).date(),
            "handover_weekday": now.weekday(),
            "handover_time": "00:00",
            "members": [bob.pk, alice.pk],
        }
        rota = rotas.create_rota(actor=acme.system, at=now - timedelta(days=8), values=values)

    page = signed_in(dan).get(f"/admin/users/oncallrota/{rota.pk}/change/").content.decode()

    handovers = [f"{now + timedelta(weeks=week):%Y-%m-%d} 00:00" for week in (1, 2, 3)]
    shown = re.findall(r"<div>from ([\d: -]+): (\w+)</div>", page)
    assert [name for _, name in shown][:4] == ["Alice", "Bob", "Alice", "Bob"]
    assert [begin for begin, _ in shown][1:4] == handovers
    assert re.search(r"On call now.*?Alice", page, re.DOTALL | re.IGNORECASE)


def test_the_past_of_a_rota_takes_no_override(acme, dan, bob, tomorrow):
    with acme.entered():
        rota = factories.OnCallRotaFactory()
    form = {"rota": str(rota.pk), "user": str(bob.pk), **period(tomorrow - timedelta(days=9), tomorrow)}

    assert "It lies in the past" in text(signed_in(dan), f"{OVERRIDES}add/", form)
    with acme.entered():
        assert not OnCallOverride.objects.exists()


def test_somebodys_token_is_revoked_once_with_one_event(acme, dan, bob):
    browser = signed_in(dan)
    with acme.entered():
        token = factories.ApiTokenFactory(user=bob)
    ticked = {"action": "revoke", "_selected_action": str(token.pk)}

    first, again = text(browser, TOKENS, ticked), text(browser, TOKENS, ticked)

    assert ("Tokens revoked: 1" in first, "It is revoked already." in again) == (True, True)
    with acme.entered():
        assert ApiToken.objects.get(pk=token.pk).revoked_at is not None
    assert names(acme, token.pk) == ["api_token.revoked"]


def test_who_may_only_read_tokens_revokes_none(acme, bob):
    browser = signed_in(limited_admin(acme, grant("api_tokens", "read")))
    with acme.entered():
        token = factories.ApiTokenFactory(user=bob)

    text(browser, TOKENS, {"action": "revoke", "_selected_action": str(token.pk)})

    with acme.entered():
        assert ApiToken.objects.get(pk=token.pk).revoked_at is None


def test_what_a_job_was_given_is_not_shown(acme, dan):
    with acme.entered():
        job = factories.JobFactory(parameters={"text": "CANARY,secret@acme.example"})

    page = text(signed_in(dan), f"/admin/core/job/{job.pk}/change/")

    assert job.kind in page
    assert "CANARY" not in page
