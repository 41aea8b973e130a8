"""One seed, one run: in virtual time every run of a sweep is the same, byte for byte."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from labs import Open, start, sweep

import kling_nb as kn

PROMPTS = ("fox", "boat #sim:busy", "owl #sim:lost", "cat #sim:risk-control", "dog #sim:clip-cut", "elk #sim:502")


def scene(lab: kn.Lab) -> str:
    """Run a sweep over both providers with faults, and return the hash of all that came of it, in order."""
    run = start(lab, sweep(*PROMPTS, provider=["kling", "fal"], mode="pro"), name="a", budget=20)
    completed = [task.id for task in run.as_completed()]
    run.wait()
    rows = [run.df, lab.log.tasks(), lab.log.events()]
    told = [frame.to_json(orient="split", date_format="iso") for frame in rows]
    files = sorted(
        (path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in (lab.folder / "clips").iterdir()
    )
    saved = [task_id for task_id in completed if lab._opened.log.tasks_by_id([task_id])[0].state == "saved"]
    return hashlib.sha256(json.dumps([told, files, saved]).encode()).hexdigest()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hash of the first run."""
    with kn.Lab(tmp_path_factory.mktemp("first") / "lab", simulate=kn.Simulation(speed=math.inf)) as lab:
        return scene(lab)


@pytest.mark.parametrize("speed", [math.inf, 2000.0])
def test_a_run_is_the_same_every_time(simulated: Open, expected: str, speed: float) -> None:
    """At any speed, with somebody looking at it from another thread all the time, a run is the same."""
    lab = simulated(speed=speed)
    end = threading.Event()

    def look() -> None:
        while not end.wait(0.001):
            for name in lab.runs()["run"]:
                lab.run(name).snapshot()

    looker = threading.Thread(target=look)
    looker.start()
    try:
        assert expected == scene(lab)
    finally:
        end.set()
        looker.join()


def test_a_run_does_not_depend_on_the_hash_seed(tmp_path: Path, expected: str) -> None:
    """Another process with another PYTHONHASHSEED gives the same run."""
    here = Path(__file__).parent
    code = (
        f"import sys; sys.path[:0] = {[str(here), str(here.parent), str(here.parent.parent)]!r}\n"
        "import math, kling_nb as kn\n"
        "from test_determinism import scene\n"
        f"with kn.Lab({str(tmp_path / 'lab')!r}, simulate=kn.Simulation(speed=math.inf)) as lab: print(scene(lab))\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4242"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )
    assert (0, expected) == (done.returncode, done.stdout.strip()), done.stderr


def test_another_seed_is_another_run(simulated: Open) -> None:
    """The seed decides how long things take and what clips show."""
    clips = [
        simulated(f"lab{seed}", seed=seed).generate("fox", model="kling-v2-5-turbo", mode="std") for seed in (7, 8)
    ]
    assert 2 == len({clip.path.read_bytes() for clip in clips})
