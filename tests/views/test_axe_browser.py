"""Every view for a person with a keyboard, a screen reader, a low window, or colours of their own.

axe-core judges names, roles and contrast, in front of JupyterLab's own colours; what it does not look at is tried by
hand. axe-core is a package of ``tests/javascript``; without it only the tests by hand run.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL.Image
import pytest

import kling_nb as kn
from kling_nb.engine.pace import Span
from kling_nb.views import form_face, live, uncertain
from kling_nb.views.clip import clip_view
from kling_nb.views.compare import Comparison, grid_of, write_page
from kling_nb.views.page import script, text_of
from kling_nb.views.standing import MEANINGS, cards, paces, standing
from tests.labs import start, sweep
from tests.views.clips import LabFolder
from tests.views.forms import picture
from tests.views.snapshots import snapshot, tile
from tests.views.test_scripts_browser import RENDER
from tests.views.test_uncertain_jupyterlab import TRAITS

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.desk import Desk

AXE = Path(__file__).parents[1] / "javascript/node_modules/axe-core/axe.min.js"
THEMES = Path(sys.prefix) / "share/jupyter/lab/themes/@jupyterlab"
JUDGE = """async (where) => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const only = where === "html" ? tags : tags.slice(0, -1);
    const { violations, incomplete } = await axe.run(where, { runOnly: { type: "tag", values: only } });
    const doubts = incomplete.filter(({ id }) => id.startsWith("aria"));
    return [...violations, ...doubts].flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target}`)); }"""
FOCUS = "() => document.activeElement.textContent || document.activeElement.tagName"
CUT = "nodes => nodes.map(node => node.scrollHeight > node.clientHeight)"
STANDS = snapshot(
    tiles=(
        tile("a", "saved", clip="a.mp4", label="a fox and an owl and a hare " * 4),
        tile("b", "running", span=Span(10, 200)),
        tile("c", "failed", reason="no"),
        tile("d", "planned"),
    )
)
Judge = Callable[..., list[str]]
OPEN = """
import kling_nb as kn
lab = kn.Lab("forms", simulate=kn.Simulation(speed=float("inf")))
"""
FORMS = {
    "as it opens": "",
    "wrong": "form.set(prompt='a {fox}', image='gone.png', modes=['std', 'pro'], budget='abc', exclude={'mode': 'x'})",
    "camera": "form.set(prompt='a fox', models=['kling-v1'], camera_control=kn.CameraControl(pan=-4)).plan()",
    "shots": "form.set(model='kling-v3', duration=[5, 10], shots=[kn.Shot(prompt=p, duration=3) for p in 'ab'])",
    "images": "form.set(prompt='a fox', mode='pro', image=['fox.png', 'https://example.org/x.png'], image_tail='fox.png')",
    "started": "form.set(prompt='a fox', modes=['std', 'pro']).start().wait()",
}
"""What is done to a form, by the name of the state that it is in then."""
LOOK = "async (theme) => { await jupyterapp.commands.execute('apputils:change-theme', { theme }); }"
SETTLED = """(count) => {
    const shown = (what) => document.querySelectorAll(`.knb-form ${what}`).length;
    return shown(".knb-line [role=status]") === count && shown(".knb-frame img") + shown(".knb-run-pic img") === 4; }"""


@pytest.fixture
def judge() -> Judge:
    """Return what axe-core has to say against a part of a page."""
    if not AXE.exists():
        pytest.skip("needs a package: npm ci --prefix tests/javascript")

    def violations(page: Page, where: str = "html") -> list[str]:
        page.add_script_tag(path=AXE)
        found: list[str] = page.evaluate(JUDGE, where)
        return found

    return violations


@pytest.fixture
def sheet(request: pytest.FixtureRequest, new_page: Callable[..., Page]) -> Page:
    """Open an empty page in the colours of JupyterLab."""
    scheme = getattr(request, "param", "light")
    colours = THEMES / f"theme-{scheme}-extension/index.css"
    if not colours.exists():
        pytest.skip("needs JupyterLab's themes: pip install jupyterlab")
    page: Page = new_page(color_scheme=scheme)
    page.set_content("<!doctype html><html lang=en><body style='background: var(--jp-layout-color0)'></body></html>")
    page.add_style_tag(path=colours)
    return page


@pytest.fixture
def doubtful(simulated: Callable[..., kn.Lab]) -> kn.Lab:
    """Open a lab with a task whose answer was lost."""
    lab = simulated()
    start(lab, sweep("boat #sim:lost", provider="fal"), name="a").wait()
    return lab


@pytest.fixture
def page_folder(lab_folder: LabFolder, tmp_path: Path) -> Path:
    """Write a page of a clip and a failed point."""
    failed = {"state": ["saved", "failed"], "clip": ["clips/a.mp4", None], "reason": ["", "no"]}
    frame = lab_folder.frame(**failed, sound=True, rating=[3.5, None])
    return write_page(grid_of(frame, title="two", simulated=True), lab_folder.path, tmp_path / "page")


def render(page: Page, module: str, traits: dict[str, Any], *sheets: str) -> Page:
    """Render a widget in front of a kernel that has said hello."""
    page.add_style_tag(content="\n".join(map(text_of, ("style.css", *sheets))))
    page.evaluate(RENDER, [module, traits])
    page.evaluate("() => window.answer({ got: 'hello', id: '' })")
    return page


def show_run(page: Page) -> Page:
    """Render the panel of a run."""
    told = {"meanings": dict(MEANINGS), "standing": standing(STANDS).to_json(), "tiles": cards(STANDS)}
    traits = {name: json.dumps(value) for name, value in {**told, "paces": paces(STANDS), "answer": {}}.items()}
    return render(page, script("live"), {**traits, "mark": ""}, "live.css")


@pytest.mark.parametrize(("scheme", "scripts"), [("light", True), ("dark", True), ("dark", False)])
def test_nothing_is_said_against_the_page(
    page_folder: Path, new_page: Callable[..., Page], judge: Judge, scheme: str, *, scripts: bool
) -> None:
    """The static page, with its player, and as the table that stands there where no script runs."""
    if not scripts:
        text = page_folder.read_text().replace('type="module"', 'type="text/plain"')
        page_folder.write_text(text.replace('.classList.add("knb-scripted")', ""))
    page = new_page(color_scheme=scheme)
    page.goto(page_folder.as_uri())

    assert page.locator(".knb-transport").count() == scripts
    assert judge(page) == []


@pytest.mark.parametrize("sheet", ["light", "dark"], indirect=True)
def test_nothing_is_said_against_saved_outputs(
    sheet: Page, doubtful: kn.Lab, lab_folder: LabFolder, judge: Judge
) -> None:
    """What a notebook keeps of a comparison, a run, uncertain tasks and a form."""
    frame = lab_folder.frame(state=["saved", "failed"], clip=["clips/a.mp4", None], reason=["", "no"], model=["a", "b"])
    tables = Comparison(grid_of(frame, x="mode", y="model", title="two", simulated=True), lab_folder.path)._repr_html_()
    runs = live.start_html(snapshot()) + live.summary_html(snapshot(), lab_folder.path, mark="m")
    form = form_face.static_html(form_face.head_html(doubtful.folder, simulated=True), "lab.start(sweep)")
    views = [tables, runs, uncertain.static_html(doubtful.uncertain(), mark="n"), form]
    sheet.evaluate("html => { document.body.innerHTML = html; }", "".join(views))

    assert sheet.locator(".knb-static").count() == 5
    assert judge(sheet, ".knb-static") == []


@pytest.mark.parametrize("sheet", ["light", "dark"], indirect=True)
def test_nothing_is_said_against_the_panels(sheet: Page, doubtful: kn.Lab, judge: Judge) -> None:
    """A run's live panel with its question open, and that of uncertain tasks with an id asked for."""
    show_run(sheet).get_by_role("button", name="Cancel…").click()
    sheet.get_by_text("In full").click()
    panel = uncertain.Panel(doubtful.uncertain())
    traits = {name: getattr(panel.widget, name) for name in TRAITS}
    render(sheet, str(panel.widget._esm), traits, "live.css", "uncertain.css")
    panel.widget.close()
    sheet.get_by_role("button", name="It was accepted as…").click()

    assert judge(sheet, ".knb") == []


@pytest.mark.parametrize("sheet", ["light", "dark"], indirect=True)
def show_stars(page: Page, lab_folder: LabFolder) -> Page:
    """Render a player with stars to give, and some given."""
    frame = lab_folder.frame(task=["t", "u"], rating=[3.5, None])
    player = Comparison(grid_of(frame, title="two"), lab_folder.path, lambda *_: None).widget()
    traits = {name: getattr(player, name) for name in ("grid", "mark", "rates", "ratings")}
    player.close()
    return render(page, script("compare"), traits, "compare.css", "touch.css")


@pytest.mark.parametrize("width", [380, 1000])
def test_each_star_can_be_touched(new_page: Callable[..., Page], lab_folder: LabFolder, width: int) -> None:
    """Under a finger a star is 24 px wide and high at least, on a line of its own; nothing has to be scrolled for it."""
    page = new_page(is_mobile=True, has_touch=True, viewport={"width": width, "height": 900})
    page.set_content("<!doctype html><meta name=viewport content='width=device-width'><body></body>")
    boxes = [one.bounding_box() for one in show_stars(page, lab_folder).locator("[data-star]").all()]
    lines = [box["y"] + box["height"] / 2 for one in page.locator("summary").all() if (box := one.bounding_box())]

    assert 10 == len(boxes)
    assert all(box and min(box["width"], box["height"]) >= 24 and box["x"] + box["width"] <= width for box in boxes)
    assert max(lines) + 20 < min(box["y"] + box["height"] / 2 for box in boxes if box)


def test_nothing_is_said_against_stars(sheet: Page, lab_folder: LabFolder, judge: Judge) -> None:
    """The player with stars to give, some given, and the choice of the best."""
    show_stars(sheet, lab_folder)
    sheet.get_by_role("slider", name="Stars").first.press("ArrowRight")

    assert sheet.get_by_label("Clips to look at").is_visible()
    assert judge(sheet, ".knb") == []


@pytest.fixture
def forms(desk: Desk) -> Iterator[Page]:
    """Open a notebook with a form in each of its states; JupyterLab is light again in the end."""
    (desk.folder / "fox.png").write_bytes(picture(320, 100))
    cells = [f"form = lab.form()\n{work};\nform" for work in FORMS.values()]
    desk.page.route("https://example.org/**", lambda route: route.abort())
    page = desk.run(OPEN, *cells, height=9000)  # what is scrolled away is not looked at
    page.wait_for_function(SETTLED, arg=len(FORMS))
    page.add_style_tag(content="body { height: 100vh }")  # JupyterLab's has no height, so that all seems hidden
    yield page
    page.evaluate(LOOK, "JupyterLab Light")
    desk.leave()  # with the style that it was given


def test_nothing_is_said_against_the_form(judge: Judge, forms: Page) -> None:
    """The form in JupyterLab as it opens, with mistakes, a camera, shots, images, a plan and a run; dark, and narrow."""
    said = {"light": judge(forms, ".knb-form")}
    forms.evaluate(LOOK, "JupyterLab Dark")
    forms.wait_for_selector("[data-jp-theme-light=false]", state="attached")
    said["dark"] = judge(forms, ".knb-form")
    forms.set_viewport_size({"width": 400, "height": 16000})
    said["narrow"] = judge(forms, ".knb-form")

    assert said == {"light": [], "dark": [], "narrow": []}


def test_what_titles_say_is_reached_by_keyboard(sheet: Page) -> None:
    """*In full* tells what the words mean and how far a tile is, cuts nothing off, and keeps JupyterLab's X from the cell."""
    sheet.set_viewport_size({"width": 300, "height": 900})
    page = show_run(sheet)
    told = page.get_by_text("10 s since it was accepted; a clip like this usually takes about 3.3 min")
    cut = page.locator(".knb-run-label", has_text="fox").evaluate_all(CUT)
    assert (told.is_visible(), page.get_by_text(MEANINGS["failed"]).is_visible(), cut) == (False, False, [True])

    summary = page.locator("summary")
    summary.press("x")
    assert summary.get_attribute("data-lm-suppress-shortcuts") is not None
    summary.press("Enter")

    cut = page.locator(".knb-run-label", has_text="fox").evaluate_all(CUT)
    assert (told.is_visible(), page.get_by_text(MEANINGS["failed"]).is_visible(), cut) == (True, True, [False])
    summary.press("Control+s")
    assert summary.get_attribute("data-lm-suppress-shortcuts") is None


def test_a_clip_that_does_not_come_is_told(sheet: Page) -> None:
    """Why a clip cannot be played stands under its tile, not in a tooltip only."""
    page = show_run(sheet)
    page.evaluate("() => window.answer({ got: 'poster', id: 'a', parts: 1 }, [new ArrayBuffer(4)])")

    page.get_by_role("button", name="Play ").click()
    page.evaluate("() => window.answer({ got: 'clip', id: 'a', error: 'the file is gone' }, [])")

    assert page.get_by_role("alert").filter(has_text="the file is gone").is_visible()


def test_the_focus_stays_in_the_panel(sheet: Page) -> None:
    """Pause keeps the focus while the kernel thinks, and heeds no second press; a cancellation hands it to its answer."""
    page = show_run(sheet)

    page.get_by_role("button", name="Pause").press("Enter")
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUS) == "Pause"
    assert page.evaluate("() => window.sent.filter((message) => message.do).length") == 1
    page.get_by_role("button", name="Cancel…").press("Enter")
    assert page.get_by_role("group", name="Cancel the run?").is_hidden()


def test_a_cancellation_is_told_where_the_focus_goes(sheet: Page) -> None:
    """Whoever agrees to cancel by keyboard lands on the line that says what comes of it, which was there before."""
    page = show_run(sheet)
    said = page.locator(".knb-run-said")
    assert said.evaluate("node => node.checkVisibility() && node.role === 'status'")

    page.get_by_role("button", name="Cancel…").press("Enter")
    page.keyboard.press("Enter")

    assert page.evaluate(FOCUS) == said.text_content() == "On its way…"


def test_a_single_clip_is_reached_by_tab(sheet: Page, lab_folder: LabFolder) -> None:
    """The browser's own controls of one clip have a name and are in the order of Tab."""
    grid = clip_view(lab_folder.frame(), lab_folder.path).grid
    render(sheet, script("compare"), {"grid": json.dumps(grid.to_json()), "mark": ""}, "compare.css")

    sheet.keyboard.press("Tab")

    assert sheet.evaluate(FOCUS) == "VIDEO"
    assert sheet.locator("video").get_attribute("aria-label") == "kling-v2-6 · std · 2\xa0s"


def test_the_clock_is_not_read_aloud(page_folder: Path, new_page: Callable[..., Page]) -> None:
    """What changes at every frame is no live region, and what says that a clip has ended is only there when it has."""
    page = new_page()
    page.goto(page_folder.as_uri())

    assert page.locator(".knb-clock").inner_text().endswith(" s")
    assert page.get_by_role("status").filter(has_text=" s").count() == 0
    assert page.locator(".knb-ended").evaluate("node => getComputedStyle(node).visibility") == "hidden"


def test_a_low_window_scrolls_as_a_whole(page_folder: Path, new_page: Callable[..., Page]) -> None:
    """At 400 % of a usual window the clips keep their room, and the page scrolls in one direction."""
    page = new_page(viewport={"width": 320, "height": 256})
    page.goto(page_folder.as_uri())

    hidden = "node => node.scrollHeight - node.clientHeight"
    assert page.locator(".knb-stage").evaluate(hidden) <= 1
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 320


def test_forced_colours_leave_the_scrubber(page_folder: Path, new_page: Callable[..., Page]) -> None:
    """Where a person's own colours rule, the scrubber is still seen."""
    page = new_page(forced_colors="active", reduced_motion="reduce")
    page.goto(page_folder.as_uri())

    picture = PIL.Image.open(io.BytesIO(page.locator(".knb-scrub").screenshot())).convert("RGB")

    assert len(picture.crop((40, 0, picture.width, picture.height)).getcolors() or ()) > 1
