"""DRF's authentication hook; the base view has signed the caller in before DRF asks."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request


class BearerAuthentication(BaseAuthentication):
    """For the schema's security scheme, and for 401 instead of 403 where DRF itself refuses."""

    def authenticate(self, request: Request) -> None:
        return None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="itsm"'
