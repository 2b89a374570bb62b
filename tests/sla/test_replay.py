"""What the log says of a ticket's timers, against the rows that the engine wrote while it lived."""

from datetime import timedelta
from io import StringIO
from random import Random

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.core.errors import DomainError
from apps.organizations.calendar_records import change_calendar, create_calendar
from apps.sla import calendar_moves, moving, policies, replaying, timers
from apps.sla.chronicle import Chronicle
from apps.sla.models import LevelFiring, Policy, PolicyVersion, Segment, Timer
from apps.tickets import merging, services
from apps.tickets.models import Ticket
from apps.users import people
from tests import factories
from tests.conftest import IS_FULL_RUN
from tests.incidents.conftest import acting
from tests.sla.conftest import DAY, HOUR, MINUTE, MONDAY, content, levels

WEEK = [{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(5)]
LONGER = [{"weekday": day, "start": "08:00", "end": "20:00"} for day in range(6)]
PERCENTS = (50, 75, 100, 125)
METRICS = ("first_response", "resolution", "next_reply", "periodic_update")
LIVES = 60 if IS_FULL_RUN else 3


def replayed(desk, *, is_dry_run=True, ticket=None):
    said = StringIO()
    options = {"organization": "acme", "dry_run": is_dry_run, **({"ticket": ticket} if ticket else {})}
    try:
        call_command("replay_sla", stdout=said, **options)
    except CommandError as refusal:
        said.write(str(refusal))
    return said.getvalue().splitlines()


def differences(desk, ticket):
    with desk.entered():
        found = replaying.compare(services._lock_also_deleted(ticket.pk, actor=desk.system), Chronicle())
    return [str(each) for each in found.differences]


# --- a random life


class Life:
    """One desk for some days: many tickets, policies that change under them, and a sweep that comes by now and then."""

    def __init__(self, desk, seed):
        self.desk, self.random, self.at = desk, Random(seed), MONDAY
        with desk.entered():
            self.calendar = create_calendar(
                actor=desk.system,
                at=MONDAY,
                values={"name": "Office", "time_zone": "Europe/Berlin", "windows": WEEK, "exceptions": []},
            )
            self.teams = [factories.TeamFactory(), factories.TeamFactory()]
            self.sites = [factories.SiteFactory(), factories.SiteFactory()]
        # A sixth of them may count by the requester's site, which no event of a ticket tells.
        self.policies = [
            desk.add(self.promise({"site": [str(self.sites[0].pk)]}), name="Site"),
            desk.add(self.promise({}), name="All"),
            desk.add(self.promise({}, METRICS[1:2]), name="Teams", agreement="ola"),
        ]
        self.tickets, self.done = [], []

    def promise(self, match, metrics=METRICS):
        calendar = str(self.calendar.pk)
        targets = [
            {
                "metric": metric,
                "applies": applies,
                "seconds": self.random.randrange(1, 40) * 600,
                "calendar": self.random.choice([None, calendar]),
            }
            for metric in metrics
            for applies in ([{"priority": [1, 2]}], [{}])
        ]
        rules = {metric: {"on_change": self.random.choice(["carry", "fresh"])} for metric in metrics}
        return {
            "match": [match],
            "targets": targets,
            "rules": rules,
            "levels": [level for metric in metrics for level in levels(*PERCENTS, metric=metric)],
        }

    def live(self, steps):
        for _ in range(steps):
            self.at += timedelta(seconds=self.random.choice([1, 30, 300, 1800, 7200, 30_000]))
            self.step()

    def step(self):
        verbs = [
            (8, self.open), (6, self.rate), (6, self.hold), (6, self.resume), (5, self.assign), (6, self.reply),
            (6, self.ask), (6, self.resolve), (5, self.reopen), (2, self.close), (3, self.merge), (3, self.unmerge),
            (2, self.delete), (3, self.restore), (1, self.cancel), (3, self.deadline), (12, self.sweep),
            (1, self.publish), (1, self.migrate), (2, self.hours), (2, self.move_requester), (2, self.import_word),
        ]  # fmt: skip
        verb = self.random.choices([each for _, each in verbs], [weight for weight, _ in verbs])[0]
        if not self.tickets:
            verb = self.open
        try:
            verb()
        except DomainError:
            return
        self.done.append(verb.__name__)

    @property
    def ticket(self):
        return self.random.choice(self.tickets)

    def open(self):
        values = {"impact": self.random.randrange(1, 4), "urgency": self.random.randrange(1, 4)}
        self.tickets.append(self.desk.open(self.at, **values))

    def rate(self):
        self.desk.change(self.ticket, self.at, urgency=self.random.randrange(1, 4))

    def hold(self):
        self.desk.hold(self.ticket, self.at, self.random.choice(["awaiting_requester", "awaiting_vendor"]))

    def resume(self):
        self.desk.do(self.ticket, "resume", self.at)

    def assign(self):
        team = self.random.choice([*self.teams, None])
        self.desk.do(self.ticket, "assign", self.at, team_id=team and team.pk)

    def reply(self):
        self.say(self.desk.agent)

    def ask(self):
        self.say(self.desk.requester)

    def say(self, user):
        with self.desk.entered():
            actor = acting(user)
        self.desk.say(self.ticket, user, self.at, actor=actor)

    def resolve(self):
        self.desk.resolve(self.ticket, self.at)

    def reopen(self):
        self.desk.do(self.ticket, "reopen", self.at, reason="Again.")

    def close(self):
        self.desk.do(self.ticket, "close", self.at)

    def cancel(self):
        self.desk.do(self.ticket, "cancel", self.at, reason="Not wanted.")

    def merge(self):
        with self.desk.entered():
            merging.merge(self.ticket, actor=self.desk.system, at=self.at, into_id=self.ticket.pk)

    def unmerge(self):
        with self.desk.entered():
            merging.unmerge(self.ticket, actor=self.desk.system, at=self.at)

    def delete(self):
        with self.desk.entered():
            services.delete(self.ticket, actor=self.desk.system, at=self.at)

    def restore(self):
        with self.desk.entered():
            services.restore(self.ticket, actor=self.desk.system, at=self.at)

    def deadline(self):
        timer = self.random.choice(self.desk.timers(self.ticket) or [None])
        if timer is not None:
            due_at = self.at + timedelta(seconds=self.random.randrange(1, 40_000))
            with self.desk.entered():
                timers.set_deadline(
                    timer,
                    actor=self.desk.system,
                    at=self.at,
                    due_at=due_at,
                    reason="Agreed by phone.",
                    is_floating=self.random.random() < 0.5,
                )

    def sweep(self):
        self.desk.sweep(self.at)

    def publish(self):
        policy = self.random.choice(self.policies)
        metrics = METRICS[1:2] if policy.agreement == "ola" else METRICS
        match = {"site": [str(self.sites[0].pk)]} if policy.name == "Site" else {}
        with self.desk.entered():
            draft = policies.draft(policy, actor=self.desk.system, at=self.at, content=self.promise(match, metrics))
            policies.publish(draft, actor=self.desk.system, at=self.at)

    def migrate(self):
        policy = self.random.choice(self.policies)
        with self.desk.entered():
            version = PolicyVersion.objects.get(policy=policy, state="published")
            moving.migrate(version, actor=self.desk.system, at=self.at, limit=1_000)

    def withdraw(self):
        """And life goes on while a worker ends what runs by it."""
        with self.desk.entered():
            policy = Policy.objects.select_for_update().get(name="All")
            policies.withdraw(policy, actor=self.desk.system, at=self.at)
            versions = list(policy.versions.values_list("pk", flat=True))
        for limit in (2, 1_000):
            self.live(5)
            with self.desk.entered():
                moving.end_timers(policy.pk, versions, actor=self.desk.system, at=self.at, limit=limit)

    def hours(self):
        with self.desk.entered():
            locked = type(self.calendar).objects.select_for_update().get(pk=self.calendar.pk)
            windows = self.random.choice([WEEK, LONGER])
            changed = change_calendar(locked, actor=self.desk.system, at=self.at, values={"windows": windows})
            if self.random.random() < 0.5:
                calendar_moves.migrate(changed.current, actor=self.desk.system, at=self.at, limit=1_000)

    def move_requester(self):
        with self.desk.entered():
            user = type(self.desk.requester).objects.select_for_update().get(pk=self.desk.requester.pk)
            people.change_user(
                user, actor=self.desk.system, at=self.at, values={"site_id": self.random.choice(self.sites).pk}
            )

    def import_word(self):
        """A change that another system's history tells of."""
        from apps.core import events

        with events.historic():
            self.rate()


@pytest.mark.parametrize("seed", range(LIVES))
def test_a_replay_of_random_lives_finds_no_difference(desk, seed):
    life = Life(desk, seed)
    life.live(200)
    life.withdraw()
    life.live(60)

    with desk.entered():
        counts = [model.objects.count() for model in (Timer, Segment, LevelFiring)]
    assert min(counts) > 20
    assert replayed(desk) == [f"{len(life.tickets):,} tickets replayed, 0 differ"]
    assert [model_count(desk, model) for model in (Timer, Segment, LevelFiring)] == counts


def model_count(desk, model):
    with desk.entered():
        return model.objects.count()


# --- damage


@pytest.fixture
def lived(desk):
    """A ticket that was held, missed its deadline, was resolved and reopened."""
    desk.add(content(seconds=3600, levels=levels(75, 100)))
    ticket = desk.open()
    desk.hold(ticket, MONDAY + 10 * MINUTE)
    desk.do(ticket, "resume", MONDAY + 20 * MINUTE)
    desk.sweep(MONDAY + HOUR)
    desk.sweep(MONDAY + 2 * HOUR)
    desk.resolve(ticket, MONDAY + 3 * HOUR)
    desk.do(ticket, "reopen", MONDAY + 4 * HOUR, reason="Again.")
    assert differences(desk, ticket) == []
    return ticket


def repaired(desk, ticket):
    with desk.entered():
        return replaying.repair(ticket.pk, Chronicle(), actor=desk.system, at=MONDAY + DAY, reason="It was wrong.")


def test_a_damaged_timer_is_reported_to_the_column_repaired_and_kept_as_it_was(desk, lived):
    with desk.entered():
        Timer.objects.filter(ticket_id=lived.pk).update(elapsed_seconds=1, breached_at=None)
    damaged = desk.timer(lived)

    said = replayed(desk)
    assert said[:-1] == [
        f"{lived.number} timer sla resolution 1: breached_at is None, by the history 2026-03-02T10:10:00+00:00",
        f"{lived.number} timer sla resolution 1: elapsed_seconds is 1, by the history 10200",
        "1 tickets replayed, 1 differ",
    ]
    assert desk.timer(lived).elapsed_seconds == 1

    assert replayed(desk, is_dry_run=False)[-1] == "1 tickets replayed, 1 differed and were repaired"
    timer = desk.timer(lived)
    assert (timer.pk, timer.elapsed_seconds, timer.breached_at) == (damaged.pk, 10_200, MONDAY + 70 * MINUTE)
    [fact] = desk.told(lived, "sla.repaired")
    [old] = fact.data["old"]["timers"]
    assert (old["elapsed_seconds"], old["breached_at"], old["id"]) == (1, None, str(damaged.pk))
    assert [each[1] for each in fact.data["differences"]] == ["breached_at", "elapsed_seconds"]
    assert replayed(desk) == ["1 tickets replayed, 0 differ"]


def test_a_stretch_and_a_level_that_are_wrong_missing_or_invented_are_put_right(desk, lived):
    timer = desk.timer(lived)
    with desk.entered():
        before = [list(model.objects.order_by("pk").values()) for model in (Segment, LevelFiring)]
        first, second = Segment.objects.filter(timer=timer, number__lte=2).order_by("number")
        Segment.objects.filter(pk=first.pk).update(business_seconds=5)
        second.delete()
        Segment.objects.create(
            organization_id=desk.tenant.id, timer=timer, number=9, kind="paused", began_at=MONDAY, ended_at=MONDAY,
            business_seconds=0, wall_seconds=0,
        )  # fmt: skip
        breach = LevelFiring.objects.filter(timer=timer).order_by("due_at").last()
        breach.delete()
        Ticket.objects.filter(pk=lived.pk).update(sla_due_at=None)

    assert differences(desk, lived) == [
        "segment 1 of sla resolution 1: business_seconds is 5, by the history 600",
        "segment 2 of sla resolution 1 is missing",
        "segment 9 of sla resolution 1 is not in the history",
        f"level {breach.level_id} of sla resolution 1 is missing",
        "ticket: sla_due_at is None, by the history 2026-03-02T10:10:00+00:00",
    ]
    told = len(desk.told(lived))
    repaired(desk, lived)

    assert differences(desk, lived) == []
    with desk.entered():
        after = [list(model.objects.order_by("pk").values()) for model in (Segment, LevelFiring)]
    assert [without_ids(rows) for rows in after] == [without_ids(rows) for rows in before]
    # Nobody is told of a level again.
    assert len(desk.told(lived)) == told + 1
    assert desk.sweep(MONDAY + 5 * HOUR) == 0


def without_ids(rows):
    return sorted(({**row, "id": ""} for row in rows), key=str)


def test_a_timer_that_is_gone_comes_back_under_its_own_id_and_tells_nothing_twice(desk, lived):
    timer = desk.timer(lived)
    with desk.entered():
        Timer.objects.all().delete()

    assert differences(desk, lived)[0] == "timer sla resolution 1 is missing"
    repaired(desk, lived)

    assert desk.timer(lived).pk == timer.pk
    assert differences(desk, lived) == []
    assert desk.sweep(MONDAY + DAY) == 0
    assert [event.name for event in desk.told(lived)] == ["sla.warned", "sla.breached", "sla.repaired"]


def test_a_repair_is_for_who_may_configure(desk, lived):
    from apps.core.errors import Denied

    with desk.entered(), pytest.raises(Denied):
        replaying.repair(lived.pk, Chronicle(), actor=acting(desk.agent), at=timezone.now(), reason="Because.")


def test_one_ticket_can_be_replayed_alone_and_an_unknown_one_is_refused(desk, lived):
    desk.open()

    assert replayed(desk, ticket=lived.number) == ["1 tickets replayed, 0 differ"]
    assert replayed(desk, ticket="INC9999999") == ["There is no ticket INC9999999."]


def test_a_policy_published_during_the_replay_is_taken_into_account(desk, lived, monkeypatch):
    """Or a ticket that was opened by it would be repaired to what was promised before."""
    late = []
    compare = replaying.compare

    def publish_first(ticket, chronicle):
        if not late:
            with_policy = policies.create(actor=desk.system, at=MONDAY, values={"name": "Late", "position": 0})
            draft = policies.draft(with_policy, actor=desk.system, at=MONDAY, content=content(seconds=60))
            policies.publish(draft, actor=desk.system, at=MONDAY)
            late.append(desk.open())
        return compare(ticket, chronicle)

    monkeypatch.setattr(replaying, "compare", publish_first)

    assert replayed(desk) == ["2 tickets replayed, 0 differ"]
    assert desk.timer(late[0]).target_seconds == 60


def test_a_migration_reads_other_records_as_the_ticket_last_noted_them(desk):
    with desk.entered():
        here, there = factories.SiteFactory(), factories.SiteFactory()
        people_of(desk, here, MONDAY)
    policy = desk.only({"match": [{"site": [str(here.pk)]}], "targets": [{"metric": "resolution", "seconds": 3600}]})
    ticket = desk.open()
    with desk.entered():
        people_of(desk, there, MONDAY + MINUTE)
        target = {"metric": "resolution", "seconds": 7200}
        given = {"match": [{"site": [str(here.pk)]}], "targets": [target]}
        draft = policies.draft(policy, actor=desk.system, at=MONDAY + 2 * MINUTE, content=given)
        policies.publish(draft, actor=desk.system, at=MONDAY + 2 * MINUTE)
        moving.migrate(draft, actor=desk.system, at=MONDAY + 3 * MINUTE, limit=10)

    # The ticket itself has not heard yet that its requester moved.
    assert (desk.timer(ticket).stage, desk.timer(ticket).target_seconds) == ("running", 7200)
    desk.change(ticket, MONDAY + HOUR, urgency=1)
    assert desk.timer(ticket).end_reason == "unmatched"
    assert replayed(desk) == ["1 tickets replayed, 0 differ"]


def people_of(desk, site, at):
    """The requester sits there from `at` on."""
    user = type(desk.requester).objects.select_for_update().get(pk=desk.requester.pk)
    people.change_user(user, actor=desk.system, at=at, values={"site_id": site.pk})
