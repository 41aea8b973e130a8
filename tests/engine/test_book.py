"""What is recorded: kinds of events that there are, in the log's plain words; and what becomes of a log that takes none."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from traceback import walk_tb
from typing import Any

import anyio
import pytest

from kling_nb.engine.book import Book
from kling_nb.engine.loop import Clock
from kling_nb.errors import LabBusy
from kling_nb.log import FILE, ExperimentLog
from kling_nb.states import Cause, EventKind
from kling_nb.task import Task

TASK = Task(id="kn-1", identity="i", provider="kling", model="m", run="a", estimate_high=Decimal(1))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[ExperimentLog]:
    """Open a log for writing."""
    log = ExperimentLog(tmp_path, simulated=False, write=True)
    yield log
    log.close()


@pytest.fixture
def book(log: ExperimentLog) -> Book:
    """Return a book that holds one planned task."""
    book = Book(log, Clock())
    anyio.run(book.plan, [TASK])
    return book


def test_what_stopped_a_lab_is_raised_anew(book: Book, log: ExperimentLog) -> None:
    """Whoever is told that a log takes nothing more gets an error of their own: a trace tells of one, not of all."""
    log.guard("driver", "me", lambda _: LabBusy("another took over"))
    raised = [anyio.run(_refused, book) for _ in range(4)]
    assert {(LabBusy, "another took over")} == {(type(error), str(error)) for error in raised}
    assert 4 == len({id(error) for error in raised})
    assert 1 == len({_length(error) for error in raised[1:]})


def test_what_waits_for_one_commit_fails_with_an_error_each(book: Book, log: ExperimentLog) -> None:
    """Of several changes whose shared commit fails, each raises an error of its own."""
    log.guard("driver", "me", lambda _: LabBusy("another took over"))
    raised = anyio.run(_all_refused, book)
    assert 3 == len({id(error) for error in raised})
    assert 1 == len({_length(error) for error in raised[1:]})


async def _refused(book: Book) -> LabBusy:
    with pytest.raises(LabBusy) as caught:
        await book.record("kn-1", EventKind.NOTED)
    return caught.value


async def _all_refused(book: Book) -> list[LabBusy]:
    return await asyncio.gather(*(_refused(book) for _ in range(3)))


def _length(error: Exception) -> int:
    return len([*walk_tb(error.__traceback__)])


WAYS: list[Callable[[Book, Any], Any]] = [
    lambda book, kind: book.record("kn-1", kind),
    lambda book, kind: book.record_all(kind, {"kn-1": {}}),
    lambda book, kind: book.replace({"kn-1": TASK}, kind),
]


@pytest.mark.parametrize("way", WAYS, ids=["record", "record_all", "replace"])
def test_a_kind_of_our_own_that_is_none_is_an_error(book: Book, log: ExperimentLog, way: Callable[..., Any]) -> None:
    """A mistyped kind of event is an error at once, and nothing of it is written."""
    with pytest.raises(ValueError, match="'intnet' is not a valid EventKind"):
        anyio.run(way, book, "intnet")
    assert ["planned"] == list(log.events()["kind"])


def test_a_kind_and_a_cause_are_kept_as_their_words(book: Book, log: ExperimentLog) -> None:
    """What the log holds of an event is plain text, which every version and every other program reads."""
    refused = partial(book.record, "kn-1", EventKind.REFUSED, cause=Cause.REFUSED)
    anyio.run(refused)
    with sqlite3.connect(log.path.parent / FILE) as db:
        kinds = db.execute("SELECT kind, typeof(kind) FROM events ORDER BY seq").fetchall()
        causes = db.execute("SELECT cause, typeof(cause), data FROM tasks, events WHERE kind = 'refused'").fetchall()
    db.close()
    assert [("planned", "text"), ("refused", "text")] == kinds
    assert [("refused", "text", '{"cause": "refused"}')] == causes
    assert (str, str) == (type(book.tasks["kn-1"].cause), type(log.read_tasks()[0].cause))
