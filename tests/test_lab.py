"""The lab as a person meets it: bad input is told in one sentence, and nothing is spent."""

from __future__ import annotations

import math
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from labs import CHEAP, Open, ledger, start, sweep

import kling_nb as kn
from kling_nb.errors import InputError, KlingError, RefusedError, SweepError
from kling_nb.states import TaskState

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an empty prompt": ({"prompt": ""}, "prompt"),
    "a length that is not sold": ({"duration": 7}, "duration=7"),
    "a knob out of range": ({"cfg_scale": 3}, "cfg_scale=3"),
    "a mode that is not there": ({"mode": "professional"}, "mode='professional'"),
    "a ratio that is not there": ({"aspect_ratio": "21:9"}, "aspect_ratio='21:9'"),
    "a misspelt field": ({"negativ_prompt": "rain"}, "negative_prompt"),
    "a length that is no number": ({"duration": "long"}, "duration='long'"),
    "a provider that is not there": ({"provider": "klong"}, "kling"),
    "a prompt that is far too long": ({"prompt": "fox " * 2000}, "2500|2,500"),
    "text with half a character": ({"prompt": "fox \ud800"}, "prompt|surrogate|character"),
}


@pytest.fixture
def lab(simulated: Open) -> kn.Lab:
    """Open a simulated lab."""
    return simulated()


def sentence(error: KlingError) -> None:
    """Check that an error is one readable paragraph: no class names, no traceback, no end of a list of lines."""
    text = str(error)
    assert 20 < len(text) < 700
    assert "\n" not in text
    assert "Error(" not in text


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_told_and_nothing_is_spent(lab: kn.Lab, what: str) -> None:
    """A request that cannot be sent is an error that names the value, by sweep and by generate alike."""
    fields, said = BAD[what]
    merged = {**CHEAP, "prompt": "fox", **fields}
    for act in (lambda: start(lab, kn.Sweep(**merged)), lambda: lab.generate(**merged)):
        with pytest.raises(KlingError, match=said) as caught:
            act()
        sentence(caught.value)
        assert isinstance(caught.value, InputError)
    assert lab.log.tasks().empty
    assert not ledger(lab)


def test_a_file_that_is_no_image(lab: kn.Lab, tmp_path: Path) -> None:
    """A file that is none, is not there, or holds something else is told by what it is."""
    text = tmp_path / "notes.txt"
    text.write_text("these are notes")
    for image in (text, tmp_path / "missing.png", b"not a picture", tmp_path):
        with pytest.raises(KlingError) as caught:
            start(lab, sweep("fox", image=image))
        sentence(caught.value)
    assert not ledger(lab)


def test_sweeps_without_a_point_or_with_a_million(lab: kn.Lab) -> None:
    """An empty axis and far too many points are told before anything is made."""
    with pytest.raises(SweepError):
        start(lab, kn.Sweep(prompt=[]))
    names = [str(n) for n in range(100)]
    with pytest.raises(SweepError, match=r"1,000,000 points, more than the limit of 10,000"):
        start(lab, kn.Sweep(prompt="{a} {b} {c}", a=names, b=names, c=names))
    assert lab.log.tasks().empty


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("foxes", "there is no run 'foxes'; did you mean 'fox'"),
        (["fox", "owl"], "there is no run 'owl'; known: fox"),
        (7, r"got 7; lab\.runs\(\)"),
        ([7, "owl"], r"got \[7, 'owl'\]; lab\.runs\(\)"),
    ],
)
def test_what_cannot_be_compared_is_told(lab: kn.Lab, tmp_path: Path, what: Any, said: str) -> None:
    """A name that no run has, or anything else that has no clips, is an error and not an empty page."""
    start(lab, sweep("fox"), name="fox").wait()
    for act in (lab.compare, lambda what: lab.export(tmp_path / "page", what)):
        with pytest.raises(InputError, match=said) as caught:
            act(what)
        sentence(caught.value)
    assert not (tmp_path / "page").exists()


def test_a_run_is_compared_by_its_name(lab: kn.Lab, tmp_path: Path) -> None:
    """Wherever a comparison takes a run it takes its name, alone or among others, also after the lab was closed."""
    fox, owl = (start(lab, sweep(name), name=name).wait() for name in ("fox", "owl"))
    assert lab.compare("fox").grid == lab.compare(fox).grid
    both = lab.compare([fox, owl]).grid
    lab.export(tmp_path / "page", ["fox", "owl"])
    lab.close()
    assert (both, "fox, owl") == (lab.compare(["fox", owl]).grid, both.title)


@pytest.mark.parametrize(
    "rating", ["five", [1], True, math.nan, math.inf, pytest.param(10**400, id="beyond a float"), {"stars": 4}]
)
def test_a_rating_that_is_no_number_is_told(lab: kn.Lab, rating: Any) -> None:
    """What is no number is refused at the door: the log could not hold it, or the table not show it."""
    run = start(lab, sweep("fox")).wait()
    with pytest.raises(InputError, match="expected a number") as caught:
        lab.rate(run.tasks[0].id, rating)
    sentence(caught.value)
    lab.rate(run.tasks[0].id, 4, "fine")
    lab.rate(run.tasks[0].id, np.int64(5))
    assert (5.0, "fine") == tuple(lab.df()[["rating", "note"]].iloc[0])
    assert ["saved"] == [task.state for task in start(lab, sweep("boat")).wait().tasks]


def test_an_unknown_model_is_sent_with_a_warning(lab: kn.Lab) -> None:
    """A model that the catalogue does not know is sent once a price is assumed, and the provider's no is its own."""
    plan = lab.plan(sweep("fox", model="kling-v9"), assume_price=1)
    assert "kling-v9" in str(plan.points[0].warnings[0])
    run = start(lab, sweep("fox", model="kling-v9"), assume_price=1).wait()
    assert ("failed", "parameters") == tuple(run.df[["state", "cause"]].iloc[0])
    assert 0 == run.snapshot().spent


def test_a_misspelt_setting_is_an_error(lab: kn.Lab) -> None:
    """A keyword that start or plan does not know is refused, not ignored: it may be the one that saves money."""
    for act in (lab.plan, lambda what, **k: start(lab, what, **k)):
        with pytest.raises(InputError, match="no setting 'frehs'; did you mean 'fresh'"):
            act(sweep("fox"), frehs=True)
    assert not ledger(lab)


def test_names_of_runs(lab: kn.Lab) -> None:
    """A run's name is a short text, and not the one that generate keeps its clips under."""
    for wrong in ("", " ", "generate", "x" * 101):
        with pytest.raises(InputError, match="expected a name"):
            start(lab, sweep("fox"), name=wrong)
    assert start(lab, sweep("fox")).name == start(lab, sweep("fox")).name


def test_refused_points_carry_every_problem(lab: kn.Lab) -> None:
    """All that is wrong with a request is told at once."""
    with pytest.raises(RefusedError) as caught:
        lab.generate("fox", **{**CHEAP, "duration": 7, "mode": "turbo"})
    assert {"duration", "mode"} <= {problem.field for problem in caught.value.problems}


def test_a_clip_can_be_rated(lab: kn.Lab) -> None:
    """A judgement is kept with the task, and survives reopening; words and number are kept apart."""
    lab.generate("fox", **CHEAP)
    task = lab.df()["task"].item()
    lab.rate(task, 4.5)
    lab.rate(task, note="soft light")
    assert (4.5, "soft light") == tuple(lab.df()[["rating", "note"]].iloc[0])
    assert TaskState.SAVED == lab.df()["state"].item()


def test_every_view_of_a_simulated_lab_says_so(lab: kn.Lab) -> None:
    """As text, where nothing else is seen, and as what a notebook saves; a point of a plan by itself too."""
    clip, run = lab.generate("fox", **CHEAP), lab.run("generate")
    plan = lab.plan(kn.Sweep(prompt="fox", **CHEAP))
    views = (lab, clip, run, plan, plan[0], lab.compare(), lab.uncertain(), lab.form())
    assert [] == [text for text in map(repr, views) if "SIMULATED" not in text]
    pages = [view._repr_html_() for view in views if hasattr(view, "_repr_html_")]  # type: ignore[attr-defined]
    assert (6, []) == (len(pages), [page for page in pages if "SIMULATED" not in page])


def test_a_lab_says_what_it_is(lab: kn.Lab) -> None:
    """Its repr names the folder, that it is simulated, and what it holds."""
    assert "<Lab lab SIMULATED: empty>" == repr(lab)
    assert f"<LabLog {lab.log.path}: no tasks; .tasks(), .events() and .df() show them>" == repr(lab.log)
    lab.generate("fox", **CHEAP)
    assert "<Lab lab SIMULATED: 1 saved>" == repr(lab)
    assert ": 1 saved; " in repr(lab.log)
    (task,) = lab.run("generate").tasks
    assert f"<Task {task.id} kling · {task.model} · std: saved, {task.clip.path}>" == repr(task)


def test_a_cell_reads_the_log_and_does_not_write_it(lab: kn.Lab) -> None:
    """What a cell wrote beside the engine would stop it, or be shown and not obeyed: there is nothing to write with."""
    shown = [name for name in dir(lab.log) if not name.startswith("_")]
    assert ["counts", "df", "events", "path", "runs", "spending", "tasks"] == shown
    with pytest.raises(AttributeError):
        lab.log.daily_budget = 20  # type: ignore[attr-defined]
    lab.generate("fox", **CHEAP)
    for frame, same in ((lab.log.df(), lab.df()), (lab.log.runs(), lab.runs()), (lab.log.spending(), lab.spending())):
        pd.testing.assert_frame_equal(same, frame)
    assert 1 == len(lab.log.spending("provider"))


def test_an_empty_lab_has_all_its_tables(lab: kn.Lab) -> None:
    """Every table of a lab that bought nothing is empty, and there."""
    for frame in (lab.df(), lab.runs(), lab.spending(), lab.log.tasks(), lab.log.events(), lab.uncertain().df):
        assert frame.empty
        assert len(frame.columns) > 0
        assert [name for name in frame if frame[name].dtype == object] in ([], ["day"])


def test_variables_that_are_nonsense(simulated: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A speed that is no number is told when the lab is opened, and the folder can be opened afterwards."""
    monkeypatch.setenv("KLING_NB_SPEED", "warp")
    with pytest.raises(KlingError, match="KLING_NB_SPEED should be a number"):
        simulated()
    monkeypatch.delenv("KLING_NB_SPEED")
    assert "empty" in repr(simulated())


def test_a_simulated_lab_needs_and_uses_no_key(simulated: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and addresses of the environment are ignored by a simulated lab."""
    monkeypatch.setenv("KLING_NB_KLING_KEY", "a-real-key")
    monkeypatch.setenv("KLING_NB_KLING_BASE_URL", "https://api.example")
    lab = simulated()
    lab.generate("fox", **CHEAP)
    assert "a-real-key" not in (lab.folder / "log.sqlite").read_bytes().decode("latin-1")
    assert "api.example" not in lab.df()["call"].item()


def test_a_live_lab_keeps_no_key(tmp_path: Path) -> None:
    """No file of a lab folder holds a key."""
    from labs import live_lab

    with live_lab(tmp_path / "live") as live:
        assert {"saved": 1} == start(live.lab, sweep("fox")).wait(20).snapshot().counts
        live.lab.close()
        secrets = [part.encode() for part in re.split("[:,]", live.simulator.key("kling"))]
        for path in filter(Path.is_file, live.lab.folder.rglob("*")):
            assert not [secret for secret in secrets if secret in path.read_bytes()], path


WRONG_CALLS: dict[str, tuple[Any, str]] = {
    "a prompt planned": (lambda lab: lab.plan("a red fox"), "expected a kn.Sweep, got str"),
    "a plan started": (lambda lab: lab.start(lab.plan(sweep("x"))), "expected a kn.Sweep, got Plan"),
    "a table started": (lambda lab: lab.start({"prompt": "x"}), "expected a kn.Sweep, got dict"),
    "a number as a name": (lambda lab: lab.start(sweep("x"), name=5), "name=5: expected a name"),
    "a misspelt budget": (lambda lab: lab.start(sweep("x"), buget=5), "did you mean 'budget'"),
    "a misspelt model": (lambda lab: lab.generate("x", modle="kling-v1"), "did you mean 'model'"),
    "a misspelt setting": (lambda lab: lab.generate("x", frehs=True), "did you mean 'fresh'"),
    "no first sample": (lambda lab: lab.generate("x", sample=0), "sample=0: expected a whole number of at least 1"),
    "a sample in words": (lambda lab: lab.generate("x", sample="two"), "sample='two'"),
    "a number as an image": (
        lambda lab: lab.generate("x", image=5),
        "expected a path, an http(s) URL, a picture such as PIL's, or the bytes",
    ),
    "an empty image": (lambda lab: lab.generate("x", image=""), "got nothing"),
    "a run rated": (lambda lab: lab.rate(lab, 4), "expected the id of one task, got <Lab"),
    "a column rated": (
        lambda lab: lab.rate(pd.Series(["kn-1", "kn-2"]), 4),
        "the id of one task, got 0 kn-1 1 kn-2 dtype",
    ),
    "a row compared": (lambda lab: lab.compare(pd.Series(["x"] * 99)), "got 0 x 1 x 2 x 3 x"),
    "a run by a number": (lambda lab: lab.run(5), "there is no run 5"),
    "a sweep run": (lambda lab: lab.run(sweep("x")), "got a Sweep; lab.start(sweep) starts one"),
    "a plan run": (lambda lab: lab.run(lab.plan(sweep("x"))), "got a Plan; lab.start(sweep) starts one"),
}


@pytest.mark.parametrize("call", WRONG_CALLS)
def test_a_wrong_call_is_told_and_buys_nothing(lab: kn.Lab, call: str) -> None:
    """What a person guesses wrongly is `InputError`, in words, and no task is written."""
    wrong, words = WRONG_CALLS[call]
    with pytest.raises(InputError, match=re.escape(words)):
        wrong(lab)
    assert lab.log.counts() == {}


def test_a_ceiling_of_another_name_is_refused(lab: kn.Lab) -> None:
    """Whoever sets ``lab.budget`` is told what limits a lab, and not left to think that something does."""
    for name in ("budget", "dayly_budget"):
        with pytest.raises(AttributeError, match=rf"a lab has no '{name}' to set; lab.daily_budget = 20 limits a day"):
            setattr(lab, name, 5)
    lab.daily_budget = 5
    assert lab.daily_budget == 5


@pytest.mark.parametrize("name", ["folder", "simulation", "catalog"])
def test_what_a_lab_was_opened_by_is_not_changed(lab: kn.Lab, name: str) -> None:
    """Another folder would be shown and not used: it is refused, and the lab stays as it is."""
    was = getattr(lab, name)
    with pytest.raises(AttributeError, match=rf"lab\.{name} is set when the lab is opened: kn\.Lab\(…\) opens another"):
        setattr(lab, name, "x")
    assert was is getattr(lab, name)


@pytest.mark.parametrize("speed", [0, -1, float("nan"), "fast", None, True])
def test_a_simulation_has_a_speed_above_zero(speed: Any) -> None:
    """A speed that no time could pass at is refused at the door; so is a seed that is no whole number."""
    with pytest.raises(InputError, match=r"speed=.*: expected a number above 0"):
        kn.Simulation(speed=speed)
    with pytest.raises(InputError, match=r"seed=.*: expected a whole number"):
        kn.Simulation(seed="x")  # type: ignore[arg-type]


def test_a_lab_is_opened_by_what_it_takes(tmp_path: Path) -> None:
    """Words for ``simulate`` and a bare key for ``keys`` are told, the key is not repeated, and no folder is made."""
    with pytest.raises(InputError, match="simulate='yes': expected True"):
        kn.Lab(tmp_path / "words", simulate="yes")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected keys by provider") as raised:
        kn.Lab(tmp_path / "key", keys="access:secret-word")  # type: ignore[arg-type]
    assert "secret-word" not in str(raised.value)
    assert not [*tmp_path.iterdir()]


def test_a_folder_whose_name_is_too_long_is_told(tmp_path: Path) -> None:
    """A folder that no system can make is `LabError`, in words."""
    with pytest.raises(kn.LabError, match="cannot be created or used: File name too long"):
        kn.Lab(tmp_path / ("x" * 300), simulate=True)


@pytest.mark.skipif(os.name == "nt", reason="the limit is that of SQLite on Unix")
@pytest.mark.parametrize(("size", "file"), [(490, "simulator.sqlite"), (2000, "log.sqlite")])
def test_a_path_that_is_longer_than_sqlite_opens_is_told(tmp_path: Path, size: int, file: str) -> None:
    """Where the system makes a folder and SQLite opens nothing in it, its one sentence says how long a path may be."""
    folder = str(tmp_path)
    while len(folder) < size:
        folder += "/" + "x" * min(200, size - len(folder) - 1)
    said = rf"{file} cannot be written \(unable to open database file: its path has \d+ bytes, and SQLite opens none of"
    try:
        with kn.Lab(folder, simulate=True) as lab:
            told = repr(lab)
    except kn.LabUnwritable as error:
        told = str(error)
    assert re.search(said, told)


def test_a_folder_that_cannot_be_found_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of nobody, a NUL, and a relative folder where the working directory was deleted are told, as the lab's."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    for folder in ("~nobody-of-that-name/lab", "a\0b"):
        with pytest.raises(InputError, match="expected a folder that can be found from here"):
            kn.Lab(folder, simulate=True)
    if os.name != "nt":
        (tmp_path / "gone").rmdir()
        with pytest.raises(InputError, match=r"No such file or directory.*give its whole path"):
            kn.Lab("lab", simulate=True)


def test_a_plan_warns_of_an_image_that_kling_would_not_take(lab: kn.Lab, tmp_path: Path) -> None:
    """An image that is too small is told in the plan, before it is paid for; one that is large enough is not."""
    for side in (100, 400):
        PIL.Image.new("RGB", (side, side)).save(tmp_path / f"{side}.png")
    small, large = lab.plan(sweep("fox", image=[tmp_path / "100.png", tmp_path / "400.png"], model="kling-v2-6"))
    told = "its shorter side is 100 pixels, and Kling asks for at least 300"
    assert [told] == [problem.allowed for problem in small.warnings if problem.field == "image"]
    assert not [problem for problem in large.warnings if problem.field == "image"]
    assert small.buys


@pytest.mark.parametrize("given", ["no", 1, None, "False", np.int64(1)])
@pytest.mark.parametrize("name", ["fresh", "strict", "share"])
def test_a_switch_is_on_or_off_and_nothing_else(lab: kn.Lab, name: str, given: Any) -> None:
    """By its truth ``fresh="no"`` would buy again: what is neither True nor False is refused."""
    start(lab, sweep("fox")).wait()
    for act in (
        lambda: start(lab, sweep("fox"), **{name: given}),
        lambda: lab.generate("fox", **CHEAP, **{name: given}),
    ):
        with pytest.raises(InputError, match=f"{name}=.*expected True or False") as caught:
            act()
        sentence(caught.value)
    assert 1 == len(ledger(lab))
    assert 1 == len(lab.plan(sweep("fox"), fresh=np.True_).buys)


@pytest.mark.parametrize("given", ["no", 1, None])
def test_what_is_retried_is_said_by_true_or_false(lab: kn.Lab, given: Any) -> None:
    """Retrying what stalled costs money even if its clip still comes."""
    run = start(lab, sweep("fox")).wait()
    with pytest.raises(InputError, match=r"stalled=.*expected True or False"):
        run.retry(stalled=given)
    assert 1 == len(ledger(lab))


ODD: dict[str, tuple[str, str]] = {
    "no folder": ("kn.Lab(None)", "folder=None: expected a path"),
    "bytes for a folder": ("kn.Lab(b'lab', simulate=True)", "folder=b'lab': expected a path"),
    "a number for a provider": ("kn.Lab('other', simulate=True, provider=5)", "there is no provider 5; known: "),
    "a page that is a run": ("lab.export(run)", "folder=.*expected a path"),
    "a page that is a number": ("lab.compare(run).save_html(5)", "folder=5: expected a path"),
    "a time in words": ("run.wait('long')", "timeout='long': expected a number of seconds"),
    "a price in words": ("lab.plan(fox, assume_price='oficial')", "such as 25, or 'official'"),
    "a sweep for a prompt": ("lab.generate(fox)", r"got a Sweep: lab\.start\(sweep\)"),
    "a request for a prompt": (
        "lab.generate(kn.VideoRequest(prompt='x'))",
        r"got a VideoRequest: \*\*request\.given\(\)",
    ),
    "a table for a run": ("lab.run(run.df)", "there is no run .*; known: "),
    "a table for a column": ("lab.compare(run, x=run.df)", "there is no column .* to compare by"),
    "a file for a sweep's text": (
        "kn.Sweep.from_toml(lab.folder / 'fox.toml')",
        r"kn\.Sweep\.load\(path\) reads a file",
    ),
    "a page with a zero in its name": ("lab.export('a\\0b')", "folder=.*null"),
    "a page in nobody's home": ("lab.export('~nobody-here/page')", "folder='~nobody-here/page': expected a folder"),
    "a column that is a number": ("lab.compare(run, x=5)", "there is no column 5 to compare by"),
    "spending by nothing": ("lab.spending(None)", "spending goes by day, provider, model, run; got None"),
    "a sweep's file that is none": ("kn.Sweep.load(None)", "path=None: expected a path"),
    "a file to save to that is none": ("fox.save(5)", "path=5: expected a path"),
    "a knob that is no JSON": ("lab.generate('x', extra={'fal': {'n': b'5'}})", "extra=.*not JSON"),
    "a catalogue that is no file": ("kn.models(catalog=5)", "catalog=5: expected a path"),
    "another tool's key": ("kn.Lab('other', api_key='x')", r"keys.*known|did you mean 'keys'"),
    "a word for a task of the log": ("lab.log.tasks('x')", r"lab\.log\.tasks\(…\) takes nothing, got 1 value"),
    "a run for the log's table": ("lab.log.runs(run='x')", r"lab\.log\.runs\(…\) .*'run'"),
    "a word for a point": ("lab.plan(fox)['x']", r"plan\['x'\]: expected the number of a point; its points are 0 to 0"),
    "a point that is not there": ("lab.plan(fox)[1]", r"plan\[1\]: expected the number of a point.*plan\.df\(\)"),
    "a panel shown by a word": ("lab.start(kn.Sweep(prompt='b'), show='no')", "show='no': expected True or False"),
    "a budget in words": ("lab.plan(fox).check('much')", "budget='much': expected an amount"),
}


@pytest.mark.parametrize("what", ODD)
def test_a_value_of_the_wrong_kind_is_told(lab: kn.Lab, what: str) -> None:
    """What a person may type by mistake is an error of ours in one sentence, and not one of Python's inside."""
    fox = sweep("fox")
    run = start(lab, fox).wait()
    code, said = ODD[what]
    with pytest.raises(InputError, match=said) as caught:
        eval(code, {"kn": kn, "lab": lab, "run": run, "fox": fox})
    sentence(caught.value)
    assert 1 == len(ledger(lab))


def test_a_page_whose_name_is_too_long_is_told(lab: kn.Lab) -> None:
    """The file system says so, and so do we."""
    with pytest.raises(kn.LabUnwritable, match="too long"):
        lab.export("a" * 500)


def test_pages_and_sweeps_may_lie_in_the_home_folder(
    lab: kn.Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python itself would make a folder that is called ``~``."""
    monkeypatch.setenv("HOME", str(tmp_path))
    run = start(lab, sweep("fox")).wait()
    assert lab.export("~/page", run) == tmp_path / "page" / "index.html"
    assert sweep("fox").save("~/fox.toml") == tmp_path / "fox.toml"
    assert kn.Sweep.load("~/fox.toml") == sweep("fox")


def test_a_key_that_is_no_text_is_told_and_not_shown() -> None:
    """What stands in its place may be a key all the same."""
    with pytest.raises(InputError, match="expected keys by provider") as caught:
        kn.Lab("other", keys={"kling": 12345678})  # type: ignore[dict-item]
    assert "12345678" not in str(caught.value)


def test_numbers_of_a_table_are_taken(lab: kn.Lab) -> None:
    """A sample, a seed and a rating may be numpy's or exact."""
    clip = lab.generate("fox", sample=np.int64(2), **CHEAP)
    clip.rate(Decimal("4.5"))  # type: ignore[arg-type]
    assert (2, 4.5) == tuple(lab.df()[["sample", "rating"]].iloc[0])
    clip.rate(np.float32(0.7))  # type: ignore[arg-type]
    assert [0.7] == lab.df()["rating"].tolist()
    assert 3 == kn.Simulation(seed=np.int64(3)).seed
