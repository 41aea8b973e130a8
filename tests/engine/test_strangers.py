"""Somebody else answers in a provider's place: the page of a network that wants a log-in, a gateway, a host that moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from labs import Live, agrees, live_lab, start, sweep
from strict_socket import StrictSocket, answer

from kling_nb.dialect import Call, Reply, Whose
from kling_nb.dialect import Fault as No
from kling_nb.dialects.falqueue import FalQueue
from kling_nb.keys import base_url_variable
from kling_nb.simulator import Fault

PAGE = "<!doctype html><html><title>Please sign in</title></html>"
ELSEWHERE = "location: http://login.example/?next=here"


@contextmanager
def answered_by_another(live: Live, *lines: str, status: str, body: str = PAGE) -> Iterator[StrictSocket]:
    """Let another server answer in the place of Kling and fal, until the block ends."""
    said = answer(body.encode(), status, *lines)
    with StrictSocket.running(lambda _: [said]) as server, pytest.MonkeyPatch.context() as environment:
        for name in ("kling", "fal"):
            environment.setenv(base_url_variable(name), server.url)
        live.reopen()
        yield server
    live.reopen()


@pytest.mark.parametrize("provider", ["kling", "fal"])
@pytest.mark.parametrize("status", ["301 Moved", "307 Temporary", "308 Permanent"])
def test_points_are_held_where_another_place_is_named(tmp_path: Path, provider: str, status: str) -> None:
    """A log-in page's address is no provider's no: nothing fails, the run says what is to do, and goes on when told."""
    with live_lab(tmp_path / "lab") as live:
        with answered_by_another(live, ELSEWHERE, status=status):
            run = start(live.lab, sweep(*"abc", provider=provider), name="a").wait(30)
            assert {"planned": 3} == run.snapshot().counts
            assert f"HTTP {status[:3]} sends it to another address, http://login.example/;" in str(run.held)
            assert f"correct {base_url_variable(provider)}; then run.resume()" in str(run.held)
        run = live.lab.run("a").resume().wait(30)
        assert {"saved": 3} == run.snapshot().counts
        agrees(live)


def test_a_redirect_within_the_place_is_its_own(tmp_path: Path) -> None:
    """A provider that names another path of its own speaks of this request, and the others go on."""
    with live_lab(tmp_path / "lab") as live, answered_by_another(live, "location: /v2", status="308 Permanent"):
        run = start(live.lab, sweep(*"abc", provider="fal"), name="a").wait(30)
        assert ({"failed": 3}, None) == (run.snapshot().counts, run.held)


@pytest.mark.parametrize(
    ("status", "lines", "told"),
    [
        ("200 OK", (), "HTTP 200 came with a web page"),
        ("302 Found", (ELSEWHERE,), "HTTP 302 sends it to another address"),
        ("511 Network Authentication Required", (), "HTTP 511 says that the network wants a log-in first"),
    ],
)
def test_what_another_answers_without_proof_holds_the_rest(
    tmp_path: Path, status: str, lines: tuple[str, ...], told: str
) -> None:
    """What was under way stays in doubt, for nothing proves that it was not passed on; no further point joins it."""
    with live_lab(tmp_path / "lab") as live:
        with answered_by_another(live, *lines, status=status) as server:
            run = start(live.lab, sweep(*"abcdefghijklmnop", provider="fal"), name="a").wait(30)
            counts, asked = run.snapshot().counts, len(server.seen)
            assert ({"uncertain", "planned"}, asked) == (set(counts), counts["uncertain"])
            assert told in str(run.held)
        assert {**counts, "planned": 0, "saved": counts["planned"]}.items() >= (
            live.lab.run("a").resume().wait(30).snapshot().counts.items()
        )
        assert counts["planned"] == len(live.simulator.ledger())


class Trusting(FalQueue):
    """Takes every 200 for an acceptance, as a dialect of another package may that judges by the status alone."""

    def judge(self, call: Call, reply: Reply) -> No | None:
        """Look at the status."""
        return None if reply.ok else super().judge(call, reply)


class Startled(FalQueue):
    """Falls over what is no JSON."""

    def judge(self, call: Call, reply: Reply) -> No | None:
        """Read it unasked."""
        reply.object()
        return super().judge(call, reply)


@pytest.mark.parametrize("dialect", [Trusting, Startled])
def test_pages_hold_the_rest_whatever_a_dialect_makes_of_them(tmp_path: Path, dialect: type[FalQueue]) -> None:
    """A dialect of another package need not know what a web page is: no two hundred doubts, and no acceptance either."""
    with live_lab(tmp_path / "lab") as live, answered_by_another(live, status="200 OK"):
        provider, _ = live.lab._bindings.bound("fal")
        live.lab._bindings._bound["fal"] = provider, dialect(provider)
        run = start(live.lab, sweep(*"abcdefghijklmnop", provider="fal"), name="a").wait(30)
        assert {"uncertain", "planned"} == set(run.snapshot().counts)
        assert "HTTP 200 came with a web page" in str(run.held)
        assert {"doubt"} == {task.cause for task in run.tasks if task.state == "uncertain"}


class Frank(FalQueue):
    """Reads a no in what begins as a page does."""

    def judge(self, call: Call, reply: Reply) -> No | None:
        """Take it for a no to this request."""
        return No(whose=Whose.PARAMETERS, message="no such frame")


def test_a_no_that_a_dialect_reads_is_no_page(tmp_path: Path) -> None:
    """A service whose answers are XML says no for itself, and holds nothing."""
    with live_lab(tmp_path / "lab") as live, answered_by_another(live, status="200 OK", body="<no/>"):
        provider, _ = live.lab._bindings.bound("fal")
        live.lab._bindings._bound["fal"] = provider, Frank(provider)
        run = start(live.lab, sweep(*"abc", provider="fal"), name="a").wait(30)
        assert {"failed": 3} == run.snapshot().counts


@pytest.mark.parametrize("status", ["308 Permanent", "302 Found"])
def test_what_a_stranger_names_is_cut_short_and_legible(tmp_path: Path, status: str) -> None:
    """An address that another wrote is no more than a line of the log, and commands no terminal."""
    place = f"location: http://login.example/\x1b[31m\u202e{'x' * 20_000}".encode().decode("latin-1")
    with live_lab(tmp_path / "lab") as live, answered_by_another(live, place, status=status):
        run = start(live.lab, sweep("a", provider="fal"), name="a").wait(30)
        reason = run.tasks[0].reason
        assert "http://login.example/" in reason
        assert (len(reason) < 600, reason.isprintable()) == (True, True)


def test_a_host_that_wants_https_is_not_called_another(tmp_path: Path) -> None:
    """A base URL with http where https is wanted: the sentence says what is to do, and blames no network alone."""
    there = "location: https://127.0.0.1/v1/videos/"
    with live_lab(tmp_path / "lab") as live, answered_by_another(live, there, status="308 Permanent"):
        run = start(live.lab, sweep(*"abc", provider="fal"), name="a").wait(30)
        assert {"planned": 3} == run.snapshot().counts
        assert "what answered is not the API of fal: HTTP 308 sends it to another address, https://" in str(run.held)
        assert f"where its address has changed, correct {base_url_variable('fal')}; then run.resume()" in str(run.held)


def test_one_page_holds_nothing(tmp_path: Path) -> None:
    """A service that answers one submit with a page and the next as ever is itself."""
    page = Fault(action="http", provider="fal", operation="submit", status=200, body=PAGE)
    with live_lab(tmp_path / "lab", page) as live:
        run = start(live.lab, sweep(*"abcd", provider="fal"), name="a").wait(30)
        assert ({"uncertain": 1, "saved": 3}, None) == (run.snapshot().counts, run.held)


@pytest.mark.parametrize("data", ["null", "{}", '{"task_id": null}', '{"id": 7}'])
def test_what_was_accepted_without_an_id_is_not_bought_again(tmp_path: Path, data: str) -> None:
    """An acceptance that names no task did arrive: that our own id finds nothing proves nothing, and a person decides."""
    body = f'{{"code": 0, "message": "SUCCEED", "request_id": "r", "data": {data}}}'
    with live_lab(tmp_path / "lab", Fault(action="http", operation="submit", status=200, body=body)) as live:
        run = start(live.lab, sweep("fox"), name="a").wait(30)
        assert {"uncertain": 1} == run.snapshot().counts
        assert "answered as if it had been accepted" in run.tasks[0].reason
        assert live.simulator.ledger() == []


def test_pages_hold_nothing_where_the_place_itself_answers_reads(tmp_path: Path) -> None:
    """A service that answers submits with a page and look-ups as ever is itself: what is absent is bought, the rest goes on."""
    page = Fault(action="http", provider="kling", operation="submit", status=200, body=PAGE, times=4)
    with live_lab(tmp_path / "lab", page) as live:
        run = start(live.lab, sweep(*"abcdefgh", provider="kling"), name="a").wait(30)
        assert ({"saved": 8}, None) == (run.snapshot().counts, run.held)
        agrees(live)
