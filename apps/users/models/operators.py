"""Which organizations have been told that an operator acts in them over the API."""

from django.db import models

from apps.core.models import TenantModel


class OperatorVisit(TenantModel):
    """One session of an operator in an organization that is not theirs, so that it is told once. Not captured: an event tells.

    The session is a row of the operator's own organization, so this only names it.
    """

    session_key = models.UUIDField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization_id", "session_key"], name="operator_visit_once")]
