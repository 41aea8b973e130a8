"""The lock file of a driver that sleeps is deleted, by a person or a program that tidies: nobody sees the sleeper."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from labs import Live, live_lab
from test_two_kernels import driver, woken

from kling_nb.engine.turn import take_if_free
from kling_nb.engine.who import Holder, may_send
from kling_nb.errors import LabBusy

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGSTOP, and no file in use is deleted")


def delete_locks(folder: Path) -> None:
    """Delete every lock file of a folder."""
    for lock in folder.glob(".driver*.lock"):
        lock.unlink()


def bought_once(live: Live) -> None:
    """Check that the task which nobody sent is bought once, now that whoever might have sent it is gone."""
    lab = live.lab
    lab.uncertain()[0].look_again()
    assert {"saved": 1} == lab.run("a").resume().wait(60).snapshot().counts
    assert 1 == len(live.simulator.ledger())


@pytest.mark.parametrize("where", ["intent", "connected", "headed"])
def test_the_lock_of_a_sleeper_is_deleted(tmp_path: Path, where: str) -> None:
    """Right before its paid call it wakes and sends nothing; until it has ended its task's absence proves nothing."""
    with live_lab(tmp_path / "live", speed=1200) as live, driver(live, "fox", where=where) as one:
        delete_locks(live.lab.folder)
        for _ in range(2):
            live.lab = live.reopen()
            run = live.lab.run("a").resume().wait(60)
            assert {"uncertain": 1} == run.snapshot().counts
            assert f"process {one.pid} on" in run.tasks[0].reason
            assert f"end that process (kill -9 {one.pid}), then .look_again()" in run.tasks[0].reason
        woken(one)
        assert not live.simulator.ledger()
        bought_once(live)


def test_all_locks_are_deleted_after_a_take_over(tmp_path: Path) -> None:
    """Neither the sleeper's lock nor the new driver's own is needed to know who may send the task yet."""
    with live_lab(tmp_path / "live", speed=1200) as live, driver(live, "fox", where="intent") as one:
        lab = live.lab = live.open()
        lab.take_over()
        delete_locks(lab.folder)
        run = lab.run("a").resume().wait(60)
        lab.uncertain()[0].look_again()
        assert {"uncertain": 1} == run.wait(60).snapshot().counts
        one.send_signal(signal.SIGCONT)
        one.communicate(timeout=30)  # it has lost its turn, and takes one again, since it sees nobody either
        assert not live.simulator.ledger()
        live.reopen()
        bought_once(live)


def test_a_killed_process_without_a_lock_is_gone(tmp_path: Path) -> None:
    """Of a process that has ended on this machine nothing is left to wait for, with its lock or without it."""
    with live_lab(tmp_path / "live", speed=1200) as live, driver(live, "fox", where="intent") as one:
        one.kill()
        one.wait()
        delete_locks(live.lab.folder)
        live.lab = live.open()
        assert {"saved": 1} == live.lab.run("a").resume().wait(60).snapshot().counts
        assert 1 == Holder.read(live.lab._opened.log.fact("driver")).epoch
        assert 1 == len(live.simulator.ledger())


def test_beside_a_deleted_lock_another_drives(tmp_path: Path) -> None:
    """A driver whose lock file is gone or another looks into the log, and goes on while that still names it."""
    log, turn = take_if_free(tmp_path, simulated=True)
    try:
        delete_locks(tmp_path)
        turn.check()
        (tmp_path / ".driver.lock").touch()
        turn.check()
        log.guard("driver", turn.holder.text(), lambda _: AssertionError("not the guard of this test"))
        log.set_fact("driver", Holder.here(1, ()).text())
        with pytest.raises(LabBusy, match="took over"):
            turn.check()
    finally:
        turn.release()
        log.close()


def test_a_process_is_named_where_its_number_means_it() -> None:
    """The command that ends a process is told only on its own machine, and while that process is alive."""
    here = replace(Holder.here(1, ()), pid=os.getppid())
    assert f"(kill -9 {here.pid})" in may_send(here)
    away = replace(here, host="elsewhere")
    assert "end that process on elsewhere, then" in may_send(away)
    gone = replace(here, pid=2**22 + 1)
    assert "end whatever has the folder open in its place, then" in may_send(gone)
    assert [False, False, True, True] == [who.is_gone for who in (here, away, gone, Holder())]
