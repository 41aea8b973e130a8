"""Answers of another form than documented, at every provider: no crash, no task lost, nothing bought twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from labs import ledger, start, sweep
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import kling_nb as kn
import kling_nb.simulator
from kling_nb.simulator import Fault, Simulator

GUISES: dict[str, dict[str, Any]] = {
    "kling": {},
    "kling-path": {"provider": "kling", "model": "kling-2.6"},
    **{name: {} for name in ("fal", "quickrouter", "relay", "openroute", "quickrouter-fal", "chanjing")},
}
"""Every protocol, and what to ask for to have it spoken; the path API is Kling's other one."""

FINDS = ("kling", "kling-path", "relay", "quickrouter")
"""Those at which a submit can be looked up by our own id."""

PROVES = ("kling", "kling-path")
"""Those whose page has the look-up, so that what it does not find was never bought."""

IDS = ("task_id", "request_id", "id", "data", "unique_id")
INSTANTS = ("created_at", "updated_at", "completed_at", "create_time", "update_time", "submit_time", "start_time")
PAGE = "<!doctype html><html><title>Please sign in</title></html>"
Change = Callable[[Any, int], Any]


def without_a_field(value: Any, turn: int) -> Any:
    """Take one field out of an answer, another one each time; the third answer in a row is whole."""
    names = sorted(name for name in _names(value) if name not in ("data", "list", "detail"))
    return value if turn % 3 == 0 or not names else _without(value, names[turn % len(names)])


def _names(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_names, value.values()))
    return set().union(*map(_names, value)) if isinstance(value, list) else set()


def _without(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, name) for key, item in value.items() if key != name}
    return [_without(item, name) for item in value] if isinstance(value, list) else value


def with_more_fields(value: Any, _turn: int) -> Any:
    """Put fields that no page has into every object."""
    if isinstance(value, dict):
        more = {"extra": {"task_id": 7, "status": "failed", "code": 1201}, "x-note": [None, 1.5, "<b>"]}
        return {key: with_more_fields(item, _turn) for key, item in value.items()} | more
    return [with_more_fields(item, _turn) for item in value] if isinstance(value, list) else value


def with_other_types(value: Any, _turn: int) -> Any:
    """Write numbers as text, and text that is a number as one."""
    if isinstance(value, dict):
        return {key: with_other_types(item, _turn) for key, item in value.items()}
    if isinstance(value, list):
        return [with_other_types(item, _turn) for item in value]
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() else value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def in_other_units(value: Any, turn: int) -> Any:
    """Give instants in ms where they are in seconds, and the reverse; every second answer in both at once."""
    if isinstance(value, dict):
        return {key: _instant(key, in_other_units(item, turn), turn) for key, item in value.items()}
    return [in_other_units(item, turn) for item in value] if isinstance(value, list) else value


def _instant(key: str, value: Any, turn: int) -> Any:
    if key == "expire_in":
        return value * 1000
    if key not in INSTANTS or not isinstance(value, int) or turn % 2:
        return value
    return value // 1000 if value > 10**11 else value * 1000


class Warped:
    """The simulator with its JSON changed on the way out: the *change* is told how many answers came before."""

    def __init__(self, app: ASGIApp, change: Change, *, submits: bool) -> None:
        self._app, self._change, self._submits, self._turn = app, change, submits, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        began: Message = {}

        async def sent(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = message
                return
            await self._pass(scope, began, message, send)
            began = {}

        await self._app(scope, receive, sent)

    async def _pass(self, scope: Scope, began: Message, message: Message, send: Send) -> None:
        headers = dict(began["headers"]) if began else {}
        is_submit = scope["method"] == "POST" and not scope["path"].endswith(("/page", "/access_token"))
        if headers.get(b"content-type") == b"application/json" and (self._submits or not is_submit):
            self._turn += 1
            body = json.dumps(self._change(json.loads(message["body"]), self._turn)).encode()
            message = {**message, "body": body}
            headers[b"content-length"] = str(len(body)).encode()
        if began:
            await send({**began, "headers": [*headers.items()]})
        await send(message)


def warped(monkeypatch: pytest.MonkeyPatch, change: Change, *, submits: bool = True) -> None:
    """Have the simulator of the next lab answer so."""

    def make(*arguments: Any, **options: Any) -> Simulator:
        simulator = Simulator(*arguments, **options)
        simulator.app = Warped(simulator.app, change, submits=submits)
        return simulator

    monkeypatch.setattr(kling_nb.simulator, "Simulator", make)


def scripted(monkeypatch: pytest.MonkeyPatch, *script: Fault) -> None:
    """Have the simulator of the next lab answer by a script."""
    monkeypatch.setattr(kling_nb.simulator, "Simulator", partial(Simulator, faults=script))


def ended(tmp_path: Path, guise: str, *prompts: str) -> tuple[kn.Lab, kn.Run]:
    """Run prompts at a provider to their end, in a lab that is closed again."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=float("inf"))) as lab:
        what = sweep(*prompts, **({"provider": guise, "mode": "pro"} | GUISES[guise]))
        return lab, start(lab, what, name="one", assume_price="official").wait(30)


def provider_of(guise: str) -> str:
    return str(GUISES[guise].get("provider", guise))


@pytest.mark.parametrize("guise", GUISES)
@pytest.mark.parametrize("change", [with_more_fields, with_other_types, in_other_units])
def test_what_can_be_read_is_read(guise: str, change: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown fields, numbers for text, text for numbers and other units of time change nothing."""
    warped(monkeypatch, change)
    lab, run = ended(tmp_path, guise, "a fox", "a cat")
    assert [task.state for task in run.tasks] == ["saved", "saved"], run
    assert len(ledger(lab)) == 2


@pytest.mark.parametrize("guise", GUISES)
def test_what_is_missing_is_asked_for_again(guise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that lacks a field, another one each time, is no news at worst, and the clip is saved."""
    warped(monkeypatch, without_a_field, submits=False)
    lab, run = ended(tmp_path, guise, "a fox", "a cat")
    assert [task.state for task in run.tasks] == ["saved", "saved"], run
    assert len(ledger(lab)) == 2


@pytest.mark.parametrize("guise", GUISES)
def test_a_submit_without_an_id_is_in_doubt(guise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer to a submit that lacks the id is found by our own, or put before a person; never bought twice."""

    def without_ids(value: Any, turn: int) -> Any:
        if turn > (2 if guise == "chanjing" else 1):  # its first answer is a token
            return value
        if isinstance(value, dict):
            kept = {key: item for key, item in value.items() if key not in IDS or isinstance(item, dict)}
            return {key: without_ids(item, turn) for key, item in kept.items()}
        return value

    warped(monkeypatch, without_ids)
    lab, run = ended(tmp_path, guise, "a fox")
    (task,) = run.tasks
    assert task.state == ("saved" if guise in FINDS else "uncertain"), run
    assert len(ledger(lab)) == 1


@pytest.mark.parametrize("guise", GUISES)
@pytest.mark.parametrize("status", [200, 403, 404, 502])
def test_a_page_in_place_of_an_answer_is_no_news(
    guise: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page to sign in, under any status, never ends a task that the provider has."""
    page = partial(Fault, action="http", provider=provider_of(guise), status=status, body=PAGE, times=3)
    scripted(monkeypatch, *(page(operation=operation) for operation in ("status", "list", "result")))
    lab, run = ended(tmp_path, guise, "a fox")
    assert [task.state for task in run.tasks] == ["saved"], run
    assert len(ledger(lab)) == 1


@pytest.mark.parametrize("guise", GUISES)
def test_a_page_in_place_of_a_submit_proves_nothing(
    guise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page under HTTP 200 for a submit is looked up where that can be, and else put before a person."""
    scripted(monkeypatch, Fault(action="http", provider=provider_of(guise), status=200, body=PAGE))
    lab, run = ended(tmp_path, guise, "a fox")
    (task,) = run.tasks
    assert task.state == ("saved" if guise in PROVES else "uncertain"), run
    assert len(ledger(lab)) == (task.state == "saved")
    assert task.state == "saved" or task.reason.endswith("lab.uncertain() shows what can be done")


KLING_NO = {"code": 1201, "message": "mode value 'x' is invalid", "request_id": "r"}
GATEWAY_NO = {"code": "invalid_request", "message": "prompt is required", "data": None}
FAL_NO = {"detail": [{"loc": ["body", "prompt"], "msg": "Field required", "type": "missing"}]}
CHANJING_NO = {"trace_id": "t", "code": 40000, "msg": "参数错误", "data": None}
NOES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("kling", "kling-path", "relay"), KLING_NO),
    **dict.fromkeys(("quickrouter", "openroute"), GATEWAY_NO),
    "fal": FAL_NO,
    "quickrouter-fal": GATEWAY_NO,
    "chanjing": CHANJING_NO,
}
"""A bad parameter in each provider's own words."""


@pytest.mark.parametrize("guise", GUISES)
@pytest.mark.parametrize("status", [200, 500])
def test_a_no_is_known_by_its_code(guise: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad parameter under HTTP 200, or hidden in a 500, fails the point unpaid; fal, which has no codes, is asked."""
    body = json.dumps(NOES[guise])
    scripted(monkeypatch, Fault(action="http", provider=provider_of(guise), status=status, body=body, times=None))
    lab, run = ended(tmp_path, guise, "a fox")
    (task,) = run.tasks
    untold = ("uncertain", "unnamed" if status == 200 else "doubt")
    told = untold if guise == "fal" else ("failed", "parameters")
    assert (task.state, task.cause) == told, run
    assert ledger(lab) == []
    assert run.snapshot().spent == 0


KLING_OWES = {"code": 1102, "message": "Account balance not enough"}
GATEWAY_OWES = {"code": "insufficient_user_quota", "message": "用户额度不足", "data": None}
PERMANENT: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("kling", "kling-path", "relay"), KLING_OWES),
    **dict.fromkeys(("quickrouter", "openroute", "quickrouter-fal"), GATEWAY_OWES),
}
"""What says of a 429 that it does not pass, where a page has such a thing."""


@pytest.mark.parametrize("guise", PERMANENT)
def test_a_429_that_is_permanent_stops_at_once(guise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty balance under 429 is asked about once, holds the account and buys nothing."""
    body = json.dumps(PERMANENT[guise])
    scripted(
        monkeypatch,
        Fault(action="http", provider=provider_of(guise), status=429, body=body),
        Fault(action="http", provider=provider_of(guise), status=418, body="asked again", nth=2, times=None),
    )
    lab, run = ended(tmp_path, guise, "a fox")
    (task,) = run.tasks
    assert (task.state, ledger(lab)) == ("planned", [])
    assert "(balance): " in str(run.held)


@pytest.mark.parametrize("guise", GUISES)
def test_a_429_without_end_is_not_asked_for_ever(guise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 429 that tells nothing is tried again for an hour; then the account is held, and says how to go on."""
    scripted(monkeypatch, Fault(action="http", provider=provider_of(guise), status=429, body="", times=None))
    lab, run = ended(tmp_path, guise, "a fox")
    (task,) = run.tasks
    assert (task.state, ledger(lab)) == ("planned", [])
    assert "run.resume()" in str(run.held)


@pytest.mark.parametrize("guise", ["fal", "quickrouter-fal"])
def test_a_500_at_the_result_is_the_end_of_the_task(
    guise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad parameter that fal tells at the result, under 500, fails the task with the words for it."""
    body = json.dumps(FAL_NO)
    scripted(monkeypatch, Fault(action="http", operation="result", nth=1, status=500, body=body, times=None))
    lab, run = ended(tmp_path, guise, "a fox")
    (task,) = run.tasks
    assert task.state == "failed", run
    assert "prompt: Field required" in task.reason
    assert len(ledger(lab)) == 1
