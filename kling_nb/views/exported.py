"""Which files of a page's folder exports wrote: of these, and no others, those that the page no longer names are deleted.

A note in the folder lists them with their sizes, and without one what an export is about to write. What lay there before
the first export that wanted its name, what was changed since, and what is reached through a link is somebody else's. A
clip that the lab has no more stays too: it was paid for, and this may be the last copy.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

NOTE = ".exported.json"
FOLDERS = ("clips", "posters")
_NAME = re.compile(rf"({'|'.join(FOLDERS)})/[^/\\:\0]+")


class Exported:
    """The files beside a page, as they lie there when an export begins; names are relative to the page's folder.

    In a lab's own folder nothing is noted or deleted: its clips were paid for. ``clips`` is where the lab has them.
    """

    def __init__(self, out: Path, clips: Path) -> None:
        from ..log import FILE

        self._out, self._clips = out, clips
        self._is_lab = (out / FILE).exists()
        self._ours: dict[str, int | None] = {} if self._is_lab else _still(out, _noted(out / NOTE))
        # Without case, as some disks look for names.
        self._there = {f"{name}/{path.name}".casefold() for name in FOLDERS for path in _within(out / name)}

    def intend(self, named: Iterable[str]) -> None:
        """Note the files that this export is about to write, beside those of earlier ones.

        Before the first is written: what a crash or a full disk leaves is then deleted by the next export.
        """
        self._ours |= dict.fromkeys(name for name in named if self._may_be_ours(name))
        self._write()

    def note(self, named: Iterable[str]) -> None:
        """Note the files that this export wrote; ``named`` are those that it shows."""
        own = (name for name in named if self._may_be_ours(name))
        self._ours |= {name: size for name in own if (size := _size(self._out, name)) is not None}
        self._write()

    def _may_be_ours(self, name: str) -> bool:
        return name in self._ours or name.casefold() not in self._there

    def clear(self, named: Iterable[str]) -> None:
        """Delete what exports wrote and the page no longer names, but for clips that the lab has no more."""
        last = {name for name in self._ours if name.startswith("clips/") and not self._is_in_lab(Path(name).name)}
        kept = {name.casefold() for name in (*named, *last, *(f"posters/{Path(name).stem}.jpg" for name in last))}
        for name in [name for name in self._ours if name.casefold() not in kept]:
            (self._out / name).unlink(missing_ok=True)
            del self._ours[name]
        self._write()

    def _is_in_lab(self, clip: str) -> bool:
        """Tell whether the lab has a clip, whose name may have a number before it here: another's was the same."""
        return any((self._clips / name).exists() for name in (clip, clip.partition("-")[2]) if name)

    def _write(self) -> None:
        from ..media import write_whole

        if not self._is_lab:
            write_whole(self._out / NOTE, json.dumps(self._ours, indent=0, sort_keys=True).encode())


def _noted(note: Path) -> Mapping[str, Any]:
    """Return what a note says; nothing where there is none, or where it cannot be read."""
    with suppress(OSError, ValueError, RecursionError):
        said = json.loads(note.read_bytes())
        return said if isinstance(said, dict) else {}
    return {}


def _still(out: Path, noted: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the files that are as they were noted, those of an export that did not come to its end included."""
    sizes = {name: _size(out, name) for name in noted if _NAME.fullmatch(name)}
    return {name: size for name, size in sizes.items() if size is not None and noted[name] in (size, None)}


def _size(out: Path, name: str) -> int | None:
    """Return the bytes of a file; `None` for what is no file, and for what lies elsewhere by a link."""
    path = out / name
    with suppress(OSError, ValueError):
        is_here = path.parent.resolve() == out.resolve() / path.parent.name
        found = path.lstat()
        return found.st_size if is_here and stat.S_ISREG(found.st_mode) else None
    return None


def _within(folder: Path) -> Iterable[Path]:
    return folder.iterdir() if folder.is_dir() else ()
