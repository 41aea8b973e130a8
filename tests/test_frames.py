"""Frames: declared columns and dtypes, whatever the rows hold, none included."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pandas as pd
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labs import Open, start, sweep

from kling_nb import frames
from kling_nb.columns import POINT_COLUMNS, RUN_COLUMNS, TASK_COLUMNS
from kling_nb.costs import Cost
from kling_nb.errors import InputError
from kling_nb.log import PointRow, RunRow
from kling_nb.spending import spent_before
from kling_nb.states import TaskState
from kling_nb.task import Clip, Task, Ticket

AT = 1_767_225_600.125
CLIP = Clip(
    path="clips/a.mp4",
    sha256="ab",
    bytes=9,
    width=4,
    height=3,
    fps=24.0,
    seconds=5.0,
    sound=False,
    flags=("odd", "short"),
)


def saved(name: str = "t", **changes: object) -> Task:
    """Return a saved task with everything in it."""
    fields = {
        "id": name,
        "identity": "i",
        "provider": "kling",
        "model": "m",
        "run": "a",
        "state": TaskState.SAVED,
        "request": {"prompt": "fox", "duration": 5, "cfg_scale": 0.5},
        "call": {"url": "u", "body": {"é": 1}},
        "estimate_high": Decimal("0.70"),
        "cost": Cost(Decimal(2), "units", Decimal("0.28")),
        "clip": CLIP,
        "ticket": Ticket("r1"),
        "planned_at": AT,
        "submitted_at": AT,
        "done_at": AT,
        "saved_at": AT,
        "rating": 4.0,
    }
    return Task(**{**fields, **changes})  # type: ignore[arg-type]


def point(n: int = 0, **variables: object) -> PointRow:
    """Return a point of the run a."""
    return PointRow(
        run="a", point=n, sample=1, identity="i", task="t", template="{x}", variables=variables, losses=("p", "q")
    )


@pytest.mark.parametrize(
    "rows", [[], [(point(), Task(id="t", identity="i", provider="kling", model="m"))], [(point(), saved())]]
)
def test_columns_and_dtypes_are_as_declared(rows: list[tuple[PointRow, Task]]) -> None:
    """An empty table, a bare task and a full one have the same columns and dtypes, in the declared order."""
    frame = frames.points_frame(rows)
    assert POINT_COLUMNS == {name: str(dtype) for name, dtype in frame.dtypes.items()}
    table = frames.tasks_frame([task for _, task in rows])
    assert TASK_COLUMNS == {name: str(dtype) for name, dtype in table.dtypes.items()}


def test_a_point_tells_everything() -> None:
    """A row holds the request, the clip's facts, the money, the times in UTC, and JSON of what was asked and sent."""
    row = frames.points_frame([(point(x="snow"), saved())]).iloc[0]
    assert ("fox", 5, 0.5, "snow") == (row["prompt"], row["duration"], row["cfg_scale"], row["var_x"])
    assert (0.7, 0.28, 2, "units", 0.28) == tuple(
        row[["estimate_usd", "cost_usd", "cost_amount", "cost_unit", "spent_usd"]]
    )
    assert ("clips/a.mp4", "odd; short", "p; q", "r1") == tuple(row[["clip", "flags", "losses", "remote_id"]])
    assert pd.Timestamp("2026-01-01T00:00:00.125Z") == row["submitted_at"]
    assert '{"body": {"é": 1}, "url": "u"}' == row["call"]


@pytest.mark.parametrize("at", [1_767_225_650.001, 1_767_225_650.004, 1_767_225_650.9999])
def test_a_time_is_the_nearest_millisecond(at: float) -> None:
    """A time is not a millisecond early for want of an exact fraction, and a gap beside it stays one."""
    rows = [(point(), saved(done_at=at)), (point(), saved(done_at=None))]
    done = frames.points_frame(rows).done_at
    assert (round(at, 3), True) == (done[0].timestamp(), pd.isna(done[1]))


def test_a_name_of_an_image_is_that_of_no_other() -> None:
    """Tables of two runs can be put together: what another run's image is called, no image of this one is."""
    files = {f"sha256:{one * 64}": f"{folder}/fox.png" for one, folder in {"a": "den", "b": "zoo"}.items()}
    tasks = [saved(request={"prompt": "fox", "image": image}) for image in files]
    shown = [frames.points_frame([(point(), task)], files=files).image[0] for task in tasks]
    assert ["den/fox.png", "zoo/fox.png"] == shown
    assert shown == [*frames.tasks_frame(tasks, files).image]


def test_a_point_says_what_it_asked_for_whoever_serves_it(simulated: Open, tmp_path: Path) -> None:
    """Points that become the same call share a clip; what each of them asked for stays in its row, and beside its loss."""
    PIL.Image.new("RGB", (400, 400)).save(tmp_path / "fox.png")
    what = {"image": tmp_path / "fox.png", "model": "kling-v2-6", "mode": "pro"}  # the ratio follows the image
    lab = simulated()
    run = start(lab, sweep("a fox", **what, aspect_ratio=["16:9", "9:16"]), name="a").wait()
    assert ["16:9", "9:16"] == [*run.df["aspect_ratio"]]
    assert 1 == run.df["task"].nunique()
    assert ["16:9", "9:16"] == [json.loads(asked)["aspect_ratio"] for asked in run.df["request"]]
    assert ["16:9"] == [*lab.log.tasks()["aspect_ratio"]]
    lab.close()
    lab = simulated()
    start(lab, sweep("a fox", **what, aspect_ratio=["9:16", "1:1"]), name="b").wait()
    assert ["16:9", "9:16", "9:16", "1:1"] == [*lab.df()["aspect_ratio"]]
    assert 1 == len(lab.log.tasks())


def test_variables_stand_after_the_template() -> None:
    """Every variable that any point uses is a column, after the template; a point without it has none."""
    frame = frames.points_frame([(point(0, x="snow"), saved()), (point(1, y=2), saved())])
    names = list(frame.columns)
    assert ["template", "var_x", "var_y"] == names[names.index("template") :][:3]
    assert ("snow", True) == (frame["var_x"][0], frame["var_x"].isna()[1])


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ((1, 2**63 - 1, None), "Int64"),
        ((1, 2**63), "string"),
        ((0.5, 10**400), "string"),
        ((1, 0.5), "Float64"),
        ((1, "one"), "string"),
        ((None, None), "Int64"),
    ],
)
def test_a_variable_has_a_column_that_holds_it(values: tuple[object, ...], dtype: str) -> None:
    """Numbers are numbers where they fit in; a seed of 64 bits does not, and its sweep has a table all the same."""
    frame = frames.points_frame([(point(n, x=value), saved()) for n, value in enumerate(values)])
    assert dtype == frame["var_x"].dtype.name
    told = [type(value)(read) for value, read in zip(values, frame["var_x"], strict=True) if value is not None]
    assert told == [value for value in values if value is not None]


def test_a_number_that_no_column_holds_is_missing_from_it() -> None:
    """A refused point may have asked for a length of any size: the table shows it all the same, the request whole."""
    task = saved(request={"prompt": "fox", "duration": 10**30})
    row = frames.points_frame([(point(), task)]).iloc[0]
    assert (True, {"prompt": "fox", "duration": 10**30}) == (pd.isna(row["duration"]), json.loads(row["request"]))


def test_frames_go_below_one_another() -> None:
    """Several runs' frames become one, with the same dtypes; none become an empty one."""
    one = frames.points_frame([(point(), saved())])
    assert 2 == len(frames.together([one, one]))
    assert list(POINT_COLUMNS) == list(frames.together([]).columns)


def test_spending_is_grouped_and_summed() -> None:
    """Money is summed by day, provider, model or run; what was never sent is not in it."""
    open_ = saved("u", state=TaskState.RUNNING, cost=None, provider="fal")
    never = saved("v", state=TaskState.PLANNED, submitted_at=None)
    table = frames.spending_frame([saved(), open_, never], ["provider"]).set_index("provider")
    assert (1, 0.28, 0.0) == tuple(table.loc["kling", ["tasks", "spent_usd", "reserved_usd"]])
    assert (1, 0.0, 0.7) == tuple(table.loc["fal", ["tasks", "spent_usd", "reserved_usd"]])
    assert "2026-01-01" == str(frames.spending_frame([saved()], ["day"])["day"].item())


@pytest.mark.parametrize(
    ("changes", "estimate"),
    [
        ({"state": TaskState.PLANNED}, 0.0),  # not sent, or pushed back
        ({"state": TaskState.CANCELLED, "ticket": None}, 0.0),
        ({"state": TaskState.FAILED, "charged": False}, 0.0),  # never arrived, or was refused for nothing
        ({"state": TaskState.FAILED}, 0.7),
        ({"state": TaskState.CANCELLED}, 0.7),
        ({"state": TaskState.SUBMITTING}, 0.7),
        ({"state": TaskState.UNCERTAIN}, 0.7),
    ],
)
def test_the_estimate_is_of_what_budgets_count(changes: dict[str, object], estimate: float) -> None:
    """What certainly never arrived, or cost nothing, is in no sum of money."""
    row = frames.spending_frame([saved(cost=None, **changes)], ["day"]).iloc[0]
    assert (1, estimate, estimate) == (row["tasks"], row["estimate_usd"], row["spent_usd"] + row["reserved_usd"])


@given(st.lists(st.tuples(st.sampled_from("ij"), st.booleans()), max_size=8))
def test_what_was_replaced_counts_once(made: list[tuple[str, bool]]) -> None:
    """What attempts without a point cost counts for the next one with a point at theirs, else for the last before."""
    tasks = [saved(f"t{n}", identity=i, attempt=n + 1) for n, (i, _) in enumerate(made)]
    serving = {task.id for task, (_, serves) in zip(tasks, made, strict=True) if serves}
    before = spent_before(tasks, serving)
    served = {task.identity for task in tasks if task.id in serving}
    assert before.keys() <= serving
    assert sum(before.values()) == sum(t.spent for t in tasks if t.identity in served and t.id not in serving)


def test_what_was_replaced_counts_where_it_led() -> None:
    """The next attempt with a point counts what failed before it; what failed after the last counts for that."""
    tasks = [saved(f"t{n}", attempt=n) for n in range(1, 7)]
    price = tasks[0].spent
    assert {"t2": price, "t5": price * 3} == spent_before(tasks, {"t2", "t5"})


def test_spending_goes_by_what_it_can() -> None:
    """An unknown grouping, or none, is an input error that lists what there is."""
    for wrong in (["month"], []):
        with pytest.raises(InputError, match="spending goes by day, provider, model, run"):
            frames.spending_frame([saved()], wrong)


@pytest.mark.parametrize("budget", [None, Decimal(3)])
def test_a_runs_columns_are_as_declared(budget: Decimal | None) -> None:
    """Runs with and without a ceiling, and none at all, have one set of dtypes, which knows a gap."""
    for rows in ([], [(RunRow(name="b", started_at=AT, budget=budget), [saved()], [])]):
        frame = frames.runs_frame(rows)
        assert RUN_COLUMNS == {name: str(dtype) for name, dtype in frame.dtypes.items()}


def test_a_run_counts_what_it_bought_itself() -> None:
    """A run's row counts its points by what serves them, and its money by what it bought."""
    run = RunRow(name="b", started_at=AT, budget=Decimal(3))
    other, own, gone = saved("t"), saved("u", run="b"), saved("v", run="b", state=TaskState.FAILED, cost=None)
    row = frames.runs_frame([(run, [other, own], [own, gone])]).iloc[0]
    assert (2, 2, 0, 0.98, 3.0) == tuple(row[["points", "saved", "open", "spent_usd", "budget_usd"]])


def test_a_run_began_at_a_whole_millisecond() -> None:
    """Its time has no noise of a float behind the milliseconds, as no time in the other tables has."""
    run = RunRow(name="b", started_at=1767225772.489)
    began = frames.runs_frame([(run, [], [])]).iloc[0]["started_at"]
    assert "2026-01-01 00:02:52.489000+00:00" == str(began)


def test_a_lab_keeps_its_frame_through_parquet(simulated: Open, tmp_path: Path) -> None:
    """A frame of a real run goes to Parquet and comes back the same."""
    lab = simulated()
    frame = start(lab, sweep("a {x}", x=["1", "2"])).wait().df
    frame.to_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(frame, pd.read_parquet(tmp_path / "a.parquet"), check_dtype=False)
