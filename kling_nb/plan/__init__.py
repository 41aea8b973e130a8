"""Points to exact calls, losses, prices and reuse: what a sweep would do, before anything is done. Pure."""

from .amounts import Money, dollars, duration, interval, usd
from .plan import Plan
from .planner import Planner
from .points import OFFICIAL, OWN_ID, REUSED, PlannedPoint, Settings

__all__ = [
    "OFFICIAL",
    "OWN_ID",
    "REUSED",
    "Money",
    "Plan",
    "PlannedPoint",
    "Planner",
    "Settings",
    "dollars",
    "duration",
    "interval",
    "usd",
]
