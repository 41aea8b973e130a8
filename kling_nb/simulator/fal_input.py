"""What fal reads from one input: length, sound, pictures, how the request will end, what its clip shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kling_nb.simulator.clips import Scene
from kling_nb.simulator.fal_complaints import Complaints, check_shots
from kling_nb.simulator.fal_models import AXES, CAMERAS, RATIOS, Endpoint
from kling_nb.simulator.faults import Fault
from kling_nb.simulator.pictures import Picture
from kling_nb.simulator.world import Failure, canonical

POLICY = "The content could not be processed because it contained material flagged by a content checker."
DOCS = "https://docs.fal.ai/errors"


def read(endpoint: Endpoint, complaints: Complaints) -> tuple[int, bool, Picture | None]:
    """Seconds, sound and first picture; every problem of the input is noted in *complaints*."""
    if endpoint.shots:
        check_shots(complaints, free=endpoint.prompt_free)
    complaints.text("prompt", required=endpoint.prompt, longest=2500)
    seconds = int(complaints.choice("duration", endpoint.durations, "5")) if endpoint.durations else 5
    if endpoint.ratios:
        complaints.choice("aspect_ratio", endpoint.ratios, endpoint.ratios[0])
    if endpoint.negative:
        complaints.text("negative_prompt", longest=2500)
    if endpoint.cfg:
        complaints.number("cfg_scale", 0, 1)
    sound = complaints.flag("generate_audio", endpoint.audio) if endpoint.audio is not None else endpoint.heard
    if endpoint.camera:
        _camera(complaints)
    if endpoint.video:
        complaints.text(endpoint.video, required=True)
        complaints.flag("keep_audio", default=False)
    _extras(endpoint, complaints)
    return seconds, sound, _images(endpoint, complaints)


def _camera(complaints: Complaints) -> None:
    if complaints.body.get("camera_control") is not None:
        complaints.choice("camera_control", CAMERAS, "down_back")
    move = complaints.body.get("advanced_camera_control")
    if move is None:
        return
    if not isinstance(move, dict) or move.get("movement_type") not in AXES:
        text = "Input should be " + ", ".join(f"'{axis}'" for axis in AXES)
        complaints.add(("advanced_camera_control", "movement_type"), "literal_error", text, move)
    elif not isinstance(move.get("movement_value"), int) or not -10 <= move["movement_value"] <= 10:
        text = "Input should be a valid integer between -10 and 10"
        complaints.add(("advanced_camera_control", "movement_value"), "int_type", text, move.get("movement_value"))


def _extras(endpoint: Endpoint, complaints: Complaints) -> None:
    """Masks, voices and elements, where an endpoint takes them; their number is bounded as at Kling itself."""
    if endpoint.masks:
        complaints.image("static_mask_url", required=False)
        for place, mask in enumerate(complaints.items("dynamic_masks", 6)):
            _mask(complaints, place, mask)
    for place, voice in enumerate(complaints.items("voice_ids", 2) if endpoint.voices else []):
        if not isinstance(voice, str):
            complaints.add(("voice_ids", place), "string_type", "Input should be a valid string", voice)
    for place, element in enumerate(_elements(endpoint, complaints)):
        _element(complaints, place, element)


def _elements(endpoint: Endpoint, complaints: Complaints) -> Sequence[object]:
    if not endpoint.elements:
        return []
    return complaints.items("elements", endpoint.most if endpoint.images else 3)


def _mask(complaints: Complaints, place: int, mask: object) -> None:
    given = mask if isinstance(mask, dict) else {}
    if not isinstance(given.get("mask_url"), str):
        complaints.add(("dynamic_masks", place, "mask_url"), "missing", "Field required", mask)
    points = given.get("trajectories") or []
    if not isinstance(points, list) or not all(
        isinstance(point, dict) and {"x", "y"} <= set(point) for point in points
    ):
        text = "Input should be a list of points with x and y"
        complaints.add(("dynamic_masks", place, "trajectories"), "list_type", text, points)


def _element(complaints: Complaints, place: int, element: object) -> None:
    given = element if isinstance(element, dict) else {}
    if not (given.get("frontal_image_url") or given.get("video_url")):
        complaints.add(("elements", place), "missing", "Field required", element)
    if frontal := given.get("frontal_image_url"):
        complaints.picture(("elements", place, "frontal_image_url"), frontal)
    others = given.get("reference_image_urls") or []
    for number, other in enumerate(others if isinstance(others, list) else [others]):
        complaints.picture(("elements", place, "reference_image_urls", number), other)


def _images(endpoint: Endpoint, complaints: Complaints) -> Picture | None:
    pictures = []
    if endpoint.image:
        pictures.append(complaints.image(endpoint.image, required=True))
    if endpoint.tail:
        complaints.image(endpoint.tail, required=False)
    many = enumerate(_listed(endpoint, complaints))
    pictures += [complaints.picture((endpoint.images, place), item) for place, item in many]
    return next((picture for picture in pictures if picture), None)


def _listed(endpoint: Endpoint, complaints: Complaints) -> Sequence[object]:
    """The images of a list, which share its room with elements."""
    if not endpoint.images:
        return []
    if not endpoint.elements and not complaints.body.get(endpoint.images):
        complaints.missing(endpoint.images)
    images, elements = complaints.items(endpoint.images, endpoint.most), complaints.body.get("elements")
    if isinstance(elements, list) and len(images) + len(elements) > endpoint.most >= len(elements):
        total = f"At most {endpoint.most} in total (elements and reference images)"
        complaints.add((endpoint.images,), "too_long", total, images, max_length=endpoint.most - len(elements))
    return images


def failure(body: Mapping[str, Any], complaints: Complaints, fault: Fault | None) -> Failure | None:
    """How a request will end, if not well."""
    if complaints.found:
        told = canonical({"detail": complaints.found})
        return Failure(reason="validation", kind="validation", body=told)
    action = fault.action if fault else ""
    if action in ("moderation", "risk-control"):
        flagged = problem(("body", "prompt"), POLICY, "content_policy_violation") | {"input": body.get("prompt")}
        late = {"after_s": None} if action == "risk-control" else {}
        told = canonical({"detail": [flagged]})
        return Failure(reason=POLICY, kind="content_policy_violation", body=told, refunds=False, **late)
    if fault and action == "fail":
        reason = fault.body or "Internal server error"
        told = canonical({"detail": [problem(("body",), reason, "internal_server_error")]})
        return Failure(reason=reason, kind="internal_server_error", body=told, after_s=None)
    return None


def problem(where: tuple[str, ...], text: str, kind: str) -> dict[str, Any]:
    """One item of a ``detail`` list."""
    return {"loc": list(where), "msg": text, "type": kind, "url": f"{DOCS}#{kind}", "ctx": {}}


def scene(
    provider: str,
    endpoint: Endpoint,
    path: str,
    body: Mapping[str, Any],
    seconds: int,
    sound: bool,
    picture: Picture | None,
) -> Scene:
    """What the clip shows."""
    ratio = body.get("aspect_ratio") if endpoint.ratios else picture.ratio if picture else None
    move = body.get("advanced_camera_control")
    axis, amount = (move.get("movement_type"), move.get("movement_value")) if isinstance(move, dict) else (None, None)
    turn = body.get("camera_control") if isinstance(body.get("camera_control"), str) else ""
    return Scene(
        provider=provider,
        model=path.rpartition("/")[0],
        mode=endpoint.mode,
        prompt=shown_prompt(body),
        seconds=seconds,
        ratio=str(ratio) if ratio in RATIOS else "16:9",
        sound=sound,
        camera=str(axis or turn or ""),
        amount=float(amount) if isinstance(amount, int) else 5.0 if turn else 0.0,
    )


def shown_prompt(body: Mapping[str, Any]) -> str:
    """The prompt, or the shots one after the other."""
    shots = body.get("multi_prompt")
    if isinstance(shots, list):
        return " / ".join(str(shot.get("prompt", "")) for shot in shots if isinstance(shot, dict))
    prompt = body.get("prompt")
    return prompt if isinstance(prompt, str) else ""
