"""One row per arrival: two rows with one event id are a doubled effect, an event without a row a lost one."""

from django.db import models

from apps.core.models import TenantModel


class Arrival(TenantModel):
    event_id = models.UUIDField()
    arrived_at = models.DateTimeField()
