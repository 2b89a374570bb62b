"""What a verb asks for on its page in the admin; the verb itself checks it, as it does for the API."""

from collections.abc import Mapping
from textwrap import shorten
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from apps.core.actors import Actor
from apps.core.authorization import Action, within_reach
from apps.organizations.models import Team
from apps.tickets import kinds, rights
from apps.tickets.choices import HoldReason, Kind, Priority, ResolutionCode, Visibility
from apps.tickets.models import Comment, Ticket
from apps.users.models import User, UserType

# How much of a conversation, of files and of a timeline a page shows.
NEWEST = 100


class VerbForm(forms.Form):
    """`values()` is what the verb is given."""

    def __init__(self, *args: Any, actor: Actor, ticket: Ticket, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.actor, self.ticket = actor, ticket

    def values(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}


def text(*, is_required: bool, label: str, help_text: str = "") -> Any:
    widget = UnfoldAdminTextareaWidget(attrs={"rows": 4})
    return forms.CharField(required=is_required, label=label, help_text=help_text, widget=widget, max_length=20_000)


def choice(choices: Any, *, label: str, is_required: bool = True) -> Any:
    return forms.ChoiceField(choices=choices, label=label, required=is_required, widget=UnfoldAdminSelectWidget)


def searched(model: Any, name: str, *, label: str, help_text: str = "") -> Any:
    """A reference as `model.name` has it: searched for by typing, because nobody reads a list of 50,000.

    What may be named, the form says for its actor.
    """
    column = model._meta.get_field(name)
    return forms.ModelChoiceField(
        column.remote_field.model.objects.none(),
        required=False,
        label=label,
        help_text=help_text,
        widget=AutocompleteSelect(column, admin.site),
    )


def teams(actor: Actor) -> Any:
    return Team.objects.visible_to(actor).alive()


def workers(actor: Actor) -> Any:
    """Whom work may go to."""
    people = User.objects.visible_to(actor).alive().filter(is_active=True)
    return people.exclude(user_type=UserType.END_USER)


class AssignForm(VerbForm):
    team = searched(Ticket, "team", label="Team")
    assignee = searched(Ticket, "assignee", label="Assignee", help_text="Somebody who works on tickets.")
    note = text(is_required=False, label="Note", help_text="Becomes an internal comment.")

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, actor=actor, **kwargs)
        fields: Any = self.fields
        fields["team"].queryset, fields["assignee"].queryset = teams(actor), workers(actor)

    def values(self) -> dict[str, Any]:
        given = super().values()
        to = {f"{name}_id": given[name].pk for name in ("team", "assignee") if name in given}
        return {**to, **({"note": given["note"]} if "note" in given else {})}


class HoldForm(VerbForm):
    reason = choice(HoldReason.choices, label="Reason")
    comment = text(is_required=False, label="Comment", help_text="For the requester, when it waits for them.")
    until = forms.SplitDateTimeField(
        required=False, widget=UnfoldAdminSplitDateTimeWidget, help_text="UTC; of what is scheduled."
    )


class ResolveForm(VerbForm):
    resolution_code = choice(ResolutionCode.choices, label="Resolution code")
    resolution_notes = text(is_required=True, label="Resolution notes", help_text="The requester reads them.")


class ReasonForm(VerbForm):
    reason = text(is_required=True, label="Reason")


class EscalateForm(AssignForm):
    to = choice([("functional", "To another team"), ("hierarchical", "Up the hierarchy")], label="Escalate")
    reason = text(is_required=True, label="Reason")
    note: Any = None
    assignee: Any = None
    field_order = ("to", "team", "reason")

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        VerbForm.__init__(self, *args, actor=actor, **kwargs)
        fields: Any = self.fields
        fields["team"].queryset = teams(actor)

    def values(self) -> dict[str, Any]:
        given = VerbForm.values(self)
        team = given.pop("team", None)
        return {**given, **({"team_id": team.pk} if team is not None else {})}


class OverrideForm(VerbForm):
    priority = choice([("", "As the matrix says"), *Priority.choices], label="Priority", is_required=False)
    reason = text(is_required=False, label="Reason", help_text="Required unless the matrix decides again.")

    def values(self) -> dict[str, Any]:
        given = self.cleaned_data
        return {"priority": int(given["priority"]) if given["priority"] else None, "reason": given["reason"]}


class MergeForm(VerbForm):
    into = forms.CharField(
        label="Merge into",
        help_text="The number of the ticket that goes on.",
        max_length=20,
        widget=UnfoldAdminTextInputWidget,
    )

    def clean_into(self) -> Any:
        """The ticket's id."""
        tickets = Ticket.objects.visible_to(self.actor).alive()
        seen = within_reach(tickets, self.actor, Action.READ, kinds.RESOURCE)
        found = seen.filter(number=self.cleaned_data["into"].upper()).values_list("pk", flat=True).first()
        if found is None:
            raise forms.ValidationError("There is no such ticket; accepted: a number such as INC0000001.")
        return found

    def values(self) -> dict[str, Any]:
        return {"into_id": self.cleaned_data["into"]}


class SplitForm(VerbForm):
    comment = choice((), label="Comment")
    title = forms.CharField(label="Title of the new ticket", max_length=255, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        comments = Comment.objects.alive().filter(ticket_id=self.ticket.pk).select_related("author")
        if not rights.sees_internal(self.actor, self.ticket):
            comments = comments.filter(visibility=Visibility.PUBLIC)
        fields: Any = self.fields
        fields["comment"].choices = [
            (
                str(c.pk),
                f"{c.created_at:%Y-%m-%d %H:%M} · {c.author or 'the platform'} · {c.visibility}: {brief(c.body)}",
            )
            for c in comments.order_by("-created_at", "-id")[:NEWEST]
        ]

    def values(self) -> dict[str, Any]:
        return {"comment_id": UUID(self.cleaned_data["comment"]), "title": self.cleaned_data["title"]}


def brief(words: str) -> str:
    return shorten(words, 80, placeholder=" …")


def becomes(ticket: Ticket) -> list[tuple[str, str]]:
    """What kinds a ticket can be converted to, with what they are called."""
    others = (kind for kind in kinds.every() if kind.is_convertible and kind.name != ticket.kind)
    return [(kind.name, Kind(kind.name).label) for kind in others]


class ConvertForm(VerbForm):
    to = choice((), label="Convert to")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: Any = self.fields
        fields["to"].choices = becomes(self.ticket)


class CommentForm(VerbForm):
    body = text(is_required=True, label="Comment", help_text="Markdown.")
    visibility = choice(Visibility.choices, label="Visible to")


FORMS: Mapping[str, type[VerbForm]] = {
    "assign": AssignForm,
    "hold": HoldForm,
    "resolve": ResolveForm,
    "reopen": ReasonForm,
    "cancel": ReasonForm,
    "escalate": EscalateForm,
    "override-priority": OverrideForm,
    "merge": MergeForm,
    # To be sure: it asks for nothing more.
    "unmerge": VerbForm,
    "split": SplitForm,
    "convert": ConvertForm,
    "comment": CommentForm,
}
# Verbs that ask for nothing: they are also actions of the list.
PLAIN = {"claim": "Take over", "start": "Start work", "resume": "Resume", "close": "Close"}
LABELS = {
    "assign": "Assign",
    "hold": "Put on hold",
    "resolve": "Resolve",
    "reopen": "Reopen",
    "cancel": "Cancel",
    "escalate": "Escalate",
    "override-priority": "Override priority",
    "merge": "Merge",
    "unmerge": "Undo the merge",
    "split": "Split off",
    "convert": "Convert",
    "comment": "Comment",
}
