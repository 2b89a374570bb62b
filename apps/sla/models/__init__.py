"""Policies and what is told by them; timers and what they did."""

from apps.sla.models.policies import Level, Policy, PolicyVersion, Settings, Target
from apps.sla.models.timers import Breach, LevelFiring, Reading, Segment, Timer

__all__ = [
    "Breach",
    "Level",
    "LevelFiring",
    "Policy",
    "PolicyVersion",
    "Reading",
    "Segment",
    "Settings",
    "Target",
    "Timer",
]
