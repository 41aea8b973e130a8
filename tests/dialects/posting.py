"""Paid calls posted to a simulator in this process, and bodies read back by the contract and not by the dialect."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import anyio
import httpx
from driving import CATALOG
from PIL import Image

from kling_nb import dialects
from kling_nb.dialect import Call, Dialect, Encoded, Inline, Reply
from kling_nb.fields import plain
from kling_nb.offer import Change, Provider
from kling_nb.request import VideoRequest
from kling_nb.simulator import Simulator

NOW = 1_790_000_000.0


def reached(provider: str) -> Provider:
    """Return a provider of the catalogue; one without a host at a made-up one."""
    row = CATALOG.provider(provider)
    return row if row.base_url else replace(row, base_url=f"https://{row.id}.example")


def speaking(provider: str, **options: Any) -> Dialect:
    """Return the dialect of a provider, bound to it, with other options where they are given."""
    row = reached(provider)
    return dialects.load(row.dialect)(replace(row, options={**row.options, **options}))


def drawn() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 300), (200, 120, 40)).save(out, "PNG")
    return out.getvalue()


PNG = base64.b64encode(drawn()).decode()
DATA_URI = "data:image/png;base64," + PNG


def put_in(value: Any) -> Any:
    """Put the bytes of images in, as the wire does."""
    if isinstance(value, Inline):
        return DATA_URI if value.form == "data_uri" else PNG
    if isinstance(value, Mapping):
        return {key: put_in(item) for key, item in value.items()}
    return [put_in(item) for item in value] if isinstance(value, list | tuple) else value


def posted(provider: str, encoded: Encoded) -> tuple[httpx.Response, list[dict[str, Any]]]:
    """Post a call to a fresh simulator in this process; return its answer and the tasks that it made."""
    simulator, dialect = Simulator(None, now=lambda: NOW), speaking(provider)

    async def send(client: httpx.AsyncClient, call: Call) -> httpx.Response:
        url = "http://simulator" + simulator.path(provider) + call.url.removeprefix(reached(provider).base_url or "")
        return await client.request(call.method, url, json=put_in(call.body), headers=dict(call.headers))

    async def signed_with(client: httpx.AsyncClient) -> Any:
        asking = dialect.credential(simulator.key(provider))
        try:
            call = next(asking)
            while True:
                got = await send(client, call)
                call = asking.send(Reply(status=got.status_code, content=got.content))
        except StopIteration as end:
            return end.value

    async def talk() -> tuple[httpx.Response, list[dict[str, Any]]]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(simulator.app)) as client:
            answer = await send(client, dialect.sign(encoded.call, await signed_with(client), NOW))
            return answer, (await client.get("http://simulator/_sim/tasks")).json()

    try:
        return anyio.run(talk)
    finally:
        simulator.close()


def image(value: str) -> str:
    return "sha256:" + "ab" * 32 if value in (PNG, DATA_URI) else value


def native_read(endpoint: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Read a native body back into a request's fields, by the contract and not by the dialect."""
    read = {key: value for key, value in body.items() if key not in ("external_task_id", "model_name", "image_list")}
    read["model"] = body["model_name"]
    read |= {"duration": int(body["duration"])} if "duration" in body else {}
    for frame in body.get("image_list", ()):
        read[{"first_frame": "image", "end_frame": "image_tail"}[frame["type"]]] = frame["image_url"]
    if camera := read.get("camera_control"):
        read["camera_control"] = {"type": camera["type"], **camera.get("config", {})}
    if mark := read.pop("watermark_info", None):
        read["watermark"] = mark["enabled"]
    return shots_read(read)


def shots_read(read: dict[str, Any]) -> dict[str, Any]:
    for key in ("image", "image_tail"):
        if key in read:
            read[key] = image(read[key])
    if "multi_prompt" in read:
        listed = read["multi_prompt"]
        assert [shot.get("index", number) for number, shot in enumerate(listed, 1)] == [*range(1, len(listed) + 1)]
        read["multi_prompt"] = [{"prompt": shot["prompt"], "duration": int(shot["duration"])} for shot in listed]
    return read


def told_of(request: VideoRequest, encoded: Encoded) -> dict[str, Any]:
    """Return what should arrive, by the reported losses alone."""
    arriving = request.canonical()
    for loss in encoded.losses:
        if loss.change is Change.DROPPED:
            assert arriving.pop(loss.field) == loss.asked or loss.field in ("camera_control", "multi_prompt")
        elif loss.change in (Change.FILLED, Change.COERCED):
            arriving[loss.field] = plain(loss.sent)
    return arriving
