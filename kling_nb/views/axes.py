"""Which columns make the rows and columns of a comparison: those that are named, or of those that vary the best ones."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from ..errors import InputError, nearest
from ..excerpts import as_code
from ..fields import IMAGE_FIELDS
from .facts import Row, word

TEXTS = ("template", "prompt")  # these make rows beside another axis, since a row has room for a sentence
AXES = (
    *("mode", "provider", "duration", "aspect_ratio", "cfg_scale", "image", "image_tail", "sound_asked"),
    *("camera_control", "multi_shot", "shot_type", "watermark", "multi_prompt", "negative_prompt"),
)
SOUND = "sound_asked"
LAST_AXES = ("model", *TEXTS)
"""What makes an axis, before the variables of the prompts and after them: of as many values the first one is taken."""

WIDEST = 12  # columns that an axis may take without being asked for


def column(name: str | None, columns: Sequence[str], vary: Container[str]) -> str | None:
    """Return the column of a name: a variable of the prompt and a field go by their own, as the sweep was written."""
    if not isinstance(name, str):  # which `check` tells
        return name
    if name == "sound" and SOUND in vary:
        return SOUND
    return f"var_{name}" if name not in columns and f"var_{name}" in columns else name


def check(x: str | None, y: str | None, columns: Sequence[str]) -> None:
    """Raise `InputError` for a column that is not there, and for one column on both axes."""
    for name in (x, y):
        if name is not None and (not isinstance(name, str) or name not in columns):
            message = f"there is no column {as_code(name)} to compare by; {nearest(str(name), columns)}"
            raise InputError(message)
    if x is not None and x == y:
        message = f"x and y are both {x!r}; a grid needs two different columns, or only one of the two"
        raise InputError(message)


def varying(rows: Sequence[Row]) -> dict[str, int]:
    """Return the columns that could be an axis and have more than one value, with how many they have."""
    present = {name for row in rows for name in row}
    variables = sorted(name for name in present if name.startswith("var_"))
    names = [name for name in (*AXES, *variables, *LAST_AXES) if name in present]
    counts = {name: len({word(name, row.get(name)) for row in rows}) for name in names}
    vary = {name: count for name, count in counts.items() if count > 1}
    if all(row.get("template") == row.get("prompt") for row in rows):
        vary.pop("template", None)  # prompts without variables are what people call prompts
    if "template" in vary or any(name in vary for name in variables):
        vary.pop("prompt", None)  # it only follows from these
    return vary


def _independent(vary: Mapping[str, int], given: Container[str | None], rows: Sequence[Row]) -> dict[str, int]:
    """Return the columns without those that follow from another: beside it they would make a grid of empty cells.

    Of two that follow from each other, the one that says more stays: an image, a prompt, a model, then the others. One
    of many values takes nothing away, since it may make no axis: each value may stand for a clip of its own. A variable
    that only some prompts have makes none: of the others it says nothing.
    """
    some = {name for name in vary if name.startswith("var_") and any(row.get(name) is None for row in rows)}
    values = {name: [word(name, row.get(name)) for row in rows] for name in vary if name in given or name not in some}
    kept: dict[str, int] = {}
    # Only what has more values, or as many, tells those of a column.
    said = (*IMAGE_FIELDS, *TEXTS, "model")
    for name in sorted(values, key=lambda name: (-vary[name], said.index(name) if name in said else len(said))):
        pairs = (
            len({*zip(values[other], values[name], strict=True)}) == count
            for other, count in kept.items()
            if count <= WIDEST
        )
        if name in given or not any(pairs):
            kept[name] = vary[name]
    return {name: count for name, count in vary.items() if name in kept}


def choose(x: str | None, y: str | None, vary: Mapping[str, int], rows: Sequence[Row]) -> tuple[str | None, str | None]:
    """Return the axes: those that are given, and for the others the best of what varies in the rows."""
    vary = _independent(vary, {x, y}, rows)
    free = [name for name in sorted(vary, key=lambda name: vary[name]) if name not in {x, y}]
    if x is None and y is None and len(free) == 1 and vary[free[0]] <= WIDEST:
        return free[0], None  # side by side; the headings of a sole axis have room for a sentence, too
    texts = [name for name in free if name in TEXTS]
    plain = [name for name in free if name not in TEXTS]
    if y is None and texts:
        y = texts[0]
    narrow = [name for name in plain if vary[name] <= WIDEST]
    if x is None and narrow:
        x = narrow[0]
    rest = [name for name in plain if name != x]
    if x is None and y is not None:
        x = next((name for name in texts if name != y and vary[name] <= WIDEST), None)
    return x, (rest[0] if y is None and rest else y)


def told_by(x: str | None, y: str | None) -> set[str | None]:
    """Return the columns that the headings tell; a prompt tells its template, and a template its prompts' text."""
    return {x, y, *(TEXTS if {x, y} & {*TEXTS} else ())}
