"""What a big lab costs to look at: queries and rows that do not grow with what was not asked for."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from labs import CHEAP, Open, process, start, sweep, until

import kling_nb as kn
from kling_nb.engine.dispatch import Dispatcher
from kling_nb.engine.seen import _Known
from kling_nb.log import ExperimentLog, PointRow, RunRow
from kling_nb.states import TaskState
from kling_nb.task import Event, Task

DRIVER = """
import sys, math, kling_nb as kn
lab = kn.Lab(sys.argv[1], simulate=kn.Simulation(speed=math.inf))
sweep = kn.Sweep(prompt=["a", "b", "c"], model="kling-v2-5-turbo", mode="std", duration=5, provider="kling")
run = lab.start(sweep, name="a", show=False).wait()
print("ready", flush=True)
for line in sys.stdin:
    lab.rate(run.tasks[1].id, 4)
    print("rated", flush=True)
"""


def asked(log: ExperimentLog) -> list[tuple[str, Any]]:
    """Return a list that is filled with every query from now on, and with its values."""
    queries: list[tuple[str, Any]] = []
    sa.event.listen(log._reader, "before_cursor_execute", lambda *words: queries.append((words[2], words[3])))
    return queries


def test_the_table_of_runs_takes_no_more_queries_for_more_runs(simulated: Open) -> None:
    """However many runs there are, the log is asked as often as for one, and counts them apart."""
    lab = simulated()
    start(lab, sweep("fox"), name="0").wait()
    queries = asked(lab._opened.log)
    lab.runs()
    of_one = len(queries)
    for n in range(1, 4):
        start(lab, sweep("fox", *(f"boat {n}.{m}" for m in range(n))), name=str(n)).wait()
    queries.clear()
    runs = lab.runs().set_index("run")
    assert of_one == len(queries)
    assert [1, 2, 3, 4] == list(runs["points"]) == list(runs["saved"])
    assert [0.21, 0.21, 0.42, 0.63] == [round(spent, 2) for spent in runs["spent_usd"]]


def test_sums_of_money_read_nothing_long(simulated: Open) -> None:
    """The requests, calls, assets and clips of a lab are most of its log: no table that has none of them reads them."""
    lab = simulated()
    start(lab, sweep("fox", "boat"), name="a").wait()
    queries = asked(lab._opened.log)
    assert ([2], [0.42]) == (list(lab.runs()["saved"]), [round(usd, 2) for usd in lab.spending("run")["spent_usd"]])
    words = " ".join(query for query, _ in queries)
    assert "tasks.cost" in words
    assert [] == [name for name in ("request", "call", "asset", "clip") if f"tasks.{name}" in words]


def test_the_table_of_a_run_reads_no_tasks_of_others(simulated: Open) -> None:
    """What cannot be read in one run is no matter to the table of another, which never looks at it."""
    lab = simulated()
    start(lab, sweep("fox"), name="a").wait()
    start(lab, sweep("fox", "boat"), name="b").wait()
    lab.close()
    with closing(sqlite3.connect(lab.folder / "log.sqlite")) as db, db:
        assert 1 == db.execute("UPDATE tasks SET request = 'no JSON' WHERE run = 'b'").rowcount
    log = ExperimentLog(lab.folder, simulated=True, write=False)
    assert [("a", "saved")] == list(log.df("a")[["run", "state"]].itertuples(index=False, name=None))
    log.close()


def test_one_more_clip_reads_no_tasks_of_those_before(simulated: Open) -> None:
    """What a single clip reads of the log is the same, however many were bought before."""
    lab = simulated()
    lab.generate("fox", **CHEAP)
    queries = asked(lab._opened.log)
    lab.generate("boat", **CHEAP)
    of_second = _tasks_read(queries)
    for n in range(4):
        lab.generate(f"owl {n}", **CHEAP)
    queries.clear()
    lab.generate("cat", **CHEAP)
    assert of_second == _tasks_read(queries)


def test_starting_again_reads_each_task_three_times(simulated: Open) -> None:
    """In a lab that was opened again, plan, run and start each read the tasks that serve the points, and once."""
    lab, what = simulated(), sweep("fox", "boat", "owl")
    start(lab, what, name="a").wait()
    lab.close()
    lab = simulated()
    queries = asked(lab._opened.log)
    lab.plan(what)
    assert 3 == _tasks_read(queries)
    queries.clear()
    start(lab, what, name="a").wait()
    assert 3 * 3 == _tasks_read(queries)


def test_who_only_reads_a_run_reads_again_what_changed(tmp_path: Path) -> None:
    """Where another process drives, a second look at a run reads no task again but the one that changed."""
    with process(DRIVER, str(tmp_path / "lab")) as driver:
        assert "ready\n" == driver.stdout.readline()
        with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=math.inf)) as lab:
            run = lab.run("a")
            before = run.snapshot()
            queries = asked(lab._opened.log)
            assert (before, 0) == (run.snapshot(), _tasks_read(queries))
            driver.stdin.write("rate\n")
            driver.stdin.flush()
            assert "rated\n" == driver.stdout.readline()
            assert [None, 4, None] == [task.rating for task in run.tasks]
            assert 1 == _tasks_read(queries)


def test_who_only_reads_sees_that_a_copy_was_brought_back(simulated: Open) -> None:
    """Where an older log takes the place of what was read, its tasks are shown as that has them, however it goes on."""
    lab = simulated()
    fox, boat = start(lab, sweep("fox", "boat"), name="a").wait().tasks
    lab.close()
    path = lab.folder / "log.sqlite"
    copy = path.read_bytes()
    log = ExperimentLog(lab.folder, simulated=True, write=False)
    known = _Known(log)
    known.tasks([fox.id, boat.id])
    _rate(simulated(), fox, 4)
    assert [4, None] == [task.rating for task in known.tasks([fox.id, boat.id])]
    path.write_bytes(copy)
    _rate(simulated(), boat, 1, 2, 3)
    assert [None, 3] == [task.rating for task in known.tasks([fox.id, boat.id])]
    log.close()


def _rate(lab: kn.Lab, task: Task, *ratings: float) -> None:
    for rating in ratings:
        lab.rate(task.id, rating)
    lab.close()


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_the_table_of_runs_has_every_point_while_they_are_replaced(tmp_path: Path, moment: int) -> None:
    """A point whose task is replaced while the table is read is in it, with the one or the other."""
    log = ExperimentLog(tmp_path, simulated=True, write=True)
    old, new = (Task(id=name, identity="i", provider="kling", model="m", run="a") for name in ("old", "new"))
    log.commit([(Event("old", "planned", 1.0), old)])
    log.add_run(RunRow(name="a", started_at=1.0), [PointRow(run="a", point=0, sample=1, identity="i", task="old")])
    queries: list[str] = []

    def asking(*words: Any) -> None:
        queries.append(words[2])
        if len(queries) == moment:
            log.commit([(Event("new", "planned", 2.0), new)], {"old": "new"})

    sa.event.listen(log._reader, "before_cursor_execute", asking)
    assert ([1], True) == (list(log.runs()["points"]), len(queries) >= moment)
    log.close()


def _tasks_read(queries: list[tuple[str, Any]]) -> int:
    """Return how many tasks were read whole, each by its id or identity; all are read so."""
    whole = [(query, values) for query, values in queries if "tasks.request" in query]
    assert all(" IN (?" in query for query, _ in whole), whole
    return sum(len(values) for _, values in whole)


def commits(lab: kn.Lab) -> list[str]:
    """Return a list that gets an item for each transaction in which the driver of a lab writes events from now on."""
    written: list[str] = []
    events: list[str] = []
    writer = lab._opened.log._writer
    assert writer is not None

    def told(statement: str) -> None:
        if "INTO events" in statement:
            events.append(statement)
        elif statement == "COMMIT" and events:
            written.append(events[0])
            events.clear()

    writer._raw.set_trace_callback(told)
    return written


@pytest.mark.parametrize("act", ["refuse", "cancel", "retry", "replace", "share"])
def test_what_is_done_to_many_points_is_one_commit(simulated: Open, act: str) -> None:
    """Each commit waits a moment for others and for the disk: a thousand points must not be a thousand of them."""
    counted = []
    for count in (4, 40):
        lab = simulated(f"{act}-{count}", speed=1)
        written = commits(lab)
        ACTS[act](lab, written, count)
        counted.append(len(written))
        lab.close()
    assert counted[0] == counted[1] > 0


def test_many_points_that_are_cancelled_are_looked_through_once(
    simulated: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether anything moves is asked as often for many as for few: it takes a look at all that is driven."""
    settled, settle = [], Dispatcher.settle
    monkeypatch.setattr(Dispatcher, "settle", lambda one: (settled.append(one), settle(one)))
    counted = []
    for count in (4, 40):
        lab = simulated(str(count), speed=1)
        run = held(lab, count)
        until(run, lambda _, lab=lab: not lab._opened.driving()._dispatch._driving)
        settled.clear()
        run.cancel()
        counted.append(len(settled))
    assert counted[0] == counted[1]


def refuse(lab: kn.Lab, written: list[str], count: int) -> None:
    """Start a run of points of which all but one are refused, and that one is held."""
    lab.daily_budget = 0
    start(lab, sweep("fox", *(f"{n} {'fox' * 1000}" for n in range(count))), name="a").wait()


def cancel(lab: kn.Lab, written: list[str], count: int) -> None:
    """Cancel points that were never sent."""
    run = held(lab, count)
    written.clear()
    run.cancel()


def retry(lab: kn.Lab, written: list[str], count: int) -> None:
    """Buy again what failed."""
    run = held(lab, count)
    run.cancel()
    written.clear()
    lab._opened.driving().retry("a", [TaskState.CANCELLED])


def replace(lab: kn.Lab, written: list[str], count: int) -> None:
    """Start a run again with other points, which leaves out all that it had."""
    held(lab, count)
    written.clear()
    held(lab, 1, "boat")


def share(lab: kn.Lab, written: list[str], count: int) -> None:
    """Start a run of the same points as another, whose tasks it takes over."""
    held(lab, count)
    written.clear()
    held(lab, count, name="b")


def held(lab: kn.Lab, count: int, what: str = "fox", name: str = "a") -> kn.Run:
    """Start a run of which nothing is sent, since the day's ceiling does not allow it."""
    lab.daily_budget = 0
    return start(lab, sweep(*(f"{what} {n}" for n in range(count))), name=name).wait()


ACTS = {"refuse": refuse, "cancel": cancel, "retry": retry, "replace": replace, "share": share}
