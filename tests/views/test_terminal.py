"""A run and a plan in a terminal."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import kling_nb as kn
from kling_nb.views.terminal import plain, plan_table, shares, watch
from tests.views.snapshots import EVIL, Staged, snapshot

INSTANT = kn.Simulation(speed=float("inf"))
DONE = snapshot(state="at rest", counts={"saved": 3, "failed": 1}, reserved=Decimal(0), left_s=None)


def console(*, terminal: bool = False, width: int = 120) -> Console:
    """Return a console that writes into memory."""
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None, legacy_windows=False)


def written(on: Console) -> str:
    """Return what was written to a console in memory."""
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def watched(*scenes: Any, terminal: bool = False) -> str:
    """Return what watching a run through these scenes writes."""
    on = console(terminal=terminal)
    watch(Staged(list(scenes)), console=on)  # type: ignore[arg-type]
    return written(on)


def planned(folder: Path, **axes: Any) -> str:
    """Return the plan of a sweep as it is printed."""
    on = console()
    with kn.Lab(folder, simulate=INSTANT) as lab:
        on.print(plan_table(lab.plan(kn.Sweep(**{"prompt": "a red fox", "model": "kling-v1-6", **axes}))))
    return written(on)


def test_a_finished_run_is_summed_up() -> None:
    """At the end stand the counts, the money and the causes, whether or not it is a terminal."""
    for terminal in (False, True):
        said = watched(DONE, terminal=terminal)

        for words in (
            "fox SIMULATED finished",
            "3 saved · 1 failed of 4",
            "$3.20 spent of $25",
            "1 × kling (content policy): no",
        ):
            assert words in said


def test_no_control_codes_without_a_terminal() -> None:
    """A log file gets plain lines: one when the counts change, and the summary."""
    said = watched(snapshot(), DONE)

    assert "\x1b" not in said
    assert said.startswith("SIMULATED fox: 1 saved · 1 running · 1 failed · 1 planned of 4 · $3.20 spent")


def test_lines_are_few() -> None:
    """Changes within a few seconds of a line add no line of their own."""
    said = watched(snapshot(), snapshot(counts={"running": 2, "saved": 2}), DONE)

    assert said.count("SIMULATED fox:") == 1


def test_a_hold_is_told() -> None:
    """What keeps points from being sent is told with their number."""
    held = snapshot(state="at rest", held="no key for fal", counts={"planned": 2, "saved": 2}, causes=())

    assert "2 not sent: no key for fal" in watched(held)
    assert "not sent: no key" not in watched(snapshot(counts={"saved": 1}, held="no key", state="at rest"))


def test_a_real_run_is_watched_to_its_end(tmp_path: Path) -> None:
    """Watching returns when nothing moves any more."""
    on = console()
    with kn.Lab(tmp_path, simulate=INSTANT) as lab:
        run = lab.start(kn.Sweep(prompt="a fox", model="kling-v1-6", mode=["std", "pro"]), name="fox", show=False)
        watch(run, console=on)

    assert "2 saved of 2" in written(on)


def test_an_interrupt_reaches_the_caller() -> None:
    """Ctrl-C while watching is the caller's to handle; the run is left alone."""

    class Interrupted(Staged):
        def snapshot(self) -> Any:
            raise KeyboardInterrupt

    run = Interrupted([DONE])
    with pytest.raises(KeyboardInterrupt):
        watch(run, console=console())  # type: ignore[arg-type]
    assert run.done == []


def test_foreign_text_is_neither_markup_nor_control(tmp_path: Path) -> None:
    """Prompts, names and reasons reach the terminal as they are, less their control characters."""
    for said in (
        watched(snapshot(name=EVIL, causes=((EVIL, 1),), state="at rest")),
        planned(tmp_path, prompt=EVIL.replace("{{7*7}}", "")),
    ):
        assert "[red]" in said
        assert "\x1b" not in said


def test_a_plan_says_once_what_is_the_same_for_all(tmp_path: Path) -> None:
    """Columns that do not vary are said above the rows; fate and price stay."""
    said = planned(tmp_path, mode=["std", "pro"], duration=5)

    assert "every point: provider kling · model kling-v1-6 · duration 5 · prompt a red fox · sample 1" in said
    for words in ("mode", "fate", "price", "SIMULATED: 2 points, 2 to buy for"):
        assert words in said


def test_a_plan_groups_losses_and_refusals(tmp_path: Path) -> None:
    """Each sentence is said once, with the points that it touches."""
    said = planned(tmp_path, model=["kling-v1-6", "kling-v2-6"], mode=["std", "4k"], cfg_scale=0.3)

    assert said.count("Refused\n") == 1
    assert said.count("kling: mode='4k': expected std or pro (kling-v1-6) (point 1)") == 1
    assert "cfg_scale=0.3 is sent but has no effect" in said


def test_a_long_plan_is_cut(tmp_path: Path) -> None:
    """A plan with more rows than fit says how many are left out, and still counts all."""
    said = planned(tmp_path, repeats=70)

    assert "… and 10 more points" in said
    assert "70 points, 70 to buy" in said


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any), st.integers(1, 80))
def test_the_bar_is_always_full(counts: list[int], width: int) -> None:
    """The shares of a bar add up to its width, and nothing is negative."""
    cells = shares(counts, width)

    assert width == sum(cells)
    assert min(cells) >= 0


@given(st.text())
def test_plain_text_is_one_printable_line(text: str) -> None:
    """No text makes the terminal do anything."""
    assert plain(text).isprintable()
    assert len(text) == len(plain(text))
