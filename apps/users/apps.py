from django.apps import AppConfig

from apps.core.api import identity
from apps.core.wall.unwalled import allow_installation_wide_key


class UsersConfig(AppConfig):
    name = "apps.users"
    label = "users"
    verbose_name = "People and access"

    def ready(self) -> None:
        from apps.core import jobs  # noqa: PLC0415 - needs the models, as all of these
        from apps.organizations import models as structure  # noqa: PLC0415
        from apps.users import demo, events, models, rights, subjects, subscribers  # noqa: F401, PLC0415
        from apps.users.api.sign_in import BearerSignIn  # noqa: PLC0415

        identity.install(BearerSignIn())
        jobs.install_actor_finder(rights.actor_now)
        allow_installation_wide_key(
            "user_email", "an e-mail address signs in before the tenant is known; a clash is a neutral 409"
        )
        # Organizations stand below and cannot name what explains rights to them.
        for resource, model in {
            "users": models.User,
            "roles": models.Role,
            "skills": models.Skill,
            "team_members": models.TeamMember,
            "teams": structure.Team,
            "departments": structure.Department,
            "sites": structure.Site,
            "cost_centres": structure.CostCentre,
            "calendars": structure.BusinessCalendar,
        }.items():
            subjects.explainable(resource, model)
