"""An app in this process: the same rules, no names looked up, and time that may jump."""

from __future__ import annotations

import asyncio
import selectors
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from wired import QUICK, SECRET, check, fails, fetched, http, run, sent, submit, using  # noqa: F401 (a fixture)

from kling_nb.dialect import Reply
from kling_nb.errors import Doubt, MediaError
from kling_nb.wire import Wire

pytestmark = pytest.mark.usefixtures("http")


class JumpingSelector(selectors.DefaultSelector):
    """Never waits: the time that it should have waited has passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Jump to the next timer."""
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer when nothing is ready."""

    def __init__(self) -> None:
        self.clock = JumpingSelector()
        super().__init__(self.clock)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self.clock.now


async def later(seconds: float) -> None:
    """Return when the loop's time is there."""
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(seconds, done.set_result, None)
    await done


class Embedded:
    """A small provider in this process, which counts who is inside at once."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds, self.inside, self.most = seconds, 0, 0
        routes = [Route("/tasks", self.task, methods=["GET", "POST"]), Route("/moved", self.moved)]
        self.app = Starlette(routes=[*routes, Route("/broken", self.broken), Route("/short", self.short)])

    async def task(self, request: Request) -> Response:
        """Take its time and tell what came."""
        self.inside += 1
        self.most = max(self.most, self.inside)
        await later(self.seconds)
        self.inside -= 1
        return JSONResponse({"host": request.headers["host"], "body": (await request.body()).decode()})

    async def moved(self, _: Request) -> Response:
        """Redirect to the short clip."""
        return Response(status_code=302, headers={"location": "http://cdn.elsewhere.example/short"})

    async def broken(self, _: Request) -> Response:
        """Fail."""
        raise ZeroDivisionError

    async def short(self, _: Request) -> Response:
        """Announce more than comes."""
        return Response(b"clip", headers={"content-length": "5"})


def test_an_app_in_this_process_gets_every_host() -> None:
    """With an app, a call to any host is answered in this process, without a name being looked up."""
    reply = sent(submit("https://api.nowhere.example", "/tasks", body={"prompt": "a fox"}), app=Embedded().app)
    assert {"host": "api.nowhere.example", "body": '{"prompt": "a fox"}'} == reply.json()


def test_an_answer_that_repeats_the_token_is_rid_of_it() -> None:
    """What went out in a header is not said again by what comes back, wherever else it stood."""
    reply = sent(submit("https://api.nowhere.example", "/tasks"), app=Embedded().app)
    assert SECRET.encode() not in reply.content
    assert reply.json()["body"] == '{"prompt": "••••"}'


def test_an_app_is_not_timed() -> None:
    """With an app the loop's time may jump, so that no timeout counts: an hour's answer is an answer."""
    work = using(lambda wire: wire.send(check("https://api.example/tasks")), app=Embedded(3600).app, limits=QUICK)
    assert run(work, VirtualLoop).ok


def test_at_most_so_many_are_out_at_once() -> None:
    """A semaphore before the client bounds the requests in flight, of both kinds together."""
    embedded = Embedded(1)

    async def many(wire: Wire) -> list[Reply]:
        calls = [check("https://api.example/tasks"), submit("https://api.example", "/tasks")] * 20
        return await asyncio.gather(*map(wire.send, calls))

    assert len(run(using(many, app=embedded.app, in_flight=7), VirtualLoop)) == 40
    assert embedded.most == 7


def test_an_app_that_fails_answers_500() -> None:
    """An exception of the app is a reply, as it would be over a socket."""
    assert sent(check("https://api.example/broken"), app=Embedded().app).status == 500


def test_lengths_and_links_are_checked_in_this_process_too(tmp_path: Path) -> None:
    """With an app too a body shorter than announced is a doubt, a redirect is followed, a literal address is judged."""
    app = Embedded().app
    fails(Doubt, lambda: sent(check("https://api.example/short"), app=app))
    text = fails(Doubt, lambda: fetched("http://api.example/moved", tmp_path / "a.part", "http://api.example", app=app))
    assert text.startswith("GET api.example/moved: ")
    assert "expected 5 bytes, got 4" in text
    fails(MediaError, lambda: fetched("http://10.0.0.1/short", tmp_path / "a.part", "http://api.example", app=app))


def test_a_clip_is_not_fetched_by_a_downgraded_redirect(tmp_path: Path) -> None:
    """A redirect from https to http is refused on the way to a clip."""
    text = fails(MediaError, lambda: fetched("https://api.example/moved", tmp_path / "a.part", app=Embedded().app))
    assert "redirects from https to http" in text
