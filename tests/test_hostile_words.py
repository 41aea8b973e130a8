"""Words that no file, terminal or spreadsheet should be given: refused at the door, or shown as the text that they are."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import kling_nb as kn
from tests.forking import run
from tests.labs import Open

HALF = "half \ud800 a character"
COMMANDS = "\x1b]52;c;aGFjaw==\x07\x1b]0;title\x07\x1b[2J\x1b[31mred\rover\x08\x7f\x9b31m\u202eturned\u2066\x00"
FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    '=HYPERLINK("http://127.0.0.1:9/")',
    "\t=1",
    "a,b",
    'say "no"',
    "two\nlines",
]
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\x1b(?!\[[0-9;]*[mKA-H])")

WRITTEN: dict[str, Callable[[kn.Lab], object]] = {
    "a run's name": lambda lab: lab.start(kn.Sweep(prompt="a fox"), name=HALF, show=False),
    "a note": lambda lab: lab.rate(lab.df()["task"].iloc[0], 1, HALF),
    "a prompt": lambda lab: lab.generate(HALF),
    "a variable": lambda lab: lab.plan(kn.Sweep(prompt="a {what}", what=[HALF, "fox"])),
    "an address": lambda lab: lab.generate("a fox", image=f"http://127.0.0.1/{HALF}"),
    "a shot": lambda lab: lab.generate(multi_prompt=[{"prompt": HALF, "duration": 5}], model="kling-v3"),
    "a provider's own field": lambda lab: lab.generate("a fox", extra={"kling": {"seed": HALF}}),
    "a provider": lambda lab: lab.generate("a fox", provider=HALF),
    "a model": lambda lab: lab.generate("a fox", model=HALF, assume_price=1),
}


@pytest.mark.parametrize("place", WRITTEN)
def test_what_no_file_can_hold_is_refused(simulated: Open, place: str) -> None:
    """Half a character is an error that says so, wherever it is given, and the lab goes on."""
    lab = simulated()
    lab.generate("a fox")

    with pytest.raises(kn.InputError) as caught:
        WRITTEN[place](lab)

    str(caught.value).encode()
    assert lab.generate("a second fox").state == "saved"


def test_a_name_can_be_printed(simulated: Open) -> None:
    """A run's name stands in every view and on every line: it has no control characters, and an end."""
    for name in ("two\nlines", "\x1b[2J", "x" * 100_000, "\u202eturned"):
        with pytest.raises(kn.InputError) as caught:
            simulated().start(kn.Sweep(prompt="a fox"), name=name, show=False)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("command", ["plan", "run", "export", "doctor"])
def test_commands_write_no_control_characters(tmp_path: Path, command: str) -> None:
    """Whatever stands in a file of sweeps, models or providers, a command's output steers no terminal."""
    sweep, models, providers = tmp_path / "sweep.toml", tmp_path / "models.toml", tmp_path / "providers.toml"
    kn.Sweep(prompt=[COMMANDS, f"{COMMANDS} #sim:fail"], model=["kling-v1-6", f"new-{COMMANDS}"]).save(sweep)
    models.write_text(f"[models.{_quoted(COMMANDS)}]\ntitle = {_quoted(COMMANDS)}\n", "utf-8")
    providers.write_text(
        f'[providers.relay-two]\nlike = "relay"\ntitle = {_quoted(COMMANDS)}\nbase_url = {_quoted(COMMANDS)}\n', "utf-8"
    )
    own = ["--simulate", "--assume-price", "1"]
    said = {
        "plan": lambda: [_said("plan", sweep, *own), _said("plan", sweep, "--calls", *own)],
        "run": lambda: [_said("run", sweep, "--lab", tmp_path / "lab", *own)],
        "export": lambda: [_said("export", tmp_path, tmp_path / f"page{COMMANDS[:-1]}")],
        "doctor": lambda: [_said("doctor", "--providers", providers), _said("doctor", "--catalog", models)],
    }[command]()

    assert all(CONTROL.findall(words) == [] and words for words in said)


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\u{ord(sign):04x}" for sign in text) + '"'


def _said(*arguments: Any) -> str:
    done = run("kling_nb", *arguments)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def test_a_table_of_formulas_comes_back_as_it_was(simulated: Open, tmp_path: Path) -> None:
    """CSV holds every word as it is, for whoever reads it as data: nothing is put before what a spreadsheet computes."""
    lab = simulated()
    lab.start(kn.Sweep(prompt=FORMULAS), show=False).wait()
    frame = lab.df()

    frame.to_csv(tmp_path / "a.csv", index=False)

    assert list(pd.read_csv(tmp_path / "a.csv")["prompt"]) == FORMULAS
    rows = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text("utf-8"), newline="")))
    assert [row["prompt"] for row in rows] == FORMULAS
