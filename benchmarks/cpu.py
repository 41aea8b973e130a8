"""What the engine costs in CPU time, beside a bare loop that makes the same requests and keeps nothing.

    python -m benchmarks.cpu

Over real sockets: a process buys clips from a stand-in for both providers in another process on 127.0.0.1, whose CPU
time does not count. Then the bare loop, in a process of its own, makes the very requests that arrived, at the same
times, with the same HTTP library and the same bound on requests at once; it reads every answer and every clip, and
parses JSON. It uses the library as anybody does: a client whose pool keeps twenty connections, and for submits one that
keeps none; the engine puts connections of its own under the library (docs/decisions/transports.md). A task lasts 60 s
(kling) or 110 s (fal) at the median, of the engine's time, which runs faster than ours.

Providers speak TLS, which both sides pay for alike. The target is held against requests without it, where the engine's
own share is the largest; what it is of requests as they really are is told beside that.

In the ratio, on the engine's side alone: encoding and signing calls, two-phase writes and every event in the log,
the poll schedule, judging answers, hashing, writing, syncing and renaming clips. Measured apart: planning (before
anything is sent), and verifying clips, which decodes pictures on another thread: the way there, the decoding and the
way back are left out of the first ratio and in the one told below it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kling_nb.simulator import clips

from .table import Row, shown

ROOT = Path(__file__).parents[1]
SCENE = clips.Scene(provider="kling", model="any", mode="std", prompt="a clip", seconds=5, ratio="16:9")
TARGET = 1.4


@dataclass(frozen=True, kw_only=True)
class Case:
    """A number of tasks in flight at a provider, and how much faster than real time they run."""

    provider: str
    library: str
    slots: int
    tasks: int
    speed: float
    verify: bool = False
    tls: bool = False

    @property
    def what(self) -> str:
        """Say it in a few words."""
        seen = f"{', clips verified' if self.verify else ''}{', TLS' if self.tls else ''}"
        return f"{self.slots:,} in flight, {self.provider}, {self.library}{seen}"

    @property
    def target(self) -> float | None:
        """The ratio to reach; `None` where one is told for comparison."""
        return None if self.verify or self.tls else TARGET

    def options(self, url: str) -> list[str]:
        """Return it as the options of `benchmarks.buying`."""
        told = {"url": url, "library": self.library, "provider": self.provider}
        told |= {"tasks": str(self.tasks), "slots": str(self.slots), "speed": str(self.speed)}
        named = [part for name, value in told.items() for part in (f"--{name}", value)]
        return [*named, "--verify"] if self.verify else named


def cases() -> Iterator[Case]:
    """Go through everything that is measured."""
    for library in ("httpx", "httpx2"):
        for provider in ("kling", "fal"):
            for slots, tasks, speed in ((200, 600, 30.0), (2000, 2500, 3.0)):
                yield Case(provider=provider, library=library, slots=slots, tasks=tasks, speed=speed)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a case is measured: the stand-in's address, whom to trust for it, and the folder for labs."""

    url: str
    authority: Path | None
    folder: str


@contextmanager
def standin(folder: str, *, tls: bool = False) -> Iterator[Place]:
    """Run the stand-in in another process."""
    with tempfile.TemporaryDirectory() as own:
        clip, authority = Path(own) / "clip.mp4", Path(own) / "authority.pem"
        clip.write_bytes(clips.render(SCENE, None, "small"))
        command = [sys.executable, "-m", "benchmarks.standin", str(clip), *([str(authority)] if tls else [])]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                yield Place(url=server.stdout.readline().strip(), authority=authority if tls else None, folder=folder)
            finally:
                server.kill()


def child(who: str, case: Case, place: Place) -> dict[str, float]:
    """Buy in a fresh process and return what it took; a lab is left in the place's folder."""
    command = [sys.executable, "-m", "benchmarks.buying", who, *case.options(place.url), "--folder", place.folder]
    env = {name: value for name, value in os.environ.items() if not name.startswith("KLING_NB_")}
    trust = {"SSL_CERT_FILE": str(place.authority)} if place.authority else {}
    done = subprocess.run(command, cwd=ROOT, env=env | trust, check=False, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(done.stderr)
    taken: dict[str, float] = json.loads(done.stdout)
    return taken


def measured(case: Case, place: Place, times: int) -> list[Row]:
    """Run one case so many times, the engine and the bare loop in turns; the ratio is the median one."""
    pairs = [(child("engine", case, place), child("bare", case, place)) for _ in range(times)]
    each = 1000 / case.tasks
    ours, bare = (statistics.median(pair[side]["cpu_s"] for pair in pairs) * each for side in (0, 1))
    asked = statistics.median(pair[1]["requests"] for pair in pairs) / case.tasks
    plan = statistics.median(pair[0]["planning_s"] for pair in pairs) * each
    ratio = statistics.median(engine["cpu_s"] / loop["cpu_s"] for engine, loop in pairs)
    behind = f"{ours:.1f} ms over {bare:.1f} ms a task, {asked:.1f} requests; planning {plan:.1f} ms"
    return [Row(case.what, ratio, case.target, behind)]


def rows(times: int = 3, often: int = 7) -> Iterator[Row]:
    """Measure every case; those with 200 in flight ``often``, and also with clips verified and over TLS."""
    # Labs are deleted at the very end: ext4 goes slow over the numbers of files that were deleted a moment ago.
    with tempfile.TemporaryDirectory() as folder, standin(folder) as plain, standin(folder, tls=True) as secured:
        for case in cases():
            yield from measured(case, plain, often if case.slots == 200 else times)
            if case.slots == 200:
                yield from measured(replace(case, verify=True), plain, 1)
                yield from measured(replace(case, tls=True), secured, times)


def main() -> int:
    """Print the table; return how many targets were missed."""
    return shown("cpu: process time over a bare loop with the same requests", rows())


if __name__ == "__main__":
    sys.exit(min(1, main()))
