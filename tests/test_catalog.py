"""The catalogue: every cell of the capability matrix, every price, every endpoint, every rule."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_nb.catalog import Catalog, load
from kling_nb.errors import InputError, RefusedError
from kling_nb.fields import CameraControl, Shot
from kling_nb.offer import Change, Offer, Problem, Provider, Support
from kling_nb.request import FIELDS, VideoRequest
from kling_nb.spelling import spell

URL = "https://example.org/first.png"
TAIL = "https://example.org/last.png"
ZOOM = CameraControl(type="simple", zoom=5)
MODES = ("std", "pro", "4k")
SHOTS = (Shot(prompt="a door opens", duration=2), Shot(prompt="a fox enters", duration=3))
MULTI = {"multi_shot": True, "shot_type": "customize", "multi_prompt": SHOTS, "prompt": ""}

CLASSIC = ["kling-v1", "kling-v1-5", "kling-v1-6", "kling-v2-master", "kling-v2-1", "kling-v2-1-master"]
CLASSIC += ["kling-v2-5-turbo", "kling-v2-6", "kling-v3"]
OMNI = ["kling-video-o1", "kling-v3-omni"]
AT_KLING = CLASSIC + OMNI
PATH = ["kling-2.5-turbo", "kling-2.6", "kling-3.0", "kling-3.0-turbo", "kling-o1", "kling-3.0-omni"]
MASTERS = ["kling-v2-master", "kling-v2-1-master"]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """The built-in catalogue."""
    return load()


def ask(model: str = "kling-v2-6", **fields: Any) -> VideoRequest:
    """A request for a red fox."""
    return VideoRequest(**{"prompt": "a red fox", "model": model, **fields})


def refusals(catalog: Catalog, request: VideoRequest, provider: str = "kling") -> list[Problem]:
    """What is wrong with a request, warnings left out."""
    return [problem for problem in catalog.problems(request, provider) if not problem.warning]


def fine(catalog: Catalog, request: VideoRequest, provider: str = "kling") -> bool:
    """Whether nothing is wrong with a request."""
    return not refusals(catalog, request, provider)


def told(catalog: Catalog, request: VideoRequest, provider: str = "kling") -> str:
    """All refusals in one text."""
    return "\n".join(str(problem) for problem in refusals(catalog, request, provider))


# ------------------------------------------------------------------------------------------- the matrix, cell by cell


@pytest.mark.parametrize(
    ("model", "text", "frame"),
    [
        *((name, name not in ("kling-v1-5", "kling-v2-1"), True) for name in AT_KLING),
        *((name, True, True) for name in PATH),
    ],
)
def test_task_types(catalog: Catalog, model: str, *, text: bool, frame: bool) -> None:
    """A model makes videos from text, from images or both, as the matrix says."""
    assert (text, frame) == (fine(catalog, ask(model)), fine(catalog, ask(model, image=URL)))


@pytest.mark.parametrize("model", AT_KLING)
def test_modes(catalog: Catalog, model: str) -> None:
    """Only the modes of the matrix are accepted; a master has none, and drops one that is given."""
    expected = set(MODES) if model in ("kling-v3", "kling-v3-omni") else {"std", "pro"}
    expected = {*MODES, "high"} if model in MASTERS else expected
    assert expected == {mode for mode in (*MODES, "high") if fine(catalog, ask(model, mode=mode, image=URL))}
    dropped = catalog.offer(ask(model, mode="std", image=URL), "kling").knobs["mode"].support is Support.DROPPED
    assert (model in MASTERS) == dropped


@pytest.mark.parametrize("model", AT_KLING)
@pytest.mark.parametrize("images", [{"image": URL}, {"image": URL, "image_tail": TAIL}])
def test_durations(catalog: Catalog, model: str, images: dict[str, str]) -> None:
    """Lengths are 5 or 10 s; 3 to 15 s for 3.0; 3 to 10 s for O1 with a last frame."""
    expected = {5, 10}
    if model in ("kling-v3", "kling-v3-omni"):
        expected = set(range(3, 16))
    elif model == "kling-video-o1" and "image_tail" in images:
        expected = set(range(3, 11))
    asked = {seconds: ask(model, mode="pro", duration=seconds, **images) for seconds in range(1, 20)}
    wrong = {s for s, request in asked.items() for problem in refusals(catalog, request) if problem.field == "duration"}
    assert expected == {*asked} - wrong


def test_references_free_the_length_of_o1(catalog: Catalog) -> None:
    """O1 takes 3 to 10 s where it has a picture or a video to refer to; those are knobs of Kling's own."""
    picture, video = {"image_list": [{"image_url": URL}]}, {"video_list": [{"video_url": "https://example.org/a.mp4"}]}
    asked = [
        ask("kling-video-o1", duration=7, extra={"kling": knobs}) for knobs in (picture, video, {"image_list": []})
    ]
    assert [fine(catalog, request) for request in asked] == [True, True, False]
    assert not fine(catalog, ask("kling-video-o1", duration=7, extra={"fal": picture}))
    assert not fine(catalog, ask("kling-video-o1", duration=7, extra={"kling": {"image_tail": URL}})), "no knob"


@pytest.mark.parametrize("model", [name for name in AT_KLING if name not in ("kling-v1-5", "kling-v2-1")])
def test_ratios(catalog: Catalog, model: str) -> None:
    """Text takes three ratios; with an image the ratio follows the image and is not sent."""
    ratios = ("16:9", "9:16", "1:1", "4:3")
    assert list(ratios[:3]) == [ratio for ratio in ratios if fine(catalog, ask(model, aspect_ratio=ratio))]
    knob = catalog.offer(ask(model, aspect_ratio="1:1", image=URL), "kling").knobs["aspect_ratio"]
    assert (knob.support, "follows the image" in knob.why) == (Support.DROPPED, True)


@pytest.mark.parametrize("model", AT_KLING)
def test_cfg_scale_and_negative_prompt(catalog: Catalog, model: str) -> None:
    """``cfg_scale`` works on v1.x, is inert later and has no place on omni models, like ``negative_prompt`` there."""
    knobs = catalog.offer(ask(model, image=URL, cfg_scale=0.7, negative_prompt="rain"), "kling").knobs
    cfg = Support.TAKEN if model.startswith("kling-v1") else Support.INERT
    negative = Support.TAKEN
    if model in OMNI:
        cfg = negative = Support.DROPPED
    assert (cfg, negative) == (knobs["cfg_scale"].support, knobs["negative_prompt"].support)


@pytest.mark.parametrize("model", AT_KLING)
def test_camera_control(catalog: Catalog, model: str) -> None:
    """A camera works on v1 std 5 s, and on v1.5 pro 5 s as ``simple``; anywhere else it is refused."""
    expected = {"kling-v1": {(None, "std", 5), (URL, "std", 5)}, "kling-v1-5": {(URL, "pro", 5)}}.get(model, set())
    every = product((None, URL), ("std", "pro"), (5, 10))
    cases = {case: ask(model, image=case[0], mode=case[1], duration=case[2], camera_control=ZOOM) for case in every}
    assert expected == {case for case, request in cases.items() if fine(catalog, request)}


def test_camera_of_v1_5_is_simple(catalog: Catalog) -> None:
    """On v1.5 only the ``simple`` type works."""
    forward = ask("kling-v1-5", mode="pro", image=URL, camera_control=CameraControl(type="forward_up"))
    assert "type=simple" in told(catalog, forward)
    assert fine(catalog, replace(forward, model="kling-v1", mode="std"))


TAILS: dict[str, set[tuple[str, int]]] = {
    "kling-v1": {("std", 5), ("pro", 5)},
    "kling-v2-master": set(),
    "kling-v2-1-master": set(),
    "kling-video-o1": set(product(("std", "pro"), (5, 10))),
    "kling-v3": set(product(MODES, (5, 10))),
    "kling-v3-omni": set(product(MODES, (5, 10))),
}


@pytest.mark.parametrize("model", AT_KLING)
def test_image_tail(catalog: Catalog, model: str) -> None:
    """A last frame is taken in the modes and lengths of the matrix: pro for most, 5 s on v1, never on masters."""
    expected = TAILS.get(model, {("pro", 5), ("pro", 10)})
    cases = {(m, s): ask(model, mode=m, duration=s, image=URL, image_tail=TAIL) for m, s in product(MODES, (5, 10))}
    assert expected == {case for case, request in cases.items() if fine(catalog, request)}


@pytest.mark.parametrize("model", AT_KLING)
def test_last_frame_alone(catalog: Catalog, model: str) -> None:
    """A last frame alone is enough on v1.5 and v1.6 only."""
    request = ask(model, mode="pro", image_tail=TAIL)
    assert (model in ("kling-v1-5", "kling-v1-6")) == fine(catalog, request)


def test_last_frame_on_v2_6_is_silent(catalog: Catalog) -> None:
    """On v2.6 a last frame and sound exclude each other."""
    silent = ask("kling-v2-6", mode="pro", image=URL, image_tail=TAIL, sound="off")
    assert fine(catalog, silent)
    assert "sound=off" in told(catalog, replace(silent, sound="on"))


def test_sound_that_is_not_sent_is_off(catalog: Catalog) -> None:
    """Where there is no place for sound a clip is silent: it may have a last frame, and is priced as silent."""
    for sound in (None, "on", "off"):
        request = ask("kling-v2-6", mode="pro", image=URL, image_tail=TAIL, sound=sound)
        assert told(catalog, request, "openroute") == ""
        assert Decimal("0.35") == catalog.official_price(request, "openroute").high
        assert catalog.offer(request, "openroute").knobs["image_tail"].support is Support.TAKEN


@pytest.mark.parametrize("model", AT_KLING)
def test_sound(catalog: Catalog, model: str) -> None:
    """Sound is for v2.6 pro and for every mode of 3.0; turning it off is never refused."""
    expected = {"kling-v2-6": {"pro"}, "kling-v3": set(MODES), "kling-v3-omni": set(MODES)}.get(model, set())
    assert expected == {m for m in MODES if fine(catalog, ask(model, mode=m, image=URL, sound="on"))}
    assert fine(catalog, ask(model, mode="pro", image=URL, sound="off"))


@pytest.mark.parametrize("model", AT_KLING)
def test_multi_shot(catalog: Catalog, model: str) -> None:
    """Several shots are for 3.0; not wanting them is never refused."""
    request = ask(model, image=URL, **MULTI)
    assert (model in ("kling-v3", "kling-v3-omni")) == fine(catalog, request)
    assert fine(catalog, ask(model, image=URL, multi_shot=False))


def test_the_record_of_a_model(catalog: Catalog) -> None:
    """A model says in plain values what it is and offers, with source and date."""
    model = catalog.models["kling-v2-6"]
    assert model.modes == ("std", "pro")
    assert model.durations == {"text2video": (5, 10), "image2video": (5, 10)}
    assert model.ratios == ("16:9", "9:16", "1:1")
    assert model.features == ("negative_prompt", "image_tail", "sound")
    assert model.output == {"std": "720p", "pro": "1080p"}
    assert tuple(range(3, 11)) == catalog.models["kling-video-o1"].durations["image2video"]
    assert catalog.models["kling-video-o1"].durations["text2video"] == (5, 10)
    assert catalog.models["kling-v2-master"].modes == ()
    assert all(model.source and model.read and model.title for model in catalog.models.values())


@pytest.mark.parametrize(
    ("model", "fps"),
    [
        ("kling-v1", 30), ("kling-v1-5", 30), ("kling-v1-6", None), ("kling-v2-master", 24), ("kling-v2-1", 24),
        ("kling-v2-5-turbo", 24), ("kling-v2-6", None), ("kling-video-o1", 24), ("kling-v3", None),
        ("kling-3.0-omni", 24),
    ],
)  # fmt: skip
def test_fps(catalog: Catalog, model: str, fps: int | None) -> None:
    """The frame rate is given where it is published without contradiction, and nowhere else."""
    assert fps == catalog.models[model].fps


# ------------------------------------------------------------------------------------------------ spelled at Kling


def test_the_legacy_paths(catalog: Catalog) -> None:
    """Text, image and omni models have a path each."""
    assert catalog.offer(ask("kling-v2-6"), "kling").endpoint == "/v1/videos/text2video"
    assert catalog.offer(ask("kling-v2-6", image=URL), "kling").endpoint == "/v1/videos/image2video"
    for model, image in product(OMNI, (None, URL)):
        assert catalog.offer(ask(model, image=image), "kling").endpoint == "/v1/videos/omni-video"


def test_kling_spells_by_type(catalog: Catalog) -> None:
    """Kling takes the length as a string, cfg_scale as a number and sound as a word."""
    request = ask(mode="pro", duration=10, aspect_ratio="9:16", sound=True, cfg_scale=1, callback_url="https://x.org")
    body = spell(request, catalog.offer(request, "kling"), {}).body
    expected = {"prompt": "a red fox", "mode": "pro", "duration": "10", "aspect_ratio": "9:16", "cfg_scale": 1.0}
    assert {**expected, "sound": "on", "callback_url": "https://x.org"} == body


def test_open_fields_report_the_defaults_of_kling(catalog: Catalog) -> None:
    """What is left open is left out, and the default that Kling applies is told."""
    spelled = spell(request := ask("kling-v1-6"), catalog.offer(request, "kling"), {})
    assert spelled.body == {"prompt": "a red fox"}
    settled = {loss.field: loss.sent for loss in spelled.losses if loss.change is Change.DEFAULTED}
    assert settled == {"mode": "std", "duration": 5, "aspect_ratio": "16:9", "cfg_scale": 0.5}
    assert catalog.offer(ask(mode="pro"), "kling").knobs["sound"].default == "off"


def test_omni_is_spelled_its_own_way(catalog: Catalog) -> None:
    """Omni models default to pro, need a ratio without a first frame, and name their frames."""
    text, frames = (
        catalog.offer(ask("kling-video-o1"), "kling"),
        catalog.offer(ask("kling-v3-omni", image=URL), "kling"),
    )
    assert (text.mode, text.knobs["mode"].default) == ("pro", "pro")
    assert (text.knobs["aspect_ratio"].fill, text.knobs["aspect_ratio"].support) == ("16:9", Support.TAKEN)
    assert (frames.knobs["image"].name, frames.knobs["image_tail"].name) == ("first_frame", "end_frame")
    assert frames.knobs["aspect_ratio"].fill is None


def test_a_provider_may_list_its_models(catalog: Catalog) -> None:
    """What a provider does not list is refused with the list; a relay without one sells its whole menu."""
    assert "relay lists kling-v1, kling-v1-5" in told(catalog, ask("kling-v2-6"), "relay")
    assert fine(catalog, ask("kling-v1-6"), "relay")
    assert fine(catalog, ask("kling-v9"), "relay")
    mine = replace(catalog.provider("relay"), id="mine", models=())
    assert not [problem for problem in catalog.problems(ask("kling-v2-6"), mine) if not problem.warning]


@pytest.mark.parametrize("model", PATH)
def test_the_path_api_needs_an_api_key(catalog: Catalog, model: str) -> None:
    """A model of the path API has its endpoint there, which an access and secret pair alone does not open."""
    offer = catalog.offer(ask(model, duration=5), "kling")
    kind = "omni-video" if model in ("kling-o1", "kling-3.0-omni") else "text-to-video"
    assert (offer.endpoint, offer.needs) == (f"/{kind}/{model}", "token")
    assert catalog.offer(ask("kling-v3"), "kling").needs == ""


def test_shots_that_become_one_prompt_have_to_fit_it(catalog: Catalog) -> None:
    """The path API writes the shots into the prompt, which has a limit of its own."""
    shots = tuple(Shot(prompt="x" * 512, duration=1) for _ in range(6))
    cut = {"multi_shot": True, "shot_type": "customize", "multi_prompt": shots, "prompt": "", "duration": 6}
    assert "one prompt of up to 3072 characters" in told(catalog, ask("kling-3.0", **cut))
    assert "one prompt of up to 2500 characters" in told(catalog, ask("kling-3.0-turbo", image=URL, **cut))
    assert fine(catalog, ask("kling-v3", **cut))


@pytest.mark.parametrize("images", [{}, {"image": URL}])
def test_turbo_has_no_switch_for_shots(catalog: Catalog, images: dict[str, str]) -> None:
    """3.0 Turbo cuts where its prompt lists shots: no setting is sent that its pages lack, nor a cut of its own sold."""
    shots = (Shot(prompt="a", duration=2), Shot(prompt="b", duration=3))
    request = ask("kling-3.0-turbo", multi_shot=True, shot_type="customize", multi_prompt=shots, **images)
    spelled = spell(request, catalog.offer(request, "kling"), {})
    assert "settings" not in spelled.body
    assert [loss.field for loss in spelled.losses if loss.is_loss] == (["prompt"] if request.prompt else [])
    own = ask("kling-3.0-turbo", multi_shot=True, shot_type="intelligence", **images)
    assert "expected customize" in told(catalog, own)
    assert fine(catalog, ask("kling-3.0", multi_shot=True, shot_type="intelligence", **images))


def test_prompts_of_the_path_api_have_limits_of_their_own(catalog: Catalog) -> None:
    """Its 3.0 models take longer prompts than others; 3.0 Turbo does so for text alone, and fal does not."""

    def most(model: str, provider: str = "kling", **fields: Any) -> int:
        asked = {size: ask(model, prompt="x" * size, **fields) for size in (2500, 2501, 3072, 3073)}
        return max(size for size, request in asked.items() if fine(catalog, request, provider))

    assert {model: most(model) for model in PATH if most(model) != 2500} == dict.fromkeys(
        ("kling-3.0", "kling-3.0-omni", "kling-3.0-turbo"), 3072
    )
    assert {model: most(model, image=URL) for model in PATH if most(model, image=URL) != 2500} == dict.fromkeys(
        ("kling-3.0", "kling-3.0-omni"), 3072
    )
    assert most("kling-3.0-turbo", "fal", mode="pro") == 2500


def test_the_path_api_has_words_of_its_own(catalog: Catalog) -> None:
    """Modes are resolutions there, sound is native, and places are inside objects."""
    request = ask("kling-3.0", mode="pro", duration=7, sound="on", negative_prompt="rain")
    spelled = spell(request, catalog.offer(request, "kling"), {})
    assert spelled.body["settings"] == {"resolution": "1080p", "duration": 7, "audio": "native"}
    assert [loss.field for loss in spelled.losses if loss.is_loss] == ["negative_prompt"]


# -------------------------------------------------------------------------------------------------- spelled at fal

BASE = "fal-ai/kling-video/"
SOLD_AT_FAL = [
    # model, from an image, mode, path, first frame, last frame, sound, its default
    ("kling-v1", False, "std", "v1/standard/text-to-video", "", "", ""),
    ("kling-v1", False, "pro", "v1/pro/text-to-video", "", "", ""),
    ("kling-v1", True, "std", "v1/standard/image-to-video", "image_url", "tail_image_url", ""),
    ("kling-v1", True, "pro", "v1/pro/image-to-video", "image_url", "tail_image_url", ""),
    ("kling-v1-5", False, "pro", "v1.5/pro/text-to-video", "", "", ""),
    ("kling-v1-5", True, "pro", "v1.5/pro/image-to-video", "image_url", "tail_image_url", ""),
    ("kling-v1-6", False, "std", "v1.6/standard/text-to-video", "", "", ""),
    ("kling-v1-6", False, "pro", "v1.6/pro/text-to-video", "", "", ""),
    ("kling-v1-6", True, "std", "v1.6/standard/image-to-video", "image_url", "", ""),
    ("kling-v1-6", True, "pro", "v1.6/pro/image-to-video", "image_url", "tail_image_url", ""),
    ("kling-v2-master", False, None, "v2/master/text-to-video", "", "", ""),
    ("kling-v2-master", True, None, "v2/master/image-to-video", "image_url", "", ""),
    ("kling-v2-1-master", False, None, "v2.1/master/text-to-video", "", "", ""),
    ("kling-v2-1-master", True, None, "v2.1/master/image-to-video", "image_url", "", ""),
    ("kling-v2-1", True, "std", "v2.1/standard/image-to-video", "image_url", "", ""),
    ("kling-v2-1", True, "pro", "v2.1/pro/image-to-video", "image_url", "tail_image_url", ""),
    ("kling-v2-5-turbo", False, "pro", "v2.5-turbo/pro/text-to-video", "", "", ""),
    ("kling-v2-5-turbo", True, "std", "v2.5-turbo/standard/image-to-video", "image_url", "", ""),
    ("kling-v2-5-turbo", True, "pro", "v2.5-turbo/pro/image-to-video", "image_url", "tail_image_url", ""),
    ("kling-v2-6", False, "pro", "v2.6/pro/text-to-video", "", "", "on"),
    ("kling-v2-6", True, "pro", "v2.6/pro/image-to-video", "start_image_url", "end_image_url", "on"),
    ("kling-v3", False, "std", "v3/standard/text-to-video", "", "", "on"),
    ("kling-v3", False, "pro", "v3/pro/text-to-video", "", "", "on"),
    ("kling-v3", True, "std", "v3/standard/image-to-video", "start_image_url", "end_image_url", "on"),
    ("kling-v3", True, "pro", "v3/pro/image-to-video", "start_image_url", "end_image_url", "on"),
    ("kling-3.0-turbo", False, "pro", "v3/turbo/pro/text-to-video", "", "", ""),
    ("kling-video-o1", True, "std", "o1/standard/image-to-video", "start_image_url", "end_image_url", ""),
    ("kling-video-o1", True, "pro", "o1/image-to-video", "start_image_url", "end_image_url", ""),
    ("kling-v3-omni", False, "std", "o3/standard/text-to-video", "", "", "off"),
    ("kling-v3-omni", False, "pro", "o3/pro/text-to-video", "", "", "off"),
    ("kling-v3-omni", True, "std", "o3/standard/image-to-video", "image_url", "end_image_url", "off"),
    ("kling-v3-omni", True, "pro", "o3/pro/image-to-video", "image_url", "end_image_url", "off"),
]
FAL_IDS = [row[3] for row in SOLD_AT_FAL]


@pytest.mark.parametrize(("model", "framed", "mode", "path", "first", "last", "sound"), SOLD_AT_FAL, ids=FAL_IDS)
def test_every_endpoint_of_fal(
    catalog: Catalog, model: str, mode: str | None, path: str, first: str, last: str, sound: str, *, framed: bool
) -> None:
    """An endpoint is found by model, task type and mode, and spells frames and sound in its own words."""
    request = ask(model, mode=mode, image=URL if framed else None)
    offer = catalog.offer(request, "fal")
    body = spell(request, offer, {}).body
    assert (BASE + path, mode) == (offer.endpoint, offer.mode)
    assert "mode" not in body
    assert "model" not in body
    if framed:
        assert body[first] == URL
    tailed = replace(request, image=URL, image_tail=TAIL)
    if framed and last:
        assert spell(tailed, catalog.offer(tailed, "fal"), {}).body[last] == TAIL
        assert fine(catalog, tailed, "fal")
    elif framed:
        assert "image_tail" in told(catalog, tailed, "fal")
    assert body.get("generate_audio") == (False if sound == "on" else None)
    assert (sound == "off") == (offer.knobs["sound"].default == "off")


def test_nothing_else_is_sold_at_fal(catalog: Catalog) -> None:
    """Every model, task type and mode that has no endpoint at fal is refused, naming what there is."""
    sold = {row[:3] for row in SOLD_AT_FAL}
    for model, framed, mode in product(catalog.models, (False, True), MODES):
        if (model, framed, mode) not in sold and model not in MASTERS:
            request = ask(model, mode=mode, image=URL if framed else None)
            problems = {problem.field: problem for problem in refusals(catalog, request, "fal")}
            assert problems.keys() & {"model", "mode", "task_type"}, (model, framed, mode)
            with pytest.raises(RefusedError):
                catalog.offer(request, "fal")


def test_a_missing_endpoint_names_what_exists(catalog: Catalog) -> None:
    """The refusal of a mode or task type says which there are."""
    turbo = told(catalog, ask("kling-v2-5-turbo", mode="std"), "fal")
    assert "text2video as pro only (std is there for image2video)" in turbo
    assert "as pro only" in told(catalog, ask("kling-v2-6", mode="std"), "fal")
    assert "image2video only: give an image" in told(catalog, ask("kling-v2-1", mode="pro"), "fal")
    assert "text2video only: leave the image out" in told(catalog, ask("kling-3.0-turbo", image=URL), "fal")


def test_the_defaults_of_fal(catalog: Catalog) -> None:
    """fal's own defaults are told, its negative prompt among them."""
    spelled = spell(request := ask("kling-v1-6"), catalog.offer(request, "fal"), {})
    settled = {loss.field: loss.sent for loss in spelled.losses}
    expected = {"duration": 5, "aspect_ratio": "16:9", "cfg_scale": 0.5}
    assert {**expected, "mode": "std", "negative_prompt": "blur, distort, and low quality"} == settled


def test_sound_is_not_bought_unasked(catalog: Catalog) -> None:
    """Where fal adds sound to what is left open, it is turned off and said to be."""
    spelled = spell(request := ask("kling-v3", mode="std"), catalog.offer(request, "fal"), {})
    assert spelled.body["generate_audio"] is False
    assert [(loss.change, loss.sent) for loss in spelled.losses if loss.field == "sound"] == [(Change.FILLED, "off")]
    heard = replace(request, sound="on")
    assert spell(heard, catalog.offer(heard, "fal"), {}).body["generate_audio"] is True


def test_the_camera_of_v1_at_fal(catalog: Catalog) -> None:
    """v1 standard from text has a camera at fal; from an image it has no place there."""
    request = ask("kling-v1", mode="std", duration=5, camera_control=ZOOM)
    knob = catalog.offer(request, "fal").knobs["camera_control"]
    assert fine(catalog, request, "fal")
    assert (knob.name, knob.support) == ("camera", Support.TAKEN)
    framed = replace(request, image=URL)
    assert Support.DROPPED is catalog.offer(framed, "fal").knobs["camera_control"].support
    assert "duration=5" in told(catalog, replace(request, duration=10), "fal")


def test_ratios_with_an_image_at_fal(catalog: Catalog) -> None:
    """Two endpoints take a ratio beside an image; the others have no such field."""
    for model, framed, mode, path, *_ in SOLD_AT_FAL:
        if framed:
            knob = catalog.offer(ask(model, mode=mode, image=URL, aspect_ratio="1:1"), "fal").knobs["aspect_ratio"]
            taken = path in ("v1.5/pro/image-to-video", "v1.6/pro/image-to-video")
            assert taken == (knob.support is Support.TAKEN), path


@pytest.mark.parametrize(
    ("model", "seconds"), [("kling-v2-6", {5, 10}), ("kling-v3", {*range(3, 16)}), ("kling-video-o1", {*range(3, 11)})]
)
def test_lengths_at_fal(catalog: Catalog, model: str, seconds: set[int]) -> None:
    """The lengths of an endpoint are those of its own enumeration."""
    assert seconds == {s for s in range(1, 20) if fine(catalog, ask(model, mode="pro", image=URL, duration=s), "fal")}


def test_cfg_scale_has_no_place_on_v2_6_from_an_image_at_fal(catalog: Catalog) -> None:
    """One endpoint lacks the field, which its sibling has."""
    text, framed = (ask("kling-v2-6", mode="pro", cfg_scale=0.2, image=image) for image in (None, URL))
    assert Support.INERT is catalog.offer(text, "fal").knobs["cfg_scale"].support
    assert Support.DROPPED is catalog.offer(framed, "fal").knobs["cfg_scale"].support


def test_shots_at_fal_need_no_switch(catalog: Catalog) -> None:
    """At fal the shots themselves say that there are several: nothing is lost."""
    request = ask("kling-v3", mode="pro", **MULTI)
    spelled = spell(request, catalog.offer(request, "fal"), {})
    assert fine(catalog, request, "fal")
    assert {"multi_prompt", "shot_type", "generate_audio"} == spelled.body.keys()
    assert not any(loss.is_loss for loss in spelled.losses)


# -------------------------------------------------------------------------------------------------------- prices


def usd(catalog: Catalog, provider: str, model: str, **fields: Any) -> tuple[str, str]:
    """The estimate of a clip as two texts."""
    estimate = catalog.estimate(ask(model, **fields), provider)
    return str(estimate.low), str(estimate.high)


PER_S = [
    # model, mode, silent, with sound: USD a second by Kling's list
    ("kling-v2-5-turbo", "std", "0.042", None), ("kling-v2-5-turbo", "pro", "0.07", None),
    ("kling-v2-6", "std", "0.042", None), ("kling-v2-6", "pro", "0.07", "0.14"),
    ("kling-video-o1", "std", "0.084", None), ("kling-video-o1", "pro", "0.112", None),
    ("kling-v3", "std", "0.084", "0.126"), ("kling-v3", "pro", "0.112", "0.168"), ("kling-v3", "4k", "0.42", "0.42"),
    ("kling-v3-omni", "std", "0.084", "0.112"), ("kling-v3-omni", "pro", "0.112", "0.14"),
    ("kling-v3-omni", "4k", "0.42", "0.42"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "mode", "silent", "heard"), PER_S)
def test_kling_charges_by_the_second(catalog: Catalog, model: str, mode: str, silent: str, heard: str | None) -> None:
    """The official list of 2026-09 holds for 5 and 10 s, silent and with sound."""
    for seconds in (5, 10):
        assert Decimal(silent) * seconds == catalog.estimate(ask(model, mode=mode, duration=seconds), "kling").high
        if heard:
            request = ask(model, mode=mode, duration=seconds, sound="on")
            assert Decimal(heard) * seconds == catalog.estimate(request, "kling").low


LEGACY = [
    ("kling-v1", "std", "0.14", "0.28"), ("kling-v1", "pro", "0.49", "0.98"),
    *((name, "std", "0.28", "0.56") for name in ("kling-v1-5", "kling-v1-6", "kling-v2-1")),
    *((name, "pro", "0.49", "0.98") for name in ("kling-v1-5", "kling-v1-6", "kling-v2-1")),
    ("kling-v2-master", None, "1.4", "2.8"), ("kling-v2-1-master", None, "1.4", "2.8"),
    ("kling-v2-5-turbo", "std", "0.21", "0.42"), ("kling-v2-5-turbo", "pro", "0.35", "0.7"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "mode", "five", "ten"), LEGACY)
def test_older_models_by_the_clip(catalog: Catalog, model: str, mode: str | None, five: str, ten: str) -> None:
    """The older official table holds for clips of 5 and 10 s."""
    assert (five, five) == usd(catalog, "kling", model, mode=mode, image=URL)
    assert (ten, ten) == usd(catalog, "kling", model, mode=mode, image=URL, duration=10)


FAL_PRICES = [
    ("kling-v1", True, "std", "off", ("0.225", "0.225")),
    ("kling-v1-6", False, "std", "off", ("0.225", "0.28")),
    ("kling-v1-6", True, "pro", "off", ("0.49", "0.49")),
    ("kling-v2-master", False, None, "off", ("1.4", "1.4")),
    ("kling-v2-1-master", True, None, "off", ("1.4", "1.4")),
    ("kling-v2-1", True, "std", "off", ("0.28", "0.28")),
    ("kling-v2-1", True, "pro", "off", ("0.49", "0.49")),
    ("kling-v2-5-turbo", True, "std", "off", ("0.21", "0.21")),
    ("kling-v2-5-turbo", False, "pro", "off", ("0.35", "0.35")),
    ("kling-v2-6", False, "pro", "off", ("0.35", "0.35")),
    ("kling-v2-6", False, "pro", "on", ("0.7", "0.7")),
    ("kling-v3", False, "std", "off", ("0.42", "0.42")),
    ("kling-v3", False, "std", "on", ("0.63", "0.63")),
    ("kling-v3", True, "pro", "off", ("0.56", "0.56")),
    ("kling-v3", True, "pro", "on", ("0.84", "0.84")),
    ("kling-3.0-turbo", False, "pro", None, ("0.7", "0.7")),
    ("kling-v3-omni", True, "std", "off", ("0.42", "0.42")),
    ("kling-v3-omni", True, "std", "on", ("0.56", "0.56")),
    ("kling-v3-omni", False, "std", "off", ("None", "None")),
    ("kling-video-o1", True, "pro", "off", ("None", "None")),
    ("kling-v1-5", False, "pro", "off", ("None", "None")),
]


@pytest.mark.parametrize(("model", "framed", "mode", "sound", "expected"), FAL_PRICES)
def test_prices_of_fal(
    catalog: Catalog, model: str, mode: str | None, sound: str | None, expected: tuple[str, str], *, framed: bool
) -> None:
    """fal's list has its own prices, an interval where sources disagree and none where none was found."""
    assert expected == usd(catalog, "fal", model, image=URL if framed else None, mode=mode, sound=sound)


@pytest.mark.parametrize("provider", ["kling", "fal"])
def test_silence_that_cannot_be_had_is_told(catalog: Catalog, provider: str) -> None:
    """3.0 Turbo is always heard: that is the reason why a wish for silence is not sent, wherever it is bought."""
    request = ask("kling-3.0-turbo", mode="pro", sound="off")
    (loss,) = [loss for loss in spell(request, catalog.offer(request, provider), {}).losses if loss.is_loss]
    assert (loss.field, "always adds sound" in loss.why) == ("sound", True)


@pytest.mark.parametrize("provider", ["kling", "fal"])
@pytest.mark.parametrize("sound", [None, "on", "off"])
def test_a_clip_that_is_always_heard_takes_as_long_whatever_is_said(
    catalog: Catalog, provider: str, sound: str | None
) -> None:
    """3.0 Turbo has sound at Kling too, whose own default for other models is silence."""
    assert catalog.typical_s(ask("kling-3.0-turbo", mode="pro", sound=sound), provider) == 195


def test_sound_left_open_costs_what_is_sent(catalog: Catalog) -> None:
    """Sound that is left open is turned off at fal, so that the silent price is the estimate."""
    assert usd(catalog, "fal", "kling-v2-6", mode="pro") == ("0.35", "0.35")


def test_voices_and_videos_cost_more(catalog: Catalog) -> None:
    """A provider's own knobs for voices and video input count in the estimate, as an interval where lists differ."""
    voices = {"kling": {"voice_list": [{"voice_id": "1"}]}, "fal": {"voice_ids": ["1"]}}
    assert usd(catalog, "kling", "kling-v3", mode="std", sound="on", extra=voices) == ("0.63", "0.77")
    assert usd(catalog, "fal", "kling-v3", mode="std", sound="on", extra=voices) == ("0.77", "0.77")
    assert usd(catalog, "fal", "kling-v2-6", mode="pro", sound="on", extra=voices) == ("0.84", "0.84")
    spoken, mute = ({"fal": {"elements": [{"frontal_image_url": URL, **voice}]}} for voice in ({"voice_id": "1"}, {}))
    assert usd(catalog, "fal", "kling-v3", mode="pro", image=URL, sound="on", extra=spoken) == ("0.98", "0.98")
    assert usd(catalog, "fal", "kling-v3", mode="pro", image=URL, sound="on", extra=mute) == ("0.84", "0.84")
    video = {"kling": {"video_list": [{"video_url": "https://example.org/a.mp4"}]}}
    assert usd(catalog, "kling", "kling-video-o1", mode="pro", extra=video) == ("0.84", "0.84")


def test_a_price_says_its_source(catalog: Catalog) -> None:
    """An estimate names the page, the date read and what is odd about it."""
    source = catalog.estimate(ask("kling-v1-6", mode="std"), "fal").source
    assert source == "fal.ai model pages, read 2026-11, std: 0.056 on the elements page, 0.045 in a list of mid-2025"


def test_without_a_price_one_is_assumed_or_proposed(catalog: Catalog) -> None:
    """Without a price the estimate is not known; one can be assumed, and the official one is a proposal."""
    request = ask("kling-v3-omni", mode="std")
    assert not catalog.estimate(request, "fal").known
    assumed = catalog.estimate(request, "fal", assume=Decimal("0.5"))
    assert (Decimal("0.5"), True) == (assumed.high, assumed.assumed)
    assert Decimal("0.42") == catalog.official_price(request).high
    assert not catalog.official_price(ask("kling-v9")).known
    assert [Decimal("0.21"), Decimal("0.35")] == [catalog.official_price(ask(), at).high for at in (None, "fal")]
    assert not catalog.estimate(ask("kling-v2-6", mode="pro"), "fal", assume=Decimal(9)).assumed


# ----------------------------------------------------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("model", "fields", "seconds"),
    [
        ("kling-v1", {}, 280), ("kling-v1", {"image": URL}, 270), ("kling-v1-6", {"mode": "std"}, 200),
        ("kling-v1-6", {"mode": "pro"}, 330), ("kling-v1-6", {"mode": "pro", "image": URL}, 360),
        ("kling-v2-master", {}, 320), ("kling-v2-1", {"mode": "pro", "image": URL}, 160),
        ("kling-v2-5-turbo", {"mode": "pro"}, 110), ("kling-v2-5-turbo", {"mode": "pro", "image": URL}, 160),
        ("kling-v2-6", {"mode": "std"}, 90), ("kling-v2-6", {"mode": "pro"}, 170), ("kling-video-o1", {}, 170),
        ("kling-v3", {"mode": "4k"}, 300), ("kling-v3", {"mode": "std", "duration": 10}, 96),
        ("kling-v3", {"mode": "std", "duration": 15}, 132), ("kling-v3", {"mode": "std", "sound": "on"}, 78),
        ("kling-v9", {}, 240),
    ],
)  # fmt: skip
def test_typical_seconds(catalog: Catalog, model: str, fields: dict[str, Any], seconds: float) -> None:
    """A clip takes its model's median, longer for more seconds and with sound; an unknown model a sane default."""
    assert seconds == pytest.approx(catalog.typical_s(ask(model, **fields)))


def test_typical_seconds_where_only_pro_is_sold(catalog: Catalog) -> None:
    """A mode that is left open takes as long as the one that the provider takes."""
    assert (catalog.typical_s(ask("kling-v2-6")), catalog.typical_s(ask("kling-v2-6"), "fal")) == (90, 170)


# ------------------------------------------------------------------------------------------------------- problems

PROBLEMS: list[tuple[str, str, dict[str, Any], str, str]] = [
    # provider, model, fields, the field that is named, words of what is allowed
    ("kling", "kling-v2-6", {"prompt": ""}, "prompt", "has to say what to show"),
    ("kling", "kling-v2-6", {"prompt": " \n"}, "prompt", "has to say what to show"),
    ("kling", "kling-v3", {"prompt": " ", "multi_shot": True, "shot_type": "intelligence"}, "prompt", "has to say"),
    ("kling", "kling-v2-6", {"prompt": "x" * 2501}, "prompt", "up to 2500 characters, got 2501"),
    ("kling", "kling-v2-6", {"negative_prompt": "x" * 2501}, "negative_prompt", "up to 2500 characters"),
    ("kling", "kling-v1-5", {}, "task_type", "give an image"),
    ("kling", "kling-v2-6", {"mode": "standard"}, "mode", "expected std or pro"),
    ("kling", "kling-v2-6", {"duration": 7}, "duration", "expected 5 or 10"),
    ("kling", "kling-v3", {"duration": 16}, "duration", "expected 3 to 15"),
    ("kling", "kling-v2-6", {"aspect_ratio": "4:3"}, "aspect_ratio", "expected 16:9, 9:16 or 1:1"),
    ("kling", "kling-v1-6", {"cfg_scale": 3}, "cfg_scale", "expected a number from 0 to 1"),
    ("kling", "kling-v2-6", {"cfg_scale": -0.1}, "cfg_scale", "expected a number from 0 to 1"),
    ("kling", "kling-v1", {"mode": "pro", "camera_control": ZOOM}, "camera_control", "only with mode=std"),
    ("kling", "kling-v1", {"camera_control": CameraControl()}, "camera_control", "exactly one non-zero move"),
    ("kling", "kling-v1", {"camera_control": CameraControl(pan=1, tilt=2)}, "camera_control", "got 2"),
    ("kling", "kling-v1", {"camera_control": CameraControl(zoom=11)}, "camera_control", "zoom must be from -10 to 10"),
    ("kling", "kling-v1", {"camera_control": CameraControl(type="down_back", pan=1)}, "camera_control", "takes no moves"),
    ("kling", "kling-v1", {"camera_control": CameraControl(type="orbit")}, "camera_control", "the type must be one of"),
    ("kling", "kling-v2-6", {"camera_control": ZOOM}, "camera_control", "kling-v2-6 does not do this"),
    ("kling", "kling-v2-5-turbo", {"mode": "std", "image": URL, "image_tail": TAIL}, "image_tail", "mode=pro"),
    ("kling", "kling-v2-6", {"mode": "pro", "image_tail": TAIL}, "image_tail", "needs image too"),
    ("fal", "kling-v1-6", {"mode": "pro", "image_tail": TAIL}, "image_tail", "needs image too"),
    (
        "kling", "kling-v1", {"image": URL, "image_tail": TAIL, "camera_control": ZOOM},
        "camera_control", "not together with image_tail",
    ),
    (
        "kling", "kling-v1", {"image": URL, "image_tail": TAIL, "extra": {"kling": {"static_mask": URL}}},
        "static_mask", "not together with image_tail",
    ),
    ("kling", "kling-v2-6", {"sound": "loud", "mode": "pro"}, "sound", "expected on or off"),
    ("kling", "kling-v2-6", {"sound": "on", "mode": "std"}, "sound", "only with mode=pro"),
    ("kling", "kling-v2-5-turbo", {"sound": "on"}, "sound", "does not do this"),
    ("kling", "kling-v2-6", {"multi_shot": True, "shot_type": "intelligence"}, "multi_shot", "does not do this"),
    ("kling", "kling-v3", {"multi_shot": True}, "shot_type", "needs shot_type"),
    ("kling", "kling-v3", {"multi_shot": True, "shot_type": "customize"}, "multi_prompt", "needs the shots"),
    ("kling", "kling-v3", {"multi_shot": True, "shot_type": "intelligent"}, "shot_type", "customize or intelligence"),
    ("kling", "kling-v3", {"multi_prompt": SHOTS}, "multi_prompt", "needs multi_shot=True"),
    ("kling", "kling-v3", {"shot_type": "intelligence"}, "shot_type", "needs multi_shot=True"),
    ("kling", "kling-v3", {**MULTI, "duration": 6}, "multi_prompt", "last 5 s together, but duration is 6"),
    ("kling", "kling-v3", {**MULTI, "shot_type": "intelligence"}, "multi_prompt", "belongs to shot_type='customize'"),
    ("kling", "kling-v3", {**MULTI, "multi_prompt": SHOTS * 4, "duration": 15}, "multi_prompt", "1 to 6 shots, got 8"),
    ("kling", "kling-v3", {**MULTI, "multi_prompt": (), "prompt": "x"}, "multi_prompt", "1 to 6 shots, got 0"),
    ("kling", "kling-v3", {**MULTI, "multi_prompt": (Shot(prompt="x" * 513, duration=5),)}, "multi_prompt", "512"),
    ("kling", "kling-v3", {**MULTI, "multi_prompt": (Shot(prompt=" ", duration=5),)}, "multi_prompt", "shot 1"),
    (
        "kling", "kling-v3", {**MULTI, "multi_prompt": (*SHOTS, Shot(prompt="x", duration=0))},
        "multi_prompt", "shot 3 must last at least 1 s",
    ),
    ("kling", "kling-v2-6", {"extra": {"fall": {"seed": 1}}}, "extra.fall", "did you mean 'fal'?"),
    ("kling", "kling-v2-6", {"extra": {"kling": {"external_task_id": "x"}}}, "extra.kling.external_task_id", "cannot be set"),
    ("fal", "kling-v3", {"extra": {"fal": {"generate_audio": True}}}, "extra.fal.generate_audio", "is the field sound"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "model", "fields", "field", "words"), PROBLEMS)
def test_every_rule_has_its_problem(
    catalog: Catalog, provider: str, model: str, fields: dict[str, Any], field: str, words: str
) -> None:
    """A request that breaks a rule gets a problem that names the field and what is allowed."""
    found = [problem for problem in refusals(catalog, ask(model, **fields), provider) if problem.field == field]
    assert any(words in str(problem) for problem in found), found


def test_one_clear_sentence_for_a_cfg_of_three(catalog: Catalog) -> None:
    """A value out of its range is told once, with the range."""
    assert told(catalog, ask("kling-v1-6", cfg_scale=3)) == "cfg_scale=3.0: expected a number from 0 to 1 (kling-v1-6)"


def test_all_problems_at_once(catalog: Catalog) -> None:
    """Every problem is told at once, not one after the other."""
    wrong = ask(
        prompt="", mode="high", duration=7, aspect_ratio="2:1", cfg_scale=3, camera_control=CameraControl(zoom=99)
    )
    expected = {"prompt", "mode", "duration", "aspect_ratio", "cfg_scale", "camera_control"}
    assert expected == {problem.field for problem in refusals(catalog, wrong)}
    assert {"prompt", "mode", "duration"} <= {problem.field for problem in refusals(catalog, wrong, "fal")}


def test_files_where_only_links_are_taken(catalog: Catalog) -> None:
    """An image by path or bytes is refused by a provider that takes links only, and bytes are not quoted."""
    linked = replace(catalog.provider("kling"), images=("url",))
    for image, shown in ((Path("fox.png"), "fox.png"), (b"\x89PNG", "4 bytes")):
        problems = catalog.problems(ask("kling-v2-6", mode="pro", image=image), linked)
        assert [("image", shown)] == [(problem.field, problem.value) for problem in problems]
    inline = replace(linked, images=("base64",))
    assert [problem.field for problem in catalog.problems(ask(mode="pro", image=URL), inline)] == ["image"]


def test_an_unknown_model_passes_with_a_warning(catalog: Catalog) -> None:
    """A model that the catalogue does not know is sendable, with a permissive offer and the nearest known one."""
    request = ask("kling-v2-7", mode="max", duration=30, aspect_ratio="21:9", sound="on")
    (problem,) = catalog.problems(request, "kling")
    assert (problem.warning, "did you mean" in problem.allowed) == (True, True)
    offer = catalog.offer(request, "kling")
    assert (offer.known, offer.name, offer.endpoint) == (False, "kling-v2-7", "/v1/videos/text2video")
    body = spell(request, offer, {}).body
    assert {"mode": "max", "duration": "30", "aspect_ratio": "21:9", "sound": "on"}.items() <= body.items()
    assert catalog.offer(request, "fal").endpoint == "fal-ai/kling-video/v2.7/max/text-to-video"


@pytest.mark.parametrize(
    ("name", "provider", "meant"),
    [
        ("kling-v2.6", "kling", "'kling-v2-6' or 'kling-2.6'"),
        ("Kling 2.6", "fal", "'kling-v2-6'"),
        ("KLING V2.6 Pro", "fal", "'kling-v2-6'"),
        ("fal-ai/kling-video/v2.6/pro/text-to-video", "kling", "'kling-v2-6' or 'kling-2.6'"),
        ("KLING-V2-1-MASTER", "fal", "'kling-v2-1-master'"),
        ("v3.0", "kling", "'kling-v3' or 'kling-3.0'"),
        ("o1", "kling", "'kling-video-o1' or 'kling-o1'"),
        ("kling-v2-7", "kling", "'kling-v2-6'"),
    ],
)
def test_an_unknown_model_is_answered_with_the_one_that_is_meant(
    catalog: Catalog, name: str, provider: str, meant: str
) -> None:
    """However a model's name is written, those of its version are proposed: what is sold there, if any is."""
    (problem,) = catalog.problems(ask(name), provider)
    assert f": did you mean {meant}? known: " in problem.allowed


def test_an_endpoint_of_fal_can_be_named_whole(catalog: Catalog) -> None:
    """A path as the model's id is used as it is; a mode beside it is said to be dropped."""
    request = ask("fal-ai/kling-video/v4/pro/text-to-video", mode="std")
    offer = catalog.offer(request, "fal")
    assert (request.model, Support.DROPPED) == (offer.endpoint, offer.knobs["mode"].support)


def test_unknown_providers_are_answered_with_the_known_ones(catalog: Catalog) -> None:
    """A provider that does not exist is an error that names those that do."""
    with pytest.raises(InputError, match="did you mean 'kling'"):
        catalog.problems(ask(), "klling")


def test_inert_knobs_and_dear_defaults_are_warnings(catalog: Catalog) -> None:
    """What has no known effect, or costs more only because it was left open, is a warning and no refusal."""
    (inert,) = catalog.problems(ask("kling-v2-6", mode="pro", cfg_scale=0.3), "kling")
    assert (inert.warning, inert.field) == (True, "cfg_scale")
    (dear,) = catalog.problems(ask("kling-video-o1"), "kling")
    assert (dear.warning, dear.field, "0.56 USD where std would cost 0.42" in dear.allowed) == (True, "mode", True)
    assert catalog.problems(ask("kling-v2-6"), "fal") == []


def test_sound_that_is_on_by_default_is_a_warning(catalog: Catalog, tmp_path: Path) -> None:
    """A seller that adds sound to what is left open, and for which nothing is filled in, is warned about."""
    file = tmp_path / "mine.toml"
    file.write_text('[menu.kling.fields]\nsound = { default = "on" }\n', "utf-8")
    (problem,) = load(file).problems(ask("kling-v2-6", mode="pro"), "kling")
    assert (problem.warning, problem.field) == (True, "sound")
    assert catalog.problems(ask("kling-v2-6", mode="pro"), "kling") == []


# ------------------------------------------------------------------------------------------------ a user's own file

OWN = """
[model.kling-v9]
title = "Kling 9"
task_types = ["text2video"]
duration = "3-20"
mode = ["std", "8k"]
typical_s = 33

[model.kling-v2-6]
duration = [5, 10, 12]

[price.kling.per_s]
kling-v2-6 = { pro = ["0.01", "0.02"] }

[price.my-relay.per_clip]
kling-v2-6 = { pro = { 5s = "0.19", 10s = "0.30" } }

[menu.fal]
sells = [
  { model = "kling-v2-6", task = "text2video", mode = "std", path = "fal-ai/kling-video/v2.6/standard/text-to-video" },
  { model = "kling-v2-6", task = "text2video", mode = "pro", path = "mine/text-to-video" },
]

[provider.my-relay]
dialect = "native"
base_url = "https://relay.example"
images = ["url"]

[provider.kling]
slots = 9
"""


def test_a_users_file_may_lie_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of one's own is named as on a command line, as text and with ``~``."""
    (tmp_path / "mine.toml").write_text("[provider.kling]\nslots = 9\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert 9 == load(providers_file="~/mine.toml").provider("kling").slots


def test_a_users_file_is_laid_over(catalog: Catalog, tmp_path: Path) -> None:
    """A file of one's own adds and changes models, prices, endpoints and providers, and leaves the rest alone."""
    file = tmp_path / "mine.toml"
    file.write_text(OWN, "utf-8")
    own = load(file)
    assert fine(own, ask("kling-v9", mode="8k", duration=20))
    assert "duration" in told(own, ask("kling-v9", duration=21))
    assert own.typical_s(ask("kling-v9")) == 33
    assert fine(own, ask("kling-v2-6", duration=12, mode="pro"))
    assert usd(own, "kling", "kling-v2-6", mode="pro") == ("0.05", "0.1")
    assert usd(own, "my-relay", "kling-v2-6", mode="pro", duration=10) == ("0.3", "0.3")
    assert usd(own, "my-relay", "kling-v2-6", mode="std") == ("None", "None")
    assert own.offer(ask(mode="pro"), "fal").endpoint == "mine/text-to-video"
    assert own.offer(ask(mode="std"), "fal").endpoint.endswith("v2.6/standard/text-to-video")
    assert own.offer(ask(), "fal").mode == "pro"
    assert (own.provider("kling").slots, own.provider("my-relay").title) == (9, "my-relay")
    assert (catalog.provider("kling").slots, len(own.providers)) == (5, len(catalog.providers) + 1)
    assert catalog is load()


def test_a_price_of_ones_own_has_its_own_source(catalog: Catalog, tmp_path: Path) -> None:
    """What a user's file says of one model's price is not said to be from the page that the other prices are from."""
    file = tmp_path / "mine.toml"
    file.write_text(
        '[price.kling.per_clip]\nkling-v1-6 = { std = "0.10" }\n'
        '[price.fal]\nsource = "my contract"\nread = "2026-11-01"\nper_s = { kling-v1-6 = "0.01" }\n'
        '[provider.mine]\ndialect = "falqueue"\n[price.mine]\nsource = "my page"\nper_s = { kling-v1-6 = "0.02" }\n',
        "utf-8",
    )
    own = load(file)

    def source(of: Catalog, provider: str, model: str, mode: str) -> str:
        return of.estimate(ask(model, mode=mode), provider).source

    kling, fal = source(catalog, "kling", "kling-v1-6", "std"), source(catalog, "fal", "kling-v1-6", "pro")
    assert f"your own mine.toml; what it leaves open: {kling}" == source(own, "kling", "kling-v1-6", "std")
    assert f"my contract, read 2026-11-01; what it leaves open: {fal}" == source(own, "fal", "kling-v1-6", "pro")
    assert "my page" == source(own, "mine", "kling-v1-6", "pro")
    for provider in ("kling", "fal"):
        assert source(catalog, provider, "kling-v2-6", "pro") == source(own, provider, "kling-v2-6", "pro")


def test_a_second_file_for_providers(tmp_path: Path) -> None:
    """Provider rows may live in a file of their own."""
    file = tmp_path / "providers.toml"
    file.write_text('[provider.mine]\ndialect = "falqueue"\n', "utf-8")
    own = load(providers_file=file)
    assert "/v2.6/pro/" in own.offer(ask(), "mine").endpoint
    with pytest.raises(InputError, match="names no menu"):
        own.offer(ask(), replace(own.provider("mine"), dialect="morse"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[modell.x]\n", "did you mean 'model'"),
        ("[model.x]\nduratoin = [5]\n", "did you mean 'duration'"),
        ("[model.x]\nduration = 'five'\n", "a range such as '3-15'"),
        ("[model.x.sound]\nonly_if = 3\n", "known: becomes"),
        (
            "[model.x]\nsound = { only = { mdoe = ['pro'] } }\n",
            "sound only has the key 'mdoe', which means nothing there; did you mean 'mode'?",
        ),
        ("[model.x]\nsound = { only = ['mode'] }\n", "model.x.sound.only = ['mode']: expected fields with the values"),
        ("[model.x]\nsound = { only = 'mode' }\n", "model.x.sound.only = 'mode': expected fields with the values"),
        (
            "[model.x]\nsound = { only = { duration = 5 } }\n",
            "model.x.sound.only.duration = 5: expected a list of values, such as [5, 10], or a range",
        ),
        ("[provider.x]\ndialekt = 'native'\n", "did you mean 'dialect'"),
        ("[provider.x]\ntitle = 'X'\n", "needs a dialect"),
        ("[provider.x]\ndialect = 'native'\nslots = 'many'\n", r"slots = 'many': expected a whole number"),
        (
            "[provider.x]\ndialect = 'native'\nrefunds_failures = 'no'\n",
            r"refunds_failures = 'no': expected true or false",
        ),
        (
            "[provider.x]\ndialect = 'native'\nkey = 'tokn'\n",
            "key = 'tokn' means nothing there; did you mean 'token'? known: ",
        ),
        ("[provider.x]\ndialect = 'native'\nslots_per = 'modle'\n", "did you mean 'model'? known: account, model"),
        (
            "[provider.x]\ndialect = 'native'\nlike = 'quickruter'\n",
            "like = 'quickruter' means nothing there; did you mean 'qu",
        ),
        ("[price.x.per_s]\nm = 0.1\n", "a price in USD as text"),
        ("[price.x.per_s]\nm = ['0.2', '0.1']\n", "a price in USD as text"),
        ("[price.x.per_s]\nm = 'nan'\n", "a price in USD as text"),
        ("[menu.x]\nsells = [{ path = '/x' }]\n", "needs path and task"),
        ("[menu.x]\nsells = [{ path = '/x', task = 'text2video', shape = ['y'] }]\n", "shape"),
        (
            "[menu.x]\nsells = [{ path = '/{nonsense}', task = 'text2video' }]\n",
            "nothing but {model}, {version}, {tier}",
        ),
        (
            "[menu.x]\nsells = [{ path = 3, task = 'text2video' }]\n",
            "menu.x.sells[0].path = 3: expected a path as text",
        ),
        ("[provider]\nx = 3\n", "provider.x = 3: expected a table, which begins with the line [provider.x]"),
        ("[provider.x]\ndialect = 'native'\noptions = 'x'\n", "options = 'x': expected a table"),
        ("[provider.x]\ndialect = 'native'\nimages = 3\n", "images = 3: expected a list of text"),
        ("[provider.x]\ndialect = 'native'\nmodels = 'kling-v1'\n", "models = 'kling-v1': expected a list of text"),
        (
            "[provider.x]\ndialect = 'native'\nlink_days = 'a month'\n",
            "link_days = 'a month': expected a number of days",
        ),
        ("[model.x\n", "cannot be read"),
        ("model = 3\n", "mine.toml: model = 3: expected a table, which begins with the line [model]"),
        ("[unknown]\ntypical_s = 'long'\n", "unknown.typical_s = 'long': expected a number of seconds"),
        ("[model.x]\ntypical_s = { std = [3] }\n", "model.x.typical_s.std = [3]: expected a number of seconds"),
        ("[model.x]\nread = 2027-01-31\n", "expected a date as text, such as "),
        (
            "[model.x]\ntask_types = ['text']\n",
            "model.x.task_types[0] = 'text': expected one of text2video, image2video",
        ),
        ("[model.x]\nduration = 5\n", "model.x.duration = 5: expected one of taken, inert, dropped, refused, a list"),
        ("[model.x]\nduration = []\n", "model.x.duration = []: expected one of taken"),
        ("[model.x]\nduration = '3-²'\n", "or a table"),
        ("[model.x]\nmode = { support = 'tkaen' }\n", "model.x.mode.support = 'tkaen': expected one of taken, inert"),
        ("[model.x]\ncfg_scale = { range = [0] }\n", "cfg_scale.range = [0]: expected two numbers"),
        (
            "[menu.kling.fields]\nduration = { default = 'long' }\n",
            "fields.duration.default: duration='long' cannot be",
        ),
        ("[menu.kling.fields]\nmode = { fill = ['std'] }\n", "expected text, a number, true or false"),
        ("[menu.kling.fields]\nmode = { becomes = ['std'] }\n", "mode.becomes[0] = 'std': expected a pair"),
        ("[menu.kling.fields]\nmode = { type = 'text' }\n", "mode.type = 'text': expected one of string, integer"),
        ("[menu.x]\nsells = 'all'\n", "menu.x.sells = 'all': expected a list of tables"),
        ("[menu.x]\nsells = ['all']\n", "menu.x.sells[0] = 'all': expected a table"),
        ("[menu.x]\ndialects = ['native']\n", "[menu.x] sells nothing: expected at least one row"),
        ("[menu.kling]\nexclusive = ['image']\n", "menu.kling.exclusive[0] = 'image': expected a list of groups"),
        ("[price.x.notes]\nm = 3\n", "price.x.notes.m = 3: expected text"),
    ],
)
def test_mistakes_in_a_users_file(tmp_path: Path, text: str, words: str) -> None:
    """A key that means nothing, a price that is a float or a broken file is an error that says what was expected."""
    file = tmp_path / "mine.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError) as caught:
        load(file)
    assert words in str(caught.value)


def test_a_provider_may_be_like_another_of_the_same_file(tmp_path: Path) -> None:
    """Whose key it takes may stand below it."""
    file = tmp_path / "mine.toml"
    file.write_text('[provider.b]\ndialect = "native"\nlike = "a"\n[provider.a]\ndialect = "native"\n', "utf-8")
    assert load(providers_file=file).provider("b").like == "a"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A file that does not exist is an error with its name."""
    with pytest.raises(InputError, match=r"absent\.toml"):
        load(tmp_path / "absent.toml")


# --------------------------------------------------------------------------------------------------------- tables


def test_the_table_of_models(catalog: Catalog) -> None:
    """The table has one row for each thing that is sold, all with the same plain columns and a source."""
    rows = catalog.models_table()
    keys = [(row["model"], row["provider"], row["task_type"], row["mode"]) for row in rows]
    assert len(SOLD_AT_FAL) == sum(provider == "fal" for _, provider, *_ in keys)
    assert len(keys) == len({*keys})
    assert len({tuple(row) for row in rows}) == 1
    assert all(row["source"] and row["read"] and row["endpoint"] and row["durations"] for row in rows)
    assert [row["model"] for row in rows if ", read 20" not in row["typical_source"]] == []
    row = rows[keys.index(("kling-v2-6", "fal", "text2video", "pro"))]
    assert (Decimal("0.35"), Decimal("0.7")) == (row["usd_high"], row["usd_sound_high"])
    assert {"negative_prompt", "sound"} == {*row["features"]}


def test_every_source_has_its_date(catalog: Catalog) -> None:
    """Each rule, menu and price that names its source says when that was read or seen."""
    menus = list(catalog.menus.values())
    rows = [row.rules for menu in menus for row in menu.rows]
    shapes = [shape for menu in menus for shape in menu.shapes.values()]
    layers = [*rows, *shapes, *(menu.fields for menu in menus), *(model.rules for model in catalog.models.values())]
    told = {rule["source"] for rules in layers for rule in rules.values() if "source" in rule}
    told |= {menu.source for menu in menus} | {prices.told("") for prices in catalog.prices.values()}
    assert len(told) > 10
    assert [source for source in told if " 20" not in source] == []


def test_every_provider_is_complete(catalog: Catalog) -> None:
    """Every built-in row says where it is, how it counts and where that was read."""
    for provider in catalog.providers.values():
        assert isinstance(provider, Provider)
        assert provider.base_url or provider.id in ("relay", "openroute")
        assert provider.source
        assert provider.read
        assert provider.slots_per in ("account", "model")


# ----------------------------------------------------------------------------------- problems() and spell() agree

images = st.none() | st.just(URL)
cameras = st.none() | st.builds(
    CameraControl, type=st.sampled_from(["simple", "down_back"]), zoom=st.sampled_from([0, 3, 12])
)
requests = st.builds(
    VideoRequest,
    prompt=st.sampled_from(["a red fox", "", "x" * 2501]),
    model=st.sampled_from([*AT_KLING, "kling-3.0-turbo", "kling-v9"]),
    mode=st.none() | st.sampled_from(MODES),
    duration=st.none() | st.sampled_from([3, 5, 10, 16]),
    aspect_ratio=st.none() | st.sampled_from(["1:1", "4:3"]),
    negative_prompt=st.none() | st.just("rain"),
    cfg_scale=st.none() | st.sampled_from([0, 0.5, 3]),
    camera_control=cameras,
    image=images,
    image_tail=images,
    sound=st.none() | st.sampled_from(["on", "off"]),
    multi_shot=st.none() | st.booleans(),
    shot_type=st.none() | st.sampled_from(["customize", "intelligence"]),
    multi_prompt=st.none() | st.just(SHOTS),
    watermark=st.none() | st.booleans(),
    callback_url=st.none() | st.just("https://example.org/back"),
    extra=st.sampled_from([{}, {"kling": {"x_flag": 1}}, {"fal": {"x_flag": 1}}]),
)


ROWS = load().models_table()


@st.composite
def plausible(draw: st.DrawFn) -> tuple[VideoRequest, str]:
    """A request for something that is sold, and where, with other fields of which most rules would approve."""
    row = draw(st.sampled_from(ROWS))
    framed = row["task_type"] == "image2video"
    optional = {
        "mode": st.just(row["mode"] or "std"),
        "duration": st.sampled_from(row["durations"]),
        "aspect_ratio": st.sampled_from(["1:1", "9:16"]),
        "negative_prompt": st.just("rain"),
        "cfg_scale": st.sampled_from([0, 0.5, 1]),
        "sound": st.sampled_from(["off", "off", "on"]),
        "watermark": st.booleans(),
        "callback_url": st.just("https://example.org/back"),
        "multi_shot": st.just(value=False),
        "extra": st.sampled_from([{"kling": {"x_flag": 1}}, {"fal": {"x_flag": 1}}]),
    }
    if "image_tail" in row["features"]:
        optional["image_tail"] = st.just(TAIL)
    elif "camera_control" in row["features"]:
        optional["camera_control"] = st.sampled_from([ZOOM, CameraControl(type="simple", pan=-3)])
    fields = draw(st.fixed_dictionaries({}, optional=optional))
    if "multi_prompt" in row["features"] and draw(st.booleans()):
        fields = {**fields, **MULTI, "duration": 5, "prompt": draw(st.sampled_from(["", "a fox"]))}
    return ask(row["model"], image=URL if framed else None, **fields), row["provider"]


def is_in(body: dict[str, Any], name: str) -> bool:
    """Whether a body has something where a dotted name leads."""
    *steps, last = name.split(".")
    for step in steps:
        body = body.get(step, {})
    return last in body


def said_elsewhere(request: VideoRequest, offer: Offer, name: str) -> bool:
    """Whether a field without a knob is said by the path, by another field, or has nothing to say."""
    match name:
        case "model":
            return request.model in (offer.name, offer.model)
        case "mode":
            return offer.mode == request.mode
        case "multi_shot":
            return offer.provider == "fal" or (offer.provider == "kling" and request.model == "kling-3.0-turbo")
        case "shot_type" | "multi_prompt":
            return bool(offer.needs)
        case "prompt":
            return not request.prompt
    return name == "extra"


@settings(max_examples=400, deadline=None)
@given(asked=plausible() | st.tuples(requests, st.sampled_from(["kling", "fal"])))
def test_what_is_accepted_can_be_spelled_and_nothing_vanishes(asked: tuple[VideoRequest, str]) -> None:
    """A request without refusals is spelled, and each field that was given is in the body or told as lost."""
    catalog, (request, provider) = load(), asked
    catalog.estimate(request, provider)
    assert catalog.typical_s(request, provider) > 0
    if refusals(catalog, request, provider):
        return
    offer = catalog.offer(request, provider)
    spelled = spell(request, offer, {})
    lost = {loss.field for loss in spelled.losses if loss.change is Change.DROPPED}
    for name in request.given():
        knob = offer.knobs.get(name)
        sent = is_in(spelled.body, knob.name) if knob else said_elsewhere(request, offer, name)
        assert sent or name in lost, name
    assert not {Support.REFUSED} & {offer.knobs[name].support for name in offer.knobs if name in request.given()}
    assert {*request.extra.get(provider, {})} <= spelled.body.keys()


@settings(max_examples=200, deadline=None)
@given(request=requests, provider=st.sampled_from(["kling", "fal"]))
def test_an_offer_is_refused_only_with_problems(request: VideoRequest, provider: str) -> None:
    """Whatever has no offer has a refusal, and every problem names a field and what is allowed."""
    catalog = load()
    problems = catalog.problems(request, provider)
    assert all(problem.field.split(".")[0] in (*FIELDS, "task_type") and problem.allowed for problem in problems)
    refused: tuple[Problem, ...] = ()
    try:
        catalog.offer(request, provider)
    except RefusedError as error:
        refused = error.problems
    assert refused in ((), tuple(problem for problem in problems if not problem.warning))


def test_a_prompt_stays_where_shots_are_left_out(catalog: Catalog) -> None:
    """Shots take the prompt's place only where they are sent: where they are dropped it is all that is left."""
    row = replace(catalog.provider("quickrouter-fal"), id="fal-like")
    request = ask("kling-v2-5-turbo", mode="pro", prompt="a fox")
    assert spell(request, catalog.offer(request, row), {}).body["prompt"] == "a fox"
    model = replace(catalog.models["kling-v2-5-turbo"], rules=catalog.models["kling-v3"].rules)
    own = replace(catalog, models={**catalog.models, "kling-v2-5-turbo": model})
    shots = replace(request, multi_shot=True, shot_type="customize", multi_prompt=SHOTS, duration=5)
    spelled = spell(shots, own.offer(shots, row), {})
    assert spelled.body["prompt"] == "a fox"
    assert {"multi_prompt", "shot_type", "multi_shot"} <= {loss.field for loss in spelled.losses if loss.is_loss}
