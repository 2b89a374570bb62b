"""A constraint's refusal in the domain's words: the database is where the rule is, this is how it speaks."""

from django.apps import apps
from django.db import models
from django.db.utils import IntegrityError

from apps.core.errors import Conflict, DomainError, StillReferenced
from apps.core.wall.unwalled import INSTALLATION_WIDE_KEYS


def explain(exception: IntegrityError) -> DomainError:
    """The constraint's own words, where the database's refusal is the rule."""
    cause = exception.__cause__
    name = str(getattr(getattr(cause, "diag", None), "constraint_name", "") or "")
    kind = type(cause).__name__
    if kind == "ForeignKeyViolation":
        return StillReferenced("Another record refers to this one, or a record it refers to is gone.")
    if kind == "UniqueViolation":
        return Conflict(_duplicate(name), code="duplicate")
    if kind == "ExclusionViolation":
        return Conflict("It overlaps another record.", code="overlap")
    return DomainError(_rule(name))


def _duplicate(name: str) -> str:
    constraint = _constraints().get(name)
    if name in INSTALLATION_WIDE_KEYS or not isinstance(constraint, models.UniqueConstraint):
        return "This value is not available."
    fields = [field for field in constraint.fields if field != "organization_id"]
    return f"Another record has the same {' and '.join(fields) or 'value'}."


def _rule(name: str) -> str:
    constraint = _constraints().get(name)
    message = str(constraint.violation_error_message) if constraint is not None else ""
    return message.replace("%(name)s", name) if message else "A rule of this record does not hold."


def _constraints() -> dict[str, models.BaseConstraint]:
    return {c.name: c for model in apps.get_models() for c in model._meta.constraints}
