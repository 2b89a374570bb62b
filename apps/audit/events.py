"""What the audit app itself records."""

from apps.core.events import declare

DISPATCH_REPLAYED = declare("dispatch.replayed", "A dead delivery was given its attempts back.")
