"""Tasks that a person names by the provider's id: asked for first, never another's, and also when given up before."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest
from labs import PRICE, Open, ledger, live_lab, start, sweep, until

import kling_nb as kn
from kling_nb.errors import InputError, KlingError, LabError
from kling_nb.simulator import Fault

LOST = "boat #sim:lost"
DECISIONS = ["give_up", "never_bought"]


def doubtful(lab: kn.Lab, provider: str = "fal") -> tuple[kn.Run, str]:
    """Return a run whose only answer was lost at a provider that keeps no id of ours, and the id there."""
    run = start(lab, sweep(LOST, provider=provider), name="a", assume_price=1).wait()
    return run, ledger(lab)[-1].task_id


@pytest.mark.parametrize("provider", ["fal", "chanjing", "openroute"])
def test_a_mistyped_id_is_refused(simulated: Open, provider: str) -> None:
    """An id that the provider does not know changes nothing, and the right one can still be given."""
    lab = simulated()
    run, right = doubtful(lab, provider)
    wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
    with pytest.raises(
        InputError, match=rf"{provider} does not report a task {wrong}: it answered HTTP .* nothing was"
    ):
        lab.uncertain()[0].accepted_as(wrong)
    lab.uncertain()[0].accepted_as(right)
    assert {"saved": 1} == run.wait().snapshot().counts


def test_the_id_of_another_task_is_refused(simulated: Open) -> None:
    """The id of a task that this lab follows or has saved is not taken twice: this one's own clip would be lost."""
    lab = simulated()
    (other,) = start(lab, sweep("fox", provider="fal"), name="one").wait().tasks
    run, right = doubtful(lab)
    with pytest.raises(InputError, match=rf"belongs to another task of this lab, .*{other.id}.*saved; nothing"):
        lab.uncertain()[0].accepted_as(other.ticket.id if other.ticket else "")
    lab.uncertain()[0].accepted_as(right)
    assert ["saved", right] == list(run.wait().df[["state", "remote_id"]].iloc[0])


@pytest.mark.parametrize("provider", ["fal", "chanjing", "openroute"])
def test_a_console_without_our_ids_is_searched_by_prompt_and_time(simulated: Open, provider: str) -> None:
    """Where a provider is not sent our own id, a person is not told to look for it in the console there."""
    lab = simulated()
    (other,) = start(lab, sweep("fox", provider=provider), name="one", assume_price=1).wait().tasks
    doubtful(lab, provider)
    told = rf"look for the one with the prompt '{LOST}' and the time that lab\.uncertain\(\) shows$"
    with pytest.raises(InputError, match=told):
        lab.uncertain()[0].accepted_as(other.ticket.id if other.ticket else "")


def test_an_id_that_cannot_be_asked_for_is_not_taken(tmp_path: Path) -> None:
    """Where the provider does not answer, the sentence says so, and the task stays in doubt."""
    with live_lab(tmp_path / "lab", Fault(action="html", operation="status", times=4)) as live:
        run = start(live.lab, sweep(LOST, provider="fal"), name="a").wait(20)
        right = live.simulator.ledger()[0].task_id
        with pytest.raises(KlingError, match=r"could not ask fal whether it has a task .*: .*nothing was changed"):
            live.lab.uncertain()[0].accepted_as(right)
        live.lab.uncertain()[0].accepted_as(right)
        assert {"saved": 1} == run.wait(20).snapshot().counts


@pytest.mark.parametrize("decision", DECISIONS)
def test_what_was_given_up_is_followed_when_it_turns_up(simulated: Open, decision: str) -> None:
    """Given up or said never to be bought, a task whose id the console shows after all is fetched, and counted once."""
    lab = simulated()
    run, right = doubtful(lab)
    getattr(lab.uncertain()[0], decision)()
    (task,) = run.wait().tasks
    assert "lab.uncertain().accepted_as(task, id)" in task.reason
    lab.close()
    lab = simulated()
    lab.uncertain().accepted_as(task.id, right)
    run = lab.run("a").wait()
    shown = run.snapshot()
    assert ({"saved": 1}, PRICE["fal"], 0) == (shown.counts, shown.spent, shown.reserved)
    assert 1 == len(ledger(lab))


def test_what_was_looked_up_in_vain_is_followed_when_it_turns_up(tmp_path: Path) -> None:
    """A task that was called lost and bought anew, and that the console shows, is fetched too: it is paid for."""
    absent = json.dumps({"code": 1203, "message": "the task is not there"})
    faults = [Fault(action="lost"), Fault(action="http", operation="find", status=404, body=absent, times=4)]
    with live_lab(tmp_path / "lab", *faults) as live:
        start(live.lab, sweep("fox"), name="a").wait(20)
        (lost,) = [task for task in live.lab._opened.log.read_tasks() if task.cause == "lost"]
        first, second = live.simulator.ledger()
        with pytest.raises(InputError, match=f"belongs to another task.*the one that was submitted with {lost.id}$"):
            live.lab.uncertain().accepted_as(lost.id, second.task_id)
        live.lab.uncertain().accepted_as(lost.id, first.task_id)
        until(live.lab.run("a"), lambda _tasks: {"saved": 2} == live.lab.log.counts())
        assert 2 * PRICE["kling"] == live.lab.run("a").snapshot().spent


def test_what_a_provider_refused_takes_no_id(simulated: Open) -> None:
    """A provider's own no is not changed by an id, and neither is what is saved."""
    lab = simulated()
    refused, saved = start(lab, sweep("owl #sim:fail", "fox", provider="fal"), name="a").wait().tasks
    for task in (refused, saved):
        with pytest.raises(InputError, match=f"no longer uncertain, it is {task.state}; nothing was changed"):
            lab.uncertain().accepted_as(task.id, "12345")


def test_an_id_that_the_log_does_not_take_is_in_the_error(tmp_path: Path) -> None:
    """A log that takes no acceptance stops the lab with the provider's id, own id beside it, and then takes it by hand."""
    with live_lab(tmp_path / "lab") as live:
        database = sqlite3.connect(live.lab.folder / "log.sqlite")
        when = "WHEN NEW.kind = 'accepted' BEGIN SELECT RAISE(ABORT, 'full'); END"
        database.execute(f"CREATE TRIGGER full BEFORE INSERT ON events {when}")
        database.commit()
        with pytest.raises(LabError, match="cannot be written") as stopped:
            start(live.lab, sweep("fox", "owl", provider="fal"), name="a").wait(20)
        live.lab.close()
        database.execute("DROP TRIGGER full")
        database.close()
        said = re.findall(r"fal accepted (kn-\w+) as ([\w-]+)", str(stopped.value))
        assert said
        live.lab = live.open()
        run = live.lab.run("a").wait(20)
        for task, remote_id in said:
            live.lab.uncertain().accepted_as(task, remote_id)
        assert len(said) == run.wait(20).snapshot().counts["saved"]
        assert {remote_id for _, remote_id in said} <= {charge.task_id for charge in live.simulator.ledger()}
