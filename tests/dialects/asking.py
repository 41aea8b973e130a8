"""Requests that the catalogue accepts: a model as it is sold somewhere, and any fields that go with it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from driving import CATALOG, GUISES, provider_of
from hypothesis import strategies as st

from kling_nb.fields import CAMERA_AXES, CameraControl, Shot
from kling_nb.request import VideoRequest

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
SAID = TEXT.filter(str.strip)
LINKED, STORED = "https://example.org/frame.png", "sha256:" + "ab" * 32
IMAGES = st.sampled_from([LINKED, STORED])
REACH = st.one_of(st.integers(-10, 10), st.floats(-10, 10)).filter(bool)
CAMERAS = st.one_of(
    st.builds(lambda axis, way: CameraControl(**{axis: way}), st.sampled_from(CAMERA_AXES), REACH),
    st.builds(
        CameraControl, type=st.sampled_from(["down_back", "forward_up", "right_turn_forward", "left_turn_forward"])
    ),
)

ALONE: dict[str, st.SearchStrategy[Any]] = {
    "aspect_ratio": st.sampled_from(["16:9", "9:16", "1:1"]),
    "negative_prompt": TEXT,
    "cfg_scale": st.floats(0, 1),
    "camera_control": CAMERAS,
    "image_tail": IMAGES,
    "sound": st.sampled_from(["on", "off"]),
    "watermark": st.booleans(),
    "callback_url": st.just("https://example.org/hook"),
}
"""The fields that are drawn each by itself."""
TOGETHER = ("prompt", "mode", "duration", "image", "multi_shot", "shot_type", "multi_prompt")
"""The fields that are drawn with regard to what is sold, or to each other."""


@st.composite
def shots(draw: st.DrawFn, duration: int | None) -> dict[str, Any]:
    """Several shots that last as long as the video, or the model's own cut."""
    if draw(st.booleans()):
        return {"multi_shot": True, "shot_type": "intelligence"}
    count, total = draw(st.integers(1, 3)), duration or 5
    lengths = [1] * (count - 1) + [total - count + 1]
    listed = tuple(Shot(prompt=draw(SAID), duration=length) for length in lengths)
    prompt = {"prompt": ""} if draw(st.booleans()) else {}
    return {"multi_shot": True, "shot_type": "customize", "multi_prompt": listed, **prompt}


@cache
def sold(provider: str) -> tuple[dict[str, Any], ...]:
    """Return whatever a provider sells, one row for each model, task type and mode."""
    return tuple(row for row in CATALOG.models_table() if row["provider"] == provider)


def plain(name: str, model: str | None = None) -> VideoRequest:
    """Return a plain request that a dialect's provider sells: its first model, the guise's, or the one that is named."""
    wanted = model or GUISES.get(name, ("", None))[1]
    row = next(row for row in sold(provider_of(name).id) if wanted in (None, row["model"]))
    image = LINKED if row["task_type"] == "image2video" else None
    return VideoRequest(prompt="a fox", model=row["model"], mode=row["mode"], image=image)


@st.composite
def accepted(draw: st.DrawFn, provider: str, family: str = "") -> VideoRequest:
    """Draw a request that the catalogue accepts at a provider: each field is kept if it is accepted with the rest.

    ``family`` is the beginning of the models' family, where only such are wanted.
    """
    row = draw(
        st.sampled_from([row for row in sold(provider) if CATALOG.models[row["model"]].family.startswith(family)])
    )
    frames = IMAGES if len(CATALOG.provider(provider).images) > 1 else st.just(LINKED)
    image = draw(frames) if row["task_type"] == "image2video" else None
    request = VideoRequest(prompt=draw(SAID), model=row["model"], mode=row["mode"], image=image)
    assert is_accepted(request, provider)
    for more in draw(st.permutations(draw(fields(row)))):
        extended = replace(request, **more)
        request = extended if is_accepted(extended, provider) else request
    return request


@st.composite
def fields(draw: st.DrawFn, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Draw fields to add, in groups that belong together."""
    duration = draw(st.sampled_from([None, *row["durations"]]))
    groups = [{name: draw(values)} for name, values in ALONE.items() if draw(st.booleans())]
    cut = [draw(shots(duration))] if draw(st.booleans()) else []
    return [*groups, {"duration": duration}, *cut]


def is_accepted(request: VideoRequest, provider: str) -> bool:
    """Tell whether the catalogue refuses nothing."""
    return not [problem for problem in CATALOG.problems(request, provider) if not problem.warning]
