"""What a lab wants of its folder: simulated or live, by which catalogue, with which keys, at which addresses."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Integral
from pathlib import Path

from ..catalog import Catalog
from ..dialect import Dialect
from ..errors import InputError, LabError
from ..keys import Access, need_key
from ..keywords import answering
from ..offer import Provider
from ..secret import Secret


@answering("kn.Simulation", "simulation")
@dataclass(frozen=True, kw_only=True)
class Simulation:
    """A lab without an account: a simulator inside this process plays every provider in its own dialect.

    ``seed`` fixes every id, latency and clip. ``speed`` is how many simulated seconds pass per real second; with
    infinity nothing waits. The environment variable ``KLING_NB_SPEED`` overrides it.
    """

    seed: int = 7
    speed: float = 60.0

    def __post_init__(self) -> None:
        """Raise `InputError` for a speed that is not above 0, or a seed that is no whole number."""
        speed = self.speed if isinstance(self.speed, int | float) and not isinstance(self.speed, bool) else math.nan
        if not speed > 0:
            message = f"speed={self.speed!r}: expected a number above 0, in simulated seconds per real second"
            raise InputError(message)
        if not isinstance(self.seed, Integral):
            message = f"seed={self.seed!r}: expected a whole number"
            raise InputError(message)
        object.__setattr__(self, "seed", int(self.seed))  # numpy's too

    @property
    def pace(self) -> float:
        """The speed in force."""
        return speed_variable() or self.speed


def speed_variable() -> float | None:
    """Return ``KLING_NB_SPEED`` as a number, if it is set; raises `LabError` for what is none."""
    text = os.environ.get("KLING_NB_SPEED", "").strip()
    if not text:
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not speed > 0:
        message = f"KLING_NB_SPEED should be a number above 0, got {text!r}"
        raise LabError(message)
    return speed


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a lab wants opened: the folder, and what its engine needs.

    ``bound`` and ``key`` look addresses and keys up anew each time; ``keys`` are those given by hand, and
    ``has_files`` is whether the catalogue was laid over by files of a person's own. ``daily_budget`` is the ceiling in
    USD that holds from when the folder is driven; `None`: what was kept before.
    """

    folder: Path
    simulation: Simulation | None
    catalog: Catalog
    bound: Callable[[str], tuple[Provider, Dialect]]
    key: Callable[[Provider], Secret]
    access: Callable[[Provider], Access]
    keys: Mapping[str, Secret]
    has_files: bool = False
    daily_budget: Decimal | None = None

    def over(self, earlier: Wanted) -> Wanted:
        """Return what is wanted of a folder that was opened before: all that is given now, and what was given only then.

        A cell that opens the lab and was corrected is run again; one that only looks in has no keys to give.
        """
        kept = self if self.has_files or not earlier.has_files else earlier
        played = self.simulation
        if played and earlier.simulation:  # what was drawn by a seed cannot be drawn anew
            played = replace(played, seed=earlier.simulation.seed)
        merged = replace(self, simulation=played, keys={**earlier.keys, **self.keys})
        return replace(merged, catalog=kept.catalog, bound=kept.bound, has_files=kept.has_files)

    def before(self, earlier: Wanted) -> Wanted:
        """Return what is wanted by a lab that buys: as `over`, but a key given earlier yields to any that it has itself."""
        left = {name: key for name, key in earlier.keys.items() if not self._has_key_of(name)}
        return self.over(replace(earlier, keys=left))

    def _has_key_of(self, name: str) -> bool:
        provider = self.catalog.providers.get(name)
        return provider is not None and self.access(provider).key is not None

    def key_of(self, provider: Provider) -> Secret:
        """Return a provider's key: one that was given by hand, now or before, else what is found for it elsewhere."""
        if self.keys.keys() & {provider.id, provider.like}:
            return need_key(provider, self.keys, known=self.catalog.providers)
        return self.key(provider)
