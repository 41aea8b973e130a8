"""The widgets' scripts in a real Chromium, in front of a kernel that is slow to answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from kling_nb.views.compare import grid_of
from kling_nb.views.page import SCRIPTS, script
from tests.views.clips import LabFolder

if TYPE_CHECKING:
    from playwright.sync_api import Page

RENDER = """async ([text, traits]) => {
    const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const { default: widget } = await import(url);
    const heard = new Map();
    window.sent = [];
    window.answer = (message, buffers) => [...(heard.get("msg:custom") ?? [])].forEach((act) => act(message, buffers));
    const model = {
        get: (name) => traits[name],
        send: (message) => window.sent.push(message),
        on: (name, act) => heard.set(name, (heard.get(name) ?? new Set()).add(act)),
        off: (name, act) => heard.get(name)?.delete(act),
    };
    const el = document.body.appendChild(document.createElement("div"));
    window.remove = widget.render({ model, el });
}"""
ASKING = [name for name, files in SCRIPTS.items() if "widget.js" in files]
HELLOS = "() => window.sent.filter((message) => message.want === 'hello').length"


@pytest.fixture
def rendered(new_page: Callable[..., Page], lab_folder: LabFolder) -> Callable[[str], Page]:
    """Render a script on an empty page whose time stands still, with a kernel that has not answered yet."""

    def render(name: str) -> Page:
        page = new_page()
        page.clock.install()
        page.goto("about:blank")
        page.clock.pause_at(page.evaluate("() => Date.now() + 1000"))
        grid = json.dumps(grid_of(lab_folder.frame()).to_json())
        page.evaluate(RENDER, [script(name), {"grid": grid, "mark": "knb-1"}])
        return page

    return render


@pytest.mark.parametrize("name", ASKING)
def test_hello_is_said_until_it_is_answered(rendered: Callable[[str], Page], name: str) -> None:
    """A widget repeats its hello with growing pauses for as long as nobody answers, and no more once it is answered."""
    page = rendered(name)
    assert page.evaluate(HELLOS) == 1

    for pause_ms, said in ((399, 1), (1, 2), (799, 2), (1, 3), (1600, 4), (120_000, 11)):
        page.clock.run_for(pause_ms)
        assert page.evaluate(HELLOS) == said
    assert page.locator(".knb-live").count() == 0

    page.evaluate("() => window.answer({ got: 'hello', id: '' })")
    page.clock.run_for(120_000)
    assert page.evaluate(HELLOS) == 11
    assert page.locator(".knb-live").count() == 1


@pytest.mark.parametrize("name", ASKING)
def test_a_widget_that_is_gone_says_nothing(rendered: Callable[[str], Page], name: str) -> None:
    """Taken away before the kernel has answered, a widget neither asks any more nor appears."""
    page = rendered(name)

    page.evaluate("() => { window.remove(); window.answer({ got: 'hello', id: '' }); }")
    page.clock.run_for(120_000)

    assert page.evaluate(HELLOS) == 1
    assert page.locator(".knb-live").count() == 0
