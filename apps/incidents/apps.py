from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    name = "apps.incidents"
    label = "incidents"
    verbose_name = "Incidents"

    def ready(self) -> None:
        # Each registers itself.
        from apps.incidents import demo, duplicates, events, figures, subscribers, tasks, words  # noqa: F401, PLC0415
        from apps.incidents.lifecycle import LIFECYCLE  # noqa: PLC0415 - needs the models, as all of these
        from apps.incidents.services import refuse_parent  # noqa: PLC0415
        from apps.tickets import kinds  # noqa: PLC0415

        kinds.register(
            kinds.TicketKind(
                name="incident",
                prefix=kinds.PREFIXES["incident"],
                resource="incidents",
                model="incidents.Incident",
                lifecycle=LIFECYCLE,
                is_convertible=True,
                refuse_parent=refuse_parent,
            )
        )
