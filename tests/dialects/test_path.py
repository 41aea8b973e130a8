"""Kling's path API: how a request is spelled there, and how many tasks are asked about at once."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from driving import CATALOG, OWN_ID, hold

from kling_nb.dialect import Call, Encoded, Inline, Phase, Reply, Unreadable
from kling_nb.dialects.path import IDS_MOST, Path
from kling_nb.errors import InputError
from kling_nb.fields import Shot
from kling_nb.offer import Change, Provider, Support
from kling_nb.request import VideoRequest
from kling_nb.task import Ticket

ROW = CATALOG.provider("kling")
FRAME, STORED = "https://example.org/frame.png", "sha256:" + "ab" * 32


def encoded(**fields: Any) -> Encoded:
    request = VideoRequest(**{"prompt": "a fox", "model": "kling-3.0", **fields})
    assert [one for one in CATALOG.problems(request, "kling") if not one.warning] == []
    return Path(ROW).encode(request, CATALOG.offer(request, "kling"), OWN_ID)


def body(**fields: Any) -> Any:
    return encoded(**fields).call.body


def changes(told: Encoded) -> dict[str, Change]:
    return {loss.field: loss.change for loss in told.losses}


def test_text_keeps_its_prompt() -> None:
    """What is asked for stands in settings in the page's words, and what is left open is not sent."""
    asked = encoded(mode="pro", duration=7, aspect_ratio="9:16", sound="on", multi_shot=False)
    assert asked.call.url == "https://api-singapore.klingai.com/text-to-video/kling-3.0"
    assert asked.call.body == {
        "prompt": "a fox",
        "settings": {
            "resolution": "1080p", "duration": 7, "aspect_ratio": "9:16", "audio": "native", "multi_shot": False,
        },
        "options": {"external_task_id": OWN_ID},
    }  # fmt: skip
    assert body() == {"prompt": "a fox", "options": {"external_task_id": OWN_ID}}


@pytest.mark.parametrize(("mode", "resolution"), [("std", "720p"), ("pro", "1080p"), ("4k", "4k")])
def test_a_mode_is_a_resolution(mode: str, resolution: str) -> None:
    """The path API has resolutions where the legacy one has modes."""
    assert body(mode=mode)["settings"] == {"resolution": resolution}


def test_frames_are_gathered_with_the_prompt() -> None:
    """An image endpoint takes prompt and frames as one list; the ratio follows the image, and that is told."""
    asked = encoded(image=STORED, image_tail=FRAME, mode="pro", aspect_ratio="1:1")
    assert asked.call.url.endswith("/image-to-video/kling-3.0")
    assert asked.call.body == {
        "contents": [
            {"type": "prompt", "text": "a fox"},
            {"type": "first_frame", "url": Inline(STORED, "base64")},
            {"type": "last_frame", "url": FRAME},
        ],
        "settings": {"resolution": "1080p"},
        "options": {"external_task_id": OWN_ID},
    }
    assert changes(asked)["aspect_ratio"] is Change.DROPPED


@pytest.mark.parametrize("model", ["kling-o1", "kling-3.0-omni"])
def test_the_omni_endpoint_lists_even_a_prompt_alone(model: str) -> None:
    """Omni takes a list for text too, and a ratio is filled in where there is no first frame."""
    asked = encoded(model=model)
    assert asked.call.url.endswith(f"/omni-video/{model}")
    assert (asked.call.body or {})["contents"] == [{"type": "prompt", "text": "a fox"}]
    assert (asked.call.body or {})["settings"] == {"aspect_ratio": "16:9"}
    assert changes(asked)["aspect_ratio"] is Change.FILLED
    framed = body(model=model, image=FRAME)
    assert framed["contents"][1:] == [{"type": "first_frame", "url": FRAME}]
    assert "settings" not in framed


CUT = (Shot(prompt="a fox, running", duration=2), Shot(prompt="a boat", duration=3))


@pytest.mark.parametrize("prompt", ["", "told by the shots"])
def test_a_cut_is_written_as_the_prompt(prompt: str) -> None:
    """Shots of one's own are the prompt, each with number, seconds and words; nothing else says them."""
    asked = encoded(prompt=prompt, multi_shot=True, shot_type="customize", multi_prompt=CUT)
    assert asked.call.body == {
        "prompt": "shot 1, 2, a fox, running; shot 2, 3, a boat",
        "settings": {"multi_shot": True},
        "options": {"external_task_id": OWN_ID},
    }
    dropped = {"prompt": Change.DROPPED} if prompt else {}
    assert {field: change for field, change in changes(asked).items() if change is not Change.DEFAULTED} == dropped
    framed = body(prompt=prompt, image=FRAME, multi_shot=True, shot_type="customize", multi_prompt=CUT)
    assert framed["contents"][0] == {"type": "prompt", "text": "shot 1, 2, a fox, running; shot 2, 3, a boat"}
    assert "prompt" not in framed


def test_a_semicolon_in_a_shot_is_a_comma_and_told() -> None:
    """What would end a shot in its middle is replaced, and the plan says so."""
    cut = (Shot(prompt="a fox; running", duration=2), CUT[1])
    asked = encoded(prompt="", multi_shot=True, shot_type="customize", multi_prompt=cut)
    assert (asked.call.body or {})["prompt"] == "shot 1, 2, a fox, running; shot 2, 3, a boat"
    (loss,) = [loss for loss in asked.losses if loss.is_loss]
    assert (loss.field, loss.change, loss.asked, loss.sent) == ("multi_prompt", Change.COERCED, cut, CUT)


def test_a_cut_of_the_models_own_keeps_the_prompt() -> None:
    """With shot_type intelligence the prompt goes as it is, and the switch is on."""
    asked = encoded(multi_shot=True, shot_type="intelligence")
    assert asked.call.body == {
        "prompt": "a fox",
        "settings": {"multi_shot": True},
        "options": {"external_task_id": OWN_ID},
    }
    assert [loss for loss in asked.losses if loss.is_loss] == []


def test_a_menu_without_shots_writes_none() -> None:
    """Where a catalogue of one's own has no place for shots, they are a told loss and not in the prompt."""
    request = VideoRequest(model="kling-3.0", multi_shot=True, shot_type="customize", multi_prompt=CUT)
    offer = CATALOG.offer(request, "kling")
    dropped = replace(offer.knobs["multi_prompt"], support=Support.DROPPED)
    asked = Path(ROW).encode(request, replace(offer, knobs={**offer.knobs, "multi_prompt": dropped}), OWN_ID)
    assert "prompt" not in (asked.call.body or {})
    assert changes(asked)["multi_prompt"] is Change.DROPPED


def test_what_the_path_api_has_no_field_for_is_told() -> None:
    """A negative prompt and cfg_scale are not sent, and the losses say why."""
    asked = encoded(negative_prompt="rain", cfg_scale=0.3)
    assert asked.call.body == {"prompt": "a fox", "options": {"external_task_id": OWN_ID}}
    told = {loss.field: str(loss) for loss in asked.losses if loss.is_loss}
    assert told.keys() == {"negative_prompt", "cfg_scale"}
    assert "say it in the prompt" in told["negative_prompt"]


def test_options_hold_our_id_among_others() -> None:
    """Watermark, callback and a person's own options stand beside our id, and the request stays as it was."""
    extra = {"kling": {"options": {"trace": "t-1"}, "settings": {"seed": 7}}}
    request = VideoRequest(
        prompt="a fox", model="kling-2.6", duration=10, watermark=False, callback_url="https://example.org/hook",
        extra=extra,
    )  # fmt: skip
    before = copy.deepcopy(request.canonical())
    call = Path(ROW).encode(request, CATALOG.offer(request, "kling"), OWN_ID).call
    assert call.body == {
        "prompt": "a fox",
        "settings": {"duration": 10, "seed": 7},
        "options": {
            "watermark_info": {"enabled": False}, "callback_url": "https://example.org/hook", "trace": "t-1",
            "external_task_id": OWN_ID,
        },
    }  # fmt: skip
    alone = replace(request, watermark=None, callback_url=None)
    Path(ROW).encode(alone, CATALOG.offer(alone, "kling"), OWN_ID)
    assert request.canonical() == before
    assert extra["kling"]["options"] == {"trace": "t-1"}


def test_options_that_are_no_table_are_an_error() -> None:
    """There is no place for our id in them: one sentence says what was expected, and nothing is sent."""
    request = VideoRequest(prompt="a fox", model="kling-3.0", extra={"kling": {"options": "fast"}})
    with pytest.raises(InputError, match=r"options.*table.*'fast'"):
        Path(ROW).encode(request, CATALOG.offer(request, "kling"), OWN_ID)


def reply(*tasks: Any) -> Reply:
    return Reply(status=200, content=json.dumps({"code": 0, "message": "SUCCEED", "data": tasks}).encode())


def asked_about(tickets: list[Ticket], per_check: int, *replies: Reply) -> tuple[dict[str, Any], list[str]]:
    dialect, calls = Path(replace(ROW, per_check=per_check)), list[Call]()
    learnt = hold(dialect, dialect.check(tickets), replies, calls)
    return learnt, [call.url.removeprefix("https://api-singapore.klingai.com") for call in calls]


def test_many_tasks_are_asked_about_at_once() -> None:
    """One list is asked for all, once each, and what is in none is not learnt."""
    listed = reply(
        {"id": "a", "status": "processing"}, {"id": "z", "status": "failed"}, {"id": 7, "status": "submitted"}
    )
    learnt, urls = asked_about([Ticket("a"), Ticket("b"), Ticket("7"), Ticket("a")], 500, listed, reply())
    assert urls == ["/tasks?task_ids=a,b,7", "/tasks?task_ids=b"]
    assert {name: status.phase for name, status in learnt.items()} == {"a": Phase.RUNNING, "7": Phase.QUEUED}


@pytest.mark.parametrize(("per_check", "sizes"), [(500, [IDS_MOST, 50]), (60, [60, 60, 30]), (0, [1] * 150)])
def test_a_list_takes_no_more_than_it_may(per_check: int, sizes: list[int]) -> None:
    """No address holds more ids than the provider's row and a sensible length allow, and no id is left out."""
    tickets = [Ticket(f"t{number}") for number in range(150)]
    learnt, urls = asked_about(tickets, per_check, *[reply({"id": "z", "status": "processing"})] * len(sizes))
    asked = [url.removeprefix("/tasks?task_ids=").split(",") for url in urls]
    assert [len(ids) for ids in asked] == sizes
    assert [one for ids in asked for one in ids] == [ticket.id for ticket in tickets]
    assert learnt == {}


def test_a_list_that_stops_short_is_asked_for_the_rest() -> None:
    """Where a list holds fewer tasks than were asked for, the rest is asked for until nothing new comes."""
    tickets = [Ticket(f"t{number}") for number in range(5)]
    lists = [
        reply({"id": f"t{at}", "status": "processing"}, {"id": f"t{at + 1}", "status": "submitted"}) for at in (0, 2)
    ]
    learnt, urls = asked_about(tickets, 500, *lists, reply())
    assert urls == ["/tasks?task_ids=t0,t1,t2,t3,t4", "/tasks?task_ids=t2,t3,t4", "/tasks?task_ids=t4"]
    assert learnt.keys() == {"t0", "t1", "t2", "t3"}


def test_an_id_is_one_id_whatever_is_in_it() -> None:
    """A comma, a blank or a slash in an id does not make it another."""
    learnt, urls = asked_about([Ticket("a,b /&?")], 500, reply({"id": "a,b /&?", "status": "submitted"}))
    assert urls == ["/tasks?task_ids=a%2Cb%20%2F%26%3F"]
    assert learnt.keys() == {"a,b /&?"}


def test_a_lost_submit_is_looked_up_by_our_own_id() -> None:
    """The list of our own id is asked; the ticket found there can be asked about like one from a submit."""
    dialect, calls = Path(ROW), list[Call]()
    call = encoded().call
    listed = reply({"id": "893605946402811985", "external_id": OWN_ID, "status": "processing"})
    ticket = hold(dialect, dialect.find(OWN_ID, call.shown()), [listed], calls)
    assert calls[0].url == f"https://api-singapore.klingai.com/tasks?external_task_ids={OWN_ID}"
    assert ticket == Ticket("893605946402811985", {"path": "/text-to-video/kling-3.0"})
    assert ticket == dialect.ticket("893605946402811985", call.shown())


def test_an_empty_list_proves_something_only_where_the_look_up_is_documented() -> None:
    """A relay of the path API may have dropped our id: that it lists nothing under it leaves the submit in doubt."""
    relay = replace(ROW, id="my-relay", base_url="https://relay.example", options={})
    call = replace(encoded().call, url="https://relay.example/text-to-video/kling-3.0")

    def looked_up(row: Provider) -> Any:
        return hold(Path(row), Path(row).find(OWN_ID, call.shown()), [reply()], [])

    assert looked_up(ROW) is None
    with pytest.raises(Unreadable, match=OWN_ID):
        looked_up(relay)
    assert looked_up(replace(relay, options={"lookup": True})) is None
