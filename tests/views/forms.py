"""Ways to look into a sweep form without a browser, and images to put into it."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import PIL.Image
import pytest

import kling_nb as kn
from kling_nb.views.form import SweepForm

EVIL = "<img src=x onerror='window.hit=1'>"


def at_once(work: Callable[[], None]) -> None:
    """Do it now, where a form would wait until typing stops."""
    work()


def open_lab(folder: Path, **options: Any) -> kn.Lab:
    """Open a simulated lab that never waits."""
    return kn.Lab(folder, simulate=kn.Simulation(speed=math.inf), **options)


def form_of(lab: kn.Lab) -> SweepForm:
    """Open a form that reads itself at once."""
    return SweepForm(lab, later=at_once)


def inside(widget: Any) -> Iterator[Any]:
    """Yield a widget and all that it holds."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from inside(child)


def is_gone(widget: Any) -> bool:
    """Tell whether a widget is taken out of the page."""
    return "knb-gone" in widget._dom_classes


def visible(widget: Any) -> Iterator[Any]:
    """Yield a widget and all that it shows."""
    if not is_gone(widget):
        yield widget
        for child in getattr(widget, "children", ()):
            yield from visible(child)


def html_of(form: SweepForm) -> str:
    """Return all HTML that a form shows."""
    return "\n".join(w.value for w in visible(form.widget()) if isinstance(w, widgets.HTML))


def button(form: SweepForm, title: str) -> Any:
    """Return the button that says this."""
    return next(w for w in inside(form.widget()) if isinstance(w, widgets.Button) and w.description == title)


def control(form: SweepForm, label: str) -> Any:
    """Return the control with this label."""
    return next(w for w in inside(form.widget()) if getattr(w, "description", None) == label)


def check(form: SweepForm, name: str) -> Any:
    """Return the checkbox with this name for a screen reader, such as ``mode std``."""
    field, _, value = name.partition(" ")
    return control(form, f'<span class="knb-unseen">{field} </span>{value}')


def plan_nothing(*_: Any, **__: Any) -> Any:
    """Fail: nothing was to be planned."""
    pytest.fail("something was planned")


def entries(**given: Any) -> dict[str, Any]:
    """Return entries that make one point, with changes."""
    return {"provider": ("kling",), "model": ("kling-v2-6",), "prompt": "a fox", **given}


def picture(width: int = 640, height: int = 360, kind: str = "PNG") -> bytes:
    """Return an image of one colour."""
    content = io.BytesIO()
    PIL.Image.new("RGB", (width, height), (200, 120, 60)).save(content, kind)
    return content.getvalue()
