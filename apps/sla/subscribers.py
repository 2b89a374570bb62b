"""What service levels do about facts from below, inside the transaction that records them."""

from apps.audit.models import Event
from apps.core.events import after, inside
from apps.sla import acting, defaults, evaluating, policies
from apps.sla.escalation import acknowledging, by_hand
from apps.sla.events import ACTION_DUE
from apps.tickets.choices import Kind

for kind in Kind.values:
    inside(f"{kind}.*")(evaluating.follow)
    # After the timers and chains have followed: whoever takes it over stops what was to call somebody.
    for past in ("claimed", "started", "resumed", "put_on_hold", "commented"):
        inside(f"{kind}.{past}")(acknowledging.follow)
    inside(f"{kind}.escalated")(by_hand.follow)
    inside(f"{kind}.passed_on")(by_hand.follow_unaccepted)


@inside("organization.created")
def give_policies(event: Event) -> None:
    """A new organization promises the field's usual from its first ticket on."""
    defaults.create_default_policies(event.organization_id, at=event.at)


@inside("calendar.*")
def open_new_page(event: Event) -> None:
    """New timers count by the new hours; those that run keep their version."""
    policies.restamp(event.organization_id)


@after(ACTION_DUE, consumer="sla.act")
def act(event: Event) -> None:
    """Raise the priority, pass it on: what its level says."""
    acting.carry_out(event)
