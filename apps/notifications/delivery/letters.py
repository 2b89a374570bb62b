"""What each mail says, in the language that is in force where it is translated.

A letter holds what its recipient may know: about themselves, and the name of their own organization.
"""

from dataclasses import dataclass

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noted

from apps.organizations.models import Organization
from apps.users.events import API_TOKEN_CREATED, MFA_ENABLED, MFA_RESET, PASSWORD_CHANGED, TOKEN_REUSED
from apps.users.models import User

EMAIL_CHANGED = "user.email_changed"
# What the owner of an account hears of at once, because it may not have been they: the subject, and what follows the greeting.
NOTICES = {
    PASSWORD_CHANGED: (
        noted("Your password was changed"),
        noted("the password of your account at %(organization)s was changed, and your other sessions ended."),
    ),
    TOKEN_REUSED: (
        noted("One of your sessions was ended"),
        noted(
            "a session of your account at %(organization)s was ended, because its key was used twice."
            " Somebody may have copied it."
        ),
    ),
    "user.mfa_disabled": (
        noted("Your second factor was removed"),
        noted("signing in to your account at %(organization)s no longer asks for a second factor."),
    ),
    MFA_ENABLED: (
        noted("A second factor was set up"),
        noted("signing in to your account at %(organization)s asks for a second factor from now on."),
    ),
    MFA_RESET: (
        noted("Your second factor was reset"),
        noted(
            "an administrator removed the second factor of your account at %(organization)s, and your sessions ended."
        ),
    ),
    API_TOKEN_CREATED: (
        noted("An API token was made"),
        noted("an API token was made that acts as your account at %(organization)s."),
    ),
    EMAIL_CHANGED: (
        noted("Your e-mail address was changed"),
        noted(
            "the e-mail address of your account at %(organization)s was changed. Mail goes to the new one from now on."
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Letter:
    """Paragraphs of plain text, and perhaps one link after the first of them. Both forms of the mail are made from it."""

    subject: str
    paragraphs: tuple[str, ...]
    link: str = ""
    link_label: str = ""

    @property
    def text(self) -> str:
        first, *others = self.paragraphs
        return "\n\n".join([first, *([self.link] if self.link else []), *others]) + "\n"

    @property
    def html(self) -> str:
        return render_to_string("notifications/letter.html", {"letter": self})

    @property
    def subject_line(self) -> str:
        """On one line, whatever a name in it holds: a header ends where its line does."""
        return " ".join(self.subject.split())


def set_password_url(token: str) -> str:
    """The token stands in the fragment, which no browser sends and no server logs."""
    return f"{settings.BASE_URL}/set-password/#{token}"


def invitation(user: User, organization: Organization, token: str) -> Letter:
    names = {"name": user.full_name, "organization": organization.name, "email": user.email}
    return Letter(
        _("You are invited to %(organization)s") % names,
        (
            _("Hello %(name)s, an account was made for you at %(organization)s. Choose a password to sign in with:")
            % names,
            _("The link works once, for seven days. You sign in with the address %(email)s.") % names,
            _("If you expected no invitation, you can leave this mail alone: nothing happens then."),
        ),
        set_password_url(token),
        _("Choose a password"),
    )


def reset(user: User, organization: Organization, token: str) -> Letter:
    names = {"name": user.full_name, "organization": organization.name}
    return Letter(
        _("Set a new password"),
        (
            _("Hello %(name)s, a new password was asked for your account at %(organization)s. Set it here:") % names,
            _("The link works once, for one hour. Your password stays as it is until then."),
            _("If you did not ask for it, you can leave this mail alone."),
        ),
        set_password_url(token),
        _("Set a new password"),
    )


def notice(user: User, organization: Organization, event_name: str) -> Letter:
    """Tell the owner of an account of one of NOTICES."""
    subject, fact = NOTICES[event_name]
    hello = _("Hello %(name)s,") % {"name": user.full_name}
    return Letter(
        _(subject),
        (
            f"{hello} {_(fact) % {'organization': organization.name}}",
            _("If this was not you and nobody told you of it, tell your administrator at once."),
        ),
    )
