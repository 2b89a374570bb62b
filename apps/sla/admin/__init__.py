"""The admin's pages of this app, by noun; importing them registers them."""

from apps.sla.admin import escalation, policies, timers

__all__ = ["escalation", "policies", "timers"]
