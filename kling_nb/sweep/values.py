"""One name of a sweep: how its values are read, when two of them are the same, which variables they use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from enum import Enum
from numbers import Integral, Real
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import InputError, SweepError
from ..excerpts import as_code
from ..fields import IMAGE_FIELDS, Shot, finite, is_stored, is_url, plain, read_field
from ..letters import whole
from ..request import FIELDS, VideoRequest
from . import prompts

SETTINGS = ("repeats", "exclude", "max_points", "design")
"""A sweep's own keyword arguments; every other is an axis or a fixed value."""

OWN = (*FIELDS, "provider")
"""The names that an axis or a fixed value can have besides prompt variables."""

PROMPTS = ("prompt", "negative_prompt", "multi_prompt")
"""The fields in which ``{name}`` is a variable."""

LEFT_OPEN: Mapping[str, Any] = MappingProxyType({name: getattr(VideoRequest(), name) for name in FIELDS})
"""The value of a field that a sweep does not name."""


def read(name: str, value: Any, *, left_open: bool = False) -> Any:
    """Return one value of a name in its own type; a path becomes text. ``left_open`` lets a variable be `None`.

    Raises `SweepError` naming the field and the value.
    """
    if name in FIELDS:
        return _field(name, value)
    if value is None and (left_open or name == "provider"):
        return None
    try:
        return _text(value) if name == "provider" else _variable(value)
    except TypeError as error:
        held = f"an axis is a list of these{_as_list(value, name)}"
        message = f"{name}={as_code(value)} cannot be read: expected {error}; {held}"
        raise SweepError(message) from None
    except ValueError as error:
        message = f"{name}={as_code(value)} cannot be read: {error}"
        raise SweepError(message) from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        expected = "the id of a provider"
        raise TypeError(expected)
    return whole(str(value))


def _variable(value: Any) -> str | int | float:
    """Read what a variable puts in: a table's own kinds of text and number become Python's, its gaps are none."""
    if isinstance(value, str):
        return whole(str(value))
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")  # an amount keeps its noughts
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    number = finite(value)
    if number is None:
        expected = f"text or a number{', which its .value may be' if isinstance(value, Enum) else ''}"
        raise TypeError(expected)
    return number


def _field(name: str, value: Any) -> Any:
    try:
        read_value = read_field(name, value)
        key(name, read_value)
    except InputError as error:
        hint = f"; a list is an axis, anything else (a tuple too) is one value{_as_list(value, name)}"
        message = str(error) if isinstance(value, str | int | float) else f"{error}{hint}"
        raise SweepError(message) from error
    return read_value.as_posix() if isinstance(read_value, Path) else read_value


def _as_list(value: Any, name: str) -> str:
    """Say how a container of values becomes an axis; iterating a table gives only column names, a picture only rows."""
    is_table = isinstance(value, Mapping) or getattr(value, "ndim", 1) > 1
    is_one = is_table or isinstance(value, str | bytes) or not isinstance(value, Iterable)
    return (
        ""
        if is_one or not _holds(name, value)
        else f": {name}=list(…) varies over what this {type(value).__name__} holds"
    )


def _holds(name: str, value: Iterable[Any]) -> bool:
    """Tell whether an iterable's items can be values of a name; an iterator is not consumed."""
    if name not in FIELDS or not isinstance(value, Sized):
        return True
    with suppress(InputError):
        return [read_field(name, item) for item in list(value)[:1]] != []
    return False


def read_all(name: str, value: Any) -> Any:
    """Return an axis as a list of its values, read, or a fixed value, read; on an axis a gap of a table is `None`."""
    if not isinstance(value, list):
        return read(name, value)
    return [read(name, _without_gap(name, value, place)) for place in range(len(value))]


def _without_gap(name: str, values: Sequence[Any], place: int) -> Any:
    """Return a value of an axis, `None` for a gap in what may be left open; raises `SweepError` for one in a text.

    `lab.df()` has a gap for what was left open, too.
    """
    value = values[place]
    if name in OWN and (name != "prompt" or value is None):
        return None if _is_gap(value) else value
    if value is not None and not _is_gap(value):
        return value
    message = (
        f"{name}={as_code(value)} cannot be read: expected text{'' if name in OWN else ' or a number'}, and value "
        f"{place + 1} of {len(values)} on this axis is a gap; fill it in, or leave its row out of the table, "
        f"df.dropna(subset=[{name!r}])"
    )
    raise SweepError(message)


def _is_gap(value: Any) -> bool:
    """Tell whether a value is what tables hold where nothing stands: NaN, or pandas' NA or NaT."""
    if isinstance(value, Real):
        return bool(value != value)  # noqa: PLR0124 - how NaN is told
    return type(value).__name__ in ("NAType", "NaTType")  # not by pandas, which `frames` alone imports


def key(name: str, value: Any) -> str:
    """Return a value's identity: 5 and 5.0 are one duration; a variable's identity is the text inserted."""
    form = plain(value) if name in OWN or value is None else str(value)
    return json.dumps(form, sort_keys=True, default=_odd)


def _odd(value: Any) -> str:
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else repr(value)


def variables(name: str, value: Any) -> Iterable[str]:
    """Return the names of the variables that a value needs: none, unless it is a prompt."""
    if name not in PROMPTS or value is None:
        return ()
    texts = [shot.prompt for shot in value] if name == "multi_prompt" else [value]
    return dict.fromkeys(word for text in texts for word in prompts.names(text))


def fill(name: str, value: Any, given: Mapping[str, Any]) -> Any:
    """Return a value with its variables filled in."""
    if name not in PROMPTS or value is None:
        return value
    if name == "multi_prompt":
        return tuple(_shot(shot, given) for shot in value)
    return prompts.fill(value, given)


def _shot(shot: Shot, given: Mapping[str, Any]) -> Shot:
    return replace(shot, prompt=prompts.fill(shot.prompt, given))


def move_images(arguments: Mapping[str, Any], move: Callable[[str], str]) -> dict[str, Any]:
    """Return a sweep's arguments with every relative image path moved, in ``exclude`` too."""
    moved = {name: _moved(name, value, move) for name, value in arguments.items()}
    exclude = [{name: _moved(name, value, move) for name, value in c.items()} for c in arguments.get("exclude", ())]
    return {**moved, **({"exclude": exclude} if exclude else {})}


def _moved(name: str, value: Any, move: Callable[[str], str]) -> Any:
    if name not in IMAGE_FIELDS:
        return value
    if isinstance(value, list):
        return [_moved(name, item, move) for item in value]
    is_path = isinstance(value, str) and not is_url(value) and not is_stored(value)
    return Path(move(value)).as_posix() if value and is_path and not Path(value).is_absolute() else value
