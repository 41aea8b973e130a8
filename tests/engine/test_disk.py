"""A disk that is full, a folder that may only be read, a log that others hold: one sentence, and going on later."""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from labs import Live, agrees, in_state, ledger, listen, live_lab, start, sweep, until

import kling_nb as kn
from kling_nb import cli
from kling_nb.engine import turn
from kling_nb.errors import LabError, LabUnwritable
from kling_nb.log import ExperimentLog

Mount = Callable[..., Path]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Mount]:
    """Mount small disks in memory, and mount them anew with other options; skips where that is not allowed."""
    done: list[Path] = []

    def mount(folder: Path, options: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        again = "remount," if folder in done else ""
        command = ["mount", "-t", "tmpfs", "-o", again + options, "tmpfs", str(folder)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root can mount a small disk here")
        done.append(folder)
        return folder

    yield mount
    for folder in dict.fromkeys(done):
        subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(folder: Path) -> Path:
    """Fill a disk to its last byte."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return filler


@pytest.mark.parametrize("provider", ["kling", "fal"])
def test_no_room_for_a_clip(tmp_path: Path, mounted: Mount, provider: str) -> None:
    """A clip that has no room is paid for and waits; with room, resuming the run fetches it, and buys nothing."""
    with live_lab(tmp_path / "live") as live:
        clips = mounted(live.lab.folder / "clips", "size=8k")
        run = start(live.lab, sweep("fox", "owl", provider=provider), name="a").wait(30)
        assert {"stalled": 2} == run.snapshot().counts
        for task in run.tasks:
            assert (
                f"paid for but not fetched yet: {clips} cannot be written (No space left on device; 0." in task.reason
            )
            assert "MB free): nothing saved is lost; fix that, then run.resume()" in task.reason
        assert [] == [*clips.iterdir()]
        mounted(clips, "size=9m")
        until(run.resume(), in_state("saved", 2))
        live.reopen()
        agrees(live)
        live.lab.close()


def test_a_clip_that_has_no_room_is_downloaded_once(tmp_path: Path, mounted: Mount) -> None:
    """A full disk is no network that may come back: the clip is not downloaded again before a person made room."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=math.inf)) as lab:
        clips = mounted(lab.folder / "clips", "size=8k")
        run = start(lab, sweep("fox")).wait(30)
        at = lab.log.events(run.tasks[0].id).set_index("kind")["at"]
        assert ("stalled", "disk") == (run.tasks[0].state, run.tasks[0].cause)
        assert 1 > (at["stalled"] - at["ready"]).total_seconds()
        mounted(clips, "size=9m")
        assert {"saved": 1} == run.resume().wait(30).snapshot().counts
        assert 1 == len(ledger(lab))


@pytest.mark.parametrize("moment", ["planned", "intent", "accepted", "ready"])
def test_no_room_for_the_log(tmp_path: Path, mounted: Mount, moment: str, caplog: pytest.LogCaptureFixture) -> None:
    """A log that has no room stops the lab in one sentence; with room, what was bought is saved and bought once."""
    disk = mounted(tmp_path / "disk", "size=6m")
    points = sweep(*(f"fox {n} {'long ' * 400}" for n in range(3)))
    with live_lab(disk / "live") as live:
        full: list[Path] = []
        listen(live.lab, lambda event, _: full.append(fill(disk)) if event.kind == moment and not full else None)
        with pytest.raises(
            LabUnwritable, match=r"log.sqlite cannot be written \(.*; 0.0 MB free\): nothing more is sent"
        ):
            start(live.lab, points, name="a").wait(30)
        live.lab.close()
        assert "Traceback" not in caplog.text
        with live.open() as lab:
            assert "read only: " in repr(lab)
            assert len(lab.df()) <= 3
            with pytest.raises(LabUnwritable, match="cannot be written"):
                start(lab, points, name="a")
        full[0].unlink()
        live.lab = live.open()
        run = start(live.lab, points, name="a").wait(30)
        assert {"saved": 3} == run.snapshot().counts, run
        agrees(live)
        live.lab.close()


def test_opening_again_goes_on_where_the_log_had_no_room(tmp_path: Path, mounted: Mount) -> None:
    """Where a log had no room, steering says so; opening the lab again in the same process, as it says, goes on."""
    disk, points = mounted(tmp_path / "disk", "size=6m"), sweep("fox", "owl")
    with live_lab(disk / "live") as live:
        full: list[Path] = []
        listen(live.lab, lambda event, _: full.append(fill(disk)) if event.kind == "accepted" and not full else None)
        run = start(live.lab, points, name="a")
        with pytest.raises(LabUnwritable, match="fix that and open the lab again"):
            run.wait(30)
        for steer in (run.resume, run.pause, run.cancel, run.retry):
            with pytest.raises(LabUnwritable, match="fix that and open the lab again"):
                steer()
        assert "read only: " in repr(live.open())
        full[0].unlink()
        live.lab = live.open()
        for stale in (run.resume, run.wait):
            with pytest.raises(LabError, match=r"was closed.*opens it again.*lab\.run\("):
                stale()
        assert {"saved": 2} == live.lab.run("a").resume().wait(30).snapshot().counts
        agrees(live)
        live.lab.close()


def test_no_room_for_an_export(simulated: Callable[..., kn.Lab], tmp_path: Path, mounted: Mount) -> None:
    """A page that has no room is one sentence and no half clip; with room it is written whole."""
    lab = simulated()
    run = start(lab, sweep("fox", "owl"), name="a").wait()
    disk = mounted(tmp_path / "disk", "size=100k")
    with pytest.raises(LabUnwritable, match=r"page cannot be written \(No space left on device; 0.\d MB free\)"):
        lab.export(disk / "page", run)
    sizes = {path.stat().st_size for path in (lab.folder / "clips").iterdir()}
    assert {path.stat().st_size for path in disk.rglob("*.mp4")} <= sizes
    assert [] == [*disk.rglob("*.part"), *disk.rglob("index.html")]
    mounted(disk, "size=9m")
    assert lab.export(disk / "page", run).is_file()
    assert 2 == len([*disk.rglob("*.mp4")]) == len([*disk.rglob("*.jpg")])


def test_a_folder_that_may_only_be_read(tmp_path: Path, mounted: Mount) -> None:
    """A lab on a disk that may only be read is read, compared and exported; to drive it is one sentence."""
    disk = mounted(tmp_path / "disk", "size=9m")
    fast = kn.Simulation(speed=math.inf)
    with kn.Lab(disk / "lab", simulate=fast) as lab:
        start(lab, sweep("fox", "owl"), name="a").wait()
    mounted(disk, "ro")
    with kn.Lab(disk / "lab", simulate=fast) as lab:
        assert ["saved", "saved"] == list(lab.df()["state"])
        assert "read only: " in repr(lab)
        assert "Read-only file system" in repr(lab)
        assert lab.export(tmp_path / "page").is_file()
        with pytest.raises(LabUnwritable, match=r"lab cannot be written \(.*Read-only file system; \d.\d MB free\)"):
            start(lab, sweep("boat"))
        mounted(disk, "rw")
        assert {"saved": 1} == start(lab, sweep("boat")).wait().snapshot().counts
        assert 3 == len(ledger(lab))
    mounted(disk, "ro")
    with pytest.raises(LabUnwritable, match="expected a writable folder"):
        kn.Lab(disk / "another", simulate=fast)


def test_a_run_on_a_disk_that_may_only_be_read(tmp_path: Path, mounted: Mount) -> None:
    """Its handle, its page and what is uncertain are there to read; whatever would steer says what keeps it."""
    disk = mounted(tmp_path / "disk", "size=9m")
    fast, only_read = kn.Simulation(speed=math.inf), "Read-only file system"
    with kn.Lab(disk / "lab", simulate=fast, daily_budget=0.70) as lab:
        start(lab, sweep("fox", "owl #sim:reset", "elk", provider="fal"), name="a").wait()
    mounted(disk, "ro")
    with kn.Lab(disk / "lab", simulate=fast) as lab:
        run, doubt = lab.run("a"), lab.uncertain()
        assert ["saved", "uncertain", "planned"] == list(run.df["state"])
        assert f"cannot be locked for driving: {only_read}" in str(run.held)
        assert "driven by" not in str(run.held)
        assert 1 == len(doubt)
        assert lab.export(tmp_path / "page", run).is_file()
        for steer in (run.wait, run.resume, run.pause, run.cancel, run.retry, doubt[0].give_up, lab.take_over):
            with pytest.raises(LabUnwritable, match=only_read):
                steer()
        mounted(disk, "rw")
        lab.daily_budget = None
        assert {"saved": 2, "uncertain": 1} == run.resume().wait().snapshot().counts


def test_a_command_exports_a_run_from_a_disk_that_may_only_be_read(tmp_path: Path, mounted: Mount) -> None:
    """The run that a command names is written as a page, though nobody can drive."""
    disk = mounted(tmp_path / "disk", "size=9m")
    with kn.Lab(disk / "lab", simulate=kn.Simulation(speed=math.inf)) as lab:
        start(lab, sweep("fox"), name="a").wait()
    mounted(disk, "ro")
    assert 0 == cli.main(["export", str(disk / "lab"), str(tmp_path / "page"), "--run", "a"])
    assert (tmp_path / "page" / "index.html").is_file()


def test_a_folder_that_was_left_in_the_middle_may_be_read(tmp_path: Path, mounted: Mount) -> None:
    """What a process that was killed left in the log's journal is read, from a disk that may only be read by now."""
    disk = mounted(tmp_path / "disk", "size=9m")
    code = (
        "import os, sys, math, kling_nb as kn\n"
        "lab = kn.Lab(sys.argv[1], simulate=kn.Simulation(speed=math.inf))\n"
        "lab.generate('fox', model='kling-v2-5-turbo', mode='std')\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(disk / "lab")], check=True)
    assert (disk / "lab" / "log.sqlite-wal").stat().st_size
    mounted(disk, "ro")
    with kn.Lab(disk / "lab", simulate=True) as lab:
        assert ["saved"] == list(lab.df()["state"])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become nobody")
def test_a_folder_that_somebody_else_owns(tmp_path: Path) -> None:
    """A person who may read a lab and not write it reads it; what they may not even read is one sentence."""
    folder = tmp_path / "lab"
    with kn.Lab(folder, simulate=kn.Simulation(speed=math.inf)) as lab:
        lab.generate("fox", model="kling-v2-5-turbo", mode="std")
    above = [parent for parent in folder.parents if Path(tempfile.gettempdir()).resolve() in parent.parents]
    for parent in (*above, folder, *folder.rglob("*")):
        if parent.owner() == "root":
            parent.chmod(parent.stat().st_mode | (0o055 if parent.is_dir() else 0o044))
    # From Python 3.15 on a module may be read only when it is needed: here by nobody, who may not read root's packages.
    at_once = "sys.set_lazy_imports_filter(lambda *_: False)" if sys.version_info >= (3, 15) else "..."
    code = (
        f"import os, sys; {at_once}; import kling_nb as kn\n"
        "lab = kn.Lab(sys.argv[1], simulate=True); len(lab.df()); lab.close()\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "lab = kn.Lab(sys.argv[1], simulate=True)\n"
        "print(list(lab.df()['state']))\n"
        "try:\n    lab.start(kn.Sweep(prompt='boat'))\nexcept kn.LabUnwritable as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    assert "['saved']" in done.stdout
    assert "Permission denied" in done.stdout


# -- others hold the log -------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a write wait for somebody else's for a moment only."""
    monkeypatch.setitem(turn._take.__kwdefaults__, "busy_s", 0.05)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_log_that_another_program_locks(tmp_path: Path, how: str) -> None:
    """A lock that stays stops the lab before it buys, in one sentence; once it is gone, opening again goes on."""
    with live_lab(tmp_path / "live") as live, ExitStack() as stack:
        other = sqlite3.connect(live.lab.log.path, isolation_level=None, check_same_thread=False)
        stack.callback(other.close)
        listen(live.lab, lambda event, _: other.execute(f"BEGIN {how}") if event.kind == "planned" else None)
        run = None
        with pytest.raises(
            LabUnwritable, match=r"log.sqlite cannot be written \(database is locked by another program"
        ):
            run = start(live.lab, sweep("fox"), name="a").wait(30)
        assert [] == live.simulator.ledger()
        live.lab.close()
        with live.open() as lab:
            assert "locked by another program" in repr(lab)
            assert 1 == len(lab.log.tasks())
        other.execute("COMMIT")
        live.lab = live.open()
        assert {"saved": 1} == start(live.lab, sweep("fox"), name="a").wait(30).snapshot().counts
        agrees(live)
        assert run is None


def test_a_lock_that_passes_is_waited_for(tmp_path: Path) -> None:
    """A program that holds the log for a moment, as one that copies it, is waited for, and nobody notices."""
    with live_lab(tmp_path / "live") as live, ExitStack() as stack:
        other = sqlite3.connect(live.lab.log.path, isolation_level=None, check_same_thread=False)
        copy = sqlite3.connect(tmp_path / "copy.sqlite")
        stack.callback(other.close)
        stack.callback(copy.close)
        listen(
            live.lab,
            lambda event, _: (
                other.execute("BEGIN") and other.execute("SELECT * FROM tasks").fetchall()
                if event.kind == "intent"
                else other.backup(copy)
                if event.kind == "accepted"
                else None
            ),
        )
        assert {"saved": 1} == start(live.lab, sweep("fox"), name="a").wait(30).snapshot().counts
        agrees(live)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let an open file be deleted")
@pytest.mark.parametrize("provider", ["kling", "fal"])
def test_what_lies_beside_the_log_is_deleted(tmp_path: Path, provider: str) -> None:
    """Of a log whose -wal is deleted nothing is lost, even if the process is killed then; it is said, and nothing sent."""
    points = sweep("fox", provider=provider)
    with live_lab(tmp_path / "live") as live:
        wal = live.lab.log.path.with_name("log.sqlite-wal")
        listen(live.lab, lambda event, _: wal.unlink(missing_ok=True) if event.kind == "accepted" else None)
        with pytest.raises(LabError, match=r"-wal was deleted or replaced .* what it held is in log.sqlite by now"):
            start(live.lab, points, name="a").wait(30)
        left = shutil.copyfile(live.lab.log.path, tmp_path / "as a killed process leaves it")
        live.lab.close()
        shutil.copyfile(left, live.lab.log.path)
        live.lab = live.open()
        assert {"saved": 1} == start(live.lab, points, name="a").wait(30).snapshot().counts
        assert 1 == len(live.simulator.ledger())


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let an open file be deleted")
def test_what_another_wrote_beside_the_log_is_not_overwritten(tmp_path: Path) -> None:
    """Where another program may have written to the log meanwhile, nothing is put into it; it is said what is lost."""
    log = ExperimentLog(tmp_path, simulated=True, write=True)
    log.set_fact("a", "of the deleted file")
    for ending in ("-wal", "-shm"):
        log.path.with_name(log.path.name + ending).unlink()
    before = log.path.read_bytes()
    for _ in range(2):
        with pytest.raises(LabError, match="the last of what was written is in it alone: nothing more is sent"):
            log.set_fact("a", "of nowhere")
    assert before == log.path.read_bytes()
    log.close()


GONE = "log.sqlite (was moved, deleted or replaced by another program while it was open|cannot be read)"


def moved(live: Live) -> None:
    """Move the whole lab folder."""
    live.lab.folder.rename(live.lab.folder.with_name("moved"))


def deleted(live: Live) -> None:
    """Delete the log."""
    live.lab.log.path.unlink()


def replaced(live: Live) -> None:
    """Put another file in the log's place, as a program that synchronises folders does."""
    other = live.lab.folder / "log.conflict"
    shutil.copyfile(live.lab.log.path, other)
    other.replace(live.lab.log.path)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let an open file be moved")
@pytest.mark.parametrize("act", [moved, deleted, replaced])
@pytest.mark.parametrize("moment", ["planned", "accepted"])
def test_a_log_that_goes_away(tmp_path: Path, act: Callable[[Live], None], moment: str) -> None:
    """A log that is moved, deleted or replaced while it is open is noticed at once, and nothing is bought without it."""
    with live_lab(tmp_path / "live") as live:
        done: list[str] = []
        listen(live.lab, lambda event, _: (act(live), done.append("")) if event.kind == moment and not done else None)
        with pytest.raises(LabError, match=GONE):
            start(live.lab, sweep("fox", "owl"), name="a").wait(30)
        assert (moment == "accepted") == bool(live.simulator.ledger())
        if act is not replaced:
            with pytest.raises(LabError, match=r"log.sqlite cannot be read \(unable to open database file\)"):
                live.lab.df()
        live.lab.close()
        if act is moved:
            live.lab.folder.with_name("moved").rename(live.lab.folder)
            live.lab = live.open()
            assert {"saved": 2} == start(live.lab, sweep("fox", "owl"), name="a").wait(30).snapshot().counts
            agrees(live)
