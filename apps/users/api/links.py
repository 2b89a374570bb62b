"""Links that set a password: asked for by anybody, opened by whoever got one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import limits
from apps.core.addresses import client_address
from apps.core.api.serializers import strict_input
from apps.core.api.views import ApiView
from apps.users import links
from apps.users.api.serializers import ResetAccepted, ResetConfirmation, ResetRequest

ACCEPTED = "If somebody has this address, a link to set a new password is on its way to it."
# Of one address. How many mails one account gets is counted besides (links.RESETS_PER_HOUR).
RESETS = limits.declare("password_reset", 60, 3600, burst=20)
# Longer than the work for an address that somebody has, which an unknown one does not cost.
PACE_SECONDS = 0.4


@contextmanager
def paced(seconds: float) -> Iterator[None]:
    """Last so long, whatever the block does in less: how long an answer took tells nothing about it."""
    until = time.monotonic() + seconds
    try:
        yield
    finally:
        time.sleep(max(0.0, until - time.monotonic()))


class ResetView(ApiView):
    """Forgotten passwords."""

    limits = {"post": RESETS}

    @extend_schema(request=ResetRequest, responses={202: ResetAccepted}, auth=[])
    def post(self, request: Request) -> Response:
        """Have a link mailed to whoever this address belongs to; the answer is the same when nobody does."""
        given = strict_input(ResetRequest(data=request.data))
        with paced(PACE_SECONDS):
            links.request_reset(email=given["email"], at=timezone.now())
        return Response({"detail": ACCEPTED}, status=status.HTTP_202_ACCEPTED)


class ResetConfirmView(ApiView):
    """Links out of an invitation or a reset."""

    @extend_schema(request=ResetConfirmation, responses={204: None}, auth=[])
    def post(self, request: Request) -> Response:
        """Set the password of the link's owner. Each link works once; it opens no session."""
        given = strict_input(ResetConfirmation(data=request.data))
        links.open_link(
            token=given["token"],
            password=given["new_password"],
            at=timezone.now(),
            address=client_address(request._request),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)
