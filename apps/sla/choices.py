"""The words of service levels."""

from django.db.models import TextChoices


class Metric(TextChoices):
    """What is measured. Approval and fulfilment have rules of their own once somebody can approve and fulfil."""

    FIRST_RESPONSE = "first_response"
    NEXT_REPLY = "next_reply"
    RESOLUTION = "resolution"
    PERIODIC_UPDATE = "periodic_update"
    APPROVAL = "approval"
    FULFILMENT = "fulfilment"


class Agreement(TextChoices):
    """With whom: the customer (sla), a team of one's own (ola), a supplier (uc). The last two run while their team has it."""

    SLA = "sla"
    OLA = "ola"
    UC = "uc"


OF_TEAM = frozenset({Agreement.OLA, Agreement.UC})


class VersionState(TextChoices):
    """Only a draft can be changed; of one policy at most one version is published."""

    DRAFT = "draft"
    PUBLISHED = "published"
    RETIRED = "retired"


class Stage(TextChoices):
    """Where a timer is. A breach is no stage: it is `breached_at`, and stays."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    MISSED = "missed"
    CANCELLED = "cancelled"


LIVE = (Stage.RUNNING, Stage.PAUSED)
FINISHED = (Stage.MET, Stage.MISSED)


class EndReason(TextChoices):
    """Why a timer ended; the cancelled ones are left out of reports."""

    NONE = ""
    STOPPED = "stopped"
    RESET = "reset"
    HANDED_OVER = "handed_over"
    CONDITION = "condition"
    REPLACED = "replaced"
    UNMATCHED = "unmatched"
    WITHDRAWN = "withdrawn"
    MERGED = "merged"
    DELETED = "deleted"
    TICKET_CANCELLED = "ticket_cancelled"


class Outcome(TextChoices):
    """What became of a level's instant.

    fired: told; collapsed: not told in time, and a higher level was; late: passed before the timer was attached; past: history.
    """

    FIRED = "fired"
    COLLAPSED = "collapsed"
    LATE = "late"
    PAST = "past"


class Stretch(TextChoices):
    """What a timer did between two instants. Only what ran is counted."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class Selection(TextChoices):
    """Which of several matching policies counts, per agreement and metric: the first in order, or the earliest deadline."""

    FIRST_MATCH = "first_match"
    STRICTEST = "strictest"


class Adoption(TextChoices):
    """What a new version does to open timers: nothing, or they are measured against it from their start."""

    NEW_ONLY = "new_only"
    MIGRATE = "migrate"


class Chain(TextChoices):
    """Functional: each step gives the ticket to another team. Hierarchical: each tells those who answer for it."""

    FUNCTIONAL = "functional"
    HIERARCHICAL = "hierarchical"


class Begins(TextChoices):
    """By itself on every ticket that matches and that nobody has in hand; or when a level or somebody says so."""

    UNATTENDED = "unattended"
    ON_DEMAND = "on_demand"


class RunCause(TextChoices):
    """Why a chain began on a ticket."""

    MATCHED = "matched"
    LEVEL = "level"
    STEP = "step"
    SOMEBODY = "somebody"


class RunEnd(TextChoices):
    """Why a chain ended: somebody came, the ticket is over, is another one now, nobody is left, or its policy is switched off."""

    NONE = ""
    ACKNOWLEDGED = "acknowledged"
    FINISHED = "finished"
    UNMATCHED = "unmatched"
    EXHAUSTED = "exhausted"
    WITHDRAWN = "withdrawn"
