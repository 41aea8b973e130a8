"""The base URL of a provider changes while a submit is in doubt: another name of its host, another path, another place."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from labs import SPEED, ScaledClock, in_state, start, sweep, until
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

import kling_nb as kn
from kling_nb.errors import KlingError
from kling_nb.keys import base_url_variable, key_variable
from kling_nb.simulator import API_KEY, Fault, Simulator, running

WAYS: dict[str, dict[str, Any]] = {
    "legacy": {"provider": "kling"},
    "path": {"provider": "kling", "model": "kling-3.0-turbo", "mode": None},
    "flat": {"provider": "quickrouter"},
    "relay": {"provider": "relay"},
    "newapi": {"provider": "openroute"},
    "fal": {"provider": "fal"},
    "fal-relay": {"provider": "quickrouter-fal", "mode": "pro"},
    "chanjing": {"provider": "chanjing"},
}
"""What is bought, for each protocol."""
FINDING = ("legacy", "path", "flat", "relay")
ABSENT = {
    "legacy": JSONResponse({"code": 1203, "message": "Task not found"}, 404),
    "path": JSONResponse({"code": 0, "message": "SUCCEED", "data": []}),
}
MOVES = {
    "host": (("127.0.0.1", ""), ("localhost", "")),
    "path": (("127.0.0.1", "/gwA"), ("127.0.0.1", "/gwB")),
    "up": (("127.0.0.1", "/gwA"), ("127.0.0.1", "")),
    "down": (("127.0.0.1", ""), ("127.0.0.1", "/gwA")),
    "both": (("127.0.0.1", "/gwA"), ("localhost", "/gwB")),
}
"""Host and end of a base URL, before and after; the provider's own path at the simulator is between them."""


@dataclass
class Gateway:
    """Passes on what is asked below some paths. With an ``absence``, it answers looks by our own ids with that."""

    app: ASGIApp
    absence: JSONResponse | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        path = str(scope.get("path", ""))
        if self.absence and "kn-" in f"{path}?{scope.get('query_string', b'').decode()}":
            await self.absence(scope, receive, send)
            return
        rest = re.sub("/gw[AB]/", "/", path)
        await self.app({**scope, "path": rest, "raw_path": rest.encode()} if path else scope, receive, send)


@dataclass
class Moving:
    """A provider that is played at a port, and a lab folder; the base URL is as it was last `moved`."""

    folder: Path
    simulator: Simulator
    gateway: Gateway
    port: int
    kind: str
    environment: pytest.MonkeyPatch

    @property
    def what(self) -> kn.Sweep:
        return sweep("fox", **WAYS[self.kind])

    def moved(self, place: tuple[str, str], speed: float) -> str:
        """Set where the provider is from now on; returns its base URL."""
        name, (host, path) = WAYS[self.kind]["provider"], place
        base = f"http://{host}:{self.port}{self.simulator.path(name)}{path}"
        self.environment.setenv(base_url_variable(name), base)
        self.environment.setenv(key_variable(name), API_KEY if name == "kling" else self.simulator.key(name))
        self.environment.setenv("KLING_NB_SPEED", str(speed))
        return base

    def started(self, lab: kn.Lab) -> kn.Run:
        return start(lab, self.what, name="a", assume_price="official")

    def forget(self) -> None:
        """Take the base URL out of the logged call, as an older version wrote it."""
        with closing(sqlite3.connect(self.folder / "log.sqlite")) as log, log:
            log.execute("UPDATE tasks SET call = json_remove(call, '$.base_url')")


@contextmanager
def doubtful(folder: Path, kind: str, move: str, *, absent: bool = False) -> Iterator[Moving]:
    """Submit something whose answer is lost, close the lab while that is in doubt, and move the provider."""
    simulator = Simulator(
        None, now=ScaledClock(SPEED), token_now=time.time, faults=(Fault(action="lost", operation="submit"),)
    )
    simulator.app = gateway = Gateway(simulator.app)
    try:
        with running(simulator) as base, pytest.MonkeyPatch.context() as environment:
            here = Moving(folder, simulator, gateway, int(base.rpartition(":")[2]), kind, environment)
            here.moved(MOVES[move][0], speed=1)
            with kn.Lab(folder) as lab:
                until(here.started(lab), in_state("uncertain"))
            here.moved(MOVES[move][1], speed=SPEED)
            gateway.absence = ABSENT.get(kind, ABSENT["legacy"]) if absent else None
            yield here
    finally:
        simulator.close()


@pytest.mark.parametrize(("kind", "move"), sorted({*product(FINDING, ["both"]), *product(["legacy"], MOVES)}))
def test_it_is_found_by_our_own_id(tmp_path: Path, kind: str, move: str) -> None:
    """What a place has is found there under another base URL too, and saved; it is bought once."""
    with doubtful(tmp_path, kind, move) as here, kn.Lab(tmp_path) as lab:
        (task,) = here.started(lab).wait(60).tasks
        assert ("saved", 1, 1) == (task.state, task.attempt, len(here.simulator.ledger())), task.reason


@pytest.mark.parametrize("kind", WAYS)
def test_it_is_followed_under_the_id_that_a_person_names(tmp_path: Path, kind: str) -> None:
    """The provider's id is asked for where the provider is by now, in every protocol."""
    with doubtful(tmp_path, kind, "both", absent=True) as here, kn.Lab(tmp_path) as lab:
        run = here.started(lab)
        lab.uncertain()[0].accepted_as(here.simulator.ledger()[0].task_id)
        (task,) = run.wait(60).tasks
        assert ("saved", 1, 1) == (task.state, task.attempt, len(here.simulator.ledger())), task.reason


@pytest.mark.parametrize(("kind", "move"), sorted({("path", "up"), *product(["legacy"], MOVES)}))
def test_its_absence_there_proves_nothing(tmp_path: Path, kind: str, move: str) -> None:
    """A place at another base URL that does not know it has not said that nothing was bought at the one before."""
    with doubtful(tmp_path, kind, move, absent=True) as here, kn.Lab(tmp_path) as lab:
        (task,) = here.started(lab).wait(60).tasks
        (host, path), _ = MOVES[move]
        assert ("uncertain", 1, 1) == (task.state, task.attempt, len(here.simulator.ledger()))
        assert f"or at another address (http://{host}:{here.port}/kling{path})" in task.reason


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("kind", ABSENT)
def test_back_at_its_own_base_url_its_absence_counts(tmp_path: Path, kind: str, *, is_old: bool) -> None:
    """Set as it was again, the place says that it never arrived, and it is bought by a new attempt."""
    with doubtful(tmp_path, kind, "path", absent=True) as here:
        here.moved(MOVES["path"][0], speed=SPEED)
        if is_old:
            here.forget()
        with kn.Lab(tmp_path) as lab:
            (task,) = here.started(lab).wait(60).tasks
            assert ("saved", 2) == (task.state, task.attempt), task.reason


@pytest.mark.parametrize("kind", ["legacy", "fal"])
def test_a_log_without_base_urls_leads_to_another_host_too(tmp_path: Path, kind: str) -> None:
    """Of a call of an older version only the address is known: below another host, its path is the same."""
    with doubtful(tmp_path, kind, "host", absent=kind == "fal") as here:
        here.forget()
        with kn.Lab(tmp_path) as lab:
            run = here.started(lab)
            if kind == "fal":
                lab.uncertain()[0].accepted_as(here.simulator.ledger()[0].task_id)
            (task,) = run.wait(60).tasks
            assert ("saved", 1, 1) == (task.state, task.attempt, len(here.simulator.ledger())), task.reason


def test_a_log_without_base_urls_takes_no_place_above_for_its_own(tmp_path: Path) -> None:
    """The address of then is below the present base URL, but nothing would be sent there by now."""
    with doubtful(tmp_path, "path", "up", absent=True) as here:
        here.forget()
        with kn.Lab(tmp_path) as lab:
            (task,) = here.started(lab).wait(60).tasks
            assert ("uncertain", 1, 1) == (task.state, task.attempt, len(here.simulator.ledger()))


def test_a_log_without_base_urls_does_not_lead_below_another_path(tmp_path: Path) -> None:
    """What the path of its endpoint was is not known then: a person is told what to set, and nothing is bought."""
    with doubtful(tmp_path, "legacy", "path") as here:
        here.forget()
        with kn.Lab(tmp_path) as lab:
            run = here.started(lab)
            with pytest.raises(
                KlingError, match=r"was not sent to http://127\.0\.0\.1:\d+/kling/gwB; set the base URL again"
            ):
                lab.uncertain()[0].accepted_as("7")
            (task,) = run.wait(60).tasks
            assert ("uncertain", 1) == (task.state, len(here.simulator.ledger()))
