from django.apps import AppConfig

from apps.core import proof
from apps.core.wall.unwalled import allow_installation_wide_key


class OrganizationsConfig(AppConfig):
    name = "apps.organizations"
    label = "organizations"
    verbose_name = "Organization"

    def ready(self) -> None:
        from apps.organizations import demo, events, services, subscribers, tasks  # noqa: F401, PLC0415 - each registers itself

        proof.demand(services.refuse_demo_in_production)
        allow_installation_wide_key("organization_slug", "a slug names the tenant before the tenant is known")
