"""The daily ceiling of a lab: what it holds, what it counts, and that it says so."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import filelock
import pytest
from labs import PRICE, Open, ledger, start, sweep, until_later

import kling_nb as kn
from kling_nb.cli import SAVED, UNSAVED, main
from kling_nb.costs import DAY_S
from kling_nb.engine.opening import EPOCH
from kling_nb.engine.who import LOCK
from kling_nb.errors import InputError, KlingError, LabBusy, OverBudget

ONE = PRICE["kling"]
THREE = sweep("a", "b", "c")
FAILS = "a crowd #sim:risk-control"
SENTENCE = (
    "the daily budget of $0.50 leaves $0.08, and a clip costs up to $0.21: $0.42 is spent or may still be charged of what was "
    "submitted on 2026-01-01 (UTC); run.resume() continues tomorrow, or as soon as lab.daily_budget is raised"
)


ROOM = "the budget that held it back has room again; run.resume() goes on"


def states(run: kn.Run) -> dict[str, int]:
    """Wait for a run, and return how many points are in each state."""
    return run.wait().snapshot().counts


def test_what_a_day_does_not_take_is_held_until_another(simulated: Open) -> None:
    """A sweep larger than the ceiling is no error: it buys up to it, says what to do, and goes on when told, not before."""
    lab = simulated(daily_budget="0.50")
    run = start(lab, THREE)
    assert {"planned": 1, "saved": 2} == states(run)
    assert SENTENCE == run.held
    assert SENTENCE in dict(run.snapshot().causes)
    assert repr(run).endswith(f": 1 planned, 2 saved of 3; $0.42 spent; not sent: {SENTENCE}>")
    assert {"planned": 1, "saved": 2} == states(run.resume())

    until_later(lab, DAY_S)
    assert {"planned": 1, "saved": 2} == states(run)
    assert ROOM == run.held
    assert {"saved": 3} == states(run.resume())
    by_day = lab.spending("day")
    assert ["2026-01-01", "2026-01-02"] == [str(day) for day in by_day["day"]]
    assert [0.42, 0.21] == by_day["spent_usd"].tolist()


def test_it_holds_across_runs_providers_and_opening(simulated: Open) -> None:
    """Whatever is submitted on a day counts, whoever submitted it and before whatever opening."""
    lab = simulated(daily_budget=Decimal("0.80"))
    assert {"saved": 1} == states(start(lab, sweep("a"), name="one"))
    assert {"saved": 1} == states(start(lab, sweep("a", provider="fal"), name="two"))
    lab.close()
    lab = simulated()
    assert Decimal("0.80") == lab.daily_budget
    run = start(lab, sweep("b", "c"), name="three")
    assert {"planned": 1, "saved": 1} == states(run)
    assert "$0.77 is spent" in str(run.held)
    assert 3 == len(ledger(lab))


def test_it_counts_what_may_still_be_charged(simulated: Open) -> None:
    """A task in doubt counts at its upper estimate until a person says that it was never bought."""
    lab = simulated(daily_budget="0.40")
    assert {"uncertain": 1} == states(start(lab, sweep("boat #sim:reset", provider="fal"), name="one"))
    run = start(lab, sweep("a"), name="two")
    assert {"planned": 1} == states(run)
    lab.uncertain()[0].never_bought()
    assert {"saved": 1} == states(run.resume())


def test_retries_and_purchases_anew_are_held_too(simulated: Open) -> None:
    """A failure that may have been charged stays counted, so that its retry needs room of its own."""
    lab = simulated(daily_budget="0.40")
    run = start(lab, sweep(FAILS))
    assert {"failed": 1} == states(run)
    assert {"planned": 1} == states(run.retry())
    lab.daily_budget = "0.42"
    assert {"planned": 1} == states(run)
    assert {"failed": 1} == states(run.resume())


def test_a_refund_makes_room(simulated: Open) -> None:
    """What is known to have cost nothing does not count."""
    lab = simulated(daily_budget="0.30")
    assert {"failed": 1} == states(start(lab, sweep("fox #sim:moderation"), name="one"))
    assert {"saved": 1} == states(start(lab, sweep("a"), name="two"))


def test_what_holds_a_run_is_said_as_of_now(simulated: Open) -> None:
    """What failed for nothing makes room, what others buy takes it: a held run says so, and goes on only when told."""
    lab = simulated(daily_budget="0.70")
    run = start(lab, sweep("fox #sim:fail", "a", "b", provider="fal"), name="one")
    assert {"failed": 1, "planned": 1, "saved": 1} == states(run)
    assert {ROOM: 1} == run.snapshot().holds
    assert {"saved": 1} == states(start(lab, sweep("c", provider="fal"), name="two"))
    assert "the daily budget of $0.70 is used up: $0.70 is spent" in str(run.held)
    lab.daily_budget = "0.80"
    assert "the daily budget of $0.80 leaves $0.10, and a clip costs up to $0.35: $0.70 is spent" in str(run.held)
    lab.daily_budget = None
    assert ROOM == run.held
    assert {"failed": 1, "planned": 1, "saved": 1} == states(run)
    assert {"failed": 1, "saved": 2} == states(run.resume())


def test_a_day_is_what_spending_calls_one(simulated: Open) -> None:
    """A task submitted a moment before midnight UTC belongs to the day that ends, for the ceiling and for spending."""
    lab = simulated(daily_budget="0.30")
    until_later(lab, EPOCH + DAY_S - 1e-3 - lab._opened.driving().now())
    run = start(lab, sweep("a", "b"))
    assert {"planned": 1, "saved": 1} == states(run)
    assert run.held == ROOM  # by now it is the next day
    assert ["2026-01-01"] == [str(day) for day in lab.spending("day")["day"]]
    assert {"saved": 2} == states(run.resume())


def test_a_run_that_is_under_way_at_midnight_goes_on(simulated: Open) -> None:
    """What waits for a slot over midnight is counted on the new day, and nothing had to be resumed."""
    lab = simulated(daily_budget="1.05")
    until_later(lab, EPOCH + DAY_S - 5 - lab._opened.driving().now())
    run = start(lab, sweep(*(f"fox {n}" for n in range(6))))
    assert {"saved": 6} == states(run)
    assert [5, 1] == lab.spending("day")["tasks"].tolist()


def test_it_can_be_raised_and_lifted(simulated: Open) -> None:
    """Assigned anew it is kept, and what it held goes on when resumed; None lifts it, for good."""
    lab = simulated(daily_budget=0)
    run = start(lab, THREE)
    assert {"planned": 3} == states(run)
    assert not ledger(lab)
    lab.daily_budget = 0.21
    assert {"planned": 2, "saved": 1} == states(run.resume())
    lab.daily_budget = None
    assert lab.daily_budget is None
    assert {"saved": 3} == states(run.resume())
    lab.close()
    assert simulated().daily_budget is None


def test_a_ceiling_counts_what_was_bought_before_it(simulated: Open) -> None:
    """Set in the middle of a day, it counts the whole day, what only the log still holds included."""
    lab = simulated()
    assert {"saved": 2} == states(start(lab, sweep("a", "b"), name="one"))
    lab.close()
    lab = simulated(daily_budget="0.60")
    assert {"planned": 1} == states(start(lab, sweep("c"), name="two"))


def test_a_runs_own_budget_holds_beside_it(simulated: Open) -> None:
    """Both hold: a plan over the run's budget is an error all the same, and the sentence names the one that holds."""
    lab = simulated(daily_budget=1)
    with pytest.raises(OverBudget):
        start(lab, THREE, budget="0.50")
    run = start(lab, sweep(FAILS), budget="0.30", name="a")
    assert {"failed": 1} == states(run)
    assert {"planned": 1} == states(run.retry())
    assert str(run.held).startswith("the budget of $0.30 leaves $0.09, and a clip costs up to $0.21: ")


def test_a_plan_says_what_today_leaves(simulated: Open) -> None:
    """Where a plan costs more than is left today, its line and its table say so; else they do not speak of it."""
    lab = simulated(daily_budget="0.50")
    assert "daily budget" not in lab.plan(sweep("a", "b")).summary()
    start(lab, sweep("a", "b")).wait()
    plan = lab.plan(THREE)
    said = "but only $0.08 of the daily budget of $0.50 is left today: the rest would be held"
    assert said in plan.summary()
    assert said in plan._repr_html_()
    plan.check(None)
    lab.close()
    assert "daily budget" not in lab.plan(THREE).summary()


def test_generate_says_what_holds_it(simulated: Open) -> None:
    """A single clip that the day does not take is an error with the same sentence, and is bought when asked again later."""
    lab = simulated(daily_budget="0.20")
    clip = {"model": "kling-v2-5-turbo", "mode": "std"}
    with pytest.raises(
        KlingError,
        match=r"it was not sent: the daily budget of \$0\.20 is less than the \$0\.21 of one clip; raise lab",
    ):
        lab.generate("a", **clip)
    lab.daily_budget = "0.209"
    with pytest.raises(KlingError, match=r"the daily budget of \$0\.209 is less than the \$0\.21 of one clip"):
        lab.generate("a", **clip)
    lab.daily_budget = "0.21"
    lab.generate("a", **clip)
    assert 1 == len(ledger(lab))


def test_a_price_that_is_not_known_has_to_be_assumed(simulated: Open) -> None:
    """What is reserved under the ceiling is the price that was assumed."""
    lab = simulated(daily_budget="0.70")
    run = start(lab, sweep("a", "b", provider="quickrouter"), assume_price="0.5")
    assert {"planned": 1, "saved": 1} == states(run)


@pytest.mark.parametrize("wrong", ["much", -1, float("nan"), float("inf")])
def test_a_ceiling_is_an_amount(simulated: Open, wrong: object) -> None:
    """What is no amount of USD is refused, and what was kept before holds."""
    lab = simulated(daily_budget=3)
    with pytest.raises(InputError, match=r"daily_budget=.*expected an amount of USD"):
        lab.daily_budget = wrong  # type: ignore[assignment]
    with pytest.raises(InputError, match=r"daily_budget=.*expected an amount of USD"):
        simulated(daily_budget=wrong)
    assert 3 == lab.daily_budget


def test_who_only_reads_changes_no_ceiling(simulated: Open) -> None:
    """Beside another driver the ceiling can be read, and a lab opened with one of its own leaves it as it is."""
    lab = simulated(daily_budget=3)
    lab.close()
    with filelock.FileLock(lab.folder / LOCK, thread_local=False):
        reading = simulated(daily_budget=5)
        assert 3 == reading.daily_budget
        with pytest.raises(LabBusy):
            reading.daily_budget = 7
        reading.close()
    assert 3 == simulated().daily_budget


@pytest.mark.parametrize("way", ["a run", "a handle that saw", "a second lab", "what is uncertain", "taking over"])
def test_the_ceiling_of_who_reads_holds_when_it_drives(simulated: Open, way: str) -> None:
    """Whichever way a reader begins to drive, the ceiling that it was opened with is in force before it buys."""
    lab = simulated(daily_budget="0.01")
    start(lab, THREE, name="a").wait()
    lab.daily_budget = None
    lab.close()
    with filelock.FileLock(lab.folder / LOCK, thread_local=False):
        lab = simulated(daily_budget="0.50")
        seen = lab.run("a")
    if way == "a second lab":
        lab = simulated()
    elif way == "what is uncertain":
        lab.uncertain()
    elif way == "taking over":
        lab.take_over()
    run = seen if way == "a handle that saw" else lab.run("a")
    assert {"planned": 1, "saved": 2} == states(run.resume())
    assert (2, Decimal("0.50")) == (len(ledger(lab)), lab.daily_budget)


def test_a_second_lab_with_a_ceiling_of_its_own_sets_it(simulated: Open) -> None:
    """Opened once more in the same process, a folder keeps the ceiling given last; with none given, what it had."""
    lab = simulated(daily_budget=3)
    assert 3 == simulated().daily_budget
    assert 5 == simulated(daily_budget=5).daily_budget == lab.daily_budget


def test_the_command_line_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``kling-nb run --daily-budget`` holds what the day does not take, keeps the ceiling, and is raised by another."""
    monkeypatch.setenv("KLING_NB_SPEED", "inf")
    file, folder = tmp_path / "three.toml", tmp_path / "lab"
    THREE.save(file)
    run = ["run", str(file), "--lab", str(folder), "--simulate"]
    assert UNSAVED == main([*run, "--daily-budget", "0.50"])
    assert "the daily budget of $0.50 leaves $0.08, and a clip costs up to $0.21" in capsys.readouterr().err
    assert UNSAVED == main(run)
    assert "but only $0.08 of the daily budget" in " ".join(capsys.readouterr().out.split())
    assert SAVED == main([*run, "--daily-budget", "1"])
