"""What a ticket would be promised, asked in the admin."""

from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSplitDateTimeWidget

from apps.tickets import kinds
from apps.tickets.admin.forms import searched
from apps.tickets.choices import Priority
from apps.tickets.models import Ticket

NAMED = ("service", "team", "requester")


class PreviewForm(forms.Form):
    """A ticket that nobody raises."""

    kind = forms.ChoiceField(
        choices=lambda: [(kind.name, kind.name.replace("_", " ")) for kind in kinds.every()],
        widget=UnfoldAdminSelectWidget,
    )
    priority = forms.ChoiceField(choices=Priority.choices, widget=UnfoldAdminSelectWidget)
    service = searched(Ticket, "service", label="Service")
    team = searched(Ticket, "team", label="Team")
    requester = searched(Ticket, "requester", label="Requester")
    at = forms.SplitDateTimeField(
        required=False, label="Raised", help_text="UTC; now where it is empty.", widget=UnfoldAdminSplitDateTimeWidget
    )

    def __init__(self, *args: Any, actor: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: Any = self.fields
        for name in NAMED:
            column: Any = Ticket._meta.get_field(name)
            rows = column.remote_field.model._default_manager.visible_to(actor)
            fields[name].queryset = rows.alive()

    def facts(self) -> dict[str, Any]:
        given = self.cleaned_data
        named = {name: str(given[name].pk) for name in NAMED if given[name] is not None}
        return {"kind": given["kind"], "priority": int(given["priority"]), **named}

    @property
    def moment(self) -> Any:
        return self.cleaned_data["at"] or timezone.now()
