"""Which files of a page's folder exports wrote: of these, and no others, those that the page no longer names are deleted.

A note in the folder lists them with their sizes. What lay there before the first export that wanted its name, what was
changed since, and what is reached through a link is somebody else's.
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

    In a lab's own folder nothing is noted or deleted: its clips were paid for.
    """

    def __init__(self, out: Path) -> None:
        from ..log import FILE

        self._out = out
        self._is_lab = (out / FILE).exists()
        self._ours = {} if self._is_lab else _still(out, _noted(out / NOTE))
        # Without case, as some disks look for names.
        self._there = {f"{name}/{path.name}".casefold() for name in FOLDERS for path in _within(out / name)}

    def note(self, named: Iterable[str]) -> None:
        """Note the files that this export wrote, beside those of earlier ones; ``named`` are those that it shows.

        Before the page is written: what a crash leaves is then deleted by the next export.
        """
        own = (name for name in named if name in self._ours or name.casefold() not in self._there)
        self._ours |= {name: size for name in own if (size := _size(self._out, name)) is not None}
        self._write()

    def clear(self, named: Iterable[str]) -> None:
        """Delete what exports wrote and the page no longer names."""
        kept = {name.casefold() for name in named}
        for name in [name for name in self._ours if name.casefold() not in kept]:
            (self._out / name).unlink(missing_ok=True)
            del self._ours[name]
        self._write()

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


def _still(out: Path, noted: Mapping[str, Any]) -> dict[str, int]:
    """Return the files that are as they were noted."""
    sizes = {name: _size(out, name) for name in noted if _NAME.fullmatch(name)}
    return {name: size for name, size in sizes.items() if size is not None and size == noted[name]}


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
