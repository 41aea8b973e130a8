"""Uncertain tasks: what is at stake, and what a person can decide."""

from __future__ import annotations

import sqlite3

import pytest
from labs import PRICE, Open, in_state, ledger, start, sweep, until

import kling_nb as kn
from kling_nb.engine.doubt import COLUMNS
from kling_nb.errors import InputError, KlingError, LabError

ONE = PRICE["fal"]
LOST = "boat #sim:lost"
WHEN = {
    "INSERT ON events": "NEW.kind = 'planned'",
    "INSERT ON tasks": "NEW.state = 'planned'",
    "UPDATE ON points": "NEW.task != OLD.task",
}
"""What is refused of the second half of buying again, while the first is taken."""


def uncertain(lab: kn.Lab, *prompts: str) -> kn.Run:
    """Start points at fal whose answers are lost: it knows no id of ours, so that nothing can be looked up."""
    return start(lab, sweep(*(prompts or (LOST,)), provider="fal"), name="a").wait()


def test_a_lost_answer_is_put_before_a_person_with_its_price(simulated: Open) -> None:
    """What may have been bought is listed with the price at stake, which stays reserved; Run All does not buy it again."""
    lab = simulated()
    run = uncertain(lab)
    assert {"uncertain": 1} == uncertain(lab).snapshot().counts
    listed = lab.uncertain()
    assert (1, ONE, ONE, ONE) == (len(listed), listed.at_stake, listed[0].at_stake, run.snapshot().reserved)
    assert [float(ONE)] == list(listed.df["at_stake_usd"])
    assert COLUMNS == {name: str(dtype) for name, dtype in listed.df.dtypes.items()}
    assert "1 uncertain task, $0.35 at stake" in repr(listed)
    assert "$0.35 at stake" in listed._repr_html_()
    assert 1 == len(ledger(lab))


def test_a_doubt_says_what_can_be_done(simulated: Open) -> None:
    """Where nothing can be looked up the reason leads to what a person can do, and never to buying again unasked."""
    (task,) = uncertain(simulated()).tasks
    assert task.reason.endswith("lab.uncertain() shows what can be done")
    assert "retry" not in task.reason


def test_nothing_uncertain_is_an_empty_list(simulated: Open) -> None:
    """Without doubt there is nothing at stake."""
    listed = simulated().uncertain()
    assert (0, 0) == (len(listed), listed.at_stake)
    assert listed.df.empty
    assert COLUMNS == {name: str(dtype) for name, dtype in listed.df.dtypes.items()}


def test_looking_again_finds_nothing_where_nothing_can_be_found(simulated: Open) -> None:
    """Looking again at a provider that keeps no id of ours leaves the task as it is."""
    lab = simulated()
    run = uncertain(lab)
    lab.uncertain()[0].look_again()
    assert {"uncertain": 1} == run.wait().snapshot().counts


def test_it_can_be_accepted_by_the_providers_id(simulated: Open) -> None:
    """Named by the id that the provider's console shows, it is followed from there, and its clip saved."""
    lab = simulated()
    run = uncertain(lab)
    remote_id = ledger(lab)[0].task_id
    lab.uncertain()[0].accepted_as(f" {remote_id}\n")
    run.wait()
    assert ["saved", remote_id] == list(run.df[["state", "remote_id"]].iloc[0])
    assert (1, ONE) == (len(ledger(lab)), run.snapshot().spent)


def test_an_id_is_no_address(simulated: Open) -> None:
    """What cannot be an id is refused, and nothing changes."""
    lab = simulated()
    uncertain(lab)
    for wrong in ("", "  ", "a/b", "a?b", "a\x00b", "a\tb", "a\u200bb", "x" * 201, None, 8.14e17, True):
        with pytest.raises(InputError, match="is not a task id"):
            lab.uncertain()[0].accepted_as(wrong)  # type: ignore[arg-type]  # as a person may
    assert 1 == len(lab.uncertain())


def test_an_id_may_be_given_as_a_number(simulated: Open) -> None:
    """Kling's ids are digits: without quotation marks it is the same id, and one that is not known is told as such."""
    lab = simulated()
    uncertain(lab)
    with pytest.raises(InputError, match="fal does not report a task 814237883686625347: "):
        lab.uncertain()[0].accepted_as(814237883686625347)  # type: ignore[arg-type]  # as a person may


def test_giving_up_keeps_the_price_counted(simulated: Open) -> None:
    """Given up it is a failure that may have been charged; it says what buys it again."""
    lab = simulated()
    run = uncertain(lab)
    lab.uncertain()[0].give_up()
    shown = run.snapshot()
    assert ({"failed": 1}, ONE, 0) == (shown.counts, shown.spent, shown.reserved)
    assert 0 == len(lab.uncertain())
    assert "run.retry() buys it again" in run.df["reason"].iloc[0]
    assert {"saved": 1} == run.retry().wait().snapshot().counts


def test_what_was_never_bought_is_not_counted(simulated: Open) -> None:
    """Where the provider's own page shows no such task, it is a failure that cost nothing, and can be bought anew."""
    lab = simulated()
    run = uncertain(lab, "boat #sim:reset:1")
    assert not ledger(lab)
    lab.uncertain()[0].never_bought()
    shown = run.snapshot()
    assert ({"failed": 1}, 0, 0) == (shown.counts, shown.spent, shown.reserved)
    row = lab.log.tasks().iloc[0]
    assert ("never bought", 0) == (row["cause"], row["spent_usd"])
    assert {"saved": 1} == run.retry().wait().snapshot().counts
    assert (1, ONE) == (len(ledger(lab)), run.snapshot().spent)


def test_buying_again_is_a_decision(simulated: Open) -> None:
    """Bought again, the point has a new attempt, and both are counted, since both may have been charged."""
    lab = simulated()
    run = uncertain(lab)
    lab.uncertain()[0].buy_again()
    run.wait()
    assert ["saved", 2] == list(run.df[["state", "attempt"]].iloc[0])
    assert (2, 2 * ONE) == (len(ledger(lab)), run.snapshot().spent)
    first = lab.log.tasks().iloc[0]["reason"]
    assert "another was ordered in its place" in first
    assert "run.retry()" not in first


@pytest.mark.parametrize("refused", ["INSERT ON events", "INSERT ON tasks", "UPDATE ON points"])
def test_buying_again_is_all_or_nothing(simulated: Open, refused: str) -> None:
    """Where the log takes one part of giving up and planning anew and refuses another, it keeps neither."""
    lab = simulated()
    uncertain(lab)
    before = (lab._opened.log.read_tasks(), lab._opened.log.read_points(), len(lab.log.events()))
    database = sqlite3.connect(lab.folder / "log.sqlite")
    database.execute(
        f"CREATE TRIGGER full BEFORE {refused} WHEN {WHEN[refused]} BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    with pytest.raises(LabError, match="cannot be written"):
        lab.uncertain()[0].buy_again()
    lab.close()
    database.execute("DROP TRIGGER full")
    database.close()
    lab = simulated()
    assert before == (lab._opened.log.read_tasks(), lab._opened.log.read_points(), len(lab.log.events()))
    lab.uncertain()[0].buy_again()
    assert ["saved", 2] == list(lab.run("a").wait().df[["state", "attempt"]].iloc[0])


def test_buying_again_needs_no_run_that_goes_on(simulated: Open) -> None:
    """After opening, or while its run is paused, the point is bought all the same, and no other point of the run is."""
    lab = simulated(speed=60)
    run = start(lab, sweep(LOST, f"{LOST} 2", *(f"fox {n}" for n in range(12)), provider="fal"), name="a")
    until(run, in_state("uncertain", 2))
    run.pause()
    lab.close()
    lab = simulated()
    run = lab.run("a").wait()
    before = run.snapshot().counts
    assert (2, True) == (before["uncertain"], before["planned"] > 0)

    for left in (1, 0):
        lab.uncertain()[0].buy_again()
        run.wait()
        assert left == len(lab.uncertain())

    after = run.snapshot().counts
    assert {"saved": before["saved"] + 2, "planned": before["planned"]} == after
    assert "paused" == run.held


def test_pausing_holds_what_was_to_be_bought_again(simulated: Open) -> None:
    """A point that waits for a slot to be bought again is held once its run is paused anew."""
    lab = simulated(speed=60)
    run = start(lab, sweep(LOST, provider="fal"), name="a").wait().pause()
    full = start(lab, sweep(*(f"fox {n} #sim:stall" for n in range(20)), provider="fal"), name="full")
    until(full, in_state("queued"))
    lab.uncertain()[0].buy_again()
    assert (True, None) == (run.is_moving, run.held)
    assert "paused" == run.pause().wait().held
    assert {"planned": 1} == run.snapshot().counts


def test_a_budget_holds_what_is_bought_again(simulated: Open) -> None:
    """A second purchase that would pass the budget is held, and the run says why."""
    lab = simulated()
    run = start(lab, sweep(LOST, provider="fal"), name="a", budget="0.50").wait()
    lab.uncertain()[0].buy_again()
    assert {"planned": 1} == run.wait().snapshot().counts
    assert "the budget of $0.50 leaves $0.15, and a clip costs up to $0.35: $0.35 is spent" in str(run.held)
    assert 1 == len(ledger(lab))


def test_it_is_bought_again_for_the_run_that_has_its_point(simulated: Open) -> None:
    """A task whose own run has other points by now is bought again under one that has its point, at its cost."""
    lab = simulated()
    uncertain(lab)
    other = start(lab, sweep(LOST, provider="fal"), name="other").wait().pause()
    uncertain(lab, "owl")
    lab.uncertain()[0].buy_again()
    assert {"saved": 1} == other.wait().snapshot().counts
    assert ONE == other.snapshot().spent


def test_what_serves_no_point_is_not_bought_again(simulated: Open) -> None:
    """A task whose point no run has any more stays in doubt, and the sentence says what can be done."""
    lab = simulated()
    uncertain(lab)
    uncertain(lab, "owl")
    with pytest.raises(InputError, match=r"no run that goes on.* nothing was changed"):
        lab.uncertain()[0].buy_again()
    assert 1 == len(lab.uncertain())


def test_a_run_retries_what_is_uncertain_only_when_told(simulated: Open) -> None:
    """retry() leaves doubt alone; retry(uncertain=True) buys again, and the old attempt stays reserved."""
    lab = simulated()
    run = uncertain(lab)
    assert {"uncertain": 1} == run.retry().wait().snapshot().counts
    shown = run.retry(uncertain=True).wait().snapshot()
    assert ({"saved": 1}, ONE, ONE) == (shown.counts, shown.spent, shown.reserved)


@pytest.mark.parametrize("way", ["give_up", "never_bought"])
def test_what_no_run_has_is_not_said_to_be_retried(simulated: Open, way: str) -> None:
    """Of a task in whose place another was bought, nothing is bought by run.retry(), and its reason does not say so."""
    lab = simulated()
    run = uncertain(lab)
    run.retry(uncertain=True).wait()
    getattr(lab.uncertain()[0], way)()
    assert "run.retry()" not in lab.log.tasks().iloc[0]["reason"]
    assert {"saved": 1} == run.retry().wait().snapshot().counts
    assert 2 == len(ledger(lab))


def test_a_decision_made_too_late_changes_nothing(simulated: Open) -> None:
    """Who still holds an old list cannot give up, or buy again, what was found in the meantime."""
    lab = simulated()
    run = uncertain(lab)
    old = lab.uncertain()[0]
    lab.uncertain()[0].accepted_as(ledger(lab)[0].task_id)
    run.wait()
    for decide in (old.give_up, old.never_bought, old.buy_again, lambda: old.accepted_as("1")):
        with pytest.raises(InputError, match="no longer uncertain, it is saved"):
            decide()
    assert {"saved": 1} == run.wait().snapshot().counts
    assert 1 == len(ledger(lab))


def test_generate_says_what_is_at_stake(simulated: Open) -> None:
    """A clip whose purchase is in doubt is an error with the price and the way on."""
    with pytest.raises(KlingError, match=r"uncertain, \$0.35 at stake; lab.uncertain\(\)"):
        simulated().generate(LOST, model="kling-v2-5-turbo", mode="pro", provider="fal")


def test_a_task_that_is_not_there_is_an_input_error(simulated: Open) -> None:
    """Rating a task that the lab does not have names where ids are."""
    with pytest.raises(InputError, match="there is no task 'kn-0'"):
        simulated().rate("kn-0", 5)
