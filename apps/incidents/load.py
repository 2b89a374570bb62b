"""Many incidents at once, as history: for demonstrations of size and for measurements, never for production.

Rows are written by COPY with the owner's login, ten to fifty times as fast as one by one. Each batch is a transaction: it
reserves its numbers, switches row capture off, copies, has every constraint checked, writes the search documents, and switches
row capture on again; so a crash loses one batch and leaves nothing half done. While a batch runs nobody else writes to these
tables. The events are historic and are delivered to nobody.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from random import Random
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings

from apps.core.models import new_id
from apps.incidents.copying import CAPTURED, Row, Uncaptured, copy_rows
from apps.incidents.lifecycle import LIFECYCLE
from apps.incidents.load_cast import Cast, cast_for
from apps.incidents.stories import DAY, Story, tell
from apps.organizations import numbers
from apps.tickets import search
from apps.tickets.choices import Kind
from apps.tickets.kinds import PREFIXES

BATCH = 5_000
# Few incidents are a fortnight's, many those of two years.
SHORTEST_DAYS, LONGEST_DAYS, DAILY = 14, 730, 50
PREFIX = PREFIXES[Kind.INCIDENT]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a run has written; `digest` is of the stories alone, so that equal seeds give equal ones."""

    tickets: int
    comments: int
    events: int
    digest: str


def generate(
    organization_id: UUID,
    count: int,
    *,
    seed: int,
    at: datetime,
    comments: float = 1.5,
    with_events: bool = True,
    progress: Callable[[int], None] = lambda done: None,
) -> Loaded:
    """Write `count` incidents of the two years before `at` (UTC) into one organization; `progress` is told how many are done.

    The same seed tells the same stories; ids and numbers are new ones each time, so a second run adds more.
    """
    end = datetime(at.year, at.month, at.day, tzinfo=UTC)
    digest, said, facts = hashlib.sha256(), 0, 0
    with psycopg.connect(**_owner(), autocommit=True) as connection:
        with connection.transaction():
            cast = cast_for(connection, organization_id, count, at=end)
        for begin in range(0, count, BATCH):
            random = Random(f"{seed}:{begin}")  # noqa: S311 - made-up texts, no secrets
            stories = _stories(random, (begin, min(begin + BATCH, count), count), cast, comments)
            for story in stories:
                digest.update(repr(astuple(story)).encode())
            with connection.transaction():
                rows = _write(connection, cast, stories, seed=seed, end=end, recorded_at=at, with_events=with_events)
            said, facts = said + rows.comments, facts + rows.events
            progress(begin + len(stories))
        for table in (*CAPTURED, "tickets_searchdocument", "audit_event"):
            connection.execute(f'ANALYZE "{table}"')
    return Loaded(count, said, facts, digest.hexdigest())


def _owner() -> dict[str, Any]:
    """The migrator's login to the database that is in use."""
    login = settings.DATABASE_LOGINS["migrator"]
    named = {"host": login["HOST"], "port": login["PORT"], "user": login["USER"], "password": login["PASSWORD"]}
    # Many documents are written at once: a long list of what the word indexes still have to take in pays.
    options = "-c gin_pending_list_limit=64MB -c work_mem=64MB -c synchronous_commit=off"
    return {
        **{key: value for key, value in named.items() if value},
        "dbname": settings.DATABASES["default"]["NAME"],
        "options": options,
    }


def _stories(random: Random, share: tuple[int, int, int], cast: Cast, comments: float) -> list[Story]:
    """The stories from the first to the last of `share`, of so many, told in the order of their time."""
    first, last, count = share
    span = min(LONGEST_DAYS, max(SHORTEST_DAYS, count // DAILY)) * DAY
    return list(
        tell(
            random,
            last - first,
            begin=span - span * first // count,
            end=span - span * last // count,
            requesters=len(cast.requesters),
            workers=len(cast.workers),
            comments=comments,
        )
    )


class Ids:
    """UUIDv7 of given instants, the same for the same seed, organization and numbers."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)  # noqa: S311 - keys of made-up rows

    def at(self, instant: datetime) -> str:
        bits = self.random.getrandbits(74)
        value = (
            int(instant.timestamp() * 1000) << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & (1 << 62) - 1
        )
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


# --- one batch


def _write(
    connection: "psycopg.Connection[Any]",
    cast: Cast,
    stories: Sequence[Story],
    *,
    seed: int,
    end: datetime,
    recorded_at: datetime,
    with_events: bool,
) -> Loaded:
    last = _reserve(connection, cast.organization, len(stories))
    ids = Ids(f"{seed}:{cast.organization}:{last}")
    tickets, children, comments, facts = [], [], [], []
    for offset, story in enumerate(stories):
        number = numbers.written(PREFIX, last - len(stories) + 1 + offset)
        scene = Scene(cast, story, end, number, ids)
        tickets.append(scene.ticket())
        children.append(scene.incident())
        comments += scene.comments
        if with_events:
            facts += scene.events(recorded_at)
    with Uncaptured(connection):
        copy_rows(connection, "tickets_ticket", TICKET, tickets)
        copy_rows(connection, "incidents_incident", INCIDENT, children)
        copy_rows(connection, "tickets_comment", COMMENT, comments)
        copy_rows(connection, "audit_event", EVENT, facts)
    named = {"organization": cast.organization, "tickets": [row[0] for row in tickets]}
    connection.execute(search.WRITE_MANY, named)
    return Loaded(len(tickets), len(comments), len(facts), "")


def _reserve(connection: "psycopg.Connection[Any]", organization: str, count: int) -> int:
    found = connection.execute(numbers.ADD, [new_id(), organization, PREFIX, count]).fetchone()
    assert found is not None
    return int(found[0])


TICKET = (
    "id", "organization_id", "created_at", "updated_at", "version", "deleted_at", "number", "kind", "title", "description",
    "status", "phase", "impact", "urgency", "priority", "priority_override_reason", "category_id", "requester_id",
    "opened_by_id", "assignee_id", "team_id", "source", "tags", "custom_fields", "hold_reason", "opened_at", "responded_at",
    "resolved_at", "closed_at", "resolution_code", "resolution_notes", "reopen_count", "reassignment_count", "is_major",
    "major_status",
)  # fmt: skip
INCIDENT = ("ticket_ptr_id", "tenant", "workaround", "acknowledged_at", "bridge_url")
COMMENT = (
    "id", "organization_id", "created_at", "updated_at", "version", "ticket_id", "body", "html", "visibility", "author_id",
    "is_automatic",
)  # fmt: skip
EVENT = (
    "id", "organization_id", "name", "subject_type", "subject_id", "actor_kind", "actor_id", "actor_label", "at",
    "recorded_at", "request_id", "via", "is_historic", "changes", "data",
)  # fmt: skip


class Scene:
    """One story as rows of one organization."""

    def __init__(self, cast: Cast, story: Story, end: datetime, number: str, ids: Ids) -> None:
        self.cast, self.story, self.end, self.number, self.ids = cast, story, end, number, ids
        self.opened_at = self.instant(story.opened) or end
        self.id = ids.at(self.opened_at)
        self.requester, self.requester_name = cast.requesters[story.requester]
        self.worker, self.worker_name = cast.workers[story.worker]
        self.comments = [self._comment(each) for each in story.said]

    def instant(self, ago: int | None) -> datetime | None:
        return None if ago is None else self.end - timedelta(seconds=ago)

    def ticket(self) -> Row:
        story, cast = self.story, self.cast
        answered = next((said.ago for said in story.said if said.is_public and not said.by_requester), None)
        return (
            self.id, cast.organization, self.opened_at, self.instant(story.last), 1 + self._changes(), None, self.number,
            Kind.INCIDENT.value, story.title, story.description, story.status, LIFECYCLE.phases[story.status].value,
            story.impact, story.urgency, cast.priorities[story.impact, story.urgency], "",
            cast.categories[story.category], self.requester, self.requester,
            self.worker if story.claimed is not None else None, cast.teams[story.team], story.source, "{}", "{}",
            story.hold_reason, self.opened_at, self.instant(answered), self.instant(story.resolved),
            self.instant(story.closed), story.resolution_code, story.resolution_notes, 0, 0, False, "",
        )  # fmt: skip

    def _changes(self) -> int:
        story = self.story
        return sum(
            moment is not None for moment in (story.claimed, story.held, story.resolved, story.closed, story.cancelled)
        )

    def incident(self) -> Row:
        return (self.id, self.cast.organization, "", self.instant(self.story.claimed), "")

    def _comment(self, said: Any) -> Row:
        at = self.instant(said.ago) or self.end
        author = self.requester if said.by_requester else self.worker
        html = f"<p>{escape(said.body, quote=False)}</p>"
        visibility = "public" if said.is_public else "internal"
        return (self.ids.at(at), self.cast.organization, at, at, 1, self.id, said.body, html, visibility, author, False)

    def events(self, recorded_at: datetime) -> list[Row]:
        """Its facts in their order, as the verbs would have recorded them."""
        story = self.story
        told = [Told(story.opened, "created", False, {"title": [None, story.title]}, {"number": self.number})]
        status = "new"
        steps = (
            (story.claimed, "claimed", "in_progress"),
            (story.held, "put_on_hold", "on_hold"),
            (story.resolved, "resolved", "resolved"),
            (story.closed, "closed", "closed"),
            (story.cancelled, "cancelled", "cancelled"),
        )
        for ago, past, target in steps:
            if ago is not None:
                told.append(Told(ago, past, True, {"status": [status, target]}, {}))
                status = target
        for said, row in zip(story.said, self.comments, strict=True):
            data = {"comment": row[0], "visibility": row[8]}
            told.append(Told(said.ago, "commented", not said.by_requester, {}, data))
        told.sort(key=lambda fact: -fact.ago)
        return [self._event(recorded_at, fact) for fact in told]

    def _event(self, recorded_at: datetime, fact: "Told") -> Row:
        at = self.instant(fact.ago) or self.end
        actor, label = (self.worker, self.worker_name) if fact.by_worker else (self.requester, self.requester_name)
        return (
            self.ids.at(at), self.cast.organization, f"incident.{fact.past}", "incident", self.id, "user", actor, label, at,
            recorded_at, "", "command", True, json.dumps(fact.changes), json.dumps(fact.data),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """A fact of a story: when, what, by whom of the two, and what it says."""

    ago: int
    past: str
    by_worker: bool
    changes: dict[str, Any]
    data: dict[str, Any]
