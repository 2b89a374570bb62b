"""T06, the reviewed part: which fields each role reads and writes of each resource. A change here is a decision.

`read` are the keys of an answer, `create` and `change` what POST and PATCH take, `once` what only the answer to a POST shows.
Who does which is named too; nobody else gets further than 403 or 404. Everything else that a model has is refused by name.
"""

from dataclasses import dataclass

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


OFFICE, ADMIN = "agent,manager,admin", "admin"
ENVELOPE = "id created_at updated_at version"


def written_by_admin(read: str, write: str) -> Fields:
    """What Agents and Managers read, and only an Admin writes."""
    return Fields(f"{ENVELOPE} {read}", OFFICE, create=write, creators=ADMIN, change=write, changers=ADMIN)


GOLDEN: dict[str, Fields] = {
    "audit/events/": Fields(
        "id name subject_type subject_id actor_kind actor_id actor_label at recorded_at request_id via is_historic"
        " changes data",
        ADMIN,
    ),
    "audit/dispatches/": Fields("id event_id consumer state next_at attempts dead_at last_error", ADMIN),
    "organizations/current/": Fields(
        f"{ENVELOPE} name slug time_zone language status requires_if_match",
        OFFICE,
        change="name time_zone language requires_if_match",
        changers=ADMIN,
    ),
    "sites/": written_by_admin("name time_zone address is_active", "name time_zone address is_active"),
    "cost-centres/": written_by_admin("code name is_active", "code name is_active"),
    "sla/calendars/": written_by_admin("name time_zone windows exceptions", "name time_zone windows exceptions"),
    "departments/": written_by_admin("name parent cost_centre", "name parent cost_centre"),
    "teams/": written_by_admin("name description email calendar deleted_at", "name description email calendar"),
    "roles/": written_by_admin("name key description is_built_in grants", "name description grants"),
    # Whose it is and which role cannot be changed later: such a PATCH is refused as immutable, field by field.
    "role-assignments/": written_by_admin(
        "role user team limited_to_team valid_from valid_until",
        "role user team limited_to_team valid_from valid_until",
    ),
    "auth/me/": Fields(
        f"{ENVELOPE} email full_name user_type department site time_zone language",
        EVERYBODY,
        change="full_name time_zone language",
        changers=EVERYBODY,
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
}
