"""A sweep: axes and fixed values, and the points that they make. Nothing here knows a provider, a price or the wire."""

from .sweep import Point, Sweep

__all__ = ["Point", "Sweep"]
