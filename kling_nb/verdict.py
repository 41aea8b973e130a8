"""What a provider would refuse of a request: every rule, and all of its findings at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from .errors import nearest
from .fields import IMAGE_FIELDS, CameraControl, is_url
from .menu import RULED, Model, Rule
from .offer import Problem, Support
from .terms import Terms, is_listed, is_sold

CAMERA_TYPES = ("simple", "down_back", "forward_up", "right_turn_forward", "left_turn_forward")
CAMERA_REACH = 10
CAMERA_SOURCE = "kling.ai document-api text-to-video, read 2026-09-20"


def findings(terms: Terms) -> list[Problem]:
    """Return everything that the provider would refuse, and what is only worth a warning."""
    return [problem for rule in _RULES for problem in rule(terms)]


def _sold(terms: Terms) -> Iterator[Problem]:
    if is_sold(terms):
        return
    request, model, provider = terms.request, terms.request.model, terms.provider.id
    rows = [row for row in terms.menu.rows if row.serves(terms.model)]
    modes = [row.mode for row in rows if row.task == request.task_type]
    if not is_listed(terms):
        listed = (
            f"{provider} lists {_or(terms.provider.models)} only; if it sells more, list them in models= in its row"
        )
        yield Problem("model", model, listed, terms.provider.source)
    elif not rows:
        note = terms.model.note if terms.model else ""
        yield Problem("model", model, f"{provider} does not sell it" + (f": {note}" if note else ""), terms.menu.source)
    elif not modes:
        advice = "leave the image out" if request.task_type == "image2video" else "give an image"
        yield Problem("task_type", request.task_type, f"{provider} sells {model} for {rows[0].task} only: {advice}")
    else:
        others = sorted({row.task for row in rows if row.mode == request.mode})
        there = f" ({request.mode} is there for {_or(others)})" if others else ""
        allowed = f"{provider} sells {model} for {request.task_type} as {_or(modes)} only{there}"
        yield Problem("mode", request.mode, allowed, terms.menu.source)


def _prompt(terms: Terms) -> Iterator[Problem]:
    request = terms.request
    if not request.prompt.strip() and not request.multi_prompt:
        yield Problem(
            "prompt", request.prompt, "a prompt has to say what to show; only shots of multi_prompt replace it"
        )


def _supported(terms: Terms) -> Iterator[Problem]:
    for name in RULED:
        value = getattr(terms.request, name)
        if value is None:
            continue
        match terms.support(name):
            case Support.REFUSED:
                yield Problem(name, shown(name, value), _condition(terms, name), _source(terms, name))
            case Support.INERT:
                why = str(terms.rule(name).get("why", ""))
                yield Problem(name, value, f"has no known effect: {why}", _source(terms, name), warning=True)


def _condition(terms: Terms, name: str) -> str:
    unmet, model = terms.unmet(name), terms.request.model
    if not unmet:
        return terms.rule(name).get("why") or f"{model} does not do this"
    wanted = " and ".join(f"{key}={_or(values)}" for key, values in unmet.items())
    return f"{model} does this only with {wanted}, but it is {_is(terms, unmet)}"


def _is(terms: Terms, unmet: Mapping[str, Any]) -> str:
    return " and ".join(f"{key}={terms.effect(key)}" for key in unmet)


def _allowed(terms: Terms) -> Iterator[Problem]:
    for name in RULED:
        value, rule = getattr(terms.request, name), terms.rule(name)
        if value is None or terms.support(name) in (Support.DROPPED, Support.REFUSED):
            continue
        if name == "mode" and terms.row.mode is not None:
            continue
        for allowed in _limits(name, value, rule):
            yield Problem(name, shown(name, value), f"{allowed} ({terms.request.model})", _source(terms, name))


def _limits(name: str, value: Any, rule: Rule) -> Iterator[str]:
    if "values" in rule and value not in rule["values"]:
        yield f"expected {_or(rule['values'])}"
    if "range" in rule and name != "multi_prompt" and not rule["range"][0] <= value <= rule["range"][1]:
        yield f"expected a number from {rule['range'][0]} to {rule['range'][1]}"
    if "max_chars" in rule and isinstance(value, str) and len(value) > rule["max_chars"]:
        yield f"expected up to {rule['max_chars']} characters, got {len(value)}"


def _camera(terms: Terms) -> Iterator[Problem]:
    camera = terms.request.camera_control
    if camera is None:
        return
    if camera.type not in CAMERA_TYPES:
        allowed = f"the type must be one of {_or(CAMERA_TYPES)}"
    elif camera.type == "simple":
        allowed = _simple(camera, whole=terms.rule("camera_control").get("type") in ("integers", "axes"))
    else:
        allowed = f"{camera.type} takes no moves of its own: only simple does" if camera.moves else ""
    if allowed:
        yield Problem("camera_control", camera.canonical(), allowed, CAMERA_SOURCE)


def _simple(camera: CameraControl, *, whole: bool) -> str:
    moves = camera.moves
    if len(moves) != 1:
        return f"a simple camera needs exactly one non-zero move, got {len(moves)}"
    (name, value), *_ = moves.items()
    if not -CAMERA_REACH <= value <= CAMERA_REACH:
        return f"{name} must be from {-CAMERA_REACH} to {CAMERA_REACH}"
    return f"{name} must be a whole number here" if whole and value != int(value) else ""


def _images(terms: Terms) -> Iterator[Problem]:
    request, ways = terms.request, terms.provider.images
    if request.image_tail is not None and request.image is None and terms.rule("image").get("required"):
        allowed = (
            f"{request.model} at {terms.provider.id} needs image too: it cannot make a video from a last frame alone"
        )
        yield Problem("image_tail", shown("image_tail", request.image_tail), allowed, _source(terms, "image_tail"))
    for name in IMAGE_FIELDS:
        image = getattr(request, name)
        if image is not None and (allowed := _otherwise_given(image, ways)):
            yield Problem(name, shown(name, image), f"{terms.provider.id} {allowed}")


def _otherwise_given(image: Any, ways: Sequence[str]) -> str:
    """Return how an image has to be given instead, in words that follow a provider's name; empty where it may."""
    if not ways:
        return "takes no images"
    if is_url(image):
        return "" if "url" in ways else "takes no URL: give the image as a file"
    return "" if {"base64", "data_uri"} & {*ways} else "takes an image by its http(s) URL only"


def _addresses(terms: Terms) -> Iterator[Problem]:
    """Refuse an address that leads nowhere: a provider would say so late, or after it was paid."""
    for name in (*IMAGE_FIELDS, "callback_url"):
        value = getattr(terms.request, name)
        if isinstance(value, str) and (is_url(value) or name == "callback_url") and not _leads_somewhere(value):
            yield Problem(name, value, "expected an http(s) URL with a host")


def _leads_somewhere(address: str) -> bool:
    try:
        return is_url(address) and bool(urlsplit(address).hostname)
    except ValueError:
        return False


def _exclusive(terms: Terms) -> Iterator[Problem]:
    asked = {**_own(terms), **terms.request.given()}
    for groups in terms.menu.exclusive:
        present = [name for name in (_first(group, asked) for group in groups) if name]
        for name in present[1:]:
            allowed = f"not together with {present[0]}: a video takes one of them"
            yield Problem(name, shown(name, asked[name]), allowed, terms.menu.source)


def _first(names: Sequence[str], asked: Mapping[str, Any]) -> str | None:
    return next((name for name in names if name in asked), None)


def _shots(terms: Terms) -> Iterator[Problem]:
    request = terms.request
    if terms.support("multi_prompt") is Support.REFUSED:
        return
    if request.multi_shot and request.shot_type is None:
        yield Problem("shot_type", None, "multi_shot needs shot_type: customize with multi_prompt, or intelligence")
    for name in ("shot_type", "multi_prompt"):
        value = getattr(request, name)
        if value is not None and not request.multi_shot:
            yield Problem(name, shown(name, value), "needs multi_shot=True")
    if request.shot_type == "customize" and not request.multi_prompt:
        yield Problem("multi_prompt", request.multi_prompt, "shot_type='customize' needs the shots")
    if request.multi_prompt is not None:
        yield from _listed(terms)


def _listed(terms: Terms) -> Iterator[Problem]:
    shots, rule = terms.request.multi_prompt or (), terms.rule("multi_prompt")
    (low, high), most = rule.get("range", (1, 6)), rule.get("max_chars", 512)
    told, total, length = shown("multi_prompt", shots), sum(shot.duration for shot in shots), terms.effect("duration")
    if terms.request.shot_type == "intelligence":
        yield Problem("multi_prompt", told, "belongs to shot_type='customize'; intelligence cuts the prompt itself")
    if not low <= len(shots) <= high:
        yield Problem("multi_prompt", told, f"expected {low} to {high} shots, got {len(shots)}")
    for index, shot in enumerate(shots, start=1):
        if not shot.prompt.strip() or len(shot.prompt) > most:
            yield Problem("multi_prompt", shot.prompt, f"shot {index} needs a prompt of 1 to {most} characters")
        if shot.duration < 1:
            yield Problem("multi_prompt", shot.duration, f"shot {index} must last at least 1 s")
    written = sum(len(f"shot {index}, {shot.duration}, {shot.prompt}; ") for index, shot in enumerate(shots, start=1))
    if written > rule.get("max_total", written):
        yield Problem(
            "multi_prompt", told, f"the shots are written into one prompt of up to {rule['max_total']} characters"
        )
    if shots and length is not None and total != length:
        yield Problem("multi_prompt", told, f"the shots last {total} s together, but duration is {length}")


def _extra(terms: Terms) -> Iterator[Problem]:
    own = dict(_steps(_own(terms)))
    keys = {knob.name: name for name, knob in terms.offer().knobs.items() if knob.support in _SENT} if own else {}
    for key, value in own.items():
        if key in terms.menu.reserved:
            yield Problem(f"extra.{terms.provider.id}.{key}", value, "is filled in by this library and cannot be set")
        elif key in keys:
            yield Problem(f"extra.{terms.provider.id}.{key}", value, f"is the field {keys[key]}: set it there")


def _steps(own: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each key with its value, those inside objects too, by dotted names as knobs have them."""
    for key, value in own.items():
        yield before + key, value
        if isinstance(value, Mapping):
            yield from _steps(value, f"{before}{key}.")


def _costly(terms: Terms) -> Iterator[Problem]:
    rule = terms.rule("sound")
    is_open = terms.request.sound is None and rule.get("fill") is None
    if is_open and rule.get("default") == "on" and terms.support("sound") is Support.TAKEN:
        allowed = f"{terms.provider.id} adds sound if it is left open, which may cost more: set sound to on or off"
        yield Problem("sound", None, allowed, _source(terms, "sound"), warning=True)


_SENT = (Support.TAKEN, Support.INERT)
_RULES: Sequence[Callable[[Terms], Iterator[Problem]]] = (
    _sold, _prompt, _supported, _allowed, _camera, _images, _addresses, _exclusive, _shots, _extra, _costly,
)  # fmt: skip


def unknown_model(terms: Terms, models: Mapping[str, Model]) -> Problem:
    """Return the warning about a model that the catalogue does not know, with those that may be meant."""
    asked = terms.request.model
    meant = [one for one in models.values() if _version(asked) in (_version(one.id), _version(one.title))]
    sold = [one for one in meant if any(row.serves(one) for row in terms.menu.rows)]
    likely = nearest(asked, models, meant=[one.id for one in sold or meant])
    allowed = f"is not in the catalogue, so nothing about it can be checked: {likely}"
    return Problem("model", asked, allowed, warning=True)


def _version(name: str) -> list[str]:
    """Return what tells a model from the others, however its name is written: Kling 2.6, v2-6 and kling-2.6 are one."""
    return [part for part in re.findall(r"[a-z]+|\d", name.lower()) if part not in COMMON]


COMMON = frozenset(("kling", "v", "video", "pro", "std", "standard", "fal", "ai", "text", "image", "to"))
"""Words in model names that do not identify a model: modes, which are a field, and words of fal's endpoints."""


def shown(name: str, value: Any) -> Any:
    """Return a value as a message may show it: an image by its name, records in their plain form."""
    if name in IMAGE_FIELDS:
        return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)[:200]
    if name == "multi_prompt":
        return [f"{shot.duration} s" for shot in value]
    return value.canonical() if isinstance(value, CameraControl) else value


def _own(terms: Terms) -> Mapping[str, Any]:
    return terms.request.extra.get(terms.provider.id, {})


def _source(terms: Terms, name: str) -> str:
    model = terms.model
    return terms.rule(name).get("source") or (f"{model.source}, read {model.read}" if model else terms.menu.source)


def _or(values: Sequence[Any]) -> str:
    """Say the values that are allowed: as a range where whole numbers follow each other."""
    is_run = all(isinstance(value, int) for value in values) and [*values] == [*range(values[0], values[-1] + 1)]
    if is_run and len(values) > 1:
        return f"{values[0]} to {values[-1]}"
    texts = [str(value) for value in values]
    return " or ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))
