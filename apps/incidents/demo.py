"""A fortnight of the demo's service desk: incidents in every state, with what was said, a family, and a major one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.files.base import ContentFile
from django.db import transaction

from apps.cmdb.models import ConfigurationItem, Service
from apps.core import demo, events, tenancy
from apps.core.actors import Actor
from apps.incidents import candidates, major, services
from apps.incidents.models import Incident
from apps.organizations.models import Team
from apps.organizations.services import find_organization
from apps.tickets import attachment_files, attachments, conversation, verbs
from apps.tickets.choices import Kind, Source, Visibility
from apps.tickets.models import Ticket
from apps.users.models import User
from apps.users.rights import actor_for

DESK, NETWORK = "Service Desk", "Network"


@dataclass(frozen=True, slots=True)
class Step:
    """Something that somebody of the cast did, so many minutes after the step before."""

    minutes: int
    who: str
    verb: str
    given: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Story:
    """One incident: opened so many hours before the demo was loaded, and what became of it."""

    title: str
    description: str
    hours_ago: float
    steps: tuple[Step, ...] = ()
    requester: str = "requester"
    impact: int = 3
    urgency: int = 3
    team: str = DESK
    service: str = "Workplace"
    item: str = ""
    source: str = Source.PORTAL
    tags: tuple[str, ...] = ()
    below: str = ""


def says(minutes: int, who: str, body: str) -> Step:
    return Step(minutes, who, "say", {"body": body, "visibility": Visibility.PUBLIC})


def notes(minutes: int, who: str, body: str) -> Step:
    return Step(minutes, who, "say", {"body": body, "visibility": Visibility.INTERNAL})


def claims(minutes: int, who: str = "agent") -> Step:
    return Step(minutes, who, "claim")


def holds(minutes: int, reason: str, comment: str, who: str = "agent") -> Step:
    return Step(minutes, who, "hold", {"reason": reason, "comment": comment})


def resolves(minutes: int, code: str, text: str, who: str = "agent") -> Step:
    return Step(minutes, who, "resolve", {"resolution_code": code, "resolution_notes": text})


OUTAGE = "Nobody can send mail"
UNATTENDED = "Nobody at the warehouse can scan"
STORIES = (
    Story("Laptop battery lasts twenty minutes", "Since the last update it is empty before the first meeting ends.", 2),
    Story(
        "Cannot print to the third floor", "The queue shows my jobs as held.", 5,
        service="Printing", urgency=2, source=Source.PHONE,
    ),
    Story(
        "VPN drops every ten minutes", "At home only; the office is fine.", 26,
        (claims(12, "agent2"), says(4, "agent2", "I see the drops in our log. Which router do you have at home?"),
         says(55, "requester", "The grey one of the provider, a year old."),
         Step(1, "requester", "attach", {"name": "vpn-log.txt", "text": "09:10 up\n09:20 down: no answer\n09:21 up\n"}),
         notes(10, "agent2", "MTU again, see the last three of these.")),
        team=NETWORK, service="Internet and Wi-Fi", urgency=2, tags=("vpn",),
    ),
    Story(
        "Payslip of last month is missing", "October is there, November is not.", 50,
        (claims(30), holds(15, "awaiting_requester", "Do you see the month if you choose **All years**?")),
        requester="requester2", service="Payroll", impact=2,
    ),
    Story(
        "Docking station does not wake the screens", "I unplug it each morning.", 74,
        (claims(41), says(6, "agent", "We ordered another model for you."), holds(2, "awaiting_vendor", "Order 4711, due on Friday.")),
    ),
    Story(
        "Wi-Fi in the canteen is slow", "Not one page at noon.", 98,
        (claims(20, "agent2"), notes(30, "agent2", "access-point-07 is in maintenance; the change is planned."),
         holds(5, "awaiting_change", "Waits for the new access point.", "agent2")),
        team=NETWORK, service="Internet and Wi-Fi", item="access-point-07", impact=2,
    ),
    Story(
        "Password expired during my holiday", "I am locked out.", 30,
        (claims(3), resolves(4, "solution_provided", "Unlocked, and a new password set together on the phone.")),
        requester="requester2", source=Source.PHONE,
    ),
    Story(
        "Mouse pointer jumps", "Only on the white desk.", 122,
        (resolves(9, "user_error", "The desk reflects; a mouse pad helps."),
         Step(1500, "requester", "close", {"comment": "It does, thank you!"})),
        source=Source.PHONE,
    ),
    Story(
        "Calendar invitations arrive twice", "Each one, since Monday.", 170,
        (claims(25), resolves(90, "workaround_provided", "The old phone is removed from the account."),
         Step(600, "requester", "reopen", {"reason": "They are back."}),
         notes(45, "agent", "A second rule on the server; asked the mail team.")),
        service="E-mail", item="mail-01", urgency=2,
    ),
    Story(
        "Please install the drawing program", "For the new brochure.", 220,
        (Step(35, "requester", "cancel", {"reason": "It is a request, I ordered it in the catalogue."}),),
    ),
    Story(
        "Shared folder of Finance is empty", "Everything was there yesterday.", 290,
        (claims(6), says(2, "agent", "We restore it from last night."),
         resolves(70, "solution_provided", "Restored from the backup of 02:00; it had been moved by mistake."),
         Step(120, "requester2", "close", {"comment": "All there again."})),
        requester="requester2", impact=2, urgency=1, service="E-mail", tags=("backup",),
    ),
    # Promised within eight hours, around the clock, and nobody has come to it.
    Story(
        "Time clock at the gate shows yesterday", "Everybody who came since the night shift is booked wrongly.", 11,
        (claims(18), says(5, "agent", "We have told the vendor; write your times down until then."),
         notes(200, "agent", "No call back yet.")),
        impact=2, urgency=1, source=Source.PHONE,
    ),
    # The major incident, and those who called about the same.
    Story(
        OUTAGE, "Messages stay in the outbox, in every office.", 3,
        (claims(4), Step(3, "agent", "propose", {"reason": "Every office is affected"}),
         Step(5, "manager", "accept", {"reason": "Every office is affected", "update_interval_minutes": 30}),
         says(2, "agent", "We know of it and are working on it. The next news within half an hour."),
         notes(11, "agent2", "The mail store is read-only: its disk is full."),
         says(14, "agent", "The cause is found; mail will leave again within the hour.")),
        impact=1, urgency=1, service="E-mail", item="mailstore", source=Source.MONITORING, tags=("outage",),
    ),
    Story("My mail does not leave", "Nothing since nine.", 2.9, service="E-mail", source=Source.PHONE, below=OUTAGE),
    Story("Outbox is full", "Forty messages wait.", 2.8, requester="requester2", service="E-mail", below=OUTAGE),
    Story(
        "Customers do not get our answers", "They call us instead.", 2.7,
        service="E-mail", urgency=2, source=Source.CHAT, below=OUTAGE,
    ),
)  # fmt: skip


RULES: tuple[dict[str, Any], ...] = (
    {"name": "More than 20 callers", "match": [{}], "more_children_than": 20, "is_active": True},
    {"name": "Critical, on a critical service", "match": [{"priority": [1], "service_criticality": [1]}]},
)


@demo.part(floor=7)
def load(at: datetime, accounts: dict[str, Any]) -> None:
    for slug in accounts:
        organization_id = find_organization(slug)
        assert organization_id is not None, "the floor below has made it"
        with tenancy.tenant(organization_id), transaction.atomic():
            if Team.objects.exists() and not Ticket.objects.of_kind(Kind.INCIDENT).exists():
                desk = _Desk(slug, at)
                desk.tell()
                desk.write_rules()
                desk.leave_alone()


class _Desk:
    """One organization's service desk at the time of loading."""

    def __init__(self, slug: str, at: datetime) -> None:
        self.at = at
        people = {user.email: user for user in User.objects.alive().filter(email__endswith=f"@{slug}.example")}
        self.people = {email.partition("@")[0]: user for email, user in people.items()}
        self.actors = {role: actor_for(user, at=at) for role, user in self.people.items()}
        self.teams = dict(Team.objects.values_list("name", "id"))
        self.services = dict(Service.objects.values_list("name", "id"))
        self.items = dict(ConfigurationItem.objects.values_list("name", "id"))
        self.told: dict[str, Incident] = {}

    def tell(self) -> None:
        """All stories in the order of their beginnings, each to its end."""
        for story in sorted(STORIES, key=lambda story: -story.hours_ago):
            begin = self.at - timedelta(hours=story.hours_ago)
            incident = self.told[story.title] = self._open(story, begin)
            for step, moment in _moments(story, begin):
                DONE.get(step.verb, _do)(incident, step, self.actors[step.who], moment)

    def write_rules(self) -> None:
        """What would be a major incident by itself: many callers, in force; a critical service, to be switched on."""
        platform = Actor.system(self.actors["agent"].organization_id, "demo")
        for rule in RULES:
            candidates.create(actor=platform, at=self.at, values=rule)

    def leave_alone(self) -> None:
        """The one thing that happens while somebody watches: a critical incident that nobody comes to climbs by itself."""
        values = {
            "title": UNATTENDED,
            "description": "The scanners say that the server does not answer; lorries are waiting.",
            "impact": 1,
            "urgency": 1,
            "requester_id": self.people["requester"].pk,
            "team_id": self.teams[DESK],
            # Somebody else than who is on call.
            "assignee_id": self.people["agent2"].pk,
            "source": Source.PHONE,
        }
        with events.present():
            services.create(actor=self.actors["agent"], at=self.at, values=values)

    def _open(self, story: Story, at: datetime) -> Incident:
        values: dict[str, Any] = {
            "title": story.title,
            "description": story.description,
            "impact": story.impact,
            "urgency": story.urgency,
            "requester_id": self.people[story.requester].pk,
            "team_id": self.teams[story.team],
            "service_id": self.services.get(story.service),
            "configuration_item_id": self.items.get(story.item),
            "source": story.source,
            "tags": list(story.tags),
        }
        if story.below:
            values["parent_id"] = self.told[story.below].pk
        # By the desk: a requester names no team.
        return services.create(actor=self.actors["agent"], at=at, values=values)


def _moments(story: Story, begin: datetime) -> Iterator[tuple[Step, datetime]]:
    moment = begin
    for step in story.steps:
        moment += timedelta(minutes=step.minutes)
        yield step, moment


def _do(incident: Incident, step: Step, actor: Actor, at: datetime) -> None:
    verbs.do(incident, step.verb, actor=actor, at=at, **step.given)


def _say(incident: Incident, step: Step, actor: Actor, at: datetime) -> None:
    conversation.add_comment(incident, actor=actor, at=at, **step.given)


def _propose(incident: Incident, step: Step, actor: Actor, at: datetime) -> None:
    major.propose(incident, actor=actor, at=at, **step.given)


def _accept(incident: Incident, step: Step, actor: Actor, at: datetime) -> None:
    major.accept(incident, actor=actor, at=at, **step.given)


def _attach(incident: Incident, step: Step, actor: Actor, at: datetime) -> None:
    upload = attachments.looked_through(ContentFile(step.given["text"].encode()), step.given["name"])
    key = attachment_files.store(incident.organization_id, upload.file)
    attachments.add_attachment(incident, upload, actor=actor, at=at, storage_key=key, visibility=Visibility.PUBLIC)


DONE: dict[str, Callable[[Incident, Step, Actor, datetime], None]] = {
    "say": _say,
    "attach": _attach,
    "propose": _propose,
    "accept": _accept,
}
