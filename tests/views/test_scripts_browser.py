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
    window.traits = traits;
    window.tell = (event, ...values) => [...(heard.get(event) ?? [])].forEach((act) => act(...values));
    window.answer = (message, buffers) => window.tell("msg:custom", message, buffers);
    const send = (message) => {
        if (window.mute) throw new Error("Cannot send"); // as a comm does whose kernel is gone
        window.sent.push(message);
    };
    const model = {
        get: (name) => traits[name],
        send,
        on: (name, act) => heard.set(name, (heard.get(name) ?? new Set()).add(act)),
        off: (name, act) => heard.get(name)?.delete(act),
    };
    const el = document.body.appendChild(document.createElement("div"));
    window.remove = widget.render({ model, el });
}"""
OPEN_AND_CLOSE = """async ([text, traits, times]) => {
    const left = {};
    const count = (name, by) => (left[name] = (left[name] ?? 0) + by);
    const wrap = (object, name, key, by) => {
        const real = object[name];
        object[name] = function (...values) { count(key(values), by); return real.apply(this, values); };
    };
    for (const object of [window, document, document.documentElement]) {
        wrap(object, "addEventListener", ([name]) => name, 1);
        wrap(object, "removeEventListener", ([name]) => name, -1);
    }
    const { default: widget } = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
    wrap(URL, "createObjectURL", () => "blob", 1);
    wrap(URL, "revokeObjectURL", () => "blob", -1);
    for (const Kind of ["IntersectionObserver", "MutationObserver", "ResizeObserver"]) {
        const Real = window[Kind];
        window[Kind] = class extends Real {
            constructor(...values) { super(...values); count(Kind, 1); }
            disconnect() { super.disconnect(); count(Kind, -1); }
        };
    }
    const frames = new Set();
    const [ask, drop] = [requestAnimationFrame, cancelAnimationFrame];
    window.requestAnimationFrame = (act) => { const id = ask((now) => (frames.delete(id), act(now))); frames.add(id); return id; };
    window.cancelAnimationFrame = (id) => (frames.delete(id), drop(id));
    for (let time = 0; time < times; time += 1) {
        const heard = new Map();
        const say = (message, buffers) => [...(heard.get("msg:custom") ?? [])].forEach((act) => act(message, buffers));
        const model = {
            get: (name) => traits[name],
            send: ({ want, id }) => want !== "hello" && setTimeout(say, 0, { got: want, id, parts: 1 }, [new Uint8Array(9)]),
            on: (name, act) => (count(name, 1), heard.set(name, (heard.get(name) ?? new Set()).add(act))),
            off: (name, act) => heard.get(name)?.delete(act) && count(name, -1),
        };
        const el = document.body.appendChild(document.createElement("div"));
        const remove = widget.render({ model, el });
        say({ got: "hello", id: "" });
        while (!el.querySelector("img[src]") && traits.pictured) await new Promise((done) => setTimeout(done, 5));
        remove();
        el.remove();
    }
    await new Promise((done) => setTimeout(done, 100));
    left.frames = frames.size;
    left.elements = document.body.childElementCount;
    return Object.fromEntries(Object.entries(left).filter(([, number]) => number)); }"""
ASKING = [name for name in SCRIPTS if "default { render: inPlace(" in script(name)]
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


@pytest.mark.parametrize("name", ASKING)
def test_a_widget_that_is_cut_off_gives_its_place_back(rendered: Callable[[str], Page], name: str) -> None:
    """Once its kernel was restarted a widget with buttons goes, asking on; a comparison stays, with what it has."""
    page = rendered(name)
    hello = "() => window.answer({ got: 'hello', id: '' })"
    page.evaluate(hello)
    live = page.locator(".knb-live > *")
    assert live.count() == 1

    page.evaluate("() => { window.mute = true; window.tell('comm_live_update'); }")
    page.clock.run_for(120_000)
    assert live.count() == (name == "compare")

    page.evaluate("() => { window.mute = false; }")
    page.clock.run_for(60_000)
    page.evaluate(hello)
    assert live.count() == 1


@pytest.mark.parametrize("name", ASKING)
def test_a_widget_that_is_closed_leaves_nothing_behind(
    new_page: Callable[..., Page], lab_folder: LabFolder, name: str
) -> None:
    """Opened and closed fifty times, with its media, it has no listener, observer, blob or frame of animation left."""
    frame = lab_folder.frame()
    grid = grid_of(frame.assign(task=frame["identity"])).to_json()
    tiles = [{"id": "a", "state": "saved", "label": "a fox", "saved": True}]
    standing = {"parts": [["saved", 1]], "causes": [], "total": 1, "name": "fox", "stage": "finished", "cancels": True}
    told = {
        "grid": grid,
        "tiles": tiles,
        "standing": standing,
        "meanings": {},
        "ratings": {},
        "answer": {},
        "paces": {},
    }
    traits = {name: json.dumps(value) for name, value in told.items()}
    page = new_page()
    page.goto("about:blank")

    pictured = name in ("compare", "live")
    left = page.evaluate(
        OPEN_AND_CLOSE, [script(name), {**traits, "rates": True, "mark": "", "pictured": pictured}, 50]
    )

    assert left == {}
