"""Processes to be killed: each opens a live lab, goes on with the same sweep, and may kill itself at a step.

    python -m benchmarks.victim

Reads one line of JSON a victim and forks, so that the imports, which cost more than the rest, are paid once. Prints
``pid N`` when a victim begins, and ``end STATUS`` when it has ended, as `os.waitpid` has it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import av  # noqa: F401 - imported before the fork, as what follows
import pandas as pd  # noqa: F401
import pyarrow as pa  # noqa: F401

import kling_nb as kn
from kling_nb import media
from kling_nb.clients import library
from kling_nb.dialect import Op
from kling_nb.log import ExperimentLog
from kling_nb.wire import Wire

PATIENCE_S = 60
AXES: dict[str, dict[str, Any]] = {
    "sweep": {
        "model": "kling-v2-5-turbo",
        "mode": "pro",
        "provider": ["kling", "fal", "quickrouter-fal", "chanjing", "quickrouter", "relay", "openroute"],
    },
    "path": {"model": "kling-3.0-turbo", "mode": "std", "provider": "kling"},
}
"""The runs that reach every dialect: seven providers in one, Kling's newer path API in the other."""


def sweep(name: str, prompts: list[str]) -> kn.Sweep:
    """Return the sweep of a run over prompts; each run has its own, for a prompt is bought once at a provider."""
    return kn.Sweep(prompt=own_prompts(name, prompts), duration=5, **AXES[name])


def own_prompts(name: str, prompts: list[str]) -> list[str]:
    """Return what the prompts are in one run."""
    return [f"{prompt}, for {name}" for prompt in prompts]


def go_on(lab: kn.Lab, prompts: list[str], *, resume: bool) -> list[kn.Run]:
    """Go on with both runs, as their cell does that is run again, or as `Run.resume` does."""
    known = set(lab.runs()["run"]) if resume else set()
    return [
        lab.run(name).resume()
        if name in known
        else lab.start(sweep(name, prompts), name=name, show=False, assume_price="official")
        for name in AXES
    ]


# -- killing itself ------------------------------------------------------------------------------------------------


class Trap:
    """Kills this process before or after the call number ``nth`` of a function."""

    def __init__(self, nth: int, *, after: bool) -> None:
        self._left, self._after = nth, after

    def __call__(self, of: Callable[..., Any], *given: Any, **options: Any) -> Any:
        """Call the function, unless this is the end."""
        self._left -= 1
        if not self._left and not self._after:
            die()
        result = of(*given, **options)
        if not self._left:
            die()
        return result

    async def wait(self, of: Callable[..., Any], *given: Any, **options: Any) -> Any:
        """Await the function, unless this is the end."""
        self._left -= 1
        if not self._left and not self._after:
            die()
        result = await of(*given, **options)
        if not self._left:
            die()
        return result


def die() -> None:
    """End at once, as from the outside: nothing is flushed, closed or said."""
    os.kill(os.getpid(), signal.SIGKILL)


def set_commit(trap: Trap, kind: str = "") -> None:
    """Die at a commit of the log; with ``kind`` at one of those that hold such an event."""
    commit = ExperimentLog.commit

    def committed(log: ExperimentLog, changes: Any, served: Any = None) -> None:
        caught = not kind or any(event.kind == kind for event, _ in changes)
        return trap(commit, log, changes, served) if caught else commit(log, changes, served)

    ExperimentLog.commit = committed  # type: ignore[method-assign]


def set_rename(trap: Trap) -> None:
    """Die at the renaming of a clip: before it, or before it is in the log."""
    replace = os.replace

    def replaced(source: Any, target: Any, **options: Any) -> None:
        caught = str(target).endswith(".mp4")
        return trap(replace, source, target, **options) if caught else replace(source, target, **options)

    os.replace = replaced


def set_verified(trap: Trap) -> None:
    """Die at storing a clip: downloaded whole, or in its place and not in the log."""
    store = media.store_clip
    media.store_clip = lambda *given, **options: trap(store, *given, **options)


def set_post(trap: Trap) -> None:
    """Die at a paid call: the intent is on disk and nothing is sent, or the answer is there and not on disk."""
    send = Wire.send

    async def sent(wire: Wire, call: Any, **options: Any) -> Any:
        return await (trap.wait(send, wire, call, **options) if call.op is Op.SUBMIT else send(wire, call, **options))

    Wire.send = sent  # type: ignore[method-assign]


KINDS = ("planned", "intent", "accepted", "doubted", "status", "ready", "saved", "failed")
TRAPS: dict[str, Callable[[Trap], None]] = {
    "commit": set_commit,
    "rename": set_rename,
    "store": set_verified,
    "post": set_post,
    **{kind: partial(set_commit, kind=kind) for kind in KINDS},
}
"""A victim's own steps; those with the name of an event are the commits that hold one."""


# -- being born ----------------------------------------------------------------------------------------------------


def live(given: dict[str, Any]) -> None:
    """Open the lab and go on until nothing moves."""
    if given["trap"] in TRAPS:
        TRAPS[given["trap"]](Trap(given["nth"], after=given["after"]))
    lab = kn.Lab(Path(given["folder"]))
    for run in go_on(lab, given["prompts"], resume=given["resume"]):
        run.wait(PATIENCE_S)
        if run.is_moving:
            sys.exit(f"stuck: {run.snapshot().line()}")
    lab.close()


def born(given: dict[str, Any]) -> None:
    """Live in the child of a fork, and end without what the parent has left to do."""
    status = 1
    try:
        live(given)
        status = 0
    except BaseException:  # noqa: BLE001 - the parent reads the status, a person the rest
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def warm() -> None:
    """Import and read what opening and planning need, so that no victim has to."""
    with tempfile.TemporaryDirectory() as place, kn.Lab(place) as lab:
        lab.plan(sweep("sweep", ["nothing"]), assume_price="official")
    library()


def main() -> None:
    """Bear one victim after another."""
    warm()
    for line in sys.stdin:
        given = json.loads(line)
        pid = os.fork()
        if not pid:
            born(given)
        print(f"pid {pid}", flush=True)
        print(f"end {os.waitpid(pid, 0)[1]}", flush=True)


if __name__ == "__main__":
    main()
