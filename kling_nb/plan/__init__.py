"""Points to exact calls, losses, prices and reuse: what a sweep would do, before anything is done. Pure."""

from .amounts import Money, apart, dollars, duration, interval, over, usd
from .plan import Plan
from .planner import Planner
from .points import OFFICIAL, OWN_ID, REUSED, PlannedPoint, Settings
from .starting import SINGLES, confirm, run_name, stored_sweep

__all__ = [
    "OFFICIAL",
    "OWN_ID",
    "REUSED",
    "SINGLES",
    "Money",
    "Plan",
    "PlannedPoint",
    "Planner",
    "Settings",
    "apart",
    "confirm",
    "dollars",
    "duration",
    "interval",
    "over",
    "run_name",
    "stored_sweep",
    "usd",
]
