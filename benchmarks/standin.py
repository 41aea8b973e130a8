"""A server that speaks just enough of both dialects, and fast: the other side of `benchmarks.cpu`, in its own process.

    python -m benchmarks.standin CLIP [AUTHORITY]    prints its address

With a second file it speaks TLS, and writes there whom to trust.

It knows two ways to make a video (Kling's native protocol and fal's queue), never refuses and never fails. How long
tasks take is set by ``POST /reset`` (median in real seconds), which also forgets every task and every request;
``GET /journal`` tells each request since: seconds, method, path, body, the task that it was about.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

SIGMA = 0.35
FAL = "fal/fal-ai/kling-video/requests"
Answer = tuple[int, str, bytes]


@dataclass
class Shop:
    """Tasks by number, each ending when it was drawn to; numbers count from 0 in the order of the submits."""

    clip: bytes
    host: str = ""
    median_s: float = 1.0
    begun: float = 0.0
    ends: list[float] = field(default_factory=list)
    born: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    journal: list[tuple[float, str, str, str, int]] = field(default_factory=list)

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Answer one request, and note it."""
        if path in ("/reset", "/journal"):
            return self._control(path, body)
        about, answer = self._answered(method, path)
        self.journal.append((time.monotonic() - self.begun, method, path, body.decode(), about))
        return answer

    def _control(self, path: str, body: bytes) -> Answer:
        if path == "/journal":
            return _json(200, self.journal)
        self.median_s, self.begun = json.loads(body)["median_s"], time.monotonic()
        for kept in (self.ends, self.born, self.paths, self.journal):
            kept.clear()
        return _json(200, {})

    def _answered(self, method: str, path: str) -> tuple[int, Answer]:
        if method == "POST":
            return self._submitted(path)
        for pattern, answer in self._reads().items():
            if match := re.fullmatch(pattern, path):
                numbers = [int(number) for number in match.groups()]
                return (-1 if len(numbers) > 1 else numbers[0]), answer(*numbers)
        return -1, _json(404, {"detail": "Not Found"})

    def _submitted(self, path: str) -> tuple[int, Answer]:
        number = len(self.ends)
        lasts = self.median_s * math.exp(SIGMA * random.Random(number).gauss(0, 1))
        self.ends.append(time.monotonic() + lasts)
        self.born.append(round(time.time() * 1000))
        self.paths.append(path)
        return number, (self._queued(number) if path.startswith("/fal/") else _kling(self._item(number)))

    def _reads(self) -> dict[str, Callable[..., Answer]]:
        return {
            rf"/{FAL}/0*(\d+)/status": self._status,
            rf"/{FAL}/0*(\d+)": self._result,
            r"/kling/v1/videos/text2video/0*(\d+)": lambda number: _kling(self._item(number)),
            r"/kling/v1/videos/text2video\?pageNum=(\d+)&pageSize=(\d+)": self._page,
            r"/cdn/0*(\d+)\.mp4": lambda _: (200, "video/mp4", self.clip),
        }

    def _page(self, page: int, size: int) -> Answer:
        first = len(self.ends) - 1 - (page - 1) * size
        return _kling([self._item(number) for number in range(first, max(-1, first - size), -1)])

    def _item(self, number: int) -> dict[str, Any]:
        at, task_id = self.born[number], f"{number:018d}"
        item = {"task_id": task_id, "task_status": "processing", "created_at": at, "updated_at": at, "task_result": {}}
        if time.monotonic() < self.ends[number]:
            return item
        video = {"id": task_id, "url": self._link(number), "duration": "5.041"}
        done = {"task_status": "succeed", "final_unit_deduction": "1.5", "task_result": {"videos": [video]}}
        return {**item, **done, "final_balance_deduction": {"quota": "0.21", "list_price": "0.21"}}

    def _queued(self, number: int) -> Answer:
        return _json(200, {"status": "IN_QUEUE", "queue_position": 0, **self._addresses(number)})

    def _status(self, number: int) -> Answer:
        done = time.monotonic() >= self.ends[number]
        word = {"status": "COMPLETED" if done else "IN_PROGRESS", "logs": None, "metrics": {}}
        return _json(200 if done else 202, {**word, **self._addresses(number)})

    def _result(self, number: int) -> Answer:
        link = {"url": self._link(number), "content_type": "video/mp4", "file_name": "output.mp4"}
        return _json(200, {"video": {**link, "file_size": len(self.clip)}})

    def _addresses(self, number: int) -> dict[str, str]:
        here = f"{self.host}/{FAL}/{number:018d}"
        return {
            "request_id": f"{number:018d}",
            "response_url": here,
            "status_url": f"{here}/status",
            "cancel_url": f"{here}/cancel",
        }

    def _link(self, number: int) -> str:
        return f"{self.host}/cdn/{number:018d}.mp4"


def _kling(data: Any) -> Answer:
    return _json(200, {"code": 0, "message": "SUCCEED", "request_id": "0" * 36, "data": data})


def _json(status: int, body: Any) -> Answer:
    return status, "application/json", json.dumps(body).encode()


class Line(asyncio.Protocol):
    """HTTP/1.1 as httpx speaks it: whole requests, one after another, on a connection that stays open."""

    def __init__(self, shop: Shop) -> None:
        self._shop, self._held = shop, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (read := _read(self._held)) is not None:
            method, path, body, closes, self._held = read
            status, kind, content = self._shop.answer(method, path, body)
            head = f"HTTP/1.1 {status} OK\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n\r\n"
            self._transport.write(head.encode() + content)
            if closes:
                self._transport.close()


def _read(held: bytes) -> tuple[str, str, bytes, bool, bytes] | None:
    """Take one request off the front: method, path, body, whether the connection is to close, the rest."""
    head, blank, rest = held.partition(b"\r\n\r\n")
    if not blank:
        return None
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    size = int(length[1]) if length else 0
    if len(rest) < size:
        return None
    method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
    return method, path, rest[:size], b"connection: close" in head.lower(), rest[size:]


async def serve(clip: bytes, authority: Path | None) -> None:
    """Serve on a free port of this machine until the process is ended; with TLS if there is to be an authority."""
    shop, tls = Shop(clip), authority and _certified(authority)
    server = await asyncio.get_running_loop().create_server(lambda: Line(shop), "127.0.0.1", 0, ssl=tls, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    shop.host = f"http{'s' if tls else ''}://127.0.0.1:{port}"
    print(shop.host, flush=True)
    await server.serve_forever()


def _certified(authority: Path) -> ssl.SSLContext:
    """Return a context with a certificate for this machine, and write its authority to a file."""
    issuer, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert("127.0.0.1").configure_cert(context)
    issuer.cert_pem.write_to_path(str(authority))
    return context


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]) if sys.argv[2:] else None))
