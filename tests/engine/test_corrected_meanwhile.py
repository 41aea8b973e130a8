"""An address or a key that is corrected while something is under way: nothing is bought twice, lost, or half done."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from labs import Live, agrees, in_state, live_lab, start, sweep, until

from kling_nb.engine.account import Account
from kling_nb.errors import InputError, KlingError
from kling_nb.keys import base_url_variable, key_variable
from kling_nb.simulator import Fault

ADDRESS = base_url_variable("kling")


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """Play all providers over a real socket, and open a live lab."""
    with live_lab(tmp_path / "lab") as opened:
        yield opened


def address(live: Live, provider: str = "kling") -> str:
    """Return where a provider is played."""
    return live.base + live.simulator.path(provider)


@pytest.mark.parametrize("provider", ["kling", "fal"])
def test_an_answer_is_read_by_the_address_it_was_asked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    """Accepted after the address has changed, a task can still be followed once the address is what it was."""
    late, variable = Fault(action="late", operation="submit", seconds=2), base_url_variable(provider)
    with live_lab(tmp_path / "other") as other, live_lab(tmp_path / "lab", late, speed=30) as live:
        run = start(live.lab, sweep("a fox", provider=provider), name="a")
        until(run, in_state("submitting"))
        monkeypatch.setenv(variable, address(other, provider))
        run.resume()
        until(run, lambda tasks: tasks[0].ticket is not None)

        monkeypatch.setenv(variable, address(live, provider))
        run.resume().wait(60)

        assert (["saved"], []) == ([*run.df.state], other.simulator.ledger())
        agrees(live)


def test_looks_elsewhere_do_not_count_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was absent at another address is not missing at its own, though that is in force again by the last answer."""
    looks, asked, is_elsewhere = list[str](), Account.converse, threading.Event()
    with live_lab(tmp_path / "lab", Fault(action="lost"), speed=100) as live:
        here = address(live)

        async def converse(self: Account, talk: Any) -> Any:
            if talk.__name__ != "find" or len(looks) == 4:
                return await asked(self, talk)
            talk.close()
            if not is_elsewhere.is_set():  # the first look is due before a busy machine has changed the address
                message = "not asked yet"
                raise KlingError(message)
            looks.append(str(self.provider.base_url))
            if len(looks) == 4:
                monkeypatch.setenv(ADDRESS, here)
                live.lab._opened.driving()._accounts.release(["kling"])
            return None

        monkeypatch.setattr(Account, "converse", converse)
        run = start(live.lab, sweep("a fox"), name="a")
        until(run, in_state("uncertain"))
        monkeypatch.setenv(ADDRESS, f"{here}/elsewhere")
        run.resume()
        is_elsewhere.set()
        run.wait(60)

        assert ([f"{here}/elsewhere"] * 4, ["saved"]) == (looks, [*run.df.state])
        agrees(live)


def test_a_retry_that_is_refused_changes_nothing(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that cannot be used is refused before anything is planned."""
    monkeypatch.setenv(ADDRESS, f"{address(live)}/no/such/path")
    run = start(live.lab, sweep("a fox", "an owl"), name="a").wait(30)
    before = [(task.id, task.state) for task in run.tasks]

    monkeypatch.setenv(ADDRESS, "ftp://example.org")
    with pytest.raises(InputError, match=ADDRESS):
        run.retry()

    assert (before, "failed") == ([(task.id, task.state) for task in run.tasks], before[0][1])


def test_one_bad_address_holds_all_that_a_resume_would_release(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing moves at the other providers of a run either: a refusal is of the whole step."""
    what = sweep("a fox", provider=["kling", "fal"], mode="pro")
    run = start(live.lab, what, name="a", assume_price=1).pause()
    accounts = live.lab._opened.driving()._accounts
    monkeypatch.setenv(ADDRESS, f"{address(live)}/moved")
    monkeypatch.setenv(base_url_variable("fal"), "ftp://example.org")

    with pytest.raises(InputError, match="FAL"):
        run.resume()

    assert address(live) == accounts["kling"].provider.base_url


def test_a_bad_address_holds_nothing_up_where_nothing_is_left(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is finished at a provider needs it no more; a clip that has to be fetched again there does."""
    start(live.lab, sweep("a fox", provider="fal", mode="pro"), name="a", assume_price=1).wait(30)
    what = sweep("a fox", provider=["fal", "kling"], mode="pro")
    run = start(live.lab, what, name="a", assume_price=1).pause()
    monkeypatch.setenv(base_url_variable("fal"), "ftp://example.org")

    assert ["saved", "saved"] == [*run.resume().wait(30).df.state]
    agrees(live)

    (live.lab.folder / run.df.set_index("provider").loc["fal", "clip"]).unlink()
    with pytest.raises(InputError, match="FAL"):
        run.resume()


@pytest.mark.parametrize(
    ("variable", "bad", "why"),
    [(base_url_variable("kling"), "ftp://example.org", "base URL"), (key_variable("kling"), "one-word:", "the key of")],
)
def test_a_start_needs_no_address_or_key_of_what_is_done(
    live: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: str, bad: str, why: str
) -> None:
    """Started again, a sweep goes on at the places where it has something left; the plan warns of the others."""
    start(live.lab, sweep("a fox", mode="pro"), name="a").wait(30)
    both = sweep("a fox", provider=["kling", "fal"], mode="pro")
    monkeypatch.setenv(variable, bad)
    live.reopen()

    plan = live.lab.plan(both, assume_price=1)
    assert ["saved before", "buy"] == [point.fate for point in plan]
    assert why in str(plan[0].warnings[0])
    assert ["saved", "saved"] == [*start(live.lab, both, name="a", assume_price=1).wait(30).df.state]
    agrees(live)
    assert not caplog.records

    more = sweep("a fox", "an owl", mode="pro")
    for fresh, what in ((True, both), (False, more)):
        with pytest.raises(InputError, match=why):
            start(live.lab, what, name="b", assume_price=1, fresh=fresh)
    (live.lab.folder / live.lab.run("a").df.set_index("provider").loc["kling", "clip"]).unlink()
    with pytest.raises(InputError, match=why):
        start(live.lab, both, name="a", assume_price=1)
    agrees(live)


def test_a_key_that_is_being_refused_is_corrected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes of a token that was asked for with the old key counts no more: it holds nothing."""
    variable, late = key_variable("chanjing"), Fault(action="late", operation="token", seconds=2)
    with live_lab(tmp_path / "lab", late, speed=30) as live:
        right = live.simulator.key("chanjing")
        monkeypatch.setenv(variable, "wrong:wrong")
        what = sweep("a fox", provider="chanjing", mode="pro")
        run = start(live.lab, what, name="a", assume_price=1)
        time.sleep(0.4)
        monkeypatch.setenv(variable, right)
        run.resume().wait(60)

        assert (None, ["saved"]) == (run.held, [*run.df.state])
