from django.apps import AppConfig


class CmdbConfig(AppConfig):
    name = "apps.cmdb"
    label = "cmdb"
    verbose_name = "Configuration"

    def ready(self) -> None:
        from apps.cmdb import demo, events, models, subscribers  # noqa: F401, PLC0415 - each registers itself
        from apps.users import subjects  # noqa: PLC0415 - needs the models

        subjects.explainable("configuration_items", models.ConfigurationItem)
