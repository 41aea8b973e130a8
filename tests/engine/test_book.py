"""What is recorded: kinds of events that there are, in the log's plain words."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from kling_nb.engine.book import Book
from kling_nb.engine.loop import Clock
from kling_nb.log import FILE, ExperimentLog
from kling_nb.task import EventKind, Task

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


def test_a_kind_is_kept_as_its_word(book: Book, log: ExperimentLog) -> None:
    """What the log holds of an event is plain text, which every version and every other program reads."""
    anyio.run(book.record, "kn-1", EventKind.NOT_SENT)
    with sqlite3.connect(log.path.parent / FILE) as db:
        rows = db.execute("SELECT kind, typeof(kind) FROM events ORDER BY seq").fetchall()
    db.close()
    assert [("planned", "text"), ("not_sent", "text")] == rows
