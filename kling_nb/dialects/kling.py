"""Kling itself, which speaks two generations: the legacy one of `Native` and the path API of `Path`.

The endpoint of a model says which (`kling_nb.offer.Offer.endpoint`): legacy paths begin with ``/v1/``.
"""

from __future__ import annotations

from .native import Native


class Kling(Native):
    """Both generations at one provider."""
