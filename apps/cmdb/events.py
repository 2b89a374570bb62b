"""What this app records: the created, updated and deleted of its plain records, and what was restored."""

from apps.cmdb.models import CiClass, ConfigurationItem, Service
from apps.core.records import declare_events

declare_events(CiClass)
for model in (Service, ConfigurationItem):
    declare_events(model, "created", "updated", "deleted", "restored")
