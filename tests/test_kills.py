"""Killed at any step of a sweep through every dialect, a lab goes on: nothing is lost, and nothing is bought twice."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.killing import Killer, killer
from benchmarks.moments import Moment, operation
from kling_nb.errors import LabError
from kling_nb.log import ExperimentLog, is_simulated
from kling_nb.simulator import Fault

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork and no SIGKILL")
KILLS = 40


@pytest.fixture
def deadly(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Killer]:
    """Play all providers, with the faults that a test wants, and have victims ready."""
    with killer(tmp_path, getattr(request, "param", ())) as one:
        yield one


def test_killed_anywhere(deadly: Killer) -> None:
    """Killed at forty moments drawn from a seed, every point ends saved, and ledger and log agree on every charge."""
    told = deadly.run(KILLS)
    assert told.reckoning.is_right, told
    assert KILLS == told.kills.total()
    assert told.reckoning.points == told.reckoning.ledger
    assert len(told.kills) >= 10


NEVER_ARRIVED = [[Fault(action="reset", prompt="take 0, for path")]]
"""One submit is reset before it arrives, so that it is looked up, is absent, and another attempt is to follow."""


@pytest.mark.parametrize("deadly", NEVER_ARRIVED, indirect=True)
@pytest.mark.parametrize(
    "moment", [Moment("failed", "after"), Moment("planned", "after", nth=3)], ids=lambda moment: moment.name
)
def test_killed_between_two_attempts(deadly: Killer, moment: Moment) -> None:
    """Killed when it is known that an attempt never arrived, or when the next is planned, the point is bought by one more."""
    told = deadly.lap([moment], resume=True)
    assert {moment.name: 1} == told.kills
    assert told.reckoning.is_right, told
    assert {"reset"} == set(deadly.one.struck)


def test_operations_are_told_apart() -> None:
    """What is a submit, a look-up, a token and a clip is known for every dialect."""
    told = {
        ("POST", "/kling/v1/videos/text2video"): "submit",
        ("POST", "/kling/tasks"): "status",
        ("GET", "/kling/tasks"): "status",
        ("POST", "/chanjing/open/v1/access_token"): "token",
        ("POST", "/chanjing/open/v1/ai_creation/task/page"): "status",
        ("GET", "/cdn/a.mp4"): "asset",
        ("GET", "/openroute/v1/videos/1/content"): "asset",
    }
    assert told == {asked: operation(*asked) for asked in told}


def test_killed_while_a_log_was_made(tmp_path: Path) -> None:
    """A file without tables is what such an end leaves: no log to read, and one to the next who drives."""
    with closing(sqlite3.connect(tmp_path / "log.sqlite")) as half:
        half.execute("PRAGMA journal_mode=WAL")
    for read in (lambda: ExperimentLog(tmp_path, simulated=False, write=False), lambda: is_simulated(tmp_path)):
        with pytest.raises(LabError, match=r"expected a lab folder with a log\.sqlite, found none"):
            read()
    with closing(ExperimentLog(tmp_path, simulated=False, write=True)):
        assert not is_simulated(tmp_path)
