"""What a type checker takes for an image, and what it does not. Nothing runs this: mypy reads it with the package.

Where it should find a mistake and finds none, it calls the comment there unused.
"""

from __future__ import annotations

import io
from pathlib import Path

import PIL.Image

import kling_nb as kn


def requests(binary: Path, words: Path) -> None:
    """Give a request what works for an image, and then a number and a file that is open for text."""
    kn.VideoRequest(image=PIL.Image.new("RGB", (9, 9)), image_tail=io.BytesIO(b"x"))
    kn.VideoRequest(image="https://example.org/a.png", image_tail=binary)
    with binary.open("rb") as file, words.open() as text:
        kn.VideoRequest(image=file, image_tail=bytearray(b"x"))
        kn.VideoRequest(image=text)  # type: ignore[arg-type]
    kn.VideoRequest(image=5)  # type: ignore[arg-type]
