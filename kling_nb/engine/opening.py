"""Opening a lab folder: its lock, its log, and the engine if nobody else drives it."""

from __future__ import annotations

import json
import math
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from ..catalog import Catalog
from ..dialect import Dialect
from ..errors import LabBusy, LabError
from ..log import ExperimentLog
from ..offer import Provider
from .engine import Engine, Setup, was_closed
from .loop import Clock, VirtualClock

EPOCH = 1_767_225_600.0  # 2026-01-01T00:00:00Z: where simulated time begins
LOCK = ".driver.lock"
FOLDERS = ("clips", "inputs")


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """A lab without an account: every provider spoken to in its own dialect, by a simulator inside this process.

    ``seed`` fixes every id, latency and clip. ``speed`` is how many simulated seconds pass in a real one; infinite
    never waits. The environment variable ``KLING_NB_SPEED`` overrides it.
    """

    seed: int = 7
    speed: float = 60.0

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
    """What a lab wants opened: the folder, and what its engine needs."""

    folder: Path
    simulation: Simulation | None
    catalog: Catalog
    bound: Callable[[str], tuple[Provider, Dialect]]
    key: Callable[[Provider], str]


class Opened:
    """An open lab folder: its log, and its engine unless another process drives it."""

    def __init__(self, wanted: Wanted) -> None:
        self.folder = wanted.folder
        self.simulation = wanted.simulation
        _make_folders(wanted.folder)
        self._lock = filelock.FileLock(wanted.folder / LOCK, thread_local=False)
        self.engine: Engine | None = None
        self.closed = False
        drives = self._take_lock()
        try:
            self.log = ExperimentLog(wanted.folder, simulated=wanted.simulation is not None, write=drives)
            if drives:
                _remove_pieces(wanted.folder)
                self._drive(wanted)
        except BaseException:
            self._lock.release()
            raise

    def _take_lock(self) -> bool:
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            return False
        except OSError as error:
            message = f"{self.folder} cannot be locked for driving: {error.strerror or error}"
            raise LabError(message) from error
        return True

    def _drive(self, wanted: Wanted) -> None:
        self.log.set_fact(
            "driver", json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()})
        )
        simulation = wanted.simulation
        setup = Setup(
            folder=wanted.folder,
            catalog=wanted.catalog,
            bound=wanted.bound,
            key=wanted.key,
            clock=_clock(simulation, self.log),
            lab_key=f"simulated-{simulation.seed}" if simulation else str(self.log.fact("lab")),
            app=_embedded(simulation, wanted.folder) if simulation else None,
        )
        self.engine = Engine(setup, self.log)

    def driving(self) -> Engine:
        """Return the engine; raises `LabBusy`, saying who drives, where it is another process."""
        if self.closed:
            raise was_closed(self.folder)
        if self.engine is None:
            who = json.loads(self.log.fact("driver") or "{}")
            since = time.strftime("%Y-%m-%d %H:%M", time.localtime(who.get("since", 0)))
            message = (
                f"{self.folder} is driven by process {who.get('pid', '?')} on {who.get('host', '?')} since {since}; "
                "this one can read, compare and export; close that kernel to drive it from here"
            )
            raise LabBusy(message)
        return self.engine

    def close(self) -> None:
        """Detach from the folder: what runs at the providers goes on, and is followed when it is opened again."""
        self.closed = True
        try:
            (self.engine or self.log).close()
        finally:
            self._lock.release()


def _make_folders(folder: Path) -> None:
    try:
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = (
            f"expected a folder that can be written, but {folder} cannot be made or used: {error.strerror or error}"
        )
        raise LabError(message) from error


def _remove_pieces(folder: Path) -> None:
    """Remove what downloads left behind that were cut off: each is fetched anew."""
    for name in FOLDERS:
        for piece in (folder / name).glob("*.part"):
            piece.unlink(missing_ok=True)


def _clock(simulation: Simulation | None, log: ExperimentLog) -> Clock:
    if simulation is None:
        return Clock(speed_variable() or 1.0)
    return VirtualClock(log.last_at() or EPOCH, simulation.pace)


def _embedded(simulation: Simulation, folder: Path) -> Callable[[Clock], tuple[Any, Callable[[], None]]]:
    from ..simulator import Simulator

    def make(clock: Clock) -> tuple[Any, Callable[[], None]]:
        simulator = Simulator(folder, seed=simulation.seed, now=clock.now)
        return simulator.app, simulator.close

    return make
