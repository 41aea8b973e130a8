"""Small pictures of start images in the headings of a comparison: in the output, in the player and on the page."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from kling_nb import media
from kling_nb.views.compare import Comparison, Grid, grid_of, write_page
from kling_nb.views.page import THUMBNAIL_SIDE, THUMBNAILS, illustrated, static_html
from tests.views.clips import LabFolder

if TYPE_CHECKING:
    from playwright.sync_api import Page

WITH_PICTURES = """() => [...document.querySelectorAll('th img, .knb-colhead img')]
    .map(image => image.checkVisibility() && image.complete && image.naturalWidth)"""


def taken_in(lab: LabFolder, *sizes: tuple[int, int], ending: str = "png", **options: Any) -> list[str]:
    """Keep a picture of each size in the lab; returns their references."""
    inputs = lab.path / "inputs"
    inputs.mkdir(exist_ok=True)
    refs = []
    for shade, size in enumerate(sizes):
        content = io.BytesIO()
        PIL.Image.new("RGB", size, (shade % 256, 80, 160)).save(content, {"jpg": "JPEG"}.get(ending, ending), **options)
        refs.append(media.take_in(content.getvalue(), inputs))
    return refs


def points(lab: LabFolder, images: Sequence[str]) -> pd.DataFrame:
    """Return a point for each image, which the table calls a, b, …; each has one of the lab's clips."""
    clip = [f"clips/{'ab'[n % 2]}.mp4" for n, _ in enumerate(images)]
    asked = [json.dumps({"prompt": "a fox", "image": image}) for image in images]
    names = [f"{chr(97 + n % 26)}{n // 26 or ''}.png" for n, _ in enumerate(images)]
    columns = {"clip": clip, "request": asked, "image": names, "identity": names, "state": "saved", "mode": "std"}
    return pd.DataFrame({**columns, "prompt": "a fox"})


def pictures(grid: Grid, lab: LabFolder) -> dict[str, PIL.Image.Image]:
    """Return the pictures of the columns, by heading."""
    axis = illustrated(grid, lab.path).x
    assert axis is not None
    return {name: decoded(url) for name, url in axis.images.items()}


def decoded(url: str) -> PIL.Image.Image:
    """Return the picture in a ``data:`` address."""
    kind, _, content = url.partition(",")
    assert kind == "data:image/jpeg;base64"
    return PIL.Image.open(io.BytesIO(base64.b64decode(content)))


def test_each_heading_has_its_picture(lab_folder: LabFolder) -> None:
    """Columns and rows, in the static output and in the player, have the very picture that their points begin from."""
    grid = grid_of(points(lab_folder, taken_in(lab_folder, (800, 400), (400, 800))))
    found = pictures(grid, lab_folder)
    assert {"a.png": (112, 56), "b.png": (56, 112)} == {name: picture.size for name, picture in found.items()}
    assert THUMBNAIL_SIDE == 112
    html = static_html(grid, lab_folder.path, mark="m")
    assert 2 == len(re.findall(r'<th [^>]*><img src="data:image/jpeg;base64,[^"]+" height="56"', html))
    live = json.loads(Comparison(grid, lab_folder.path).widget().grid)["x"]
    assert live["images"] == illustrated(grid, lab_folder.path).x.images  # type: ignore[union-attr]
    rows = grid_of(points(lab_folder, taken_in(lab_folder, (800, 400), (400, 800))), y="image")
    assert 2 == static_html(rows, lab_folder.path, mark="m").count('height="56"')


def test_a_picture_is_shown_as_it_is_seen(lab_folder: LabFolder) -> None:
    """A photo that its camera marked as turned is upright, and what is transparent is white."""
    turned = PIL.Image.Exif()
    turned[0x0112] = 6
    photo = taken_in(lab_folder, (800, 400), ending="jpg", exif=turned)
    glass = io.BytesIO()
    PIL.Image.new("RGBA", (400, 400), (0, 0, 0, 0)).save(glass, "PNG")
    refs = [*photo, media.take_in(glass.getvalue(), lab_folder.path / "inputs")]
    upright, white = pictures(grid_of(points(lab_folder, refs)), lab_folder).values()
    assert (56, 112) == upright.size
    assert (255, 255, 255) == white.getpixel((50, 50))


@pytest.mark.parametrize("exif", [b"hello", b"Exif\0\0MM\0*\0\0\0", b"Exif\0\0" + bytes(20)])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_stands_beside_the_pixels_hides_no_picture(lab_folder: LabFolder, kind: str, exif: bytes) -> None:
    """What a program wrote there may be broken: its picture decodes, and was bought with."""
    refs = taken_in(lab_folder, (800, 400), (801, 400), ending=kind, exif=exif)
    assert ["a.png", "b.png"] == [*pictures(grid_of(points(lab_folder, refs)), lab_folder)]


def test_a_deep_picture_keeps_its_greys(lab_folder: LabFolder) -> None:
    """One of 16 bits a pixel is as dark as it is."""
    grey = io.BytesIO()
    PIL.Image.fromarray(np.full((400, 400), 20_000, np.uint16)).save(grey, "PNG")
    inputs = lab_folder.path / "inputs"
    inputs.mkdir()
    refs = [media.take_in(grey.getvalue(), inputs), *taken_in(lab_folder, (400, 400))]
    shade = pictures(grid_of(points(lab_folder, refs)), lab_folder)["a.png"].getpixel((50, 50))
    assert shade == pytest.approx((78, 78, 78), abs=2)


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(b"something else")])
def test_a_picture_that_is_gone_leaves_its_name(lab_folder: LabFolder, change: Callable[[Path], object]) -> None:
    """What the folder has no more, or has changed, is not shown, and nothing fails over it."""
    refs = taken_in(lab_folder, (400, 400), (401, 400))
    change(lab_folder.path / "inputs" / f"{refs[0].removeprefix('sha256:')}.png")
    grid = grid_of(points(lab_folder, refs))
    assert ["b.png"] == [*pictures(grid, lab_folder)]
    assert "a.png" in static_html(grid, lab_folder.path, mark="m")


@pytest.mark.parametrize("request_", [None, "", "no JSON", "[]", '{"image": 5}', '{"image": "https://x.test/a.png"}'])
def test_an_image_that_is_not_the_labs_has_no_picture(lab_folder: LabFolder, request_: str | None) -> None:
    """Nothing is fetched, and a person's own frame may hold anything."""
    frame = points(lab_folder, taken_in(lab_folder, (400, 400), (401, 400))).assign(request=request_)
    assert {} == pictures(grid_of(frame), lab_folder)
    assert {} == pictures(grid_of(frame.drop(columns="request")), lab_folder)


def test_many_pictures_take_little_room(lab_folder: LabFolder) -> None:
    """However many images and however lively, the saved output is under 1 MB."""
    inputs, refs = lab_folder.path / "inputs", []
    inputs.mkdir()
    for n in range(96):
        content = io.BytesIO()
        PIL.Image.effect_noise((300 + n, 300), 120).save(content, "PNG")
        refs.append(media.take_in(content.getvalue(), inputs))
    grid = grid_of(points(lab_folder, refs), x="image")
    assert THUMBNAILS == len(pictures(grid, lab_folder)) < len(refs)
    assert len(static_html(grid, lab_folder.path, mark="m")) < 1_000_000


def test_no_word_is_taken_for_a_picture(lab_folder: LabFolder, new_page: Callable[..., Page]) -> None:
    """Every JavaScript object has a constructor, which is no address of a picture."""
    frame = lab_folder.frame(mode="std", var_w=["constructor", "toString"])
    page = new_page()
    page.goto(write_page(grid_of(frame), lab_folder.path, lab_folder.path / "page").as_uri())
    assert ["constructor", "toString"] == page.locator(".knb-colhead .knb-value").all_inner_texts()
    assert [] == page.evaluate(WITH_PICTURES)


@pytest.mark.parametrize("scripted", [True, False])
def test_a_page_shows_them(lab_folder: LabFolder, new_page: Callable[..., Page], *, scripted: bool) -> None:
    """Without a kernel, a server and even without scripts, half as large as they are kept."""
    grid = grid_of(points(lab_folder, taken_in(lab_folder, (800, 400), (400, 800))))
    page = new_page(java_script_enabled=scripted)
    page.goto(write_page(grid, lab_folder.path, lab_folder.path / "page").as_uri())
    assert [112, 56] == page.evaluate(WITH_PICTURES)
    sizes = "images => images.map(image => [image.width, image.height])"
    assert [[112, 56], [28, 56]] == page.locator("th img, .knb-colhead img").evaluate_all(sizes)
