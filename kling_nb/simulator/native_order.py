"""From a checked body of the native legacy API to an order: price, scene, and how the task will end."""

from __future__ import annotations

from typing import Any

from kling_nb.simulator.clips import Scene
from kling_nb.simulator.faults import Fault, stall_s
from kling_nb.simulator.native_fields import Body
from kling_nb.simulator.native_rules import Checked
from kling_nb.simulator.native_service import Service, failure, identity
from kling_nb.simulator.prices import USD_PER_UNIT, kling_units, plain
from kling_nb.simulator.world import Order


def order_of(service: Service, checked: Checked, body: Body, fault: Fault | None) -> Order:
    """The order that *body* makes at *service*, at Kling's list price."""
    units = kling_units(
        checked.name,
        checked.mode,
        checked.seconds,
        sound=checked.sound,
        voices=checked.voices,
        video=checked.video,
    )
    return Order(
        provider=service.provider,
        account=service.account,
        endpoint=checked.kind,
        model=checked.name,
        family=checked.model.family,
        mode=checked.mode,
        prompt=checked.prompt,
        seconds=checked.seconds,
        sound=checked.sound,
        own_id=own_id(body),
        request=identity(body),
        scene=_scene(service.provider, checked),
        usd=plain(units * USD_PER_UNIT),
        units=str(units),
        image=checked.picture.thumb if checked.picture else None,
        failure=failure(checked.picture, fault),
        stall_s=stall_s(fault),
    )


def own_id(body: Body) -> str:
    """The user's own id of the task, or nothing."""
    text: Any = body.get("external_task_id") or ""
    return str(text)


def _scene(provider: str, checked: Checked) -> Scene:
    config = {axis: value for axis, value in (checked.shown_camera.get("config") or {}).items() if value}
    kind = str(checked.shown_camera.get("type", ""))
    return Scene(
        provider=provider,
        model=checked.name,
        mode=checked.mode,
        prompt=checked.prompt,
        seconds=checked.seconds,
        ratio=checked.ratio,
        sound=checked.sound,
        camera=next(iter(config), "") if kind == "simple" else kind,
        amount=float(next(iter(config.values()), 0)) if kind == "simple" else 5.0 if kind else 0.0,
    )
