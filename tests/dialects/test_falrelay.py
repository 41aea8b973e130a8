"""fal's queue behind a relay: one address, the relay's own key, no cancelling; and fal itself as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from driving import CATALOG, OWN_ID, hold, simply
from labs import live_lab, start

import kling_nb as kn
from kling_nb.dialect import Asset, Call, Encoded, Inline, Phase, Reply, Whose, origin
from kling_nb.dialects.falqueue import FalQueue
from kling_nb.errors import InputError
from kling_nb.offer import Provider
from kling_nb.request import VideoRequest
from kling_nb.task import Ticket

ROW = CATALOG.provider("quickrouter-fal")
FAL = CATALOG.provider("fal")
BASE = "https://api.quickrouter.ai"
STORED = "sha256:" + "ab" * 32


def encoded(row: Provider = ROW, **fields: Any) -> Encoded:
    request = VideoRequest(**{"prompt": "a fox", "model": "kling-v2-5-turbo", "mode": "pro", **fields})
    assert [one for one in CATALOG.problems(request, row) if not one.warning] == []
    return FalQueue(row).encode(request, CATALOG.offer(request, row), OWN_ID)


def reply(body: Any, status: int = 200) -> Reply:
    return Reply(status=status, content=json.dumps(body).encode())


def test_the_body_is_fals() -> None:
    """The page's own example: the length as text, the scale as a number, the mode in the path."""
    asked = encoded(duration=5, aspect_ratio="16:9", negative_prompt="blur", cfg_scale=0.5)
    assert asked.call.url == f"{BASE}/fal-ai/kling-video/v2.5-turbo/pro/text-to-video"
    assert asked.call.body == {
        "prompt": "a fox", "duration": "5", "aspect_ratio": "16:9", "negative_prompt": "blur", "cfg_scale": 0.5,
    }  # fmt: skip
    framed = encoded(image=STORED)
    assert framed.call.url == f"{BASE}/fal-ai/kling-video/v2.5-turbo/pro/image-to-video"
    assert framed.call.body == {"prompt": "a fox", "image_url": Inline(STORED, "data_uri")}


def test_what_the_page_has_no_field_for_is_told() -> None:
    """fal itself takes a last frame here; the relay's page does not, so that it is not sent and told."""
    asked = encoded(image=STORED, image_tail=STORED)
    assert (asked.call.body or {}).keys() == {"prompt", "image_url"}
    assert {loss.field for loss in asked.losses if loss.is_loss} == {"image_tail"}
    at_fal = encoded(FAL, image=STORED, image_tail=STORED)
    assert (at_fal.call.body or {}).keys() == {"prompt", "image_url", "tail_image_url"}


def test_addresses_in_a_reply_are_not_followed() -> None:
    """A reply names queue.fal.run, where the relay's key is worth nothing: the relay's own address is asked."""
    dialect, calls = FalQueue(ROW), list[Call]()
    elsewhere = "https://queue.fal.run/fal-ai/kling-video/requests/r-1"
    told = {"status": "IN_QUEUE", "request_id": "r-1", "response_url": elsewhere, "status_url": elsewhere + "/status"}
    ticket = dialect.accepted(encoded().call, reply(told))
    assert "queue.fal.run" not in json.dumps(dict(ticket.data))
    pending = reply({"detail": "Request is still in progress"}, 400)
    assert hold(dialect, dialect.check([ticket]), [pending], calls)["r-1"].phase is Phase.RUNNING
    assert [(call.method, call.url) for call in calls] == [("GET", f"{BASE}/fal-ai/auto/requests/r-1")]


def test_each_request_is_asked_about_once() -> None:
    """One address tells both how a request is doing and its clip; one that is done costs no second question."""
    dialect, calls = FalQueue(ROW), list[Call]()
    tickets = [dialect.ticket(name, encoded().call.shown()) for name in ("a", "b/..", "c")]
    clip = {"video": {"url": "https://v3.fal.media/files/penguin/abc_output.mp4"}}
    replies = [reply(clip), reply({"status": "IN_QUEUE", "queue_position": 2}), reply({"detail": "Gone"}, 410)]
    learnt = hold(dialect, dialect.check(tickets), replies, calls)
    assert [call.url.removeprefix(BASE) for call in calls] == [
        "/fal-ai/auto/requests/a", "/fal-ai/auto/requests/b%2F..", "/fal-ai/auto/requests/c",
    ]  # fmt: skip
    assert learnt["a"].asset == Asset(url="https://v3.fal.media/files/penguin/abc_output.mp4")
    assert (learnt["b/.."].phase, learnt["b/.."].position) == (Phase.QUEUED, 2)
    assert "c" not in learnt


@pytest.mark.parametrize("video", [None, {}, {"url": ""}, {"url": "ftp://v3.fal.media/output.mp4"}])
def test_a_video_without_a_link_is_finished(video: Any) -> None:
    """A relay that answers with the result knows the request, although there is nothing to fetch yet."""
    dialect = FalQueue(ROW)
    ticket = dialect.ticket("r-1", encoded().call.shown())
    learnt = hold(dialect, dialect.check([ticket]), [reply({"video": video})])
    assert "finished, but the result holds no video yet" == learnt["r-1"].reason
    assert Phase.RUNNING is learnt["r-1"].phase


def test_without_an_app_of_its_own_the_endpoints_is_asked() -> None:
    """A relay's row that says no app is asked by the model's own name, the documented other form."""
    dialect = FalQueue(replace(ROW, options={"poll": "result"}))
    ticket = dialect.ticket("r-1", encoded().call.shown())
    assert next(dialect.check([ticket])).url == f"{BASE}/fal-ai/kling-video/requests/r-1"


def test_a_relay_cannot_cancel_and_fal_can() -> None:
    """Where there is only a result, nothing is asked and nothing claimed; at fal a request may leave the queue."""
    assert (FalQueue(ROW).cancels, FalQueue(FAL).cancels) == (False, True)
    ticket = Ticket("r-1", {"app": "fal-ai/kling-video"})
    assert simply(FalQueue(ROW).cancel(ticket)) is False
    assert next(FalQueue(FAL).cancel(ticket)).method == "PUT"


@pytest.mark.parametrize(("row", "header"), [(ROW, "Bearer sk-1"), (FAL, "Key sk-1")])
def test_the_word_before_the_key_is_the_providers(row: Provider, header: str) -> None:
    """fal takes `Key`, its relay `Bearer`."""
    dialect = FalQueue(row)
    signed = dialect.sign(encoded().call, simply(dialect.credential("sk-1")), 0.0)
    assert signed.headers == {"Authorization": header}


def test_a_way_to_ask_that_does_not_exist_is_an_error() -> None:
    """A misspelt option names the provider and the words there are."""
    with pytest.raises(InputError, match=r"quickrouter-fal.*status, result.*'results'"):
        FalQueue(replace(ROW, options={"poll": "results"}))


def test_fal_is_asked_for_the_status_first() -> None:
    """At fal itself the status comes first, and the result only once it is there."""
    dialect, calls = FalQueue(FAL), list[Call]()
    ticket = dialect.ticket("r-1", encoded(FAL).call.shown())
    clip = {"video": {"url": "https://v3.fal.media/files/penguin/abc_output.mp4"}}
    hold(dialect, dialect.check([ticket]), [reply({"status": "COMPLETED"}), reply(clip)], calls)
    assert [call.url.rpartition("/")[2] for call in calls] == ["status", "r-1"]
    assert {origin(call.url) for call in calls} == {origin(FAL.base_url or "")}


def told(*replies: Reply) -> Any:
    dialect = FalQueue(FAL)
    ticket = dialect.ticket("r-1", encoded(FAL).call.shown())
    return hold(dialect, dialect.check([ticket]), list(replies))[ticket.id]


@pytest.mark.parametrize("spelled", [str.upper, str.lower, str.capitalize])
def test_a_status_is_read_in_any_case(spelled: Callable[[str], str]) -> None:
    """What is finished is fetched, however a gateway before fal spells the queue's words."""
    clip = {"video": {"url": "https://v3.fal.media/files/penguin/abc_output.mp4"}}
    assert told(reply({"status": spelled("COMPLETED")}), reply(clip)).phase is Phase.DONE
    assert told(reply({"status": spelled("IN_QUEUE")}, 202)).phase is Phase.QUEUED


@pytest.mark.parametrize("body", [{"status": "FAILED"}, {"status": "COMPLETED", "error": {}, "error_type": [1]}])
def test_a_failure_without_a_reason_is_not_blamed_on_the_request(body: dict[str, Any]) -> None:
    """Where fal says nothing of why, no field is known to be wrong, and it may have been charged."""
    failed = told(reply(body))
    assert (failed.phase, failed.whose, failed.charged) == (Phase.FAILED, Whose.PROVIDER, None)


@pytest.mark.parametrize("directive", ["", " #sim:relay-status"])
def test_a_clip_is_bought_through_the_simulated_relay(tmp_path: Path, directive: str) -> None:
    """Over a real socket, in either form that the relay may have while a request runs, the clip is saved."""
    with live_lab(tmp_path / "lab") as live, pytest.MonkeyPatch.context() as environment:
        environment.setenv("KLING_NB_QUICKROUTER_FAL_KEY", live.simulator.key("quickrouter-fal"))
        environment.setenv("KLING_NB_QUICKROUTER_FAL_BASE_URL", live.base + live.simulator.path("quickrouter-fal"))
        points = kn.Sweep(prompt=f"fox{directive}", model="kling-v2-5-turbo", mode="pro", duration=5,
                          provider="quickrouter-fal")  # fmt: skip
        run = start(live.lab, points, name="a", assume_price="official").wait(30)
        assert [(task.state, task.reason) for task in run.tasks] == [("saved", "")]
        assert len(live.simulator.ledger()) == 1
