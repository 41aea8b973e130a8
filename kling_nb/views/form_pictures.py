"""The images of the sweep form: looked at, measured, and, where they are uploaded, kept in the lab's inputs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .. import media
from ..errors import KlingError
from ..excerpts import in_words
from ..fields import is_stored, is_url

THUMB_SIDE, THUMB_BYTES = 240, 40_000  # pixels
UNNAMED = "bytes"  # the name of what was given in memory


@dataclass(frozen=True)
class Picture:
    """One image: the line it was entered as, its name and facts, why it cannot be used, and what to be warned of.

    ``ref`` is what it is called in the lab's inputs; an address stays itself. ``warned`` are Kling's rules that it
    breaks: warnings only, since what a relay allows is for it to say.
    """

    line: str
    name: str
    ref: str = ""
    facts: str = ""
    wrong: str = ""
    warned: tuple[str, ...] = ()


class Pictures:
    """Reads images by path, by reference or by URL; a file is read again only when it has changed. Notes their names.

    Everything but a URL is taken into ``inputs``, as planning would: the lab keeps an image once, under its hash.
    """

    def __init__(self, inputs: Path, named: dict[str, str]) -> None:
        self._inputs = inputs
        self._named = named
        self._looked: dict[tuple[str, object], Picture] = {}
        self.names: dict[str, str] = {}

    def keep(self, name: str, content: bytes) -> str:
        """Keep an uploaded image and return its reference; raises `MediaError` for what is no image."""
        ref = media.take_in(content, self._inputs)
        self.names[ref] = name
        if name != UNNAMED:
            self._named[ref] = name
        return ref

    def look(self, line: str) -> Picture:
        """Return what an image is; where it cannot be used, the picture says why."""
        key = (line, _stamp(line))
        if key not in self._looked:
            self._looked[key] = self._look(line)
        return self._looked[key]

    def thumb(self, line: str) -> bytes:
        """Return a small JPEG of an image; raises `KlingError` or `OSError` for one that cannot be read."""
        return media.thumbnail(media.take_in(line, self._inputs), self._inputs, THUMB_SIDE, THUMB_BYTES)

    def _look(self, line: str) -> Picture:
        name = self._name(line)
        if is_url(line):
            return Picture(line, name, line, "an address, which the provider fetches")
        try:
            ref = media.take_in(line, self._inputs)
            content, _ = media.image_bytes(ref, self._inputs)
            width, height = media.image_size(ref, self._inputs)
            misfits = media.misfits(ref, self._inputs)
        except (KlingError, OSError) as error:
            return Picture(line, name, wrong=str(error))
        if not is_stored(line):
            self._named[ref] = line
        facts = f"{width} × {height}, {_size(len(content))}"
        return Picture(line, name, ref, facts, warned=misfits)

    def _name(self, line: str) -> str:
        if is_url(line):
            return line
        return self.names.get(line) or (in_words(line) if is_stored(line) else Path(line).name)


def _size(size_bytes: int) -> str:
    kilo = size_bytes / 1024
    if kilo < 1:
        return f"{size_bytes} bytes"
    return f"{kilo:.0f} kB" if kilo < 1024 else f"{kilo / 1024:.1f} MB"


def _stamp(line: str) -> object:
    """Return what changes when a file does; nothing for what is no file."""
    with suppress(OSError, ValueError):
        found = Path(line).expanduser().stat()
        return found.st_mtime_ns, found.st_size
    return None
