"""What `tests.forking` starts its processes from: an interpreter that has imported what takes long, and forks."""

from __future__ import annotations

import atexit
import io
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import threading
import warnings
from contextlib import suppress
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

OURS = (
    "cli",
    "demo",
    "doctor",
    "lab",
    "plan.terminal",
    "spelling",
    "views.page",
    "views.compare",
    "views.terminal_wait",
)
WHOLE = ("kling_nb.dialects", "kling_nb.simulator")
THEIRS = ("PIL.JpegImagePlugin", "PIL.PngImagePlugin", "anyio._backends._asyncio", "httpx2", "jinja2", "jwt", "keyring", "pyarrow.parquet", "pyarrow.pandas_compat", "rich.live", "rich.table",
          "rich._emoji_codes", "sqlalchemy.dialects.sqlite", "tomli_w", "trustme")  # fmt: skip
"""Imported before the first fork; IPython is not among them, since whoever has imported it behaves otherwise."""

NEWS = struct.Struct("!Bi")  # what happened, and a process's id or how it ended, as in `subprocess.Popen.returncode`
BORN, STOPPED, ENDED = range(3)


def serve(door: socket.socket) -> socket.socket:
    """Fork for everybody who asks, and tell what becomes of each; returns in the child. Ends when nobody can ask."""
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker.fileno())
    asked: dict[int, socket.socket] = {}
    while True:
        ready, *_ = select.select([door, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _tell(asked)
        if door not in ready:
            continue
        _, fds, *_ = socket.recv_fds(door, 1, 4)
        if not fds:
            sys.exit()
        *streams, news = fds
        one = socket.socket(fileno=news)
        if (pid := os.fork()) == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            for other in (door, woken, waker, *asked.values()):
                other.close()
            _close(streams)
            return one
        _close(streams)
        asked[pid] = one
        one.send(NEWS.pack(BORN, pid))


def _close(streams: list[int]) -> None:
    for stream in streams:
        os.close(stream)


def _tell(asked: dict[int, socket.socket]) -> None:
    while asked:
        pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if not pid:
            return
        with suppress(BrokenPipeError):  # who asked for it may care no more
            if os.WIFSTOPPED(status):
                asked[pid].send(NEWS.pack(STOPPED, 0))
                continue
            with asked.pop(pid) as one:
                one.send(NEWS.pack(ENDED, os.waitstatus_to_exitcode(status)))


def become(order: dict[str, Any]) -> None:
    """Take the environment, the folder and the words of a command, as if this interpreter had just been started so."""
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    sys.argv = [order["module"] or "-c", *order["arguments"]]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        raw = os.fdopen(number, "wb" if number else "rb", closefd=False)
        errors = "backslashreplace" if name == "stderr" else "strict"
        text = io.TextIOWrapper(raw, "utf-8", errors, line_buffering=name == "stderr" or raw.isatty())
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)
    if order["strict"]:
        warnings.simplefilter("error")


class _Leaving:
    """The very last of what an interpreter calls at its end: a command goes without the half second of tidying up.

    Registered first, so called after whatever was registered in a child, and after its threads have ended.
    """

    code: int | None = None

    def __call__(self) -> None:
        if self.code is not None:
            sys.stdout.flush()
            os._exit(self.code)


def main() -> None:
    """Import, fork, and run what was asked for as the main module of the child."""
    leaving = _Leaving()
    atexit.register(leaving)
    parts = [f"{name}.{part.name}" for name in WHOLE for part in iter_modules(import_module(name).__path__)]
    for name in (*(f"kling_nb.{name}" for name in OURS), *parts, *THEIRS):
        import_module(name)
    assert "IPython" not in sys.modules
    assert threading.active_count() == 1
    with serve(socket.socket(fileno=int(sys.argv[1]))) as one, one.makefile() as told:
        order = json.load(told)
    become(order)
    if order["code"] is not None:
        module = ModuleType("__main__")
        sys.modules["__main__"] = module
        exec(compile(order["code"], "<string>", "exec", dont_inherit=True), module.__dict__)
        return
    try:
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        leaving.code = end.code if isinstance(end.code, int) else None
        raise


if __name__ == "__main__":
    main()
