"""What all tests share: no host but this one, no variables of the machine, and lab folders that are closed again."""

from __future__ import annotations

import ipaddress
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import kling_nb as kn

pytest_plugins = ["tests.browser"]


def _is_here(host: object) -> bool:
    text = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    try:
        return text == "localhost" or ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _guard(event: str, args: tuple[Any, ...]) -> None:
    """Refuse to connect anywhere but to this machine; an audit hook, so that nothing has to be patched."""
    if event == "socket.connect" and isinstance(args[1], tuple) and not _is_here(args[1][0]):
        message = f"a test connects to {args[1][0]}: only 127.0.0.1 is allowed"
        raise AssertionError(message)


sys.addaudithook(_guard)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has it in what it starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def _environment_as_it_was() -> Iterator[None]:
    """Put the library's variables back, last of all: a test that changes one inside a live lab restores the lab's."""
    before = _variables()
    yield
    for name in _variables().keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("KLING_NB_")}


@pytest.fixture(autouse=True)
def _own_environment(_environment_as_it_was: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the machine says of keys, speeds and proxies."""
    proxies = {f"{name}_proxy" for name in ("http", "https", "all", "no")}
    for name in list(os.environ):
        if (name.startswith("KLING_NB_") and name != "KLING_NB_REQUIRE") or name.lower() in proxies:
            monkeypatch.delenv(name)


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[Callable[..., kn.Lab]]:
    """Open simulated labs whose time never waits; each is closed in the end."""
    with ExitStack() as stack:

        def open_lab(name: str = "lab", speed: float = math.inf, seed: int = 7, **options: Any) -> kn.Lab:
            lab = kn.Lab(tmp_path / name, simulate=kn.Simulation(seed=seed, speed=speed), **options)
            stack.callback(lab.close)
            return lab

        yield open_lab
