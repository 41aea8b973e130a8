"""How a run is told, its static output, and what stands behind a panel: everything but kernel and browser."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kling_nb as kn
from kling_nb.engine.pace import Span
from kling_nb.engine.seen import SeenRun
from kling_nb.errors import KlingError
from kling_nb.states import TaskState
from kling_nb.views.live import Panel, panel, show, start_html, summary_html
from kling_nb.views.standing import MEANINGS, ORDER, cards, paces, standing, telling
from kling_nb.views.ticker import Ticker, begin, step_s
from tests.views.clips import LabFolder
from tests.views.snapshots import EVIL, Staged, snapshot, tile

PATIENCE_S = 30
SWEEP = {"prompt": "a red fox", "model": "kling-v1-6", "mode": ["std", "pro"], "duration": 5}


@pytest.fixture
def panels() -> Iterator[Callable[..., Panel]]:
    """Make panels of staged runs; their widgets are closed at the end."""
    made: list[Panel] = []

    def make(run: Any, folder: Path) -> Panel:
        made.append(Panel(run, folder))
        return made[-1]

    yield make
    for one in made:
        one.widget.close()


def until(sought: Callable[[], bool], *, widget: Any, trait: str) -> None:
    """Wait until something holds, looked at whenever a trait changes; fails when it never does."""
    holds = threading.Event()
    widget.observe(lambda _change: sought() and holds.set(), trait)
    assert sought() or holds.wait(PATIENCE_S)


# -- words -------------------------------------------------------------------------------------------------------


def test_every_state_has_its_place_and_its_meaning() -> None:
    """The bar's order and the meanings name each state once."""
    assert sorted(TaskState) == sorted(ORDER) == sorted(MEANINGS)


def test_money_is_told_in_one_line() -> None:
    """What is spent, what may still be charged, and the ceiling."""
    assert standing(snapshot()).money == "$3.20 spent · $1.40 reserved of $25"
    assert standing(snapshot(spent=Decimal(0), reserved=Decimal(0), budget=None)).money.replace(".00", "") == "$0 spent"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (3, "a few seconds left"),
        (12, "about 10 s left"),
        (94, "about 90 s left"),
        (200, "about 3 min left"),
    ],
)
def test_the_time_left_is_told_roughly(seconds: float | None, words: str) -> None:
    """An estimate is rounded so that it can be read, and left out where there is none."""
    assert words == standing(snapshot(left_s=seconds)).left


@pytest.mark.parametrize(
    ("changes", "stage", "moving"),
    [
        ({}, "running", True),
        ({"state": "paused"}, "paused, still fetching", True),
        ({"state": "cancelled", "is_moving": False, "counts": {"saved": 1, "cancelled": 3}}, "cancelled", False),
        ({"state": "cancelled", "counts": {"queued": 1, "cancelled": 3}}, "cancelled, still fetching", True),
        ({"state": "paused", "is_moving": False, "counts": {"queued": 1, "planned": 3}}, "paused", False),
        ({"state": "at rest", "counts": {"saved": 4}}, "finished", False),
        ({"state": "at rest", "counts": {"saved": 3, "uncertain": 1}}, "needs a look", False),
        ({"state": "at rest", "counts": {"saved": 3, "queued": 1}}, "stopped", False),
        ({"state": "at rest", "counts": {"planned": 4}, "held": "no key"}, "waiting", False),
    ],
)
def test_the_stage_is_told_in_a_word_or_two(changes: dict[str, Any], stage: str, *, moving: bool) -> None:
    """A run moves as long as something that was sent is on its way, even paused or cancelled."""
    stands = standing(snapshot(**changes))

    assert (stage, moving) == (stands.stage, stands.moving)


@pytest.mark.parametrize(
    ("changes", "buttons"),
    [
        ({}, "pause cancel"),
        ({"counts": {"running": 4}}, "cancel"),
        ({"state": "paused"}, "resume cancel"),
        ({"state": "at rest", "counts": {"planned": 4}, "held": "no key"}, "resume cancel"),
        ({"state": "cancelled", "counts": {"running": 4}}, ""),
        ({"state": "at rest", "counts": {"saved": 2, "failed": 2}}, ""),
    ],
)
def test_only_buttons_that_do_something_are_offered(changes: dict[str, Any], buttons: str) -> None:
    """Pause where something is not sent yet, resume where it waits for that, cancel until all is over."""
    stands = standing(snapshot(**changes))

    offered = {"pause": stands.pauses, "resume": stands.resumes, "cancel": stands.cancels}
    assert buttons.split() == [name for name, is_offered in offered.items() if is_offered]


def test_a_hold_is_no_cause() -> None:
    """What holds a run back is told by itself, not among what went wrong."""
    stands = standing(snapshot(held="paused", causes=(("paused", 3), ("no", 1))))

    assert (stands.held, stands.causes) == ("paused", (("no", 1),))


def test_what_is_not_shown_is_told() -> None:
    """A run with more points than tiles says how many of them are shown."""
    assert (standing(snapshot(total=200)).note, standing(snapshot(total=3)).note) == ("3 of 200 shown", "")


@pytest.mark.parametrize(
    ("span", "said", "share"),
    [
        (Span(0.0, 60.0), "0 of ~60 s", 0.0),
        (Span(41.6, 62.4), "42 of ~62 s", 0.67),
        (Span(80.0, 60.0), "80 of ~60 s", None),
        (Span(200.0, 60.0), "3.3 min of ~60 s", None),
        (Span(9.2, 360.0), "9 s of ~6 min", 0.03),
        (Span(120.0, 360.0), "2 min of ~6 min", 0.33),
    ],
)
def test_how_far_a_tile_is(span: Span, said: str, share: float | None) -> None:
    """Its age beside the usual time, in seconds or in minutes; a share of that only while it is less."""
    told = paces(snapshot(tiles=(tile("a", "saved"), tile("b", "running", span=span))))

    assert ["b"] == list(told)
    assert (said, share) == (told["b"]["said"], told["b"].get("share"))


def test_labels_leave_out_what_is_the_same_in_all() -> None:
    """A tile's label is what tells it apart."""
    assert telling(["kling · std · 5 s", "kling · pro · 5 s"]) == ["std", "pro"]
    assert telling(["kling · std"] * 2) == ["kling · std"] * 2


def test_a_label_has_all_in_which_points_differ(tmp_path: Path) -> None:
    """Whatever a sweep varies stands on the tiles: a ratio, a camera, a field that some leave open, a prompt's end."""
    scene = "a red fox runs through deep snow at golden hour, "
    camera = [kn.CameraControl(type="down_back"), kn.CameraControl(pan=-5)]
    axes = {"prompt": [f"{scene}handheld", f"{scene}on a crane"], "aspect_ratio": ["16:9", "9:16"]}
    sweep = kn.Sweep(model="kling-v1", mode="std", camera_control=camera, cfg_scale=[0.3, None], **axes)
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=float("inf"))) as lab:
        labels = [card["label"] for card in cards(lab.start(sweep, show=False).wait().snapshot())]

    assert 16 == len(set(labels))
    assert f"9:16 · cfg_scale — · camera_control simple, pan -5 · {scene}on a crane" in labels


def test_a_label_says_which_sample_it_is_of(tmp_path: Path) -> None:
    """Repeats of a point are told apart by the number that the column ``sample`` has, also by whoever only reads the lab."""
    sweep = kn.Sweep(prompt=["a fox", "a boat"], model="kling-v2-6", mode="std", duration=5, repeats=2)
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=float("inf"))) as lab:
        run = lab.start(sweep, name="twice", show=False).wait()
        seen = SeenRun(lab._opened, "twice", simulated=True)
        told = [[card["label"] for card in cards(one.snapshot())] for one in (run, seen)]

    assert told == [["sample 1 · a fox", "sample 2 · a fox", "sample 1 · a boat", "sample 2 · a boat"]] * 2


@given(st.lists(st.text(alphabet="ab ·", max_size=12), max_size=6))
def test_labels_stay_apart(labels: list[str]) -> None:
    """However labels are shortened, two that differed still differ."""
    assert len(set(labels)) == len(set(telling(labels)))


# -- static ------------------------------------------------------------------------------------------------------


def test_the_static_output_of_a_start_depends_on_no_timing(lab_folder: LabFolder) -> None:
    """Whatever has happened since, what the starting cell keeps is the same."""
    later = snapshot(counts={"saved": 4}, state="at rest", spent=Decimal(9), left_s=None, tiles=(), causes=())

    assert start_html(snapshot()) == start_html(later)
    assert "4 points · budget $25" in start_html(later)


def test_everything_foreign_is_escaped(lab_folder: LabFolder) -> None:
    """Markup in names, labels, reasons and causes is shown as text in both static outputs."""
    bad = tile(EVIL, "failed", label=EVIL, reason=EVIL)
    evil = snapshot(name=EVIL, held=EVIL, causes=((EVIL + "!", 1),), tiles=(bad, tile("b", "saved", label="x")))

    for html in (start_html(evil), summary_html(evil, lab_folder.path)):
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html
        assert "{{7*7}}" in html


def test_a_summary_shows_counts_money_causes_and_posters(lab_folder: LabFolder) -> None:
    """The static output of a run as it stands says what the panel says, with a poster for what is saved."""
    html = summary_html(snapshot(), lab_folder.path)

    for words in ("SIMULATED", "<b>1</b> saved", "$3.20 spent", "<b>1 ×</b> kling (content policy): no", "about 2 min"):
        assert words in html
    assert html.count("data:image/jpeg;base64,") == 1
    assert "<script" not in html


@pytest.mark.parametrize("clip", ["clips/gone.mp4", "../secret.mp4"])
def test_a_clip_that_cannot_be_read_has_no_poster(lab_folder: LabFolder, clip: str) -> None:
    """A summary survives a clip that was deleted or leads out of the lab folder."""
    html = summary_html(snapshot(tiles=(tile("a", "saved", clip=clip),)), lab_folder.path)

    assert "data:image" not in html


@pytest.mark.parametrize(("planned", "said"), [(2, ">2 not sent: it moved<"), (0, ">it moved<")])
def test_what_holds_a_run_is_said_without_anything_unsent_too(planned: int, said: str) -> None:
    """A run that another process drives by now says so, whether or not something of it was left to be sent."""
    counts = {"running": 2} | ({"planned": planned} if planned else {})
    assert said in summary_html(snapshot(counts=counts, held="it moved", tiles=()), ".")


def test_a_summary_by_itself_hides_nothing() -> None:
    """Without a mark no live panel is expected, so the rule that hides what follows a static output stays away."""
    assert 'class="knb knb-run ' in summary_html(snapshot(tiles=()), ".")
    assert 'class="knb-static knb-run tex2jax_ignore mathjax_ignore" data-knb="m"' in summary_html(
        snapshot(tiles=()), ".", mark="m"
    )


def test_a_finished_run_is_told_the_same_every_time(tmp_path: Path) -> None:
    """Two labs with the same seed give the same static output, byte for byte, so that a notebook re-checks."""
    told = []
    for name in ("one", "two"):
        with kn.Lab(tmp_path / name, simulate=kn.Simulation(speed=float("inf"))) as lab:
            run = lab.start(kn.Sweep(**SWEEP), name="fox", budget=25, show=False).wait(PATIENCE_S)
            told.append(summary_html(run.snapshot(), lab.folder))

    assert told[0] == told[1]
    assert "<b>2</b> saved" in told[0]


def test_nothing_is_displayed_outside_a_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no kernel, showing a run does nothing."""
    show(Staged([snapshot()]), ".")  # type: ignore[arg-type]

    assert capsys.readouterr() == ("", "")


# -- live --------------------------------------------------------------------------------------------------------


def test_the_panel_of_a_real_run_comes_to_its_end(tmp_path: Path) -> None:
    """A panel made while a run is under way says by itself when it has finished, and which clips are there."""
    with kn.Lab(tmp_path, simulate=kn.Simulation(speed=float("inf"))) as lab:
        run = lab.start(kn.Sweep(**SWEEP), name="fox", show=False)
        widget = panel(run, lab.folder)
        until(lambda: json.loads(widget.standing)["stage"] == "finished", widget=widget, trait="standing")
        widget.close()

    assert [card["saved"] for card in json.loads(widget.tiles)] == [True, True]


def test_traits_are_small_and_hold_no_media(lab_folder: LabFolder, panels: Callable[..., Panel]) -> None:
    """48 tiles with long reasons stay under 30 kB of JSON, and no trait holds bytes."""
    tiles = tuple(tile(str(n), "failed", reason="no " * 1000, clip="clips/a.mp4") for n in range(48))
    state = panels(Staged([snapshot(tiles=tiles, total=48)]), lab_folder.path).widget.get_state()

    assert not any(isinstance(value, bytes | memoryview) for value in state.values())
    assert len(state["tiles"] + state["standing"]) < 30_000


@pytest.mark.parametrize("name", ["pause", "resume", "cancel"])
def test_a_button_does_what_it_says(lab_folder: LabFolder, panels: Callable[..., Panel], name: str) -> None:
    """A message of the panel calls the run, once, and the answer names the message."""
    run = Staged([snapshot()])
    widget = panels(run, lab_folder.path).widget

    widget._handle_custom_msg({"do": name, "n": 3}, [])

    until(lambda: json.loads(widget.answer)["acted"] == 3, widget=widget, trait="answer")
    assert [name] == run.done


@pytest.mark.parametrize(
    ("trouble", "words"), [(KlingError("the lab is closed"), "the lab is closed"), (ValueError("x"), "ValueError: x")]
)
def test_an_error_lands_under_the_panel(
    lab_folder: LabFolder, panels: Callable[..., Panel], trouble: Exception, words: str
) -> None:
    """What goes wrong in a button is told in the panel, not in a log that nobody reads."""
    widget = panels(Staged([snapshot()], trouble=trouble), lab_folder.path).widget

    widget._handle_custom_msg({"do": "cancel", "n": 1}, [])

    until(lambda: json.loads(widget.answer)["error"] == words, widget=widget, trait="answer")


def test_an_unknown_action_is_answered_with_the_known_ones(lab_folder: LabFolder, panels: Callable[..., Panel]) -> None:
    """Nothing but pause, resume, cancel and retry can be reached from the browser."""
    widget = panels(Staged([snapshot()]), lab_folder.path).widget

    widget._handle_custom_msg({"do": "wait", "n": 1}, [])

    until(lambda: "known: cancel, pause, resume, retry" in widget.answer, widget=widget, trait="answer")


@pytest.mark.parametrize("want", ["poster", "clip"])
@pytest.mark.parametrize("wish", [{"id": "b"}, {"id": "../x"}, {}])
def test_only_media_of_the_panel_are_given(
    lab_folder: LabFolder, panels: Callable[..., Panel], wish: dict[str, str], want: str
) -> None:
    """A wish for anything that is no saved tile of this run is answered in words, without bytes."""
    one = panels(Staged([snapshot()]), lab_folder.path)
    sent: list[tuple[Any, Any]] = []
    one.widget.send = lambda content, buffers=None: sent.append((content, buffers))

    one.widget._handle_custom_msg({"want": want, **wish}, [])

    [(message, buffers)] = sent
    assert (message["got"], buffers) == (want, [])
    assert "is not" in message["error"]


def test_a_clip_comes_when_a_tile_asks_for_it(lab_folder: LabFolder, panels: Callable[..., Panel]) -> None:
    """The bytes of a saved tile's clip are sent by message, in parts that are counted."""
    one = panels(Staged([snapshot()]), lab_folder.path)
    sent: list[tuple[Any, Any]] = []
    one.widget.send = lambda content, buffers=None: sent.append((content, buffers))

    one.widget._handle_custom_msg({"want": "clip", "id": "a"}, [])

    assert b"".join(buffers[0] for _, buffers in sent) == (lab_folder.path / "clips/a.mp4").read_bytes()
    assert {message["parts"] for message, _ in sent} == {len(sent)}


def test_closing_the_widget_ends_its_thread(lab_folder: LabFolder) -> None:
    """A panel that is closed looks no more."""
    one = Panel(Staged([snapshot()]), lab_folder.path)  # type: ignore[arg-type]
    thread = one._ticker.thread
    assert thread is not None

    one.widget.close()

    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_run_that_cannot_be_seen_is_told(lab_folder: LabFolder, panels: Callable[..., Panel]) -> None:
    """When a look at the run fails, the panel says so and stays."""
    run = Staged([snapshot()])
    one = panels(run, lab_folder.path)
    run.scenes = []

    one._ticker.nudge()

    until(lambda: "can no longer be shown" in one.widget.answer, widget=one.widget, trait="answer")


# -- the thread --------------------------------------------------------------------------------------------------


def test_a_ticker_looks_when_nudged_and_ends_when_closed() -> None:
    """A nudge starts a thread that looks at once; closing ends it, and nothing starts it again."""
    looked = threading.Event()
    ticker = Ticker(lambda: bool(looked.set()))

    ticker.nudge()
    thread = ticker.thread

    assert thread is not None
    assert thread.daemon
    assert looked.wait(PATIENCE_S)
    ticker.close()
    thread.join(PATIENCE_S)
    ticker.nudge()
    assert ticker.thread is None


def test_a_ticker_ends_when_a_look_fails() -> None:
    """Nobody is left to be told when the kernel goes, so the thread goes too."""

    def look() -> bool:
        message = "the comm is closed"
        raise RuntimeError(message)

    ticker = Ticker(look)
    ticker.nudge()

    thread = ticker.thread
    if thread is not None:
        thread.join(PATIENCE_S)
    assert ticker.thread is None


@pytest.mark.parametrize(
    ("took_s", "moving", "pause_s"), [(0.001, True, 0.2), (0.001, False, 1), (0.1, True, 2), (9, False, 5)]
)
def test_a_look_that_takes_long_is_taken_seldom(took_s: float, pause_s: float, *, moving: bool) -> None:
    """A panel takes a twentieth of a core at most, and comes up to date in five seconds all the same."""
    assert pause_s == step_s(took_s, moving=moving)


def test_a_ticker_goes_by_what_its_looks_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits twenty times the CPU time of the look before."""

    class Waits(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0)
            ticker.close()
            return True

    def look() -> bool:
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass
        return True

    waited: list[float] = []
    ticker = Ticker(look)
    monkeypatch.setattr(ticker, "_nudged", Waits())
    ticker.nudge()
    thread = ticker.thread
    if thread is not None:
        thread.join(PATIENCE_S)
    assert 1 == len([seconds for seconds in waited if seconds >= 1])


def test_a_thread_knows_the_context_that_began_it() -> None:
    """Context variables of the caller hold in the thread: ipykernel finds the cell that output belongs to there."""
    import contextvars

    cell = contextvars.ContextVar("cell", default="none")
    seen: list[str] = []
    cell.set("cell 3")

    begin(lambda: seen.append(cell.get())).join(PATIENCE_S)

    assert seen == ["cell 3"]
