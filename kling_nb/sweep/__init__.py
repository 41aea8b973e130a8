"""A sweep: axes and fixed values, and the points that they make. Nothing here knows a provider, a price or the wire."""

from .checks import conditions
from .designs import DESIGNS
from .prompts import names as variables_in
from .sweep import Point, Sweep
from .values import OWN, SETTINGS

__all__ = ["DESIGNS", "OWN", "SETTINGS", "Point", "Sweep", "conditions", "variables_in"]
