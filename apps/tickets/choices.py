"""The words of a ticket that all kinds share."""

from django.db.models import IntegerChoices, TextChoices


class Kind(TextChoices):
    """The practices, also those whose app comes later: the base table's rules name them all."""

    INCIDENT = "incident"
    SERVICE_REQUEST = "service_request"
    PROBLEM = "problem"
    CHANGE = "change"


class Level(IntegerChoices):
    """Impact and urgency: 1 is high."""

    HIGH = 1
    MEDIUM = 2
    LOW = 3


class Priority(IntegerChoices):
    CRITICAL = 1
    HIGH = 2
    MODERATE = 3
    LOW = 4
    PLANNING = 5


class MajorStatus(TextChoices):
    """What became of the wish to make it a major incident; lists show it of every kind, as the base row's they are."""

    NONE = ""
    CANDIDATE = "candidate"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DEMOTED = "demoted"


class Source(TextChoices):
    """By which way a ticket came."""

    PORTAL = "portal"
    EMAIL = "email"
    PHONE = "phone"
    MONITORING = "monitoring"
    API = "api"
    CHAT = "chat"


class HoldReason(TextChoices):
    AWAITING_REQUESTER = "awaiting_requester"
    AWAITING_VENDOR = "awaiting_vendor"
    AWAITING_CHANGE = "awaiting_change"
    AWAITING_PROBLEM = "awaiting_problem"
    AWAITING_APPROVAL = "awaiting_approval"
    SCHEDULED = "scheduled"


class ResolutionCode(TextChoices):
    """ServiceNow's list of 2026, and `user_error`."""

    DUPLICATE = "duplicate"
    KNOWN_ERROR = "known_error"
    NO_RESOLUTION_PROVIDED = "no_resolution_provided"
    RESOLVED_BY_CALLER = "resolved_by_caller"
    RESOLVED_BY_CHANGE = "resolved_by_change"
    RESOLVED_BY_PROBLEM = "resolved_by_problem"
    RESOLVED_BY_REQUEST = "resolved_by_request"
    SOLUTION_PROVIDED = "solution_provided"
    WORKAROUND_PROVIDED = "workaround_provided"
    USER_ERROR = "user_error"


class Visibility(TextChoices):
    """Public is for the requester and watchers too; internal only for those who work on the ticket."""

    PUBLIC = "public"
    INTERNAL = "internal"


class Voice(TextChoices):
    """Who speaks in a comment, as its ticket sees it; a watcher is another."""

    REQUESTER = "requester"
    DESK = "desk"
    OTHER = "other"
    AUTOMATIC = "automatic"


class LinkType(TextChoices):
    """Read as a sentence: this ticket <type> that one."""

    DUPLICATES = "duplicates"
    RELATES_TO = "relates_to"
    CAUSED_BY = "caused_by"
    CAUSES = "causes"
    BLOCKS = "blocks"
    PARENT_OF = "parent_of"
    FOLLOW_UP_OF = "follow_up_of"


class FieldType(TextChoices):
    """What a custom field holds."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    INSTANT = "instant"
    CHOICE = "choice"
    CHOICES = "choices"
    USER = "user"
    URL = "url"


class Audience(TextChoices):
    """With whom a view or a canned reply is shared."""

    ME = "me"
    TEAM = "team"
    ORGANIZATION = "organization"


class AssignmentMethod(TextChoices):
    """How a team's queue chooses among those who are eligible."""

    # Whoever has gone longest without new work.
    ROUND_ROBIN = "round_robin"
    # Whoever has the least open work, weighted by priority; then as above.
    LEAST_LOADED = "least_loaded"
    # Whoever is best at what the ticket asks for; then as above.
    SKILL = "skill"


class Destination(TextChoices):
    """Where a rule sends a ticket: to the team it names, or to the one that supports what the ticket is about."""

    TEAM = "team"
    CONFIGURATION_ITEM = "configuration_item"
    SERVICE = "service"


class HandsBack(TextChoices):
    """What of somebody's work goes to others when they have gone offline for a minute, or are out of office."""

    NOTHING = "nothing"
    UNACCEPTED = "unaccepted"
    ALL = "all"


class Purpose(TextChoices):
    """What a countdown on a ticket is for."""

    # It waits for an instant that somebody named.
    UNTIL = "until"
    # It waits for its requester's answer.
    ASKING = "asking"
    # It is resolved, and waits for an objection.
    CLOSING = "closing"


class Doing(TextChoices):
    """What time does to a ticket."""

    RESUME = "resume"
    # Its owner is told that the time has come; what it waits for is not here yet.
    RECALL = "recall"
    REMIND = "remind"
    RESOLVE = "resolve"
    WARN = "warn"
    CLOSE = "close"


class Days(TextChoices):
    """By which days something is counted: those on which the calendar is open at all, or all of them, 24 hours each."""

    BUSINESS = "business"
    CALENDAR = "calendar"
