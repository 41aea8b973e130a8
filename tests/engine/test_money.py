"""Money: what a plan says, what a budget holds, and that the log agrees with the provider's ledger."""

from __future__ import annotations

import json
import threading
from decimal import Decimal

import pandas as pd
import pytest
from labs import PRICE, Open, in_state, ledger, listen, start, sweep, until

import kling_nb as kn
from kling_nb.errors import OverBudget, PriceUnknown
from kling_nb.task import Event, Task

FAILS = "a crowd #sim:risk-control"
ONE = PRICE["kling"]
LESS = {"amount": "0.25", "unit": "USD", "usd": "0.25"}


def watched(lab: kn.Lab, name: str, budget: Decimal) -> list[Decimal]:
    """Check at every event that a run's spent and reserved money stays within its budget; returns the sums."""
    sums: list[Decimal] = []

    def heard(_: Event, task: Task) -> None:
        if task.run == name:
            tasks = [task for task in lab._opened.engine.book.tasks.values() if task.run == name]
            sums.append(sum((task.spent + task.reserved for task in tasks), Decimal(0)))

    listen(lab, heard)
    return sums


def test_a_plan_over_the_budget_buys_nothing(simulated: Open) -> None:
    """A plan whose sum passes the budget is an error with both sums, and nothing is sent or written."""
    lab = simulated()
    with pytest.raises(
        OverBudget, match=r"buys 3 clips for up to \$0.63, over the budget of \$0.50; nothing was bought"
    ):
        start(lab, sweep("a", "b", "c"), budget="0.50")
    assert not ledger(lab)
    assert lab.runs().empty
    assert lab.log.tasks().empty


def test_a_plan_that_meets_the_budget_is_bought_whole(simulated: Open) -> None:
    """A budget that is just enough holds nothing back."""
    lab = simulated()
    sums = watched(lab, "a", Decimal("0.63"))
    run = start(lab, sweep("a", "b", "c"), budget="0.63", name="a").wait()
    assert {"saved": 3} == run.snapshot().counts
    assert Decimal("0.63") == max(sums) == sums[-1]


def test_the_budget_counts_what_a_run_bought_before(simulated: Open) -> None:
    """A run that goes on with more points is compared whole: what it bought and what it would buy."""
    lab = simulated()
    start(lab, sweep("a", "b"), budget="0.63", name="a").wait()
    for budget in ("0.63", None):
        with pytest.raises(OverBudget, match=r"\$0.42 .* spent"):
            start(lab, sweep("a", "b", "c", "d"), budget=budget, name="a")
    assert 2 == len(ledger(lab))
    assert 2 == len(start(lab, sweep("a", "b"), name="a").wait().df)
    run = start(lab, sweep("a", "b", "c", "d"), budget="0.84", name="a").wait()
    assert {"saved": 4} == run.snapshot().counts


def test_retries_never_pass_the_budget(simulated: Open) -> None:
    """Failures that may have been charged stay counted, so that only those retries are sent that still fit."""
    lab = simulated()
    sums = watched(lab, "a", Decimal("0.84"))
    run = start(lab, sweep(*(f"{FAILS} {n}" for n in range(3))), budget="0.84", name="a").wait()
    assert {"failed": 3} == run.snapshot().counts
    run.retry().wait()
    assert {"failed": 1, "planned": 2} == run.snapshot().counts
    assert Decimal("0.84") == max(sums)
    assert 4 == len(ledger(lab))
    used_up = "the budget of $0.84 is used up: $0.84 is spent or may still be charged"
    assert f"{used_up}; start it again with a higher budget= to continue" == run.held


def test_a_budget_survives_reopening(simulated: Open) -> None:
    """After reopening, a run's budget holds, and every earlier attempt of its own counts against it."""
    lab = simulated()
    run = start(lab, sweep(FAILS), budget="0.50", name="a").wait()
    run.retry().wait()
    lab.close()
    lab = simulated()
    run = lab.run("a")
    assert (Decimal("0.50"), Decimal("0.42")) == (run.snapshot().budget, run.snapshot().spent)
    run.retry().wait()
    assert {"planned": 1} == run.snapshot().counts
    assert "the budget of $0.50 leaves $0.08, and a clip costs up to $0.21: $0.42 is spent" in str(run.held)
    assert 2 == len(ledger(lab))
    run = start(lab, sweep(FAILS), budget=1, name="a").wait()
    assert (3, {"failed": 1}) == (len(ledger(lab)), run.snapshot().counts)


def test_a_runs_budget_is_seen_and_not_set(simulated: Open) -> None:
    """Assigning to it would hold nothing back: it is read only, and starting again changes it."""
    lab = simulated()
    run = start(lab, sweep("fox"), name="a", budget=5).wait()
    with pytest.raises(AttributeError, match="budget"):
        run.budget = 1  # type: ignore[misc]
    assert start(lab, sweep("fox"), name="a", budget=7).wait().budget == run.budget == Decimal(7)
    assert start(lab, sweep("owl"), name="b").wait().budget is None


def test_looking_at_a_run_does_not_hold_it(simulated: Open) -> None:
    """Snapshots taken from another thread change nothing: neither what is bought nor whether a run is held."""
    lab = simulated(speed=2000)
    end = threading.Event()
    free = sweep(*(f"fox #sim:moderation {n}" for n in range(6)))
    run = start(lab, free, budget="1.26", name="a")
    looker = threading.Thread(target=lambda: [run.snapshot() for _ in iter(end.is_set, True)])
    looker.start()
    try:
        run.wait()
    finally:
        end.set()
        looker.join()
    assert {"failed": 6} == run.snapshot().counts
    assert run.held is None


def test_what_was_planned_and_not_sent_is_still_to_be_bought(simulated: Open) -> None:
    """A plan counts points that an earlier start planned and never sent, since starting would buy them."""
    lab = simulated(speed=60)
    points = sweep(*(f"fox {n}" for n in range(7)))
    run = start(lab, points, name="a")
    until(run, in_state("queued", 5))
    run.pause()
    plan = lab.plan(points)
    assert (2, 2 * ONE) == (len(plan.buys), plan.high)
    assert "2 to buy for $0.42" in plan.summary()
    with pytest.raises(OverBudget):
        start(lab, points, name="a", budget="1.30")
    with pytest.raises(OverBudget):
        start(lab, points, name="b", budget="0.41")


def test_a_price_must_be_known_or_assumed(simulated: Open) -> None:
    """Without a price nothing is bought, and the sentence names assume_price=; with one it is what is reserved."""
    lab = simulated()
    unknown = sweep("fox", model="kling-v9")
    with pytest.raises(PriceUnknown, match=r"no price is known for kling-v9 at kling .* assume_price="):
        start(lab, unknown)
    assert not ledger(lab)
    with pytest.raises(OverBudget):
        start(lab, unknown, assume_price="0.5", budget="0.4")
    sums = watched(lab, "a", Decimal(1))
    run = start(lab, unknown, assume_price="0.5", budget="0.5", name="a").wait()
    assert ["failed"] == list(run.df["state"])
    assert Decimal("0.5") == max(sums)
    assert 0 == run.snapshot().spent


def test_what_is_cancelled_while_it_runs_stays_counted(simulated: Open) -> None:
    """Out of the queue it is free; cancelled while it runs it may be charged, as no page of fal's says otherwise."""
    lab = simulated(speed=60)
    run = start(lab, sweep(*(f"fox {n} #sim:stall" for n in range(6)), provider="fal"), name="a")
    until(run, in_state("running"))
    run.cancel()
    run.wait()
    tasks = lab.log.tasks()
    spent = tasks.loc[tasks["spent_usd"] > 0, "remote_id"]
    assert {"cancelled"} == set(tasks["state"])
    assert {charge.task_id for charge in ledger(lab) if not charge.refunded} == set(spent) != set()


def test_spending_agrees_with_the_ledger(simulated: Open) -> None:
    """Summed any way, what the lab says it spent is what the providers charged."""
    lab = simulated()
    start(lab, sweep("a", "b"), name="one").wait()
    start(lab, sweep("a", "c", provider=["kling", "fal"], mode="pro"), name="two").wait()
    charged = float(sum(charge.usd for charge in ledger(lab)))
    for by in ("day", "provider", "model", "run", ["run", "provider"], ("day", "provider", "model", "run")):
        frame = lab.spending(by)
        assert charged == pytest.approx(frame["spent_usd"].sum())
        assert 0 == frame["reserved_usd"].sum()
        assert 6 == frame["tasks"].sum()
    by_provider = lab.spending("provider").set_index("provider")["spent_usd"]
    for provider in ("kling", "fal"):
        own = float(sum(charge.usd for charge in ledger(lab) if charge.provider == provider))
        assert own == pytest.approx(by_provider[provider])
    assert charged == pytest.approx(lab.runs()["spent_usd"].sum())


TOLD = {
    "kling": ("2.5", "units", 0.35, {"units": "2.5", "balance": "0.35", "list price": "0.35"}),
    "fal": ("5", "billable units", None, {"billable units": "5"}),
    "openroute": ("175000", "quota", None, {"quota": "175000"}),
    "relay": ("2.5", "units", None, {"units": "2.5", "balance": "0.35", "list price": "0.35"}),
    "quickrouter": None,
    "quickrouter-fal": None,
    "chanjing": None,
}
"""What each provider tells of a clip's cost: amount, unit, USD, and every figure; three tell nothing on any page."""


@pytest.mark.parametrize("provider", TOLD)
def test_what_a_provider_says_it_charged_stands_beside_the_estimate(simulated: Open, provider: str) -> None:
    """The provider's own figures are in the task's row and survive opening; spending shows them, and the difference."""
    lab = simulated()
    start(lab, sweep("a", provider=provider, mode="pro"), assume_price="0.40", name="a").wait()
    lab.close()
    lab = simulated()
    row, spent = lab.log.tasks().iloc[0], lab.spending("provider").iloc[0]
    estimate = 0.35 if provider in ("kling", "fal") else 0.4
    assert estimate == row["estimate_usd"] == spent["estimate_usd"]
    amount, unit, usd, figures = TOLD[provider] or (None, None, None, None)
    read = [
        None if pd.isna(value) else value for value in row[["cost_amount", "cost_unit", "cost_usd", "cost_figures"]]
    ]
    assert [amount and float(amount), unit, usd] == read[:3]
    assert figures == (read[3] and json.loads(read[3]))
    sums = [None if pd.isna(value) else value for value in spent[["charged_usd", "difference_usd"]]]
    assert [usd, None if usd is None else 0.0] == sums
    assert (f"{amount} {unit}" if amount and usd is None else "") == spent["charged_other"]


def test_every_entry_of_a_bill_is_kept(simulated: Open) -> None:
    """Kling's path API bills in entries, each with its list price."""
    lab = simulated()
    start(lab, sweep("a", model="kling-3.0-turbo")).wait()
    row = lab.log.tasks().iloc[0]
    assert (0.56, "USD", 0.56) == tuple(row[["cost_amount", "cost_unit", "cost_usd"]])
    assert {"amount 0": "0.56", "list_price 0": "0.56"} == json.loads(row["cost_figures"])


def test_spending_shows_the_difference(simulated: Open) -> None:
    """Where a provider charges other than what was estimated, the difference is of the tasks that it told of alone."""
    lab = simulated()
    start(lab, sweep("a", "b #sim:stall", model="kling-v1-6", mode="std"), name="one").wait()
    start(lab, sweep("c", provider="fal"), name="two").wait()
    lab._opened.driving().record(lab.run("one").tasks[0].id, "charged", cost=LESS)
    row = lab.spending("provider").set_index("provider").loc["kling"]
    assert (0.56, 0.25, -0.03) == tuple(
        round(row[name], 9) for name in ("estimate_usd", "charged_usd", "difference_usd")
    )
    assert (0.25, 0.28) == (row["spent_usd"], row["reserved_usd"])


def test_a_lab_that_bought_nothing_spent_nothing(simulated: Open) -> None:
    """Spending of an empty lab is an empty table."""
    assert simulated().spending().empty


def test_money_that_is_none_is_refused(simulated: Open) -> None:
    """A budget that is no amount is an input error, and nothing is bought."""
    lab = simulated()
    for wrong in ("much", -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="expected an amount of USD"):
            start(lab, sweep("fox"), budget=wrong)
    assert not ledger(lab)


def test_a_person_is_asked_above_a_sum(simulated: Open) -> None:
    """Above confirm_above= nothing is bought unless somebody says yes; where nobody can, nobody did."""
    lab = simulated()
    with pytest.raises(OverBudget, match="nobody confirmed"):
        start(lab, sweep("fox"), confirm_above="0.10")
    assert not ledger(lab)
    assert {"saved": 1} == start(lab, sweep("fox"), confirm_above="0.21").wait().snapshot().counts
