"""What a request says that the table of points has no column of: the comparison tells points apart by it all the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..excerpts import in_words
from .facts import Row

WITHOUT_COLUMN = (
    *("image", "image_tail", "sound", "camera_control", "multi_shot", "shot_type", "multi_prompt", "watermark"),
)
"""Fields of a request without a column; the one named ``sound`` says what a clip was measured to have."""


def with_asked(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return rows with such fields as differ between them, in words, named as variables of a prompt are.

    No variable can have the name of a field. A row without its request, as a person's own frame may be, is left as it is.
    """
    told = [_told(row.get("request")) for row in rows]
    vary = [name for name in WITHOUT_COLUMN if len({one.get(name) for one in told}) > 1]
    return [{**row, **{f"var_{name}": one.get(name) for name in vary}} for row, one in zip(rows, told, strict=True)]


def is_prompts(variable: str) -> bool:
    """Tell whether a column is that of a variable in the prompts, which the prompts tell too."""
    return variable.startswith("var_") and variable.removeprefix("var_") not in WITHOUT_COLUMN


def _told(request: Any) -> dict[str, str]:
    held: Any = None
    with suppress(ValueError):
        held = json.loads(request) if isinstance(request, str) else None
    given: Mapping[str, Any] = held if isinstance(held, Mapping) else {}
    return {name: in_words(given[name]) for name in WITHOUT_COLUMN if given.get(name) is not None}
