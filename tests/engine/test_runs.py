"""Runs: what a sweep buys, what a second start buys, and how a run is steered."""

from __future__ import annotations

import _thread
import asyncio
import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from labs import CHEAP, Open, ledger, listen, live_lab, start, sweep, until

import kling_nb as kn
from kling_nb.engine.control import Control
from kling_nb.errors import InputError, LabBusy, OverBudget, ProviderError
from kling_nb.simulator import Fault
from kling_nb.states import FOLLOWED, TaskState
from kling_nb.task import Event, Task
from kling_nb.views.standing import standing


def test_the_table_of_runs_says_what_their_panels_say(simulated: Open) -> None:
    """A run's state is a word that a person can act on, the same in the table as in its panel."""
    lab = simulated()
    runs = [
        start(lab, sweep("fox"), name="finished").wait(),
        start(lab, sweep("boat", "owl #sim:reset", provider="fal"), name="needs a look").wait(),
        start(lab, sweep("bear"), name="cancelled"),
    ]
    runs[2].cancel()
    runs[2].wait()
    said = dict(zip(lab.runs()["run"], lab.runs()["state"], strict=True))
    assert {run.name: standing(run.snapshot()).stage for run in runs} == said
    assert all(name == state for name, state in said.items())


def test_a_run_that_waits_to_send_is_under_way(tmp_path: Path) -> None:
    """Pushed back, or not sent yet, its points are all planned, and it goes on by itself; until it is held."""
    full = Fault(action="http", operation="submit", status=429, body="", times=None)
    with live_lab(tmp_path / "lab", full, speed=20) as live:
        run = start(live.lab, sweep("fox"), name="a")
        # Often enough that the wait for the next try is long: a submit that is cut off by closing would be in doubt.
        until(run, lambda _: sum(live.lab.log.events(run.tasks[0].id)["kind"] == "pushed_back") >= 5)
        assert ["running"] == list(live.lab.runs()["state"])
        live.reopen()
        assert ["waiting"] == list(live.lab.runs()["state"])
        with pytest.raises(OverBudget):
            start(live.lab, sweep("fox", "owl"), name="a", budget="0.01")
        assert ["waiting"] == list(live.lab.runs()["state"])


# -- Run All is free ------------------------------------------------------------------------------------------------


def test_a_sweep_ends_saved(simulated: Open) -> None:
    """Every point of a sweep ends saved, with its clip in the lab folder, and nothing stays reserved."""
    lab = simulated()
    run = start(lab, sweep("fox", "boat", provider=["kling", "fal"], mode="pro")).wait()
    frame = run.df
    assert ["saved"] * 4 == list(frame["state"])
    assert all((lab.folder / clip).is_file() for clip in frame["clip"])
    assert 0 == run.snapshot().reserved
    assert "at rest" == run.snapshot().state
    assert not list((lab.folder / "clips").glob("*.part"))


def test_the_same_cell_again_buys_nothing(simulated: Open) -> None:
    """Starting the same sweep again, under its name or another, submits nothing."""
    lab = simulated()
    for name in ("a", "a", "b", None):
        assert {"saved"} == set(start(lab, sweep("fox", "boat"), name=name).wait().df["state"])
    assert 2 == len(ledger(lab))
    assert 2 == len(lab.log.tasks())


def test_the_same_cell_in_a_new_process_buys_nothing(simulated: Open) -> None:
    """A lab that is opened anew knows what was bought before."""
    lab = simulated()
    start(lab, sweep("fox"), name="a").wait()
    lab.close()
    lab = simulated()
    assert 0 == len(lab.plan(sweep("fox")).buys)
    start(lab, sweep("fox"), name="a").wait()
    lab.generate("fox", **CHEAP)
    assert 1 == len(ledger(lab))


def test_a_longer_sweep_buys_only_its_new_points(simulated: Open) -> None:
    """Extending an axis buys what is new on it, under the same name too."""
    lab = simulated()
    start(lab, sweep("fox"), name="a").wait()
    longer = sweep("fox", "boat")
    assert 1 == len(lab.plan(longer).buys)
    run = start(lab, longer, name="a").wait()
    assert (2, 2) == (len(run.df), len(ledger(lab)))


def test_a_name_that_gets_other_points_says_what_left_its_table(
    simulated: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """A cell run again with another prompt under the same name says that clips left, and how to see them."""
    lab = simulated()
    for prompts in (["fox"], ["fox"], ["fox", "boat"]):
        start(lab, sweep(*prompts), name="a").wait()
    assert "has other points" not in caplog.text
    start(lab, sweep("fox", "owl"), name="a").wait()
    assert "run 'a' has other points now: 1 clip bought before left its table" in caplog.text
    frame = lab.log.tasks()
    assert ["boat"] == [prompt for prompt in frame["prompt"] if prompt not in set(lab.df()["prompt"])]
    assert "3 saved" in repr(lab.compare(frame))


def test_a_name_that_is_bought_again_says_what_left_its_table(
    simulated: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """``fresh=True`` again under one name puts new clips in the places of those before, which is said, and how to see them."""
    lab = simulated()
    for name in ("a", "b"):
        start(lab, sweep("fox", "boat"), name=name, fresh=True).wait()
    assert "bought again" not in caplog.text
    start(lab, sweep("fox", "boat"), name="a", fresh=True).wait()
    assert "run 'a' was bought again: 2 clips bought before left its table" in caplog.text
    assert "other points" not in caplog.text
    assert "6 saved" in repr(lab.compare(lab.log.tasks()))
    caplog.clear()
    start(lab, sweep("fox", "owl"), name="a", fresh=True).wait()
    assert ["has other points now: 1 ", "was bought again: 1 "] == re.findall(r"(?:has|was) [a-z ]+: \d ", caplog.text)


def test_a_single_clip_that_is_bought_again_says_so(simulated: Open, caplog: pytest.LogCaptureFixture) -> None:
    """The run of single clips holds one of each, too."""
    lab = simulated()
    lab.generate("fox", **CHEAP)
    lab.generate("fox", sample=2, **CHEAP)
    assert "bought again" not in caplog.text
    lab.generate("fox", fresh=True, **CHEAP)
    assert "run 'generate' was bought again: 1 clip bought before" in caplog.text
    assert "another sample= keeps both" in caplog.text
    assert "name=" not in caplog.text


def test_what_was_never_bought_leaves_a_run_without_a_word(simulated: Open, caplog: pytest.LogCaptureFixture) -> None:
    """A refused point that is taken out of a run is nothing to look for."""
    lab = simulated()
    start(lab, sweep("fox", "x" * 9000), name="a").wait()
    start(lab, sweep("fox"), name="a").wait()
    assert "has other points" not in caplog.text


def test_points_that_become_the_same_request_share_a_task(simulated: Open) -> None:
    """Two points whose calls are the same are bought once, and stay bought once when the cell runs again."""
    lab = simulated()
    doubled = sweep("fox", watermark=[True, None], provider="fal")
    plan = lab.plan(doubled)
    assert (1, 0) == (len(plan.buys), plan.points[1].shares)
    for name in ("a", "a", "b"):
        assert {"saved"} == set(start(lab, doubled, name=name).wait().df["state"])
        assert 1 == len(ledger(lab))
    assert 0 == len(lab.plan(doubled).buys)


def test_a_point_that_was_served_by_anothers_task_is_not_bought_later(simulated: Open) -> None:
    """A point bought as another's is known as bought when it is asked for alone."""
    lab = simulated()
    start(lab, sweep("fox", watermark=[None, True], provider="fal"), name="a").wait()
    alone = sweep("fox", watermark=True, provider="fal")
    assert 0 == len(lab.plan(alone).buys)
    start(lab, alone, name="b").wait()
    assert 1 == len(ledger(lab))


def test_sharing_can_be_turned_off(simulated: Open) -> None:
    """With share=False two points that become the same request are bought each by itself, even after a shared start."""
    lab = simulated()
    doubled = sweep("fox", watermark=[None, True], provider="fal")
    start(lab, doubled, name="a").wait()
    assert 1 == len(lab.plan(doubled, share=False).buys)
    start(lab, doubled, name="b", share=False).wait()
    start(lab, doubled, name="b", share=False).wait()
    assert 2 == len(ledger(lab))


def test_a_refused_point_is_not_a_second_row(simulated: Open) -> None:
    """A point that is refused is written once, however often its cell runs."""
    lab = simulated()
    some = sweep("fox", duration=[5, 7])
    for _ in range(3):
        run = start(lab, some, name="a").wait()
    assert ["saved", "refused"] == list(run.df["state"])
    assert 2 == len(lab.log.tasks())
    assert 1 == len(ledger(lab))


def test_fresh_repeats_and_retry_buy_on_purpose(simulated: Open) -> None:
    """fresh=True, a higher repeats= and retry() are the ways to buy a point again."""
    lab = simulated()
    start(lab, sweep("fox"), name="a").wait()
    start(lab, sweep("fox"), name="b", fresh=True).wait()
    assert 2 == len(ledger(lab))
    run = start(lab, sweep("fox", repeats=2), name="c").wait()
    assert (3, 2) == (len(ledger(lab)), len(set(run.df["sha256"])))
    failing = start(lab, sweep("fox #sim:risk-control"), name="d").wait()
    start(lab, sweep("fox #sim:risk-control"), name="d").wait()
    assert ["failed"] == list(failing.df["state"])
    assert 4 == len(ledger(lab))
    assert 2 == failing.retry().wait().df["attempt"].item()
    assert 5 == len(ledger(lab))


def test_a_retry_never_takes_the_place_of_another_attempt(simulated: Open) -> None:
    """A retry of an old attempt is a new attempt, although a later one of the same point was bought elsewhere."""
    lab = simulated()
    prompt = "fox #sim:moderation:1"
    first = start(lab, sweep(prompt), name="a").wait()
    second = start(lab, sweep(prompt), name="b", fresh=True).wait()
    assert ["failed", "saved"] == [first.df["state"].item(), second.df["state"].item()]
    first.retry().wait()
    assert ["saved", "saved"] == [first.df["state"].item(), second.df["state"].item()]
    assert [1, 2, 3] == sorted(lab.log.tasks()["attempt"])
    assert 2 == len(ledger(lab))


def test_generate_returns_the_same_clip(simulated: Open) -> None:
    """The same call of generate returns the same clip and buys nothing; another sample is another clip."""
    lab = simulated()
    lab.generate("fox", **CHEAP)
    lab.generate("fox", **CHEAP)
    assert 1 == len(ledger(lab))
    lab.generate("fox", **CHEAP, sample=2)
    assert 2 == len(ledger(lab))
    assert 2 == len(lab.run("generate").df)


def test_single_clips_share_a_ceiling(simulated: Open) -> None:
    """A budget of `generate` counts what single clips have spent before, holds for the next, and a higher one lifts it."""
    lab = simulated()
    lab.generate("fox", budget=0.30, **CHEAP)
    for options in ({}, {"budget": 0.40}):
        with pytest.raises(OverBudget, match=r"of which \$0.21 is spent"):
            lab.generate("owl", **options, **CHEAP)
    lab.generate("fox", **CHEAP)
    lab.generate("owl", budget=0.50, **CHEAP)
    assert 2 == len(ledger(lab))


def test_generate_says_why_there_is_no_clip(simulated: Open) -> None:
    """A clip that the provider refuses is an error that says whose fault it is."""
    with pytest.raises(ProviderError, match="content policy"):
        simulated().generate("fox #sim:risk-control", **CHEAP)


def test_points_taken_out_of_a_run_are_not_bought(simulated: Open) -> None:
    """A run that is started again with other points cancels those that it no longer has and that were not sent."""
    lab = simulated(speed=60)
    run = start(lab, sweep(*(f"fox {n}" for n in range(12))), name="a")
    start(lab, sweep("boat"), name="a").cancel()
    states = lab.log.tasks()["state"]
    assert "planned" not in set(states)
    assert {"boat"} == set(run.df["prompt"])
    assert len(ledger(lab)) <= 6


# -- steering -------------------------------------------------------------------------------------------------------


def sent(count: int) -> Callable[[list[Task]], bool]:
    """Tell whether exactly so many tasks were accepted, none being on its way."""
    return lambda tasks: count == sum(task.state in FOLLOWED for task in tasks)


def test_cancel_keeps_what_was_paid_for(simulated: Open) -> None:
    """Cancel ends what was not sent; what was sent is unwanted, followed to its end, and its clip saved."""
    lab = simulated(speed=400)
    run = start(lab, sweep(*(f"fox {n}" for n in range(7))))
    until(run, sent(5))
    said = run.cancel()
    assert said.startswith("2 cancelled, 5 already paid for")
    run.wait()
    frame = run.df
    assert {"saved": 5, "cancelled": 2} == dict(frame["state"].value_counts())
    assert {True} == set(frame.loc[frame["state"] == "saved", "unwanted"])
    assert "cancelled" == run.snapshot().state


def test_resuming_says_what_stays_cancelled(simulated: Open, caplog: pytest.LogCaptureFixture) -> None:
    """Neither resuming nor buying again buys what was cancelled, and each says what does; without any it says nothing."""
    lab, what = simulated(speed=1), sweep(*(f"fox {n}" for n in range(7)))
    run = start(lab, what, name="a").pause().resume()
    until(run, sent(5))
    assert caplog.messages == []
    run.cancel()

    run.resume()

    stay = "2 points stay cancelled, which resuming does not undo; starting the sweep again buys what is missing"
    assert caplog.messages == [f"run 'a': {stay}"]
    run.retry()
    assert caplog.messages[1:] == [f"run 'a': {stay}".replace("resuming", "buying again what failed")]
    start(lab, what, name="a")
    states = [*run.df["state"]]
    assert (states.count("planned"), states.count("cancelled")) == (2, 0)


def test_cancel_in_a_queue_that_cancels(simulated: Open) -> None:
    """A task that waits in fal's queue is cancelled there, costs nothing, and is bought again when it is wanted again."""
    lab = simulated(speed=1)
    run = start(lab, sweep("fox", provider="fal"))
    until(run, sent(1))
    run.cancel()
    run.wait(timeout=5)
    assert not run.is_moving
    assert ["cancelled"] == list(run.df["state"])
    assert [True] == [charge.refunded for charge in ledger(lab)]
    assert 0 == run.snapshot().spent
    again = start(lab, sweep("fox", provider="fal"))
    until(again, sent(1))
    assert [1, 2] == list(lab.log.tasks()["attempt"])


def test_cancelling_without_the_key_stops_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that cancels and cannot be asked, since its key is gone, leaves the rest of the lab going on."""
    with live_lab(tmp_path / "live", speed=60) as live:
        run = start(live.lab, sweep("boat", provider="fal"), name="fal")
        until(run, lambda tasks: tasks[0].ticket is not None)
        live.lab.close()
        monkeypatch.delenv("KLING_NB_FAL_KEY")
        lab = live.lab = live.open()
        assert lab.run("fal").cancel().startswith("0 cancelled, 1 already paid for")
        monkeypatch.setenv("KLING_NB_SPEED", "300")
        live.simulator._world.now.speed = 300
        assert {"saved": 1} == start(lab, sweep("fox"), name="kling").wait(30).snapshot().counts
        assert lab.run("fal").tasks[0].unwanted
        lab.close()


def test_what_goes_on_meanwhile_is_not_bought_again(simulated: Open) -> None:
    """Retrying what has stalled leaves out a task that was reported on by then, and is settled for all at one moment."""
    lab = simulated()
    run = start(lab, sweep(*(f"fox {n} #sim:clip-html:99" for n in range(4)))).wait()
    assert {"stalled": 4} == run.snapshot().counts
    engine, woken = lab._opened.driving(), run.tasks[-1].id
    engine._loop.call(partial(engine.book.record, woken, "status", state="running", reason=""))
    planned: list[int] = []
    listen(lab, lambda event, _: planned.append(len(engine.book.tasks)) if event.kind == "planned" else None)
    run.retry(stalled=True)
    assert woken in [task.id for task in run.tasks]
    assert [7, 7, 7] == planned
    assert 7 == len(lab.log.tasks())


def test_pause_and_resume(simulated: Open) -> None:
    """A paused run submits nothing more and fetches what was sent; resume goes on to the end."""
    lab = simulated(speed=400)
    run = start(lab, sweep(*(f"fox {n}" for n in range(7))))
    until(run, sent(5))
    assert "paused" == run.pause().wait().snapshot().state
    assert "paused" == run.held
    while run.snapshot().reserved:
        run.wait(0.01)
    assert {"saved": 5, "planned": 2} == run.snapshot().counts
    assert {"saved": 7} == run.resume().wait().snapshot().counts


def test_a_paused_run_stays_paused_over_a_reopening(simulated: Open) -> None:
    """What a run was told is kept with it."""
    lab = simulated(speed=60)
    start(lab, sweep(*(f"fox {n}" for n in range(7))), name="a").pause()
    lab.close()
    run = simulated().run("a")
    run.wait()
    assert "paused" == run.snapshot().state


def test_as_completed_yields_each_task_once(simulated: Open) -> None:
    """as_completed yields every task once, as it comes to rest, and ends when nothing moves any more."""
    run = start(simulated(speed=2000), sweep(*(f"fox {n}" for n in range(6))))
    seen = list(run.as_completed())
    assert {TaskState.SAVED} == {task.state for task in seen}
    assert 6 == len(seen) == len({task.id for task in seen})
    assert seen == sorted(seen, key=lambda task: task.saved_at or 0)
    assert 6 == len(list(run.as_completed()))


def test_as_completed_leaves_out_what_is_bought_again_by_itself(simulated: Open) -> None:
    """An attempt that never arrived is followed by another by itself, and only that one comes to rest."""
    run = start(simulated(speed=2000), sweep("fox #sim:reset"))
    assert [(2, TaskState.SAVED)] == [(task.attempt, task.state) for task in run.as_completed()]


def test_a_run_can_be_awaited(simulated: Open) -> None:
    """`await run` waits on the caller's own loop without blocking it."""
    lab = simulated(speed=2000)

    async def both() -> tuple[kn.Run, int]:
        run, turns = start(lab, sweep("fox", "boat")), 0
        waiting = asyncio.ensure_future(_wait(run))
        while not waiting.done():
            await asyncio.sleep(0)
            turns += 1
        return await waiting, turns

    async def _wait(run: kn.Run) -> kn.Run:
        return await run

    run, turns = asyncio.run(both())
    assert ["saved", "saved"] == list(run.df["state"])
    assert turns > 1
    assert run is asyncio.run(_wait(run))


def test_an_awaited_run_can_be_interrupted(simulated: Open, capsys: pytest.CaptureFixture[str]) -> None:
    """A cell that awaits ends when it is interrupted, though that does not wake its loop; the run goes on."""
    lab = simulated(speed=60)
    waiting: list[asyncio.Future[kn.Run]] = []
    listen(lab, lambda _, task: task.state is TaskState.RUNNING and waiting[0].cancel())  # as ipykernel does

    async def wait() -> bool:
        run = start(lab, sweep("fox"), name="a")
        waiting.append(asyncio.ensure_future(_awaited(run)))
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
        return run.is_moving

    assert asyncio.run(wait())
    assert "stopped waiting; run 'a' goes on" in capsys.readouterr().err


async def _awaited(run: kn.Run) -> kn.Run:
    return await run


def test_wait_ends_at_its_timeout(simulated: Open) -> None:
    """wait(timeout=) returns the run when the time is over, and the run goes on."""
    run = start(simulated(speed=1), sweep("fox"))
    assert run is run.wait(timeout=0)
    assert run.is_moving


def test_an_interrupt_detaches(simulated: Open, capsys: pytest.CaptureFixture[str]) -> None:
    """An interrupt ends the waiting and not the run, and one sentence says how to end that."""
    run = start(simulated(speed=1), sweep("fox"), name="a")
    run._control.idle = Interrupting()
    with pytest.raises(KeyboardInterrupt):  # so that nothing after it in the cell is run, and no cell below
        run.wait()
    assert run.is_moving
    assert "stopped waiting; run 'a' goes on" in capsys.readouterr().err


def test_an_interrupt_between_two_tasks_detaches(simulated: Open, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever takes clips as they come in is told the same, and nobody listens for them any more."""
    run = start(simulated(speed=1), sweep("fox"), name="a")
    heard = run._control.heard[:]
    run._control.idle = InterruptedOnce(run._control)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        next(run.as_completed())
    assert (True, heard) == (run.is_moving, run._control.heard)
    assert "stopped waiting; run 'a' goes on" in capsys.readouterr().err


class Interrupting:
    """What a wait for a run meets when a person presses stop."""

    def wait(self, _: float) -> bool:
        """Interrupt."""
        raise KeyboardInterrupt

    def is_set(self) -> bool:
        """Say that the run goes on."""
        return False


def test_an_interrupted_start_says_that_it_goes_on(simulated: Open, capsys: pytest.CaptureFixture[str]) -> None:
    """Interrupted while its points are written, a start ends the cell, and one sentence says how to end the run."""
    lab, planned = simulated(), list[str]()

    def interrupt(event: Event, _: Task) -> None:
        planned.append(event.kind)
        if planned == ["planned"]:
            _thread.interrupt_main()

    listen(lab, interrupt)
    with pytest.raises(KeyboardInterrupt):
        start(lab, sweep("fox", "owl"), name="a")
    assert "run 'a' goes on: lab.run('a').wait() waits again, .cancel() ends it" in capsys.readouterr().err


class InterruptedOnce:
    """A wait for a run that a person stops, and that goes on when it is waited for again."""

    def __init__(self, control: Control) -> None:
        self._control, self._idle = control, control.idle

    def wait(self, _: float) -> bool:
        """Interrupt."""
        self._control.idle = self._idle
        raise KeyboardInterrupt

    def is_set(self) -> bool:
        """Interrupt whoever looks, while the run goes on."""
        return self._idle.is_set() or self.wait(0)

    def __getattr__(self, name: str) -> Any:
        """Do all else as it is done."""
        return getattr(self._idle, name)


def test_an_interrupted_clip_is_waited_for_by_the_same_call(
    simulated: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever presses stop while a clip is made is told that it goes on; the same call again gets it and buys nothing."""
    lab, accepted = simulated(speed=60), list[str]()

    def interrupt(event: Event, task: Task) -> None:
        if event.kind == "accepted":
            accepted.append(task.id)
            control = lab._opened.driving()._decisions._controls["generate"]
            control.idle = InterruptedOnce(control)

    listen(lab, interrupt)
    with pytest.raises(KeyboardInterrupt):
        lab.generate("a fox")
    assert "the same lab.generate(…) again waits for its clip and buys nothing" in capsys.readouterr().err
    assert ([lab.generate("a fox").tile.task], "saved") == (accepted, *lab.df()["state"])


def test_a_run_that_was_taken_over_says_so_at_once(simulated: Open) -> None:
    """Between the loss of the turn and the end of the work it is the turn that knows who took over."""
    run = start(simulated(), sweep("fox")).wait()
    run._engine._turn.lost = LabBusy("process 7 took this folder over")
    assert "process 7 took this folder over" == run.held == run.snapshot().held
    run._engine._turn.lost = None


def test_an_unknown_run_is_answered_with_the_known(simulated: Open) -> None:
    """Asking for a run that does not exist names those that do."""
    lab = simulated()
    with pytest.raises(InputError, match="none was started yet"):
        lab.run("fox")
    start(lab, sweep("fox"), name="foxes").wait()
    with pytest.raises(InputError, match="did you mean 'foxes'"):
        lab.run("fox")


def test_two_labs_on_one_folder_share(simulated: Open) -> None:
    """Two labs on one folder in one process are one driver: what one starts the other sees."""
    one, two = simulated(), simulated()
    start(one, sweep("fox"), name="a")
    assert ["saved"] == list(two.run("a").wait().df["state"])


def test_a_run_shows_its_own_money(simulated: Open) -> None:
    """A run's money is what it bought itself, earlier attempts included; what it reuses cost another run."""
    lab = simulated()
    first = start(lab, sweep("fox"), name="a").wait()
    price = first.snapshot().spent
    assert price > 0
    again = start(lab, sweep("fox", "boat"), name="b").wait()
    assert price == again.snapshot().spent
    failing = start(lab, sweep("fox #sim:risk-control:1"), name="c").wait()
    assert price * 2 == failing.retry().wait().snapshot().spent
    frame = lab.runs().set_index("run")
    assert [price, price, price * 2] == [Decimal(str(round(value, 2))) for value in frame["spent_usd"]]


def test_the_table_has_all_that_its_points_cost(simulated: Open) -> None:
    """A point's row counts the attempts that another took the place of, and each of them once."""
    lab = simulated()
    run = start(lab, sweep("fox", "owl #sim:risk-control:2"), name="a").wait().retry().wait().retry().wait()
    price = run.snapshot().spent / 4
    assert {"saved": 2} == run.snapshot().counts
    assert [price, price * 3] == [Decimal(str(round(value, 2))) for value in run.df["spent_usd"]]
    assert price == Decimal(str(lab.log.tasks()["spent_usd"].max()))
    start(lab, sweep("fox"), name="b", fresh=True).wait()
    assert [price, price * 3, price] == [Decimal(str(round(value, 2))) for value in lab.df()["spent_usd"]]
    assert lab.spending()["spent_usd"].sum() == pytest.approx(lab.df()["spent_usd"].sum())
