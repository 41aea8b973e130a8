"""Python processes that start quickly: forked from one that has imported what takes long, and real in all else.

Each has its own standard streams, environment and folder, takes signals, and ends as any interpreter does. What is
about the start of an interpreter (its encoding, its imports) needs an interpreter of its own, and not this.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.forks import BORN, NEWS, STOPPED

ROOT = Path(__file__).parents[1]


@functools.cache
def _door() -> socket.socket:
    """Start what processes are forked from, once; it ends with this process, since nobody can ask it then."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-m", "tests.forks", str(theirs.fileno())]
        one_thread = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # forking is for processes without threads
        server = subprocess.Popen(command, cwd=ROOT, env=one_thread, pass_fds=[theirs.fileno()])
    atexit.register(server.wait)
    atexit.register(ours.close)  # called before the other
    return ours


class Forked:
    """A process that runs Python code or a module; streams are file descriptors, warnings are errors if it is strict."""

    def __init__(
        self,
        arguments: list[str],
        streams: tuple[int, int, int],
        *,
        code: str | None = None,
        module: str | None = None,
        env: dict[str, str] | None = None,
        strict: bool = False,
    ) -> None:
        order = {"code": code, "module": module, "arguments": arguments, "cwd": str(Path.cwd()), "strict": strict}
        self.returncode: int | None = None
        self._is_stopped = False
        self._news, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(_door(), [b"!"], [*streams, theirs.fileno()])
        self._news.sendall(json.dumps({**order, "env": {**os.environ} if env is None else env}).encode())
        self._news.shutdown(socket.SHUT_WR)
        self.pid = -1
        self._hear(None)

    def _hear(self, timeout: float | None) -> None:
        if not select.select([self._news], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        what, number = NEWS.unpack(self._news.recv(NEWS.size, socket.MSG_WAITALL))
        if what == BORN:
            self.pid = number
        elif what == STOPPED:
            self._is_stopped = True
        else:
            self.returncode = number
            self._news.close()

    def stopped(self) -> bool:
        """Wait until a signal has stopped it; false where it has ended instead."""
        while not self._is_stopped and self.returncode is None:
            self._hear(None)
        return self._is_stopped

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return how; raises `subprocess.TimeoutExpired` after so many seconds."""
        while self.returncode is None:
            self._hear(timeout)
        return self.returncode

    def poll(self) -> int | None:
        """Return how it has ended; `None` where it has not."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            self._is_stopped &= number != signal.SIGCONT
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class Piped(Forked):
    """A process whose standard streams are pipes of text; at the end of its block it has ended."""

    def __init__(self, arguments: list[str], **options: Any) -> None:
        (stdin, to), (of, stdout), (of_errors, stderr) = os.pipe(), os.pipe(), os.pipe()
        super().__init__(arguments, (stdin, stdout, stderr), **options)
        for theirs in (stdin, stdout, stderr):
            os.close(theirs)
        self.stdin, self.stdout, self.stderr = os.fdopen(to, "w"), os.fdopen(of), os.fdopen(of_errors)

    def communicate(self, *, timeout: float | None = None) -> tuple[str, str]:
        """Say no more, and return what it writes until its end to both of its outputs."""
        self.stdin.close()
        with ThreadPoolExecutor() as threads:
            said, complained = threads.submit(self.stdout.read), threads.submit(self.stderr.read)
            self.wait(timeout)
            return said.result(), complained.result()

    def __enter__(self) -> Piped:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        self.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            stream.close()


def run(module: str, *arguments: str | Path, timeout: float = 120, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a module as a command and return what `subprocess.run` does; it reads nothing."""
    words = [str(argument) for argument in arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, Path(os.devnull).open() as nothing:
        one = Forked(words, (nothing.fileno(), out.fileno(), err.fileno()), module=module, **options)
        try:
            code = one.wait(timeout)
        finally:
            one.kill()
            one.wait()
        told = [stream.seek(0) or stream.read().decode() for stream in (out, err)]
    return subprocess.CompletedProcess(words, code, *told)
