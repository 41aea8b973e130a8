"""The camera and the shots of the sweep form, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kling_nb as kn
from kling_nb.errors import InputError
from kling_nb.fields import CAMERA_AXES
from kling_nb.views.form import SweepForm
from kling_nb.views.form_fields import MOVES
from tests.views.forms import button, check, control, form_of, html_of, inside, open_lab, visible

SHOTS = [kn.Shot(prompt="a fox wakes", duration=3), kn.Shot(prompt="it runs", duration=2)]


@pytest.fixture
def form(tmp_path: Path) -> Iterator[SweepForm]:
    """Open a form that reads itself at once, in a lab that never waits."""
    with open_lab(tmp_path / "study") as lab:
        yield form_of(lab).set(prompt="a fox")


def sliders(form: SweepForm) -> Any:
    """Return the widget of the six sliders."""
    return next(w for w in inside(form.widget()) if type(w).__name__ == "CameraSliders")


def is_shown(form: SweepForm, widget: Any) -> bool:
    """Tell whether a widget is on the page."""
    return any(one is widget for one in visible(form.widget()))


# -- the camera --------------------------------------------------------------------------------------------------


def test_a_camera_is_shown_where_a_chosen_model_takes_one(form: SweepForm) -> None:
    """Without such a model the form says which ones have a camera; with one, on what condition."""
    before, said = form.offered("camera_control"), html_of(form)

    form.set(models=["kling-v1", "kling-v2-6"])

    assert before == ()
    assert "with other models only: Camera: kling-v1; Shots: kling-v3" in said
    assert form.offered("camera_control")[0] == "simple"
    assert "kling-v1: std, 5 s only" in html_of(form)
    assert "none chosen: the model decides" in html_of(form)


def test_each_slider_says_what_it_does_in_klings_own_sense() -> None:
    """Six sliders, of which pan turns up and down and tilt left and right, the reverse of film usage."""
    assert tuple(MOVES) == CAMERA_AXES
    assert MOVES["pan"] == "turns down (−) or up (+), which film calls tilt"
    assert MOVES["tilt"] == "turns left (−) or right (+), which film calls pan"


def test_a_move_makes_the_camera(form: SweepForm) -> None:
    """Simple shows the sliders and asks for a move; what a slider says is in the sweep."""
    form.set(models=["kling-v1"])
    before = is_shown(form, sliders(form))
    check(form, "camera simple").value = True
    shown, asked = is_shown(form, sliders(form)), form.line

    sliders(form).moves = {"pan": -4}

    assert (before, shown) == (False, True)
    assert asked == "Still needed: a move of the simple camera: take one of its sliders off zero"
    assert form.sweep().fixed["camera_control"] == kn.CameraControl(pan=-4)
    assert 'camera_control=kn.CameraControl(type="simple", pan=-4)' in form.code


def test_two_moves_are_one_too_many(form: SweepForm) -> None:
    """A simple camera with two moves is a mistake that is said at once."""
    form.set(models=["kling-v1"], camera_control=kn.CameraControl(pan=1, zoom=2))

    assert form.problems["camera_control"] == ("simple makes exactly one move, but these are 2: pan, zoom",)


def test_what_a_browser_makes_up_is_no_move(form: SweepForm) -> None:
    """Axes that there are not, and values that are no numbers, are left out."""
    form.set(models=["kling-v1"], camera_control="simple")

    sliders(form).moves = {"pan": "far", "dolly": 3, "roll": 2.5}

    assert form.sweep().fixed["camera_control"] == kn.CameraControl(roll=2.5)


def test_cameras_are_an_axis(form: SweepForm) -> None:
    """Several cameras make several points."""
    form.set(models=["kling-v1"], cameras=["down_back", kn.CameraControl(zoom=5), {"type": "forward_up"}])

    assert [camera.type for camera in form.sweep().axes["camera_control"]] == ["simple", "down_back", "forward_up"]
    assert form.line.startswith("3 points · 3 to buy")


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        ([kn.CameraControl(pan=1), kn.CameraControl(zoom=1)], "one set of sliders"),
        (kn.CameraControl(type="down_back", pan=1), "one set of sliders"),
        ("circle", "'circle' is not offered; .*known: down_back, forward_up"),
        (7, "cannot be read"),
    ],
)
def test_a_camera_without_a_place_is_refused(form: SweepForm, camera: Any, said: str) -> None:
    """What the controls cannot hold is an error, and not something else."""
    with pytest.raises(InputError, match=said):
        form.set(models=["kling-v1"], camera_control=camera)


def test_a_type_that_only_some_model_takes_is_not_offered(form: SweepForm) -> None:
    """Kling 1.5 makes simple moves only, and only from an image."""
    form.set(image="https://example.org/fox.png", models=["kling-v1-5"])

    assert form.offered("camera_control") == ("simple",)
    assert "kling-v1-5: pro, 5 s, simple only" in html_of(form)


@pytest.mark.parametrize(("providers", "step"), [(["kling"], 0.5), (["kling", "relay"], 1.0), (["fal"], 1.0)])
def test_steps_are_whole_where_a_provider_wants_whole_numbers(
    form: SweepForm, providers: list[str], step: float
) -> None:
    """The sliders take whole steps as soon as one of the providers takes nothing else."""
    form.set(providers=providers, models=["kling-v1"])

    assert sliders(form).step == step


def test_a_refused_camera_is_told_at_once(form: SweepForm) -> None:
    """A mode in which the model has no camera is said in red, with what it needs."""
    form.set(models=["kling-v1"], modes=["std", "pro"], camera_control="down_back")

    assert "down_back: kling-v1 does this only with mode=std" in form.problems["camera_control"][0]
    assert form.problems["camera_control"][0].endswith("(1 point)")


def test_a_camera_that_is_lost_is_told(form: SweepForm) -> None:
    """Choosing a model without a camera takes the move out, and the form says which."""
    form.set(models=["kling-v1"], cameras=["simple", "forward_up"])

    form.set(models=["kling-v2-6"])

    assert "no longer offered, so removed: simple, forward_up" in html_of(form)
    assert "camera_control" not in form.sweep().fixed


# -- shots -------------------------------------------------------------------------------------------------------


def rows(form: SweepForm) -> list[tuple[str, int]]:
    """Return what stands in the rows of shots."""
    texts = [w for w in visible(form.widget()) if "knb-shot-text" in getattr(w, "_dom_classes", ())]
    seconds = [w for w in visible(form.widget()) if "knb-shot-seconds" in getattr(w, "_dom_classes", ())]
    return [(text.value, length.value) for text, length in zip(texts, seconds, strict=True)]


def test_shots_are_written_here(form: SweepForm) -> None:
    """One begins with two shots; each is a row of words and seconds, and no prompt is needed."""
    form.set(models=["kling-v3"], prompt=None)
    check(form, "shots several, written here").value = True
    first, asked = rows(form), form.line

    control(form, "Shot 1").value, control(form, "Shot 2").value = "a fox wakes", "it runs"

    assert first == [("", 3), ("", 2)]
    assert asked == "Still needed: words for shot 1 and words for shot 2"
    assert dict(form.sweep().fixed) == {
        "provider": "kling",
        "model": "kling-v3",
        "multi_shot": True,
        "shot_type": "customize",
        "multi_prompt": tuple(SHOTS),
    }
    assert form.problems == {}


def test_there_is_room_for_six_shots(form: SweepForm) -> None:
    """Rows are added up to six and taken away again; their places are numbered anew."""
    form.set(models=["kling-v3"], shots=SHOTS)
    for _ in range(6):
        button(form, "Add a shot").click()
    most = len(rows(form)), button(form, "Add a shot").disabled

    button(form, "Remove shot 1").click()

    assert most == (6, True)
    assert rows(form)[0] == ("it runs", 2)
    assert control(form, "Shot 1").value == "it runs"
    assert not button(form, "Add a shot").disabled


@pytest.mark.parametrize(
    ("duration", "said"),
    [
        ([], '"knb-soft">together 5 s; the duration is left open'),
        ([5], '"knb-soft">together 5 s of 5 s'),
        ([5, 10], '"knb-warn">together 5 s of 5 or 10 s'),
    ],
)
def test_the_sum_stands_beside_the_duration(form: SweepForm, duration: list[int], said: str) -> None:
    """Seconds are added up, and compared with the lengths that are chosen."""
    form.set(models=["kling-v3"], shots=SHOTS, duration=duration)

    assert said in html_of(form)


def test_shots_of_another_length_are_told(form: SweepForm) -> None:
    """Where the sum is not the duration, the points are refused, and counted."""
    form.set(models=["kling-v3"], shots=SHOTS, duration=[5, 10])

    assert form.problems["multi_prompt"] == ("3 s + 2 s: the shots last 5 s together, but duration is 10 (1 point)",)


def test_a_model_without_shots_is_told_under_them(form: SweepForm) -> None:
    """Where one of the models has no shots, its points are refused, and the sentence stands under the shots."""
    form.set(models=["kling-v2-6", "kling-v3"], shots="intelligence")

    assert list(form.problems) == ["multi_prompt"]
    assert "kling-v2-6 does not do this (1 point)" in form.problems["multi_prompt"][0]


def test_a_shot_has_variables(form: SweepForm) -> None:
    """A variable of a shot gets its box, as one of a prompt does."""
    form.set(models=["kling-v3"], prompt=None, shots=[kn.Shot(prompt="a {animal}", duration=5)], animal=["fox", "owl"])

    assert form.sweep().axes["animal"] == ("fox", "owl")


@pytest.mark.parametrize(
    ("shots", "fields"),
    [
        ("intelligence", {"multi_shot": True, "shot_type": "intelligence"}),
        (True, {"multi_shot": True, "shot_type": "intelligence"}),
        ("off", {"multi_shot": False}),
        (False, {"multi_shot": False}),
        (None, {}),
    ],
)
def test_a_model_may_cut_by_itself(form: SweepForm, shots: Any, fields: dict[str, Any]) -> None:
    """Left open, one shot, and several that the model cuts are different requests."""
    form.set(models=["kling-v3"], shots=shots)

    given = form.sweep().fixed
    assert {name: given[name] for name in ("multi_shot", "shot_type", "multi_prompt") if name in given} == fields


def test_one_cut_at_a_time(form: SweepForm) -> None:
    """Choosing another way to cut takes the first one back, and reads the form once."""
    form.set(models=["kling-v3"])
    check(form, "shots one").value = True

    check(form, "shots several, cut by the model").value = True

    assert not check(form, "shots one").value
    assert form.sweep().fixed["shot_type"] == "intelligence"


def test_what_is_left_open_differs_by_the_interface(form: SweepForm) -> None:
    """Kling's path API makes several shots where nothing is said; the older one does not."""
    form.set(models=["kling-v3", "kling-3.0"])

    assert "none chosen: one shot by kling-v3, several shots by kling-3.0" in html_of(form)


@pytest.mark.parametrize(
    ("shots", "said"),
    [
        ([*SHOTS] * 4, "8 shots cannot be entered"),
        ([kn.Shot(prompt="a\nb", duration=5)], "one line"),
        ([kn.Shot(prompt="a", duration=16)], "1 to 15 seconds"),
        ([{"prompt": "a"}], "cannot be read"),
        ("customise", "'customise' is not offered"),
    ],
)
def test_shots_without_a_place_are_refused(form: SweepForm, shots: Any, said: str) -> None:
    """What the rows cannot hold is an error, and not something else."""
    with pytest.raises(InputError, match=said):
        form.set(models=["kling-v3"], shots=shots)


def test_shots_are_hidden_where_no_chosen_model_has_them(form: SweepForm) -> None:
    """A model without shots shows none, and takes those that were chosen out with a word."""
    form.set(models=["kling-v3"], shots=SHOTS)
    shown = rows(form)

    form.set(models=["kling-v2-6"])

    assert (len(shown), rows(form)) == (2, [])
    assert "no longer offered, so removed: several, written here" in html_of(form)
    assert "multi_shot" not in form.sweep().fixed
