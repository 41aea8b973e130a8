"""Who drives a lab folder, as its log has it, and in words."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..excerpts import excerpt, plain

LOCK = ".driver.lock"
TURN = "it takes over once that process is gone; if that one is only asleep, use lab.take_over()"
"""What a process that reads can do to drive."""

NOTEBOOK = "JPY_SESSION_NAME"
"""Where Jupyter tells a kernel the path of its notebook (jupyter_server 2.21.1, `SessionManager.get_kernel_env`)."""

NAME_LONGEST = 80  # characters of a notebook's name that are kept


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The process that holds a lab folder, to drive it, as its log has it. ``since`` is in Unix seconds.

    ``notebook`` is the file name of its notebook when the kernel started, without folders; empty for a process that
    Jupyter did not start.
    ``before`` are those whose turn was taken while they slept and that may sleep still, with the ``last`` event that
    was written before it was.
    """

    epoch: int = 1
    pid: int = 0
    host: str = "?"
    since: float = 0.0
    notebook: str = ""
    last: int = 0
    before: tuple[Holder, ...] = ()

    @classmethod
    def read(cls, text: str | None) -> Holder:
        """Return what a fact of the log says; what it does not say is left open."""
        try:
            return cls._from(json.loads(text or "{}"))
        except (ValueError, TypeError, AttributeError):
            return cls()

    @classmethod
    def _from(cls, said: dict[str, Any]) -> Holder:
        return cls(
            epoch=max(1, int(said.get("epoch", 1))),
            pid=int(said.get("pid", 0)),
            host=str(said.get("host", "?")),
            since=float(said.get("since", 0)),
            notebook=_legible(str(said.get("notebook", ""))),
            last=int(said.get("last", 0)),
            before=tuple(cls._from(one) for one in said.get("before", ())),
        )

    @classmethod
    def here(cls, epoch: int, before: tuple[Holder, ...]) -> Holder:
        """Return this process as the holder from now on."""
        host, notebook = socket.gethostname(), _notebook()
        return cls(epoch=epoch, pid=os.getpid(), host=host, since=time.time(), notebook=notebook, before=before)

    @property
    def is_near(self) -> bool:
        """Whether it is, or was, on this machine."""
        return self.host == socket.gethostname()

    @property
    def is_gone(self) -> bool:
        """Whether the process is known to have ended, or is this one; what is on another machine is never known."""
        return not self.pid or (self.is_near and (self.pid == os.getpid() or not _is_alive(self.pid)))

    def text(self) -> str:
        """Return it as the log keeps it."""
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        """Name the process, by its notebook if it is known: a person looks for a tab, not for a number."""
        return self._named()

    def _named(self, and_so: str = "") -> str:
        """Name the process, with more about it inside the brackets that belong to its number."""
        process = f"process {self.pid or '?'} on {self.host}{and_so}"
        return f"{self.notebook} ({process})" if self.notebook else process

    def told(self, folder: Path) -> str:
        """Say since when it drives, and when it was last heard."""
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.since))
        with suppress(OSError):
            quiet = max(0.0, time.time() - lock_place(folder, self.epoch).stat().st_mtime)
            return f"{self._named(f' since {since}')}, last heard {_ago(quiet)} ago"
        return self._named(f" since {since}")


def lock_place(folder: Path, epoch: int) -> Path:
    """Return the lock file of an epoch."""
    return folder / (LOCK if epoch <= 1 else LOCK.replace(".lock", f"-{epoch}.lock"))


def driven_by(folder: Path, who: Holder) -> str:
    """Say who drives a folder, and what another process can do."""
    return f"{folder} is driven by {who.told(folder)}; this one can read, compare and export; {TURN}"


def taken_from(folder: Path, who: Holder) -> str:
    """Say who took a folder over, to the one that it was taken from."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(who.since))
    return (
        f"{who} took over {folder} at {at}: this one writes and submits nothing more; continue there, or end that process "
        "and run the same line here again"
    )


def may_send(who: Holder, *, finds: bool = True) -> str:
    """Say why a task is in doubt that was being submitted by a process which may sleep.

    ``finds`` is whether it can be looked up by our own id.
    """
    then = ".look_again()" if finds else ".accepted_as(id) or .never_bought(), as the provider's console shows it"
    return (
        f"{who} was submitting it and is not known to have ended: it may have sent it, or it may still send it when it "
        f"wakes; {ending(who)}, then {then}"
    )


def ending(who: Holder) -> str:
    """Say how to end a process; a command is named only on its own machine, and while it lives."""
    if not who.is_near:
        return f"end that process on {who.host}"
    return "end whatever has the folder open in its place" if who.is_gone else f"end that process (kill -9 {who.pid})"


def _notebook() -> str:
    """Return the file name of the notebook that this process is the kernel of; empty where Jupyter tells none."""
    path = os.environ.get(NOTEBOOK, "")
    return _legible(os.path.basename(path))  # noqa: PTH119 - of a path that ends in "/", `Path` would name the folder


def _legible(name: str) -> str:
    """Return a name from elsewhere as a message can hold it."""
    return excerpt(plain(name).strip(), NAME_LONGEST)


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":  # a signal would end it; and there no file is deleted that a process has open
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
