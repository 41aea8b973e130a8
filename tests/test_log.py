"""The log: what is written is read again, in one transaction or not at all, by this version and no earlier one."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from labs import Open, ledger, listen, start, sweep

import kling_nb as kn
from kling_nb.costs import Cost
from kling_nb.errors import KlingError, LabError, LabMode, LogTooNew
from kling_nb.log import ExperimentLog, PointRow, RunRow, is_simulated, task_from, task_row
from kling_nb.log.schema import SCHEMA_VERSION
from kling_nb.states import TaskState
from kling_nb.task import Clip, Event, Task, Ticket

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | text
)
plain = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=6
)
maps = st.dictionaries(text, plain, max_size=3).map(MappingProxyType)
money = st.decimals(min_value=0, max_value=1000, places=4)
instants = st.none() | st.floats(0, 4e9)
clips = st.builds(
    Clip,
    path=text,
    sha256=text,
    bytes=st.integers(0, 2**40),
    width=st.integers(1, 9999),
    height=st.integers(1, 9999),
    fps=st.floats(1, 120),
    seconds=st.floats(0, 999),
    sound=st.booleans(),
    flags=st.lists(text, max_size=3).map(tuple),
)
tasks = st.builds(
    Task,
    id=text.filter(bool),
    identity=text,
    provider=text,
    model=text,
    run=text,
    attempt=st.integers(1, 99),
    request=maps,
    call=maps,
    estimate_low=st.none() | money,
    estimate_high=st.none() | money,
    state=st.sampled_from(TaskState),
    reason=text,
    cause=text,
    unwanted=st.booleans(),
    charged=st.none() | st.booleans(),
    ticket=st.none() | st.builds(Ticket, text, maps),
    asset=st.none() | maps,
    cost=st.none() | st.builds(Cost, money, text, st.none() | money),
    clip=st.none() | clips,
    rating=st.none() | st.floats(0, 5),
    note=text,
    planned_at=instants,
    submitted_at=instants,
    accepted_at=instants,
    changed_at=instants,
    done_at=instants,
    saved_at=instants,
)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[ExperimentLog]:
    """Open a new log for writing."""
    one = ExperimentLog(tmp_path, simulated=True, write=True)
    yield one
    one.close()


def task(name: str = "t", **changes: Any) -> Task:
    """Return a small task."""
    return replace(Task(id=name, identity=f"i-{name}", provider="kling", model="m", run="a", planned_at=1.0), **changes)


@given(tasks)
@settings(max_examples=40, deadline=None)
def test_a_row_holds_a_whole_task(one: Task) -> None:
    """A task and its row are each other's inverse."""
    assert one == task_from(task_row(one))


def test_a_database_holds_a_whole_task(tmp_path: Path) -> None:
    """Written to disk and read again, a task and its event are what they were."""
    log = ExperimentLog(tmp_path, simulated=True, write=True)

    @given(tasks, maps)
    @settings(max_examples=25, deadline=None)
    def round_trip(one: Task, data: Any) -> None:
        log.commit([(Event(one.id, "noted", 2.5, data), one)])
        assert [one] == log.tasks_by_id([one.id])
        assert dict(data) == json.loads(log.events(one.id)["data"].iloc[-1])

    try:
        round_trip()
    finally:
        log.close()


def test_runs_and_points_come_back_as_they_were(log: ExperimentLog) -> None:
    """A run and its points are read as they were written; written again they are replaced."""
    run = RunRow(name="a", started_at=5.0, budget=Decimal("2.50"), sweep="[axes]")
    points = [
        PointRow(
            run="a", point=n, sample=1, identity=f"i{n}", task="t", template="{x}", variables={"x": n}, losses=("so",)
        )
        for n in range(3)
    ]
    log.add_run(run, points)
    assert ([run], points) == (log.read_runs(), log.read_points("a"))
    log.add_run(replace(run, budget=None), points[:1])
    assert (None, points[:1]) == (log.read_runs()[0].budget, log.read_points())
    log.set_run("a", state="paused")
    assert "paused" == log.read_runs()[0].state


names = st.sampled_from("abc")
kept_points = st.lists(
    st.builds(
        PointRow,
        run=st.just("a"),
        point=st.integers(0, 6),
        sample=st.just(1),
        identity=names,
        task=names,
        template=names,
    ),
    unique_by=lambda point: point.point,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(kept_points, min_size=1, max_size=5))
def test_a_run_has_the_points_that_it_was_last_given(every: list[list[PointRow]]) -> None:
    """Whatever it had before: a point that goes, comes, or is served by another; the points of other runs stay."""
    other = PointRow(run="b", point=0, sample=1, identity="i", task="t")
    with tempfile.TemporaryDirectory() as folder:
        log = ExperimentLog(Path(folder), simulated=True, write=True)
        log.add_run(RunRow(name="b", started_at=1.0), [other])
        for points in every:
            log.add_run(RunRow(name="a", started_at=1.0), points)
            assert sorted(points, key=lambda point: point.point) == log.read_points("a")
        assert [other] == log.read_points("b")
        log.close()


def test_a_run_that_grows_writes_only_what_is_new(log: ExperimentLog, tmp_path: Path) -> None:
    """`lab.generate` adds one point at a time to a run that may have thousands."""
    points = [PointRow(run="a", point=n, sample=1, identity=f"i{n}", task=f"t{n}") for n in range(2000)]
    log.add_run(RunRow(name="a", started_at=1.0), points[:-1])
    whole = (tmp_path / "log.sqlite-wal").stat().st_size
    log.add_run(RunRow(name="a", started_at=1.0), points)
    assert (tmp_path / "log.sqlite-wal").stat().st_size - whole < whole / 5
    assert points == log.read_points("a")


def test_one_transaction_or_none(log: ExperimentLog) -> None:
    """When one row of a commit cannot be written, none is, and the error is one sentence."""
    bad = task("b", note=object())
    with pytest.raises(LabError, match="cannot be written"):
        log.commit([(Event("a", "planned", 1.0), task("a")), (Event("b", "planned", 1.0), bad)])
    assert not log.read_tasks()
    assert log.events().empty


def test_a_row_that_is_written_in_pieces_is_the_whole_task(log: ExperimentLog) -> None:
    """Only what moved is written again, and what a failed commit should have written comes with the next one."""
    steps = [task(), task(state=TaskState.QUEUED, ticket=Ticket("7")), task(state=TaskState.RUNNING, reason="so")]
    odd, last = replace(steps[2], note=object()), replace(steps[2], rating=4.0)
    for one in steps[:2]:
        log.commit([(Event("t", "noted", 1.0), one)])
        assert [one] == log.read_tasks()
    with pytest.raises(LabError, match="cannot be written"):
        log.commit([(Event("t", "noted", 1.0), odd)])
    assert steps[1:2] == log.read_tasks()
    for one in (last, replace(last, state=TaskState.SAVED), replace(last, state=TaskState.SAVED, note="good")):
        log.commit([(Event("t", "noted", 1.0), one)])
        assert [one] == log.read_tasks()


def test_events_are_only_added(log: ExperimentLog) -> None:
    """A task's row changes, its events stay, in order."""
    for n, kind in enumerate(("planned", "noted", "odd kind of a later version")):
        log.commit([(Event("t", kind, float(n), {"n": n}), task(note=kind))])
    assert ["planned", "noted", "odd kind of a later version"] == list(log.events("t")["kind"])
    assert 1 == len(log.read_tasks())


def test_what_serves_an_identity(log: ExperimentLog) -> None:
    """The last attempt at an identity serves it; one without attempts is served by the task that its point shared."""
    log.commit(
        [(Event(t.id, "planned", 1.0), t) for t in (task("x", identity="i"), task("y", identity="i", attempt=2))]
    )
    log.add_run(RunRow(name="a", started_at=1.0), [PointRow(run="a", point=0, sample=1, identity="j", task="y")])
    assert {"i": "y"} == log.latest(["i", "j", "k"])
    assert {"i": "y", "j": "y"} == {name: one.id for name, one in log.known(["i", "j", "k"]).items()}
    assert {"i": "y"} == {name: one.id for name, one in log.known(["i", "j", "k"], shared=False).items()}


def test_many_identities_at_once(log: ExperimentLog) -> None:
    """More identities than a query takes parameters are looked up all the same."""
    log.commit([(Event(t.id, "planned", 1.0), t) for t in (task(f"t{n}") for n in range(1200))])
    assert 1200 == len(log.known(f"i-t{n}" for n in range(40_000)))


URL = "http://kling/v1/videos/text2video"


def accept(log: ExperimentLog, name: str, at: float, *kinds: str, mark: str = "k", **changes: Any) -> None:
    """Write a task that was submitted with a key and accepted."""
    one = task(name, **{"submitted_at": at, "accepted_at": at, "call": {"url": URL}, **changes})
    events = [Event(name, "intent", at, {"account": "before"}), Event(name, "intent", at, {"account": mark})]
    told = [Event(name, kind.removesuffix("!"), at, {"found": True} if "!" in kind else {}) for kind in kinds]
    log.commit([(event, one) for event in [*events, *told, Event(name, "accepted", at)]])


def witness(log: ExperimentLog, **changes: Any) -> str | None:
    """Return the id of the witness of a place."""
    place = {"provider": "kling", "mark": "k", "url": URL, "since": 10.0, "at": 50.0}
    found = log.witness(**{**place, **changes})
    return None if found is None else found.id


def test_the_witness_of_a_place(log: ExperimentLog) -> None:
    """It is the first sent after, or else the last before, of the same provider, key and address; no person named it."""
    accept(log, "older than a day", 9.0)
    assert witness(log) is None
    accept(log, "before", 30.0)
    assert "before" == witness(log)
    accept(log, "looked up", 40.0, "doubted", "accepted!")
    assert "looked up" == witness(log)
    accept(log, "later", 70.0)
    assert "later" == witness(log)
    accept(log, "first after", 60.0)
    accept(log, "key", 45.0, mark="l")
    accept(log, "address", 46.0, call={"url": URL + "2"})
    accept(log, "provider", 47.0, provider="relay")
    accept(log, "person", 51.0, "doubted")
    accept(log, "found long after", 49.0, "doubted", "accepted!", accepted_at=52.0)
    assert "first after" == witness(log)
    assert ("key", "address") == (witness(log, mark="l"), witness(log, url=URL + "2"))
    assert ("provider", None) == (witness(log, provider="relay"), witness(log, mark="before"))


def test_one_query_finds_the_witness(log: ExperimentLog) -> None:
    """However many tasks were accepted with another key, the log is asked once."""
    for n in range(5):
        accept(log, f"t{n}", 20.0 + n, mark="l")
    asked: list[str] = []
    sa.event.listen(log._reader, "before_cursor_execute", lambda *words: asked.append(words[2]))
    assert (None, 1) == (witness(log), len(asked))


def test_readers_never_wait_for_the_writer(log: ExperimentLog, tmp_path: Path) -> None:
    """While one process writes others read, each a whole state."""
    reader = ExperimentLog(tmp_path, simulated=True, write=False)
    failed: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(60):
                events, rows = len(reader.events()), len(reader.read_tasks())
                assert rows >= events
        except BaseException as error:  # noqa: BLE001 - told to the test
            failed.append(error)

    looker = threading.Thread(target=read)
    looker.start()
    for n in range(60):
        log.commit([(Event(f"t{n}", "planned", 1.0), task(f"t{n}"))])
    looker.join()
    reader.close()
    assert not failed


def test_a_reader_cannot_write(log: ExperimentLog, tmp_path: Path) -> None:
    """A log that was opened for reading refuses to write."""
    reader = ExperimentLog(tmp_path, simulated=True, write=False)
    with pytest.raises(LabError, match="open for reading only"):
        reader.commit([(Event("t", "planned", 1.0), task())])
    reader.close()


def test_a_later_version_is_refused_and_not_touched(simulated: Open) -> None:
    """A log of a later version is refused with one sentence, and not a row of it is changed."""
    lab = simulated()
    start(lab, sweep("fox")).wait()
    lab.close()
    path = lab.folder / "log.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
        db.execute("CREATE TABLE novelty (x)")
    before = dump(path)
    for _ in range(2):
        with pytest.raises(
            LogTooNew,
            match=rf"later version \(schema 99, this one reads {SCHEMA_VERSION}\); upgrade kling_nb to open it",
        ):
            simulated()
    assert before == dump(path)


OLD = sorted((Path(__file__).parent / "logs").glob("*.sql"))
"""A log of each schema there ever was, by its version, as SQL. They are only added to."""


@pytest.mark.parametrize("kept", OLD, ids=lambda path: f"schema {path.stem}")
def test_a_log_of_every_schema_is_read_and_written(kept: Path, tmp_path: Path) -> None:
    """A lab that an earlier version made holds bought clips: this one shows them and goes on writing."""
    restored(kept, tmp_path)
    with kn.Lab(tmp_path, simulate=True) as lab:
        (saved, failed), frame = lab._opened.log.read_tasks(), lab.df()
        assert [("saved", 4.0, "good"), ("failed", None, "")] == [(t.state, t.rating, t.note) for t in (saved, failed)]
        assert (["a fox", "a boat #sim:fail"], ["saved", "failed"]) == (list(frame.prompt), list(frame.state))
        assert (Decimal(20), Decimal(5)) == (lab.daily_budget, lab.run("old").budget)
        lab.rate(saved.id, 5)
    with kn.Lab(tmp_path, simulate=True) as lab:
        assert lab.df().rating[0] == 5


def test_a_log_of_this_schema_is_kept_for_later_versions() -> None:
    """Whoever changes the schema adds a log that has it: ``list(db.iterdump())`` of a lab like those kept before."""
    assert [str(n) for n in range(1, SCHEMA_VERSION + 1)] == sorted((path.stem for path in OLD), key=int)


def test_the_schema_is_that_of_the_last_log_that_was_kept(log: ExperimentLog, tmp_path: Path) -> None:
    """A column, a table or an index that joins the schema raises its version: logs of this one do not have it."""
    assert schema_of(log.path) == schema_of(restored(max(OLD, key=lambda path: int(path.stem)), tmp_path / "kept"))


def restored(kept: Path, folder: Path) -> Path:
    """Make a log that was kept as SQL a database again, in a folder of its own."""
    folder.mkdir(exist_ok=True)
    with closing(sqlite3.connect(folder / "log.sqlite")) as db:
        db.executescript(kept.read_text("utf-8"))
    return folder / "log.sqlite"


def schema_of(path: Path) -> set[tuple[str, ...]]:
    """Return the columns of a database's tables, with their types, and its indexes."""
    with closing(sqlite3.connect(path)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {(name, *column[1:3]) for name in names for column in db.execute(f"PRAGMA table_info({name})")}
        return columns | {*db.execute("SELECT tbl_name, name FROM sqlite_master WHERE type = 'index'")}


def dump(path: Path) -> list[str]:
    """Return a database as SQL."""
    db = sqlite3.connect(path)
    try:
        return list(db.iterdump())
    finally:
        db.close()


def test_a_log_is_simulated_or_live(log: ExperimentLog, tmp_path: Path) -> None:
    """A simulated log is not opened live."""
    assert is_simulated(tmp_path)
    with pytest.raises(LabMode, match="cannot be opened live"):
        ExperimentLog(tmp_path, simulated=False, write=False)


def test_where_there_is_no_log(tmp_path: Path) -> None:
    """Reading a folder without a log is an error that says what was expected, and makes nothing."""
    for act in (lambda: is_simulated(tmp_path), lambda: ExperimentLog(tmp_path, simulated=True, write=False)):
        with pytest.raises(LabError, match=r"expected a lab folder with a log.sqlite, found none"):
            act()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("left", [None, b""])
def test_clips_without_their_log(simulated: Open, left: bytes | None) -> None:
    """Beside clips that were bought no new log is made, which would buy them again; brought back, the log is used."""
    lab = simulated()
    start(lab, sweep("fox"), name="a").wait()
    lab.close()
    path = lab.log.path
    log = path.read_bytes()
    path.unlink() if left is None else path.write_bytes(left)
    for _ in range(2):
        with pytest.raises(
            LabError, match=r"expected the log.sqlite that belongs to the clips in .*Restore log.sqlite"
        ):
            simulated()
    assert left == (path.read_bytes() if path.exists() else None)
    path.write_bytes(log)
    assert {"saved": 1} == start(simulated(), sweep("fox"), name="a").wait().snapshot().counts
    assert 1 == len(ledger(lab))


def test_clips_that_are_moved_away_leave_a_new_lab(simulated: Open) -> None:
    """Without its clips too, a folder is a new lab, whatever else lies in clips/."""
    lab = simulated()
    start(lab, sweep("fox"), name="a").wait()
    lab.close()
    lab.log.path.unlink()
    (lab.folder / "clips").rename(lab.folder / "clips of before")
    (lab.folder / "clips").mkdir()
    (lab.folder / "clips" / "holiday.mp4").touch()
    assert simulated().df().empty


def test_odd_folder_names(tmp_path: Path) -> None:
    """A folder may be called anything that a file system takes."""
    for name in ("what? is #this%20", "a b", "ein Ölbaum"):
        folder = tmp_path / name
        folder.mkdir()
        log = ExperimentLog(folder, simulated=True, write=True)
        log.commit([(Event("t", "planned", 1.0), task())])
        assert 1 == len(log.read_tasks())
        log.close()
        assert ["log.sqlite"] == [path.name for path in folder.iterdir() if path.suffix == ".sqlite"]


@pytest.mark.parametrize(("at", "bought"), [("planned", False), ("accepted", True)])
def test_a_full_disk_buys_nothing(simulated: Open, at: str, bought: bool) -> None:
    """When the intent cannot be written nothing is sent, waiting raises one sentence, and reopening goes on."""
    lab = simulated()
    points = sweep(*(f"boat {n} {'long ' * 400}" for n in range(4)))
    listen(lab, lambda event, _: fill(lab._opened.log._writer.engine) if event.kind == at else None)
    with pytest.raises(
        LabError,
        match=r"log.sqlite cannot be written \(database or disk is full; [\d,.]+ MB free\): nothing more is sent",
    ):
        start(lab, points, name="a").wait()
    if bought:
        with pytest.raises(KlingError, match="cannot be written"):
            start(lab, sweep("owl"), name="b")
    assert sum(lab.log.events()["kind"] == "intent") >= len(ledger(lab))
    assert bought == bool(ledger(lab))
    lab.close()
    lab = simulated()
    assert {"saved": 4} == start(lab, points, name="a").wait().snapshot().counts
    assert 4 == len(ledger(lab))


def fill(writer: Any) -> None:
    """Let the database grow no more, as on a full disk: as many pages as there are, and none of them free."""
    raw = writer.raw_connection()
    pages = raw.execute("PRAGMA page_count").fetchone()[0]
    raw.execute(f"PRAGMA max_page_count = {pages}")
    raw.close()


def test_a_lab_is_made_by_two_processes_at_once(tmp_path: Path) -> None:
    """Two processes that make the same new lab at the same moment both open it: one drives, one reads or waits."""
    code = "import sys, kling_nb as kn\nprint(kn.Lab(sys.argv[1], simulate=True), flush=True); sys.stdin.read()"
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "lab")]
    pair = [subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True) for _ in range(2)]
    said = [one.stdout.readline() for one in pair]
    told = [one.communicate(timeout=60)[1] for one in pair]
    drives = [line for line in said if line and "read only" not in line]
    assert 1 == len(drives), (said, told)
    for line, error in zip(said, told, strict=True):
        assert "SIMULATED" in line or "open it once as its driver" in error


NO_LOGS: dict[str, tuple[str, str]] = {
    "a schema that is no number": (
        "CREATE TABLE meta (key TEXT, value TEXT); INSERT INTO meta VALUES ('schema_version', 'first')",
        "its schema is 'first', expected a number",
    ),
    "another program's": ("CREATE TABLE recipes (name TEXT)", "database of another program, with the table 'recipes'"),
}


@pytest.mark.parametrize("what", NO_LOGS)
def test_a_database_of_another_program_is_left_alone(tmp_path: Path, what: str) -> None:
    """A database that is no log is `LabError`, and nothing is written to it."""
    made, words = NO_LOGS[what]
    with closing(sqlite3.connect(tmp_path / "log.sqlite")) as database, database:
        database.executescript(made)
    before = tables_of(tmp_path / "log.sqlite")
    with pytest.raises(LabError, match=words):
        kn.Lab(tmp_path, simulate=True)
    assert before == tables_of(tmp_path / "log.sqlite")


def tables_of(path: Path) -> list[str]:
    """Return the names of the tables in a database."""
    with closing(sqlite3.connect(path)) as database:
        return [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]


def test_a_folder_in_the_place_of_the_log_is_told(tmp_path: Path) -> None:
    """A folder by the log's name is `LabError`, whether the lab is opened to buy or only to be read."""
    (tmp_path / "log.sqlite").mkdir()
    with pytest.raises(LabError, match=r"expected a file or nothing at .*log.sqlite, found a folder"):
        kn.Lab(tmp_path, simulate=True)
    with pytest.raises(LabError, match="found a folder"):
        is_simulated(tmp_path)


def test_a_file_that_is_no_database_is_told_to_who_only_reads(tmp_path: Path) -> None:
    """Asking whether a folder is simulated, as an export does, is `LabError` for a log that is none."""
    (tmp_path / "log.sqlite").write_text("no database at all, only text")
    with pytest.raises(LabError, match=r"log.sqlite cannot be read as a log \(file is not a database\)"):
        is_simulated(tmp_path)


def test_a_new_lab_of_the_other_kind_may_be_deleted(tmp_path: Path) -> None:
    """Who forgot ``simulate=True`` is told that nothing is in the lab yet; where something is, that is not said."""
    kn.Lab(tmp_path / "lab").close()
    with pytest.raises(
        kn.LabMode, match=r"so you may also delete it and start over, after lab\.close\(\) where it is open$"
    ):
        kn.Lab(tmp_path / "lab", simulate=True)
    with kn.Lab(tmp_path / "other", simulate=kn.Simulation(speed=float("inf"))) as lab:
        start(lab, sweep("fox")).wait()
    with pytest.raises(kn.LabMode, match=r"choose another folder$"):
        kn.Lab(tmp_path / "other")
