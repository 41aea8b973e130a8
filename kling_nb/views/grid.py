"""From the table of points to a grid of tiles: frozen records of plain values, and no pandas in sight."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from ..excerpts import excerpt
from ..fields import IMAGE_FIELDS, finite
from ..plan import dollars
from . import axes
from .facts import Row, called, cut, facts_of, flags_of, images_of, reason_of, spent, summary_of, word

Frame = Any
"""A ``pandas.DataFrame`` with (some of) the columns of ``lab.df()``."""

NO_POINTS = "no points: none were started yet (lab.start(sweep) or lab.form() makes some), or a filter left none"
UNSAID = ("negative_prompt", "image_tail", axes.SOUND, "shot_type")
"""Columns whose values do not say what they are of."""
SENTENCES = (*axes.TEXTS, "negative_prompt", "multi_prompt")
SAME = ("model", "mode")  # told once above the tiles where it is the same for all
LABEL_LONGEST = 80  # characters of a prompt on a tile


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: the column's name, its values as words in the order in which they are shown, and what it is called.

    ``images`` are by value: references into the lab's inputs, for whoever draws it the addresses of small pictures.
    """

    name: str
    values: tuple[str, ...]
    label: str = ""
    images: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """One point as it is shown. ``clip`` is its file, relative to the lab folder or the page; lengths in seconds."""

    id: str
    row: int
    col: int
    label: str
    state: str
    reason: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    summary: str = ""
    prompt: str = ""
    seconds: float | None = None
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    sound: bool = False
    flags: tuple[str, ...] = ()
    clip: str | None = None
    poster: str | None = None
    task: str = ""
    rating: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A comparison: at most two axes and the tiles, of which several may share a place (samples).

    ``common`` is the model and the mode where they are the same for all tiles, ``prompt`` that of all where there is but
    one, ``totals`` counts all points by state with their price, ``note`` says what is not shown. ``bare`` is for a
    single clip, which needs no common transport.
    """

    title: str
    simulated: bool
    x: Axis | None
    y: Axis | None
    tiles: tuple[Tile, ...]
    note: str = ""
    common: str = ""
    prompt: str = ""
    totals: str = ""
    bare: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the grid as plain JSON values, as `grid.js` reads them."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def grid_of(
    frame: Frame,
    *,
    x: str | None = None,
    y: str | None = None,
    title: str = "",
    simulated: bool = False,
    most: int = 96,
) -> Grid:
    """Lay the points of a frame out in a grid.

    Parameters
    ----------
    frame
        A DataFrame with columns of ``lab.df()``; any of them may be missing.
    x, y
        The columns that make the grid's columns and rows; a variable's goes by the variable's name too. ``sound`` is
        what was asked for, where that differs between the points, and else what was measured. Left out, they are
        chosen among those that vary and do not follow from each other: a prompt or template makes rows, and the axis
        with fewer values makes columns. One axis alone makes columns, so that its clips stand side by side, unless it
        has too many values.
    title
        What stands above it.
    simulated
        Whether every view of it says SIMULATED.
    most
        How many tiles are shown, the first in the frame's order; ``note`` says how many there are.

    Raises
    ------
    InputError
        For a column that the frame does not have, and for one column on both axes.

    """
    rows = records(frame)
    columns = list(rows[0]) if rows else [str(name) for name in frame.columns]
    vary = axes.varying(rows)
    x, y = axes.column(x, columns, vary), axes.column(y, columns, vary)
    axes.check(x, y, columns)
    x, y = axes.choose(x, y, vary, rows)
    shown = rows[:most]
    across, down = _axis(x, shown), _axis(y, shown)
    note = f"{len(shown)} of {len(rows)} shown" if len(shown) < len(rows) else ""
    tiles = _tiles(shown, across, down, [name for name in vary if name not in axes.told_by(x, y)])
    grid = Grid(title=title, simulated=simulated, x=across, y=down, tiles=tiles, note=note, totals=totals(rows))
    return replace(grid, common=_common(rows, vary), prompt=_prompt(rows))


def records(frame: Frame) -> list[dict[str, Any]]:
    """Return the rows of a frame as mappings of plain values, in which whatever is missing is `None`."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def totals(rows: Sequence[Row]) -> str:
    """Return one line: how many stand in which state, and what was spent; what serves several points counts once."""
    if not rows:
        return NO_POINTS
    clips = [row for row, _ in _once(rows, [None] * len(rows))]
    counts = Counter(map(_state, clips))
    money = sum((spent(row) for row in clips), Decimal(0))
    words = [f"{number} {state}" for state, number in counts.most_common()]
    return " · ".join([*words, *([dollars(money)] if money else [])])


def _once(rows: Sequence[Row], places: Sequence[Any]) -> list[tuple[Row, Any]]:
    """Return the rows with their places, without those of a task that has one in the same place already."""
    first: dict[Any, tuple[Row, Any]] = {}
    for number, (row, place) in enumerate(zip(rows, places, strict=True)):
        first.setdefault((row.get("task") or number, place), (row, place))
    return list(first.values())


def _state(row: Row) -> str:
    """Return the state of a point; a frame that lost that column shows its clips all the same."""
    return str(row.get("state") or ("saved" if row.get("clip") else "planned"))


def _common(rows: Sequence[Row], vary: Iterable[str]) -> str:
    """Say what is the same for all of several tiles, so that it need not stand on each."""
    same = [rows[0].get(name) for name in SAME if name not in {*vary}] if len(rows) > 1 else []
    return " · ".join(cut(str(value)) for value in same if value)


def _prompt(rows: Sequence[Row]) -> str:
    """Return the prompt of all of several tiles, which no heading and no label has then."""
    prompts = {row.get("prompt") for row in rows}
    return cut(str(prompts.pop() or "")) if len(rows) > 1 and len(prompts) == 1 else ""


def _axis(name: str | None, rows: Sequence[Row]) -> Axis | None:
    if name is None or not rows:
        return None
    values = list(dict.fromkeys(row.get(name) for row in rows if row.get(name) is not None))
    if all(isinstance(value, int | float) for value in values):
        values.sort()
    missing = [None] if any(row.get(name) is None for row in rows) else []
    words = dict.fromkeys(word(name, value) for value in [*values, *missing])
    return Axis(name, tuple(words), called(name), images_of(name, rows) if name in IMAGE_FIELDS else {})


def _tiles(rows: Sequence[Row], x: Axis | None, y: Axis | None, others: Sequence[str]) -> tuple[Tile, ...]:
    told = SAME if len(rows) > 1 else {axis.name for axis in (x, y) if axis}
    once = _once(rows, [(_place(y, row), _place(x, row)) for row in rows])
    rows, places = [row for row, _ in once], [place for _, place in once]
    samples = len({row.get("sample") for row in rows}) > 1
    labels = _with_runs(rows, [_label(row, others, samples=samples) for row in rows], places)
    tiles = zip(rows, _ids(rows), labels, places, strict=True)
    return tuple(_tile(row, id_, told, label=label, row=at[0], col=at[1]) for row, id_, label, at in tiles)


def _with_runs(rows: Sequence[Row], labels: Sequence[str], places: Sequence[Any]) -> list[str]:
    """Return labels, with the run where nothing else tells a tile from another run's, as of what was bought again."""
    runs = defaultdict[Any, set[str]](set)
    seen = list(zip(labels, places, strict=True))
    for row, like in zip(rows, seen, strict=True):
        runs[like].add(str(row.get("run") or ""))
    ends = [cut(str(row.get("run") or "")) if len(runs[like]) > 1 else "" for row, like in zip(rows, seen, strict=True)]
    return [" · ".join(filter(None, parts)) for parts in zip(labels, ends, strict=True)]


def _place(axis: Axis | None, row: Row) -> int:
    return axis.values.index(word(axis.name, row.get(axis.name))) if axis else 0


def _label(row: Row, others: Iterable[str], *, samples: bool) -> str:
    """Return what tells a tile apart; what it does not have is left out: a dash would not say what it stands for."""
    words = [_in_label(name, row[name]) for name in others if row.get(name) not in (None, "")]
    return " · ".join([*words, *([f"sample {row.get('sample')}"] if samples else [])])


def _in_label(name: str, value: Any) -> str:
    """Return a value as a label has it, with its name where it would not say by itself what it is."""
    words = word(name, value)
    is_bare = isinstance(value, int | float) and name != "duration"
    named = f"{called(name)} {words}" if is_bare or name in UNSAID else words
    return excerpt(named, LABEL_LONGEST) if name in SENTENCES else cut(named)


def _ids(rows: Sequence[Row]) -> list[str]:
    """Return an id for each row: its identity where it has one, and never the same twice."""
    seen: Counter[str] = Counter()
    ids = []
    for number, row in enumerate(rows, 1):
        own = str(row.get("identity") or row.get("task") or f"tile-{number}")
        seen[own] += 1
        ids.append(own if seen[own] == 1 else f"{own}.{seen[own]}")
    return ids


def _tile(point: Row, id_: str, told: Iterable[str], **place: Any) -> Tile:
    state = _state(point)
    return Tile(
        id=id_,
        **place,
        state=state,
        reason=reason_of(point, state),
        facts=facts_of(point),
        summary=summary_of(point, told),
        prompt=str(point.get("prompt") or ""),
        seconds=point.get("seconds"),
        fps=point.get("fps"),
        width=point.get("width"),
        height=point.get("height"),
        sound=bool(point.get("sound") is True or point.get("sound") == "on"),
        flags=flags_of(point.get("flags")),
        clip=point.get("clip"),
        task=str(point.get("task") or ""),
        rating=finite(point.get("rating")),
    )


def judged(tile: Tile, rating: Any, note: str | None) -> Tile:
    """Return a tile with a rating, which an ellipsis leaves as it is, and a note, if one is given."""
    rated = tile if rating is ... else replace(tile, rating=finite(rating))
    if note is None:
        return rated
    others = (fact for fact in tile.facts if fact[0] != "note")
    return replace(rated, facts=(*others, *([("note", cut(note))] if note else [])))


def _plain(value: Any) -> Any:
    """Return tuples as lists and numpy's numbers as Python's, all the way down."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value
