"""Conversations in which some questions fail: the others are asked all the same, and what they told is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from driving import provider_of

from kling_nb.dialect import Call, Learnt, Phase, Reply, Status
from kling_nb.dialects.chanjing import Chanjing
from kling_nb.dialects.kling import Kling
from kling_nb.dialects.native import Native
from kling_nb.dialects.sparing import FAILURES_MOST
from kling_nb.errors import KeyMissing, KlingError, ProviderError
from kling_nb.task import Ticket

DOWN = ProviderError("it is down")
TEXT, IMAGE = "/v1/videos/text2video", "/v1/videos/image2video"
Answer = Callable[[str], Reply | KlingError]


def reply(body: Any) -> Reply:
    """Return an answer of this JSON, or of these bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status=200, headers={"content-type": "application/json"}, content=content)


def held(dialect: Any, tickets: list[Ticket], answer: Answer) -> tuple[Learnt, list[str]]:
    """Hold a check as the engine does: an error raises where its question was yielded; returns the questions too."""
    talk, asked = dialect.check(tickets), []
    try:
        call: Call = next(talk)
        while True:
            asked.append(call.url.rpartition("/v1/")[2])
            said = answer(call.url)
            call = talk.throw(said) if isinstance(said, KlingError) else talk.send(said)
    except StopIteration as end:
        return end.value, asked


def tickets(path: str, *names: str) -> list[Ticket]:
    """Return tickets of one path."""
    return [Ticket(name, {"path": path, "created_ms": 1_000}) for name in names]


def item(name: str) -> dict[str, Any]:
    """Return a task under way, as Kling shows it."""
    return {"task_id": name, "task_status": "processing", "created_at": 1_000}


def page(*names: str) -> Reply:
    """Return a page of tasks."""
    return reply({"code": 0, "data": [item(name) for name in names]})


def phases(learnt: Learnt) -> dict[str, Phase | KlingError]:
    """Return what was learnt, a status by its phase."""
    return {name: said.phase if isinstance(said, Status) else said for name, said in learnt.items()}


def native() -> Native:
    """Return Kling's legacy form."""
    return Native(provider_of("native"))


def test_a_path_that_is_down_hides_no_other() -> None:
    """The list of one path fails; the next path is asked about, and what it told is kept."""
    both = [*tickets(IMAGE, "i1", "i2"), *tickets(TEXT, "t1", "t2")]
    learnt, _ = held(native(), both, lambda url: DOWN if IMAGE in url else page("t1", "t2"))
    assert phases(learnt) == {"i1": DOWN, "i2": DOWN, "t1": Phase.RUNNING, "t2": Phase.RUNNING}


def test_a_page_that_fails_keeps_those_before() -> None:
    """The first page brought one task, the second one fails: it is the error of the other task alone."""
    full = page("t1", *(f"o{number}" for number in range(29)))
    learnt, _ = held(native(), tickets(TEXT, "t1", "t2"), lambda url: full if "pageNum=1&" in url else DOWN)
    assert phases(learnt) == {"t1": Phase.RUNNING, "t2": DOWN}


def test_several_failures_end_asking_singly() -> None:
    """Tasks that a list lacks are asked about alone; where each fails, no more than a few are, and all have the error."""
    names = [f"t{number}" for number in range(8)]
    learnt, asked = held(native(), tickets(TEXT, *names), lambda url: page("t0") if "pageNum" in url else DOWN)
    assert phases(learnt) == {"t0": Phase.RUNNING} | dict.fromkeys(names[1:], DOWN)
    assert len(asked) == 1 + FAILURES_MOST


def test_one_that_fails_singly_hides_none_behind_it() -> None:
    """Of two that a list lacks the first cannot be asked about; the second is."""
    single = reply({"code": 0, "data": item("t2")})
    answer: Answer = lambda url: page("t0") if "pageNum" in url else DOWN if url.endswith("t1") else single  # noqa: E731
    learnt, _ = held(native(), tickets(TEXT, "t0", "t1", "t2"), answer)
    assert phases(learnt) == {"t0": Phase.RUNNING, "t1": DOWN, "t2": Phase.RUNNING}


def test_an_answer_that_is_no_json_hides_no_other() -> None:
    """A web page in the place of one path's list is the trouble of that path alone."""
    both = [*tickets(IMAGE, "i1", "i2"), *tickets(TEXT, "t1", "t2")]
    learnt, _ = held(native(), both, lambda url: reply(b"<html>") if IMAGE in url else page("t1", "t2"))
    assert isinstance(learnt["i1"], KlingError)
    assert isinstance(learnt["t1"], Status)


def test_where_nothing_was_learnt_the_error_is_raised() -> None:
    """A place that is down as a whole is told as one error, as for a single task."""
    for asked in (tickets(TEXT, "t1"), tickets(TEXT, "t1", "t2"), [*tickets(TEXT, "t1"), *tickets(IMAGE, "i1")]):
        with pytest.raises(ProviderError, match="it is down"):
            held(native(), asked, lambda _: DOWN)


def test_a_missing_key_ends_all() -> None:
    """What is not of the provider is no trouble of one path: nothing else is asked."""
    with pytest.raises(KeyMissing):
        held(native(), [*tickets(TEXT, "t1"), *tickets(IMAGE, "i1")], lambda _: KeyMissing("no key"))


def test_generations_of_kling_hide_none_of_each_other() -> None:
    """The path API fails and the legacy one answers, and the other way round."""
    dialect = Kling(provider_of("kling"))
    newer = [Ticket(name, {"path": "/text-to-video/kling-2.6"}) for name in ("p1", "p2")]
    both = [*tickets(TEXT, "t1", "t2"), *newer]
    learnt, _ = held(dialect, both, lambda url: page("t1", "t2") if TEXT in url else DOWN)
    assert phases(learnt) == {"t1": Phase.RUNNING, "t2": Phase.RUNNING, "p1": DOWN, "p2": DOWN}
    told = reply({"code": 0, "data": [{"id": name, "status": "processing"} for name in ("p1", "p2")]})
    learnt, _ = held(dialect, both, lambda url: DOWN if TEXT in url else told)
    assert phases(learnt) == {"t1": DOWN, "t2": DOWN, "p1": Phase.RUNNING, "p2": Phase.RUNNING}


def test_pages_of_chanjing_hide_none_of_each_other() -> None:
    """Of two pages of ids the first fails: the second one's tasks are known."""
    names, turns = [f"c{number}" for number in range(60)], iter([DOWN])
    listed = reply(
        {"code": 0, "data": {"list": [{"unique_id": name, "progress_desc": "Generating"} for name in names]}}
    )
    learnt, _ = held(Chanjing(provider_of("chanjing")), [Ticket(name) for name in names], lambda _: next(turns, listed))
    assert {name for name, said in learnt.items() if isinstance(said, KlingError)} == set(names[:50])
    assert all(isinstance(learnt[name], Status) for name in names[50:])
