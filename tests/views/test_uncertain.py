"""Uncertain tasks as a person sees them: the words, the table, and what stands behind the buttons."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

import kling_nb as kn
from kling_nb.engine.doubt import Doubtful, Uncertain
from kling_nb.states import TaskState
from kling_nb.views.uncertain import ACTIONS, Panel, static_html
from kling_nb.views.uncertain_words import SHOWN, WAYS, line, rows
from tests.labs import ledger, start, sweep
from tests.views.test_live import until

LOST = "boat #sim:lost"
Open = Callable[..., kn.Lab]
Make = Callable[..., Panel]


@pytest.fixture
def doubtful(simulated: Open) -> Callable[..., kn.Lab]:
    """Open a lab with tasks at fal whose answers were lost."""

    def make(*prompts: str) -> kn.Lab:
        lab = simulated()
        start(lab, sweep(*(prompts or (LOST,)), provider="fal"), name="a").wait()
        return lab

    return make


@pytest.fixture
def panels() -> Iterator[Make]:
    """Make panels of what is uncertain; their widgets are closed at the end."""
    made: list[Panel] = []

    def make(tasks: Uncertain) -> Panel:
        made.append(Panel(tasks))
        return made[-1]

    yield make
    for one in made:
        one.widget.close()


def answer(one: Panel) -> dict[str, Any]:
    """Return what came of the last button of the only task."""
    return dict(next(iter(json.loads(one.widget.answers).values()), {}))


def press(one: Panel, name: str, remote_id: str = "") -> dict[str, Any]:
    """Press a button of the first task, and return what came of it."""
    task = json.loads(one.widget.rows)[0]["id"]
    before = answer(one).get("acted", 0)
    one.widget._handle_custom_msg({"do": name, "task": task, "id": remote_id, "n": before + 1}, [])
    until(lambda: answer(one).get("acted") == before + 1, widget=one.widget, trait="answers")
    return answer(one)


# -- words -------------------------------------------------------------------------------------------------------


def test_one_is_a_task_and_two_are_tasks(doubtful: Open) -> None:
    """The number of tasks and their sum are said as a person would."""
    lab = doubtful(LOST, "fox #sim:lost")

    assert repr(lab.uncertain()).startswith("SIMULATED: 2 uncertain tasks, $0.70 at stake\n")
    lab.uncertain()[0].give_up()
    assert repr(lab.uncertain()).startswith("SIMULATED: 1 uncertain task, $0.35 at stake\n")
    lab.uncertain()[0].give_up()
    assert repr(lab.uncertain()) == "<Uncertain SIMULATED: no uncertain tasks: nothing is in doubt>"


def test_the_text_says_what_can_be_done(doubtful: Open) -> None:
    """In a terminal each task has its Python, its facts and the reason, and every way stands below with what it means."""
    told = repr(doubtful().uncertain()).splitlines()

    assert told[1].startswith(
        f'lab.uncertain()[0]: fal · kling-v2-5-turbo · pro · 5 s, "{LOST}": $0.35 at stake since 20'
    )
    assert told[1].endswith("UTC, waiting for you")
    assert told[2].startswith("    the answer to the submit was lost")
    assert [line.split("(")[0].strip(" .") for line in told[4:]] == list(WAYS)


def test_control_characters_do_not_reach_a_terminal(doubtful: Open) -> None:
    """What others wrote stays in one line and turns no terminal upside down."""
    (one,) = doubtful().uncertain()
    evil = replace(one.task, reason="\x1b[2Jgone\nand on")

    assert len(repr(Uncertain(None, [evil])).splitlines()) == 9  # type: ignore[arg-type]  # only shown
    assert "\x1b" not in repr(Uncertain(None, [evil]))  # type: ignore[arg-type]


def test_the_table_says_who_what_how_much_and_since_when(doubtful: Open) -> None:
    """Without a kernel it is a table with the price at stake, the reason once, and the Python for each way."""
    html = doubtful().uncertain()._repr_html_()

    told = (
        "1 uncertain task, $0.35 at stake",
        "SIMULATED",
        LOST,
        "pro · 5 s · run a",
        "waiting for you",
        "2026-01-01 00:",
    )
    for words in (*told, "<code>lab.uncertain()[0]</code>", *(f"<code>.{name}(" for name in WAYS)):
        assert words in html.replace("&#34;", '"')
    assert "<button" not in html
    assert "lab.uncertain() shows what can be done" not in html


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "waiting for you"),
        ({"state": TaskState.RUNNING}, "running"),
        ({"state": TaskState.FAILED, "cause": "given up"}, "given up"),
        ({"state": TaskState.FAILED, "cause": "policy"}, "failed"),
    ],
)
def test_each_says_how_it_stands(doubtful: Open, changes: dict[str, Any], words: str) -> None:
    """One that waits for a person is told from one that goes on, and from one that was decided."""
    (one,) = doubtful().uncertain()

    assert Doubtful(one._driving, replace(one.task, **changes), is_sought=False).stands == words


def test_an_own_id_is_shown_where_it_was_sent(simulated: Callable[..., kn.Lab]) -> None:
    """QuickRouter is sent our own id, which its console may show; fal and open-route are not, so that none is looked for."""
    what = sweep("boat", provider=["fal", "openroute", "quickrouter"], mode="pro")
    sent = start(simulated(), what, assume_price=1).wait().tasks
    doubted = Uncertain(None, [replace(task, state=TaskState.UNCERTAIN) for task in sent])  # type: ignore[arg-type]  # only shown

    told = {one.task.provider: (f"own id {one.task.id}" in line(one), rows([one])[0].own) for one in doubted}

    own = next(f"own id {task.id}" for task in sent if task.provider == "quickrouter")
    assert told == {"fal": (False, ""), "openroute": (False, ""), "quickrouter": (True, own)}
    assert static_html(doubted).count("own id kn-") == 1


def test_a_crowd_is_counted_and_not_all_shown(doubtful: Open) -> None:
    """All tasks are counted; a notebook keeps the first of them, and says so."""
    (one,) = doubtful().uncertain()
    many = Uncertain(None, [replace(one.task, id=str(n)) for n in range(60)])  # type: ignore[arg-type]  # only shown

    html = static_html(many, mark="m")

    assert "60 uncertain tasks, $21.00 at stake" in html
    assert f"{SHOWN} of 60 shown" in html
    assert html.count("<small>") == SHOWN
    assert len(html) < 200_000


def test_those_in_doubt_are_numbered_as_a_new_list_would_be(doubtful: Open) -> None:
    """When one was decided, the Python beside the others is that of `lab.uncertain()` called again."""
    lab = doubtful(LOST, "fox #sim:lost")
    listed = lab.uncertain()
    listed[0].give_up()

    shown = rows(listed.as_they_stand())

    assert [row.python for row in shown] == ["", "lab.uncertain()[0]"]
    assert shown[1].id == lab.uncertain()[0].task.id


# -- buttons -----------------------------------------------------------------------------------------------------


def test_every_way_has_a_button_and_what_costs_money_asks(doubtful: Open, panels: Make) -> None:
    """The buttons are the five ways; to give up and to buy again is asked with the price."""
    ways = json.loads(panels(doubtful().uncertain()).widget.ways)

    assert list(ACTIONS) == list(WAYS) == [way["name"] for way in ways]
    assert all("{price}" in WAYS[name].question for name in ("give_up", "buy_again", "never_bought"))


def test_a_button_decides_and_its_row_says_so(doubtful: Open, panels: Make) -> None:
    """Given up, a task stays in its row with what became of it, and is no longer counted as at stake."""
    lab = doubtful()
    one = panels(lab.uncertain())

    assert press(one, "give_up") == {"acted": 1, "said": "It was given up; $0.35 stays counted as spent.", "error": ""}
    until(lambda: "decided" in one.widget.head, widget=one.widget, trait="head")
    (row,) = json.loads(one.widget.rows)
    assert (row["stands"], row["open"], len(lab.uncertain())) == ("given up", False, 0)


def test_never_bought_says_that_a_retry_buys_it(doubtful: Open, panels: Make) -> None:
    """Where its run has the point, `run.retry()` is what buys it."""
    said = press(panels(doubtful().uncertain()), "never_bought")["said"]

    assert said == "It counts as failed, and $0.35 is no longer counted; run.retry() buys its point again."


def test_never_bought_promises_no_retry_where_no_run_has_the_point(doubtful: Open, panels: Make) -> None:
    """Where the run got other points meanwhile, a retry would buy nothing: what is said then is what buys it, and does."""
    lab = doubtful()
    left = panels(lab.uncertain())
    other = start(lab, sweep("fox", provider="fal"), name="a").wait()
    said = press(left, "never_bought")["said"]

    assert "no run has its point any more; run.retry() of a run that is started with it buys it" in said
    assert "its point again" not in said
    bought = len(ledger(lab))
    other.retry().wait()
    assert len(ledger(lab)) == bought
    anew = start(lab, sweep(LOST, provider="fal"), name="b").wait()
    assert (anew.snapshot().counts, len(ledger(lab))) == ({"failed": 1}, bought)
    anew.retry().wait()
    assert len(ledger(lab)) == bought + 1


def test_a_wrong_id_is_answered_under_its_row(doubtful: Open, panels: Make) -> None:
    """An id that the provider does not know changes nothing; the right one is followed to the clip."""
    lab = doubtful()
    one = panels(lab.uncertain())

    assert "nothing was changed" in press(one, "accepted_as", "no-such-id")["error"]
    assert len(lab.uncertain()) == 1
    assert "followed" in press(one, "accepted_as", ledger(lab)[0].task_id)["said"]
    until(lambda: '"saved"' in one.widget.rows, widget=one.widget, trait="rows")


def test_buying_again_buys_once(doubtful: Open, panels: Make) -> None:
    """Pressed twice, as in two views of one panel, it buys once, and the second is told that nothing changed."""
    lab = doubtful()
    one = panels(lab.uncertain())

    assert "another attempt" in press(one, "buy_again")["said"]
    assert "no longer uncertain" in press(one, "buy_again")["error"]
    lab.run("a").wait()
    assert len(ledger(lab)) == 2


@pytest.mark.parametrize("wish", [{"do": "cancel"}, {"do": "give_up", "task": "another"}])
def test_nothing_else_can_be_reached_from_the_browser(doubtful: Open, panels: Make, wish: dict[str, str]) -> None:
    """An action that is none, and a task that is not shown, are answered in words, and nothing changes."""
    lab = doubtful()
    one = panels(lab.uncertain())

    one.widget._handle_custom_msg({"task": json.loads(one.widget.rows)[0]["id"], "n": 1, **wish}, [])

    until(lambda: "there is no " in one.widget.answers, widget=one.widget, trait="answers")
    assert len(lab.uncertain()) == 1


def test_a_lab_that_is_closed_is_told(doubtful: Open, panels: Make) -> None:
    """After the lab was closed a button says so under its row."""
    lab = doubtful()
    one = panels(lab.uncertain())
    lab.close()

    one.widget._handle_custom_msg({"do": "give_up", "task": json.loads(one.widget.rows)[0]["id"], "n": 1}, [])

    until(lambda: "was closed" in one.widget.answers, widget=one.widget, trait="answers")
