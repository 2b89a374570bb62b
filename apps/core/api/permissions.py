"""DRF's permission hook, closed: views of the platform ask the authorizer in their base class instead."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class Refuse(BasePermission):
    """The default of every view, so that one which forgot the base class answers nobody."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


class Handled(BasePermission):
    """For views whose base class has asked already, or that are open to everybody and say so."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return True
