"""A provider whose token is fetched: one for all tasks, renewed once however many calls it was refused for."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import anyio
from labs import live_lab, start, sweep

from kling_nb import catalog
from kling_nb.dialect import Call, Op, Reply
from kling_nb.dialects.chanjing import Chanjing
from kling_nb.engine.account import Account
from kling_nb.engine.loop import Clock
from kling_nb.errors import ProviderError
from kling_nb.secret import Secret
from kling_nb.simulator import Fault
from kling_nb.wire import Wire

ROW = replace(catalog.load().provider("chanjing"), base_url="http://desk")
ASKED = Call(op=Op.CHECK, method="GET", url="http://desk/open/v1/ai_creation/task?unique_id=1")


class Desk:
    """A service that knows one token at a time, hands out the next at once, and answers a question slowly."""

    def __init__(self, *, secret: str = "secret") -> None:
        self.secret, self.tokens = secret, 0

    async def __call__(self, scope: dict, receive: object, send: object) -> None:
        if scope["path"].endswith("access_token"):
            await self._hand_out(receive, send)
            return
        used = dict(scope["headers"])[b"access_token"].decode()
        await anyio.sleep(0.02 + 0.01 * (int(scope["query_string"][-1:]) % 3))
        fine = used == f"token-{self.tokens}"
        await self._say(send, b'{"code":0,"msg":"","data":{}}' if fine else b'{"code":10400,"msg":"expired"}')

    async def _hand_out(self, receive: object, send: object) -> None:
        body = (await receive())["body"]
        if self.secret.encode() not in body:
            self.tokens += 1
            await self._say(send, b'{"code":40000,"msg":"wrong secret"}')
            return
        self.tokens += 1
        said = f'{{"code":0,"msg":"","data":{{"access_token":"token-{self.tokens}","expire_in":99999999999}}}}'
        await self._say(send, said.encode())

    async def _say(self, send: object, body: bytes) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})


def account(desk: Desk) -> Account:
    return Account(ROW, Chanjing(ROW), Wire(app=desk), Clock(1000), lambda _: Secret("app:secret", "here"))


def question(number: int) -> Generator[Call, Reply, Reply]:
    return (yield replace(ASKED, url=f"{ASKED.url}{number}"))


def test_a_token_that_was_refused_is_renewed_once() -> None:
    """Calls that were signed with the same dead token share the next one, in whatever order they come back."""
    desk = Desk()

    async def work() -> None:
        one = account(desk)
        await one.converse(question(0))
        desk.tokens += 1  # somebody else fetched one, which ends ours
        async with anyio.create_task_group() as group:
            for number in range(30):
                group.start_soon(one.converse, question(number))

    anyio.run(work)
    assert desk.tokens == 3


def test_a_wrong_secret_is_tried_once_for_all_who_wait() -> None:
    """Whoever waited for a token that was not given learns why, and does not ask for it again."""
    desk = Desk(secret="another")
    refused = []

    async def ask(one: Account, number: int) -> None:
        try:
            await one.converse(question(number))
        except ProviderError as error:
            refused.append(error.whose)

    async def work() -> None:
        one = account(desk)
        async with anyio.create_task_group() as group:
            for number in range(12):
                group.start_soon(ask, one, number)

    anyio.run(work)
    assert refused == ["key"] * 12
    assert desk.tokens == 1


def test_forty_tasks_live_through_a_token_that_ends(tmp_path: Path) -> None:
    """A token refused in the middle of a run is renewed, and every clip is saved."""
    late = Fault(action="http", provider="chanjing", operation="status", status=200, times=3, body='{"code":10400}')
    with live_lab(tmp_path / "live", late, slots={"chanjing": 40}) as live:
        asked = sweep(*[f"fox {n}" for n in range(12)], provider="chanjing")
        run = start(live.lab, asked, assume_price="official").wait(60)
        assert {"saved": 12} == run.snapshot().counts
        assert 12 == len(live.simulator.ledger())
