"""An address, a key or a file that was wrong and is corrected in the same kernel: it holds from the next step on."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from labs import Live, Open, agrees, in_state, live_lab, start, sweep, until

import kling_nb as kn
from kling_nb.errors import InputError, KeyMissing
from kling_nb.keys import base_url_variable, key_variable
from kling_nb.simulator import Fault

ADDRESS, KEY = base_url_variable("kling"), key_variable("kling")
WHAT = sweep("a fox", "an owl")
WRONG = {"kling": "0123456789abcdef:0123456789abcdef"}
RELAY = """
[provider.mine]
title = "My own"
dialect = "falqueue"
base_url = "{base_url}"
key = "raw"
slots = {slots}

[price.mine.per_clip]
kling-v2-5-turbo = "0.11"
"""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """Play all providers over a real socket, and open a live lab."""
    with live_lab(tmp_path / "lab") as opened:
        yield opened


@pytest.fixture
def right(live: Live) -> dict[str, str]:
    """Return the key that Kling takes, as ``keys=``."""
    return {"kling": live.simulator.key("kling")}


def retried(lab: kn.Lab, run: kn.Run) -> kn.Run:
    """Buy again what failed."""
    assert lab.plan(WHAT).points[0].provider == "kling"
    return run.retry()


def opened_again(lab: kn.Lab, run: kn.Run) -> kn.Run:
    """Run every cell again, as after a correction."""
    lab = kn.Lab(lab.folder)
    start(lab, WHAT, name=run.name)
    return lab.run(run.name).retry()


@pytest.mark.parametrize("again", [retried, opened_again])
def test_a_wrong_path_is_told_and_corrected(
    live: Live, monkeypatch: pytest.MonkeyPatch, again: Callable[[kn.Lab, kn.Run], kn.Run]
) -> None:
    """Nothing is where the points were sent: each says so and names the variable; corrected, they are bought, each once."""
    here = f"{live.base}{live.simulator.path('kling')}"
    monkeypatch.setenv(ADDRESS, f"{here}/no/such/path")
    run = start(live.lab, WHAT, name="a").wait(30)
    assert {("failed", "address", False)} == {(task.state, task.cause, task.charged) for task in run.tasks}
    assert f"check the address, {here}/no/such/path ({ADDRESS} sets it)" in run.tasks[0].reason

    monkeypatch.setenv(ADDRESS, here)
    again(live.lab, run).wait(30)

    assert ["saved", "saved"] == [*live.lab.run("a").df.state]
    agrees(live)


def test_a_wrong_host_is_told_and_corrected(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points that could not be sent are sent to the corrected address when the run is resumed."""
    here = f"{live.base}{live.simulator.path('kling')}"
    monkeypatch.setenv(ADDRESS, "http://127.0.0.1:9/kling")
    run = start(live.lab, WHAT, name="a").wait(30)
    assert "cannot be reached: " in str(run.held)
    assert f"and the address, http://127.0.0.1:9/kling ({ADDRESS} sets it); then run.resume()" in str(run.held)

    monkeypatch.setenv(ADDRESS, here)
    run.resume().wait(30)

    assert ["saved", "saved"] == [*run.df.state]
    agrees(live)


def test_a_page_at_the_address_is_told_and_corrected(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step that is told leads to the clip: the address, what the console shows, and another try."""
    live.simulator.add_fault(Fault(action="http", status=200, body="<html>Welcome</html>", times=99))
    run = start(live.lab, sweep("a fox"), name="a")
    until(run, in_state("uncertain"))
    assert f"check the address, {live.base}{live.simulator.path('kling')} ({ADDRESS} sets it)" in run.tasks[0].reason

    with live_lab(live.lab.folder.parent / "other") as other:
        monkeypatch.setenv(ADDRESS, other.base + other.simulator.path("kling"))
        monkeypatch.setenv(KEY, other.simulator.key("kling"))
        live.lab.uncertain()[0].never_bought()
        assert "run.retry() buys it" in run.tasks[0].reason
        run.retry().wait(30)

        assert ["saved"] == [*run.df.state]
        assert (0, 1) == (len(live.simulator.ledger()), len(other.simulator.ledger()))


def test_a_wrong_host_is_told_where_a_credential_is_fetched_first(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chanjing is not reached for its token already: its address is named all the same."""
    address = base_url_variable("chanjing")
    monkeypatch.setenv(address, "http://127.0.0.1:9")
    what = sweep("a fox", provider="chanjing")
    run = start(live.lab, what, name="a", assume_price="official").wait(30)
    assert f"and the address, http://127.0.0.1:9 ({address} sets it); then run.resume()" in str(run.held)

    monkeypatch.setenv(address, live.base + live.simulator.path("chanjing"))
    run.resume().wait(30)

    assert ["saved"] == [*run.df.state]
    agrees(live)


def test_an_address_that_cannot_be_read_changes_nothing(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused where a person asks to go on, and the run stays as it was."""
    run = start(live.lab, WHAT, name="a").pause()
    monkeypatch.setenv(ADDRESS, "ftp://example.org")

    with pytest.raises(InputError, match=ADDRESS):
        run.resume()

    assert run.snapshot().state == "paused"


def test_a_wrong_key_is_corrected_where_it_was_given(
    live: Live, right: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell that opens the lab is corrected and run again, and so is the one that starts the run."""
    monkeypatch.delenv(KEY)
    run = start(kn.Lab(live.lab.folder, keys=WRONG), WHAT, name="a").wait(30)
    assert "correct the key of 'kling' in kn.Lab(…, keys=…) and run that again; then run.resume()" in str(run.held)

    run = start(kn.Lab(live.lab.folder, keys=right), WHAT, name="a").wait(30)

    assert ["saved", "saved"] == [*run.df.state]
    agrees(live)


def test_a_wrong_key_is_corrected_in_the_file_that_it_is_from(
    live: Live, tmp_path: Path, right: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is named, and the same handle goes on when it is corrected and the run is resumed."""
    monkeypatch.delenv(KEY)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / ".env"
    file.write_text(f"{KEY}={WRONG['kling']}")
    run = start(live.lab, WHAT, name="a").wait(30)
    assert f"correct the key: it is from {KEY} in .env; then run.resume()" in str(run.held)
    assert str(tmp_path) not in live.lab.export(tmp_path / "page").read_text()

    file.write_text(f"{KEY}={right['kling']}")
    run.resume().wait(30)

    assert ["saved", "saved"] == [*run.df.state]
    agrees(live)


def test_a_key_that_is_corrected_while_a_task_is_asked_about_is_used(
    live: Live, right: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was bought is asked about again automatically, as its reason says: with the key that is there by then."""
    run = start(live.lab, sweep("a fox"), name="a")
    until(run, lambda tasks: tasks[0].ticket is not None)
    live.lab.close()
    monkeypatch.setenv(KEY, WRONG["kling"])
    run = live.reopen().run("a")
    until(run, lambda tasks: "it is asked again automatically" in tasks[0].reason)

    monkeypatch.setenv(KEY, right["kling"])
    run.wait(30)

    assert ["saved"] == [*run.df.state]
    agrees(live)


def test_a_look_into_the_folder_takes_no_key_away(
    live: Live, right: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lab that is opened on the folder without keys leaves those that were given before."""
    monkeypatch.delenv(KEY)
    run = start(kn.Lab(live.lab.folder, keys=right), WHAT, name="a").pause()
    kn.Lab(live.lab.folder).df()

    run.resume().wait(30)

    assert ["saved", "saved"] == [*run.df.state]


def test_a_corrected_file_counts_and_a_look_takes_it_not_away(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of a person's own is read anew when the lab is opened with it, its slots too; without it, it stays."""
    monkeypatch.setenv(key_variable("mine"), live.simulator.key("fal"))
    rows, folder = tmp_path / "mine.toml", live.lab.folder
    rows.write_text(RELAY.format(base_url="http://127.0.0.1:9", slots=1))
    what = sweep("a fox", "an owl", provider="mine", mode="pro")
    assert "cannot be reached" in str(start(kn.Lab(folder, providers=rows), what, name="a").wait(30).held)

    rows.write_text(RELAY.format(base_url=live.base + live.simulator.path("fal"), slots=7))
    lab = kn.Lab(folder, providers=rows)
    kn.Lab(folder)
    run = start(lab, what, name="a").wait(30)

    assert ["saved", "saved"] == [*run.df.state]
    assert lab._opened.driving()._accounts.slots("mine", "kling-v2-5-turbo")[1] >= 7


def test_what_was_sent_to_the_old_address_is_not_bought_at_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A submit in doubt is not looked for elsewhere: it stays in doubt, and nothing is bought in its place."""
    with (
        live_lab(tmp_path / "other", speed=100) as other,
        live_lab(tmp_path / "lab", Fault(action="lost"), speed=100) as live,
    ):
        run = start(live.lab, sweep("a fox"), name="a")
        until(run, in_state("uncertain"))

        monkeypatch.setenv(ADDRESS, other.base + other.simulator.path("kling"))
        start(live.lab, sweep("a fox"), name="a")
        run.wait(60)

        assert [("uncertain", 1)] == [(task.state, task.attempt) for task in run.tasks]
        assert (len(live.simulator.ledger()), other.simulator.ledger()) == (1, [])


def test_another_speed_holds_at_once(simulated: Open, caplog: pytest.LogCaptureFixture) -> None:
    """A simulated lab that is opened again with another speed goes on at that; its seed stays, and that is said."""
    run = start(simulated(speed=1), WHAT, name="a")
    assert run.is_moving

    simulated(speed=math.inf, seed=9)
    simulated(speed=math.inf, seed=9)

    assert ["saved", "saved"] == [*run.wait(30).df.state]
    assert caplog.text.count("simulated with seed=7, which stays") == 2


def test_a_fast_clock_asks_no_other_machine(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab opened with KLING_NB_SPEED stays on this machine: a real address is refused until it is opened again."""
    run = start(live.lab, sweep("a fox"), name="a").pause()
    monkeypatch.setenv(ADDRESS, "http://192.0.2.1")

    for again in (run.resume, run.retry, lambda: start(live.lab, sweep("a fox", "an owl"), name="a")):
        with pytest.raises(InputError, match=r"KLING_NB_SPEED.*nothing was changed.*lab\.close\(\)"):
            again()

    assert ("paused", 1) == (run.snapshot().state, len(run.tasks))


def test_a_look_into_the_folder_changes_no_account(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that was given by hand holds against one in the environment, though a lab without it is opened meanwhile."""
    right = {"kling": live.simulator.key("kling")}
    monkeypatch.setenv(KEY, WRONG["kling"])
    run = start(kn.Lab(live.lab.folder, keys=right), sweep("a fox"), name="a").pause()
    kn.Lab(live.lab.folder).df()

    run.resume().wait(30)

    assert ["saved"] == [*run.df.state]


def test_a_lab_buys_with_its_own_key(live: Live) -> None:
    """A wrong key given by hand is corrected by leaving it out, and a lab with the right one buys with that."""
    wrong, folder = kn.Lab(live.lab.folder, keys=WRONG), live.lab.folder
    assert "kling (key)" in str(start(wrong, sweep("a fox"), name="a").wait(30).held)
    assert ["saved"] == [*start(kn.Lab(folder), sweep("a fox"), name="a").wait(30).df.state]

    right = kn.Lab(folder, keys={"kling": live.simulator.key("kling")})
    kn.Lab(folder, keys=WRONG)
    assert ["saved"] == [*start(right, sweep("an owl"), name="b").wait(30).df.state]


def test_what_is_under_way_is_followed_past_a_file_without_its_provider(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lab opened with another file does not stall what was bought by the rows of the one before."""
    monkeypatch.setenv(key_variable("mine"), live.simulator.key("fal"))
    rows, others = tmp_path / "mine.toml", tmp_path / "theirs.toml"
    rows.write_text(RELAY.format(base_url=live.base + live.simulator.path("fal"), slots=2))
    others.write_text(RELAY.replace("mine", "theirs").format(base_url="http://127.0.0.1:9", slots=2))
    what = sweep("a fox", "an owl", provider="mine", mode="pro")
    run = start(kn.Lab(live.lab.folder, providers=rows), what, name="a")
    until(run, lambda tasks: all(task.ticket is not None for task in tasks))

    kn.Lab(live.lab.folder, providers=others)

    assert ["saved", "saved"] == [*run.wait(60).df.state]


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes no folder that a process works in")
def test_a_working_directory_that_is_gone_is_no_obstacle(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not in the environment is not found there, which is said; what is set goes on."""
    run = start(live.lab, sweep("a fox"), name="a").pause()
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    here, key = os.environ[ADDRESS], os.environ[KEY]
    monkeypatch.delenv(KEY)
    monkeypatch.delenv(ADDRESS)
    with pytest.raises(KeyMissing, match="working directory, which is gone"):
        start(live.lab, sweep("an owl"), name="b")

    monkeypatch.setenv(KEY, key)
    monkeypatch.setenv(ADDRESS, here)
    assert ["saved"] == [*run.resume().wait(30).df.state]
