"""Answers to a submit that contradict what they hold: an id under a no, a no of what was bought before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from labs import PRICE, agrees, live_lab, start, sweep

from kling_nb.dialect import Call, Op, Reply
from kling_nb.simulator import Fault
from kling_nb.wire import Wire

AT = ("kling", "fal", "quickrouter", "openroute", "chanjing")


@pytest.mark.parametrize("status", [429, 403, 400])
@pytest.mark.parametrize("provider", AT)
def test_an_acceptance_under_the_status_of_a_refusal_is_followed(tmp_path: Path, provider: str, status: int) -> None:
    """Where a gateway puts a 4xx over an accepted submit, the id in it is followed, and nothing is sent again."""
    with live_lab(tmp_path / "lab", Fault(action="restated", operation="submit", status=status)) as live:
        run = start(live.lab, sweep("fox", provider=provider), name="a", assume_price=1).wait(20)
        assert ({"saved": 1}, None) == (run.snapshot().counts, run.held)
        assert 1 == len(live.simulator.ledger())


@pytest.mark.parametrize("status", [500, 502])
@pytest.mark.parametrize("provider", [*AT, "relay", "quickrouter-fal"])
def test_an_acceptance_under_the_status_of_a_broken_server_is_followed(
    tmp_path: Path, provider: str, status: int
) -> None:
    """What was accepted under a 5xx is followed by the id in it: nobody has to decide, and nothing is looked up."""
    with live_lab(tmp_path / "lab", Fault(action="restated", operation="submit", status=status)) as live:
        run = start(live.lab, sweep("fox", provider=provider, mode="pro"), name="a", assume_price=1).wait(20)
        assert ({"saved": 1}, None) == (run.snapshot().counts, run.held)
        assert "doubted" not in list(live.lab.log.events()["kind"])
        assert 1 == len(live.simulator.ledger())


def spoilt(monkeypatch: pytest.MonkeyPatch, **words: Any) -> None:
    """Have every acceptance come as a server error that still holds the id; a look-up by our own id finds nothing."""
    send = Wire.send

    async def sent(self: Wire, call: Call, **options: Any) -> Reply:
        reply = await send(self, call, **options)
        if call.op is Op.FIND:
            return Reply(status=404, content=json.dumps({"code": 1203, "message": "-"}).encode())
        body = {**reply.object(), **words} if call.op is Op.SUBMIT else {}
        return Reply(status=500, content=json.dumps(body).encode()) if body else reply

    monkeypatch.setattr(Wire, "send", sent)


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("kling", {"code": 5000, "message": "boom"}),
        ("relay", {"code": 5000, "message": "boom"}),
        ("quickrouter", {"code": 5000, "message": "boom"}),
        ("openroute", {"error": {"message": "boom"}}),
        ("openroute", {"status": "", "message": "boom"}),
        ("fal", {"detail": "boom"}),
        ("chanjing", {"code": 59999, "msg": "boom"}),
    ],
)
def test_an_id_in_a_server_error_is_put_before_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str, words: dict[str, Any]
) -> None:
    """An error with an id proves nothing: it is not bought again, and the id is there to follow without a console."""
    spoilt(monkeypatch, **words)
    with live_lab(tmp_path / "lab") as live:
        run = start(live.lab, sweep("fox", provider=provider, mode="pro"), name="a", assume_price=1).wait(20)
        (charge,), (task,) = live.simulator.ledger(), run.tasks
        assert ("uncertain", "unnamed") == (task.state, task.cause), task
        said = f"{provider} gave an id with an error, .accepted_as({charge.task_id!r}) follows it if there is such a task: boom"
        assert said in task.reason
        live.lab.uncertain()[0].accepted_as(charge.task_id)
        assert {"saved": 1} == run.wait(20).snapshot().counts
        assert 1 == len(live.simulator.ledger())


def test_what_a_lost_log_bought_is_found_by_its_id(tmp_path: Path) -> None:
    """A lab restored from an older copy gives the same own ids anew: what is refused as there already is followed."""
    with live_lab(tmp_path / "lab") as live:
        start(live.lab, sweep("fox"), name="a").wait(20)
        live.lab.close()
        shutil.copytree(live.lab.folder, tmp_path / "copy")
        live.lab = live.open()
        start(live.lab, sweep("owl"), name="b").wait(20)
        live.lab.close()
        shutil.rmtree(live.lab.folder)
        shutil.copytree(tmp_path / "copy", live.lab.folder)
        live.lab = live.open()
        run = start(live.lab, sweep("owl"), name="b").wait(20)
        assert ({"saved": 1}, PRICE["kling"]) == (run.snapshot().counts, run.snapshot().spent)
        agrees(live)


@pytest.mark.parametrize("status", [302, 307])
def test_what_a_redirect_hides_is_found_by_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """A submit that is redirected after it was carried out is looked up, although a redirect says that it was not."""
    send = Wire.send

    async def moved(self: Wire, call: Call, **options: Any) -> Reply:
        reply = await send(self, call, **options)
        return Reply(status=status) if call.op is Op.SUBMIT else reply

    monkeypatch.setattr(Wire, "send", moved)
    with live_lab(tmp_path / "lab") as live:
        run = start(live.lab, sweep("fox"), name="a").wait(20)
        assert {"saved": 1} == run.snapshot().counts
        agrees(live)


@pytest.mark.parametrize(
    ("status", "state"),
    [*((status, "uncertain") for status in (300, 302, 303, 304)), *((status, "failed") for status in (301, 307, 308))],
)
def test_what_may_follow_a_submit_that_was_carried_out_is_a_doubt(tmp_path: Path, status: int, state: str) -> None:
    """Where nothing can be looked up, only what sends this very request elsewhere proves that it was not carried out."""
    with live_lab(tmp_path / "lab", Fault(action="http", operation="submit", status=status, body="")) as live:
        run = start(live.lab, sweep("fox", provider="fal", mode="pro"), name="a").wait(20)
        assert {state: 1} == run.snapshot().counts
        assert str(status) in run.tasks[0].reason


@pytest.mark.parametrize(
    ("said", "state"), [("external_task_id is duplicated", "uncertain"), ("mode is invalid", "failed")]
)
def test_a_duplicate_that_cannot_be_looked_up_is_a_doubt(tmp_path: Path, said: str, state: str) -> None:
    """Where the look-up proves nothing, a refusal is believed, but for one that says that the id is there already."""
    body = json.dumps({"code": 1201, "message": said})
    with live_lab(tmp_path / "lab", Fault(action="http", operation="submit", status=400, body=body)) as live:
        run = start(live.lab, sweep("fox", provider="quickrouter"), name="a", assume_price=1).wait(20)
        assert {state: 1} == run.snapshot().counts
        assert said in run.tasks[0].reason


def test_an_id_that_is_kept_of_a_refused_submit_is_not_used_again(tmp_path: Path) -> None:
    """Said to be there, and absent as long as one is looked for: the point is bought under another id, and once."""
    body = json.dumps({"code": 1201, "message": "external_task_id is duplicated"})
    refused = Fault(action="http", operation="submit", status=400, body=body)
    with live_lab(tmp_path / "lab", Fault(action="busy", nth=1), refused) as live:
        run = start(live.lab, sweep("fox"), name="a").wait(20)
        assert ({"saved": 1}, 2) == (run.snapshot().counts, run.tasks[0].attempt)
        agrees(live)


def test_an_id_that_is_said_to_be_there_is_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that lists late has what it will not take twice: it is found, and nothing is sent under another id."""
    send, told = Wire.send, {Op.SUBMIT: (429, 1303), Op.FIND: (404, 1203)}

    async def late(self: Wire, call: Call, **options: Any) -> Reply:
        reply = await send(self, call, **options)
        status, code = told.pop(call.op, (0, 0))
        return Reply(status=status, content=json.dumps({"code": code, "message": "-"}).encode()) if status else reply

    monkeypatch.setattr(Wire, "send", late)
    with live_lab(tmp_path / "lab") as live:
        run = start(live.lab, sweep("fox"), name="a").wait(20)
        assert ({}, {"saved": 1}, 1) == (told, run.snapshot().counts, run.tasks[0].attempt)
        agrees(live)


@pytest.mark.parametrize("status", [200, 400, 429])
@pytest.mark.parametrize("is_found_so", [True, False])
def test_an_id_that_cannot_be_one_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, is_found_so: bool
) -> None:
    """An id with a control character says that something was bought, under whatever status: it is not sent again."""
    send = Wire.send

    async def garbled(self: Wire, call: Call, **options: Any) -> Reply:
        reply = await send(self, call, **options)
        if call.op is not Op.SUBMIT and not (is_found_so and call.op is Op.FIND):
            return reply
        body = reply.object()
        content = json.dumps({**body, "data": {**body["data"], "task_id": "87\x001"}}).encode()
        return Reply(status=status if call.op is Op.SUBMIT else 200, content=content)

    monkeypatch.setattr(Wire, "send", garbled)
    with live_lab(tmp_path / "lab", speed=300) as live:
        run = start(live.lab, sweep("fox"), name="a").wait(20)
        (task,) = run.tasks
        assert {"uncertain" if is_found_so else "saved": 1} == run.snapshot().counts, task
        assert "unnamed" == task.cause or not is_found_so
        assert 1 == len(live.simulator.ledger())


@pytest.mark.parametrize("provider", ["kling", "fal"])
def test_two_points_that_are_given_one_id_are_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    """A cache that answers a submit with what another one got: one clip stands for two prompts, and the second says it."""
    send, first = Wire.send, list[Reply]()

    async def cached(self: Wire, call: Call, **options: Any) -> Reply:
        reply = await send(self, call, **options)
        first.extend([reply] if call.op is Op.SUBMIT else [])
        return first[0] if call.op is Op.SUBMIT else reply

    monkeypatch.setattr(Wire, "send", cached)
    with live_lab(tmp_path / "lab") as live:
        run = start(live.lab, sweep("fox", "owl", provider=provider, mode="pro"), name="a").wait(20)
        assert {"saved": 2} == run.snapshot().counts
        flagged = [task for task in run.tasks if task.clip is not None and task.clip.flags]
        (other,) = (task for task in run.tasks if task not in flagged)
        assert [f"the provider gave it the id of another task, so that it may be the same clip as {other.id}"] == [
            flag for task in flagged for flag in task.clip.flags
        ]
