"""The simulator as a whole: determinism, persistence, the ledger, and the clips."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from kling_nb.simulator import API_KEY, Simulator, painting
from kling_nb.simulator import simulator as module
from kling_nb.simulator.clips import Scene, render
from kling_nb.simulator.fal_models import APP
from kling_nb.simulator.latency import dice, draw, median_s
from kling_nb.simulator.pictures import read_picture
from kling_nb.simulator.prices import fal_usd, kling_units

from .conftest import START, Client, Clock, png

T2V, TURBO = "/v1/videos/text2video", f"/{APP}/v2.5-turbo/pro/text-to-video"
FOX = {"model_name": "kling-v2-6", "prompt": "a red fox", "mode": "pro"}


def clients(simulator: Simulator) -> tuple[Client, Client]:
    kling = Client(simulator, "kling", f"Bearer {API_KEY}")
    return kling, Client(simulator, "fal", "Key " + simulator.key("fal"))


def played(seed: int, order: tuple[int, ...] = (0, 1, 2)) -> dict[int, list[str]]:
    """The bodies of one short session, by which of three requests they are about."""
    clock = Clock()
    simulator = Simulator(None, seed=seed, now=clock)
    kling, fal = clients(simulator)
    told = {}
    for number in order:
        told[number] = [kling.post(T2V, FOX | {"prompt": f"fox {number}"}).text, fal.post(TURBO, FOX).text]
    clock.forward(3000)
    for number in order:
        task = json.loads(told[number][0])["data"]["task_id"]
        told[number] = [*told[number], kling.get(f"{T2V}/{task}").text]
    simulator.close()
    return told


def test_same_seed_same_bytes() -> None:
    """The same seed, requests and clock give the same bytes; another seed gives others."""
    assert played(7) == played(7)
    assert played(7) != played(8)


def test_arrival_order_changes_nothing() -> None:
    """Ids and latency come from seed and request, not from what arrived before."""
    forwards, backwards = played(7, (0, 1, 2)), played(7, (2, 1, 0))
    assert [forwards[n][2] for n in range(3)] == [backwards[n][2] for n in range(3)]


def test_own_id_changes_nothing(clock: Clock) -> None:
    """Our own id is no part of what a task's fate is drawn from."""
    ids = []
    for own in ("a", "b"):
        simulator = Simulator(None, now=clock)
        reply = clients(simulator)[0].post(T2V, FOX | {"external_task_id": own})
        ids.append(reply.json()["data"]["task_id"])
        simulator.close()
    assert ids[0] == ids[1]


def test_repeats_differ(simulator: Simulator, clock: Clock) -> None:
    """The same request twice makes two tasks, with clips that look different."""
    kling, _ = clients(simulator)
    tasks = [kling.post(T2V, FOX).json()["data"]["task_id"] for _ in range(2)]
    clock.forward(10_000)
    found = [kling.get(f"{T2V}/{task}").json()["data"]["task_result"]["videos"][0]["url"] for task in tasks]
    assert kling.get(found[0]).content != kling.get(found[1]).content


def test_a_new_simulator_continues(tmp_path: Path, clock: Clock) -> None:
    """On the same folder a new simulator knows the tasks, the ledger and the clips of the old one."""
    first = Simulator(tmp_path, now=clock)
    told = clients(first)[1].post(TURBO, FOX).json()
    task = clients(first)[0].post(T2V, FOX).json()["data"]["task_id"]
    ledger = first.ledger()
    first.close()
    clock.forward(3000)
    second = Simulator(tmp_path, now=clock)
    kling, fal = clients(second)
    assert ledger == second.ledger()
    assert kling.get(f"{T2V}/{task}").json()["data"]["task_status"] == "succeed"
    assert b"ftyp" in fal.get(fal.get(told["response_url"]).json()["video"]["url"]).content[:12]
    repeated = clients(second)[0].post(T2V, FOX).json()["data"]["task_id"]
    second.close()
    assert repeated != task


LOOKS: dict[str, Callable[[Client, str], httpx.Response]] = {
    "submit": lambda kling, _: kling.post(T2V, FOX | {"external_task_id": "new"}),
    "page": lambda kling, _: kling.get(f"{T2V}?pageNum=1&pageSize=30"),
    "one by its id": lambda kling, task: kling.get(f"{T2V}/{task}"),
    "one by an own id": lambda kling, _: kling.get(f"{T2V}/mine"),
    "window": lambda kling, _: kling.post("/tasks", {"start_time": int(START * 1000) - 1}),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_what_was_made_before_costs_no_call_anything(
    clock: Clock, look: Callable[[Client, str], httpx.Response]
) -> None:
    """A lab may be simulated for thousands of tasks: the database takes as many steps for a call as for a hundred."""
    counted = []
    for made in (100, 1000):
        simulator = Simulator(None, now=clock)
        kling, _ = clients(simulator)
        task = kling.post(T2V, FOX | {"external_task_id": "mine"}).json()["data"]["task_id"]
        store = simulator._world.store
        (one,) = store.tasks()
        for n in range(made):
            names = {"id": f"id-{n}", "own_id": f"own-{n}", "asset": f"asset-{n}", "fingerprint": f"of-{n}"}
            store.add(replace(one, **names, accepted_at=START - n - 1, ended_at=START - n))
        steps: list[None] = []
        store._connection.set_progress_handler(lambda steps=steps: steps.append(None), 1)
        assert look(kling, task).status_code == 200
        counted.append(len(steps))
        simulator.close()
    assert 0 < counted[1] < 1.2 * counted[0]


def test_ledger(simulator: Simulator) -> None:
    """Every accepted submit is one line with provider, ids, model, price in USD and instant."""
    kling, fal = clients(simulator)
    kling.post(T2V, FOX | {"external_task_id": "own", "sound": "on"})
    told = fal.post(TURBO, FOX).json()
    first, second = simulator.ledger()
    assert ("kling", "own", "kling-v2-6", Decimal("0.7"), START, False) == (
        first.provider,
        first.own_id,
        first.model,
        first.usd,
        first.at,
        first.refunded,
    )
    assert ("fal", told["request_id"], Decimal("0.35")) == (second.provider, second.task_id, second.usd)


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (kling_units("kling-v1", "std", 5), "1"),
        (kling_units("kling-v1-6", "pro", 10), "7"),
        (kling_units("kling-v2-master", "std", 5), "10"),
        (kling_units("kling-v3", "pro", 5, sound=True), "6"),
        (kling_units("kling-v2-6", "pro", 5, sound=True, voices=True), "6"),
        (fal_usd("v2/master", 5), "1.4"),
        (fal_usd("v2.5-turbo/standard", 10), "0.42"),
        (fal_usd("v3/standard", 5, sound=True), "0.63"),
    ],
)
def test_prices(price: Decimal, expected: str) -> None:
    """Prices are those of the published lists, as plain decimals."""
    assert expected == str(price)


def test_latency_is_log_normal_around_the_median() -> None:
    """Half of the tasks take less than the median; some one in fifty takes four times as long."""
    median = median_s("v2-5-turbo", "pro", 5, sound=False)
    totals = [sum(vars(draw(dice(7, n), median, 30)).values()) for n in range(2000)]
    assert median == 110
    assert 900 < sum(total < median for total in totals) < 1080
    assert 0.01 < sum(total > 3 * median for total in totals) / 2000 < 0.04


# --- clips


def scene(**fields: Any) -> Scene:
    base: dict[str, Any] = {
        "provider": "kling",
        "model": "kling-v2-6",
        "mode": "pro",
        "prompt": "a fox",
        "seconds": 5,
        "ratio": "16:9",
    }
    return Scene(**(base | fields))


def probed(clip: bytes) -> tuple[int, int, int, str, list[str]]:
    with av.open(io.BytesIO(clip), "r") as opened:
        video = opened.streams.video[0]
        kinds = [str(stream.type) for stream in opened.streams]
        frames = len(list(opened.decode(video=0)))
        return video.width, video.height, frames, video.codec_context.name, kinds


@pytest.mark.parametrize(
    ("fields", "size", "expected"),
    [
        ({}, "small", (288, 162, 121, "h264", ["video"])),
        ({"mode": "std", "ratio": "9:16"}, "small", (126, 224, 121, "h264", ["video"])),
        ({"mode": "std", "ratio": "4:3"}, "small", (168, 126, 121, "h264", ["video"])),
        ({"mode": "std", "ratio": "3:4"}, "real", (720, 960, 121, "h264", ["video"])),
        ({"ratio": "1:1", "seconds": 10}, "small", (162, 162, 241, "h264", ["video"])),
        ({"sound": True}, "small", (288, 162, 121, "h264", ["video", "audio"])),
        ({"mode": "std"}, "real", (1280, 720, 121, "h264", ["video"])),
        ({"model": "kling-v1"}, "real", (1280, 720, 151, "h264", ["video"])),
        ({"model": "kling-v2-1-master", "mode": "std"}, "real", (1920, 1080, 121, "h264", ["video"])),
        ({"camera": "roll", "amount": -5.0}, "small", (288, 162, 121, "h264", ["video"])),
        ({"camera": "down_back", "amount": 5.0}, "small", (288, 162, 121, "h264", ["video"])),
        ({"prompt": "城市夜景，霓虹灯下的雨街" * 20}, "small", (288, 162, 121, "h264", ["video"])),
        ({"prompt": ""}, "small", (288, 162, 121, "h264", ["video"])),
    ],
)
def test_clips_are_what_was_asked_for(fields: dict[str, Any], size: str, expected: tuple[Any, ...]) -> None:
    """A clip has the asked ratio, length plus one frame, and sound only when asked; size and rate are the model's."""
    assert expected == probed(render(scene(**fields), None, size))


def test_clips_are_deterministic() -> None:
    """The same scene gives the same bytes, whoever draws it."""
    first = render(scene(), None, "small")
    render.cache_clear()
    assert first == render(scene(), None, "small")
    assert first.index(b"moov") < first.index(b"mdat")


def test_camera_and_start_frame_show() -> None:
    """A camera move, the take and a start frame each change the picture."""
    thumb = read_picture(png(), data_uri=False).thumb
    clips = {
        render(scene(), None, "small"),
        render(scene(take=2, seed=5), None, "small"),
        render(scene(camera="zoom", amount=5.0), None, "small"),
        render(scene(), thumb, "small"),
    }
    assert len(clips) == 4


@pytest.mark.parametrize(("amount", "grows"), [(8.0, False), (-8.0, True)])
def test_zoom_has_the_sign_of_kling(amount: float, *, grows: bool) -> None:
    """Above 0 the view gets wider, so that what is in it shrinks; below it narrows."""
    first, *_, last = (painting._view(scene(camera="zoom", amount=amount), share, 16 / 9) for share in (0, 0.5, 1))
    assert (last.zoom > first.zoom) == grows
    assert min(first.zoom, last.zoom) >= 1


def test_byte_ranges_and_lifetime(simulator: Simulator, clock: Clock) -> None:
    """A clip needs no credential, serves byte ranges, does not exist before its time and expires after 30 days."""
    kling, _ = clients(simulator)
    task = kling.post(T2V, FOX).json()["data"]["task_id"]
    asset = simulator._world.store.tasks()[0].asset
    early = kling.get(f"http://simulator/cdn/{asset}")
    clock.forward(3000)
    url = kling.get(f"{T2V}/{task}").json()["data"]["task_result"]["videos"][0]["url"]
    nobody = Client(simulator, "kling")
    whole = nobody.get(url)
    part = nobody.get(url, headers={"range": "bytes=10-19"})
    tail = nobody.get(url, headers={"range": "bytes=-7"})
    beyond = nobody.get(url, headers={"range": "bytes=99999999-"})
    clock.forward(30 * 86_400)
    assert tuple(reply.status_code for reply in (early, whole, part, tail, beyond, nobody.get(url))) == (
        404,
        200,
        206,
        206,
        416,
        403,
    )
    assert (whole.content[10:20], whole.content[-7:]) == (part.content, tail.content)
    assert f"bytes 10-19/{len(whole.content)}" == part.headers["content-range"]
    assert str(len(whole.content)) == whole.headers["content-length"]


def test_unknown_provider_is_answered_with_the_known(simulator: Simulator) -> None:
    """Asking for a provider that is not there names those that are."""
    assert {"kling", "fal"} < set(simulator.providers)
    with pytest.raises(KeyError, match=f"there are: {', '.join(simulator.providers)}"):
        simulator.path("sora")


PROBES = {
    "kling": ("POST", "/text-to-video/kling-3.0"),
    "fal": ("POST", TURBO),
    "quickrouter-fal": ("POST", TURBO),
    "chanjing": ("GET", "/open/v1/ai_creation/task"),
    "quickrouter": ("POST", "/kling/v1/videos/text2video"),
    "relay": ("POST", "/kling/v1/videos/text2video"),
    "openroute": ("POST", "/v1/videos"),
}


def refused(simulator: Simulator, provider: str, place: str) -> str:
    """How somebody without a key is told so, in the provider's own words but for the trace id."""
    method, path = PROBES[provider]
    body = {} if method == "POST" else None
    reply = Client(simulator, provider).send(method, f"http://simulator{place}{path}", body)
    return re.sub(r"[0-9a-f]{8}-?[0-9a-f-]{24,27}", "TRACE", f"{reply.status_code} {reply.text}")


def test_each_provider_that_comes_with_the_simulator_is_probed() -> None:
    """A provider that joins needs a line in `PROBES`: one of its paths, to be asked without a key."""
    assert {*module.BUILT_IN} == {*PROBES}


@pytest.mark.parametrize("root", sorted(PROBES))
def test_each_provider_can_be_served_at_the_root(clock: Clock, root: str) -> None:
    """At the root a provider answers as it does at its own place, and there they all stay."""
    plain, rooted = Simulator(None, now=clock), Simulator(None, now=clock, root=root)
    own = {name: refused(plain, name, plain.path(name)) for name in PROBES}
    assert own == {name: refused(rooted, name, rooted.path(name)) for name in PROBES}
    assert own[root] == refused(rooted, root, "")
    plain.close()
    rooted.close()


def test_a_relay_at_the_root_comes_before_the_place_of_kling(clock: Clock) -> None:
    """Where a path at the root begins like another provider's place, the root has it."""
    simulator = Simulator(None, now=clock, root="relay")
    relay = Client(simulator, "relay", "Bearer " + simulator.key("relay"))
    headers = {"accept": "application/json"}
    body = {"model_name": "kling-v1-6", "prompt": "a fox", "duration": 5}
    reply = relay.post("http://simulator/kling/v1/videos/text2video", body, headers=headers)
    assert reply.json()["code"] == 0, reply.text
    assert [charge.provider for charge in simulator.ledger()] == ["relay"]
    simulator.close()


def test_nothing_else_of_the_package_is_imported() -> None:
    """The simulator is a stranger: its files import nothing of kling_nb but themselves."""
    for path in Path(module.__file__).parent.glob("*.py"):
        for line in path.read_text().splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]) and "kling_nb" in words[1]:
                assert words[1].startswith("kling_nb.simulator"), f"{path.name}: {line}"
