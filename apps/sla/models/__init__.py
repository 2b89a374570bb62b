"""Policies and what is told by them; timers and what they did."""

from apps.sla.models.escalation import Acknowledgement, EscalationFiring, EscalationPolicy, EscalationRun, Notice
from apps.sla.models.policies import Level, Policy, PolicyVersion, Settings, Target
from apps.sla.models.timers import Breach, LevelFiring, Reading, Segment, Timer

__all__ = [
    "Acknowledgement",
    "Breach",
    "EscalationFiring",
    "EscalationPolicy",
    "EscalationRun",
    "Level",
    "LevelFiring",
    "Notice",
    "Policy",
    "PolicyVersion",
    "Reading",
    "Segment",
    "Settings",
    "Target",
    "Timer",
]
