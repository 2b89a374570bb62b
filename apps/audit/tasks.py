"""Celery's side of delivery."""

from uuid import UUID

from celery import shared_task

from apps.audit import services
from apps.core.tasks import SelfTenantTask


@shared_task(name="audit.deliver", base=SelfTenantTask)
def deliver_dispatch(organization_id: str, dispatch_id: str) -> str:
    """Deliver one event to one consumer; enters the tenant itself because attempt and effect commit apart."""
    return services.deliver(UUID(organization_id), UUID(dispatch_id))
