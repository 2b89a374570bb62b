"""What a person may do now: the grants of every role assigned to them or their teams, and how far each reaches."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.authorization import WIDTH, Action, Decision, Reach, ReachColumns, Through, reach_columns_of
from apps.core.errors import Denied
from apps.organizations.lifecycle import OrganizationStatus
from apps.organizations.models import Organization
from apps.users.models import ApiToken, Grant, RoleAssignment, User, UserType
from apps.users.role_table import ADMIN, Table
from apps.users.scopes import granted_by_all

# As many keys as are worth naming one by one in a condition.
MOST_KEYS = 500
# Every request asks this: put together by the ORM it costs as much as the rest of a sign-in.
HELD = """
SELECT held.id, held.role_id, role.version, role.name, held.limited_to_team_id, held.valid_until, mine.teams
FROM users_roleassignment held
JOIN users_role role ON role.organization_id = held.organization_id AND role.id = held.role_id
CROSS JOIN (
    SELECT COALESCE(array_agg(member.team_id), '{}') AS teams
    FROM users_teammember member
    JOIN organizations_team team ON team.organization_id = member.organization_id AND team.id = member.team_id
    WHERE member.organization_id = %(home)s AND member.user_id = %(user)s AND team.deleted_at IS NULL
) mine
WHERE held.organization_id = %(home)s AND (held.user_id = %(user)s OR held.team_id = ANY(mine.teams))
  AND held.valid_from <= %(at)s AND (held.valid_until IS NULL OR held.valid_until > %(at)s)
"""


@dataclass(frozen=True, slots=True)
class HeldGrant:
    """One grant as somebody holds it: by which role, perhaps for one team only, perhaps until an instant."""

    reach: Reach
    role: str
    limited_to_team_id: UUID | None = None
    assignment_id: UUID | None = None
    valid_until: datetime | None = None

    @property
    def effective_reach(self) -> Reach:
        """No further than the team that the assignment is limited to."""
        if self.limited_to_team_id is None or self.reach is Reach.OWN:
            return self.reach
        return Reach.TEAM

    def explain(self, name: str) -> str:
        limit = f", limited to team {self.limited_to_team_id}" if self.limited_to_team_id else ""
        source = f" by assignment {self.assignment_id}" if self.assignment_id else ""
        return f"the role {self.role or 'of direct grants'}{source} grants {name} in reach {self.reach}{limit}"


@dataclass(frozen=True, slots=True)
class Rights:
    """core.authorization.Authorizer for one person at one instant."""

    user_id: UUID
    department_id: UUID | None = None
    team_ids: frozenset[UUID] = frozenset()
    grants: Mapping[tuple[str, str], tuple[HeldGrant, ...]] = field(default_factory=dict)

    def decide(self, action: Action, resource: str, subject: Any = None) -> Decision:
        name = f"{resource}.{action}"
        held = self.grants.get((resource, action), ())
        if not held:
            return Decision(False, None, (f"no role gives the grant {name}",))
        covering = [grant for grant in held if subject is None or self._covers(grant, subject)]
        if not covering:
            return Decision(
                False, None, tuple(f"{grant.explain(name)}, which does not reach this record" for grant in held)
            )
        widest = max(covering, key=lambda grant: WIDTH[grant.effective_reach])
        return Decision(True, widest.effective_reach, tuple(grant.explain(name) for grant in covering))

    def allows(self, action: Action, resource: str, subject: Any = None) -> bool:
        held = self.grants.get((resource, action), ())
        return bool(held) and (subject is None or any(self._covers(grant, subject) for grant in held))

    def within_reach(self, action: Action, resource: str, columns: ReachColumns) -> Q | None:
        condition = Q(pk__in=[])
        for grant in self.grants.get((resource, action), ()):
            if grant.effective_reach is Reach.ORGANIZATION:
                return None
            condition |= self._condition(grant, columns)
        return condition

    def narrowed(self, scopes: Iterable[str]) -> "Rights":
        """What is left of these rights under the scopes of an API token: some of the same grants, none further or new."""
        within = granted_by_all(tuple(scopes))
        return replace(self, grants={key: held for key, held in self.grants.items() if key in within})

    def may_give(
        self,
        action: Action,
        resource: str,
        reach: Reach,
        *,
        limited_to_team_id: UUID | None,
        until: datetime | None,
        is_for_oneself: bool = False,
    ) -> bool:
        """Whether this person holds so much: what they have for one team, or for a time, they give for no more than that.

        "My team" and "my department" are other ones for somebody else; `is_for_oneself` says that they stay the same.
        """
        return any(
            WIDTH[grant.reach] >= WIDTH[reach]
            and self._is_as_wide(grant, reach, limited_to_team_id, is_for_oneself)
            and (grant.valid_until is None or (until is not None and until <= grant.valid_until))
            for grant in self.grants.get((resource, action), ())
        )

    def _is_as_wide(self, grant: HeldGrant, reach: Reach, team_id: UUID | None, is_for_oneself: bool) -> bool:
        if grant.limited_to_team_id is not None:
            return grant.limited_to_team_id == team_id
        if is_for_oneself or reach is Reach.OWN or grant.reach is Reach.ORGANIZATION:
            return True
        return grant.reach is Reach.TEAM and team_id in self.team_ids

    def _covers(self, grant: HeldGrant, subject: Any) -> bool:
        if grant.effective_reach is Reach.ORGANIZATION:
            return True
        columns = reach_columns_of(subject)
        return all(
            any(_holds(accepted, subject, column) for column in columns.get(reach, ()))
            for reach, accepted in self._bounds(grant)
        )

    def _condition(self, grant: HeldGrant, columns: ReachColumns) -> Q:
        whole = Q()
        for reach, accepted in self._bounds(grant):
            any_column = Q(pk__in=[])
            named = columns.get(reach, ())
            is_beside = any(isinstance(column, str) for column in named)
            for column in named:
                if isinstance(column, str):
                    any_column |= Q(**{f"{column}__in": accepted})
                else:
                    any_column |= Q(pk__in=_held(column, accepted) if is_beside else column.records(accepted))
            whole &= any_column
        return whole

    def _bounds(self, grant: HeldGrant) -> list[tuple[Reach, frozenset[UUID]]]:
        """What a record in reach satisfies, all of it: its columns for each reach hold one of these ids."""
        own = {
            Reach.OWN: frozenset({self.user_id}),
            Reach.TEAM: self.team_ids,
            Reach.DEPARTMENT: frozenset({self.department_id} if self.department_id else ()),
        }
        bounds = [(grant.reach, own[grant.reach])] if grant.reach in own and grant.limited_to_team_id is None else []
        if grant.limited_to_team_id is not None:
            bounds = [(Reach.TEAM, frozenset({grant.limited_to_team_id}))]
            if grant.reach is Reach.OWN:
                bounds.append((Reach.OWN, own[Reach.OWN]))
        return bounds


def rights_of(user: User, *, at: datetime) -> Rights:
    """The rights of `user` at `at` (UTC), in one query; what each role grants is cached by the role's version.

    Rights live in the user's own organization: inside another tenant this finds none.
    """
    home = user.organization_id
    with connection.cursor() as cursor:
        cursor.execute(HELD, {"home": home, "user": user.pk, "at": at})
        held = cursor.fetchall()
    team_ids: frozenset[UUID] = frozenset()
    grants: dict[tuple[str, str], list[HeldGrant]] = defaultdict(list)
    for assignment_id, role_id, version, role, limit, until, my_teams in held:
        team_ids = frozenset(my_teams)
        for resource, action, reach in grants_of(home, role_id, version):
            grants[resource, action].append(HeldGrant(Reach(reach), role, limit, assignment_id, until))
    return Rights(user.pk, user.department_id, team_ids, {key: tuple(value) for key, value in grants.items()})


@lru_cache(maxsize=4096)
def grants_of(organization_id: UUID, role_id: UUID, version: int) -> tuple[tuple[str, str, str], ...]:
    """What a role grants at one of its versions; every change of its grants makes a new version."""
    grants = Grant.objects.in_tenant(organization_id).filter(role_id=role_id)
    return tuple(grants.values_list("resource", "action", "reach"))


def _held(through: Through, holders: frozenset[UUID]) -> Any:
    """Beside a column of the record's own, the keys themselves: "this column or in that query" can use no index at all.

    So a requester's list would read every ticket of the organization. Too many keys stay a query.
    """
    keys = list(through.records(holders)[: MOST_KEYS + 1])
    return keys if len(keys) <= MOST_KEYS else through.records(holders)


def _holds(holders: frozenset[UUID], record: Any, column: str | Through) -> bool:
    """By the plain columns first, as they are named first: those cost no query."""
    return getattr(record, column) in holders if isinstance(column, str) else column.holds(holders, record.pk)


def rights_from_table(user_id: UUID, role: str, table: Table) -> Rights:
    """The rights of a built-in role without its rows: for a platform operator in an organization that is not theirs."""
    grants = {
        (resource, str(action)): (HeldGrant(reach, role),)
        for resource, actions in table.items()
        for action, reach in actions.items()
    }
    return Rights(user_id, grants=grants)


def actor_for(user: User, *, at: datetime, session_id: UUID | None = None) -> Actor:
    """The person with the rights they hold at `at` (UTC); for requests, and for jobs that run on somebody's behalf."""
    return user.as_actor(session_id=session_id, authorizer=rights_of(user, at=at))


def actor_by_token(token: ApiToken, *, at: datetime) -> Actor:
    """The owner of a token, with those of their rights at `at` (UTC) that its scopes name."""
    rights = rights_of(token.user, at=at).narrowed(token.scopes)
    return token.user.as_actor(token_id=token.pk, authorizer=rights)


def actor_now(organization_id: UUID, user_id: UUID, at: datetime, home_id: UUID, token_id: UUID | None = None) -> Actor:
    """The person behind a job, with the rights they hold at `at` (UTC), be they at home or an operator acting here.

    What was asked for by an API token is done with no more than that token may. Raises Denied when they may not sign in any
    more, are no operator any more, or the token was revoked or has expired.
    """
    with tenancy.tenant(home_id):
        user = User.objects.in_tenant(home_id).filter(pk=user_id).first()
        if user is None or not user.may_sign_in:
            raise Denied("Whoever asked for this may not sign in any more.", grant="")
        home = Organization.objects.get(pk=home_id)
        is_open = home.status == OrganizationStatus.ACTIVE and home.deleted_at is None
        if home_id == organization_id:
            if not is_open:
                raise Denied("The organization is suspended or deleted.", grant="")
            if token_id is not None:
                return actor_by_token(_token_of(user, token_id, at=at), at=at)
            return actor_for(user, at=at)
        may_act_here = is_open and is_operator(user, home, at=at)
    if not may_act_here:
        raise Denied("Whoever asked for this is no operator any more.", grant="operator")
    return operator_in(organization_id, user)


def _token_of(user: User, token_id: UUID, *, at: datetime) -> ApiToken:
    token: ApiToken | None = ApiToken.objects.in_tenant(user.organization_id).filter(pk=token_id, user=user).first()
    if token is None or token.revoked_at is not None:
        raise Denied("The API token by which this was asked for was revoked.", grant="", code="token_revoked")
    if at >= token.expires_at:
        raise Denied("The API token by which this was asked for has expired.", grant="", code="token_expired")
    token.user = user
    return token


def admin_assignments(*, at: datetime) -> QuerySet[RoleAssignment]:
    """Who holds the built-in Admin role at `at` (UTC) in the tenant in force: themselves, and for the whole organization."""
    held: QuerySet[RoleAssignment] = RoleAssignment.objects.filter(
        role__key=UserType.ADMIN, limited_to_team=None, valid_from__lte=at
    )
    return held.filter(Q(valid_until=None) | Q(valid_until__gt=at))


def is_operator(user: User, home: Organization, *, at: datetime) -> bool:
    """Whether somebody acts in every organization: an administrator of the operators who holds the Admin role at `at` (UTC).

    Asked inside the tenant of `home`; it costs a query only where `home` is the operators'.
    """
    is_candidate = home.is_operator and user.user_type == UserType.ADMIN
    return is_candidate and admin_assignments(at=at).filter(user_id=user.pk).exists()


def operator_in(organization_id: UUID, user: User, *, session_id: UUID | None = None) -> Actor:
    """A platform operator acting in an organization that is not theirs, as its administrator would."""
    at_home = user.as_actor(session_id=session_id, authorizer=rights_from_table(user.pk, "operator", ADMIN))
    return replace(at_home, organization_id=organization_id)
