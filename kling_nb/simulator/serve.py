"""The simulator on a loopback socket, where a reset is a reset."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from kling_nb.simulator.simulator import Simulator
from kling_nb.simulator.tls import Certificate

Connections = dict[tuple[str, int], asyncio.Transport]


@contextmanager
def running(simulator: Simulator, port: int = 0, tls: Certificate | None = None) -> Iterator[str]:
    """Serve *simulator* on 127.0.0.1 from a daemon thread; yields ``http://127.0.0.1:PORT``.

    *port* 0 picks a free one.  With *tls* it is ``https``, and a client has to trust that certificate's authority.
    On leaving, open connections are aborted and the thread has ended.
    """
    connections: Connections = {}
    with _listening(port) as listener:
        server = _Server(_config(simulator.app, connections, tls))
        thread = threading.Thread(target=server.run, args=([listener],), name="simulator", daemon=True)
        thread.start()
        try:
            _await_start(server, thread)
            yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.stop(connections)
            thread.join()


class _Server(uvicorn.Server):
    """A uvicorn server that says when it listens and stops at once, hanging requests or not."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()
        self._own_loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._own_loop = asyncio.get_running_loop()
        self.listens.set()

    def stop(self, connections: Connections) -> None:
        """Ask the loop to end; a scripted hang must not outlive the server."""
        self.should_exit = True
        if self._own_loop is not None and not self._own_loop.is_closed():
            self._own_loop.call_soon_threadsafe(_abort_all, connections)


def _abort_all(connections: Connections) -> None:
    for transport in list(connections.values()):
        transport.abort()


class _Doorman:
    """Gives each request's scope the means to end its own TCP connection."""

    def __init__(self, app: ASGIApp, connections: Connections) -> None:
        self._app = app
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = self._connections.get(scope.get("client") or ("", 0))
        if transport is not None:
            hooks = {"kling_nb.reset": lambda: _reset(transport), "kling_nb.close": transport.close}
            scope = {**scope, "extensions": {**scope.get("extensions", {}), **hooks}}
        await self._app(scope, receive, send)


def _reset(transport: asyncio.Transport) -> None:
    """End the connection with RST rather than FIN: linger for zero seconds, then abort."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _config(app: ASGIApp, connections: Connections, tls: Certificate | None) -> uvicorn.Config:
    class Protocol(H11Protocol):
        """Uvicorn's own, keeping the transport of each open connection findable by its peer."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            connections[transport.get_extra_info("peername")] = transport
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            if self.client is not None:
                connections.pop(self.client, None)
            super().connection_lost(exc)

    return uvicorn.Config(
        _Doorman(app, connections),
        http=Protocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
        ssl_certfile=tls.chain if tls else None,
    )


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    # With the protocol named, asyncio sets TCP_NODELAY; without, Nagle makes each clip 40 ms slower.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        yield listener


def _await_start(server: _Server, thread: threading.Thread) -> None:
    while not server.listens.wait(0.2):
        if not thread.is_alive():
            raise RuntimeError("the simulator's server ended before it listened; see the log of uvicorn.error")
