"""Notebook experiments with Kling video models: sweeps, side by side, with no clip bought twice.

``import kling_nb as kn``; then ``kn.Lab("my-study", simulate=True)``. Everything else starts from the lab.
Names are loaded when they are first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engine.run import Run
    from .engine.wanted import Simulation
    from .errors import (
        Doubt,
        InputError,
        KeyMissing,
        KlingError,
        LabBusy,
        LabError,
        LabMode,
        LabUnwritable,
        LinkExpired,
        LogTooNew,
        MediaError,
        NotSent,
        OverBudget,
        PriceUnknown,
        ProviderError,
        RefusedError,
        SweepError,
        WireError,
    )
    from .fields import CameraControl, Shot
    from .lab import Lab
    from .plan import Plan
    from .request import VideoRequest
    from .states import TaskState
    from .sweep import Sweep
    from .sync import run_sync
    from .tables import models, providers

_ERRORS = (
    "Doubt",
    "InputError",
    "KeyMissing",
    "KlingError",
    "LabBusy",
    "LabError",
    "LabMode",
    "LabUnwritable",
    "LinkExpired",
    "LogTooNew",
    "MediaError",
    "NotSent",
    "OverBudget",
    "PriceUnknown",
    "ProviderError",
    "RefusedError",
    "SweepError",
    "WireError",
)

_WHERE = {
    **dict.fromkeys(_ERRORS, "errors"),
    "CameraControl": "fields",
    "Lab": "lab",
    "Plan": "plan",
    "Run": "engine.run",
    "Shot": "fields",
    "Simulation": "engine.wanted",
    "Sweep": "sweep",
    "TaskState": "task",
    "VideoRequest": "request",
    "models": "tables",
    "providers": "tables",
    "run_sync": "sync",
}

__all__ = [  # noqa: RUF022 - in the order that a reader meets them
    "Lab",
    "Simulation",
    "Sweep",
    "VideoRequest",
    "CameraControl",
    "Shot",
    "Plan",
    "Run",
    "TaskState",
    "models",
    "providers",
    "run_sync",
    "KlingError",
    "InputError",
    "SweepError",
    "RefusedError",
    "KeyMissing",
    "PriceUnknown",
    "OverBudget",
    "LabError",
    "LabBusy",
    "LabMode",
    "LabUnwritable",
    "LogTooNew",
    "ProviderError",
    "WireError",
    "NotSent",
    "Doubt",
    "MediaError",
    "LinkExpired",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # which reads files: only whoever asks for the version pays for that

        return version(__name__)
    if name not in _WHERE:
        from .errors import nearest

        likely = "" if name.startswith("_") else f"; {nearest(name, __all__)}"  # a tool asks for the others
        message = f"module {__name__!r} has no attribute {name!r}{likely}"
        raise AttributeError(message)
    value = globals()[name] = getattr(import_module(f".{_WHERE[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
