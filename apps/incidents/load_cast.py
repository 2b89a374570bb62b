"""Who and what loaded incidents are about: the people, teams and categories of an organization, and more where they are few."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from apps.core.models import new_id
from apps.incidents.copying import Row, Uncaptured, copy_rows, read_all
from apps.incidents.story_words import CATEGORIES, FIRST, LAST, TEAMS
from apps.tickets.priorities import DEFAULT
from apps.users.models import UserType


@dataclass(frozen=True, slots=True)
class Cast:
    """Who and what the stories are about, in this organization."""

    organization: str
    requesters: Sequence[tuple[UUID, str]]
    workers: Sequence[tuple[UUID, str]]
    teams: Sequence[UUID]
    categories: Sequence[UUID]
    priorities: dict[tuple[int, int], int]


def cast_for(connection: "psycopg.Connection[Any]", organization_id: UUID, count: int, *, at: datetime) -> Cast:
    """Those who are there; where they are too few for `count` incidents, more are added. None of these can sign in."""
    organization = str(organization_id)
    slug = read_all(connection, "SELECT slug FROM organizations_organization WHERE id = %s", organization)[0][0]
    with Uncaptured(connection):
        people = Named(connection, organization, slug, at)
        requesters = people.of_type(UserType.END_USER, min(2_000, max(20, count // 100)))
        workers = people.of_type(UserType.AGENT, min(60, max(6, count // 2_000)))
        teams = [people.called("organizations_team", name, {"description": "", "email": ""}) for name in TEAMS]
        places = [
            people.called("tickets_category", name, {"description": "", "is_active": True}) for name in CATEGORIES
        ]
        people.join(teams, [pk for pk, _ in workers])
    cells = read_all(
        connection,
        "SELECT impact, urgency, priority FROM tickets_prioritycell WHERE organization_id = %s AND kind = 'incident'",
        organization,
    )
    matrix = {**DEFAULT, **{(impact, urgency): priority for impact, urgency, priority in cells}}
    return Cast(organization, requesters, workers, teams, places, matrix)


PERSON = (
    "id", "organization_id", "created_at", "updated_at", "version", "password", "email", "email_normalised", "full_name",
    "user_type", "is_active", "username", "username_normalised", "employee_number", "employee_number_normalised",
    "job_title", "phone", "is_vip", "is_service_account", "time_zone", "language",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    """The people, teams and categories of one organization, by name."""

    connection: "psycopg.Connection[Any]"
    organization: str
    slug: str
    at: datetime

    def of_type(self, user_type: str, count: int) -> list[tuple[UUID, str]]:
        there = self._people(user_type)
        missing = range(len(there), count)
        copy_rows(self.connection, "users_user", PERSON, [self._person(user_type, number) for number in missing])
        return self._people(user_type)[: max(count, 1)]

    def _people(self, user_type: str) -> list[tuple[UUID, str]]:
        statement = (
            "SELECT id, full_name FROM users_user WHERE organization_id = %s AND user_type = %s AND is_active"
            " AND NOT is_service_account AND deleted_at IS NULL ORDER BY created_at, email_normalised"
        )
        return [(pk, name) for pk, name in read_all(self.connection, statement, self.organization, user_type)]

    def _person(self, user_type: str, number: int) -> Row:
        name = f"{FIRST[number % len(FIRST)]} {LAST[number // len(FIRST) % len(LAST)]}"
        email = f"load-{user_type.replace('_', '-')}-{number}@{self.slug}.example"
        return (
            new_id(), self.organization, self.at, self.at, 1, "!" + "x" * 40, email, email, name, user_type, True, "", "", "",
            "", "", "", False, False, "UTC", "en",
        )  # fmt: skip

    def called(self, table: str, name: str, values: dict[str, Any]) -> UUID:
        living = " AND deleted_at IS NULL" if table == "organizations_team" else ""
        statement = f'SELECT id FROM "{table}" WHERE organization_id = %s AND name = %s{living} LIMIT 1'  # noqa: S608
        found = read_all(self.connection, statement, self.organization, name)
        if found:
            return UUID(str(found[0][0]))
        pk = new_id()
        row = {
            "id": pk,
            "organization_id": self.organization,
            "created_at": self.at,
            "updated_at": self.at,
            "version": 1,
        }
        row |= {"name": name, **values}
        copy_rows(self.connection, table, list(row), [list(row.values())])
        return pk

    def join(self, teams: Sequence[UUID], people: Sequence[UUID]) -> None:
        there = {
            user
            for (user,) in read_all(
                self.connection, "SELECT user_id FROM users_teammember WHERE organization_id = %s", self.organization
            )
        }
        columns = (
            "id",
            "organization_id",
            "created_at",
            "updated_at",
            "version",
            "team_id",
            "user_id",
            "is_lead",
            "capacity",
        )
        rows = [
            (new_id(), self.organization, self.at, self.at, 1, teams[number % len(teams)], pk, False, 10)
            for number, pk in enumerate(people)
            if pk not in there
        ]
        copy_rows(self.connection, "users_teammember", columns, rows)
