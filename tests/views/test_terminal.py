"""A run and a plan in a terminal."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

import kling_nb as kn
from kling_nb.excerpts import plain
from kling_nb.plan.terminal import plan_table, plan_text
from kling_nb.views.standing import standing
from kling_nb.views.terminal import here, run_display, shares, watch
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


def planned(folder: Path, width: int = 120, **axes: Any) -> str:
    """Return the plan of a sweep as it is printed."""
    on = console(width=width)
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


@pytest.mark.parametrize("width", range(24, 70))
def test_a_number_stays_with_its_state(width: int) -> None:
    """However narrow the terminal is, no line breaks between a number and what it counts, nor within an amount."""
    counts = {"saved": 12, "running": 3, "failed": 1, "uncertain": 2, "planned": 2}
    on = console(width=width)
    on.print(run_display(standing(snapshot(counts=counts, total=20, causes=()))))
    lines = [line.strip() for line in written(on).splitlines()]

    told = (
        "12 saved",
        "3 running",
        "1 failed",
        "2 uncertain",
        "2 planned of 20",
        "$3.20 spent",
        "$1.40 reserved of $25",
    )
    assert [words for words in told if not any(words in line for line in lines)] == []
    assert all(cell_len(line) <= width for line in lines)


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
    assert "cfg_scale=0.3 is sent but has no known effect" in said


def test_a_long_plan_is_cut(tmp_path: Path) -> None:
    """A plan with more rows than fit says how many are left out, and still counts all."""
    said = planned(tmp_path, repeats=70)

    assert "… and 46 more points" in said
    assert "70 points, 70 to buy" in said


AT_A_PROMPT = """
import kling_nb as kn
plan = kn.Lab("study", simulate=True, provider="kling").plan(
    kn.Sweep(prompt="a fox", model="kling-v1-6", mode=["std", "pro"], duration=5, repeats=20))
plan
[plan]
print(plan)
"""


def test_ipython_in_a_terminal_shows_the_table(tmp_path: Path) -> None:
    """A plan by itself is the table of `kling-nb plan`; inside of something else, and printed, it is one line."""
    options = ("--quick", "--colors=NoColor", "--InteractiveShell.ast_node_interactivity=all", "-c", AT_A_PROMPT)
    home = {"IPYTHONDIR": str(tmp_path / "ipython"), "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    home |= {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(Path(kn.__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    }
    command = [sys.executable, "-m", "IPython", *options]
    done = subprocess.run(
        command,
        check=False,
        cwd=tmp_path,
        env={**os.environ, **home},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )

    table, rest = done.stdout.split("SIMULATED: 40 points, 40 to buy for", 1)
    assert "every point: provider kling" in table
    assert "… and 16 more points; plan.df() has them all" in table
    assert rest.count("<Plan SIMULATED: 40 points, 40 to buy for") == 2
    assert "\x1b" not in done.stdout


def test_the_text_of_a_plan_has_no_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever shows the text may keep it, so that a variable that asks every program for colours puts none in it."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with kn.Lab(tmp_path, simulate=INSTANT, provider="kling") as lab:
        plan = lab.plan(kn.Sweep(prompt="a fox", model="kling-v1-6", mode=["std", "pro"], duration=5))
        assert "\x1b" not in plan_text(plan)


LONG = "a {who} runs through deep snow, tracking shot, golden hour, shallow depth of field, {light}"
WIDE = {"prompt": LONG, "model": ["kling-v1-6", "kling-v2-5-turbo"], "mode": ["std", "pro"]}


def rows_of(said: str) -> list[str]:
    """Return the lines of a plan that are its points."""
    table = said.partition("SIMULATED: ")[0]
    return [line for line in table.splitlines() if line.strip()[:1].isdigit()]


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("lights", [2, 12], ids=["few prompts", "many prompts"])
def test_each_point_is_one_line_of_the_terminal(tmp_path: Path, width: int, lights: int) -> None:
    """However wide it is: no line is broken, no word but a prompt's is cut, and the plan fits a page."""
    light = [f"light {n}" for n in range(lights)]
    said = planned(tmp_path, width, **WIDE, who=["fox", "red wolf"], light=light, provider=["kling", "fal"])

    rows = rows_of(said)
    assert [str(n) for n in range(len(rows))] == [row.split()[0] for row in rows]
    assert 24 >= len(rows) == min(24, 16 * lights)
    for row in rows:
        assert len(row) <= width
        assert any(model in row for model in ("kling-v1-6", "kling-v2-5-turbo"))
        assert row.rstrip().endswith(("unknown", "0.28", "0.49", "0.21", "0.35"))


def test_a_few_long_prompts_stand_above_the_rows(tmp_path: Path) -> None:
    """Where they do not fit beside the rest, prompts are numbered; each is told whole where there is room."""
    said = planned(tmp_path, 100, **WIDE, who=["fox", "wolf"], light=["at dawn"])

    assert "prompt 1  a fox runs through deep snow, tracking shot, golden hour" in said
    assert "prompt 2  a wolf runs through deep snow, tracking shot, golden hour" in said
    assert "shallow depth of field, at dawn\n" in said
    assert said.count("golden hour") == 2


def test_many_long_prompts_are_cut_in_their_middle(tmp_path: Path) -> None:
    """Both ends of a prompt tell it from others; wide letters count as two cells."""
    light = [*(f"light {n:02}" for n in range(13)), "夜の街を走る"]
    said = planned(tmp_path, 80, prompt=LONG.replace("{who}", "fox"), light=light, mode=["std", "pro"])

    rows = rows_of(said)
    assert "a fox runs" in rows[0]
    assert "…" in rows[0]
    assert "light 00  buy" in rows[0]
    assert "light 11  buy" in rows[22]
    assert all(cell_len(row) <= 80 for row in rows)


def test_a_prompt_that_is_left_out_is_a_dash(tmp_path: Path) -> None:
    """A request may have no prompt: it is a row as any, in a narrow terminal too."""
    said = planned(tmp_path, 60, prompt=[LONG.format(who="fox", light="dawn"), ""], image="https://example.org/fox.png")

    assert "prompt 2  —\n" in said
    assert len(rows_of(said)) == 2


def test_words_of_python_are_told_as_they_are_here() -> None:
    """Behind a sentence stands once what each of its words is at the terminal; other sentences stay as they are."""
    assert here("no: run.resume() goes on", "run.resume()") == (
        "no: run.resume() goes on (here run.resume() is the same command again)"
    )
    assert here("no", "lab.uncertain() shows it").endswith(
        "(here lab.uncertain() is kn.Lab(folder, …).uncertain() in Python)"
    )
    assert here("daily_budget=-1: no") == "daily_budget=-1: no"


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
