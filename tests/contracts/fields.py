"""T06, the reviewed part: which fields each role reads and writes of each resource. A change here is a decision.

`read` are the keys of an answer, `create` and `change` what POST and PATCH take, `once` what only the answer to a POST shows.
Who does which is named too; nobody else gets further than 403 or 404. Everything else that a model has is refused by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

EVERYBODY = "end user,agent,manager,admin"


@dataclass(frozen=True, slots=True)
class Fields:
    """One resource: names separated by spaces, roles by commas."""

    read: str
    readers: str
    create: str = ""
    creators: str = ""
    change: str = ""
    changers: str = ""
    once: str = ""
    # What a row of the list shows, where that is less than the record's own page.
    listed: str = ""
    # Who reads less than `read`: role -> keys.
    narrowed: Mapping[str, str] = field(default_factory=dict)


OFFICE, LEADING, ADMIN = "agent,manager,admin", "manager,admin", "admin"
ENVELOPE = "id created_at updated_at version"
PERSON = "email full_name username employee_number job_title phone user_type is_vip department site manager time_zone language"
SERVICE = "name description criticality owner support_team is_active"
CI = "name ci_class status environment criticality serial_number asset_tag owner support_team service site description"
ROTA = "name team layer is_active time_zone starts_on handover_weekday handover_time weeks_per_turn hours members"
TICKET_SUBJECT = "title description impact urgency category service configuration_item requester"
TICKET_WRITTEN = f"{TICKET_SUBJECT} assignee team source tags custom_fields"
TICKET = (
    f"{ENVELOPE} {TICKET_WRITTEN} number kind status phase priority priority_override_reason opened_by hold_reason hold_until"
    " opened_at responded_at resolved_at closed_at sla_due_at resolution_code resolution_notes reopen_count"
    " last_reopened_at last_reopened_by reassignment_count merged_into deleted_at friendly_status allowed_transitions"
)
QUEUE = "team is_active method needs_presence needs_shift counts_on_hold accept_minutes most_tries hands_back"
TERMS = (
    "calendar answer_days remind_after resolve_after close_days warn_after close_after reopen_days reopen_within reply_reopens"
    " ignores_thanks"
)
POLICY_VERSION = "id policy number state note created_at published_at retired_at"
VIEW = "name filters ordering shared_with team"
INCIDENT = f"{TICKET} is_major major_status parent"


def written_by_admin(read: str, write: str) -> Fields:
    """What Agents and Managers read, and only an Admin writes."""
    return Fields(f"{ENVELOPE} {read}", OFFICE, create=write, creators=ADMIN, change=write, changers=ADMIN)


def catalogue(read: str) -> Fields:
    """What administrators write and everybody reads, end users as far as they are entitled to it."""
    return Fields(f"{ENVELOPE} {read}", EVERYBODY, create=read, creators=ADMIN, change=read, changers=ADMIN)


def inventory(read: str, write: str, shown: str = "") -> Fields:
    """What the office writes, and end users read as far as it is theirs."""
    read = f"{ENVELOPE} {read} {shown}"
    return Fields(read, EVERYBODY, create=write, creators=OFFICE, change=write, changers=OFFICE)


GOLDEN: dict[str, Fields] = {
    "audit/events/": Fields(
        "id name subject_type subject_id actor_kind actor_id actor_label at recorded_at request_id via is_historic"
        " changes data",
        ADMIN,
    ),
    "audit/dispatches/": Fields("id event_id consumer state next_at attempts dead_at last_error", ADMIN),
    "organizations/current/": Fields(
        f"{ENVELOPE} name slug time_zone language status requires_if_match requires_mfa",
        OFFICE,
        change="name time_zone language requires_if_match requires_mfa",
        changers=ADMIN,
    ),
    "sites/": written_by_admin("name time_zone address is_active", "name time_zone address is_active"),
    "cost-centres/": written_by_admin("code name is_active owner", "code name is_active owner"),
    "sla/calendars/": written_by_admin("name time_zone windows exceptions", "name time_zone windows exceptions"),
    "sla/policies/": written_by_admin(
        "name description agreement position is_active published_version draft_version",
        "name description agreement position",
    ),
    "sla/policies/<>/versions/": Fields(
        f"{POLICY_VERSION} match rules targets levels warnings",
        OFFICE,
        create="match rules targets levels note",
        creators=ADMIN,
        listed=POLICY_VERSION,
    ),
    "escalation-policies/": written_by_admin(
        "name description chain begins match steps calendar position is_active",
        "name description chain begins match steps calendar position is_active",
    ),
    "sla/settings/": Fields("selection created_at updated_at version", OFFICE, change="selection", changers=ADMIN),
    "sla/breaches/": Fields(
        "id ticket number title priority team assignee metric agreement stage cycle policy version calendar target_seconds"
        " started_at original_due_at due_at breached_at ended_at business_elapsed_seconds wall_elapsed_seconds breach_seconds"
        " breach_wall_seconds",
        OFFICE,
    ),
    "sla/calendars/<>/versions/": Fields("id calendar number time_zone windows exceptions created_at", OFFICE),
    "sla/calendars/<>/holiday-proposals/": Fields(
        f"{ENVELOPE} calendar date start end name source state decided_at", OFFICE
    ),
    "departments/": written_by_admin("name parent cost_centre head", "name parent cost_centre head"),
    "teams/": written_by_admin("name description email calendar deleted_at", "name description email calendar"),
    "skills/": written_by_admin("name description", "name description"),
    # End users what they own, and the names of the classes.
    "services/": inventory(SERVICE, SERVICE, "deleted_at"),
    "configuration-items/": inventory(CI, CI, "number deleted_at"),
    "ci-classes/": inventory("name key parent", "name key parent"),
    # Managers of the teams that they are in themselves.
    "teams/<>/members/": Fields(
        f"{ENVELOPE} team user is_lead capacity calendar skills presence out_of_office",
        OFFICE,
        create="user is_lead capacity calendar skills",
        creators=LEADING,
        change="user is_lead capacity calendar skills",
        changers=LEADING,
    ),
    # Of a built-in role only whether it demands a second factor may change; the rest is refused by the domain.
    "roles/": written_by_admin(
        "name key description is_built_in requires_mfa grants", "name description requires_mfa grants"
    ),
    # Whose it is and which role cannot be changed later: such a PATCH is refused as immutable, field by field.
    "role-assignments/": written_by_admin(
        "role grants user team limited_to_team valid_from valid_until",
        "role grants user team limited_to_team valid_from valid_until",
    ),
    "auth/me/": Fields(
        f"{ENVELOPE} email full_name username employee_number job_title phone user_type department site manager"
        " time_zone language presence out_of_office",
        EVERYBODY,
        change="full_name phone time_zone language",
        changers=EVERYBODY,
    ),
    # One's own alone; what proves a session is in no answer.
    "auth/sessions/": Fields(
        "id created_at rotated_at idle_until absolute_until user_agent address is_current", EVERYBODY
    ),
    "auth/api-tokens/": Fields(
        f"{ENVELOPE} name user prefix scopes expires_at allowed_addresses last_used_at last_used_address",
        EVERYBODY,
        create="name user scopes expires_at allowed_addresses",
        creators=EVERYBODY,
        once="token",
    ),
    "service-accounts/": Fields(
        f"{ENVELOPE} name is_active is_service_account",
        ADMIN,
        create="name is_active",
        creators=ADMIN,
        change="name is_active",
        changers=ADMIN,
    ),
    # End users know the people on their tickets by name, and by nothing else.
    "users/": Fields(
        f"{ENVELOPE} {PERSON} is_active is_service_account deleted_at",
        EVERYBODY,
        create=PERSON,
        creators=ADMIN,
        change=PERSON,
        changers=ADMIN,
        narrowed={"end user": "id full_name"},
    ),
    # End users their own; everybody plans their own.
    "absences/": Fields(
        f"{ENVELOPE} user starts_at ends_at delegate note",
        EVERYBODY,
        create="user starts_at ends_at delegate note",
        creators=EVERYBODY,
        change="user starts_at ends_at delegate note",
        changers=EVERYBODY,
    ),
    # Managers those of the teams that they are in themselves.
    "on-call/rotas/": Fields(
        f"{ENVELOPE} {ROTA}",
        OFFICE,
        create=f"{ROTA} effective_at",
        creators=ADMIN,
        change=f"{ROTA} effective_at",
        changers=LEADING,
    ),
    "on-call/rotas/<>/who/": Fields(
        "rota name team layer at starts_at ends_at user scheduled_user override because", OFFICE
    ),
    "on-call/rotas/<>/shifts/": Fields("rota name results", OFFICE),
    "on-call/coverages/": Fields(
        f"{ENVELOPE} team time_zone hours covered_from",
        OFFICE,
        create="team time_zone hours covered_from",
        creators=ADMIN,
        change="team time_zone hours covered_from",
        changers=LEADING,
    ),
    "on-call/rotas/<>/overrides/": Fields(
        f"{ENVELOPE} rota user starts_at ends_at reason",
        OFFICE,
        create="user starts_at ends_at reason",
        creators=LEADING,
        change="user starts_at ends_at reason",
        changers=LEADING,
    ),
    # End users their own, and those that they watch.
    # One's own, and shared ones to read; sharing is asked by the service.
    "views/": Fields(
        f"{ENVELOPE} owner {VIEW}", EVERYBODY, create=VIEW, creators=EVERYBODY, change=VIEW, changers=EVERYBODY
    ),
    "views/<>/tickets/": Fields("next previous results", EVERYBODY),
    "views/counts/": Fields("results", EVERYBODY),
    "tickets/": Fields(TICKET, EVERYBODY, change=TICKET_WRITTEN, changers=OFFICE),
    "incidents/": Fields(
        f"{INCIDENT} workaround commander communications_lead update_interval_minutes next_update_due_at"
        " major_since bridge_url review_due_at",
        EVERYBODY,
        create=f"{TICKET_WRITTEN} workaround parent",
        creators=EVERYBODY,
        change=f"{TICKET_WRITTEN} workaround parent",
        changers=OFFICE,
        listed=INCIDENT,
    ),
    "incidents/<>/children/": Fields("next previous results", EVERYBODY),
    "incidents/<>/metrics/": Fields(
        "acknowledged responded resolved on_hold_seconds business_calendar reassignment_count reopen_count"
        " first_contact_resolution",
        EVERYBODY,
    ),
    "incidents/<>/suspected-duplicates/": Fields("results", EVERYBODY),
    "incidents/<>/major/report/": Fields(
        "number title major_status commander communications_lead update_interval_minutes opened_at proposed_at accepted_at"
        " ended_at opened_to_accepted_seconds proposed_to_accepted_seconds accepted_to_first_update_seconds"
        " accepted_to_ended_seconds opened_to_ended_seconds updates_given updates_on_time updates_late updates_missed"
        " children_count review_due_at roles updates timeline",
        EVERYBODY,
    ),
    "incidents/<>/major/": Fields(
        "major_status major_since commander communications_lead update_interval_minutes next_update_due_at is_update_overdue"
        " overdue_intervals review_due_at bridge_url updates handovers",
        EVERYBODY,
    ),
    "major-rules/": written_by_admin(
        "name position is_active match more_children_than proposes commander communications_lead update_interval_minutes",
        "name position is_active match more_children_than proposes commander communications_lead update_interval_minutes",
    ),
    "sla/timers/": Fields(
        "id ticket metric agreement stage cycle target_seconds started_at attached_at ended_at end_reason due_at original_due_at"
        " fixed_due_at set_because business_elapsed_seconds wall_elapsed_seconds paused_seconds remaining_seconds percent"
        " is_breached breached_at breach_seconds breach_wall_seconds policy version calendar calendar_version team next_due_at",
        OFFICE,
    ),
    "sla/timers/<>/explain/": Fields("stretches levels counted_seconds summary", OFFICE),
    "categories/": catalogue("name parent description is_active"),
    "custom-fields/": catalogue("kind key label field_type choices is_required is_public is_active position"),
    "tags/": written_by_admin("name colour description", "name colour description"),
    "priority-matrix/": Fields(f"{ENVELOPE} kind impact urgency priority", OFFICE, change="priority", changers=ADMIN),
    "assignment-rules/": written_by_admin(
        "name position is_active match destination team skills", "name position is_active match destination team skills"
    ),
    "assignment-queues/": written_by_admin(QUEUE, QUEUE),
    "closing/settings/": Fields(f"{TERMS} created_at updated_at version", OFFICE, change=TERMS, changers=ADMIN),
    # End users those of their own tickets to their own tickets.
    "tickets/<>/links/": Fields(
        f"{ENVELOPE} type direction to to_number to_title to_status", EVERYBODY, create="type to", creators=OFFICE
    ),
    # Agents change their own.
    "tickets/<>/worklogs/": Fields(
        f"{ENVELOPE} ticket author minutes started_at note is_billable",
        OFFICE,
        create="minutes started_at note is_billable",
        creators=OFFICE,
        change="minutes started_at note is_billable",
        changers=OFFICE,
    ),
    "tickets/<>/tasks/": Fields(
        f"{ENVELOPE} ticket title team assignee order depends_on done_at done_by created_by",
        OFFICE,
        create="title team assignee order depends_on",
        creators=OFFICE,
        change="title team assignee order depends_on",
        changers=OFFICE,
    ),
    # Participants on their own tickets; what is internal is not there for them.
    "tickets/<>/comments/": Fields(
        f"{ENVELOPE} body html visibility author is_automatic edited_at",
        EVERYBODY,
        create="body visibility",
        creators=EVERYBODY,
        change="body visibility",
        changers=EVERYBODY,
    ),
    "tickets/<>/comments/<>/edits/": Fields("id body edited_by at", OFFICE),
    "tickets/<>/attachments/": Fields(
        f"{ENVELOPE} name content_type size_bytes sha256 visibility comment uploaded_by",
        EVERYBODY,
        create="file visibility comment",
        creators=EVERYBODY,
        change="visibility",
        changers=EVERYBODY,
    ),
    "tickets/<>/watchers/": Fields("id user created_at", EVERYBODY, create="user", creators=EVERYBODY),
    "canned-replies/": written_by_admin("name body visibility team is_active", "name body visibility team is_active"),
    # One's own; an Admin, who reads the audit log, everybody's. By which token it was asked for is not shown.
    "jobs/": Fields("id kind state progress total done errors result created_at started_at finished_at", EVERYBODY),
}
