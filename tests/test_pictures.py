"""What a person may give for an image: what is sent is what they see, and the same cell again buys nothing."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from labs import CHEAP, Open, ledger, start, sweep

import kling_nb as kn
from kling_nb.errors import InputError

PICTURE = PIL.Image.new("RGB", (640, 360), "teal")
PNG: bytes = PICTURE._repr_png_()  # type: ignore[assignment]


class Shown:
    """As Jupyter's own Image: base64 text, with or without what a notebook should know of it, or nothing."""

    def __init__(self, png: Any, jpeg: Any = None) -> None:
        self._repr_png_ = lambda: png
        self._repr_jpeg_ = lambda: jpeg


class Somewhere:
    """A path of another library."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


def written() -> io.BytesIO:
    """Return a file that a picture was just written into: it stands at its end."""
    file = io.BytesIO()
    file.write(PNG)
    return file


TEXT = base64.b64encode(PNG).decode()
SAME: dict[str, Any] = {
    "bytes": PNG,
    "a memoryview": memoryview(PNG),
    "a picture": PICTURE,
    "a file in memory": written(),
    "an address that holds it": f"data:image/png;base64,{TEXT}",
    "an address in capitals": f"DATA:image/png;base64,{TEXT}",
    "what a notebook shows": Shown(PNG),
    "what it shows as text": Shown(TEXT),
    "what it shows with more": Shown((TEXT, {"width": 5})),
    "a JPEG that it shows": Shown(None, PNG),
}


@pytest.mark.parametrize("what", SAME)
def test_a_picture_is_its_bytes(what: str) -> None:
    """However it is given, and however often it is read."""
    for _ in range(2):
        request = kn.VideoRequest(prompt="fox", image=SAME[what])
        assert PNG == request.image


def test_a_picture_in_memory_is_kept_and_bought_once(simulated: Open) -> None:
    """What a notebook shows of it is what lies in the inputs and is sent; the same cell again buys nothing."""
    lab = simulated()
    for _ in range(2):
        start(lab, sweep("fox", image=PICTURE.copy(), mode="pro")).wait()
        lab.generate("fox", image=PICTURE.copy(), **{**CHEAP, "mode": "pro"})
    assert [f"{hashlib.sha256(PNG).hexdigest()}.png"] == [path.name for path in (lab.folder / "inputs").iterdir()]
    assert PNG == next((lab.folder / "inputs").iterdir()).read_bytes()
    assert 1 == len(ledger(lab))


def test_a_file_stays_where_it_stood() -> None:
    """Reading a person's file does not move it, and does not close it."""
    file = written()
    kn.VideoRequest(prompt="fox", image=file)
    assert (len(PNG), False) == (file.tell(), file.closed)


def test_an_address_keeps_its_own_letters(tmp_path: Path) -> None:
    """The scheme of an address is written small, and nothing else of it; a path of another library is a path."""
    assert "https://X.test/A.png" == kn.VideoRequest(prompt="fox", image="HTTPS://X.test/A.png").image
    assert tmp_path / "a.png" == kn.VideoRequest(prompt="fox", image=Somewhere(tmp_path / "a.png")).image  # type: ignore[arg-type]


WRONG: dict[str, tuple[Any, str]] = {
    "an array": (np.zeros((36, 64, 3), np.uint8), r"PIL\.Image\.fromarray"),
    "a picture without a PNG": (PIL.Image.new("F", (64, 36)), "got Image"),
    "an address of another kind": ("ftp://x.test/a.png", "nothing fetches ftp: addresses"),
    "a file by its address": ("file:///tmp/a.png", "nothing fetches file: addresses"),
    "half a base64": ("data:image/png;base64,iVBORw0KGg", "is not base64"),
    "an empty file": (io.BytesIO(), "got empty file"),
    "a file of text": (io.StringIO("fox"), r"open\(path, 'rb'\)"),
    "a class": (Shown, "got type"),
    "a number": (5, "got int"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_image_says_what_was_expected(what: str) -> None:
    """In one sentence, before anything is planned."""
    given, said = WRONG[what]
    with pytest.raises(InputError, match=said) as caught:
        kn.Sweep(prompt="fox", image=given)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
