"""Provider ``fal``: the queue, and Kling's endpoints in it."""

from __future__ import annotations

from typing import Any

import pytest

from kling_nb.simulator import Simulator
from kling_nb.simulator.fal_models import APP, ENDPOINTS

from .conftest import Client, Clock, png

TURBO = "v2.5-turbo/pro/text-to-video"
FOX = {"prompt": "a red fox"}
PICTURE = "data:image/png;base64," + png()


def queued(client: Client, path: str = TURBO, **fields: Any) -> dict[str, Any]:
    reply = client.post(f"/{APP}/{path}", FOX | fields)
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


def problems(client: Client, clock: Clock, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The 422 list that the result of this input answers, or [] for a fine result."""
    told = client.post(f"/{APP}/{path}", body).json()
    clock.forward(3600)
    status, result = client.get(told["status_url"]), client.get(told["response_url"])
    assert (status.status_code, status.json()["status"]) == (200, "COMPLETED")
    assert "error" not in status.json()
    if result.status_code == 200:
        return []
    assert result.status_code == 422, result.text
    found: list[dict[str, Any]] = result.json()["detail"]
    return found


def test_submit_answers_urls_of_owner_and_app(fal: Client) -> None:
    """A submit is queued, and its URLs keep only owner and app."""
    told = queued(fal)
    base = f"http://simulator/fal/{APP}/requests/{told['request_id']}"
    assert (base, base + "/status", base + "/cancel") == (
        told["response_url"],
        told["status_url"],
        told["cancel_url"],
    )
    assert (told["status"], told["queue_position"], told["logs"], told["metrics"]) == ("IN_QUEUE", 0, None, {})


def test_status_codes_follow_the_states(fal: Client, clock: Clock) -> None:
    """Status is 202 while queued and running, 200 when completed; the result is 400 until then."""
    told, seen = queued(fal), []
    for _ in range(300):
        reply = fal.get(told["status_url"])
        step = (reply.status_code, reply.json()["status"])
        seen += [step] if step not in seen else []
        if step[0] == 200:
            break
        result = fal.get(told["response_url"])
        assert (result.status_code, result.json()) == (400, {"detail": "Request is still in progress"})
        clock.forward(2)
    assert seen == [(202, "IN_QUEUE"), (202, "IN_PROGRESS"), (200, "COMPLETED")]
    assert reply.json()["metrics"]["inference_time"] > 0
    result = fal.get(told["response_url"])
    video = result.json()["video"]
    assert (video["content_type"], video["file_name"]) == ("video/mp4", "output.mp4")
    assert ("5", told["request_id"]) == (result.headers["x-fal-billable-units"], result.headers["x-fal-request-id"])
    assert fal.get(video["url"]).headers["content-type"] == "video/mp4"


def test_logs_only_on_request(fal: Client, clock: Clock) -> None:
    """``logs`` is null unless asked for."""
    told = queued(fal)
    clock.forward(3600)
    assert fal.get(told["status_url"]).json()["logs"] is None
    entries = fal.get(told["status_url"] + "?logs=1").json()["logs"]
    assert {"message", "level", "source", "timestamp"} == set(entries[0])


@pytest.mark.parametrize("tail", ["", "/status", "/response"])
def test_polling_under_the_full_path(fal: Client, tail: str) -> None:
    """Keeping the endpoint's path in a poll, or a trailing /response, is a 405."""
    told = queued(fal)
    place = f"/{APP}/{TURBO}/requests/{told['request_id']}{tail}"
    assert fal.get(place).status_code == 405
    assert fal.get(told["response_url"] + "/response").status_code == 405


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("", "Invalid Key Authorization header format. Expected '<key_id>:<key_secret>'."),
        ("Bearer a:b", "Invalid Key Authorization header format. Expected '<key_id>:<key_secret>'."),
        ("Key  a:b", "Invalid Key Authorization header format. Expected '<key_id>:<key_secret>'."),
        ("Key a:b", "No user found for Key ID and Secret"),
    ],
)
def test_bad_key(simulator: Simulator, header: str, text: str) -> None:
    """A malformed or unknown key is a 401 with fal's texts."""
    reply = Client(simulator, "fal", header).post(f"/{APP}/{TURBO}", FOX)
    assert (401, {"detail": text}) == (reply.status_code, reply.json())
    assert simulator.ledger() == []


def test_unknown_application_and_request(fal: Client) -> None:
    """An unknown application or request is a 404."""
    for path in ("/fal-ai/schnell/x", "/fal-ai/schnell"):
        reply = fal.post(path, FOX)
        assert (reply.status_code, reply.json()) == (404, {"detail": 'Application "schnell" not found'})
    assert (fal.get("/fal-ai/schnell").status_code, fal.get(f"/{APP}/{TURBO}").status_code) == (404, 405)
    assert fal.post(f"/{APP}/v2.5-turbo/standard/text-to-video", FOX).status_code == 404
    assert fal.get(f"/{APP}/requests/nothing").status_code == 404
    unknown = fal.send("PUT", f"/{APP}/requests/nothing/cancel")
    assert (unknown.status_code, unknown.json()) == (404, {"status": "NOT_FOUND"})


@pytest.mark.parametrize(
    ("body", "status"), [(rb'{"prompt":"\ud800 fox"}', 200), (b'{"a":' * 9_000, 422), (b'"\xff"', 422), (b"[]", 422)]
)
def test_strange_json(fal: Client, body: bytes, status: int) -> None:
    """Half a surrogate pair is replaced; a body too deep, in no Unicode, or no object is a 422."""
    assert status == fal.send("POST", f"/{APP}/{TURBO}", content=body).status_code


@pytest.mark.parametrize(
    ("path", "body", "where", "kind"),
    [
        (TURBO, {}, ["body", "prompt"], "missing"),
        (TURBO, {"prompt": 5}, ["body", "prompt"], "string_type"),
        (TURBO, {"prompt": "x" * 2501}, ["body", "prompt"], "string_too_long"),
        (TURBO, FOX | {"duration": 5}, ["body", "duration"], "literal_error"),
        (TURBO, FOX | {"duration": "5s"}, ["body", "duration"], "literal_error"),
        (TURBO, FOX | {"aspect_ratio": "4:3"}, ["body", "aspect_ratio"], "literal_error"),
        (TURBO, FOX | {"cfg_scale": 2}, ["body", "cfg_scale"], "less_than_equal"),
        ("v2.5-turbo/pro/image-to-video", FOX | {"start_image_url": PICTURE}, ["body", "image_url"], "missing"),
        ("v2.6/pro/image-to-video", FOX | {"image_url": PICTURE}, ["body", "start_image_url"], "missing"),
        ("v2.6/pro/text-to-video", FOX | {"generate_audio": "on"}, ["body", "generate_audio"], "bool_type"),
        (
            "v1/standard/text-to-video",
            FOX | {"camera_control": "simple"},
            ["body", "camera_control"],
            "literal_error",
        ),
        ("v3/pro/image-to-video", FOX, ["body", "start_image_url"], "value_error.missing"),
        ("v3/pro/text-to-video", {}, ["body", "root"], "value_error"),
        ("v3/pro/text-to-video", FOX | {"multi_prompt": [{"prompt": "a"}]}, ["body", "root"], "value_error"),
    ],
)
def test_bad_input_shows_only_at_the_result(
    fal: Client, clock: Clock, path: str, body: dict[str, Any], where: list[str], kind: str
) -> None:
    """A bad input is queued with 200 and completes; the 422 list comes from the result alone."""
    found = problems(fal, clock, path, body)
    assert (where, kind) in [(problem["loc"], problem["type"]) for problem in found]
    assert fal.simulator.ledger()[0].refunded


KINDS = {
    "v1/standard": "ti", "v1/pro": "ti", "v1.5/pro": "ti", "v1.6/standard": "ti", "v1.6/pro": "ti",
    "v2/master": "ti", "v2.1/master": "ti", "v2.1/standard": "i", "v2.1/pro": "i",
    "v2.5-turbo/standard": "i", "v2.5-turbo/pro": "ti", "v2.6/pro": "ti",
    "v3/standard": "ti", "v3/pro": "ti", "v3/4k": "ti", "v3/turbo/standard": "ti", "v3/turbo/pro": "ti",
    "o1": "i", "o1/standard": "i", "o3/standard": "ti", "o3/pro": "ti", "o3/4k": "ti",
}  # fmt: skip


def test_every_documented_line_is_there() -> None:
    """Each model line has the text-to-video and image-to-video endpoints that fal lists for it, and no others."""
    names = {"t": "text-to-video", "i": "image-to-video"}
    expected = {f"{line}/{names[kind]}" for line, kinds in KINDS.items() for kind in kinds}
    assert expected == {path for path in ENDPOINTS if path.endswith(("/text-to-video", "/image-to-video"))}


ELEMENT = {"frontal_image_url": PICTURE, "reference_image_urls": [PICTURE]}
MASK = {"mask_url": PICTURE, "trajectories": [{"x": 1, "y": 2}]}


@pytest.mark.parametrize(
    ("path", "extra", "where"),
    [
        ("v1/pro/image-to-video", {"static_mask_url": PICTURE, "dynamic_masks": [MASK]}, None),
        ("v1/pro/image-to-video", {"static_mask_url": "x"}, ["body", "static_mask_url"]),
        ("v1/pro/image-to-video", {"dynamic_masks": MASK}, ["body", "dynamic_masks"]),
        ("v1.5/pro/image-to-video", {"dynamic_masks": [MASK] * 7}, ["body", "dynamic_masks"]),
        ("v1.5/pro/image-to-video", {"dynamic_masks": [{}]}, ["body", "dynamic_masks", 0, "mask_url"]),
        (
            "v1.5/pro/image-to-video",
            {"dynamic_masks": [MASK | {"trajectories": [{"x": 1}]}]},
            ["body", "dynamic_masks", 0, "trajectories"],
        ),
        ("v1.6/pro/image-to-video", {"dynamic_masks": "ignored"}, None),
        ("v2.6/pro/image-to-video", {"voice_ids": ["a", "b"]}, None),
        ("v2.6/pro/image-to-video", {"voice_ids": [5]}, ["body", "voice_ids", 0]),
        ("v3/pro/image-to-video", {"elements": [ELEMENT, {"video_url": "https://example.org/a.mp4"}]}, None),
        ("v3/4k/image-to-video", {"elements": [{}]}, ["body", "elements", 0]),
        (
            "v3/4k/image-to-video",
            {"elements": [ELEMENT | {"reference_image_urls": ["x"]}]},
            ["body", "elements", 0, "reference_image_urls", 0],
        ),
    ],
)
def test_masks_voices_and_elements(
    fal: Client, clock: Clock, path: str, extra: dict[str, Any], where: list[str | int] | None
) -> None:
    """Where an endpoint takes masks, voices or elements, they have their form; elsewhere they are ignored."""
    found = problems(fal, clock, path, FOX | {ENDPOINTS[path].image: PICTURE} | extra)
    assert ([where] if where else []) == [problem["loc"] for problem in found]


FILM = {"video_url": "https://example.org/a.mp4"}


@pytest.mark.parametrize(
    ("path", "extra", "where"),
    [
        ("o1/reference-to-video", {}, None),
        ("o1/reference-to-video", {"image_urls": [PICTURE] * 5, "elements": [ELEMENT] * 2}, None),
        ("o1/reference-to-video", {"image_urls": [PICTURE] * 6, "elements": [ELEMENT] * 2}, "image_urls"),
        ("o1/reference-to-video", {"image_urls": [PICTURE] * 8}, "image_urls"),
        ("o1/reference-to-video", {"aspect_ratio": "auto"}, "aspect_ratio"),
        ("o1/standard/video-to-video/reference", FILM | {"aspect_ratio": "auto", "keep_audio": True}, None),
        ("o1/standard/video-to-video/reference", FILM | {"keep_audio": "yes"}, "keep_audio"),
        ("o1/standard/video-to-video/reference", {}, "video_url"),
        ("o1/video-to-video/edit", FILM | {"image_urls": [PICTURE] * 3, "elements": [ELEMENT]}, None),
        ("o1/video-to-video/edit", FILM | {"image_urls": [PICTURE] * 4, "elements": [ELEMENT]}, "image_urls"),
        ("o1/video-to-video/edit", FILM | {"elements": [ELEMENT] * 5}, "elements"),
        ("o1/video-to-video/edit", FILM | {"duration": "no such field"}, None),
        ("v1.6/pro/elements", {"input_image_urls": [PICTURE] * 5}, "input_image_urls"),
        ("v1.6/pro/elements", {"input_image_urls": []}, "input_image_urls"),
    ],
)
def test_references_and_videos(fal: Client, clock: Clock, path: str, extra: dict[str, Any], where: str | None) -> None:
    """O1 takes images and elements, of which none is needed, up to seven in all, and up to four with a video."""
    found = problems(fal, clock, path, FOX | extra)
    assert ([["body", where]] if where else []) == [problem["loc"] for problem in found]


def test_turbo_is_always_heard_and_may_have_no_prompt(fal: Client, clock: Clock) -> None:
    """v3/turbo has no audio switch and sounds; its image-to-video needs no words, its text-to-video does."""
    assert problems(fal, clock, "v3/turbo/pro/image-to-video", {"image_url": PICTURE}) == []
    assert problems(fal, clock, "v3/turbo/pro/text-to-video", {"generate_audio": False})[0]["loc"] == ["body", "root"]
    both = {"image_url": PICTURE, "prompt": "a", "multi_prompt": [{"prompt": "a"}]}
    assert problems(fal, clock, "v3/turbo/standard/image-to-video", both)[0]["loc"] == ["body", "root"]
    assert all('"sound": true' in task.scene for task in fal.simulator._world.store.tasks())


def test_small_picture(fal: Client, clock: Clock) -> None:
    """An inline picture below 300 px is image_too_small at the result."""
    body = FOX | {"image_url": "data:image/png;base64," + png(200, 200)}
    assert problems(fal, clock, "v2.1/pro/image-to-video", body)[0]["type"] == "image_too_small"


@pytest.mark.parametrize("path", sorted(ENDPOINTS))
def test_every_endpoint_makes_a_clip(fal: Client, clock: Clock, path: str) -> None:
    """Each endpoint id accepts its own minimal input at its own price."""
    endpoint, body = ENDPOINTS[path], dict[str, Any](FOX)
    body |= {endpoint.image: PICTURE} if endpoint.image else {}
    body |= {endpoint.images: [PICTURE]} if endpoint.images else {}
    body |= {endpoint.video: "https://example.org/a.mp4"} if endpoint.video else {}
    assert problems(fal, clock, path, body) == []
    assert fal.simulator.ledger()[0].usd > 0


def test_audio_is_on_unless_refused(fal: Client) -> None:
    """v2.6 makes, and charges for, audio unless told not to; o3 does not."""
    queued(fal, "v2.6/pro/text-to-video")
    queued(fal, "v2.6/pro/text-to-video", generate_audio=False)
    queued(fal, "o3/standard/text-to-video")
    assert [str(charge.usd) for charge in fal.simulator.ledger()] == ["0.7", "0.35", "0.42"]


def test_above_the_limit_waits(clock: Clock) -> None:
    """With every slot taken a submit waits in the queue, and no moment has more running than slots."""
    simulator = Simulator(None, now=clock, slots={"fal": 2})
    fal = Client(simulator, "fal", "Key " + simulator.key("fal"))
    urls = [queued(fal, prompt=f"fox {number}")["status_url"] for number in range(6)]
    positions = [fal.get(url).json()["queue_position"] for url in urls]
    assert list(range(6)) == sorted(positions)
    most = 0
    for _ in range(300):
        words = [fal.get(url).json()["status"] for url in urls]
        most = max(most, words.count("IN_PROGRESS"))
        clock.forward(7)
        if set(words) == {"COMPLETED"}:
            break
    simulator.close()
    assert {"COMPLETED"} == set(words)
    assert most == 2


def test_cancel(fal: Client, clock: Clock) -> None:
    """Cancelling answers 200 in the queue (free), 202 while running (charged), 400 when it is over."""
    waiting = queued(fal)
    assert fal.send("PUT", waiting["cancel_url"]).status_code == 200
    again = queued(fal)
    clock.forward(10)
    reply = fal.send("PUT", again["cancel_url"])
    assert (reply.status_code, reply.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
    for told in (waiting, again):
        late = fal.send("PUT", told["cancel_url"])
        assert (late.status_code, late.json()) == (400, {"status": "ALREADY_COMPLETED"})
        status = fal.get(told["status_url"]).json()
        assert (status["status"], status["error_type"]) == ("COMPLETED", "client_cancelled")
        assert fal.get(told["response_url"]).status_code == 499
    assert [charge.refunded for charge in fal.simulator.ledger()] == [True, False]


def test_results_are_kept_for_an_hour(fal: Client, clock: Clock) -> None:
    """An hour after the end the result is gone; the clip's link lives longer."""
    told = queued(fal)
    clock.forward(2000)
    url = fal.get(told["response_url"]).json()["video"]["url"]
    clock.forward(3600)
    assert fal.get(told["response_url"]).status_code == 404
    assert fal.get(url).status_code == 200


def test_provider_at_the_root(clock: Clock) -> None:
    """``root`` serves a provider at / too, and its URLs follow."""
    simulator = Simulator(None, now=clock, root="fal")
    reply = Client(simulator, "fal", "Key " + simulator.key("fal")).post(f"http://queue.test/{APP}/{TURBO}", FOX)
    simulator.close()
    assert reply.json()["status_url"].startswith(f"http://queue.test/{APP}/requests/")
