"""Opening a lab folder: its lock, its log, and the engine if nobody else drives it."""

from __future__ import annotations

import ipaddress
import logging
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..dialect import Dialect
from ..errors import InputError, LabBusy, LabError, LabUnwritable, anew
from ..log import FILE, ExperimentLog
from ..offer import Provider
from ..secret import Secret
from .engine import Engine, Setup, was_closed
from .loop import Clock, VirtualClock
from .turn import FACT, Turn, take_if_free, take_over
from .wanted import Simulation, Wanted, speed_variable
from .who import TURN, Holder, driven_by, taken_from

_logger = logging.getLogger("kling_nb")

EPOCH = 1_767_225_600.0  # 2026-01-01T00:00:00Z: where simulated time begins
FOLDERS = ("clips", "inputs")
SEEDED = "%s is open here and simulated with seed=%d, which stays; lab.close() first lets another seed hold"
NOBODYS = frozenset({"localhost", "test", "example", "invalid"})
"""Top-level names that are kept for tests (RFC 2606): no provider has one."""
HURRIED = (
    "{name} is at {url} now, but this lab was opened with KLING_NB_SPEED, which is only for simulations on this "
    "machine; nothing was changed or sent; unset it and open the lab again: lab.close(), then kn.Lab({folder!r})"
)


class Opened:
    """An open lab folder: its log, and its engine unless another process drives it. Safe from any thread.

    One that reads drives when it is asked to and nobody else does any more. A folder that cannot be written, such as
    one on a disk that is full, is read too; whoever wants to drive it is told why by `LabUnwritable`.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.folder = wanted.folder
        self.engine: Engine | None = None
        self.closed = False
        self._wanted = wanted
        self._ceiling = wanted.daily_budget
        self._changing = threading.RLock()
        self._unwritable: LabUnwritable | None = None
        if not self._drive_if_it_can():
            self.log = ExperimentLog(self.folder, simulated=self._simulated, write=False)
        self._seen = self.log.fact(FACT)

    log: ExperimentLog
    _is_hurried: bool  # whether a live lab's clock is fast, which holds as long as its engine

    @property
    def _simulated(self) -> bool:
        return self._wanted.simulation is not None

    @property
    def drives(self) -> bool:
        """Whether this process drives the folder; one that lost its turn does not."""
        return self.engine is not None and not self.engine.is_lost

    def again(self, wanted: Wanted) -> None:
        """Open it once more, which tries to drive it."""
        with self._changing:
            self._ceiling = self._ceiling if wanted.daily_budget is None else wanted.daily_budget
            self._leave_what_stopped()
            before, self._wanted = self._wanted.simulation, wanted.over(self._wanted)
            if self.engine is None or not self.drives:
                self._drive_if_it_can()
                return
            if before and wanted.simulation and before.seed != wanted.simulation.seed:
                _logger.warning(SEEDED, self.folder, before.seed)
            self.engine.renew(self._wanted.catalog, self._wanted.simulation)
            if self._ceiling is not None:
                self.engine.set_daily_budget(self._ceiling)
                self._ceiling = None

    def _leave_what_stopped(self) -> None:
        """Only read, where the engine was stopped by what failed: opening the lab again is what a person was told."""
        if self.engine is not None and self.drives and self.engine.is_stopped:
            log = ExperimentLog(self.folder, simulated=self._simulated, write=False)
            self.engine.close()
            self.engine, self.log = None, log

    def tried(self) -> Engine | None:
        """Return the engine, which this process begins to be if nobody drives any more; `None` where it can only read."""
        with self._changing:
            if self.closed:
                raise was_closed(self.folder)
            return self.engine if self.drives or self._drive_if_it_can() else None

    def driving(self) -> Engine:
        """Return the engine, as `tried` does; raises `LabBusy`, saying who drives, where it is another process.

        Raises `LabUnwritable` where nobody can drive, since the folder cannot be written.
        """
        with self._changing:
            engine = self.tried()
            if engine is None:
                raise self._only_reading()
            return engine

    def _only_reading(self) -> LabError:
        if self._unwritable is not None:
            return anew(self._unwritable)
        words = driven_by if self.engine is None else taken_from
        return LabBusy(words(self.folder, self._look()))

    def buys(self, wanted: Wanted) -> None:
        """Go by what a lab wants that is about to buy: it planned by its own catalogue, and is charged to its own keys."""
        with self._changing:
            self._wanted = wanted.before(self._wanted)
            self.driving().renew(self._wanted.catalog, self._wanted.simulation)

    def is_seeking(self, task_id: str) -> bool | None:
        """Tell whether a task in doubt is being looked up; `None` where only another process could know."""
        engine = self.engine if self.drives else None
        return None if engine is None or engine.closed else engine.is_seeking(task_id)

    def hindrance(self) -> str:
        """Say what keeps this process from driving: who drives, since when and when last heard, or that nothing is written."""
        unwritable = self._unwritable
        return f"driven by {self._look().told(self.folder)}" if unwritable is None else str(unwritable)

    def why_it_reads(self) -> str:
        """Say why this process only reads, and what can be done about that."""
        return f"{self.hindrance()}; {TURN}" if self._unwritable is None else self.hindrance()

    def _look(self) -> Holder:
        """Return who drives. It is the one that a person is told of, and decides about."""
        self._seen = self.log.fact(FACT)
        return Holder.read(self._seen)

    def take_over(self) -> str:
        """Drive in the place of a process that sleeps; says what was done. Raises `LabBusy` where that cannot be."""
        with self._changing:
            if self.closed:
                raise was_closed(self.folder)
            if self.drives:
                return f"{self.folder} is driven from here already; nothing was changed"
            if self._drive_if_free():
                return f"{self.folder} is driven from here now; no other process was driving it"
            before = Holder.read(self._seen)
            try:
                self._drive(*take_over(self.folder, self._seen, simulated=self._simulated))
            except LabBusy:
                self._look()
                raise
            return f"{self.folder} is driven from here now; {before} writes and submits nothing more"

    def _drive_if_it_can(self) -> bool:
        """Begin to drive if nobody does; a folder that cannot be written is read, where there is a log."""
        try:
            is_driven = self._drive_if_free()
        except LabUnwritable as error:
            if not os.path.isfile(self.folder / FILE):  # noqa: PTH113 - a path's own raises for a name that is too long
                raise
            self._unwritable = error
            return False
        self._unwritable = None
        return is_driven

    def _drive_if_free(self) -> bool:
        _make_folders(self.folder)
        taken = take_if_free(self.folder, simulated=self._simulated)
        if taken is not None:
            self._drive(*taken)
        return taken is not None

    def _drive(self, log: ExperimentLog, turn: Turn) -> None:
        """Begin to drive, in the place of what lost its turn or only read."""
        if self.engine is not None:
            self.engine.close()
        try:
            _remove_pieces(self.folder)
            if self._ceiling is not None:  # before anything can be bought, whichever way in led here
                log.set_daily_budget(self._ceiling)
            engine = Engine(self._setup(log), log, turn)
        except BaseException:
            log.close()
            turn.release()
            raise
        self.log, self.engine, self._unwritable, self._ceiling = log, engine, None, None

    def _setup(self, log: ExperimentLog) -> Setup:
        """Return what an engine is made of; keys and addresses are asked of whatever is wanted by then."""
        simulation = self._wanted.simulation
        clock = VirtualClock(log.last_at() or EPOCH, simulation.pace) if simulation else _live_clock(self._wanted)
        self._is_hurried = not simulation and clock.speed != 1
        return Setup(
            folder=self.folder,
            catalog=self._wanted.catalog,
            bound=self._bound,
            key=self._key,
            clock=clock,
            lab_key=f"simulated-{simulation.seed}" if simulation else str(log.fact("lab")),
            app=_embedded(simulation, self.folder) if simulation else None,
        )

    def _bound(self, name: str) -> tuple[Provider, Dialect]:
        """Return how a provider is reached; raises `InputError` where a fast clock would ask another machine."""
        provider, dialect = self._wanted.bound(name)
        if self._is_hurried and provider.base_url and not _is_here(provider.base_url):
            raise InputError(HURRIED.format(name=name, url=provider.base_url, folder=str(self.folder)))
        return provider, dialect

    def _key(self, provider: Provider) -> Secret:
        return self._wanted.key_of(provider)

    def close(self) -> None:
        """Detach from the folder: what runs at the providers goes on, and is followed when it is opened again."""
        with self._changing:
            self.closed = True
            (self.engine or self.log).close()


def _make_folders(folder: Path) -> None:
    try:
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        message = f"expected a writable folder, but {str(folder)!r} cannot be created or used: {why}; nothing was sent; choose another folder, or make this one writable"
        raise LabUnwritable(message) from error


def _remove_pieces(folder: Path) -> None:
    """Remove what downloads left behind that were cut off: each is fetched anew."""
    for name in FOLDERS:
        for piece in (folder / name).glob("*.part"):
            piece.unlink(missing_ok=True)


def _live_clock(wanted: Wanted) -> Clock:
    """Return real time; faster, as ``KLING_NB_SPEED`` says, where every provider that has a key is on this machine.

    Days, patience and polling run with it, so that elsewhere it would cost money: there it is ignored, and told.
    """
    speed = speed_variable()
    if speed is None:
        return Clock()
    if math.isinf(speed):
        message = "KLING_NB_SPEED=inf is for simulated labs: real time cannot be skipped; nothing was sent; unset it"
        raise LabError(message)
    found = {name: wanted.access(provider) for name, provider in wanted.catalog.providers.items()}
    used = {name: access.base_url for name, access in found.items() if access.key and access.base_url}
    away = ", ".join(f"{name} at {url}" for name, url in used.items() if not _is_here(url))
    if used and not away:
        return Clock(speed)
    _logger.warning(
        "KLING_NB_SPEED is ignored: it is only for simulations on this machine; %s",
        away or "no key that can be used is set",
    )
    return Clock()


def _is_here(base_url: str) -> bool:
    """Tell whether an address is of this machine, or a name that nobody can own, without asking anybody for it."""
    host = urlsplit(base_url).hostname or ""
    try:
        return host.rpartition(".")[2] in NOBODYS or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _embedded(simulation: Simulation, folder: Path) -> Callable[[Clock], tuple[Any, Callable[[], None]]]:
    from ..simulator import Simulator

    def make(clock: Clock) -> tuple[Any, Callable[[], None]]:
        simulator = Simulator(folder, seed=simulation.seed, now=clock.now)
        return simulator.app, simulator.close

    return make
