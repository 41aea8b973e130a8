"""The hosts that clips come from: ``/cdn/...mp4``, no credential, byte ranges, links that expire."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from kling_nb.simulator import clips
from kling_nb.simulator.faults import CLIP, WIRE, Event, Fault
from kling_nb.simulator.store import Task
from kling_nb.simulator.wire import HangUp, patience, under
from kling_nb.simulator.world import DAY_S, World

EXPIRED_STATUS = {"kling": 403, "fal": 404, "quickrouter": 403, "relay": 403, "openroute": 403}
"""Undocumented: a CDN with signed links answers 403, one that deletes files 404; relays use Kling's links."""

HUGE_BYTES = 50 * 10**9
_HTML = "<!doctype html><html><head><title>Please sign in</title></head><body>Sign in to continue</body></html>"


def cdn_of(request: Request, fault: Fault | None) -> str:
    """Where an answer's clips lie: on the host that was asked, or elsewhere if the fault is ``foreign``."""
    if fault and fault.action == "foreign":
        return fault.body or "https://cdn.elsewhere.example/"
    return f"{request.url.scheme}://{request.url.netloc}/cdn/"


class Cdn:
    """Serves the clips of every provider."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.route = Route("/cdn/{path:path}", self.clip, methods=["GET", "HEAD"])

    async def clip(self, request: Request) -> Response:
        """One clip, or a part of it."""
        tasks = self._world.store.tasks("asset = ?", (request.path_params["path"],))
        if not tasks:
            return Response("Not Found", 404)
        # Several tasks may have come to the same clip: it is there with the first that is done.
        task = next((task for task in tasks if task.state(self._world.now()) == "done"), tasks[0])
        return await self.sent(task, request, request.headers.get("range", ""))

    async def sent(self, task: Task, request: Request, asked: str) -> Response:
        """The clip of *task*, or the range of it that is *asked* for, with what may go wrong on the way."""
        event = Event(task.provider, "asset", task.model, task.prompt)
        line = self._world.strike(event, WIRE)
        if line is None and (fault := self._world.strike(event, CLIP)):
            return await self._faulty(task, fault, request)
        return await under(line, request, lambda: self._served(task, asked))

    def _served(self, task: Task, asked: str) -> Response:
        now = self._world.now()
        if task.state(now) != "done":
            return Response("Not Found", 404)
        if now > task.ended_at + self._world.lifetimes.get(task.provider, DAY_S):
            return _expired(task)
        return ranged(self._bytes(task), asked)

    async def _faulty(self, task: Task, fault: Fault, request: Request) -> Response:
        if fault.action == "expired":
            return _expired(task)
        if fault.action == "wrong-type":
            return HTMLResponse(_HTML)
        whole = self._bytes(task)
        headers = {"content-length": str(HUGE_BYTES if fault.action == "huge" else len(whole))}
        seconds = fault.seconds if fault.action == "slow" else 0.0
        sent = whole if fault.action == "slow" else whole[: len(whole) // 2]
        body = _dribble(sent, seconds, request, cut=fault.action != "slow")
        return StreamingResponse(body, 200, headers, media_type="video/mp4")

    def _bytes(self, task: Task) -> bytes:
        return clips.render(clips.Scene.read(task.scene), task.image, self._world.size)


async def _dribble(body: bytes, seconds: float, request: Request, *, cut: bool) -> AsyncIterator[bytes]:
    """The bytes in ten pieces over *seconds*; then, if *cut*, the end of the connection."""
    step = max(1, len(body) // 10)
    for start in range(0, len(body), step):
        if seconds:
            await anyio.sleep(seconds / 10)
        yield body[start : start + step]
    close = request.scope.get("extensions", {}).get("kling_nb.close")
    if cut and close is not None:
        close()
        await patience(request, 60)
        raise HangUp


def _expired(task: Task) -> Response:
    code = "AccessDenied" if EXPIRED_STATUS.get(task.provider, 404) == 403 else "NoSuchKey"
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code></Error>'
    return Response(body, EXPIRED_STATUS.get(task.provider, 404), media_type="application/xml")


def ranged(whole: bytes, asked: str) -> Response:
    """The bytes that a ``Range`` header asks for; everything without one or with several."""
    headers = {"accept-ranges": "bytes", "etag": f'"{hashlib.sha256(whole).hexdigest()[:32]}"'}
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.strip())
    if match is None or match.groups() == ("", ""):
        return Response(whole, 200, headers, media_type="video/mp4")
    first, last = _bounds(match[1], match[2], len(whole))
    if first > last:
        return Response(b"", 416, headers | {"content-range": f"bytes */{len(whole)}"})
    headers["content-range"] = f"bytes {first}-{last}/{len(whole)}"
    return Response(whole[first : last + 1], 206, headers, media_type="video/mp4")


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last or size), size - 1)
