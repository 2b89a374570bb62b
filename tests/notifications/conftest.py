"""What the tests of mail share: the demo's mailbox, and a relay that delivers what is due."""

import re
from collections.abc import Callable

import pytest
from django.utils import timezone

from apps.audit import services
from apps.audit.models import Dispatch
from apps.notifications.models import MailboxMessage
from tests.conftest import Tenant

TOKEN = re.compile(r"/set-password/#(\S+)")


@pytest.fixture
def mailbox(settings, fresh_database) -> Callable[[Tenant], list[MailboxMessage]]:
    """`mailbox(acme)`: the messages kept in a tenant, oldest first."""
    settings.EMAIL_BACKEND = settings.MAILBOX_BACKEND

    def messages(tenant: Tenant) -> list[MailboxMessage]:
        with tenant.entered():
            return list(MailboxMessage.objects.order_by("created_at", "id"))

    return messages


def deliver_all(tenant: Tenant) -> dict[str, str]:
    """Hand every waiting event to its consumer, as the relay would; what came of each, by consumer."""
    with tenant.entered():
        Dispatch.objects.filter(done_at=None, dead_at=None).update(next_at=timezone.now())
        waiting = list(Dispatch.objects.filter(done_at=None, dead_at=None).values_list("pk", "consumer"))
    return {consumer: services.deliver(tenant.id, pk) for pk, consumer in waiting if consumer != "tests.sink"}


def token_in(text: str) -> str:
    found = TOKEN.search(text)
    assert found is not None
    return found[1]
