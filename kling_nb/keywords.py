"""Errors for misplaced or misspelt keyword arguments: they name the call that takes it, or the nearest keyword.

For a call that does not match a signature Python raises a bare ``TypeError``. `answering` and `answered` raise an error
that lists what the call takes, and keep the signature for ``help`` and tab completion.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from types import FunctionType, MappingProxyType
from typing import Any, TypeVar

from .errors import InputError, nearest

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)

_REQUEST = (
    *("prompt", "model", "mode", "duration", "aspect_ratio", "negative_prompt", "cfg_scale", "camera_control", "image"),
    *("image_tail", "sound", "multi_shot", "shot_type", "multi_prompt", "watermark", "callback_url", "extra"),
)
_SETTINGS = ("fresh", "strict", "share", "assume_price")

TAKES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "kn.Sweep": (*_REQUEST, "provider", "repeats", "exclude", "max_points", "design"),
        "lab.generate": (*_REQUEST, "provider", "sample", "budget", *_SETTINGS),
        "lab.start": ("sweep", "name", "budget", "confirm_above", "show", *_SETTINGS),
        "lab.plan": ("sweep", *_SETTINGS),
        "kn.Lab": ("folder", "simulate", "provider", "keys", "catalog", "providers", "daily_budget"),
        "kn.VideoRequest": _REQUEST,
        "kn.Simulation": ("seed", "speed"),
        "kn.CameraControl": ("type", "horizontal", "vertical", "pan", "tilt", "roll", "zoom"),
        "kn.Shot": ("prompt", "duration"),
        "lab.compare": ("what", "x", "y"),
        "lab.export": ("folder", "what", "x", "y"),
        "lab.spending": ("by",),
        "lab.rate": ("task", "rating", "note"),
        "run.retry": ("uncertain", "stalled", "expired"),
        "run.wait": ("timeout",),
        "sweep.sample": ("n", "seed"),
        "kn.models": ("catalog", "providers"),
        "kn.providers": ("catalog", "providers"),
    }
)
"""The keywords of the calls that a person may mean, the likeliest call first. A test holds it against the calls."""

AS_LIST: Mapping[str, str] = MappingProxyType(
    {"lab.compare": "lab.compare([one, other])", "lab.export": "lab.export(folder, [one, other])"}
)
"""The calls to which a person may give runs one by one, and how they are given."""

MEANT: Mapping[str, str] = MappingProxyType(
    {
        "columns": "x",
        "rows": "y",
        "samples": "repeats",
        "seconds": "duration",
        "length": "duration",
        "resolution": "mode",
        "quality": "mode",
        "ratio": "aspect_ratio",
        "audio": "sound",
        "model_name": "model",
        "image_url": "image",
        "stars": "rating",
        "aspect": "aspect_ratio",
        "negative": "negative_prompt",
        "camera": "camera_control",
        "first_frame": "image",
        "last_frame": "image_tail",
        "api_key": "keys",
    }
)
"""Our name for a word of other tools and of providers, where the spelling is not similar."""

LIKE = 0.7  # how like a known keyword a misspelt one is: *failed* is not *stalled*, which would cost money
LIKELIER = 0.8  # the same of one that is a keyword elsewhere
PLACES_MOST = 3
SHOWN = 4  # keywords in a message that proposes to name a value


def answer(word: str, known: Iterable[str]) -> str:
    """Return a clause that answers a keyword that a call does not know with where it belongs, or the nearest it knows."""
    names, places = list(known), _places(word)
    meant = word if places else MEANT.get(word, word)
    if meant in names:
        return f"did you mean {meant!r}? known: {', '.join(sorted(names))}"
    places = places or _places(meant)
    if not places:
        return nearest(word, names, LIKE)
    belongs = f"{meant}= belongs to {either(places[:PLACES_MOST])}"
    is_misspelt = difflib.get_close_matches(word, names, cutoff=LIKELIER)
    return f"{nearest(word, names, LIKELIER)}; {belongs}" if is_misspelt else belongs


def either(words: Sequence[str]) -> str:
    """Return words as alternatives."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _places(word: str) -> list[str]:
    return [f"{place}(…)" for place, words in TAKES.items() if word in words]


# -- calls that do not fit -----------------------------------------------------------------------------------------


def answering(made: str, held: str, error: type[InputError] = InputError) -> Callable[[C], C]:
    """Let a class answer calls that do not fit; ``made`` is what a person calls it by, ``held`` one of its objects."""

    def all_of(cls: C) -> C:
        for name, value in list(vars(cls).items()):
            if name == "__init__":
                setattr(cls, name, answered(made, error)(value))
            elif isinstance(value, FunctionType) and not name.startswith("_"):
                setattr(cls, name, answered(f"{held}.{name}", error)(value))
            elif isinstance(value, classmethod) and not name.startswith("_"):
                setattr(cls, name, classmethod(answered(f"{made}.{name}", error)(value.__func__)))
        return cls

    return all_of


def answered(here: str, error: type[InputError] = InputError) -> Callable[[F], F]:
    """Let a function that a person calls by the name ``here`` answer a call that does not fit with what it takes."""

    def one(function: F) -> F:
        @wraps(function)
        def asked(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except TypeError:
                slip = _slip(function, here, args, kwargs)
                if slip is None:
                    raise
            finally:
                del args, kwargs  # a traceback that shows local variables must not show a key that was passed
            raise error(slip)

        return asked  # type: ignore[return-value]

    return one


def _slip(function: Callable[..., Any], here: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    """Say why a call does not match a signature; `None` if it matches, so that the function itself raised.

    The message does not show the arguments' values: one may be a key.
    """
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as why:
        own = [one for one in signature.parameters.values() if one.name not in ("self", "cls")]
        bound = len(args) - (len(signature.parameters) - len(own))
        # Values without a name first: beside them a variable of a sweep's prompt looks like a word that nobody knows.
        said = (
            _too_many(here, own, bound) or _unknown(here, own, kwargs) or _missing(own, bound, kwargs) or f"got {why}"
        )
        return f"{here}(…) {said}; nothing was done"
    return None


def _unknown(here: str, own: Sequence[inspect.Parameter], kwargs: Mapping[str, Any]) -> str:
    known = TAKES.get(here) or _named(own)
    word = next((word for word in kwargs if word not in known), None)
    if word is None:
        return ""
    if any(one.kind is one.VAR_POSITIONAL for one in own):
        return f"takes its values without a name, got {word!r}"
    return f"has no {word!r}: {answer(word, known)}" if known or _places(word) else f"takes nothing, got {word!r}"


def _too_many(here: str, own: Sequence[inspect.Parameter], bound: int) -> str:
    places = [one.name for one in own if one.kind is one.POSITIONAL_OR_KEYWORD]
    if bound <= len(places) or any(one.kind is one.VAR_POSITIONAL for one in own):
        return ""
    rest = [f"{name}=…" for name in TAKES.get(here, _named(own)) if name not in places]
    is_open = rest or any(one.kind is one.VAR_KEYWORD for one in own)
    held = (
        f"only {' and '.join(places)} without a name" if places else "nothing without a name" if is_open else "nothing"
    )
    named = f"; write {', '.join(rest[:SHOWN])}{' …' * (len(rest) > SHOWN)}" if rest else ""
    listed = f"; several runs go in a list: {AS_LIST[here]}" if here in AS_LIST else ""
    return f"takes {held}, got {bound} value{'s' * (bound > 1)}{named}{listed}"


def _missing(own: Sequence[inspect.Parameter], bound: int, kwargs: Mapping[str, Any]) -> str:
    left = [one for one in own if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)][bound:]
    lacks = [one.name for one in left if one.default is one.empty and one.name not in kwargs]
    return f"needs {' and '.join(f'{name}=' for name in lacks)}" if lacks else ""


def _named(own: Sequence[inspect.Parameter]) -> list[str]:
    return [one.name for one in own if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
