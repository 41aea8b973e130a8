"""Hostile words through every view, in a real Chromium: no script runs, nobody is asked, and the words are shown."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import ipywidgets as widgets
import pytest

import kling_nb as kn
from kling_nb.views import live
from kling_nb.views.clip import clip_view
from kling_nb.views.compare import Comparison, grid_of, write_page
from kling_nb.views.form import SweepForm
from kling_nb.views.page import script
from kling_nb.views.standing import MEANINGS, cards, standing
from kling_nb.views.uncertain import Panel
from tests.views import hostile
from tests.views.clips import LabFolder
from tests.views.forms import form_of, inside
from tests.views.hostile import ASKED, LONG, WORDS
from tests.views.test_scripts_browser import RENDER

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.desk import Desk

PROVOKE = """() => {
    for (const one of document.querySelectorAll("details")) one.open = true;
    for (const one of document.querySelectorAll("body *")) {
        for (const kind of ["mouseover", "focus", "pointerenter", "toggle"]) one.dispatchEvent(new Event(kind));
        if (typeof one.focus === "function") one.focus({ preventScroll: true });
    } }"""
"""What a person may do by accident: point at everything, open everything, and go everywhere by the keyboard."""

MADE = """root => [...document.querySelector(root).querySelectorAll(`iframe, base, meta, link, form, math, object, embed,
    svg[onload], [onerror], [onload], [onfocus], [onmouseover], [ontoggle], [srcdoc], [autofocus], [src^=x], [action],
    [href^="javascript" i], script:not([data-own])`)].map(node => node.outerHTML.slice(0, 200))"""
"""Elements and attributes that no view of ours makes."""

TOLD = "root => document.querySelector(root).textContent + [...document.querySelectorAll(`${root} [title]`)].map(n => n.title)"


@pytest.fixture
def quiet(new_page: Callable[..., Page]) -> Callable[[], Page]:
    """Open pages on which a dialogue or a request to anywhere else fails the test."""

    def open_page() -> Page:
        return guarded(new_page(viewport={"width": 1000, "height": 800}))

    return open_page


def guarded(page: Page) -> Page:
    """Fail the test at a dialogue, and at a request to anywhere else."""
    page.on("dialog", lambda dialog: pytest.fail(f"a dialogue: {dialog.message}"))
    page.on("request", lambda request: pytest.fail(request.url) if request.url.startswith(ASKED) else None)
    return page


def check(page: Page, root: str = "body", *, words: tuple[str, ...] = WORDS) -> None:
    """Provoke whatever could run; fail if anything did, if markup was made of words, or if a word is not shown."""
    page.evaluate(PROVOKE)
    page.wait_for_timeout(50)  # what an image's error would start comes after the event loop's turn

    assert page.evaluate("() => window.hit === undefined && location.protocol !== 'javascript:'")
    assert page.evaluate(MADE, root) == []
    told = " ".join(page.evaluate(TOLD, root).split())
    assert [word for word in words if " ".join(word.split()) not in told] == []


def plans(folder: Path) -> kn.Plan:
    """Return a plan of a sweep in which everything that can be a word is one of them."""
    with kn.Lab(folder, simulate=kn.Simulation(speed=math.inf)) as lab:
        sweep = kn.Sweep(
            prompt=[word.replace("{", "{{").replace("}", "}}") for word in WORDS] + ["a {what}"],
            what=["fox", WORDS[3]],
            model=["kling-v1-6", WORDS[0]],
            negative_prompt=WORDS[3],
            extra=[{"kling": {WORDS[0]: WORDS[3]}}],
        )
        return lab.plan(sweep, assume_price=1)


STATIC: dict[str, Callable[[LabFolder], str]] = {
    "a comparison": lambda lab: Comparison(grid_of(hostile.frame(lab), title=WORDS[0]), lab.path)._repr_html_(),
    "a comparison along words": lambda lab: Comparison(
        grid_of(hostile.frame(lab), y="prompt", x="mode"), lab.path
    )._repr_html_(),
    "clips": lambda lab: "".join(
        clip_view(hostile.frame(lab).iloc[[n]], lab.path)._repr_html_() for n in range(len(WORDS))
    ),
    "a run": lambda lab: live.summary_html(hostile.stands(), lab.path, mark="m"),
    "runs at their start": lambda lab: "".join(live.start_html(hostile.stands(words=(word, *WORDS))) for word in WORDS),
    "the uncertain": lambda _: hostile.uncertain()._repr_html_(),
    "a plan": lambda lab: plans(lab.path)._repr_html_(),
    "a point": lambda lab: "".join(point._repr_html_() for point in plans(lab.path)),
    "a table": lambda lab: hostile.frame(lab).to_html(),
}
"""What a saved notebook keeps, by view."""


@pytest.mark.parametrize("view", STATIC)
def test_what_a_notebook_keeps_is_text(quiet: Callable[[], Page], lab_folder: LabFolder, view: str) -> None:
    """Without a kernel and without anybody's sanitiser, a view is words and pictures and does nothing."""
    page = quiet()

    page.set_content(f"<main>{STATIC[view](lab_folder)}</main>")

    # Pandas cuts long cells, and so do tables of plans; a whole word stands in every other place.
    check(page, words=tuple(word for word in WORDS if view not in ("a table", "a plan", "a point") or len(word) < 45))


def test_the_static_page_is_text(quiet: Callable[[], Page], lab_folder: LabFolder, tmp_path: Path) -> None:
    """The page to share shows the words in its title, headings, tiles and details, with scripts and without."""
    grid = grid_of(hostile.frame(lab_folder), y="prompt", title=WORDS[1])
    address = write_page(grid, lab_folder.path, tmp_path / "page").as_uri()
    page = quiet()

    page.goto(address)
    page.wait_for_selector(".knb-ready")

    check(page, "#player")
    assert page.locator("h1").text_content() == WORDS[1] == page.title()


@pytest.mark.parametrize("name", ["compare", "live"])
def test_the_widgets_are_text(quiet: Callable[[], Page], lab_folder: LabFolder, name: str) -> None:
    """The player and the panel make text of what the kernel says, its errors included."""
    stand = hostile.stands()
    trouble = json.dumps({"acted": 1, "said": WORDS[2], "error": WORDS[3]})
    traits = {
        "grid": json.dumps(grid_of(hostile.frame(lab_folder), y="prompt", title=WORDS[0]).to_json()),
        "mark": "m",
        "meanings": json.dumps(dict(MEANINGS)),
        "standing": json.dumps(standing(stand).to_json()),
        "tiles": json.dumps([{**card, "saved": True} for card in cards(stand)]),
        "answer": trouble,
    }
    page = quiet()
    page.goto("about:blank")
    page.evaluate(RENDER, [script(name), traits])

    page.evaluate("() => window.answer({ got: 'hello', id: '' })")
    for word in WORDS:
        page.evaluate(f"word => window.answer({{ got: 'poster', id: word, error: {json.dumps(WORDS[3])} }})", word)

    check(page, ".knb-live")


def test_the_buttons_of_the_uncertain_are_text(quiet: Callable[[], Page]) -> None:
    """The panel of uncertain tasks makes text of every word in a row, a question and an answer."""
    panel = Panel(hostile.uncertain())
    names = ("ways", "head", "left", "rows")
    answers = {word: {"acted": 1, "said": WORDS[2], "error": WORDS[3]} for word in WORDS}
    traits = {**{name: getattr(panel.widget, name) for name in names}, "mark": "m", "answers": json.dumps(answers)}
    script_of_it = str(panel.widget._esm)
    panel.widget.close()
    page = quiet()
    page.goto("about:blank")
    page.evaluate(RENDER, [script_of_it, {**traits, "simulated": True, "trouble": WORDS[1]}])

    page.evaluate("() => window.answer({ got: 'hello', id: '' })")
    for button in page.get_by_role("button", name="accepted as…").all():
        button.click()

    check(page, ".knb-live")


def html_of(form: SweepForm) -> list[str]:
    """Return every piece of HTML that a form hands to the browser."""
    held = list(inside(form.widget()))
    named = [widget.description for widget in held if getattr(widget, "description_allow_html", False)]
    return [*named, *(widget.value for widget in held if isinstance(widget, widgets.HTML))]


def test_the_form_is_text(quiet: Callable[[], Page], tmp_path: Path) -> None:
    """Whatever is typed or preset, every piece of HTML that the form makes shows it as it is."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=math.inf)) as lab:
        form = form_of(lab)
        said = []
        for word in WORDS:
            line = word.replace("\u2028", " ")  # which the form would take for the end of one
            form.set(prompt=line.replace("{", "{{").replace("}", "}}"), name=line, negative_prompt=line)
            said += html_of(form)
            form.set(callback_url=line, image=[f"/nowhere/{line}"])
            said += html_of(form)
            form.set(callback_url=[], image=[])
    page = quiet()

    page.set_content(f"<main>{''.join(said)}</main>")

    check(page, words=tuple(word for word in WORDS if word.isascii() and not set(word) & set("\"'\\{}")))


def test_a_word_without_an_end_bursts_nothing(new_page: Callable[..., Page], lab_folder: LabFolder) -> None:
    """A word of 100 kB is cut or wrapped: a view stays small, and no wider than its window."""
    words = (LONG, *WORDS)
    views = (
        Comparison(grid_of(hostile.frame(lab_folder, words=words[:3]), title="long"), lab_folder.path)._repr_html_(),
        live.summary_html(hostile.stands(words=("fox", "held", LONG[:400])), lab_folder.path, mark="m"),
    )
    for view in views:
        page = new_page(viewport={"width": 700, "height": 600})
        page.set_content(f"<main>{view}</main>")
        assert page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert len(view) < 1_000_000


BEGIN = """
import kling_nb as kn
from tests.views import hostile
words = hostile.WORDS
texts = [word.replace("{", "{{").replace("}", "}}") for word in words]
lab = kn.Lab("hostile", simulate=kn.Simulation(speed=float("inf")))
sweep = kn.Sweep(prompt=[*texts, *(f"{text} #sim:fail" for text in texts[:6])], model="kling-v1-6")
run = lab.start(sweep, name=words[3])
run.wait()
"""
CELLS = (
    BEGIN,
    "lab.plan(sweep)",
    "run",
    "lab.compare(run, y='prompt')",
    "form = lab.form()\nform.set(prompt=texts[3], negative_prompt=words[0], name=words[1])\nform",
    "hostile.uncertain()",
    "lab.generate(words[4])",
)


def test_a_notebook_is_text(desk: Desk) -> None:
    """In JupyterLab, with its Markdown and its mathematics, nothing runs: live, typed into, and opened again as saved."""
    page = guarded(desk.page)
    desk.run(*CELLS, width=1000, height=800)
    page.set_default_timeout(60_000)
    page.wait_for_function("() => document.querySelectorAll('.knb-live').length >= 6")  # two of the run, and one each
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    typed = page.locator(".knb-form textarea").first
    typed.fill(f"{WORDS[3]}\n{WORDS[0]}")
    page.locator(".knb-form pre", has_text="onerror").first.wait_for()

    nothing_ran(page)
    desk.save()
    desk.come_back()
    page.wait_for_selector(".knb-static")

    nothing_ran(page)
    desk.leave()  # with what guarded it


def nothing_ran(page: Page) -> None:
    """Look at all outputs of a notebook: nothing ran, nothing was made, and nothing was set as mathematics."""
    outputs = ".jp-OutputArea-output"
    page.evaluate(f"() => {{ for (const d of document.querySelectorAll('{outputs} details')) d.open = true; }}")
    for output in page.locator(outputs).all():
        output.evaluate("node => node.querySelectorAll('*').forEach(one => one.dispatchEvent(new Event('mouseover')))")
    assert page.evaluate("() => window.hit === undefined")
    bad = f"{outputs} :is(iframe, base, img[onerror], [onfocus], [src=x], a[href^=javascript], [style*='127.0.0.1'], mjx-container)"
    assert page.locator(bad).count() == 0


PLACES = (
    *('<p title="WORD">WORD</p>', "<i title='WORD'></i>", "<a href='WORD'>here</a>"),
    *('<u style="WORD"></u>', "<style>u { color: red; WORD</style>"),
)
"""Where a view might put a word that it took for markup."""


def test_the_words_would_run_if_they_were_markup(new_page: Callable[..., Page]) -> None:
    """Put into a page as markup, most of them run, ask, or make something: the check is one that can fail."""
    from playwright.sync_api import Error

    page, harmless = new_page(), list[str]()
    asked: list[str] = []
    page.route(f"{ASKED}**", lambda route: (asked.append(route.request.url), route.fulfill(status=204)))
    for word in WORDS:
        page.goto("about:blank")
        asked.clear()
        with suppress(Error):  # a page that was led elsewhere is one that did not stay as it was
            page.set_content("".join(PLACES).replace("WORD", word))
            page.evaluate(PROVOKE)
            page.wait_for_timeout(30)
            made = page.evaluate("() => window.hit") or asked or page.evaluate(MADE, "html")
            harmless += [] if made else [word]
    assert len(harmless) < len(WORDS) / 2
