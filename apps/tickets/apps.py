from django.apps import AppConfig


class TicketsConfig(AppConfig):
    name = "apps.tickets"
    label = "tickets"
    verbose_name = "Tickets"

    def ready(self) -> None:
        from apps.core import authorization  # noqa: PLC0415 - needs the models, as all of these
        from apps.core.authorization import Reach, Through  # noqa: PLC0415
        from apps.tickets import demo, events, figures, kinds, subscribers  # noqa: F401, PLC0415 - each registers itself

        authorization.declare_group(kinds.RESOURCE, authorization.ResourceGroup("kind", kinds.resources))
        # Who requests a ticket may read what it is about.
        authorization.extend_reach(
            "cmdb.ConfigurationItem", Reach.OWN, Through("tickets.Ticket", "configuration_item_id", "requester_id")
        )
