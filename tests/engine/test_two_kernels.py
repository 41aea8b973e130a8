"""Two kernels on one lab folder: one drives, one reads; and who drives when the first is gone, or only sleeps.

The processes are real, and so are SIGKILL, SIGSTOP and SIGCONT. The simulator lives in the test's process, over a real
socket, and counts what was bought.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from labs import Live, in_state, live_lab, process, start, sweep, until

import kling_nb as kn
from kling_nb.cli import main
from kling_nb.dialect import Call, Op
from kling_nb.engine.account import Account
from kling_nb.engine.run import Run
from kling_nb.engine.search import LOOKS_MOST
from kling_nb.engine.seen import SeenRun
from kling_nb.engine.turn import take_if_free, take_over
from kling_nb.engine.who import Holder
from kling_nb.errors import LabBusy, LabError
from kling_nb.log import ExperimentLog
from kling_nb.simulator import Fault
from kling_nb.task import Event, Task, Ticket
from kling_nb.wire import Wire
from tests.forking import Piped

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGSTOP")

DRIVER = """
import json, signal, sys, threading
import kling_nb as kn
from kling_nb import wire
from kling_nb.dialect import Op
from kling_nb.errors import LabBusy, LabError
from kling_nb.log.writing import Writer
from kling_nb import media

folder, where, prompts = json.loads(sys.argv[1])
asleep = []

def sleep_once(_=None):
    if not asleep:
        asleep.append(True)
        # To this thread: of a signal to the process another thread hears first, and this one goes on meanwhile.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

send, moved, probe, before = wire.Wire.send, Writer._moved, media.probe, wire.Way.watched

async def sent(self, call, **options):
    if call.op is Op.SUBMIT:
        sleep_once()
    return await send(self, call, **options)

def watched(self, ready=None):
    def slept():
        asked.append(True)
        if len(asked) == (1 if where == "connected" else 2):
            sleep_once()
        ready()
    asked = []
    return before(self, ready and slept)

if where == "intent":
    wire.Wire.send = sent
if where in ("connected", "headed"):
    wire.Way.watched = watched
if where == "verified":
    media.probe = lambda part: (probe(part), sleep_once())[0]

lab = kn.Lab(folder)
if where == "write":
    Writer._moved = lambda self, tasks: (sleep_once(), moved(self, tasks))[1]
run = lab.start(kn.Sweep(prompt=prompts, model="kling-v2-5-turbo", mode="std", duration=5, provider="kling"),
                name="a", show=False)
print("started", flush=True)
try:
    run.wait()
except LabBusy as error:
    words = [str(error), run.held, run.snapshot().held]
    for act in (run.pause, run.resume, run.cancel, run.retry, run.wait, lambda: list(run.as_completed()),
                lambda: lab.start(kn.Sweep(prompt="owl", model="kling-v2-5-turbo", duration=5), show=False)):
        try:
            act()
        except LabBusy as error:
            words.append(str(error))
    print(json.dumps({"words": words, "read": len(lab.df())}), flush=True)
    sys.exit(7)
"""
"""Starts a sweep, and may stop itself once: between intent and POST, between connection and head, between head
and body, between a clip's verification and its renaming, or in the middle of a write."""

TAKER = """
import sys, kling_nb as kn
from kling_nb.errors import LabBusy, LabError
lab = kn.Lab(sys.argv[1])
print("reads", flush=True)
sys.stdin.readline()
try:
    print(lab.take_over(), flush=True)
except LabBusy as error:
    print("busy:", error, flush=True)
sys.stdin.read()
"""


@contextmanager
def driver(live: Live, *prompts: str, where: str = "") -> Iterator[Piped]:
    """Leave the folder to another process that drives it, and stops itself at a moment if one is named."""
    live.lab.close()
    with process(DRIVER, json.dumps([str(live.lab.folder), where, prompts])) as one:
        if where:
            stopped(one)
        else:
            assert "started\n" == one.stdout.readline(), one.stderr.read()
        yield one


def stopped(one: Piped) -> None:
    """Wait until a process has stopped."""
    assert one.stopped(), one.stderr.read()


def stop(one: Piped) -> None:
    """Stop a process, as a terminal or a sleeping machine does."""
    one.send_signal(signal.SIGSTOP)
    stopped(one)


def woken(one: Piped) -> dict[str, Any]:
    """Let a process go on that lost its turn; returns what it says at its end."""
    one.send_signal(signal.SIGCONT)
    out, err = one.communicate(timeout=30)
    assert (7, "") == (one.returncode, err), f"{out}{err}"
    return json.loads(out.splitlines()[-1])


def when(happened: Callable[[], bool]) -> None:
    """Wait until something happened in another process."""
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.005)


def stop_where(one: Piped, live: Live, counts: dict[str, int]) -> None:
    """Stop a process when its tasks stand as wanted: not while it submits, which is another test's."""
    when(lambda: live.lab.log.counts() == counts)
    stop(one)
    while live.lab.log.counts() != counts:
        one.send_signal(signal.SIGCONT)
        when(lambda: live.lab.log.counts() == counts)
        stop(one)


def standing(live: Live) -> tuple[Any, ...]:
    """Return what a driver may change: the ledger, the events, the clips."""
    clips = sorted((path.name, path.stat().st_ino) for path in (live.lab.folder / "clips").iterdir())
    return [charge.own_id for charge in live.simulator.ledger()], len(live.lab.log.events()), clips


def finished(live: Live, points: int) -> None:
    """Check that every point is saved and was bought once."""
    run = live.lab.run("a").resume().wait(30)
    assert {"saved": points} == run.snapshot().counts
    assert points == len(live.simulator.ledger()), live.simulator.ledger()
    assert {charge.own_id for charge in live.simulator.ledger()} == {task.id for task in run.tasks}
    assert not list((live.lab.folder / "clips").glob("*.part"))


LONG = (Fault(action="stall", seconds=600, times=2),)
STALLED = Fault(action="stall", prompt="fox", times=None)


def test_the_second_kernel_reads_and_says_who_drives(tmp_path: Path) -> None:
    """Tables, plans, pages and runs can be seen; what steers raises who drives, since when, and when it was heard."""
    with live_lab(tmp_path / "live", STALLED) as live, driver(live, "fox", "boat") as one:
        lab = live.lab = live.open()
        run = lab.run("a")
        until(run, in_state("saved"))
        assert (2, 2, ["a"]) == (len(lab.df()), len(run.df), list(lab.runs()["run"]))
        assert f"driven by process {one.pid} on " in repr(lab)
        assert "1 running, 1 saved" in repr(run)
        assert run.is_moving
        assert run.snapshot().reserved
        assert not lab.spending().empty
        assert 1 == len(lab.plan(sweep("owl", "fox")).buys)
        assert lab.compare(run)
        assert lab.export(tmp_path / "page", run).is_file()
        assert 0 == len(lab.uncertain())
        with pytest.raises(kn.InputError, match="there is no run 'b'"):
            lab.run("b")
        acts = [run.wait, run.pause, run.resume, run.cancel, run.retry, run.as_completed, lambda: lab.generate("owl")]
        acts += [lambda: start(lab, sweep("owl")), lambda: lab.rate("kn-0", 1), lambda: setattr(lab, "daily_budget", 1)]
        told = rf"is driven by process {one.pid} on .* since 20\d\d-.*, last heard \d s ago; .* use lab.take_over\(\)"
        for act in acts:
            with pytest.raises(LabBusy, match=told):
                act()
        assert 2 == len(live.simulator.ledger())


def test_a_driver_is_told_by_its_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has seven kernels looks for a tab to close: the notebook's file name is told, and not its folders."""
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/eve/study/live2.ipynb")
    with live_lab(tmp_path / "live", STALLED) as live, driver(live, "fox") as one:
        monkeypatch.delenv("JPY_SESSION_NAME")
        lab = live.lab = live.open()
        told = rf"driven by live2\.ipynb \(process {one.pid} on \S+ since 20\d\d-[^)]*\), last heard \d s ago"
        with pytest.raises(LabBusy, match=f"is {told}"):
            lab.generate("owl")
        assert re.search(told, repr(lab))
        assert "/home/eve" not in repr(lab)


@pytest.mark.parametrize(
    ("path", "told"),
    {
        "a.ipynb": "a.ipynb (process ",
        "a\x1b[2J\n\u202eb.ipynb": "a [2J  b.ipynb (process ",
        "/home/eve/\udcff.ipynb": ".ipynb (process ",
        "x" * 300: f"{'x' * 79}… (process ",
        "/home/eve/": "process ",
        "": "process ",
    }.items(),
)
def test_the_name_of_a_notebook_is_foreign_text(path: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No control character of it reaches a terminal, and what the log keeps of it is read as it was written."""
    monkeypatch.setenv("JPY_SESSION_NAME", path)
    here = Holder.here(1, (Holder.here(1, ()),))
    assert str(here).startswith(told)
    assert here == Holder.read(here.text())
    assert str(Holder.read(json.dumps({"notebook": path.rpartition("/")[2]}))).startswith(told)


def test_the_handle_of_a_reader_answers_for_itself() -> None:
    """It has no engine: what a run can do beside is its own, or goes by what is, as these two by `snapshot` and the log."""
    inherited = {name for name in vars(Run) if not name.startswith("_")} - vars(SeenRun).keys()
    assert {"budget", "df"} == inherited


def test_what_is_uncertain_is_seen_and_left(tmp_path: Path) -> None:
    """A reader sees a task in doubt with its price; what it decides about it raises who drives."""
    with live_lab(tmp_path / "live") as live:
        start(live.lab, sweep("fox #sim:lost", provider="fal"), name="doubt").wait(20)
        with driver(live, "boat"):
            lab = live.lab = live.open()
            doubtful = lab.uncertain()[0]
            assert "at stake" in repr(doubtful)
            assert ("in doubt", doubtful.task.reason) == (doubtful.stands, doubtful.why)  # it does not know more
            for act in (doubtful.look_again, doubtful.give_up, doubtful.buy_again, lambda: doubtful.accepted_as("1")):
                with pytest.raises(LabBusy, match="is driven by process"):
                    act()


def test_a_reader_drives_when_the_driver_is_gone(tmp_path: Path) -> None:
    """The driver is killed; the reader's own handle goes on from where the log stands, and buys nothing twice."""
    with live_lab(tmp_path / "live", speed=60, slots={"kling": 2}) as live:
        with driver(live, "fox", "boat", "owl") as one:
            lab = live.lab = live.open()
            run = lab.run("a")
            when(lambda: len(live.simulator.ledger()) >= 2)
            with pytest.raises(LabBusy):
                run.resume()
            one.kill()
            one.wait()
        live.simulator._world.now.speed = 300
        assert {"saved": 3} == run.resume().wait(30).snapshot().counts
        finished(live, 3)
        assert "read only" not in repr(lab)


def test_a_sleeping_driver_loses_its_turn(tmp_path: Path) -> None:
    """Taken over while it sleeps, a driver that wakes writes and submits nothing, says who has it, and ends."""
    with (
        live_lab(tmp_path / "live", *LONG, slots={"kling": 2}) as live,
        driver(live, "fox", "boat", "owl") as one,
    ):
        lab = live.lab = live.open()
        stop_where(one, live, {"planned": 1, "running": 2})
        assert 2 == len(live.simulator.ledger())
        with pytest.raises(LabBusy, match=r"last heard \d s ago"):
            start(lab, sweep("cat"))
        assert f"process {one.pid} on" in lab.take_over()
        assert "driven from here already; nothing was changed" in lab.take_over()
        finished(live, 3)
        before = standing(live)
        said = woken(one)
        assert 3 == said["read"]
        assert 3 + 7 == len(said["words"])
        for words in said["words"]:
            assert f"process {os.getpid()} on" in words
            assert f"took over {lab.folder} at 20" in words
        assert before == standing(live)
        with kn.Lab(lab.folder) as again:
            assert {"saved": 1} == start(again, sweep("cat")).wait(30).snapshot().counts


@pytest.mark.parametrize("where", ["intent", "connected", "headed"])
@pytest.mark.parametrize("end", ["wakes", "is killed"])
def test_asleep_right_before_a_paid_call(tmp_path: Path, where: str, end: str) -> None:
    """What a sleeper was about to submit stays uncertain while it is there, also after a restart; then it is bought."""
    with live_lab(tmp_path / "live", speed=1200) as live, driver(live, "fox", where=where) as one:
        lab = live.lab = live.open()
        lab.take_over()
        for _ in range(2):
            run = lab.run("a").resume().wait(30)
            assert {"uncertain": 1} == run.snapshot().counts
            assert f"process {one.pid} on" in run.tasks[0].reason
            assert f"it may still send it when it wakes; end that process (kill -9 {one.pid})" in run.tasks[0].reason
            assert not live.simulator.ledger()
            lab = live.reopen()
        if end == "wakes":
            woken(one)
            assert not live.simulator.ledger()
        else:
            one.kill()
            one.wait()
        run = lab.run("a").resume()
        for doubtful in lab.uncertain():
            doubtful.look_again()
        assert {"saved": 1} == run.wait(30).snapshot().counts
        finished(live, 1)
        assert ["failed", "saved"] == list(lab.log.tasks().sort_values("attempt")["state"])


def test_a_sleeper_that_goes_late_in_the_search_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks that prove nothing while a process sleeps leave as many as are needed once it is gone."""
    looked, find = [], Account.find

    async def counted(account: Account, task: Task) -> Ticket | None:
        looked.append(task.id)
        return await find(account, task)

    monkeypatch.setattr(Account, "find", counted)
    with live_lab(tmp_path / "live", speed=100) as live, driver(live, "fox", where="intent") as one:
        lab = live.lab = live.open()
        lab.take_over()
        run = lab.run("a").resume()
        when(lambda: len(looked) == LOOKS_MOST - 1)
        one.kill()
        one.wait()
        assert {"saved": 1} == run.wait(30).snapshot().counts
        finished(live, 1)


def test_what_a_sleeper_had_sent_is_found(tmp_path: Path) -> None:
    """Asleep while its submit is answered, it loses the answer to the new driver, who finds the task and fetches it."""
    late = Fault(action="late", seconds=600, prompt="fox")
    with live_lab(tmp_path / "live", late) as live:
        live.lab.close()
        with process(DRIVER, json.dumps([str(live.lab.folder), "", ["fox"]])) as one:
            when(lambda: len(live.simulator.ledger()) == 1)
            stop(one)
            live.lab = live.open()
            live.lab.take_over()
            finished(live, 1)
            before = standing(live)
            woken(one)
            assert before == standing(live)


@pytest.mark.parametrize("where", ["in the middle", "verified"])
def test_asleep_in_a_download(tmp_path: Path, where: str) -> None:
    """The new driver fetches the clip for itself; the old one, awake, moves nothing into its place and leaves nothing."""
    slow = [Fault(action="slow", seconds=3000)] if where == "in the middle" else []
    with live_lab(tmp_path / "live", *slow) as live:
        clips = live.lab.folder / "clips"
        with driver(live, "fox", where=where if where == "verified" else "") as one:
            if slow:
                when(lambda: bool(list(clips.glob("*.part"))))
                stop(one)
            live.lab = live.open()
            live.lab.take_over()
            finished(live, 1)
            before = standing(live)
            woken(one)
            assert before == standing(live)


def test_a_piece_of_the_old_driver_is_not_the_new_ones(tmp_path: Path) -> None:
    """Each epoch downloads to a name of its own: a sleeper that wakes writes into no file of the one who drives."""
    held = Fault(action="slow", seconds=3000, times=2)
    with live_lab(tmp_path / "live", held) as live:
        clips = live.lab.folder / "clips"
        with driver(live, "fox") as one:
            when(lambda: bool(list(clips.glob("*.part"))))
            stop(one)
            old = {path.name for path in clips.glob("*.part")}
            live.lab = live.open()
            live.lab.take_over()
            when(lambda: bool(list(clips.glob("*.part"))))
            assert not old & {path.name for path in clips.glob("*.part")}


@pytest.mark.parametrize("end", ["wakes", "is killed"])
def test_asleep_in_the_middle_of_a_write(tmp_path: Path, end: str) -> None:
    """The log is locked: taking over ends soon, in one sentence that names the process; nothing was changed by it."""
    with live_lab(tmp_path / "live") as live, driver(live, "fox", where="write") as one:
        lab = live.lab = live.open()
        begun = time.monotonic()
        with pytest.raises(
            LabBusy, match=rf"in the middle of a write .* end that process \(kill -9 {one.pid}\), then this one"
        ):
            lab.take_over()
        assert time.monotonic() - begun < 8
        if end == "wakes":
            one.send_signal(signal.SIGCONT)
            out, err = one.communicate(timeout=30)
            assert (0, "started\n", "") == (one.returncode, out, err)
            assert {"saved": 1} == lab.run("a").snapshot().counts
            return
        one.kill()
        one.wait()
        assert {"saved": 1} == start(lab, sweep("fox"), name="a").wait(30).snapshot().counts
        finished(live, 1)


def test_two_take_over_at_once(tmp_path: Path) -> None:
    """Of two that take over the same sleeper one drives, and the other is told that somebody does or is about to."""
    with live_lab(tmp_path / "live", STALLED) as live, driver(live, "fox") as one, contextlib.ExitStack() as stack:
        live.lab = live.open()
        stop_where(one, live, {"running": 1})
        takers = [stack.enter_context(process(TAKER, str(live.lab.folder))) for _ in range(2)]
        assert ["reads\n"] * 2 == [taker.stdout.readline() for taker in takers]
        for taker in takers:
            taker.stdin.write("\n")
            taker.stdin.flush()
        said = sorted(taker.stdout.readline() for taker in takers)
        assert said[0].startswith(f"{live.lab.folder} is driven from here now"), said
        assert said[1].startswith("busy:"), said
        assert "right now" in said[1] or "is driven by process" in said[1]


def test_whom_a_person_did_not_see_is_not_taken_over(tmp_path: Path) -> None:
    """Whoever drives by now is not the one that was decided about: one more look, and one more call."""
    with live_lab(tmp_path / "live", STALLED) as live, driver(live, "fox") as one:
        lab = live.lab = live.open()
        stop_where(one, live, {"running": 1})
        with process(TAKER, str(lab.folder)) as taker:
            taker.stdin.write("\n")
            taker.stdin.flush()
            said = [taker.stdout.readline() for _ in range(2)]
            assert "from here now" in said[1], (said, taker.stderr.read() if taker.poll() is not None else "")
            with pytest.raises(LabBusy, match=f"is driven by process {taker.pid} on"):
                lab.take_over()
            assert f"process {taker.pid} on" in lab.take_over()
            assert "read only" not in repr(lab)


def test_the_command_says_who_drives_and_takes_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``kling-nb run`` on a folder that is driven exits 2 with the sentence; with ``--take-over`` it drives."""
    with live_lab(tmp_path / "live") as live, driver(live, "fox", where="verified") as one:
        command = ["run", str(sweep("fox").save(tmp_path / "a.toml")), "--lab", str(live.lab.folder)]
        assert 2 == main(command)
        assert f"is driven by process {one.pid} on" in capsys.readouterr().err
        assert 0 == main([*command, "--take-over"])
        assert f"process {one.pid} on" in capsys.readouterr().err
        assert 1 == len(live.simulator.ledger())


# -- without processes ---------------------------------------------------------------------------------------------


def task() -> Task:
    """Return a task that may be written."""
    return Task(id="kn-1", identity="i", provider="kling", model="m")


def test_every_write_of_one_who_lost_its_turn_is_refused(tmp_path: Path) -> None:
    """Whatever is written reads in its own transaction whose turn it is, so that nothing gets in between."""
    old, turn = take_if_free(tmp_path, simulated=True)
    new, mine = take_over(tmp_path, old.fact("driver"), simulated=True)
    heard: list[LabBusy] = []
    turn.on_lost = heard.append
    try:
        acts: list[Callable[[], Any]] = [
            lambda: old.commit([(Event("kn-1", "planned", 1.0), task())]),
            lambda: old.set_fact("a", "b"),
            lambda: old.set_run("a", state="paused"),
            turn.check,
        ]
        for act in acts:
            with pytest.raises(LabBusy, match="took over"):
                act()
        assert (1, 0) == (len(heard), len(old.read_tasks()))
        new.commit([(Event("kn-1", "planned", 1.0), task())])
        mine.check()
        assert [1, 2] == [turn.holder.epoch, mine.holder.epoch]
    finally:
        for log, one in ((old, turn), (new, mine)):
            one.release()
            log.close()


def test_a_take_over_that_was_begun_and_given_up_stops_nobody(tmp_path: Path) -> None:
    """The file of the next epoch may be there although nobody took over: the log is what counts."""
    log, turn = take_if_free(tmp_path, simulated=True)
    (tmp_path / ".driver-2.lock").touch()
    turn.check()
    log.set_fact("a", "b")
    turn.release()
    log.close()


def test_looking_who_drives_is_no_sign_of_life(tmp_path: Path) -> None:
    """Trying a lock that another holds leaves its time as it is, which says when that one was last heard."""
    before = set(threading.enumerate())
    log, turn = take_if_free(tmp_path, simulated=True)
    turn._over.set()
    for lives in set(threading.enumerate()) - before:
        lives.join()  # it may be about to touch the lock
    lock = tmp_path / ".driver.lock"
    os.utime(lock, (1.0, 1.0))
    assert take_if_free(tmp_path, simulated=True) is None
    assert 1.0 == lock.stat().st_mtime
    assert " h ago" in Holder.read(log.fact("driver")).told(tmp_path)
    turn.release()
    log.close()


@pytest.mark.parametrize(
    "said", [None, "", "{", "[]", "7", '{"epoch": "x"}', '{"before": 3}', '{"epoch": -4, "pid": null}']
)
def test_a_driver_that_the_log_does_not_tell_is_nobody_known(tmp_path: Path, said: str | None) -> None:
    """What an older version wrote, or somebody else, is read as the first epoch."""
    assert 1 == Holder.read(said).epoch
    assert "process ? on ?" in Holder.read(said).told(tmp_path)


def test_a_submit_without_an_end_is_told_by_its_events(tmp_path: Path) -> None:
    """Whether a task was on its way when a turn ended is what its events said by then."""
    log = ExperimentLog(tmp_path, simulated=True, write=True)
    for kind in ("planned", "intent", "unwanted", "doubted", "intent"):
        log.commit([(Event("kn-1", kind, 1.0), task())])
    assert [False, True, True, False, True] == [log.was_submitting("kn-1", last) for last in range(1, 6)]
    assert not log.was_submitting("kn-2", 5)
    log.close()


def test_what_may_not_be_sent_reaches_no_app(tmp_path: Path) -> None:
    """A simulator in the same process has no connection to be asked at: the call is refused before it is made."""
    reached: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        reached.append(scope)

    log, turn = take_if_free(tmp_path, simulated=True)
    take_over(tmp_path, log.fact("driver"), simulated=True)[1].release()
    call = Call(op=Op.SUBMIT, method="POST", url="http://simulator/kling", body={})
    with pytest.raises(LabBusy, match="took over"):
        anyio.run(partial(Wire(app=app).send, call, ready=turn.check))
    assert not reached
    turn.release()


def test_a_reader_takes_what_is_free_and_keeps_what_it_was_given(tmp_path: Path) -> None:
    """A folder that nobody drives any more is not taken over from anyone; the ceiling of the one who read holds then."""
    log, turn = take_if_free(tmp_path, simulated=True)
    with kn.Lab(tmp_path, simulate=True, daily_budget=3) as lab:
        assert lab.daily_budget is None
        assert lab.plan(sweep("fox")).buys
        turn.release()
        log.close()
        assert "is driven from here now; no other process was driving it" in lab.take_over()
        assert 3 == lab.daily_budget
        assert 1 == Holder.read(lab._opened.log.fact("driver")).epoch
    with pytest.raises(LabError, match="was closed"):
        lab.take_over()


AWAKE = """
import sys
import kling_nb as kn
lab = kn.Lab(sys.argv[1])
run = lab.start(kn.Sweep(prompt=["fox"], model="kling-v2-5-turbo", mode="pro", duration=5, provider="fal"),
                name="a", show=False)
try:
    run.wait()
except Exception as error:
    print(error, flush=True)
sys.stdin.read()
"""
"""Starts a clip at fal, which knows no id of ours, and says what it was told when its turn was taken."""


def test_an_awake_driver_hears_the_answer_that_it_waits_for(tmp_path: Path) -> None:
    """Its turn taken while fal's answer is on the way, a driver that is awake tells the id, which is all there is."""
    with live_lab(tmp_path / "live", Fault(action="late", seconds=3)) as live:
        live.lab.close()
        with process(AWAKE, str(live.lab.folder)) as one:
            when(lambda: len(live.simulator.ledger()) == 1)
            lab = live.lab = live.open()
            lab.take_over()
            (charge,) = live.simulator.ledger()
            (doubtful,) = lab.uncertain()
            assert "it may have sent it" in doubtful.task.reason
            assert ".look_again()" not in doubtful.task.reason
            assert one.stdout is not None
            said = one.stdout.readline()
            assert f"fal accepted {doubtful.task.id} as {charge.task_id}" in said
            assert f"took over {lab.folder}" in said
            doubtful.accepted_as(charge.task_id)
            assert {"saved": 1} == lab.run("a").wait(30).snapshot().counts
            assert 1 == len(live.simulator.ledger())
