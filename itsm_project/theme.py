"""How the admin looks: title, colours, and the navigation, grouped as people think of it rather than by app."""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

Item = dict[str, Any]


def records(title: str, icon: str, label: str) -> Item:
    """A list of records, for whoever may see it."""
    name = label.replace(".", "_")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{name}_changelist"),
        "permission": _may_see(label),
    }


def section(title: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "separator": True, "items": list(items)}


def _may_see(label: str) -> Callable[[HttpRequest], bool]:
    def permission(request: HttpRequest) -> bool:
        found = admin.site._registry.get(apps.get_model(label))
        return found is not None and found.has_view_permission(request)

    return permission


def is_operator(request: HttpRequest) -> bool:
    return bool(getattr(request, "is_operator", False))


def environment(request: HttpRequest) -> list[str] | None:
    """The label beside the title that tells a trial from the real thing."""
    return {"demo": ["Demo", "warning"], "test": ["Test", "info"]}.get(settings.ITSM_MODE)


def icon(request: HttpRequest) -> str:
    return static("core/icon.svg")


def style_sheet(request: HttpRequest) -> str:
    return static("core/admin.css")


def _keeps_mail(request: HttpRequest) -> bool:
    return settings.EMAIL_BACKEND == settings.MAILBOX_BACKEND and _may_see("notifications.mailboxmessage")(request)


# Where mail is really sent there is no mailbox to look into.
MAILBOX = {**records("Demo mailbox", "inbox", "notifications.mailboxmessage"), "permission": _keeps_mail}

NAVIGATION: list[dict[str, Any]] = [
    {
        "items": [
            {"title": "Dashboard", "icon": "space_dashboard", "link": reverse_lazy("admin:index")},
            {
                "title": "Organizations",
                "icon": "switch_account",
                "link": reverse_lazy("admin:operator"),
                "permission": is_operator,
            },
        ]
    },
    section(
        "Work",
        records("Queue", "inbox", "tickets.ticket"),
        records("Incidents", "emergency", "incidents.incident"),
        records("Tasks", "checklist", "tickets.task"),
        records("Work logs", "timer", "tickets.worklog"),
        records("Comments", "chat", "tickets.comment"),
        records("Files", "attach_file", "tickets.attachment"),
        records("Links", "link", "tickets.link"),
        records("Watchers", "visibility", "tickets.watcher"),
    ),
    section(
        "Work set-up",
        records("Priority matrix", "grid_on", "tickets.prioritycell"),
        records("Categories", "account_tree", "tickets.category"),
        records("Custom fields", "tune", "tickets.customfield"),
        records("Tags", "sell", "tickets.tag"),
        records("Canned replies", "quickreply", "tickets.cannedreply"),
        records("Saved views", "filter_list", "tickets.savedview"),
    ),
    section(
        "Assignment",
        records("Rules", "alt_route", "tickets.assignmentrule"),
        records("Queues", "move_to_inbox", "tickets.assignmentqueue"),
    ),
    section(
        "Service levels",
        records("Timers", "timer", "sla.timer"),
        records("Breaches", "alarm", "sla.breach"),
        records("Policies", "handshake", "sla.policy"),
        records("Policy versions", "history_edu", "sla.policyversion"),
        records("Escalation policies", "stairs", "sla.escalationpolicy"),
        records("Escalations", "notification_important", "sla.escalationrun"),
    ),
    section(
        "People",
        records("Users", "group", "users.user"),
        records("Teams", "groups", "organizations.team"),
        records("Team members", "group_add", "users.teammember"),
        records("Skills", "school", "users.skill"),
        records("Absences", "event_busy", "users.absence"),
        records("Presence", "person_check", "users.presence"),
    ),
    section(
        "Access",
        records("Roles", "shield_person", "users.role"),
        records("Role assignments", "assignment_ind", "users.roleassignment"),
        records("Sessions", "devices", "users.session"),
        records("Service accounts", "smart_toy", "users.serviceaccount"),
        records("API tokens", "key", "users.apitoken"),
    ),
    section(
        "On call",
        records("Rotas", "autorenew", "users.oncallrota"),
        records("Overrides", "swap_horiz", "users.oncalloverride"),
        records("Coverage", "fact_check", "users.oncallcoverage"),
    ),
    section(
        "Organization",
        records("Settings", "tune", "organizations.organization"),
        records("Sites", "location_on", "organizations.site"),
        records("Departments", "account_tree", "organizations.department"),
        records("Cost centres", "payments", "organizations.costcentre"),
        records("Calendars", "calendar_month", "organizations.businesscalendar"),
    ),
    section(
        "Records",
        records("Events", "history", "audit.event"),
        records("Row changes", "difference", "audit.rowchange"),
        records("Deliveries", "outbox", "audit.dispatch"),
        records("Jobs", "pending_actions", "core.job"),
        records("Mails", "mail", "notifications.mail"),
        MAILBOX,
    ),
]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "ITSM",
    "SITE_HEADER": "ITSM",
    "SITE_SUBHEADER": "Administration, times in UTC",
    "SITE_SYMBOL": "support_agent",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_BACK_BUTTON": True,
    "ENVIRONMENT": environment,
    "DASHBOARD_CALLBACK": "apps.users.dashboard.with_figures",
    "STYLES": [style_sheet],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": icon}],
    "SIDEBAR": {"navigation": NAVIGATION},
    # A calm blue; the theme's own is violet.
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.6)",
            "100": "oklch(93.2% .032 255.6)",
            "200": "oklch(88.2% .059 254.1)",
            "300": "oklch(80.9% .105 251.8)",
            "400": "oklch(70.7% .165 254.6)",
            "500": "oklch(62.3% .214 259.8)",
            "600": "oklch(54.6% .245 262.9)",
            "700": "oklch(48.8% .243 264.4)",
            "800": "oklch(42.4% .199 265.6)",
            "900": "oklch(37.9% .146 265.5)",
            "950": "oklch(28.2% .091 267.9)",
        }
    },
}
