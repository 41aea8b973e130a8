"""The comparison without a kernel: the static output that a notebook keeps, and the page to share."""

from __future__ import annotations

import base64
import os
import re
import shutil
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import KlingError, MediaError
from ..space import writing
from .exported import Exported
from .grid import Axis, Grid, Tile

if TYPE_CHECKING:
    import jinja2

HERE = Path(__file__).parent
POSTERS = 48  # with a poster in a notebook; 48 × POSTER_BYTES × 4/3 keeps the output under 600 kB
POSTER_BYTES = 9_000
POSTER_WIDTHS = (200, 120)  # pixels; the second where the first is too large
PAGE_POSTER_WIDTH = 480
THUMBNAILS, THUMBNAIL_SIDE, THUMBNAIL_BYTES = 16, 112, 4_500  # on one axis; pixels, shown at half of that
INPUTS = "inputs"  # where a lab has its images
OTHER_HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # the lone surrogates that stand for no byte of a path

SCRIPTS: Mapping[str, tuple[str, ...]] = {
    "compare": ("widget.js", "keys.js", "grid.js", "clip.js", "stars.js", "player.js", "transport.js", "compare.js"),
    "live": ("widget.js", "keys.js", "live_tiles.js", "live.js"),
    "uncertain": ("widget.js", "keys.js", "uncertain.js"),
    "form_access": ("widget.js", "keys.js", "form_access.js"),
}
"""What each ES module is put together from, in order."""

HIDING = "".join(
    f"""
.{output}:has(.knb-static):has(+ .{output} .knb-live) {{ display: none; }}
.{output}:has(.knb-static) + .{output}:not(:has(.knb-live)) {{ display: none; }}
"""
    for output in ("jp-OutputArea-child", "output_area")
)
"""In JupyterLab and in nbclassic: a living player takes the static output's place; a dead one is not shown at all."""


@dataclass(frozen=True, slots=True)
class Media:
    """What stands in a static tile: posters by tile id (as addresses), and whether clips lie beside the page."""

    posters: Mapping[str, str] = field(default_factory=dict)
    clips: bool = False


@cache
def text_of(name: str) -> str:
    """Return the text of one of the files beside this one."""
    return (HERE / name).read_text(encoding="utf-8")


def script(name: str) -> str:
    """Return one of the `SCRIPTS` as the text of a whole ES module."""
    return "\n".join(map(text_of, SCRIPTS[name]))


def clip_file(lab_folder: Path, clip: str) -> Path:
    """Return the file of a clip, which is given relative to the lab folder.

    Raises `MediaError` for a path that leads out of the folder, and for a file that is not there or cannot be read.
    """
    root = lab_folder.resolve()
    path = (root / clip).resolve()
    if not path.is_relative_to(root):
        message = f"{clip!r} leads out of the lab folder {str(lab_folder)!r}, so it is not shown"
        raise MediaError(message)
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)  # not `is_file`: a folder that may not be entered has none for it
        if is_file:  # what is none may never open, such as a pipe
            path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError):
        is_file = False
    except OSError as error:
        message = f"{clip!r} in the lab folder {str(lab_folder)!r} cannot be read ({error.strerror}); may you read it?"
        raise MediaError(message) from error
    if not is_file:
        message = f"{clip!r} is not in the lab folder {str(lab_folder)!r}; was it moved or deleted?"
        raise MediaError(message)
    return path


def static_html(grid: Grid, lab_folder: Path, *, mark: str) -> str:
    """Return posters and facts as one table: no script, and under 1 MB for any grid that `grid_of` makes.

    ``mark`` is what a live player finds the table by. Everything foreign is escaped.
    """
    style = text_of("style.css") + HIDING
    media = Media(posters=_inline_posters(grid, lab_folder))
    grid = illustrated(_placeless(grid, lab_folder), lab_folder)
    return str(template("page.html").module.table(grid, cells(grid), media, mark, style))  # type: ignore[attr-defined]


def write_page(grid: Grid, lab_folder: Path, out: Path) -> Path:
    """Write a page that needs no kernel, no server and no network; return its ``index.html``.

    ``out`` is a folder, made where it is missing: ``index.html``, ``clips/`` and ``posters/``. Clips that lie there
    already with the same size are not copied again. What earlier exports wrote there and the page no longer names is
    deleted once the page is written; no other file is (`exported`). A clip whose file is missing becomes a tile that
    says so; its copy from an earlier export stays, then and later. Raises `LabUnwritable` where the folder is full or
    may only be read; no file in it is half one.
    """
    from ..media import write_whole

    names, page = _names(grid), out / "index.html"
    files = [name for clip in names.values() for name in (f"clips/{clip}", _poster_name(clip))]
    with writing(out, "fix that, and export again"):
        exported = Exported(out, lab_folder / "clips")
        exported.intend(files)
        tiles = tuple(_exported(tile, lab_folder, out, names) for tile in grid.tiles)
        told = illustrated(_placeless(replace(grid, title=_whole(grid.title), tiles=tiles), lab_folder), lab_folder)
        exported.note(files)
        write_whole(page, page_html(told).encode())
        exported.clear(files)
    return page


def page_html(grid: Grid) -> str:
    """Return the page for a grid whose clips and posters are given relative to the page."""
    from jinja2.utils import htmlsafe_json_dumps

    style = "\n".join(map(text_of, ("style.css", "compare.css", "touch.css", "page.css")))
    values = {"style": style, "script": script("compare"), "grid_json": htmlsafe_json_dumps(grid.to_json())}
    return template("page.html").render(page=True, grid=grid, cells=cells(grid), media=Media(clips=True), **values)


def cells(grid: Grid) -> list[list[list[Tile]]]:
    """Return the tiles by row and column."""
    columns = range(len(grid.x.values) if grid.x else 1)
    rows = range(len(grid.y.values) if grid.y else 1)
    return [[[t for t in grid.tiles if (t.row, t.col) == (row, col)] for col in columns] for row in rows]


@cache
def template(name: str) -> jinja2.Template:
    """Return one of the templates beside this file; whatever is put into it is escaped."""
    import jinja2

    files = jinja2.FileSystemLoader(HERE)
    return jinja2.Environment(loader=files, autoescape=True, undefined=jinja2.StrictUndefined).get_template(name)


def poster_of(path: Path, width: int) -> bytes:
    """Return the first frame of a clip as a JPEG, ``width`` pixels wide; raises `MediaError` if it cannot be read."""
    from ..media import poster

    return poster(path, width=width)


def data_url(jpeg: bytes) -> str:
    """Return a poster as an address that holds it."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def illustrated(grid: Grid, lab_folder: Path) -> Grid:
    """Return a grid whose headings have small pictures of the lab's own images, the first `THUMBNAILS` of an axis."""
    x, y = (axis and _with_pictures(axis, lab_folder / INPUTS) for axis in (grid.x, grid.y))
    return replace(grid, x=x, y=y)


def _with_pictures(axis: Axis, inputs: Path) -> Axis:
    pictures: dict[str, str] = {}
    for value, image in list(axis.images.items())[:THUMBNAILS]:
        with suppress(KlingError, OSError):  # the folder has it no more: the heading has its name too
            pictures[value] = data_url(_thumbnail(image, inputs))
    return replace(axis, images=pictures)


@lru_cache(maxsize=256)
def _thumbnail(image: str, inputs: Path) -> bytes:
    from ..media import thumbnail

    return thumbnail(image, inputs, THUMBNAIL_SIDE, THUMBNAIL_BYTES)


def _inline_posters(grid: Grid, lab_folder: Path) -> dict[str, str]:
    saved = [tile for tile in grid.tiles if tile.clip][:POSTERS]
    found = {tile.id: _small_poster(lab_folder, str(tile.clip)) for tile in saved}
    return {id_: data_url(jpeg) for id_, jpeg in found.items() if jpeg}


def _small_poster(lab_folder: Path, clip: str) -> bytes | None:
    try:
        path = clip_file(lab_folder, clip)
        jpegs = (poster_of(path, width) for width in POSTER_WIDTHS)
        return next((jpeg for jpeg in jpegs if len(jpeg) <= POSTER_BYTES), None)
    except MediaError:
        return None


def _placeless(grid: Grid, lab_folder: Path) -> Grid:
    """Return a grid whose reasons do not say where this machine has its files: it is shown to others."""
    home, real = Path(os.path.expanduser("~")), lab_folder.resolve()  # noqa: PTH111 - of nobody's home `Path` raises
    places = {real: real.name, lab_folder.absolute(): lab_folder.name, home: "~"}
    shown = [(str(place), name) for place, name in places.items() if name and place != place.parent]
    return replace(grid, tiles=tuple(replace(tile, reason=_without(tile.reason, shown)) for tile in grid.tiles))


def _without(text: str, places: Sequence[tuple[str, str]]) -> str:
    """Return text with folders, given with the names to show, named so; the first is the one that counts."""
    for place, name in places:
        text = name.join(re.split(rf"{re.escape(place)}(?![\w.-])", text))
    return text


def _whole(text: str) -> str:
    """Return text with the letters that half characters stand for.

    Python holds the bytes of a path that the system's encoding lacks as lone surrogates. What is no letter becomes
    U+FFFD.
    """
    letters = OTHER_HALVES.sub("\N{REPLACEMENT CHARACTER}", text)
    return letters.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _names(grid: Grid) -> dict[str, str]:
    """Return a file name for each clip, unlike any other."""
    names: dict[str, str] = {}
    for clip in dict.fromkeys(tile.clip for tile in grid.tiles if tile.clip):
        name = Path(clip).name
        names[clip] = name if name not in names.values() else f"{len(names)}-{name}"
    return names


def _exported(tile: Tile, lab_folder: Path, out: Path, names: Mapping[str, str]) -> Tile:
    if tile.clip is None:
        return tile
    name = names[tile.clip]
    try:
        source = clip_file(lab_folder, tile.clip)
    except MediaError as error:
        return replace(tile, clip=None, reason=str(error))
    _copy(source, out / "clips" / name)
    return replace(tile, clip=f"clips/{name}", poster=_write_poster(source, out, _poster_name(name)))


def _poster_name(clip: str) -> str:
    """Return the place of a clip's poster in a page's folder."""
    return f"posters/{Path(clip).stem}.jpg"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and target.stat().st_size == source.stat().st_size:
        return
    part = target.with_name(target.name + ".part")
    try:
        shutil.copyfile(source, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _write_poster(source: Path, out: Path, name: str) -> str | None:
    from ..media import write_whole

    try:
        jpeg = poster_of(source, PAGE_POSTER_WIDTH)
    except MediaError:
        return None
    write_whole(out / name, jpeg)
    return name
