"""Opening a lab again, after any end: what was sent is followed and fetched, and nothing is submitted by opening."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from labs import PRICE, Live, Open, in_state, ledger, live_lab, process, start, sweep, until

import kling_nb as kn
from kling_nb.errors import LabBusy, LabError, LabMode
from kling_nb.simulator import Fault
from tests.forking import Piped

PROMPTS = tuple(f"fox {n}" for n in range(4))
START = """
import sys, kling_nb as kn
lab = kn.Lab(sys.argv[1])
run = lab.start(kn.Sweep(prompt=sys.argv[2:], model="kling-v2-5-turbo", mode="std", duration=5, provider="kling"),
                name="a", show=False, budget=1)
run.wait()
"""


def when(happened: Callable[[], bool], one: Piped) -> None:
    """Wait until something happened in another process."""
    end = time.monotonic() + 30
    while not happened():
        assert one.poll() is None, one.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.005)


def killed(live: Live, happened: Callable[[], bool], *prompts: str, code: str = START) -> None:
    """Start a sweep in another process, and kill that at a moment."""
    live.lab.close()
    with process(code, str(live.lab.folder), *prompts) as one:
        when(happened, one)
        one.send_signal(signal.SIGKILL)
        one.wait()


def agrees(live: Live) -> None:
    """Check that the ledger and the log tell the same: nothing was charged twice, and nothing that the log lacks."""
    tasks = live.lab.log.tasks().set_index("task")
    own_ids = [charge.own_id for charge in live.simulator.ledger()]
    assert len(own_ids) == len(set(own_ids))
    assert set(own_ids) == set(tasks.index[tasks["spent_usd"] > 0])
    assert not list((live.lab.folder / "clips").glob("*.part"))


MOMENTS = {
    "the POST hangs and never arrives": (Fault(action="hang", seconds=60, times=None, prompt="fox 0"), "fox 0"),
    "the POST arrived, its answer is on the way": (Fault(action="late", seconds=60, prompt="fox 0"), "fox 0"),
    "in a download": (Fault(action="slow", seconds=60), "fox 0"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_the_worst_moment(tmp_path: Path, moment: str) -> None:
    """Killed while a task is submitted, or fetched, the lab goes on from the log: found, or never bought; never twice."""
    fault, prompt = MOMENTS[moment]
    with live_lab(tmp_path / "live", fault) as live:
        folder = live.lab.folder
        store = live.simulator._world.store
        arrived = {
            "the POST hangs and never arrives": lambda: store._run("SELECT count(*) FROM fault_uses", ())[0][0] > 0,
            "the POST arrived, its answer is on the way": lambda: store.count("1", ()) > 0,
            "in a download": lambda: bool(list((folder / "clips").glob("*.part"))),
        }[moment]
        killed(live, arrived, prompt)
        lab = live.lab = live.open()
        run = lab.run("a").wait(20)
        if "never arrives" in moment:
            assert {"planned": 1} == run.snapshot().counts
            assert {1: "failed", 2: "planned"} == dict(
                zip(lab.log.tasks()["attempt"], lab.log.tasks()["state"], strict=True)
            )
            assert "not resumed since the lab was opened" in str(run.held)
            assert not live.simulator.ledger()
            live.simulator._world.faults._script.clear()
            run.resume().wait(20)
        assert {"saved": 1} == run.snapshot().counts
        agrees(live)


def test_killed_where_nothing_can_be_looked_up(tmp_path: Path) -> None:
    """What was being submitted is put before a person, who is told what can be done, and is not bought again."""
    at_fal = START.replace('mode="std"', 'mode="pro"').replace('provider="kling"', 'provider="fal"')
    with live_lab(tmp_path / "live", Fault(action="late", seconds=60)) as live:
        killed(live, lambda: live.simulator._world.store.count("1", ()) > 0, "fox", code=at_fal)
        lab = live.lab = live.open()
        (doubtful,) = lab.uncertain()
        assert "the process that submitted it ended" in doubtful.task.reason
        assert doubtful.task.reason.endswith("lab.uncertain() shows what can be done")
        assert ["doubt"] == list(lab.run("a").df["cause"])
        assert {"uncertain": 1} == lab.run("a").wait(10).snapshot().counts
        assert 1 == len(live.simulator.ledger())


def test_killed_in_the_middle_of_a_sweep(tmp_path: Path) -> None:
    """Opened again, what was sent is saved without a word, what was not sent waits until the same cell runs again."""
    with live_lab(tmp_path / "live", speed=60, slots={"kling": 2}) as live:
        store = live.simulator._world.store
        killed(live, lambda: store.count("1", ()) >= 2, *PROMPTS)
        lab = live.lab = live.open()
        live.simulator._world.now.speed = 300
        until(lab.run("a"), in_state("saved", 2), 30)
        assert {"saved": 2, "planned": 2} == lab.run("a").wait(10).snapshot().counts
        assert 2 == len(live.simulator.ledger())
        plan = lab.plan(sweep(*PROMPTS))
        assert (2, 2 * PRICE["kling"]) == (len(plan.buys), plan.high)
        run = start(lab, sweep(*PROMPTS), name="a").wait(30)
        assert {"saved": 4} == run.snapshot().counts
        assert 4 == len(live.simulator.ledger()) == sum(lab.log.tasks()["state"] == "saved")
        assert 1 == run.snapshot().budget
        agrees(live)


def test_closing_detaches(simulated: Open) -> None:
    """A lab that is closed in the middle cancels nothing; opened again it fetches, and resume buys the rest."""
    lab = simulated(speed=60)
    start(lab, sweep(*(f"fox {n}" for n in range(7))), name="a")
    until(lab.run("a"), in_state("queued", 5))
    lab.close()
    lab = simulated()
    run = lab.run("a").wait()
    assert {"saved": 5, "planned": 2} == run.snapshot().counts
    assert 5 == len(ledger(lab))
    assert {"saved": 7} == run.resume().wait().snapshot().counts
    assert 7 == len(ledger(lab))


def test_a_lab_that_another_closed_says_so(simulated: Open) -> None:
    """A folder closed by one lab object can be read by another, and its handles; to drive it is one sentence."""
    lab, other = simulated(), simulated()
    run = start(lab, sweep("fox", "boat #sim:lost", provider="fal"), name="a").wait()
    doubtful = lab.uncertain()[0]
    other.close()

    assert (2, 2, "a") == (len(lab.df()), len(run.df), lab.runs()["run"].item())
    assert {"saved": 1, "uncertain": 1} == run.wait().snapshot().counts
    acts = [lambda: start(lab, sweep("owl")), lambda: lab.run("a"), lambda: lab.rate(run.tasks[0].id, 1), lab.uncertain]
    acts += [run.pause, run.resume, run.cancel, run.retry, doubtful.look_again, doubtful.give_up, doubtful.buy_again]
    for act in acts:
        with pytest.raises(LabError, match=r"this lab on .* was closed; kn.Lab\(.*\) opens it again"):
            act()
    assert {"saved": 1, "uncertain": 1} == simulated().log.counts()


def test_leaving_the_interpreter_detaches(tmp_path: Path) -> None:
    """A process that ends with a run under way ends at once and without a word, and cancels nothing."""
    code = (
        "import sys, kling_nb as kn\n"
        "lab = kn.Lab(sys.argv[1], simulate=kn.Simulation(speed=1))\n"
        "run = lab.start(kn.Sweep(prompt=['a', 'b'], model='kling-v2-5-turbo', duration=5), show=False)\n"
    )
    with process(code, str(tmp_path / "lab")) as one:
        out, err = one.communicate(timeout=30)
        assert (0, "", "") == (one.returncode, out, err)
    with kn.Lab(tmp_path / "lab", simulate=True) as lab:
        assert not set(lab.log.tasks()["state"]) & {"cancelled", "failed"}


def test_a_piece_of_a_clip_is_removed_at_opening(simulated: Open) -> None:
    """What a killed download left behind is gone when the lab is opened by its driver."""
    lab = simulated()
    lab.close()
    piece = lab.folder / "clips" / "kn-0.mp4.part"
    piece.write_bytes(b"half")
    simulated()
    assert not piece.exists()


def test_another_process_reads_and_does_not_drive(tmp_path: Path) -> None:
    """While one process drives a folder another may read; to start is an error that says who drives, since when."""
    holder = (
        "import sys, math, kling_nb as kn\n"
        "lab = kn.Lab(sys.argv[1], simulate=kn.Simulation(speed=math.inf))\n"
        "lab.generate('fox', model='kling-v2-5-turbo', mode='std')\n"
        "print('ready', flush=True); sys.stdin.read()\n"
    )
    folder = tmp_path / "lab"
    with process(holder, str(folder)) as one:
        assert "ready\n" == one.stdout.readline()
        piece = folder / "clips" / "kn-0.mp4.part"
        piece.write_bytes(b"half")
        lab = kn.Lab(folder, simulate=kn.Simulation(speed=float("inf")))
        try:
            assert ["saved"] == list(lab.df()["state"])
            assert f"read only: driven by process {one.pid} on" in repr(lab)
            for act in (lambda: start(lab, sweep("boat")), lab.run("generate").resume, lambda: lab.rate("kn-0", 1)):
                with pytest.raises(
                    LabBusy, match=rf"driven by process {one.pid} on .* since 20\d\d-.*, last heard \d s ago"
                ):
                    act()
            assert piece.exists()
            one.stdin.close()
            one.wait(30)
            lab = kn.Lab(folder, simulate=kn.Simulation(speed=float("inf")))
            assert {"saved": 1} == start(lab, sweep("boat")).wait().snapshot().counts
        finally:
            lab.close()


def test_a_lab_opens_without_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under way waits for a key that is missing at opening; it is no failure, and nothing else stops."""
    with live_lab(tmp_path / "live", speed=60) as live:
        start(live.lab, sweep("fox", "owl"), name="kling")
        start(live.lab, sweep("boat", provider="fal"), name="fal")
        until(live.lab.run("kling"), in_state("queued", 2))
        until(live.lab.run("fal"), lambda tasks: all(task.ticket for task in tasks))
        live.lab.close()
        monkeypatch.delenv("KLING_NB_KLING_KEY")
        monkeypatch.setenv("KLING_NB_SPEED", "300")
        live.simulator._world.now.speed = 300
        lab = live.lab = live.open()
        assert {"saved": 1} == lab.run("fal").wait(30).snapshot().counts
        run = lab.run("kling")
        until(run, lambda tasks: all("KLING_NB_KLING_KEY" in task.reason for task in tasks))
        monkeypatch.setenv("KLING_NB_KLING_KEY", live.simulator.key("kling"))
        assert {"saved": 2} == run.wait(30).snapshot().counts
        assert 3 == len(live.simulator.ledger())


def test_a_provider_that_is_gone_leaves_the_others_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task of a provider that is no longer configured stalls with the reason, and the rest of the lab goes on."""
    with live_lab(tmp_path / "live", speed=60) as live:
        live.lab.close()
        relays = tmp_path / "relays.toml"
        relays.write_text(f'[provider.my-relay]\ndialect = "native"\nbase_url = "{live.base}"\nper_check = 30\n')
        monkeypatch.setenv("KLING_NB_MY_RELAY_KEY", "api-key-kling-simulated-000000000000000000000000")
        with kn.Lab(live.lab.folder, providers=relays) as lab:
            run = start(lab, sweep("fox", provider="my-relay"), name="relay", assume_price=1)
            until(run, in_state("queued"))
        monkeypatch.setenv("KLING_NB_SPEED", "300")
        live.simulator._world.now.speed = 300
        with kn.Lab(live.lab.folder) as lab:
            run = lab.run("relay").wait(20)
            assert "stalled" == run.tasks[0].state
            assert "there is no provider 'my-relay'" in run.tasks[0].reason
            assert {"saved": 1} == start(lab, sweep("boat")).wait(20).snapshot().counts
        with kn.Lab(live.lab.folder, providers=relays) as lab:
            until(lab.run("relay"), in_state("saved"))
        assert 2 == len(live.simulator.ledger())


def test_a_lab_is_simulated_or_live_for_life(simulated: Open) -> None:
    """A folder opened the other way is an error with one sentence, in the same process and in a new one."""
    lab = simulated()
    for _ in range(2):
        with pytest.raises(LabMode, match="is a simulated lab and cannot be opened live: add simulate=True"):
            kn.Lab(lab.folder)
        lab.close()


def test_a_folder_that_cannot_be_used_is_told_in_one_sentence(tmp_path: Path) -> None:
    """A folder below a file, and a log that is no database, are errors of the lab, and nothing is changed."""
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(LabError, match=r"expected a writable folder.*; nothing was sent; choose another folder"):
        kn.Lab(tmp_path / "file" / "lab", simulate=True)
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "log.sqlite").write_text("no database, but a text that is long enough to be looked at " * 20)
    for _ in range(2):
        with pytest.raises(LabError, match=r"cannot be opened as a log.*; move it away, or choose another folder"):
            kn.Lab(folder, simulate=True)
