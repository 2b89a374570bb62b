"""The verbs of plain records: one event each, one version each, and every refusal before anything is written."""

from datetime import timedelta

import pytest
from django.db.utils import IntegrityError
from django.utils import timezone

from apps.audit.models import Event
from apps.core import records
from apps.core.errors import Conflict, NotFound, Stale, StillReferenced
from apps.core.models import new_id
from apps.organizations.models import BusinessCalendar, CostCentre, Department, Site, Team
from tests.factories import BusinessCalendarFactory, CostCentreFactory, DepartmentFactory, SiteFactory, TeamFactory

AT = timezone.now().replace(microsecond=123456)
LATER = AT + timedelta(hours=1)


def facts():
    return [(event.name, event.changes) for event in Event.objects.order_by("recorded_at", "id")]


def test_create_writes_the_row_as_of_the_given_instant_and_records_what_was_given(acme, dan):
    with acme.entered():
        site = records.create(
            Site, actor=dan.as_actor(), at=AT, values={"name": "Berlin", "time_zone": "Europe/Berlin"}
        )

        site.refresh_from_db()
        assert (site.organization_id, site.version, site.created_at, site.updated_at) == (acme.id, 1, AT, AT)
        event = Event.objects.get(name="site.created")
        assert event.changes == {"name": [None, "Berlin"], "time_zone": [None, "Europe/Berlin"]}
        assert (event.at, event.actor_id, event.subject_id, event.subject_type) == (AT, dan.pk, site.pk, "site")


def test_a_reference_is_told_by_its_id(acme):
    with acme.entered():
        centre = CostCentreFactory()
        department = records.create(
            Department, actor=acme.system, at=AT, values={"name": "IT", "cost_centre_id": centre.pk}
        )
        records.change(department, actor=acme.system, at=LATER, values={"cost_centre_id": None})

        assert facts() == [
            ("department.created", {"name": [None, "IT"], "cost_centre": [None, str(centre.pk)]}),
            ("department.updated", {"cost_centre": [str(centre.pk), None]}),
        ]


def test_a_duplicate_is_refused_and_leaves_no_event(acme):
    with acme.entered():
        SiteFactory(name="Berlin")
    with pytest.raises(IntegrityError), acme.entered():
        records.create(Site, actor=acme.system, at=AT, values={"name": "Berlin", "time_zone": "UTC"})

    with acme.entered():
        assert (Site.objects.count(), facts()) == (1, [])


def test_change_writes_and_tells_only_what_differs(acme):
    with acme.entered():
        site = SiteFactory(name="Berlin", address="old", time_zone="UTC")
        changed = records.change(
            site, actor=acme.system, at=LATER, values={"name": "Berlin", "address": "new", "is_active": False}
        )

        changed.refresh_from_db()
        assert (changed.version, changed.updated_at, changed.address, changed.is_active) == (2, LATER, "new", False)
        assert facts() == [("site.updated", {"address": ["old", "new"], "is_active": [True, False]})]


def test_change_to_the_same_does_nothing(acme):
    with acme.entered():
        site = SiteFactory(name="Berlin")
        before = Site.objects.values().get()
        records.change(site, actor=acme.system, at=LATER, values={"name": "Berlin", "time_zone": site.time_zone})
        records.change(site, actor=acme.system, at=LATER, values={})

        assert (Site.objects.values().get(), facts()) == (before, [])


def test_each_change_grows_the_version_by_one(acme):
    with acme.entered():
        site = SiteFactory()
        for number in range(5):
            records.change(site, actor=acme.system, at=LATER, values={"name": f"Site number {number}"})

        assert Site.objects.get().version == 6
        assert [name for name, _ in facts()] == ["site.updated"] * 5


def test_lock_finds_only_the_actor_s_own(acme, globex):
    with globex.entered():
        foreign = SiteFactory()
    with acme.entered():
        mine = SiteFactory()
        assert records.lock(Site, mine.pk, actor=acme.system) == mine
        for pk in (foreign.pk, new_id()):
            with pytest.raises(NotFound):
                records.lock(Site, pk, actor=acme.system)


@pytest.mark.parametrize("expected", [0, 1, 3])
def test_lock_refuses_another_version_and_says_which_it_is(acme, expected):
    with acme.entered():
        site = SiteFactory(version=2)
        assert records.lock(Site, site.pk, actor=acme.system, expected_version={2}) == site
        with pytest.raises(Stale) as refusal:
            records.lock(Site, site.pk, actor=acme.system, expected_version={expected})

    assert refusal.value.extra == {"current_version": 2}


def test_delete_removes_the_row_and_records_it(acme):
    with acme.entered():
        site = SiteFactory()
        pk = site.pk
        records.delete(site, actor=acme.system, at=LATER)

        assert not Site.objects.exists()
        assert [(event.name, event.subject_id, event.at) for event in Event.objects.all()] == [
            ("site.deleted", pk, LATER)
        ]


REFERRERS = [
    (BusinessCalendarFactory, lambda target: TeamFactory(calendar=target), "calendar versions, teams"),
    (BusinessCalendarFactory, lambda target: TeamFactory(calendar=target, deleted_at=AT), "calendar versions, teams"),
    (CostCentreFactory, lambda target: DepartmentFactory(cost_centre=target), "departments"),
    (DepartmentFactory, lambda target: DepartmentFactory(parent=target), "departments"),
]


@pytest.mark.parametrize(("target_factory", "refer", "plural"), REFERRERS)
def test_what_is_referred_to_stays_and_no_event_says_otherwise(acme, target_factory, refer, plural):
    with acme.entered():
        target = target_factory()
        refer(target)
    with pytest.raises(StillReferenced) as refusal, acme.entered():
        records.delete(target, actor=acme.system, at=LATER)

    assert (refusal.value.detail, refusal.value.code) == (f"Still referenced by {plural}.", "still_referenced")
    with acme.entered():
        assert type(target).objects.filter(pk=target.pk).exists()
        assert facts() == []


def test_soft_delete_hides_and_restore_brings_back_with_one_event_each(acme):
    with acme.entered():
        team = TeamFactory()
        records.soft_delete(team, actor=acme.system, at=AT)
        assert (Team.objects.alive().count(), Team.objects.deleted().count()) == (0, 1)
        records.restore(team, actor=acme.system, at=LATER)
        assert (Team.objects.alive().count(), Team.objects.deleted().count()) == (1, 0)

        team.refresh_from_db()
        moment = AT.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert (team.version, team.deleted_at) == (3, None)
        assert [name for name, _ in facts()] == ["team.deleted", "team.restored"]
        assert facts()[0][1]["deleted_at"][0] is None
        assert facts()[0][1]["deleted_at"][1].startswith(moment[:19])


def test_deleting_twice_and_restoring_what_is_there_are_conflicts(acme):
    with acme.entered():
        gone, here = TeamFactory(deleted_at=AT), TeamFactory()
        with pytest.raises(Conflict) as again:
            records.soft_delete(gone, actor=acme.system, at=LATER)
        with pytest.raises(Conflict) as needless:
            records.restore(here, actor=acme.system, at=LATER)

        assert (again.value.code, needless.value.code) == ("already_deleted", "not_deleted")
        assert facts() == []
        assert set(Team.objects.values_list("version", flat=True)) == {1}


@pytest.mark.parametrize(
    ("model", "noun"),
    [
        (BusinessCalendar, "calendar"),
        (CostCentre, "cost_centre"),
        (Site, "site"),
        (Department, "department"),
        (Team, "team"),
    ],
)
def test_events_are_named_after_what_people_call_the_thing(model, noun):
    assert records.noun(model) == noun
