"""Kling itself: which of its two generations a request, a call and a ticket belong to, and what opens each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from asking import plain
from driving import CATALOG, OWN_ID, Faulty, bound, hold, simply
from labs import live_lab, start

import kling_nb as kn
from kling_nb.dialect import Call, Op, Phase, Reply, Unreadable, Whose
from kling_nb.dialects import load
from kling_nb.dialects.kling import Kling
from kling_nb.errors import InputError
from kling_nb.offer import Provider
from kling_nb.task import Ticket

ROW = CATALOG.provider("kling")
BASE = ROW.base_url or ""
NOW = 1_790_000_000.0
PAIR, API_KEY = "access0000:secret0000", "api-key-0000"


def paid(model: str, row: Any = ROW) -> Call:
    request = plain("kling", model)
    return Kling(row).encode(request, CATALOG.offer(request, "kling"), OWN_ID).call


def reply(body: Any, status: int = 200) -> Reply:
    return Reply(status=status, content=json.dumps(body).encode())


@pytest.mark.parametrize(
    ("model", "path", "own_id"),
    [
        ("kling-v3", "/v1/videos/text2video", ("external_task_id",)),
        ("kling-v3-omni", "/v1/videos/omni-video", ("external_task_id",)),
        ("kling-3.0", "/text-to-video/kling-3.0", ("options", "external_task_id")),
        ("kling-3.0-turbo", "/text-to-video/kling-3.0-turbo", ("options", "external_task_id")),
        ("kling-o1", "/omni-video/kling-o1", ("options", "external_task_id")),
    ],
)
def test_the_endpoint_says_which_generation(model: str, path: str, own_id: tuple[str, ...]) -> None:
    """A legacy path is spelled the legacy way, any other as the path API has it; a ticket keeps the path."""
    call = paid(model)
    value: Any = call.body
    for key in own_id:
        value = value[key]
    assert (call.url, value) == (BASE + path, OWN_ID)
    assert ("model_name" in (call.body or {})) is path.startswith("/v1/")
    created = reply({"code": 0, "data": {"task_id": "old-1", "id": "new-1", "created_at": 1_784_246_400_000}})
    ticket = Kling(ROW).accepted(call, created)
    assert ticket.id == ("old-1" if path.startswith("/v1/") else "new-1")
    assert ticket.data["path"] == path
    assert Kling(ROW).ticket("x", call.shown()).data == {"path": path}


def test_each_generation_is_asked_about_its_own_tasks() -> None:
    """Mixed tickets are asked about apart, for neither generation lists the other's, and all that was learnt is told."""
    dialect, calls = Kling(ROW), list[Call]()
    tickets = [
        Ticket("new-1", {"path": "/text-to-video/kling-3.0"}),
        Ticket("old-1", {"path": "/v1/videos/text2video", "created_ms": 1}),
        Ticket("new-2", {"path": "/omni-video/kling-o1"}),
    ]
    single = reply({"code": 0, "data": {"task_id": "old-1", "task_status": "processing"}})
    listed = reply({"code": 0, "data": [{"id": "new-2", "status": "submitted"}, {"id": "new-1", "status": "failed"}]})
    learnt = hold(dialect, dialect.check(tickets), [single, listed], calls)
    assert [call.url.removeprefix(BASE) for call in calls] == [
        "/v1/videos/text2video/old-1", "/tasks?task_ids=new-1,new-2",
    ]  # fmt: skip
    assert {name: status.phase for name, status in learnt.items()} == {
        "old-1": Phase.RUNNING, "new-1": Phase.FAILED, "new-2": Phase.QUEUED,
    }  # fmt: skip


@pytest.mark.parametrize(
    "base", ["https://api-beijing.klingai.com", "http://simulator/kling", "http://x.test/v1/kling"]
)
def test_the_base_url_does_not_matter(base: str) -> None:
    """The generation is told by the path below the base URL, whatever the base looks like, with a slash or without."""
    for given in (base, base + "/"):
        dialect, row = Kling(replace(ROW, base_url=given)), replace(ROW, base_url=given)
        for model, body, found in (
            ("kling-v3", {"task_id": "old-1", "id": "new-1"}, "old-1"),
            ("kling-3.0", {"task_id": "old-1", "id": "new-1"}, "new-1"),
        ):
            assert dialect.accepted(paid(model, row), reply({"code": 0, "data": body})).id == found


@pytest.mark.parametrize(
    ("model", "asked"),
    [("kling-v3", f"/v1/videos/text2video/{OWN_ID}"), ("kling-3.0", f"/tasks?external_task_ids={OWN_ID}")],
)
def test_a_lost_submit_is_looked_up_where_it_went(model: str, asked: str) -> None:
    """A look-up goes to the generation of the submit, for the other one would say that there is none."""
    call = next(Kling(ROW).find(OWN_ID, paid(model).shown()))
    assert (call.op, call.url) == (Op.FIND, BASE + asked)


def test_a_submit_of_another_host_is_not_looked_up_in_the_wrong_place() -> None:
    """A call that the log kept under an older base URL still tells its generation: no empty list of the other's."""
    moved = Kling(replace(ROW, base_url="https://api-beijing.klingai.com"))
    legacy, path = (next(moved.find(OWN_ID, paid(model).shown())).url for model in ("kling-v3", "kling-3.0"))
    assert "/tasks" not in legacy
    assert path == f"https://api-beijing.klingai.com/tasks?external_task_ids={OWN_ID}"


@pytest.mark.parametrize("status", [301, 302, 307, 308, 404, 405])
@pytest.mark.parametrize("dialect", ["kling", "native", "flat", "newapi", "falqueue", "chanjing"])
def test_a_page_where_nothing_is_served_asks_for_the_address(dialect: str, status: int) -> None:
    """A wrong path, or http for https: the base URL is in question; nothing was bought, but that a 302 proves nothing."""
    submit = Call(op=Op.SUBMIT, method="POST", url="https://a.example/v1/videos/text2video", body={})
    fault = bound(dialect).judge(submit, Reply(status=status, content=b"<html>404 page not found</html>"))
    assert fault is not None
    assert (fault.rejected, fault.again) == (status != 302, False)
    assert fault.whose is Whose.ADDRESS if status >= 400 else fault.message.endswith("is the base URL right?")


LOST = reply({"code": 1203, "message": "Task not found", "request_id": "r"}, 404)


def looked_up(row: Provider, told: Reply = LOST) -> Any:
    """Look a lost submit up at a provider of the legacy form; left out, the answer is Kling's of a task it does not know."""
    dialect = load(row.dialect)(row)
    call = replace(paid("kling-v3"), url=f"{row.base_url}/v1/videos/text2video")
    return hold(dialect, dialect.find(OWN_ID, call.shown()), [told], [])


@pytest.mark.parametrize(("named", "is_ours"), [(OWN_ID, True), (None, True), ("", True), ("kn-of-another", False)])
def test_a_task_that_was_bought_under_another_id_is_not_the_one_looked_for(named: str | None, is_ours: bool) -> None:
    """A listing mixed up, or an id in its place that means another task: that one's clip would be taken for the lost one."""
    told = reply(
        {"code": 0, "data": {"task_id": "9", "task_status": "succeed", "task_info": {"external_task_id": named}}}
    )
    if is_ours:
        assert looked_up(ROW, told).id == "9"
    else:
        with pytest.raises(Unreadable, match=OWN_ID):
            looked_up(ROW, told)


def test_only_where_the_look_up_is_documented_does_nothing_found_prove_something() -> None:
    """Kling's page has the query; the relays' has not, so that their 'not there' leaves the submit in doubt."""
    relay = replace(CATALOG.provider("relay"), base_url="https://relay.example")
    assert looked_up(ROW) is None
    with pytest.raises(Unreadable, match=OWN_ID):
        looked_up(relay)
    assert looked_up(replace(relay, options={"lookup": True})) is None


def signed(key: str, model: str) -> str:
    dialect = Kling(ROW)
    return dialect.sign(paid(model), simply(dialect.credential(key)), NOW).headers["Authorization"]


@pytest.mark.parametrize("key", [PAIR, f"{PAIR},{API_KEY}", f"{API_KEY} , {PAIR}"])
def test_a_pair_signs_the_legacy_api_with_a_token(key: str) -> None:
    """Where there is a pair, a legacy call carries a JWT made of it."""
    token = signed(key, "kling-v1-6").removeprefix("Bearer ")
    claims = jwt.decode(token, b"secret0000".ljust(32, b"\0"), algorithms=["HS256"], options={"verify_signature": True,
                        "verify_exp": False, "verify_nbf": False})  # fmt: skip
    assert claims["iss"] == "access0000"


@pytest.mark.parametrize(
    ("key", "model"), [(API_KEY, "kling-v1-6"), (API_KEY, "kling-3.0"), (f"{PAIR},{API_KEY}", "kling-3.0")]
)
def test_an_api_key_opens_both(key: str, model: str) -> None:
    """An API key goes as it is: to the legacy API where there is no pair, to the path API always."""
    assert signed(key, model) == f"Bearer {API_KEY}"


def test_a_pair_alone_does_not_open_the_path_api() -> None:
    """The path API would answer a JWT with 1002: one sentence says what is lacking, without the secret."""
    with pytest.raises(InputError, match=r"accepts only an API key.*add an API key") as caught:
        signed(PAIR, "kling-3.0")
    assert "secret0000" not in str(caught.value)
    assert Kling(ROW).sign(paid("kling-v3"), simply(Kling(ROW).credential(PAIR)), NOW).headers["Authorization"]


def test_a_refused_pair_is_the_keys_fault() -> None:
    """1002 to a check of the path API is a fault of the key, and no news of the task."""
    dialect = Kling(ROW)
    ticket = Ticket("new-1", {"path": "/text-to-video/kling-3.0"})
    with pytest.raises(Faulty) as caught:
        hold(dialect, dialect.check([ticket]), [reply({"code": 1002, "message": "Authorization is invalid"}, 401)])
    assert caught.value.fault.whose is Whose.KEY


def test_kling_cannot_cancel() -> None:
    """Neither generation has a way to cancel, so that nothing is asked."""
    for path in ("/v1/videos/text2video", "/text-to-video/kling-3.0"):
        assert simply(Kling(ROW).cancel(Ticket("t", {"path": path}))) is False


def test_clips_of_both_generations_are_bought_in_one_run(tmp_path: Path) -> None:
    """One account, one key and one poll loop for both: lost answers are found, what never came is bought once anew."""
    with live_lab(tmp_path / "lab") as live:
        prompts = ["fox", "boat #sim:lost", "hare #sim:reset:1"]
        models = ["kling-v2-5-turbo", "kling-2.5-turbo"]
        points = kn.Sweep(prompt=prompts, model=models, mode="std", duration=5, provider="kling")
        run = start(live.lab, points, name="a").wait(60)
        frame = run.df
        assert {*frame["state"]} == {"saved"}, [(task.state, task.reason) for task in run.tasks]
        assert len(live.simulator.ledger()) == len(frame) == 6
        assert {*frame["cost_usd"]} == {0.21}
