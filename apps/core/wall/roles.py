"""The database roles, their rights and their limits. `provision_database` makes them; docs/operations.md explains them."""

from dataclasses import dataclass, field

MIGRATOR = "itsm_migrator"
APP = "itsm_app"
WORKER = "itsm_worker"
SYSTEM = "itsm_system"
# Own functions, never log in: the doors that must look before a tenant is known, and the row capture.
DOOR = "itsm_door"
AUDIT_WRITER = "itsm_audit_writer"

# Memoize nodes made a joined list three times slower, and nothing here runs long enough for JIT to pay.
PLANNER = {"enable_memoize": "off", "jit": "off"}


@dataclass(frozen=True, slots=True)
class Role:
    """One role as it must be; `settings` hold for each of its logins."""

    name: str
    can_login: bool = True
    bypasses_rls: bool = False
    settings: dict[str, str] = field(default_factory=dict)


def _limits(statement: str) -> dict[str, str]:
    return {
        "statement_timeout": statement,
        "lock_timeout": "3s",
        "idle_in_transaction_session_timeout": "15s",
        **PLANNER,
    }


ROLES = (
    Role(MIGRATOR, bypasses_rls=True, settings={"lock_timeout": "10s"}),
    Role(APP, settings=_limits("10s")),
    Role(WORKER, settings=_limits("60s")),
    Role(SYSTEM, settings=_limits("10s")),
    Role(DOOR, can_login=False, bypasses_rls=True),
    Role(AUDIT_WRITER, can_login=False),
)
TENANT_ROLES = (APP, WORKER)
