"""The fields of the sweep form as data: no widget and no I/O in sight.

A field joins the form by a row in `FIELDS`: its kind says which control it gets and how that is read, the rest says
where the catalogue tells what can be chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..catalog import SAMPLE_IMAGE
from ..fields import CameraControl, Shot
from ..verdict import CAMERA_TYPES

ON_OFF = MappingProxyType({True: "on", False: "off"})

CUTS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "off": {"multi_shot": False},
    "intelligence": {"multi_shot": True, "shot_type": "intelligence"},
    "customize": {"multi_shot": True, "shot_type": "customize"},
})  # fmt: skip
"""How a video is cut into shots, and the fields of a request that say so; ``customize`` needs ``multi_prompt`` too."""

CUT_WORDS = MappingProxyType({
    "off": "one", "intelligence": "several, cut by the model", "customize": "several, written here",
    False: "one shot", True: "several shots",
})  # fmt: skip

MOST_SHOTS = 6
REACH = 10
FINE_STEP = 0.5  # of a slider where moves need not be whole

MOVES: Mapping[str, str] = MappingProxyType({
    "horizontal": "moves left (−) or right (+)",
    "vertical": "moves down (−) or up (+)",
    "pan": "turns down (−) or up (+), which film calls tilt",
    "tilt": "turns left (−) or right (+), which film calls pan",
    "roll": "rolls counter-clockwise (−) or clockwise (+)",
    "zoom": "view gets narrower (−) or wider (+)",
})  # fmt: skip
"""What each axis of a simple camera does, in Kling's own sense (official page on text-to-video, read 2026-09-20)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field of the form.

    ``kind`` is ``choices`` (several may be chosen), ``lines`` (one value a line), ``numbers`` (by commas or lines),
    ``address`` (one), ``images`` (one a line), ``camera``, ``shots`` or ``json`` (one). ``column`` is the column of
    `Catalog.models_table` that lists what can be chosen; where there is none the catalogue is asked about ``sample``.
    ``values`` are the choices where neither lists them, ``said`` how they read. ``after`` are the fields whose choices
    narrow this one's; ``plural`` is another name for it in `SweepForm.set`; ``unset`` is what happens when it is left
    open, where no default is documented, ``note`` what has to be known of it at any rate. ``is_single`` lets one value be chosen at a time, ``is_rare`` hides the field
    where it is closed, ``is_more`` until More is pressed.
    """

    name: str
    title: str
    kind: str
    plural: str
    column: str = ""
    sample: Any = None
    values: tuple[Any, ...] = ()
    said: Mapping[Any, str] = field(default_factory=lambda: MappingProxyType({}))
    after: tuple[str, ...] = ("provider", "model", "mode")
    unit: str = ""
    unset: str = ""
    hint: str = ""
    note: str = ""
    rows: int = 1
    variables: bool = False
    is_single: bool = False
    is_rare: bool = False
    is_more: bool = False

    def words(self, value: Any) -> str:
        """Return a value as it is read."""
        return f"{self.said.get(value, value)}{self.unit}"

    def asks(self, value: Any) -> dict[str, Any]:
        """Return the fields of a request by which the catalogue is asked about a value."""
        match self.kind:
            case "camera":
                moves = {"zoom": 1} if value == "simple" else {}
                return {"camera_control": CameraControl(type=value, **moves)}
            case "shots":
                shots = (Shot(prompt="…", duration=5),)
                return {**CUTS[value], "duration": 5, **({"multi_prompt": shots} if value == "customize" else {})}
            case "images":
                return {"image": SAMPLE_IMAGE, self.name: SAMPLE_IMAGE}
            case _:
                return {self.name: value}

    def asked(self, value: Any) -> str:
        """Return the field of a request that decides whether a value is taken."""
        decides = {"off": "multi_shot", "intelligence": "shot_type"}
        return decides.get(value, self.name) if self.kind == "shots" else self.name


IMAGE_HINT = "paths or URLs, one per line"
EXTRA_HINT = '{"fal": {"a_field_of_its_own": 1}}'

FIELDS = (
    Field(name="provider", title="Provider", kind="choices", plural="providers", column="provider", after=()),
    Field(name="model", title="Model", kind="choices", plural="models", column="model", after=("provider",)),
    Field(name="prompt", title="Prompts, one per line", kind="lines", plural="prompts", rows=4, variables=True,
          hint="a red fox runs through {weather}"),
    Field(name="negative_prompt", title="Negative prompt", kind="lines", plural="negative_prompts", variables=True,
          sample="blur", hint="what to avoid; each line is one more value"),
    Field(name="image", title="Start image", kind="images", plural="images", sample=SAMPLE_IMAGE, hint=IMAGE_HINT,
          rows=2),
    Field(name="image_tail", title="End image", kind="images", plural="image_tails", sample=SAMPLE_IMAGE,
          hint=IMAGE_HINT, rows=2, is_rare=True),
    Field(name="mode", title="Mode", kind="choices", plural="modes", column="mode", after=("provider", "model")),
    Field(name="duration", title="Duration", kind="choices", plural="durations", column="durations", unit=" s"),
    Field(name="aspect_ratio", title="Ratio", kind="choices", plural="ratios", column="ratios"),
    Field(name="sound", title="Sound", kind="choices", plural="sounds", sample="on"),
    Field(name="cfg_scale", title="cfg_scale", kind="numbers", plural="cfg_scales", sample=0.5,
          hint="0 to 1, such as 0.3, 0.7; higher follows the prompt more closely"),
    Field(name="watermark", title="Watermark", kind="choices", plural="watermarks", sample=True,
          values=(False, True), said=ON_OFF),
    Field(name="camera_control", title="Camera", kind="camera", plural="cameras", sample="simple",
          values=CAMERA_TYPES, unset="the model decides", is_rare=True),
    Field(name="multi_prompt", title="Shots", kind="shots", plural="shots", sample="customize", values=tuple(CUTS),
          said=CUT_WORDS, variables=True, is_single=True, is_rare=True),
    Field(name="callback_url", title="Callback address", kind="address", plural="callback_urls",
          sample="https://example.org/hook", hint="https://… where the provider reports", is_more=True),
    Field(name="extra", title="Extra fields, JSON", kind="json", plural="extras", hint=EXTRA_HINT, rows=2,
          note="sent as written: nothing of it is checked, or counted in the price", is_more=True),
)  # fmt: skip

GATES = tuple(dict.fromkeys(name for f in FIELDS for name in f.after))
"""The fields whose choices decide what others offer, in their order."""

IMAGES = tuple(f.name for f in FIELDS if f.kind == "images")
"""The fields that decide the task type: with an image in one of them a video is made from an image."""
