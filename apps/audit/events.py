"""What the audit app itself records."""

from apps.core.events import declare

HEARTBEAT = declare("platform.heartbeat", "The platform's own pulse through event, relay and worker, once a minute.")
