"""The folders that this process has open: the labs on one folder share everything."""

from __future__ import annotations

import threading
from pathlib import Path

from .opening import Opened
from .wanted import Wanted

_open: dict[Path, Opened] = {}
_opening = threading.Lock()


def opened(wanted: Wanted) -> Opened:
    """Return a folder as every lab of this process has it, opened now where none has; tries to drive it.

    Raises `LabMode`, `LogTooNew` or `LabError` when it cannot be opened as wanted.
    """
    with _opening:
        found = _open.get(wanted.folder)
        if found is None:
            found = _open[wanted.folder] = Opened(wanted)
            return found
        found.log.check(simulated=wanted.simulation is not None)
        found.again(wanted)
        return found


def close(folder: Path) -> None:
    """Detach this process from a folder, if it has it open: nothing is cancelled."""
    with _opening:  # whoever opens it meanwhile would meet the lock of this very process, and only read
        found = _open.pop(folder, None)
        if found is not None:
            found.close()
