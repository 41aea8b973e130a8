"""One process that buys from `benchmarks.standin` and tells its own CPU time: the engine, or a bare loop.

python -m benchmarks.buying engine|bare OPTIONS    prints JSON; started by `benchmarks.cpu`
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from kling_nb import Sweep, TaskState, media
from kling_nb.engine.fetch import Fetcher
from kling_nb.engine.loop import Clock

from .driving import World, driven

IN_FLIGHT = 20  # requests at once, as `kling_nb.wire.Wire` has it
MODEL = "kling-v2-5-turbo"
MODES = {"kling": "std", "fal": "pro"}
MEDIANS_S = {"kling": 60.0, "fal": 110.0}  # the engine's seconds: what the catalogue says of these
MEASURED = media.Probe(width=256, height=144, fps=24.0, seconds=5.0, sound=False, codec="h264", bytes=1)
TOKEN = "Bearer " + "t" * 200  # about as long as a signed one


class Meter:
    """CPU seconds of this process, all its threads, and real seconds, since it was made."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.monotonic()

    def read(self) -> dict[str, float]:
        """Return both."""
        return {"cpu_s": time.process_time() - self._cpu, "wall_s": time.monotonic() - self._wall}


def asked(url: str, path: str, body: Any = None) -> Any:
    """Ask the stand-in something that is not measured."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url + path, data=data)) as reply:
        return json.load(reply)


# -- the engine ----------------------------------------------------------------------------------------------------


def sweep(provider: str, points: int, **fields: Any) -> Sweep:
    """Return a sweep of so many points at a provider."""
    prompts = [f"a red fox runs through snow, take {n}" for n in range(points)]
    return Sweep(
        prompt=prompts, provider=provider, **{"model": MODEL, "mode": MODES[provider], "duration": 5, **fields}
    )


async def unverified(fetcher: Fetcher, part: Path) -> media.Probe:
    """Take a clip to be a video, without looking into it on another thread."""
    del fetcher, part
    return MEASURED


def by_engine(given: argparse.Namespace) -> dict[str, float]:
    """Buy with the engine; planning is measured apart from the rest."""
    trusting = nullcontext() if given.verify else patch.object(Fetcher, "_verified", unverified)
    world = World(clock=Clock(given.speed), slots={given.provider: given.slots}, host=given.url)
    place = tempfile.mkdtemp(dir=given.folder)
    with trusting, driven(Path(place), world) as lab:
        # Another kind of task, so that the schedule learns nothing from it.
        asked(given.url, "/reset", {"median_s": 0.01})
        lab.buy(lab.plan(sweep(given.provider, 4, duration=10)), "warm")
        asked(given.url, "/reset", {"median_s": MEDIANS_S[given.provider] / given.speed})
        meter = Meter()
        points = lab.plan(sweep(given.provider, given.tasks))
        planning = meter.read()["cpu_s"]
        tasks = lab.buy(points, "run")
        taken = meter.read()
    lost = [task for task in tasks if task.state is not TaskState.SAVED]
    if lost:
        message = f"{len(lost)} of {len(tasks)} tasks were not saved: {lost[0]}"
        raise AssertionError(message)
    return {"cpu_s": taken["cpu_s"] - planning, "wall_s": taken["wall_s"], "planning_s": planning}


# -- the bare loop -------------------------------------------------------------------------------------------------

Request = tuple[float, str, str, str]


class Bare:
    """Makes the requests of a journal at their times, reads every answer, and keeps nothing."""

    def __init__(self, url: str, library: str) -> None:
        http = importlib.import_module(library)
        self._url = url
        self._reads, self._submits = self._client(http, keep=IN_FLIGHT), self._client(http, keep=0)
        self._slots, self._downloads = asyncio.Semaphore(IN_FLIGHT), asyncio.Semaphore(IN_FLIGHT // 2)

    def _client(self, http: Any, keep: int) -> Any:
        limits = http.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=keep, keepalive_expiry=15)
        return http.AsyncClient(timeout=60, limits=limits, headers={"User-Agent": "bare"})

    async def all(self, tasks: Sequence[Sequence[Request]]) -> None:
        """Make the requests of every task, all tasks at once."""
        begun = asyncio.get_running_loop().time()
        await asyncio.gather(*(self._task(requests, begun) for requests in tasks))

    async def _task(self, requests: Sequence[Request], begun: float) -> None:
        for at, method, path, body in requests:
            await asyncio.sleep(begun + at - asyncio.get_running_loop().time())
            if path.startswith("/cdn/"):
                await self._fetch(path)
            else:
                await self._ask(method, path, body)

    async def _ask(self, method: str, path: str, body: str) -> None:
        headers = {"authorization": TOKEN, **({"content-type": "application/json"} if body else {})}
        client = self._submits if method == "POST" else self._reads
        async with self._slots:
            reply = await client.request(method, self._url + path, content=body.encode() or None, headers=headers)
        reply.json()

    async def _fetch(self, path: str) -> None:
        async with self._downloads, self._slots, self._reads.stream("GET", self._url + path) as reply:
            async for _ in reply.aiter_bytes():
                pass

    async def aclose(self) -> None:
        """Close all connections."""
        await self._reads.aclose()
        await self._submits.aclose()


def by_hand(given: argparse.Namespace) -> dict[str, float]:
    """Make the requests that the stand-in has noted, and nothing else."""
    journal = asked(given.url, "/journal")
    asked(given.url, "/reset", {"median_s": MEDIANS_S[given.provider] / given.speed})
    by_task: dict[int, list[Request]] = defaultdict(list)
    for at, method, path, body, about in journal:
        by_task[about].append((at, method, path, body))

    async def run() -> dict[str, float]:
        bare = Bare(given.url, given.library)
        await bare.all([[(0.0, "GET", "/nothing", "")]])
        meter = Meter()
        await bare.all(list(by_task.values()))
        taken = meter.read()
        await bare.aclose()
        return taken

    return {**asyncio.run(run()), "requests": len(journal)}


@contextmanager
def chosen(library: str) -> Iterator[None]:
    """Let the engine use one HTTP library."""
    with patch.dict("os.environ", {"KLING_NB_HTTP": library}):
        yield


def main() -> None:
    """Buy, and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("who", choices=["engine", "bare"])
    for name, kind in {"url": str, "library": str, "provider": str, "tasks": int, "slots": int, "speed": float}.items():
        parser.add_argument(f"--{name}", type=kind, required=True)
    parser.add_argument("--folder", help="where the lab's folder is made, and left")
    parser.add_argument("--verify", action="store_true")
    given = parser.parse_args()
    work: Callable[[argparse.Namespace], dict[str, float]] = by_engine if given.who == "engine" else by_hand
    with chosen(given.library):
        print(json.dumps(work(given)))


if __name__ == "__main__":
    sys.exit(main())
