"""Provider ``quickrouter-fal``: fal's bodies behind a relay's key, addresses and errors."""

from __future__ import annotations

from typing import Any

import pytest

from kling_nb.simulator import Fault, Simulator

from .conftest import Client, Clock, png

APP = "/fal-ai/kling-video"
T2V, I2V = (f"{APP}/v2.5-turbo/pro/{kind}-to-video" for kind in ("text", "image"))
FOX = {"prompt": "a red fox"}
PENDING = (400, {"detail": "Request is still in progress"})


@pytest.fixture
def relay(simulator: Simulator) -> Client:
    return Client(simulator, "quickrouter-fal", "Bearer " + simulator.key("quickrouter-fal"))


def queued(client: Client, path: str = T2V, **fields: Any) -> str:
    reply = client.post(path, FOX | fields)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["request_id"])


def asked(client: Client, task: str, app: str = "auto") -> tuple[int, Any]:
    reply = client.get(f"/fal-ai/{app}/requests/{task}")
    return reply.status_code, reply.json()


def test_submit_answers_the_body_of_fal(relay: Client) -> None:
    """A submit is answered as on the page, with URLs that lead to fal and not to the relay."""
    reply = relay.post(T2V, FOX)
    told = reply.json()
    place = f"https://queue.fal.run{APP}/requests/{told['request_id']}"
    assert told == {
        "status": "IN_QUEUE",
        "request_id": told["request_id"],
        "response_url": place,
        "status_url": f"{place}/status",
        "cancel_url": f"{place}/cancel",
        "logs": None,
        "metrics": {},
        "queue_position": 0,
    }
    assert "x-oneapi-request-id" in reply.headers
    assert "x-fal-request-id" not in reply.headers


@pytest.mark.parametrize("app", ["auto", "kling-video"])
def test_result_is_pending_then_the_raw_result(relay: Client, clock: Clock, app: str) -> None:
    """The result is fal's 400 until the end, then fal's raw result, whose clip needs no key."""
    task = queued(relay)
    assert asked(relay, task, app) == PENDING
    clock.forward(3600)
    status, body = asked(relay, task, app)
    assert (status, list(body)) == (200, ["video"])
    assert Client(relay.simulator, "quickrouter-fal").get(body["video"]["url"]).content[4:8] == b"ftyp"


def test_a_relay_may_tell_the_status(relay: Client, clock: Clock) -> None:
    """Under ``#sim:relay-status`` a result that is not ready is a 200 with fal's word."""
    task, seen = queued(relay, prompt="a fox #sim:relay-status"), []
    for _ in range(300):
        reply = asked(relay, task)
        seen += [reply] if reply not in seen else []
        if "video" in reply[1]:
            break
        clock.forward(2)
    assert seen[:2] == [(200, {"status": "IN_QUEUE"}), (200, {"status": "IN_PROGRESS"})]
    assert len(seen) == 3


def test_backwards_shows_a_done_task_as_running(relay: Client, clock: Clock) -> None:
    """A result may be taken back to pending, since nothing else can be asked."""
    task = queued(relay, prompt="a fox #sim:backwards:1")
    clock.forward(3600)
    assert asked(relay, task) == PENDING
    assert asked(relay, task)[0] == 200


@pytest.mark.parametrize("header", ["", "Key {key}", "Key a:b", "Bearer {key}x", "{key}", "Bearer"])
def test_only_the_bearer_key_opens(simulator: Simulator, header: str) -> None:
    """Anything but the relay's key as Bearer is a 401 in new-api's form, at submit and at the result."""
    client = Client(simulator, "quickrouter-fal", header.format(key=simulator.key("quickrouter-fal")))
    for reply in (client.post(T2V, FOX), client.get("/fal-ai/auto/requests/x")):
        error = reply.json()["error"]
        assert (401, "new_api_error", "") == (reply.status_code, error["type"], error["code"])
        assert reply.headers["x-oneapi-request-id"] in error["message"]
    assert simulator.ledger() == []


@pytest.mark.parametrize("app", ["flux", "kling-video-2"])
def test_another_app_does_not_know_the_task(relay: Client, app: str) -> None:
    """A task is found under its own app or ``auto`` only."""
    assert asked(relay, queued(relay), app) == (404, {"detail": "Not Found"})
    assert asked(relay, "nothing") == (404, {"detail": "Not Found"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{APP}/v3/pro/text-to-video"),
        ("POST", f"{APP}/v2.5-turbo/standard/image-to-video"),
        ("POST", "/fal-ai/auto/v2.5-turbo/pro/text-to-video"),
        ("GET", f"{APP}/requests/x/status"),
        ("PUT", f"{APP}/requests/x/cancel"),
        ("GET", f"{APP}/v2.5-turbo/pro/text-to-video/requests/x"),
    ],
)
def test_everything_else_is_nowhere(relay: Client, method: str, path: str) -> None:
    """Other endpoints, status and cancel are new-api's 404, which names the path."""
    reply = relay.send(method, path, FOX if method == "POST" else None)
    assert reply.status_code == 404
    assert reply.json()["error"]["message"] == f"Invalid URL ({method} {path})"


@pytest.mark.parametrize("form", ["https://example.org/fox.avif", "data:image/png;base64," + png()])
def test_image_to_video_takes_a_url_or_a_data_uri(relay: Client, clock: Clock, form: str) -> None:
    """An image is a link or a data URI, and an unknown field is ignored, as at fal."""
    task = queued(relay, I2V, image_url=form, aspect_ratio="4:3")
    clock.forward(3600)
    assert asked(relay, task)[0] == 200


@pytest.mark.parametrize(
    ("path", "fields", "where"),
    [(T2V, {"duration": 5}, "duration"), (I2V, {}, "image_url"), (I2V, {"image_url": png()}, "image_url")],
)
def test_bad_input_is_the_422_of_fal(
    relay: Client, clock: Clock, path: str, fields: dict[str, Any], where: str
) -> None:
    """A bad input is queued, and the result is fal's 422; it costs nothing."""
    task = queued(relay, path, **fields)
    clock.forward(60)
    status, body = asked(relay, task)
    assert (422, ["body", where]) == (status, body["detail"][0]["loc"])
    assert relay.simulator.ledger()[0].refunded


def test_no_funds_and_too_many(clock: Clock) -> None:
    """No funds is new-api's 403, one too many its 429, and neither is charged."""
    faults = [Fault(action="funds"), Fault(action="busy", nth=2, retry_after=3)]
    simulator = Simulator(None, now=clock, faults=faults)
    client = Client(simulator, "quickrouter-fal", "Bearer " + simulator.key("quickrouter-fal"))
    broke, busy = client.post(T2V, FOX), client.post(T2V, FOX)
    assert (403, "insufficient_user_quota") == (broke.status_code, broke.json()["code"])
    assert (429, "3") == (busy.status_code, busy.headers["retry-after"])
    assert "负载已饱和" in busy.json()["error"]["message"]
    assert simulator.ledger() == []
    simulator.close()


def test_tasks_are_its_own_and_cost_the_list_price(relay: Client, fal: Client) -> None:
    """A task of the relay is not fal's, and costs Kling's list price."""
    task = queued(relay)
    assert fal.get(f"{APP}/requests/{task}/status").status_code == 404
    (charge,) = relay.simulator.ledger()
    assert ("quickrouter-fal", task, "0.35") == (charge.provider, charge.task_id, str(charge.usd))


def test_above_the_slots_it_waits(clock: Clock) -> None:
    """With every slot taken a submit is queued behind, never refused."""
    simulator = Simulator(None, now=clock, slots={"quickrouter-fal": 1})
    client = Client(simulator, "quickrouter-fal", "Bearer " + simulator.key("quickrouter-fal"))
    positions = [client.post(T2V, FOX | {"prompt": f"fox {n}"}).json()["queue_position"] for n in range(3)]
    simulator.close()
    assert [0, 1, 2] == positions
