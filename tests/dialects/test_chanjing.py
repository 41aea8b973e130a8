"""Chanjing: how a request is spelled, how many tasks are asked about at once, and the life of its token."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from driving import CATALOG, OWN_ID, hold, simply
from labs import live_lab, start
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import kling_nb as kn
from kling_nb.dialect import Asset, Call, Encoded, Op, Phase, Reply, Whose
from kling_nb.dialects.chanjing import EARLY_S, PAGE_MOST, Chanjing
from kling_nb.engine.account import Account
from kling_nb.engine.loop import Loop, VirtualClock
from kling_nb.errors import InputError, ProviderError
from kling_nb.offer import Change
from kling_nb.request import VideoRequest
from kling_nb.secret import Secret
from kling_nb.simulator import Fault
from kling_nb.task import Ticket
from kling_nb.wire import Wire

ROW = CATALOG.provider("chanjing")
BASE = ROW.base_url or ""
FRAME = "https://example.org/frame.png"
NOW = 1_790_000_000.0
DAY_S = 86_400


def encoded(**fields: Any) -> Encoded:
    request = VideoRequest(**{"prompt": "a fox", "model": "kling-v2-5-turbo", **fields})
    assert [one for one in CATALOG.problems(request, "chanjing") if not one.warning] == []
    return Chanjing(ROW).encode(request, CATALOG.offer(request, "chanjing"), OWN_ID)


def reply(data: Any, code: int = 0, msg: str = "success") -> Reply:
    return Reply(status=200, content=json.dumps({"trace_id": "96af", "code": code, "msg": msg, "data": data}).encode())


def test_text_is_spelled_as_on_the_page() -> None:
    """The page's own example, field by field, and nothing of ours in it."""
    asked = encoded(mode="pro", duration=10, aspect_ratio="9:16", callback_url="https://example.org/hook")
    assert (asked.call.method, asked.call.url) == ("POST", f"{BASE}/open/v1/ai_creation/task/submit")
    assert asked.call.body == {
        "creation_type": 4, "model_code": "kling-v2-5-turbo-normal", "ref_prompt": "a fox", "quality_mode": "pro",
        "video_duration": 10, "aspect_ratio": "9:16", "callback": "https://example.org/hook",
    }  # fmt: skip
    assert asked.losses == ()


def test_an_image_is_a_list_of_one_address() -> None:
    """A first frame goes into `ref_img_url`; the ratio is for text alone, and what is asked of it is told."""
    asked = encoded(image=FRAME, aspect_ratio="1:1")
    assert asked.call.body == {
        "creation_type": 4, "model_code": "kling-v2-5-turbo-normal", "ref_prompt": "a fox", "quality_mode": "std",
        "video_duration": 5, "ref_img_url": [FRAME],
    }  # fmt: skip
    assert {loss.field for loss in asked.losses if loss.is_loss} == {"aspect_ratio"}


def test_what_the_page_gives_no_default_for_is_filled_in() -> None:
    """Mode, length and ratio are sent where they are left open, and the plan says so."""
    filled = {loss.field: loss.sent for loss in encoded().losses if loss.change is Change.FILLED}
    assert filled == {"mode": "std", "duration": 5, "aspect_ratio": "16:9"}


# -- asking ----------------------------------------------------------------------------------------------------


def item(name: str, word: str, **fields: Any) -> dict[str, Any]:
    return {"unique_id": name, "progress_desc": word, "err_msg": "", "output_url": [], **fields}


def test_one_task_is_asked_about_by_its_id() -> None:
    """A single task takes a GET, whatever is in its id."""
    calls: list[Call] = []
    dialect = Chanjing(ROW)
    learnt = hold(dialect, dialect.check([Ticket("a&b/c")]), [reply(item("a&b/c", "Generating"))], calls)
    assert [(call.method, call.url) for call in calls] == [
        ("GET", f"{BASE}/open/v1/ai_creation/task?unique_id=a%26b%2Fc")
    ]
    assert learnt["a&b/c"].phase is Phase.RUNNING


def test_what_a_page_lacks_is_asked_singly() -> None:
    """Several tasks take one page; what it lacks is asked for by itself, and what is nowhere is not learnt."""
    dialect, calls = Chanjing(ROW), list[Call]()
    done = item("a", "Success", output_url=["https://res.chanjing.cc/a.mp4"])
    failed = item("b", "Error", err_msg="任务失败,本次生成不消耗蝉豆")
    listed = {"list": [done, item("z", "Error"), None], "total": 3}
    replies = [reply(listed), reply(failed), reply(None, 40000, "参数错误")]
    learnt = hold(dialect, dialect.check([Ticket("a"), Ticket("b"), Ticket("c"), Ticket("a")]), replies, calls)
    assert [call.method for call in calls] == ["POST", "GET", "GET"]
    assert calls[0].url == f"{BASE}/open/v1/ai_creation/task/page"
    assert calls[0].body == {"unique_ids": ["a", "b", "c"], "type": 4, "page": 1, "page_size": 50}
    assert learnt.keys() == {"a", "b"}
    assert learnt["a"].asset == Asset(url="https://res.chanjing.cc/a.mp4")
    assert (learnt["b"].phase, learnt["b"].charged) == (Phase.FAILED, False)


def test_a_page_takes_fifty() -> None:
    """More tasks than a page takes are asked about page by page, none left out and none twice."""
    dialect, calls = Chanjing(ROW), list[Call]()
    names = [f"t{number}" for number in range(120)]
    pages = [names[at : at + PAGE_MOST] for at in (0, 50, 100)]
    replies = [reply({"list": [item(name, "Queued") for name in page]}) for page in pages]
    learnt = hold(dialect, dialect.check([Ticket(name) for name in names]), replies, calls)
    assert [(call.body or {})["unique_ids"] for call in calls] == pages
    assert [*learnt] == names


@pytest.mark.parametrize("data", [None, [], {"list": None}, {"list": {"a": 1}}, {"list": [1, None, []]}, "x"])
def test_a_page_in_no_documented_form_is_asked_around(data: Any) -> None:
    """A page that holds no list is none: each task is asked about by itself."""
    dialect, calls = Chanjing(ROW), list[Call]()
    replies = [reply(data), reply(item("a", "Queued")), reply(item("b", "Ready"))]
    assert hold(dialect, dialect.check([Ticket("a"), Ticket("b")]), replies, calls).keys() == {"a", "b"}
    assert [call.method for call in calls] == ["POST", "GET", "GET"]


def test_a_page_may_be_refused_whole() -> None:
    """Bad parameters are an answer of a single question alone: of a page they say nothing about any one task."""
    page = next(Chanjing(ROW).check([Ticket("a"), Ticket("b")]))
    fault = Chanjing(ROW).judge(page, reply(None, 40000, "参数错误"))
    assert fault is not None
    assert fault.whose is Whose.PARAMETERS


def test_an_empty_account_is_told_by_words() -> None:
    """Bad parameters that are said to be too few credits are the balance's: the prompt need not be changed."""
    fault = Chanjing(ROW).judge(encoded().call, reply(None, 40000, "参数错误: 蝉豆余额不足"))
    assert fault is not None
    assert (fault.whose, fault.again, fault.rejected) == (Whose.BALANCE, False, True)


def test_nothing_can_be_looked_up_or_cancelled() -> None:
    """No page has either: nothing is asked, and neither is claimed."""
    dialect = Chanjing(ROW)
    assert (dialect.finds, dialect.cancels) == (False, False)
    assert simply(dialect.find(OWN_ID, encoded().call.shown())) is None
    assert simply(dialect.cancel(Ticket("a"))) is False


# -- the token -------------------------------------------------------------------------------------------------


def test_a_token_is_fetched_with_both_halves_of_the_key() -> None:
    """The key goes into the body of one call and the token into a header of its own, nowhere else."""
    dialect, calls = Chanjing(ROW), list[Call]()
    token = reply({"access_token": "t-1", "expire_in": int(NOW) + DAY_S})
    credential = hold(dialect, dialect.credential(" app-1 : se:cret "), [token], calls)
    assert (calls[0].op, calls[0].method, calls[0].url) == (Op.CREDENTIAL, "POST", f"{BASE}/open/v1/access_token")
    assert calls[0].body == {"app_id": "app-1", "secret_key": "se:cret"}
    assert credential == {"access_token": "t-1", "expires_at": NOW + DAY_S - EARLY_S}
    assert dialect.sign(encoded().call, credential, NOW).headers == {"access_token": "t-1"}


@pytest.mark.parametrize("key", ["app-1", "app-1:", ":secret", " : "])
def test_half_a_key_is_refused_before_anything_is_asked(key: str) -> None:
    """Without a secret there is nothing to ask with; the sentence says the form and not the key."""
    with pytest.raises(InputError, match="app_id:secret_key") as caught:
        next(Chanjing(ROW).credential(key))
    assert "app-1" not in str(caught.value)


@dataclass
class Desk:
    """A stand-in for Chanjing's token desk and its query, which counts and can withdraw every token that it gave."""

    clock: VirtualClock
    life_s: float = DAY_S
    takes_s: float = 0.5
    code: int = 0
    given: int = 0
    asked: int = 0
    good: set[str] = field(default_factory=set)

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/open/v1/access_token", self._give, methods=["POST"]),
                Route("/open/v1/ai_creation/task", self._tell),
            ]
        )

    async def _give(self, _: Request) -> JSONResponse:
        self.given += 1
        token = f"t-{self.given}"
        await anyio.sleep(self.takes_s)
        if self.code:
            return JSONResponse({"code": self.code, "msg": "secret_key is wrong", "data": None})
        self.good.add(token)
        data = {"access_token": token, "expire_in": int(self.clock.now() + self.life_s)}
        return JSONResponse({"code": 0, "msg": "success", "data": data})

    async def _tell(self, request: Request) -> JSONResponse:
        self.asked += 1
        await anyio.sleep(0.2)
        if request.headers.get("access_token") not in self.good:
            return JSONResponse({"code": 10400, "msg": "AccessToken 验证失败", "data": None})
        data = item(request.query_params["unique_id"], "Generating")
        return JSONResponse({"code": 0, "msg": "success", "data": data})


@pytest.fixture
def run() -> Iterator[Callable[..., Any]]:
    """Run a coroutine on a loop whose time is virtual, with a desk and an account there."""
    clock = VirtualClock(NOW)
    loop = Loop(clock)

    def on_loop(work: Callable[[Desk, Account], Awaitable[Any]], **dials: Any) -> Any:
        desk = Desk(clock, **dials)

        async def work_there() -> Any:
            row = replace(ROW, base_url="http://simulator")
            wire = Wire(app=desk.app)
            try:
                return await work(
                    desk, Account(row, Chanjing(row), wire, clock, lambda _: Secret("app:secret", "here"))
                )
            finally:
                await wire.aclose()

        return loop.call(work_there)

    yield on_loop
    loop.close()


async def ask(account: Account, count: int = 1, apart_s: float = 0.0) -> list[Any]:
    """Ask about so many tasks at much the same time; return what went wrong, if anything."""
    wrong: list[Any] = []

    async def one(number: int) -> None:
        await anyio.sleep(number * apart_s)
        try:
            await account.converse(account.dialect.check([Ticket(f"t{number}")]))
        except ProviderError as error:
            wrong.append(error)

    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(one, number)
    return wrong


def test_one_token_serves_all(run: Callable[..., Any]) -> None:
    """Tasks that need a token at the same time wait for one, and it is kept for what comes later."""

    async def work(desk: Desk, account: Account) -> None:
        assert await ask(account, 15, 0.1) == []
        assert await ask(account, 15) == []
        assert (desk.given, desk.asked) == (1, 30)

    run(work)


def test_a_token_is_renewed_before_it_ends(run: Callable[..., Any]) -> None:
    """Five minutes before its end the next call fetches a new one, once for all; until then none does."""

    async def work(desk: Desk, account: Account) -> None:
        await ask(account)
        await anyio.sleep(DAY_S - EARLY_S - 10)
        await ask(account)
        assert desk.given == 1
        await anyio.sleep(15)
        assert await ask(account, 10) == []
        assert (desk.given, desk.asked) == (2, 12)

    run(work)


def test_a_token_that_was_withdrawn_is_renewed_once(run: Callable[..., Any]) -> None:
    """Code 10400 has a new token fetched and the question asked again, one token for all that were refused at once."""

    async def work(desk: Desk, account: Account) -> None:
        await ask(account)
        desk.good.clear()
        assert await ask(account, 10) == []
        assert desk.given == 2

    run(work)


def test_a_token_that_is_never_taken_ends_as_the_keys_fault(run: Callable[..., Any]) -> None:
    """A provider that refuses each token it gives is not asked for ever: the second 10400 is told."""

    async def work(desk: Desk, account: Account) -> None:
        desk.good = type("Nothing", (set,), {"__contains__": lambda *_: False})()
        (wrong,) = await ask(account)
        assert wrong.fault.whose is Whose.KEY
        assert desk.given == 2

    run(work)


def test_a_wrong_secret_is_told_and_not_tried_again(run: Callable[..., Any]) -> None:
    """What the token desk refuses is the key's fault, in its own words, and no question is sent without a token."""

    async def work(desk: Desk, account: Account) -> None:
        (wrong,) = await ask(account)
        assert wrong.fault.whose is Whose.KEY
        assert "secret_key is wrong" in str(wrong)
        assert (desk.given, desk.asked) == (1, 0)

    run(work, code=40000)


REFUSED = json.dumps({"trace_id": "t", "code": 10400, "msg": "AccessToken 验证失败", "data": None})


def test_a_paid_submit_is_sent_again_after_a_refused_token(tmp_path: Path) -> None:
    """10400 proves that nothing was bought: the submit goes out again with a new token, and is charged once."""
    refused = Fault(action="http", provider="chanjing", operation="submit", status=200, body=REFUSED)
    with live_lab(tmp_path / "lab", refused) as live:
        points = kn.Sweep(prompt="fox", model="kling-v2-5-turbo", mode="std", duration=5, provider="chanjing")
        run = start(live.lab, points, name="a", assume_price="official").wait(30)
        assert [task.state for task in run.tasks] == ["saved"]
        assert len(live.simulator.ledger()) == 1
        kinds = live.lab.log.events()["kind"].tolist()
        assert [kind for kind in kinds if kind in ("intent", "pushed_back", "accepted")] == [
            "intent", "pushed_back", "intent", "accepted",
        ]  # fmt: skip


def test_a_submit_that_may_have_been_bought_is_for_a_person(tmp_path: Path) -> None:
    """50000 proves nothing and there is no look-up: the task stays uncertain, sent once, its price reserved."""
    broken = json.dumps({"trace_id": "t", "code": 50000, "msg": "系统内部错误", "data": None})
    fault = Fault(action="http", provider="chanjing", operation="submit", status=200, body=broken)
    with live_lab(tmp_path / "lab", fault) as live:
        points = kn.Sweep(prompt="fox", model="kling-v2-5-turbo", mode="std", duration=5, provider="chanjing")
        run = start(live.lab, points, name="a", assume_price="official").wait(30)
        assert [(task.state, task.reserved) for task in run.tasks] == [("uncertain", Decimal("0.21"))]
        assert live.lab.log.events()["kind"].tolist().count("intent") == 1
