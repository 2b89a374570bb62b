from django.apps import AppConfig

from apps.core.api import identity
from apps.core.wall.unwalled import allow_installation_wide_key, leave_unwalled


class UsersConfig(AppConfig):
    name = "apps.users"
    label = "users"
    verbose_name = "People and access"

    def ready(self) -> None:
        from apps.core import jobs, secrets  # noqa: PLC0415 - needs the models, as all of these
        from apps.organizations import models as structure  # noqa: PLC0415
        from apps.users import demo, events, imports, models, rights, subjects, subscribers, tasks  # noqa: F401, PLC0415
        from apps.users.api.sign_in import BearerSignIn  # noqa: PLC0415

        identity.install(BearerSignIn())
        jobs.install_actor_finder(rights.actor_now)
        allow_installation_wide_key(
            "user_email", "an e-mail address signs in before the tenant is known; a clash is a neutral 409"
        )
        leave_unwalled(
            "users_signincounter",
            "attempts before a tenant is known, under keyed hashes that name nobody",
            writes=frozenset({"INSERT", "UPDATE", "DELETE"}),
        )
        secrets.kept_in(models.TotpDevice, "secret")
        allow_installation_wide_key(
            "api_token_prefix", "a token's id finds it before the tenant is known; it is random"
        )
        # Organizations stand below and cannot name what explains rights to them.
        for resource, model in {
            "users": models.User,
            "api_tokens": models.ApiToken,
            "integrations": models.ServiceAccount,
            "roles": models.Role,
            "skills": models.Skill,
            "team_members": models.TeamMember,
            "absences": models.Absence,
            "on_call": models.OnCallRota,
            "teams": structure.Team,
            "departments": structure.Department,
            "sites": structure.Site,
            "cost_centres": structure.CostCentre,
            "calendars": structure.BusinessCalendar,
        }.items():
            subjects.explainable(resource, model)
