"""The image fields of the sweep form: typed paths and URLs, uploads, and a preview of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from ..errors import KlingError
from ..fields import is_url, read_field
from .form_fields import Field
from .form_parts import Changed, Text, group, paragraphs, words
from .form_pictures import UNNAMED, Picture, Pictures
from .form_reading import lines_of
from .form_shelf import Offered
from .page import text_of

ACCEPTED = "image/jpeg,image/png,image/webp"
SHOWN_MOST = 12


class Images:
    """Images, one a line: a path, a URL, or the reference that an uploaded one gets in the lab's inputs.

    A line counts when the box is left, so that a path that is half typed is not looked for.
    """

    def __init__(self, field: Field, changed: Changed, pictures: Pictures) -> None:
        self._pictures = pictures
        self._text = Text(field, changed)
        self._text.widget.continuous_update = False
        self.tiles = _tiles_class()(field=field.title.lower(), accepted=ACCEPTED)
        self.tiles.on_msg(self._heard)
        self._trouble = words("knb-trouble")
        self.widget = group([self._text.widget, self.tiles, self._trouble], "knb-images")

    def get(self) -> str:
        """Return what is entered, one image a line."""
        return self._text.get()

    def set(self, values: Any) -> None:
        """Enter images: paths, URLs, references or bytes; raises `MediaError` for bytes that are no image."""
        held = list(values) if isinstance(values, list | tuple) else [] if values is None else [values]
        given = [one if isinstance(one, str) else read_field("image", one) for one in held]
        self._text.set([self._pictures.keep(UNNAMED, one) if isinstance(one, bytes) else one for one in given])

    def offer(self, _: Offered) -> tuple[Any, ...]:
        """Return nothing: what is entered stays, even where it is not used."""
        return ()

    def look(self) -> list[Picture]:
        """Return what the images are."""
        return [self._pictures.look(line) for line in dict.fromkeys(lines_of(self.get()))]

    def show(self) -> None:
        """Show the images that can be used."""
        usable = [picture for picture in self.look() if not picture.wrong]
        self.tiles.pictures = json.dumps([_tile(picture) for picture in usable[:SHOWN_MOST]], ensure_ascii=False)

    def _heard(self, _widget: Any, wish: Any, buffers: Sequence[Any]) -> None:
        """Take a message: ``{"upload": name}`` with bytes, or ``{"thumb": line}`` or ``{"remove": line}``."""
        if not isinstance(wish, dict):
            return
        lines, removed, wanted = lines_of(self.get()), wish.get("remove"), wish.get("thumb")
        if "upload" in wish and buffers:
            self._take(str(wish["upload"]), bytes(buffers[0]))
        elif removed in lines:
            self._text.set([line for line in lines if line != removed])
        elif wanted in lines:
            self._send_thumb(wanted)

    def _take(self, name: str, content: bytes) -> None:
        """Enter an uploaded image as a line of its own, or say that it is none."""
        try:
            ref = self._pictures.keep(name, content)
        except (KlingError, OSError) as error:
            self._trouble.value = f'<div role="alert">{paragraphs("bad", [f"{name}: {error}"])}</div>'
            return
        self._trouble.value = ""
        self._text.set(list(dict.fromkeys([*lines_of(self.get()), ref])))

    def _send_thumb(self, line: str) -> None:
        try:
            self.tiles.send({"line": line}, [self._pictures.thumb(line)])
        except (KlingError, OSError) as error:
            self.tiles.send({"line": line, "error": str(error)}, [])


def _tile(picture: Picture) -> dict[str, Any]:
    return {**asdict(picture), "address": is_url(picture.line)}


@cache
def _tiles_class() -> type[Any]:
    import anywidget
    import traitlets

    class ImageTiles(anywidget.AnyWidget):
        _esm = text_of("form_images.js")
        field = traitlets.Unicode().tag(sync=True)
        accepted = traitlets.Unicode().tag(sync=True)
        pictures = traitlets.Unicode("[]").tag(sync=True)

    return ImageTiles
