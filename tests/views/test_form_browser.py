"""Parts of the sweep form in a real Chromium, without a notebook."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import PIL.Image
import pytest

from kling_nb.views.form_fields import MOVES, REACH
from kling_nb.views.page import text_of
from tests.views.test_scripts_browser import RENDER

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

BRAND = (37, 99, 201)  # where there is no JupyterLab, whose own it is otherwise


@pytest.fixture
def pan(new_page: Callable[..., Page]) -> Callable[[float], Locator]:
    """Render the sliders of a camera that pans, and return the one that does."""

    def render(value: float) -> Locator:
        page = new_page()
        page.set_content(f"<!doctype html><style>{text_of('form.css')}</style><body class=knb-form></body>")
        traits = {"axes": [*MOVES.items()], "reach": REACH, "step": 0.5, "moves": {"pan": value}}
        page.evaluate(RENDER, [text_of("form_camera.js"), traits])
        return page.get_by_role("slider", name="camera pan")

    return render


def filled(slider: Locator) -> list[int]:
    """Return where a slider is filled, looked at in every twentieth of its length from -10 on."""
    picture = PIL.Image.open(io.BytesIO(slider.screenshot())).convert("RGB")
    row = [picture.getpixel((picture.width * part // 20, picture.height // 2)) for part in range(20)]
    return [part - REACH for part, colour in enumerate(row) if colour == BRAND]


@pytest.mark.parametrize(
    ("value", "parts"),
    [(0, [0]), (-4, [-4, -3, -2, -1]), (4, [1, 2, 3, 4]), (-10, [*range(-9, 0)]), (10, [*range(1, 10)])],
)
def test_a_slider_is_filled_from_zero(pan: Callable[[float], Locator], value: float, parts: list[int]) -> None:
    """The bar of a signed value begins in its middle, where zero is marked, and ends at the thumb."""
    assert filled(pan(value)) == parts
