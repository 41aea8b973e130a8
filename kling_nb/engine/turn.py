"""Whose turn it is to drive a lab folder: an operating-system lock, and the epoch that it belongs to.

One lock file an epoch, and the log says which epoch it is: a process that sleeps keeps the lock of its own, and does
not keep another from having the next. What the log says decides, and every commit of a holder reads it.

::

    .driver.lock     held by process 12, asleep       log: epoch 1 ─┐ take_over
    .driver-2.lock   held by process 34, driving      log: epoch 2 ◂┘ the next commit of 12 is refused

A deleted lock file proves nothing: its process may still sleep, unless it is known to have ended.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import filelock

from ..errors import LabBusy, LabError, anew
from ..log import BUSY_S, ExperimentLog, stored_fact, which_file
from ..space import unwritable
from .who import Holder, driven_by, ending, lock_place, taken_from

FACT = "driver"  # what every log calls its holder
TOUCH_S = 2.0  # between two signs of life, in real seconds
WRITE_LOCK_S = 3.0  # how long a take-over waits for somebody who is in the middle of a write
TRIES = 5


class Turn:
    """The right to drive one folder, from when it was taken until it is given back or lost. Safe from any thread.

    A thread of its own gives a sign of life every `TOUCH_S` seconds, and looks whether somebody took over meanwhile.
    """

    def __init__(self, folder: Path, holder: Holder, lock: filelock.FileLock, log: ExperimentLog) -> None:
        self.holder = holder
        self.lost: LabBusy | None = None
        self.on_lost: Callable[[LabBusy], object] = lambda _: None
        self._folder = folder
        self._lock = lock
        self._log = log
        self._next = os.fspath(lock_place(folder, holder.epoch + 1))
        self._file = which_file(lock.lock_file)
        self._losing = threading.Lock()
        self._over = threading.Event()
        log.guard(FACT, holder.text(), self._lose)
        self._touch()
        threading.Thread(target=self._live, name="kling_nb turn", daemon=True).start()

    def check(self) -> None:
        """Raise `LabBusy` if another process took over; as long as none began to, that is a look for two files."""
        # A path object costs several times what the look does.
        if self.lost is None and (os.path.exists(self._next) or not self._is_locked):  # noqa: PTH110
            said = self._log.fact(FACT)
            if said != self.holder.text():
                self._lose(said)
        self.refuse()

    @property
    def _is_locked(self) -> bool:
        """Whether the lock file is the one that was locked; beside a deleted one another process could drive unseen."""
        return which_file(self._lock.lock_file) == self._file

    def refuse(self) -> None:
        """Raise `LabBusy` if the turn is known to be lost."""
        if self.lost is not None:
            raise anew(self.lost)

    def sleeper(self, task_id: str) -> Holder | None:
        """Return an earlier holder that was about to submit a task, which has no answer, and that may yet send it."""
        for one in self.holder.before:
            if self._log.was_submitting(task_id, one.last) and may_wake(self._folder, one):
                return one
        return None

    def release(self) -> None:
        """Give it back: whoever opens the folder next drives it."""
        self._over.set()
        self._lock.release()

    def _lose(self, said: str | None) -> LabBusy:
        """Note who has it now, once, and return the error that says so."""
        with self._losing:
            first = self.lost is None
            if self.lost is None:
                self.lost = LabBusy(taken_from(self._folder, Holder.read(said)))
        if first:
            self.on_lost(self.lost)
        return anew(self.lost)

    def _live(self) -> None:
        while not self._over.wait(TOUCH_S):
            self._touch()
            # A log that cannot be read now is read by the next commit, which is what counts.
            with suppress(Exception):
                self.check()

    def _touch(self) -> None:
        with suppress(OSError):
            if self._is_locked:
                os.utime(self._lock.lock_file)


# -- taking it -----------------------------------------------------------------------------------------------------


def take_if_free(folder: Path, *, simulated: bool) -> tuple[ExperimentLog, Turn] | None:
    """Open the log for driving if nobody drives; raises `LabError` where it cannot be opened or locked."""
    for _ in range(TRIES):
        said = stored_fact(folder, FACT)
        now = Holder.read(said)
        unseen = not lock_place(folder, now.epoch).exists() and not now.is_gone
        lock = _locked(folder, now.epoch + unseen)
        if lock is None:
            return None
        mine = partial(_after, now) if unseen else partial(_here, folder, now)
        taken = _take(folder, lock, said, mine, simulated=simulated)
        if taken is not None:
            return taken
    return None


def take_over(folder: Path, seen: str | None, *, simulated: bool) -> tuple[ExperimentLog, Turn]:
    """Open the log for driving in the place of a process that sleeps.

    ``seen`` is the holder that a person decided about, as the log had it. Raises `LabBusy` if it is another one by now,
    if somebody else takes over at this moment, or if the holder sleeps in the middle of a write.
    """
    _still(folder, seen)
    now = Holder.read(seen)
    lock = _locked(folder, now.epoch + 1)
    if lock is None:
        message = f"another process is taking over {folder} from {now} right now; nothing was changed here"
        raise LabBusy(message)
    try:
        taken = _take(folder, lock, seen, partial(_after, now), simulated=simulated, busy_s=WRITE_LOCK_S)
    except LabError as error:
        raise _in_a_write(folder, now, error) from error
    if taken is None:
        _still(folder, seen)
        message = f"{folder} could not be taken over from {now}; nothing was changed; try again"
        raise LabBusy(message)
    return taken


def _take(
    folder: Path,
    lock: filelock.FileLock,
    said: str | None,
    mine: Callable[[int], Holder],
    *,
    simulated: bool,
    busy_s: float = BUSY_S,
) -> tuple[ExperimentLog, Turn] | None:
    """Write down who drives, if nobody else did since: the lock is the turn's from then on, else it is given back.

    ``mine`` is told the number of the last event.
    """
    with ExitStack() as undo:
        undo.callback(lock.release)
        log = ExperimentLog(folder, simulated=simulated, write=True, busy_s=busy_s)
        undo.callback(log.close)
        written = log.swap_fact(FACT, said, lambda last: _pruned(mine(last), log).text())
        if written is None:
            return None
        turn = Turn(folder, Holder.read(written), lock, log)
        undo.pop_all()
    return log, turn


def _here(folder: Path, now: Holder, _last: int) -> Holder:
    """Return this process as the next holder of an epoch; of those before it, whoever still sleeps."""
    return Holder.here(now.epoch, tuple(one for one in now.before if may_wake(folder, one)))


def _after(asleep: Holder, last: int) -> Holder:
    """Return this process as the holder of the next epoch."""
    return Holder.here(asleep.epoch + 1, (*asleep.before, replace(asleep, before=(), last=last)))


def _pruned(holder: Holder, log: ExperimentLog) -> Holder:
    """Leave out those before it who were about to submit nothing that is still open."""
    tasks = log.open_tasks() if holder.before else []
    kept = (one for one in holder.before if any(log.was_submitting(task.id, one.last) for task in tasks))
    return replace(holder, before=tuple(kept))


def _still(folder: Path, seen: str | None) -> None:
    """Raise `LabBusy` if another process drives than the one that was seen."""
    said = stored_fact(folder, FACT)
    if said != seen:
        raise LabBusy(driven_by(folder, Holder.read(said)))


def _in_a_write(folder: Path, now: Holder, error: LabError) -> LabError:
    if "locked" not in str(error):
        return error
    message = (
        f"{folder} cannot be taken over: {now} seems to be asleep in the middle of a write and keeps the log locked; "
        f"{ending(now)}, then this one drives; nothing was changed"
    )
    return LabBusy(message)


def _locked(folder: Path, epoch: int) -> filelock.FileLock | None:
    """Take the lock of an epoch, if it is free; raises `LabError` where the folder has no locks."""
    # Not per thread: what one takes, another gives back.
    lock = filelock.FileLock(lock_place(folder, epoch), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return None
    except OSError as error:
        raise unwritable(folder, f"it cannot be locked for driving: {error.strerror or error}") from error
    return lock


def may_wake(folder: Path, who: Holder) -> bool:
    """Tell whether a process whose turn is over may go on: it holds its lock, or the file is gone and it may live."""
    if not lock_place(folder, who.epoch).exists():
        return not who.is_gone
    lock = _locked(folder, who.epoch)
    if lock is not None:
        lock.release()
    return lock is None
