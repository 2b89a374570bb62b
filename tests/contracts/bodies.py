"""A valid body for any operation: from its serializer, and from the factory of the model behind it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count, cycle
from typing import Any

import orjson
import pyotp
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.utils import timezone
from rest_framework import serializers

from apps.cmdb.models import ConfigurationItem, Service
from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.api import strict
from apps.core.api.renderers import dumps
from apps.core.models import new_id
from apps.core.secrets import encrypt
from apps.incidents.models import Incident
from apps.organizations.models import HolidayProposal, Site, Team
from apps.tickets.models import Ticket
from apps.users import mfa_tokens
from apps.users.links import mint
from apps.users.models import LinkPurpose, Role, Skill, TotpDevice, User
from tests.contracts import rows
from tests.contracts.routes import Route
from tests.contracts.world import World, session_of
from tests.factories import PASSWORD, CommentFactory, RotaMemberFactory, TeamFactory, hashed_password

Body = dict[str, Any]

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def code_now() -> str:
    return pyotp.TOTP(SECRET).now()


def enrolled(world: World, purpose: str = "", *, is_confirmed: bool = True) -> Body:
    """Everybody of acme with an authenticator that has not been used yet; for a `purpose`, the administrator's mfa_token."""
    at = timezone.now()
    with world.acme.entered():
        for user in world.people.values():
            TotpDevice.objects.update_or_create(
                organization_id=world.acme.id,
                user_id=user.pk,
                defaults={
                    "secret": encrypt(SECRET),
                    "created_at": at,
                    "confirmed_at": at if is_confirmed else None,
                    "last_step": 0,
                },
            )
        admin = User.objects.get(pk=world.people["admin"].pk)
    return {"mfa_token": mfa_tokens.challenge(admin, purpose, at=at).extra["mfa_token"]} if purpose else {}


def with_one_factor(world: World) -> Body:
    """The administrator's password, with whom nothing else is asked for."""
    admin = world.people["admin"]
    with world.acme.entered():
        TotpDevice.objects.filter(user_id=admin.pk).delete()
        User.objects.filter(pk=admin.pk).update(password=hashed_password())
    return {"email": admin.email, "password": PASSWORD}


def changed_password(world: World) -> Body:
    """From everybody's usual one to one that nobody had."""
    with world.acme.entered():
        User.objects.filter(is_service_account=False).update(password=hashed_password())
    return {"current_password": PASSWORD, "new_password": f"a fresh one {new_id()}"}


_hours = count(1)
_selections = cycle(("strictest", "first_match"))


def period() -> Body:
    """A future hour, each time another one."""
    begin = timezone.now() + timedelta(days=400, hours=2 * next(_hours))
    return {"starts_at": begin.isoformat(), "ends_at": (begin + timedelta(hours=1)).isoformat()}


def _team_to_cover(world: World) -> str:
    """One that nothing is promised for, and of which somebody is on call."""
    with world.acme.entered():
        return str(RotaMemberFactory(rota_version__rota__team=TeamFactory()).rota_version.rota.team_id)


def chain() -> Body:
    """On demand, so that it calls nobody to the tickets of other cases."""
    steps = [{"after_minutes": 5, "actions": [{"do": "notify", "to": ["assignee"]}]}]
    return {"name": f"Chain {new_id()}", "chain": "hierarchical", "begins": "on_demand", "steps": steps}


def rota(world: "World") -> Body:
    return {
        "team": str(world.own[Team].pk),
        "time_zone": "Europe/Berlin",
        "starts_on": "2026-01-05",
        "handover_weekday": 0,
        "handover_time": "09:00",
        "members": [str(world.peer.pk), str(world.own[User].pk)],
    }


PROPOSALS = "sla/calendars/<uuid:calendar_pk>/holiday-proposals/"
ICS = b"""BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//test//\r
BEGIN:VEVENT\r
UID:1\r
DTSTART;VALUE=DATE:20261224\r
DTEND;VALUE=DATE:20261225\r
RRULE:FREQ=YEARLY\r
END:VEVENT\r
END:VCALENDAR\r
"""
GRANTS = [{"resource": "sites", "action": "read", "reach": "organization"}]
# What a serializer cannot tell: (route, method) -> the body.
GIVEN: dict[tuple[str, str], Callable[[World], Body]] = {
    ("auth/token/", "POST"): with_one_factor,
    ("auth/token/refresh/", "POST"): lambda world: {"refresh": session_of(world.people["admin"]).refresh},
    ("roles/", "POST"): lambda world: {"name": f"Role {new_id()}", "grants": GRANTS},
    ("roles/<uuid:pk>/", "PATCH"): lambda world: {"name": f"Role {new_id()}", "grants": GRANTS},
    ("auth/token/mfa/", "POST"): lambda world: {**enrolled(world, mfa_tokens.REQUIRED), "code": code_now()},
    ("auth/mfa/setup/", "POST"): lambda world: enrolled(world, mfa_tokens.SETUP, is_confirmed=False),
    ("auth/mfa/confirm/", "POST"): lambda world: {
        **enrolled(world, mfa_tokens.SETUP, is_confirmed=False),
        "code": code_now(),
    },
    ("auth/mfa/disable/", "POST"): lambda world: enrolled(world) | {"code": code_now()},
    ("auth/mfa/recovery-codes/", "POST"): lambda world: enrolled(world) | {"code": code_now()},
    ("auth/password/change/", "POST"): changed_password,
    # Whose they are, one may say for service accounts alone.
    ("auth/api-tokens/", "POST"): lambda world: {
        "name": f"Token {new_id()}",
        "scopes": ["sites:read"],
        "expires_at": "2027-03-01T09:00:00Z",
    },
    # To a user or to a team, never to both.
    ("role-assignments/", "POST"): lambda world: {
        "role": str(world.own[Role].pk),
        "user": str(world.peer.pk),
        "limited_to_team": str(world.own[Team].pk),
        "valid_until": "2027-03-01T09:00:00Z",
    },
    ("auth/password/reset/", "POST"): lambda world: {"email": world.peer.email},
    ("auth/password/reset/confirm/", "POST"): lambda world: {
        "token": link_of(world.peer),
        "new_password": f"correct horse {new_id()}",
    },
    ("users/import/", "POST"): lambda world: {"csv": "email,full_name\nnew@acme.example,Somebody New\n"},
    # Somebody who is not in the team yet; a skill is named inside a list.
    ("teams/<uuid:team_pk>/members/", "POST"): lambda world: {
        "user": str(world.own[User].pk),
        "skills": [{"skill": str(world.own[Skill].pk), "level": 3}],
    },
    ("teams/<uuid:team_pk>/members/<uuid:pk>/", "PATCH"): lambda world: {"is_lead": True, "capacity": 7},
    # Their own, at a time that no other absence has.
    ("absences/", "POST"): lambda world: period() | {"delegate": str(world.own[User].pk)},
    ("absences/<uuid:pk>/", "PATCH"): lambda world: {"note": "back soon", "delegate": str(world.own[User].pk)},
    ("on-call/rotas/", "POST"): lambda world: rota(world) | {"name": f"Rota {new_id()}"},
    ("on-call/rotas/<uuid:pk>/", "PATCH"): lambda world: {"handover_time": "10:00", "members": [str(world.peer.pk)]},
    ("on-call/coverages/", "POST"): lambda world: {
        "team": _team_to_cover(world),
        "time_zone": "Europe/Berlin",
        "covered_from": (timezone.now() + timedelta(days=400)).isoformat(),
    },
    ("on-call/coverages/<uuid:pk>/", "PATCH"): lambda world: {"time_zone": "Europe/Paris"},
    ("on-call/rotas/<uuid:rota_pk>/overrides/", "POST"): lambda world: period() | {"user": str(world.own[User].pk)},
    ("on-call/rotas/<uuid:rota_pk>/overrides/<uuid:pk>/", "PATCH"): lambda world: {"reason": "swapped"},
    ("teams/bulk/", "POST"): lambda world: many(world, Team),
    ("sites/bulk/", "POST"): lambda world: many(world, Site),
    ("services/bulk/", "POST"): lambda world: many(world, Service),
    ("configuration-items/bulk/", "POST"): lambda world: many(world, ConfigurationItem),
    # With whom it is shared decides whether it names a team.
    ("views/", "POST"): lambda world: {"name": f"View {new_id()}", "filters": {"phase": "new"}, "ordering": "priority"},
    ("views/<uuid:pk>/", "PATCH"): lambda world: {"name": f"View {new_id()}"},
    ("sla/calendars/<uuid:pk>/calculate/", "POST"): lambda world: {
        "items": [{"start": "2026-11-23T09:00:00Z", "seconds": 60}]
    },
    ("sla/calendars/<uuid:pk>/occurrences/", "POST"): lambda world: {
        "rule": "FREQ=MONTHLY;BYMONTHDAY=10",
        "start": "2026-11-23T09:00:00Z",
    },
    (f"{PROPOSALS}propose/", "POST"): lambda world: {"country": "DE", "years": [2030]},
    (f"{PROPOSALS}import/", "POST"): lambda world: {"file": SimpleUploadedFile("days.ics", ICS)},
    (f"{PROPOSALS}confirm/", "POST"): lambda world: {"ids": [str(world.own[HolidayProposal].pk)]},
    (f"{PROPOSALS}dismiss/", "POST"): lambda world: {"ids": [str(world.own[HolidayProposal].pk)]},
    ("exports/", "POST"): lambda world: {"resource": "sites", "format": "csv"},
    # Whose and what it is cannot be changed.
    ("role-assignments/<uuid:pk>/", "PATCH"): lambda world: {"valid_until": "2027-03-01T09:00:00Z"},
}
# What stays as it is would be no change.
GIVEN |= {
    ("tickets/<record:ticket_pk>/comments/<uuid:pk>/", "PATCH"): lambda world: {"body": f"Changed {new_id()}"},
    ("tickets/<record:ticket_pk>/attachments/<uuid:pk>/", "PATCH"): lambda world: {"visibility": "internal"},
}
# The verbs of a ticket, at the queue's address and at its practice's.
SAID: dict[str, Callable[[World], Body]] = {
    "reject/": lambda world: {"reason": "On the phone"},
    "assign/": lambda world: {"team": str(world.own[Team].pk)},
    "hold/": lambda world: {"reason": "awaiting_vendor"},
    "resume/": lambda world: {"comment": ""},
    "resolve/": lambda world: {"resolution_code": "solution_provided", "resolution_notes": "Restarted."},
    "close/": lambda world: {"comment": ""},
    "escalate/": lambda world: {"to": "functional", "team": str(world.own[Team].pk), "reason": "network"},
    "override-priority/": lambda world: {"priority": 2, "reason": "the board waits"},
    # There is one kind so far, which it is already.
    "convert/": lambda world: {"to": "incident"},
    "merge/": lambda world: {"into": str(world.fresh(Incident, world.peer).pk)},
    "": lambda world: {"title": f"Renamed {new_id()}"},
}
for address in ("tickets/", "incidents/"):
    GIVEN |= {(f"{address}<record:pk>/{verb}", "POST" if verb else "PATCH"): made for verb, made in SAID.items()}
    GIVEN[f"{address}bulk/", "POST"] = lambda world: {
        "ids": [str(world.fresh(Incident, world.peer).pk)],
        "action": "update",
        "params": {"title": f"Renamed {new_id()}"},
    }
GIVEN["incidents/", "POST"] = lambda world: {"title": "Mail is down", "impact": 2, "urgency": 2}
# What is there already would be a duplicate, and what stays as it is would be no change.
GIVEN |= {
    ("tickets/<record:ticket_pk>/links/", "POST"): lambda world: {
        "type": "relates_to",
        "to": str(world.fresh(Incident, world.peer).pk),
    },
    ("tickets/<record:ticket_pk>/tasks/", "POST"): lambda world: {"title": "Order", "team": str(world.own[Team].pk)},
    ("tickets/<record:ticket_pk>/tasks/<uuid:pk>/", "PATCH"): lambda world: {"title": f"Renamed {new_id()}"},
    ("tickets/<record:ticket_pk>/worklogs/", "POST"): lambda world: {"minutes": 30},
    ("tickets/<record:ticket_pk>/worklogs/<uuid:pk>/", "PATCH"): lambda world: {"note": f"Looked {new_id()}"},
    ("tags/<uuid:pk>/", "PATCH"): lambda world: {"description": f"Described {new_id()}"},
    ("custom-fields/<uuid:pk>/", "PATCH"): lambda world: {"label": f"Renamed {new_id()}"},
    # The factory's say 4.
    ("priority-matrix/<uuid:pk>/", "PATCH"): lambda world: {"priority": next(_hours) % 3 + 1},
}
# Rules and queues are checked as a whole; a team has one queue, and who did not get an offer refuses none.
GIVEN |= {
    ("assignment-rules/", "POST"): lambda world: {
        "name": f"Rule {new_id()}",
        "match": {"priority": [1, 2]},
        "team": str(world.own[Team].pk),
    },
    ("assignment-rules/<uuid:pk>/", "PATCH"): lambda world: {"name": f"Rule {new_id()}"},
    ("assignment-rules/dry-run/", "POST"): lambda world: {
        "limit": 10,
        "rule": {"match": {"source": ["phone"]}, "team": str(world.own[Team].pk)},
    },
    ("assignment-queues/", "POST"): lambda world: {"team": str(world.fresh(Team, world.peer).pk)},
    ("assignment-queues/<uuid:pk>/", "PATCH"): lambda world: {"most_tries": next(_hours) % 9 + 1},
    ("closing/settings/", "PATCH"): lambda world: {"reopen_within": next(_hours) % 300 + 1},
}
# What a policy says is checked as a whole; what it publishes or tries is its draft.
GIVEN |= {
    ("sla/policies/<uuid:policy_pk>/versions/", "POST"): lambda world: {
        "targets": [{"metric": "resolution", "seconds": 3600}]
    },
    ("sla/policies/<uuid:pk>/publish/", "POST"): lambda world: {},
    ("sla/policies/<uuid:pk>/dry-run/", "POST"): lambda world: {},
    ("sla/calendars/<uuid:pk>/dry-run/", "POST"): lambda world: {"time_zone": "Asia/Kathmandu"},
    ("escalation-policies/", "POST"): lambda world: chain(),
    ("escalation-policies/<uuid:pk>/", "PATCH"): lambda world: {"description": f"Until {new_id()}"},
    ("escalation-policies/<uuid:pk>/preview/", "POST"): lambda world: {"ticket": str(world.own[Ticket].pk)},
    ("sla/timers/<uuid:pk>/deadline/", "POST"): lambda world: {
        "due_at": (timezone.now() + timedelta(days=30)).isoformat(),
        "reason": "agreed",
    },
    ("sla/settings/", "PATCH"): lambda world: {"selection": next(_selections)},
}
GIVEN |= {
    ("incidents/<record:pk>/major/hand-over/", "POST"): lambda world: {
        "role": "commander",
        "to": str(world.peer.pk),
        "reason": "The shift ends",
    },
    ("incidents/<record:pk>/major/bridge/", "POST"): lambda world: {"bridge_url": "https://meet.example/room"},
    ("major-rules/", "POST"): lambda world: {"name": f"Rule {new_id()}", "match": [{"priority": [1]}]},
    ("major-rules/<uuid:pk>/", "PATCH"): lambda world: {"name": f"Rule {new_id()}"},
    ("major-rules/dry-run/", "POST"): lambda world: {"limit": 10},
}
# What must hang from the very row of the address: route -> that part of the body.
OF_ROW: dict[str, Callable[[World, Any], Body]] = {
    f"{address}/<record:pk>/split/": lambda world, row: {"comment": comment_on(world, row)}
    for address in ("tickets", "incidents")
} | {f"{PROPOSALS}{verb}/": lambda world, row: {"ids": [str(row.pk)]} for verb in ("confirm", "dismiss")}


def comment_on(world: World, ticket: Any) -> str:
    with world.acme.entered():
        return str(CommentFactory(ticket=Ticket.objects.get(pk=ticket.pk), author=world.peer).pk)


def many(world: World, model: type[Any]) -> Body:
    """A bulk request for one row, so that it records one event like any other write."""
    row = world.fresh(model, world.peer)
    return {"ids": [str(row.pk)], "action": "update", "params": {"name": f"Renamed {row.pk}"}}


# What a read must be asked: route -> the query, with somebody of the given world's side in it.
ASKED: dict[str, Callable[[User], dict[str, str]]] = {
    "auth/permissions/explain/": lambda user: {"user": str(user.pk), "resource": "teams", "action": "read"},
}
# The ids that such a query may name: route -> parameter -> the model, and what else the query then says.
ASKED_FOR: dict[str, dict[str, tuple[type[Any], dict[str, str]]]] = {
    "auth/permissions/explain/": {
        "user": (User, {}),
        "object": (Team, {"resource": "teams"}),
    },
}
# A plain id in an action's input refers to the model of the view's reference, or of the registry, that is called alike;
# where it is called otherwise, here: (serializer, field) -> model.
NAMED: dict[tuple[str, str], type[Any]] = {}


def link_of(user: User) -> str:
    """The token of a link that was mailed to somebody."""
    with tenancy.tenant(user.organization_id), transaction.atomic():
        return mint(user, LinkPurpose.RESET, at=timezone.now())


def valid_body(world: World, route: Route, method: str) -> Body:
    """What `method` accepts from an administrator of acme."""
    if (str(route), method) in GIVEN:
        return GIVEN[str(route), method](world)
    serializer = route.input(method)
    if serializer is None:
        return {}
    body = _of_model(world, serializer) if isinstance(serializer, serializers.ModelSerializer) else {}
    for name, field in serializer.fields.items():
        if name not in body and field.required and not field.read_only:
            body[name] = sample(world, route, serializer, name, field)
    return body


def valid_query(world: World, route: Route, method: str) -> dict[str, str]:
    """What a read of acme must be asked, by anybody: nothing, but for a few."""
    return ASKED[str(route)](world.peer) if method in {"GET", "HEAD"} and str(route) in ASKED else {}


def _of_model(world: World, serializer: serializers.ModelSerializer) -> Body:
    model = serializer.Meta.model
    fields = {name: field for name, field in serializer.fields.items() if not (field.read_only or field.write_only)}
    plain = tuple(name for name, field in fields.items() if not isinstance(field, strict.ReferenceField))
    with world.acme.entered():
        row = rows.factory_of(model).build(**{field.name: None for field in rows.references(model)})
        context = {"actor": Actor.system(world.acme.id, "test"), "fields": plain}
        body: Body = orjson.loads(dumps(type(serializer)(context=context).to_representation(row)))
    for name, target in reference_fields(serializer):
        if name in fields:
            body[name] = str(world.own[target].pk)
    return body


def reference_fields(serializer: serializers.BaseSerializer | None) -> Iterator[tuple[str, type[Any]]]:
    """The writable references of a body, each with the model that it refers to."""
    for name, field in getattr(serializer, "fields", {}).items():
        if not field.read_only and isinstance(field, serializers.PrimaryKeyRelatedField):
            yield name, field.queryset.model


def plain_ids(route: Route, serializer: serializers.BaseSerializer | None) -> Iterator[tuple[str, type[Any]]]:
    """The writable ids of an action's input, each with the model that its name refers to."""
    if isinstance(serializer, serializers.ModelSerializer):
        return
    for name, field in getattr(serializer, "fields", {}).items():
        if not field.read_only and isinstance(field, serializers.UUIDField):
            yield name, model_called(route, serializer, name)


def model_called(route: Route, serializer: Any, name: str) -> type[Any]:
    given = NAMED.get((type(serializer).__name__, name))
    if given is not None:
        return given
    own = {field.name: field.remote_field.model for field in rows.references(route.model)} if route.model else {}
    every = {str(model._meta.verbose_name).replace(" ", "_"): model for model in rows.tenant_models()}
    found = own.get(name) or every.get(name)
    assert found is not None, f"what does {name} of {type(serializer).__name__} refer to? Say so in bodies.NAMED"
    return found


def sample(world: World, route: Route, serializer: Any, name: str, field: serializers.Field) -> Any:
    """A value of the field's type."""
    for kind, make in _SAMPLES:
        if isinstance(field, kind):
            return make(field)
    if isinstance(field, serializers.PrimaryKeyRelatedField):
        return str(world.own[field.queryset.model].pk)
    if isinstance(field, serializers.UUIDField):
        return str(world.own[model_called(route, serializer, name)].pk)
    if isinstance(field, serializers.ListSerializer | serializers.ListField):
        return [sample(world, route, serializer, name, field.child)]
    if isinstance(field, serializers.BaseSerializer):
        return {
            inner: sample(world, route, field, inner, child)
            for inner, child in field.fields.items()
            if child.required and not child.read_only
        }
    raise AssertionError(f"no sample for {type(field).__name__} {name} of {route}; add one to bodies.py")


_SAMPLES: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (serializers.FileField, lambda field: SimpleUploadedFile("notes.txt", b"some words")),
    (serializers.BooleanField, lambda field: True),
    (serializers.ChoiceField, lambda field: next(str(choice) for choice in field.choices if choice != "")),
    (serializers.IntegerField, lambda field: field.min_value if field.min_value is not None else 1),
    (serializers.DateTimeField, lambda field: "2027-03-01T09:00:00Z"),
    (serializers.DateField, lambda field: "2027-03-01"),
    (serializers.EmailField, lambda field: "somebody.new@acme.example"),
    (strict.TimeZoneField, lambda field: "UTC"),
    (strict.ClockField, lambda field: "09:00"),
    (serializers.URLField, lambda field: "https://example.org/"),
    (serializers.DictField | serializers.JSONField, lambda field: {}),
    (serializers.CharField, lambda field: "text".ljust(getattr(field, "min_length", None) or 0, "x")),
)


def owned(model: type[Any] | None) -> bool:
    """Whether rows of this model belong to people, so that a colleague's row differs from one's own. People belong to nobody."""
    if model is None or model is User or model in rows.OWNED_BY_ID:
        return model in rows.OWNED_BY_ID
    return any(field.remote_field.model is User for field in rows.references(model))
