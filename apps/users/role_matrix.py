"""A role's grants as a table of resources and actions; each cell says how far the grant reaches."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from apps.core.authorization import Action, Reach
from apps.users.models import Role
from apps.users.role_table import VOCABULARY

# "teams.read" to "organization"; what is not granted is not there.
Cells = Mapping[str, str]
ABBREVIATED = {"sla": "SLA", "api_tokens": "API tokens"}
# So that the columns of all actions fit beside each other on a laptop.
SHORT = {Reach.DEPARTMENT: "dept.", Reach.ORGANIZATION: "org."}


REACHES = [{"value": reach.value, "short": SHORT.get(reach, reach.value)} for reach in Reach]


class Cell(NamedTuple):
    """One action on one resource. `is_known`: whether the resource has such an action at all."""

    grant: str
    reach: str
    is_known: bool

    @property
    def short_reach(self) -> str:
        return SHORT.get(Reach(self.reach), self.reach)


def cells_of(role: Role) -> dict[str, str]:
    """One query."""
    return {f"{grant.resource}.{grant.action}": grant.reach for grant in role.grants.all()}


def rows(cells: Cells) -> Iterator[tuple[str, list[Cell]]]:
    for resource, actions in VOCABULARY.items():
        names = ((f"{resource}.{action}", action in actions) for action in Action)
        yield (
            ABBREVIATED.get(resource, resource.replace("_", " ").capitalize()),
            [Cell(name, cells.get(name, ""), is_known) for name, is_known in names],
        )


def render(cells: Cells, field: str = "") -> SafeString:
    """The table; with the name of a form's field its cells can be chosen."""
    context = {"field": field, "actions": list(Action), "rows": rows(cells), "reaches": REACHES}
    return render_to_string("users/role_matrix.html", context)


class MatrixWidget(forms.Widget):
    """A select for each action that a resource has."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        return render(value or {}, field=name)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> dict[str, str]:
        prefix = f"{name}-"
        return {key.removeprefix(prefix): data[key] for key in data if key.startswith(prefix) and data[key]}

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return False

    def id_for_label(self, id_: str) -> str:
        return ""


class MatrixField(forms.Field):
    """Cleans to the grants as access.create_role takes them; which grants there are is that service's to say."""

    widget = MatrixWidget

    def clean(self, value: Any) -> list[dict[str, str]]:
        grants = []
        for name, reach in sorted(value.items()):
            resource, _, action = name.partition(".")
            if reach not in set(Reach):
                raise forms.ValidationError(f"{name}: not a reach; accepted: {', '.join(Reach)}.")
            grants.append({"resource": resource, "action": action, "reach": reach})
        return grants

    def has_changed(self, initial: Any, data: Any) -> bool:
        return dict(initial or {}) != dict(data or {})


class RoleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A custom role. Only a role of direct grants goes without a name, and nobody makes one here."""

    grants = MatrixField(required=False, label="Grants")

    class Meta:
        model = Role
        fields = ("name", "description", "requires_mfa")
        labels: ClassVar[dict[str, str]] = {"requires_mfa": "Requires a second factor"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "name" in self.fields:
            self.fields["name"].required = True
        if self.instance.is_built_in:
            del self.fields["grants"]
        elif not self.instance._state.adding:
            self.initial["grants"] = cells_of(self.instance)
