"""What points ask for that a plan's tables have no column of anyway: whatever the axes are, the rows show it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..excerpts import in_words, names_of
from ..fields import IMAGE_FIELDS
from ..request import VideoRequest

ASKED: Mapping[str, str] = {
    "negative_prompt": "string",
    "cfg_scale": "Float64",
    "camera_control": "string",
    "image": "string",
    "image_tail": "string",
    "sound": "string",
    "multi_shot": "boolean",
    "shot_type": "string",
    "multi_prompt": "string",
    "watermark": "boolean",
    "callback_url": "string",
    "extra": "string",
}
"""Fields that have a column only where they are set, and their dtypes, in the order of `VideoRequest`."""

Column = Sequence[Any]
"""A field of every point: numbers and truth values as they are, others in words, `None` where it is left open."""


def asked(requests: Sequence[VideoRequest], files: Mapping[str, str]) -> dict[str, Column]:
    """Return each such field that any request sets; ``files`` are the paths that images were given by, by reference."""
    given = [request.canonical() for request in requests]
    columns = {name: [one.get(name) for one in given] for name in ASKED}
    names = names_of([one for field in IMAGE_FIELDS for one in columns[field] if one is not None], files)
    held = {name: values for name, values in columns.items() if any(value is not None for value in values)}
    return {name: _told(name, values, names) for name, values in held.items()}


def varying(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Return the columns that tell points apart."""
    return {name: values for name, values in columns.items() if len(set(values)) > 1}


def _told(name: str, values: Column, names: Mapping[str, str]) -> Column:
    if name in IMAGE_FIELDS:
        return [names.get(value) for value in values]
    if ASKED[name] != "string":
        return values
    words = _as_json if name == "extra" else in_words
    return [None if value is None else words(value) for value in values]


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
