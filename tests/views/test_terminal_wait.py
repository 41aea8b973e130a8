"""Waiting for a run in a terminal."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.live import Live
from rich.progress import Progress

import kling_nb as kn
from kling_nb.views.terminal_wait import progress
from tests.views.snapshots import Staged, snapshot

SWEEP: dict[str, Any] = {"prompt": "a fox", "model": "kling-v1-6", "mode": ["std", "pro"]}


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


class WithoutBlocks(Terminal):
    """A terminal whose encoding lacks the letters of the bar."""

    def write(self, text: str) -> int:
        """Write what Latin-1 has."""
        return super().write(text.encode("latin-1").decode("latin-1"))


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[io.StringIO], io.StringIO]:
    """Put something in the place of standard output."""
    monkeypatch.setenv("TERM", "xterm")

    def put(stream: io.StringIO) -> io.StringIO:
        monkeypatch.setattr(sys, "stdout", stream)
        return stream

    return put


def waited(folder: Path, **settings: Any) -> kn.Run:
    """Wait for a run that takes a moment."""
    with kn.Lab(folder, simulate=kn.Simulation(speed=200)) as lab:
        return lab.start(kn.Sweep(**SWEEP), name="fox", assume_price="official", **settings).wait(60)


def test_waiting_shows_the_run_in_a_terminal(tmp_path: Path, on: Callable[[io.StringIO], io.StringIO]) -> None:
    """How it stands is drawn again and again, and how it ended is left standing."""
    out = on(Terminal())
    waited(tmp_path)

    said = out.getvalue()
    assert said.index("running") < said.index("finished") < said.rindex("2 saved")
    assert said.endswith("\x1b[?25h"), "the cursor is shown again"


@pytest.mark.parametrize("shown", [{"show": False}, {}], ids=["unwanted", "no terminal"])
def test_waiting_is_silent(tmp_path: Path, on: Callable[[io.StringIO], io.StringIO], shown: dict[str, bool]) -> None:
    """A file, a pipe and a notebook get nothing, and no more does who wanted none."""
    out = on(Terminal() if shown else io.StringIO())
    waited(tmp_path, **shown)

    assert out.getvalue() == ""


def test_of_two_waits_one_draws(on: Callable[[io.StringIO], io.StringIO]) -> None:
    """Two displays in one terminal would overwrite each other; when the first is done, the second may."""
    out = on(Terminal())
    first, second = Staged([snapshot(name="first")]), Staged([snapshot(name="second")])
    with progress(second) as look_second:  # type: ignore[arg-type]
        with progress(first) as look_first:  # type: ignore[arg-type]
            look_first()
            look_second()
        assert "second" not in out.getvalue()
        look_second()

    assert "first" in out.getvalue()
    assert "second" in out.getvalue()


@pytest.mark.parametrize(
    ("stream", "run"),
    [(WithoutBlocks(), Staged([snapshot()])), (Terminal(), Staged([]))],
    ids=["letters that the terminal lacks", "a run that cannot be seen"],
)
def test_a_display_that_fails_does_not_end_the_wait(
    on: Callable[[io.StringIO], io.StringIO], stream: io.StringIO, run: Any
) -> None:
    """What cannot be drawn is not drawn again, and whoever waits next may draw."""
    on(stream)
    with progress(run) as look:
        look()
        look()
    out = on(Terminal())
    with progress(Staged([snapshot()])) as look:  # type: ignore[arg-type]
        look()

    assert "1 saved" in out.getvalue()


@pytest.mark.parametrize(("state", "erased"), [("running", 5), ("at rest", 0)])
def test_a_wait_that_runs_out_of_time_leaves_nothing(
    on: Callable[[io.StringIO], io.StringIO], state: str, erased: int
) -> None:
    """Who waits for a second again and again has one display, and not one a second; what rests is left standing."""
    out = on(Terminal())
    with progress(Staged([snapshot(state=state)])) as look:  # type: ignore[arg-type]
        look()

    assert erased == out.getvalue().rpartition("1 saved")[2].count("\x1b[1A\x1b[2K"), "of its five lines"


def test_beside_a_display_of_the_callers_own_nothing_is_drawn(on: Callable[[io.StringIO], io.StringIO]) -> None:
    """Each would erase lines of the other, as within `rich.progress.track`; when theirs has ended, ours may begin."""
    out = on(Terminal())
    with progress(Staged([snapshot()])) as look:  # type: ignore[arg-type]
        with Progress(auto_refresh=False):
            look()
        assert "1 saved" not in out.getvalue()
        look()

    assert "1 saved" in out.getvalue()


def test_a_wait_in_another_thread_draws_nothing(on: Callable[[io.StringIO], io.StringIO]) -> None:
    """It would draw over what is typed, and its end would undo what the main thread did to standard output meanwhile."""
    out = on(Terminal())

    def wait() -> None:
        with progress(Staged([snapshot()])) as look:  # type: ignore[arg-type]
            look()

    beside = threading.Thread(target=wait)
    beside.start()
    beside.join()

    assert out.getvalue() == ""


def test_a_second_interrupt_leaves_the_terminal_to_the_next_wait(
    on: Callable[[io.StringIO], io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that comes while the display ends is raised, and whoever waits next may draw."""

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    def wait() -> None:
        with monkeypatch.context() as patched, progress(Staged([snapshot()])) as look:  # type: ignore[arg-type]
            look()
            patched.setattr(Live, "stop", interrupted)
            raise KeyboardInterrupt

    on(Terminal())
    with pytest.raises(KeyboardInterrupt):
        wait()
    out = on(Terminal())
    with progress(Staged([snapshot()])) as look:  # type: ignore[arg-type]
        look()

    assert "1 saved" in out.getvalue()


INTERRUPTED = """
import os, signal, sys, threading
import kling_nb as kn
lab = kn.Lab(sys.argv[1], simulate=kn.Simulation(speed=1))
run = lab.start(kn.Sweep(prompt="a fox", model="kling-v1-6"), name="fox", assume_price="official")
threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    run.wait()
except KeyboardInterrupt:
    print("moving", run.is_moving)
"""


def test_an_interrupt_leaves_the_run_and_the_terminal_as_they_were(tmp_path: Path) -> None:
    """On a real terminal Ctrl-C ends the display, shows the cursor, and says that the run goes on."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path)]
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as started:
        os.close(theirs)
        said = _all_of(ours)
        assert started.wait(30) == 0

    assert "SIMULATED" in said
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")
    assert "run 'fox' goes on" in said
    assert "moving True" in said


def _all_of(terminal: int) -> str:
    """Return what is written to a terminal until the last who holds it is gone."""
    parts = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:  # how Linux says that nobody holds it any more
        pass
    os.close(terminal)
    return b"".join(parts).decode()


def test_views_of_a_notebook_say_how_to_go_on_in_text(tmp_path: Path) -> None:
    """Where nothing can show a form or a comparison, each says what does."""
    with kn.Lab(tmp_path, simulate=True) as lab:
        assert "kn.Sweep(…) and lab.plan(sweep)" in repr(lab.form())
        assert ".save_html(folder) writes a page" in repr(lab.compare())
