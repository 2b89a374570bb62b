"""One row per arrival: two rows with one event id are a doubled effect, an event without a row a lost one."""

from django.db import models

from apps.core.models import TenantModel, new_id


class Arrival(TenantModel):
    event_id = models.UUIDField()
    arrived_at = models.DateTimeField()


class Pulse(models.Model):
    """One run of the scheduled job `sink.pulse`; not a tenant's row."""

    id = models.UUIDField(primary_key=True, default=new_id)
    due_at = models.DateTimeField()
    ran_at = models.DateTimeField()
