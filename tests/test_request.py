"""Requests: what they read, and what makes two of them the same."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import pickle
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_nb.errors import InputError
from kling_nb.excerpts import as_code
from kling_nb.fields import CAMERA_AXES, CameraControl, Shot, plain
from kling_nb.request import FIELDS, VideoRequest, identity

texts = st.text(max_size=20)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
knobs = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
moves = st.fixed_dictionaries({}, optional={name: st.floats(-10, 10) | st.integers(-10, 10) for name in CAMERA_AXES})
cameras = st.builds(lambda kind, given_moves: CameraControl(type=kind, **given_moves), texts, moves)
images = st.just("https://x.test/a.png") | st.binary(min_size=32, max_size=32).map(lambda b: f"sha256:{b.hex()}")
FIELD_VALUES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(FIELDS, texts),
    "duration": st.integers(0, 60),
    "cfg_scale": st.floats(0, 1),
    "camera_control": cameras,
    "image": images,
    "image_tail": images,
    "multi_shot": st.booleans(),
    "multi_prompt": st.lists(st.builds(Shot, prompt=texts, duration=st.integers(1, 15)), max_size=4).map(tuple),
    "watermark": st.booleans(),
    "extra": st.dictionaries(texts, st.dictionaries(texts, knobs, max_size=3), max_size=3),
}
requests = st.builds(VideoRequest, **{name: st.none() | values for name, values in FIELD_VALUES.items()})

TWO: dict[str, tuple[Any, Any]] = {
    "prompt": ("a fox", "a fox "),
    "model": ("kling-v1-6", "kling-v2-6"),
    "mode": (None, "std"),
    "duration": (5, 10),
    "aspect_ratio": ("16:9", "9:16"),
    "negative_prompt": (None, ""),
    "cfg_scale": (0.5, 0.50001),
    "camera_control": (CameraControl(pan=1), CameraControl(tilt=1)),
    "image": ("https://x.test/a.png", "https://x.test/a.png?"),
    "image_tail": (b"one", b"other"),
    "sound": (None, "off"),
    "multi_shot": (None, False),
    "shot_type": ("customize", "intelligence"),
    "multi_prompt": ((Shot(prompt="a", duration=1),), (Shot(prompt="a", duration=2),)),
    "watermark": (True, False),
    "extra": ({"kling": {"seed": 1}}, {"kling": {"seed": 2}}),
}


@settings(deadline=None)
@given(requests)
def test_the_plain_form_is_the_request_again(request: VideoRequest) -> None:
    """The plain form is JSON, from which an equal request of the same identity is built."""
    plain_form = json.loads(json.dumps(request.canonical(), allow_nan=False))
    again = VideoRequest.from_fields(plain_form)
    assert request == again
    assert request.canonical() == again.canonical() == plain_form
    assert request.fingerprint("kling") == again.fingerprint("kling")


@settings(deadline=None)
@given(requests, st.none() | texts, texts)
def test_the_fingerprint_leaves_out_what_does_not_make_the_video(
    request: VideoRequest, callback: str | None, other: str
) -> None:
    """The callback, and knobs for other providers, are no part of a request's identity at a provider."""
    own = {name: knob for name, knob in request.extra.items() if name == "kling"}
    same = dataclasses.replace(request, callback_url=callback, extra={**own, f"not-{other}": {"seed": 1}})
    assert request.fingerprint("kling") == same.fingerprint("kling")


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "callback_url"])
def test_the_fingerprint_notices_every_other_field(name: str) -> None:
    """Two requests that differ in any field that makes the video have two fingerprints."""
    one, other = (VideoRequest(**{"prompt": "a", name: value}) for value in TWO[name])
    assert one.fingerprint("kling") != other.fingerprint("kling")


@pytest.mark.parametrize("name", FIELDS)
def test_none_is_left_open(name: str) -> None:
    """None is the same as leaving a field out; one that is given is in the plain form, whatever it is."""
    given_value = next(value for value in TWO.get(name, ("https://x.test/hook",)) if value is not None)
    assert VideoRequest() == VideoRequest.from_fields({name: None})
    assert name in VideoRequest.from_fields({name: given_value}).canonical()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"duration": 5}, {"duration": 5.0}),
        ({"duration": 5}, {"duration": "5"}),
        ({"cfg_scale": 1}, {"cfg_scale": 1.0}),
        ({"cfg_scale": 0}, {"cfg_scale": -0.0}),
        ({"sound": "on"}, {"sound": True}),
        ({"camera_control": CameraControl(type="down_back")}, {"camera_control": "down_back"}),
        ({"camera_control": CameraControl(zoom=5)}, {"camera_control": {"type": "simple", "config": {"zoom": 5.0}}}),
        ({"camera_control": {"type": "simple", "zoom": 5}}, {"camera_control": {"config": {"zoom": 5, "pan": None}}}),
        (
            {"multi_prompt": [{"index": 1, "prompt": "a", "duration": 5.0}]},
            {"multi_prompt": (Shot(prompt="a", duration=5),)},
        ),
        ({"extra": {"kling": {"a": 1, "b": [2.0]}}}, {"extra": {"kling": {"b": [2], "a": 1.0}}}),
        ({"extra": {"kling": {}}}, {}),
        ({"image": b"abc"}, {"image": "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}),
    ],
)
def test_two_spellings_of_one_request_are_one(one: dict[str, Any], other: dict[str, Any]) -> None:
    """What means the same video has one identity, whether it was written as 5, 5.0 or "5"."""
    assert VideoRequest(**one).fingerprint("kling") == VideoRequest(**other).fingerprint("kling")


def test_an_identity_is_request_provider_sample_and_simulation() -> None:
    """A point is the same only at the same provider, with the same sample number, both simulated or both not."""
    request = VideoRequest(prompt="a")
    places = [("kling", 1, False), ("fal", 1, False), ("kling", 2, False), ("kling", 1, True)]
    found = {identity(request, provider, sample, simulated=simulated) for provider, sample, simulated in places}
    assert len(places) == len(found)
    assert identity(request, "kling", 1, simulated=True) in found


def test_a_misspelt_field_is_answered_with_the_right_one() -> None:
    """A field that does not exist is an error that proposes the nearest one."""
    with pytest.raises(InputError, match=r"no field 'negativ_prompt'; did you mean 'negative_prompt'\?"):
        VideoRequest.from_fields({"negativ_prompt": "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt", 5),
        ("mode", b"std"),
        ("duration", "five"),
        ("duration", 5.5),
        ("duration", True),
        ("duration", float("inf")),
        ("duration", 10**400),
        ("cfg_scale", "half"),
        ("cfg_scale", float("nan")),
        ("cfg_scale", True),
        ("camera_control", "simple"),
        ("camera_control", {"zom": 5}),
        ("multi_prompt", [{"prompt": "a"}]),
        ("multi_prompt", "a"),
        ("multi_shot", "yes"),
        ("sound", 1),
        ("watermark", 0),
        ("extra", {"seed": 5}),
        ("extra", {"fal": functools.reduce(lambda held, _: {"a": held}, range(150), {})}),
    ],
)
def test_a_value_that_cannot_be_read_is_named(name: str, value: object) -> None:
    """A value of the wrong kind is an error that names the field and shows the value."""
    with pytest.raises(InputError, match=rf"^{name}=") as caught:
        VideoRequest(**{name: value})  # type: ignore[arg-type]
    assert as_code(value) in str(caught.value)


def test_a_camera_without_its_move_is_told_what_to_write() -> None:
    """The name of a movement is enough, but for the one that needs a move of its own."""
    with pytest.raises(
        InputError, match=r"camera_control='simple' cannot be read: .*'down_back'.*kn\.CameraControl\(zoom=5\)"
    ):
        VideoRequest(camera_control="simple")  # type: ignore[arg-type]


def test_a_value_is_told_in_one_short_line() -> None:
    """A column of a table, or a picture, has more lines than a message should."""
    assert as_code(pd.Series([2, 5])) == "0 2 1 5 dtype: int64"
    assert len(as_code("fox " * 1000)) == 100


def test_a_path_has_no_identity_yet() -> None:
    """An image that is a path has to be read into a lab before the request has a plain form."""
    for image in (Path("a.png"), "a.png"):
        with pytest.raises(InputError, match=r"image is the path 'a\.png'"):
            VideoRequest(image=image).canonical()


@settings(deadline=None)
@given(knobs)
def test_a_plain_value_is_json_and_stays_as_it_is(value: object) -> None:
    """Making a value plain twice changes nothing the second time, and nothing in it is lost to JSON."""
    assert plain(value) == plain(plain(value)) == json.loads(json.dumps(plain(value)))


def test_a_request_cannot_be_changed() -> None:
    """Neither a field nor a provider's knobs can be changed, by the request or by the mapping that was given."""
    mine = {"fal": {"seed": 1}}
    request = VideoRequest(prompt="a", extra=mine)
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.prompt = "b"  # type: ignore[misc]
    with pytest.raises(TypeError):
        request.extra["fal"]["seed"] = 2  # type: ignore[index]
    mine["fal"]["seed"] = 3
    assert request.extra["fal"]["seed"] == 1


def test_an_image_makes_it_image_to_video() -> None:
    """A first or a last frame makes a request image-to-video."""
    found = [VideoRequest().task_type, VideoRequest(image=b"x").task_type, VideoRequest(image_tail=b"x").task_type]
    assert ["text2video", "image2video", "image2video"] == found


def test_a_request_is_copied_and_pickled() -> None:
    """A copy and what is read back from a pickle are equal, and cannot be changed either."""
    request = VideoRequest(prompt="a", multi_prompt=(Shot(prompt="b", duration=2),), extra={"fal": {"seed": 1}})
    for twin in (copy.deepcopy(request), pickle.loads(pickle.dumps(request))):
        assert twin == request
        with pytest.raises(TypeError):
            twin.extra["fal"]["seed"] = 2


HALVES: dict[str, tuple[str, Any]] = {
    "extra.fal.seed": ("extra", {"fal": {"seed": "a\udc00"}}),
    "extra.fal.a.b[1]": ("extra", {"fal": {"a": {"b": ["x", "a\udc00"]}}}),
    "a name in extra.fal": ("extra", {"fal": {"a\udc00": 1}}),
    "a name in extra": ("extra", {"a\udc00": {"seed": 1}}),
    "it": ("negative_prompt", "a\udc00"),
    "it ": ("image", "a\udc00"),
}


@pytest.mark.parametrize("where", HALVES)
def test_half_a_character_is_told_in_words(where: str) -> None:
    """What no file and no request can hold is told by its place, and not in a codec's words; a whole pair is fine."""
    name, value = HALVES[where]
    with pytest.raises(InputError) as caught:
        VideoRequest(**{name: value})
    told = str(caught.value)
    assert f"{where.strip()} holds '\\udc00' at character 2, which is half of a character" in told
    assert "codec" not in told
    told.encode()
    assert VideoRequest(extra={"fal": {"seed": "🦊"}}).canonical()["extra"] == {"fal": {"seed": "🦊"}}


WORDS: dict[str, tuple[Any, str]] = {
    "duration": ("five", "expected a whole number of seconds"),
    "cfg_scale": ("much", "expected a number"),
    "camera_control": ({"zom": 5}, "a camera has no 'zom'; did you mean 'zoom'"),
    "multi_prompt": (5, "expected shots, each of the form"),
    "image": (
        object(),
        "expected a path, an http(s) URL, a picture such as PIL's, or the bytes of an image file, got object",
    ),
}


@pytest.mark.parametrize("name", WORDS)
def test_what_cannot_be_read_is_told_in_our_words(name: str) -> None:
    """A value of a wrong kind is answered with what is expected, and not in Python's words."""
    value, words = WORDS[name]
    with pytest.raises(InputError, match=re.escape(words)):
        VideoRequest(**{name: value})
    with pytest.raises(InputError, match=re.escape(words)):
        VideoRequest.from_fields({name: value})


def test_bytes_of_any_kind_are_an_image() -> None:
    """What a buffer holds is an image as bytes are."""
    assert VideoRequest(image=bytearray(b"x")).image == b"x"  # type: ignore[arg-type]


def test_a_request_shows_what_is_set() -> None:
    """What is left to the provider is left out, and an image in memory is its size: thousands of bytes are no text."""
    request = VideoRequest(prompt="a fox", duration=5, image=b"x" * 12_345, extra={"fal": {"seed": 1}})
    said = "prompt='a fox', model='kling-v2-6', duration=5, image=<12,345 bytes>, extra={'fal': {'seed': 1}}"
    assert f"VideoRequest({said})" == repr(request)
    assert "VideoRequest(prompt='', model='kling-v2-6')" == repr(VideoRequest())
