"""Minimal rows, one factory per model. Call them inside a tenant; organizations make their own."""

import functools
import json
from datetime import date, timedelta
from typing import Any

import factory
from django.contrib.auth.hashers import make_password
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.utils import timezone

from apps.audit.models import Dispatch, Event
from apps.cmdb.models import CiClass, ConfigurationItem, Service
from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.models import DenialCount, IdempotencyKey, Job, JobTick, new_id
from apps.core.secrets import encrypt
from apps.incidents.models import DuplicateSuspicion, Handover, ImportedIncident, Incident, MajorRule, MajorUpdate
from apps.notifications.models import Mail, MailboxMessage
from apps.organizations.calendar_records import first_version
from apps.organizations.models import (
    BusinessCalendar,
    CalendarVersion,
    CostCentre,
    Department,
    HolidayProposal,
    NumberSeries,
    Organization,
    Site,
    Team,
)
from apps.sla.models import (
    Acknowledgement,
    Breach,
    EscalationFiring,
    EscalationPolicy,
    EscalationRun,
    Level,
    LevelFiring,
    Notice,
    Policy,
    PolicyVersion,
    Reading,
    Segment,
    Target,
    Timer,
)
from apps.sla.models import Settings as SlaSettings
from apps.tickets import attachment_files
from apps.tickets.models import (
    AssignmentQueue,
    AssignmentRule,
    AssignmentTurn,
    Attachment,
    CannedReply,
    Category,
    ClosingSettings,
    Comment,
    CommentEdit,
    Countdown,
    CustomField,
    Link,
    Merge,
    Placement,
    PriorityCell,
    SavedView,
    SearchDocument,
    Tag,
    Task,
    TaskDependency,
    Ticket,
    Watcher,
    Worklog,
)
from apps.users.access import assign_built_in, create_built_in_roles
from apps.users.models import (
    Absence,
    ApiToken,
    ApiTokenUse,
    CostCentreOwner,
    DepartmentHead,
    Grant,
    LinkPurpose,
    MemberSkill,
    OnCallCoverage,
    OnCallOverride,
    OnCallRota,
    OperatorVisit,
    PasswordHistory,
    PasswordLink,
    Presence,
    RecoveryCode,
    Role,
    RoleAssignment,
    RotaMember,
    RotaVersion,
    ServiceAccount,
    Session,
    SignInCounter,
    Skill,
    TeamMember,
    TotpDevice,
    User,
    UserType,
    normalise_email,
)
from apps.users.role_table import BUILT_IN
from tests.sink.models import Arrival, Pulse

PASSWORD = "correct horse battery"
_hashed: list[str] = []


def hashed_password() -> str:
    """Argon2 is slow on purpose; one hash serves every test's users."""
    if not _hashed:
        _hashed.append(make_password(PASSWORD))
    return _hashed[0]


def make_organization(**values: Any) -> Organization:
    """An organization, written inside its own tenant as the wall demands."""
    organization = Organization(id=new_id(), created_at=timezone.now(), updated_at=timezone.now(), **values)
    with tenancy.tenant(organization.pk), transaction.atomic():
        organization.save(force_insert=True)
        if has_shortcut():
            _write_built_in_roles(organization)
        else:
            create_built_in_roles(organization.pk, at=timezone.now())
    return organization


@functools.cache
def has_shortcut() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regproc('shortcuts.write_roles') IS NOT NULL")
        return bool(cursor.fetchone()[0])


def _write_built_in_roles(organization: Organization) -> None:
    """What create_built_in_roles writes, see tests/shortcuts.sql."""
    at = timezone.now().isoformat()
    roles = [
        {
            "id": str(new_id()),
            "organization_id": str(organization.pk),
            "name": UserType(key).label,
            "key": key,
            "description": "Built in; copy it to change it.",
            "requires_mfa": False,
            "version": 1,
            "created_at": at,
            "updated_at": at,
            "grants": [
                (resource, action, reach) for resource, actions in table.items() for action, reach in actions.items()
            ],
        }
        for key, table in BUILT_IN.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute("SELECT shortcuts.write_roles(%s)", [json.dumps(roles)])


def make_person(**values: Any) -> User:
    """A user with the built-in role of their type."""
    user: User = UserFactory(**values)
    assign_built_in(user, actor=Actor.system(user.organization_id, "test"), at=user.created_at)
    return user


class OrganizationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Organization

    name = factory.Sequence(lambda n: f"Organization {n}")
    slug = factory.Sequence(lambda n: f"organization-{n}")

    @classmethod
    def _create(cls, model_class: type[Organization], *args: Any, **values: Any) -> Organization:
        return make_organization(**values)


class TenantFactory(factory.django.DjangoModelFactory):
    """Fills the tenant from the one in force."""

    class Meta:
        abstract = True

    organization_id = factory.LazyFunction(tenancy.required_organization_id)


class VersionedFactory(TenantFactory):
    class Meta:
        abstract = True

    created_at = factory.LazyFunction(timezone.now)
    updated_at = factory.LazyFunction(timezone.now)


class SiteFactory(VersionedFactory):
    class Meta:
        model = Site

    name = factory.Sequence(lambda n: f"Site {n}")
    time_zone = "Europe/Berlin"
    address = "1 Main Street"


class CostCentreFactory(VersionedFactory):
    class Meta:
        model = CostCentre

    code = factory.Sequence(lambda n: f"C{n}")
    name = "Costs"


class DepartmentFactory(VersionedFactory):
    class Meta:
        model = Department

    name = factory.Sequence(lambda n: f"Department {n}")


class BusinessCalendarFactory(VersionedFactory):
    class Meta:
        model = BusinessCalendar
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Calendar {n}")
    time_zone = "Europe/Berlin"
    windows = factory.LazyFunction(lambda: [{"weekday": 0, "start": "09:00", "end": "17:00"}])

    @factory.post_generation
    def version_one(self, create, extracted, **kwargs):
        if create:
            first_version(self, at=self.created_at).save()


class CalendarVersionFactory(TenantFactory):
    class Meta:
        model = CalendarVersion

    calendar = factory.SubFactory(BusinessCalendarFactory)
    number = factory.Sequence(lambda n: n + 2)
    time_zone = "Europe/Berlin"
    windows = factory.LazyFunction(lambda: [{"weekday": 0, "start": "09:00", "end": "17:00"}])
    created_at = factory.LazyFunction(timezone.now)


class HolidayProposalFactory(VersionedFactory):
    class Meta:
        model = HolidayProposal

    calendar = factory.SubFactory(BusinessCalendarFactory)
    date = factory.Sequence(lambda n: date(2027, 1, 1) + timedelta(days=n))
    name = "Holiday"
    source = "holidays DE"


class TeamFactory(VersionedFactory):
    class Meta:
        model = Team

    name = factory.Sequence(lambda n: f"Team {n}")
    description = "Does things"


class UserFactory(VersionedFactory):
    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"user{n}@example.com")
    email_normalised = factory.LazyAttribute(lambda user: normalise_email(user.email))
    full_name = "Somebody"
    user_type = UserType.END_USER
    password = factory.LazyFunction(hashed_password)


class SessionFactory(TenantFactory):
    class Meta:
        model = Session

    user = factory.SubFactory(UserFactory)
    current_hash = "0" * 64
    rotated_at = factory.LazyFunction(timezone.now)
    created_at = factory.LazyFunction(timezone.now)
    idle_until = factory.LazyFunction(lambda: timezone.now() + timedelta(minutes=30))
    absolute_until = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=12))


class TotpDeviceFactory(TenantFactory):
    """Not confirmed, so that it counts for nothing yet."""

    class Meta:
        model = TotpDevice
        # One per person.
        django_get_or_create = ("organization_id", "user")

    user = factory.SubFactory(UserFactory)
    secret = factory.LazyFunction(lambda: encrypt("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"))
    created_at = factory.LazyFunction(timezone.now)


class RecoveryCodeFactory(TenantFactory):
    class Meta:
        model = RecoveryCode

    user = factory.SubFactory(UserFactory)
    position = factory.Sequence(lambda n: n % 1000)
    code_hash = factory.LazyFunction(hashed_password)


class PasswordHistoryFactory(TenantFactory):
    class Meta:
        model = PasswordHistory

    user = factory.SubFactory(UserFactory)
    password = factory.LazyFunction(hashed_password)
    created_at = factory.LazyFunction(timezone.now)


class SignInCounterFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = SignInCounter

    key = factory.Sequence(lambda n: f"{n:064d}")
    blocked_until = factory.LazyFunction(timezone.now)
    full_at = factory.LazyFunction(timezone.now)


class PasswordLinkFactory(TenantFactory):
    class Meta:
        model = PasswordLink

    user = factory.SubFactory(UserFactory)
    purpose = LinkPurpose.RESET
    token_hash = "0" * 64
    created_at = factory.LazyFunction(timezone.now)
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=1))


class MailFactory(TenantFactory):
    class Meta:
        model = Mail

    event_id = factory.LazyFunction(new_id)
    recipient = factory.SubFactory(UserFactory)
    address = "somebody@example.com"
    kind = "invitation"
    message_id = "<1@example.com>"
    created_at = factory.LazyFunction(timezone.now)


class MailboxMessageFactory(TenantFactory):
    class Meta:
        model = MailboxMessage

    recipients = factory.LazyFunction(lambda: ["somebody@example.com"])
    subject = "Hello"
    text = "A text"
    created_at = factory.LazyFunction(timezone.now)


class EventFactory(TenantFactory):
    class Meta:
        model = Event

    name = "team.created"
    subject_type = "team"
    subject_id = factory.LazyFunction(new_id)
    actor_kind = "system"
    actor_label = "system:test"
    at = factory.LazyFunction(timezone.now)
    recorded_at = factory.LazyFunction(timezone.now)
    via = "command"


class DispatchFactory(TenantFactory):
    class Meta:
        model = Dispatch

    event_id = factory.LazyFunction(new_id)
    consumer = "tests.sink"
    next_at = factory.LazyFunction(timezone.now)


class IdempotencyKeyFactory(TenantFactory):
    class Meta:
        model = IdempotencyKey

    actor_id = factory.LazyFunction(new_id)
    key = factory.Sequence(lambda n: f"key-{n}")
    fingerprint = "0" * 64
    status = 201
    body = "{}"
    created_at = factory.LazyFunction(timezone.now)


class JobFactory(TenantFactory):
    class Meta:
        model = Job

    # Of a kind that every address which shows jobs knows.
    kind = "export"
    parameters = factory.LazyFunction(lambda: {"resource": "sites", "format": "csv", "filters": {}, "file": "none.csv"})
    created_at = factory.LazyFunction(timezone.now)


class JobTickFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = JobTick

    name = "test"
    due_at = factory.LazyFunction(timezone.now)
    lease_until = factory.LazyFunction(timezone.now)


class ArrivalFactory(TenantFactory):
    class Meta:
        model = Arrival

    event_id = factory.LazyFunction(new_id)
    arrived_at = factory.LazyFunction(timezone.now)


class RoleFactory(VersionedFactory):
    class Meta:
        model = Role

    name = factory.Sequence(lambda n: f"Role {n}")


class GrantFactory(TenantFactory):
    class Meta:
        model = Grant

    role = factory.SubFactory(RoleFactory)
    resource = "teams"
    action = "read"
    reach = "organization"


class RoleAssignmentFactory(VersionedFactory):
    class Meta:
        model = RoleAssignment

    role = factory.SubFactory(RoleFactory)
    user = factory.SubFactory(UserFactory)
    valid_from = factory.LazyFunction(timezone.now)


class SkillFactory(VersionedFactory):
    class Meta:
        model = Skill

    name = factory.Sequence(lambda n: f"Skill {n}")


class TeamMemberFactory(VersionedFactory):
    class Meta:
        model = TeamMember

    team = factory.SubFactory(TeamFactory)
    user = factory.SubFactory(UserFactory)


class MemberSkillFactory(TenantFactory):
    class Meta:
        model = MemberSkill

    member = factory.SubFactory(TeamMemberFactory)
    skill = factory.SubFactory(SkillFactory)
    level = 3


class DepartmentHeadFactory(TenantFactory):
    class Meta:
        model = DepartmentHead

    department = factory.SubFactory(DepartmentFactory)
    user = factory.SubFactory(UserFactory)
    since = factory.LazyFunction(timezone.now)


class CostCentreOwnerFactory(TenantFactory):
    class Meta:
        model = CostCentreOwner

    cost_centre = factory.SubFactory(CostCentreFactory)
    user = factory.SubFactory(UserFactory)
    since = factory.LazyFunction(timezone.now)


class PresenceFactory(TenantFactory):
    """One for each user, however often it is asked for."""

    class Meta:
        model = Presence
        django_get_or_create = ("organization_id", "user")

    user = factory.SubFactory(UserFactory)
    status = "away"
    since = factory.LazyFunction(timezone.now)


class AbsenceFactory(VersionedFactory):
    """An hour that no other has."""

    class Meta:
        model = Absence

    user = factory.SubFactory(UserFactory)
    starts_at = factory.Sequence(lambda n: timezone.now() + timedelta(days=30, hours=2 * n))
    ends_at = factory.LazyAttribute(lambda absence: absence.starts_at + timedelta(hours=1))

    @classmethod
    def _adjust_kwargs(cls, **values: Any) -> dict[str, Any]:
        """Nobody is their own delegate, also where one person is given for every reference."""
        is_own = values.get("delegate") == values["user"]
        return {**values, "delegate": None} if is_own else values


class OnCallRotaFactory(VersionedFactory):
    """With one version and nobody in it."""

    class Meta:
        model = OnCallRota
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Rota {n}")
    team = factory.SubFactory(TeamFactory)
    version = factory.RelatedFactory("tests.factories.RotaVersionFactory", factory_related_name="rota")


class RotaVersionFactory(TenantFactory):
    class Meta:
        model = RotaVersion

    rota = factory.SubFactory(OnCallRotaFactory, version=None)
    effective_at = factory.LazyFunction(timezone.now)
    time_zone = "Europe/Berlin"
    starts_on = date(2026, 1, 5)
    handover_weekday = 0
    handover_time = "09:00"


class RotaMemberFactory(TenantFactory):
    class Meta:
        model = RotaMember

    rota_version = factory.SubFactory(RotaVersionFactory)
    user = factory.SubFactory(UserFactory)
    position = factory.Sequence(lambda n: n)


class OnCallOverrideFactory(VersionedFactory):
    class Meta:
        model = OnCallOverride

    rota = factory.SubFactory(OnCallRotaFactory)
    user = factory.SubFactory(UserFactory)
    starts_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=1))
    ends_at = factory.LazyAttribute(lambda override: override.starts_at + timedelta(hours=8))


class OnCallCoverageFactory(VersionedFactory):
    """Of hours that begin in a while, so that no other rota is refused for it; somebody is on call then."""

    class Meta:
        model = OnCallCoverage
        skip_postgeneration_save = True

    team = factory.SubFactory(TeamFactory)
    time_zone = "Europe/Berlin"
    covered_from = factory.LazyFunction(lambda: timezone.now() + timedelta(days=400))

    @factory.post_generation
    def staffed(self, create: bool, extracted: Any, **values: Any) -> None:
        if create and extracted is not False:
            RotaMemberFactory(rota_version__rota__team=self.team)


class PulseFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Pulse

    due_at = factory.LazyFunction(timezone.now)
    ran_at = factory.LazyFunction(timezone.now)


class DenialCountFactory(TenantFactory):
    class Meta:
        model = DenialCount

    actor_id = factory.LazyFunction(new_id)
    minute = factory.LazyFunction(timezone.now)


class ServiceAccountFactory(UserFactory):
    class Meta:
        model = ServiceAccount

    full_name = factory.Sequence(lambda n: f"Integration {n}")
    is_service_account = True
    password = "!"


class ApiTokenFactory(VersionedFactory):
    class Meta:
        model = ApiToken

    user = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"Token {n}")
    prefix = factory.LazyFunction(lambda: new_id().hex[-8:])
    secret_hash = "0" * 64
    scopes = factory.LazyFunction(lambda: ["sites:read"])
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=30))


class ApiTokenUseFactory(TenantFactory):
    class Meta:
        model = ApiTokenUse

    credential = factory.SubFactory(ApiTokenFactory)
    at = factory.LazyFunction(timezone.now)


class OperatorVisitFactory(TenantFactory):
    class Meta:
        model = OperatorVisit

    session_key = factory.LazyFunction(new_id)
    at = factory.LazyFunction(timezone.now)


class NumberSeriesFactory(TenantFactory):
    class Meta:
        model = NumberSeries

    prefix = factory.Sequence(lambda n: chr(ord("A") + n // 26 % 26) + chr(ord("A") + n % 26))
    last = 7


class ServiceFactory(VersionedFactory):
    class Meta:
        model = Service

    name = factory.Sequence(lambda n: f"Service {n}")
    description = "What people call it"


class CiClassFactory(VersionedFactory):
    class Meta:
        model = CiClass

    name = "Server"
    key = factory.Sequence(lambda n: f"server_{n}")


class ConfigurationItemFactory(VersionedFactory):
    class Meta:
        model = ConfigurationItem

    number = factory.Sequence(lambda n: f"CI{n + 5_000_000:07d}")
    name = "mail-1"
    ci_class = factory.SubFactory(CiClassFactory)
    environment = "production"
    serial_number = factory.Sequence(lambda n: f"SN-{n}")
    asset_tag = factory.Sequence(lambda n: f"TAG-{n}")
    description = "Takes mail"


class CategoryFactory(VersionedFactory):
    class Meta:
        model = Category

    name = factory.Sequence(lambda n: f"Category {n}")


class TagFactory(VersionedFactory):
    class Meta:
        model = Tag

    name = factory.Sequence(lambda n: f"tag-{n}")


class CustomFieldFactory(VersionedFactory):
    class Meta:
        model = CustomField

    kind = "incident"
    key = factory.Sequence(lambda n: f"field_{n}")
    label = factory.Sequence(lambda n: f"Field {n}")
    field_type = "text"


class PriorityCellFactory(VersionedFactory):
    """One of the nine of a matrix, of three kinds in turn, however often it is asked for."""

    class Meta:
        model = PriorityCell
        django_get_or_create = ("organization_id", "kind", "impact", "urgency")

    kind = factory.Sequence(lambda n: ("change", "problem", "service_request")[n // 9 % 3])
    impact = factory.Sequence(lambda n: n // 3 % 3 + 1)
    urgency = factory.Sequence(lambda n: n % 3 + 1)
    priority = 4


class SavedViewFactory(VersionedFactory):
    class Meta:
        model = SavedView

    name = factory.Sequence(lambda n: f"View {n}")
    owner = factory.SubFactory(UserFactory)
    filters = factory.LazyFunction(lambda: {"phase": "open"})

    @classmethod
    def _adjust_kwargs(cls, **values: Any) -> dict[str, Any]:
        """A team goes with being shared with it."""
        return {**values, "shared_with": "team"} if values.get("team") else values


class CannedReplyFactory(VersionedFactory):
    class Meta:
        model = CannedReply

    name = factory.Sequence(lambda n: f"Reply {n}")
    body = "We are looking into it."


class TicketFactory(VersionedFactory):
    """A new incident's base row."""

    class Meta:
        model = Ticket

    number = factory.Sequence(lambda n: f"INC{9_000_000 + n}")
    kind = "incident"
    title = factory.Sequence(lambda n: f"Something is broken {n}")
    status = "new"
    phase = "new"
    priority = 5
    requester = factory.SubFactory(UserFactory)
    opened_at = factory.LazyFunction(timezone.now)


class IncidentFactory(TicketFactory):
    class Meta:
        model = Incident

    number = factory.Sequence(lambda n: f"INC{8_000_000 + n}")
    tenant = factory.SelfAttribute("organization_id")


class CommentFactory(VersionedFactory):
    class Meta:
        model = Comment

    ticket = factory.SubFactory(TicketFactory)
    body = "Hello"
    html = "<p>Hello</p>"
    author = factory.SubFactory(UserFactory)


class CommentEditFactory(TenantFactory):
    class Meta:
        model = CommentEdit

    comment = factory.SubFactory(CommentFactory)
    body = "Before"
    at = factory.LazyFunction(timezone.now)


class AttachmentFactory(VersionedFactory):
    class Meta:
        model = Attachment

    ticket = factory.SubFactory(TicketFactory)
    name = "notes.txt"
    content_type = "text/plain"
    size_bytes = 5
    sha256 = "0" * 64
    storage_key = factory.LazyFunction(
        lambda: attachment_files.store(tenancy.required_organization_id(), ContentFile(b"words"))
    )


class WorklogFactory(VersionedFactory):
    class Meta:
        model = Worklog

    ticket = factory.SubFactory(TicketFactory)
    author = factory.SubFactory(UserFactory)
    minutes = 15
    started_at = factory.LazyFunction(timezone.now)


class TaskFactory(VersionedFactory):
    class Meta:
        model = Task

    ticket = factory.SubFactory(TicketFactory)
    title = factory.Sequence(lambda n: f"Task {n}")


class TaskDependencyFactory(TenantFactory):
    class Meta:
        model = TaskDependency

    task = factory.SubFactory(TaskFactory)
    depends_on = factory.SubFactory(TaskFactory)


class WatcherFactory(TenantFactory):
    class Meta:
        model = Watcher

    ticket = factory.SubFactory(TicketFactory)
    user = factory.SubFactory(UserFactory)
    created_at = factory.LazyFunction(timezone.now)


class LinkFactory(VersionedFactory):
    class Meta:
        model = Link

    ticket = factory.SubFactory(TicketFactory)
    link_type = "relates_to"
    to = factory.SubFactory(TicketFactory)


class MergeFactory(TenantFactory):
    class Meta:
        model = Merge

    ticket = factory.SubFactory(TicketFactory)
    into = factory.SubFactory(TicketFactory)
    merged_at = factory.LazyFunction(timezone.now)


class SearchDocumentFactory(TenantFactory):
    class Meta:
        model = SearchDocument

    ticket = factory.SubFactory(TicketFactory)
    kind = "incident"
    public_words = "broken"
    all_words = "broken"


class DuplicateSuspicionFactory(TenantFactory):
    class Meta:
        model = DuplicateSuspicion

    incident = factory.SubFactory(TicketFactory)
    other = factory.SubFactory(TicketFactory)
    percent = 80
    created_at = factory.LazyFunction(timezone.now)


class ImportedIncidentFactory(TenantFactory):
    class Meta:
        model = ImportedIncident

    number = factory.Sequence(lambda n: f"INC{n + 7_000_000:07d}")
    fingerprint = "0" * 64
    source = "servicenow"
    imported_at = factory.LazyFunction(timezone.now)


class MajorUpdateFactory(TenantFactory):
    """One that was given, so that no alarm is due."""

    class Meta:
        model = MajorUpdate

    incident = factory.SubFactory(TicketFactory)
    promised_at = factory.LazyFunction(timezone.now)
    due_at = factory.LazyAttribute(lambda made: made.promised_at + timedelta(minutes=30))
    interval_minutes = 30
    ended_at = factory.LazyAttribute(lambda made: made.promised_at + timedelta(minutes=20))
    outcome = "given"


class HandoverFactory(TenantFactory):
    class Meta:
        model = Handover

    incident = factory.SubFactory(TicketFactory)
    role = "commander"
    to = factory.SubFactory(UserFactory)
    reason = "The night shift begins"
    offered_at = factory.LazyFunction(timezone.now)


class MajorRuleFactory(VersionedFactory):
    """Switched off, so that it proposes nothing of other cases."""

    class Meta:
        model = MajorRule

    name = factory.Sequence(lambda n: f"Major rule {n}")
    # Downwards: one that the API puts behind all others is never where the next of these goes.
    position = factory.Sequence(lambda n: 1_000_000_000 - n)
    match = factory.LazyFunction(lambda: [{"priority": [1]}])


class SlaSettingsFactory(VersionedFactory):
    """One for each organization, however often it is asked for."""

    class Meta:
        model = SlaSettings
        django_get_or_create = ("organization_id",)


class PolicyFactory(VersionedFactory):
    class Meta:
        model = Policy

    name = factory.Sequence(lambda n: f"Policy {n}")
    position = factory.Sequence(lambda n: n + 1_000)


class PolicyVersionFactory(TenantFactory):
    class Meta:
        model = PolicyVersion

    policy = factory.SubFactory(PolicyFactory)
    number = factory.Sequence(lambda n: n + 1)
    state = "published"
    created_at = factory.LazyFunction(timezone.now)
    published_at = factory.SelfAttribute("created_at")


class TargetFactory(TenantFactory):
    class Meta:
        model = Target

    version = factory.SubFactory(PolicyVersionFactory)
    metric = "resolution"
    position = factory.Sequence(lambda n: n % 30_000)
    applies = factory.LazyFunction(lambda: [{}])
    target_seconds = 3600


class SlaLevelFactory(TenantFactory):
    class Meta:
        model = Level

    version = factory.SubFactory(PolicyVersionFactory)
    metric = "resolution"
    position = factory.Sequence(lambda n: n % 30_000)
    percent = 100


class TimerFactory(TenantFactory):
    """Running, with an hour to go, and nothing for the sweep to find."""

    class Meta:
        model = Timer

    ticket = factory.SubFactory(TicketFactory)
    version = factory.SubFactory(PolicyVersionFactory)
    target = factory.SubFactory(TargetFactory, version=factory.SelfAttribute("..version"))
    agreement = "sla"
    metric = "resolution"
    sequence = factory.Sequence(lambda n: n + 1)
    stage = "running"
    target_seconds = 3600
    started_at = factory.LazyFunction(timezone.now)
    attached_at = factory.SelfAttribute("started_at")
    since = factory.SelfAttribute("started_at")
    live_from = factory.SelfAttribute("started_at")
    due_at = factory.LazyAttribute(lambda timer: timer.started_at + timedelta(hours=1))
    original_due_at = factory.SelfAttribute("due_at")


class BreachFactory(TimerFactory):
    class Meta:
        model = Breach

    breached_at = factory.SelfAttribute("due_at")


class SegmentFactory(TenantFactory):
    class Meta:
        model = Segment

    timer = factory.SubFactory(TimerFactory)
    number = factory.Sequence(lambda n: n + 1)
    kind = "running"
    began_at = factory.LazyFunction(timezone.now)
    ended_at = factory.SelfAttribute("began_at")
    business_seconds = 0
    wall_seconds = 0


class LevelFiringFactory(TenantFactory):
    class Meta:
        model = LevelFiring

    timer = factory.SubFactory(TimerFactory)
    level = factory.SubFactory(SlaLevelFactory)
    cycle = 1
    outcome = "fired"
    due_at = factory.LazyFunction(timezone.now)
    fired_at = factory.SelfAttribute("due_at")


class SlaReadingFactory(TenantFactory):
    class Meta:
        model = Reading

    ticket = factory.SubFactory(TicketFactory)
    event_id = factory.LazyFunction(new_id)
    at = factory.LazyFunction(timezone.now)


class EscalationPolicyFactory(VersionedFactory):
    """On demand, and for no ticket."""

    class Meta:
        model = EscalationPolicy

    name = factory.Sequence(lambda n: f"Chain {n}")
    chain = "hierarchical"
    begins = "on_demand"
    steps = factory.LazyFunction(lambda: [{"after_minutes": 5, "actions": [{"do": "notify", "to": ["assignee"]}]}])


class EscalationRunFactory(TenantFactory):
    """Just begun, with an hour until its first step."""

    class Meta:
        model = EscalationRun

    ticket = factory.SubFactory(TicketFactory)
    policy = factory.SubFactory(EscalationPolicyFactory)
    sequence = factory.Sequence(lambda n: n + 1)
    because = "somebody"
    steps = factory.SelfAttribute("policy.steps")
    began_at = factory.LazyFunction(timezone.now)
    next_due_at = factory.LazyAttribute(lambda run: run.began_at + timedelta(hours=1))


class EscalationFiringFactory(TenantFactory):
    class Meta:
        model = EscalationFiring

    run = factory.SubFactory(EscalationRunFactory)
    step = factory.Sequence(lambda n: n % 30_000)
    round = 0
    due_at = factory.LazyFunction(timezone.now)
    fired_at = factory.SelfAttribute("due_at")
    event_id = factory.LazyFunction(new_id)


class AcknowledgementFactory(TenantFactory):
    class Meta:
        model = Acknowledgement

    ticket = factory.SubFactory(TicketFactory)
    user = factory.SubFactory(UserFactory)
    at = factory.LazyFunction(timezone.now)
    because = "claimed"


class NoticeFactory(TenantFactory):
    class Meta:
        model = Notice

    ticket = factory.SubFactory(TicketFactory)
    user = factory.SubFactory(UserFactory)


class AssignmentRuleFactory(VersionedFactory):
    class Meta:
        model = AssignmentRule

    name = factory.Sequence(lambda n: f"Rule {n}")
    position = factory.Sequence(lambda n: n + 1)
    team = factory.SubFactory(TeamFactory)


class AssignmentQueueFactory(VersionedFactory):
    """One for each team, however often it is asked for."""

    class Meta:
        model = AssignmentQueue
        django_get_or_create = ("organization_id", "team")

    team = factory.SubFactory(TeamFactory)


class ClosingSettingsFactory(VersionedFactory):
    """One for each organization, however often it is asked for."""

    class Meta:
        model = ClosingSettings
        django_get_or_create = ("organization_id",)


class CountdownFactory(TenantFactory):
    """Of a ticket that waits for its requester; one for each."""

    class Meta:
        model = Countdown
        django_get_or_create = ("organization_id", "ticket")

    ticket = factory.SubFactory(TicketFactory)
    purpose = "asking"
    since = factory.LazyFunction(timezone.now)


class AssignmentTurnFactory(TenantFactory):
    class Meta:
        model = AssignmentTurn
        django_get_or_create = ("organization_id", "team", "user")

    team = factory.SubFactory(TeamFactory)
    user = factory.SubFactory(UserFactory)
    last_assigned_at = factory.LazyFunction(timezone.now)


class PlacementFactory(TenantFactory):
    """Of a ticket that was accepted, or whose team gives work out by hand; one for each."""

    class Meta:
        model = Placement
        django_get_or_create = ("organization_id", "ticket")

    ticket = factory.SubFactory(TicketFactory)

    @classmethod
    def _adjust_kwargs(cls, **values: Any) -> dict[str, Any]:
        """Whoever it is offered to was asked at some time."""
        return {**values, "offered_at": timezone.now()} if values.get("offered_to") else values
