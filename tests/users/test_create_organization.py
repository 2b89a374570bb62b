"""`manage.py create_organization`: all of an organization or nothing of it."""

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.audit.models import Event
from apps.core.actors import Actor
from apps.core.events import inside, subscribers_inside
from apps.core.models import new_id
from apps.organizations.models import BusinessCalendar, CalendarVersion, Organization
from apps.organizations.services import find_organization
from apps.users.founding import Founding, found_organization
from apps.users.models import Grant, Role, RoleAssignment, User, UserType
from apps.users.role_table import BUILT_IN
from apps.users.services import find_user
from tests.conftest import Tenant
from tests.core.racing import at_once
from tests.factories import timezone

GIVEN = {
    "name": "Wayne Ltd",
    "slug": "wayne",
    "time_zone": "Europe/London",
    "language": "en",
    "admin_email": "Lucius@Wayne.example",
    "admin_name": "Lucius Fox",
}


def create(**changed):
    call_command("create_organization", **{**GIVEN, **changed})


def organization(slug="wayne") -> Tenant:
    tenant = Tenant(Organization(pk=find_organization(slug)))
    with tenant.entered():
        return Tenant(Organization.objects.get())


def test_it_has_roles_calendars_and_an_administrator_without_a_password(database, capsys):
    create()

    wayne = organization()
    with wayne.entered():
        found = wayne.organization
        assert (found.name, found.time_zone, found.language, found.is_operator) == (
            "Wayne Ltd",
            "Europe/London",
            "en",
            False,
        )
        grants = {key: sum(len(actions) for actions in table.values()) for key, table in BUILT_IN.items()}
        assert {role.key: Grant.objects.filter(role=role).count() for role in Role.objects.all()} == grants
        lucius = User.objects.get()
        assert (lucius.email, lucius.user_type, lucius.time_zone) == ("Lucius@Wayne.example", "admin", "Europe/London")
        assert not lucius.has_usable_password()
        assert [(held.user_id, held.role.key) for held in RoleAssignment.objects.all()] == [(lucius.pk, UserType.ADMIN)]
        names = list(Event.objects.order_by("at", "id").values_list("name", "actor_label", "via"))
        assert names == [
            ("organization.created", "system:create_organization", "command"),
            *((f"sla_policy.{step}", "system:sla", "command") for step in ("created", "drafted", "published")),
            ("user.invited", "system:create_organization", "command"),
        ]
    said = capsys.readouterr().out
    assert f"organization wayne is set up: {wayne.id}" in said
    assert "Lucius@Wayne.example" in said


def test_its_calendars_are_nine_to_five_and_eight_to_eight_in_its_zone_and_always(database):
    create()

    with organization().entered():
        calendars = {calendar.name: calendar.windows for calendar in BusinessCalendar.objects.all()}
        versions = CalendarVersion.objects.select_related("calendar")
        first = {(version.calendar.name, version.number, version.time_zone): version.windows for version in versions}
    assert calendars == {
        "Office hours": [{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(5)],
        "Extended hours": [{"weekday": day, "start": "08:00", "end": "20:00"} for day in range(5)],
        "Around the clock": [{"weekday": day, "start": "00:00", "end": "24:00"} for day in range(7)],
    }
    assert first == {(name, 1, "Europe/London"): windows for name, windows in calendars.items()}


def test_the_operators_own_organization_is_made_the_same_way(database):
    create(operator=True)

    assert organization().organization.is_operator


def test_running_it_twice_says_that_the_slug_is_taken(database):
    create()

    with pytest.raises(CommandError, match=r"^The slug wayne is taken; accepted: another one\.$"):
        create(admin_email="second@wayne.example")
    assert find_user("second@wayne.example") is None


@pytest.mark.parametrize("shared", ["slug", "admin_email"])
def test_of_two_at_the_same_moment_one_is_made_and_the_other_told(fresh_database, shared):
    others = [{"slug": f"wayne-{n}", "admin_email": f"lucius{n}@wayne.example"} for n in range(2)]

    def attempt(own):
        try:
            create(**{**own, shared: GIVEN[shared]})
        except CommandError as refusal:
            return str(refusal)
        return ""

    said = at_once([lambda own=own: attempt(own) for own in others])

    assert sorted(bool(text) for text in said) == [False, True]
    assert any(words in max(said) for words in ("taken", "not available"))
    made = [own["slug"] for own in others if find_organization(own["slug"])] if shared == "admin_email" else ["wayne"]
    assert len(made) == 1
    with organization(made[0]).entered():
        assert User.objects.count() == 1


def test_an_address_that_somebody_has_is_refused_and_nothing_is_left(acme, dan):
    with pytest.raises(CommandError, match="This e-mail address is taken"):
        create(admin_email="DAN@acme.example")

    assert find_organization("wayne") is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"slug": "Not A Slug"}, "--slug: Lower-case letters, digits and inner hyphens"),
        ({"time_zone": "Mars"}, "--time-zone: Not a time zone; accepted: an IANA name"),
        ({"language": "1"}, "--language: Not a language; accepted: a BCP 47 tag"),
        ({"name": ""}, "--name: "),
        ({"name": "x" * 201}, "--name: "),
        ({"admin_email": "nobody"}, "--admin-email: Not an e-mail address; accepted:"),
        ({"admin_name": "  "}, "--admin-name: The first administrator needs a name"),
    ],
)
def test_what_is_wrong_is_named_by_its_option_with_what_is_accepted(database, changed, said):
    with pytest.raises(CommandError) as refused:
        create(**changed)

    assert said in str(refused.value)
    assert find_organization("wayne") is None
    assert find_user(GIVEN["admin_email"]) is None


def test_a_step_that_fails_leaves_nothing(database):
    """Later apps add steps by subscribing; when one of them cannot, there is no half of an organization."""

    def fail(event):
        raise RuntimeError("no policies today")

    inside("organization.created")(fail)
    subscribed = subscribers_inside("organization.created")
    assert fail in subscribed
    founding = Founding(**GIVEN)
    try:
        with pytest.raises(RuntimeError, match="no policies today"):
            found_organization(founding, actor=Actor.system(new_id(), "test"), at=timezone.now())
    finally:
        _unsubscribe(fail)

    assert find_organization("wayne") is None
    assert find_user(GIVEN["admin_email"]) is None


def _unsubscribe(handler):
    from apps.core import events

    events._inside[:] = [(pattern, handle) for pattern, handle in events._inside if handle is not handler]
