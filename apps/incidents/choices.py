"""The words of major incidents."""

from django.db.models import TextChoices


class LeadRole(TextChoices):
    """Who leads it, and who speaks to everybody; the columns of the incident are called alike."""

    COMMANDER = "commander"
    COMMUNICATIONS_LEAD = "communications_lead"


class UpdateOutcome(TextChoices):
    """What became of an update that was promised. Paced anew: another interval holds. Over: nobody waits for it any more."""

    AWAITED = "awaited"
    GIVEN = "given"
    PACED_ANEW = "paced_anew"
    OVER = "over"


class HandoverOutcome(TextChoices):
    """Lapsed: the incident was over, or no major one any more, before anybody answered."""

    OFFERED = "offered"
    TAKEN = "taken"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
