"""The sweep form without a browser: what it offers, reads, says, plans and starts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from decimal import Decimal
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipywidgets as widgets
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kling_nb as kn
from kling_nb import catalog
from kling_nb.errors import InputError, SweepError
from kling_nb.request import FIELDS as REQUEST_FIELDS
from kling_nb.sweep import DESIGNS
from kling_nb.views.form import SweepForm
from kling_nb.views.form_agreed import Agreed
from kling_nb.views.form_draft import draft
from kling_nb.views.form_fields import FIELDS, MOVES
from kling_nb.views.form_outlook import outlook
from kling_nb.views.form_quiet import Quiet
from kling_nb.views.form_reading import text_of_values, values_of
from kling_nb.views.form_settings import DESIGN_WORDS
from kling_nb.views.form_shelf import Shelf
from kling_nb.views.form_words import in_words
from tests.views.forms import (
    EVIL,
    at_once,
    button,
    check,
    control,
    entries,
    form_of,
    html_of,
    inside,
    is_gone,
    open_lab,
    plan_nothing,
    visible,
)

SHELF = Shelf(catalog.load())
SOLD = sorted({(row["provider"], row["model"], row["task_type"]) for row in SHELF.rows})
MORE = "More: callback address, extra fields, combinations to leave out"
FEATURES = ("negative_prompt", "sound", "camera_control", "multi_prompt")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[kn.Lab]:
    """Open a simulated lab that never waits."""
    with open_lab(tmp_path / "study") as opened:
        yield opened


@pytest.fixture
def form(lab: kn.Lab) -> SweepForm:
    """Open a form that reads itself at once."""
    return form_of(lab)


# -- what is offered ---------------------------------------------------------------------------------------------


def rows_of(*sold: str) -> tuple[dict[str, Any], list[Any]]:
    """Return what is chosen for a provider, a model and a task type, and the rows of the catalogue for these."""
    names = ("provider", "model", "task_type")
    rows = [row for row in SHELF.rows if tuple(row[name] for name in names) == sold]
    return {name: (value,) for name, value in zip(names, sold, strict=True)}, rows


@pytest.mark.parametrize("sold", SOLD, ids="-".join)
def test_a_model_is_offered_what_the_catalogue_says(sold: tuple[str, ...]) -> None:
    """Modes, durations and ratios are those of the catalogue's rows, no more and no fewer."""
    chosen, rows = rows_of(*sold)

    offered = {field.name: set(SHELF.offered(field, chosen).values) for field in FIELDS}

    assert {row["mode"] for row in rows} - {None} == offered["mode"]
    assert {length for row in rows for length in row["durations"]} == offered["duration"]
    assert {ratio for row in rows for ratio in row["ratios"]} == offered["aspect_ratio"]


@pytest.mark.parametrize("sold", SOLD, ids="-".join)
def test_a_feature_is_open_where_some_mode_has_it(sold: tuple[str, ...]) -> None:
    """A field is closed, with a word why, exactly where no mode of the model takes it."""
    chosen, rows = rows_of(*sold)

    closed = {field.name: SHELF.offered(field, chosen).closed for field in FIELDS}

    names = (*FEATURES, "image_tail") if "image2video" in sold else FEATURES
    assert {name: any(name in row["features"] for row in rows) for name in names} == {n: not closed[n] for n in names}


def test_every_design_of_a_sweep_is_in_the_form(form: SweepForm) -> None:
    """The form makes whatever design a sweep has, and says of each what it makes."""
    for design in DESIGNS:
        form.set(prompt="a fox", provider="kling", model="kling-v2-6", design=design, n=1)
        made = form.sweep().design
        assert design == (made if isinstance(made, str) else next(iter(made)))
    assert {*DESIGNS} == {*DESIGN_WORDS}


def test_every_field_of_a_request_is_in_the_form() -> None:
    """Nothing that a request can hold is missing, a provider's own knobs included."""
    made = {name for field in FIELDS for value in field.values or ("",) for name in field.asks(value)}

    assert {"multi_shot", "shot_type", "multi_prompt", "watermark", "callback_url"} <= made
    assert {*REQUEST_FIELDS} == made - {"provider"}


def test_no_field_has_the_name_of_a_setting(form: SweepForm) -> None:
    """`SweepForm.set` and the entries know both by their names alone."""
    assert {name for f in FIELDS for name in (f.name, f.plural)} & {*form._board.settings.names} == set()


def test_a_field_that_is_none_is_not_offered(form: SweepForm) -> None:
    """Asked for what a misspelt field offers, the form names the field that was meant."""
    with pytest.raises(InputError, match=r"there is no field 'modle'; .*'model'"):
        form.offered("modle")


def test_a_model_for_images_only_is_not_offered(form: SweepForm) -> None:
    """What makes no video from text is named, and offered once there is an image."""
    before, said = form.offered("model"), html_of(form)

    form.set(image="https://example.org/fox.png")

    assert "kling-v2-1" not in before
    assert "with a start image also: kling-v1-5, kling-v2-1<" in said
    assert "kling-v2-1" in form.offered("model")


def test_nothing_chosen_offers_everything() -> None:
    """Without a model every mode of the catalogue is there."""
    mode = next(field for field in FIELDS if field.name == "mode")

    assert SHELF.offered(mode, {}).values == ("std", "pro", "4k")


def test_the_form_opens_with_the_labs_provider(form: SweepForm) -> None:
    """The provider that the lab would take is chosen, and the usual model."""
    form.set(prompt="a fox")

    assert dict(form.sweep().fixed) == {"provider": "kling", "model": "kling-v2-6", "prompt": "a fox"}


def test_models_change_the_choices(form: SweepForm) -> None:
    """Another model offers its own durations."""
    form.set(models=["kling-v3"])

    assert tuple(range(3, 16)) == form.offered("duration")


def test_what_is_no_longer_offered_is_dropped_and_said_to_be(form: SweepForm) -> None:
    """A value that the new models lack leaves the sweep, and the form says which."""
    form.set(prompt="a fox", models=["kling-v3"], modes=["pro", "4k"], duration=[5, 7, 8, 9])

    form.set(models=["kling-v2-6"])

    assert (form.sweep().fixed["mode"], form.sweep().fixed["duration"]) == ("pro", 5)
    assert "so removed: 4k<" in html_of(form)
    assert "so removed: 7–9 s<" in html_of(form)


def test_a_dropped_value_is_spoken_of_until_one_chooses_anew(form: SweepForm) -> None:
    """Choosing another mode takes the word about the lost one away."""
    form.set(models=["kling-v3"], modes=["4k"]).set(models=["kling-v2-6"])

    form.set(modes=["pro"])

    assert "so removed" not in html_of(form)


def test_a_closed_field_is_left_out_of_the_sweep(form: SweepForm) -> None:
    """What was typed for a model that takes it is not used for one that does not, and the form says so."""
    form.set(prompt="a fox", negative_prompt="blur")

    form.set(models=["kling-video-o1"])

    assert "negative_prompt" not in form.sweep().fixed
    assert "what is entered there is not used" in html_of(form)
    assert "not offered: this model has no such field" in html_of(form)


def test_a_value_of_some_models_names_them(form: SweepForm) -> None:
    """A choice that only some of the chosen models accept says which, and where."""
    form.set(providers=["kling", "fal"], models=["kling-v2-6", "kling-v3"])

    assert "std: kling-v2-6 at kling, kling-v3 only" in html_of(form)
    assert "3, 4, 6–9, 11–15 s: kling-v3 only" in html_of(form)
    assert "on: kling-v2-6 in pro, kling-v3 only" in html_of(form)


def test_a_knob_without_effect_says_so(form: SweepForm) -> None:
    """cfg_scale on a model that does not heed it is offered with that word."""
    assert "has no known effect: documented for v1.x only" in html_of(form)


def test_what_is_left_open_says_what_is_taken(form: SweepForm) -> None:
    """Where nothing is chosen, the provider's own default is named."""
    form.set(providers=["kling", "fal"])

    assert "none chosen: std by kling-v2-6 at kling, pro by kling-v2-6 at fal" in html_of(form)


def test_what_providers_decide_is_said_by_provider(form: SweepForm) -> None:
    """Where every model meets the same at a provider, the providers are named, and not each model with each of them."""
    form.set(providers=["kling", "fal", "openroute"], models=["kling-v1", "kling-v1-6", "kling-v2-6"])

    assert '<p class="knb-soft">at kling only</p>' in html_of(form)
    assert "none chosen: 16:9 at kling, fal, 1:1 at openroute" in html_of(form)


def test_a_mode_is_named_where_there_is_one(form: SweepForm) -> None:
    """What some of the providers take by default, whatever the mode, is told without a mode."""
    form.set(providers=[], models=["kling-v2-6"])

    assert "none chosen: off by kling-v2-6 at kling, kling-v2-6 at fal" in html_of(form)
    assert " in at " not in html_of(form)


def test_ranges_are_listed_short() -> None:
    """Three whole numbers or more that follow each other are one range."""
    assert in_words([1, 2, 3, 5, 6, "a"]) == "1–3, 5, 6, a"


# -- what is read ------------------------------------------------------------------------------------------------


def test_a_variable_gets_a_box(form: SweepForm) -> None:
    """Each variable of the prompts has a labelled box, in their order, and values by commas or lines."""
    form.set(prompts=["a {animal} in {weather}", "{weather} alone"])
    boxes = [w for w in inside(form.widget()) if isinstance(w, widgets.Textarea) and w.description.startswith("{")]
    boxes[0].value, boxes[1].value = "fox, boat", "snow, at night\nheavy rain\n"

    assert [box.description for box in boxes] == ["{animal}", "{weather}"]
    assert form.sweep().axes["animal"] == ("fox", "boat")
    assert form.sweep().axes["weather"] == ("snow, at night", "heavy rain")


def test_a_variable_that_comes_back_has_its_values(form: SweepForm) -> None:
    """Values typed for a variable are there again when the prompts use it again."""
    form.set(prompt="a fox in {weather}").set(weather=["snow", "rain"]).set(prompt="a fox")

    form.set(prompt="two foxes in {weather}")

    assert form.sweep().axes["weather"] == ("snow", "rain")


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"prompt": "a {b"}, "prompt", "'{' at character 3"),
        ({"prompt": "ok\n} no"}, "prompt", "'}' at character 1"),
        ({"negative_prompt": "{ }"}, "negative_prompt", "is not a variable"),
        ({"prompt": "in {mode}"}, "prompt", "{mode} is a reserved name"),
        ({"cfg_scale": "0.5, half"}, "cfg_scale", "“half” is not a number"),
        ({"budget": "lots"}, "budget", "“lots” is not an amount in USD"),
        ({"budget": "-1"}, "budget", "“-1” is not an amount in USD"),
        ({"assume_price": "NaN"}, "assume_price", "“NaN” is not an amount in USD, such as 0.35, or the word official"),
        ({"budget": "official"}, "budget", "“official” is not an amount in USD"),
        ({"callback_url": "x.example"}, "callback_url", "“x.example” is not an address"),
        ({"exclude": "mode"}, "exclude", "“mode” is not a condition such as mode=std"),
        ({"exclude": "mood=std"}, "exclude", "did you mean 'mode'"),
        ({"exclude": "mood=std", "design": "pairwise"}, "exclude", "did you mean 'mode'"),
        ({"exclude": "mode="}, "exclude", "everything is excluded"),
        ({"exclude": "duration=long"}, "exclude", "duration='long' cannot be read"),
        ({"exclude": "provider=kling"}, "exclude", "everything is excluded"),
        ({"image": "fox.png", "unreadable": {"image": ["no"], "image_tail": []}}, "image", "no"),
        ({"design": "zip", "mode": ("std", "pro"), "prompt": "a\nb\nc"}, "design", "zip needs axes of the same length"),
        ({"design": "sample", "n": 9}, "design", "a sample of 9 was asked for"),
    ],
)
def test_a_mistake_is_said_where_it_was_made(changes: dict[str, Any], field: str, said: str) -> None:
    """Bad input makes no sweep, and one sentence under its own field says what is wrong."""
    held = draft(entries(**changes))

    assert held.sweep is None
    assert [field] == list(held.wrong)
    assert said in held.wrong[field][0]


def test_what_is_missing_is_no_mistake() -> None:
    """An empty form says what it still needs, and marks nothing as wrong."""
    held = draft({"prompt": "in {weather}"})

    assert held.wrong == {}
    found = outlook(held, plan_nothing)
    assert found.line == "Still needed: a provider, a model and values for {weather}"
    with pytest.raises(SweepError, match="still needs a provider"):
        held.needed()


def test_an_unknown_name_is_answered_with_the_nearest(form: SweepForm) -> None:
    """Filling in a field that is not there is an error that names the likely one."""
    with pytest.raises(InputError, match="did you mean 'duration'"):
        form.set(duratoin=5)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"n": -5}, r"n=-5: expected a whole number from 1 to 1,000,000; n stays as it was"),
        ({"repeats": "three"}, r"repeats='three': expected a whole number from 1 to 1,000"),
        ({"seed": 0.5}, r"seed=0.5: expected a whole number; "),
    ],
)
def test_a_number_that_a_setting_cannot_hold_is_refused(form: SweepForm, given: dict[str, object], told: str) -> None:
    """It is an error with what is expected, and not silently the nearest number that it can hold."""
    with pytest.raises(InputError, match=told):
        form.set(**given)


def test_a_value_that_is_not_offered_is_refused(form: SweepForm) -> None:
    """Choosing what no chosen model accepts is an error with what is offered."""
    with pytest.raises(InputError, match=r"mode='4k' is not offered; .*known: pro, std"):
        form.set(modes=["4k"])


def test_a_prompt_of_two_lines_cannot_be_entered(form: SweepForm) -> None:
    """A value that the form would read back as two is refused."""
    with pytest.raises(InputError, match="cannot be entered"):
        form.set(prompt="one\ntwo")


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])), min_size=1))
def test_values_are_entered_as_they_are_read(values: list[str]) -> None:
    """Whatever can be entered is read back as it was, but for spaces around it."""
    try:
        text = text_of_values("weather", values)
    except InputError:
        return
    assert [value.strip() for value in values] == values_of(text)


# -- the Python --------------------------------------------------------------------------------------------------

WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"]), min_size=1, max_size=12)
TEMPLATES = WORDS.map(lambda word: word.replace("{", "{{").replace("}", "}}") + " {w}")
REF = "sha256:" + "0a" * 32
CAMERAS = st.sampled_from(["down_back", "left_turn_forward"]).map(lambda name: kn.CameraControl(type=name)) | st.builds(
    lambda name, value: kn.CameraControl(**{name: value}),
    st.sampled_from([*MOVES]),
    st.integers(-20, 20).filter(bool).map(lambda steps: steps / 2),
)
SHOTS = st.tuples(st.just("customize"), st.lists(st.tuples(TEMPLATES, st.integers(1, 15)), min_size=1, max_size=6))
ENTRIES = st.fixed_dictionaries({
    "provider": st.sampled_from([("kling",), ("kling", "fal")]),
    "model": st.sampled_from([("kling-v2-6",), ("kling-v1", "kling-v3")]),
    "prompt": st.lists(TEMPLATES, min_size=1, max_size=3).map("\n".join),
    "mode": st.sampled_from([(), ("std",), ("std", "pro")]),
    "duration": st.sampled_from([(), (5,), (5, 10)]),
    "cfg_scale": st.sampled_from(["", "0.5", "0, 0.25, 1"]),
    "image": st.sampled_from(["", "in puts/fox.png", f"https://x.example/a.png\n{REF}"]),
    "image_tail": st.sampled_from(["", 'C:\\images\\fox "2".png']),
    "watermark": st.sampled_from([(), (True,), (False, True)]),
    "camera_control": st.lists(CAMERAS, max_size=2, unique_by=lambda camera: camera.type).map(tuple),
    "multi_prompt": st.sampled_from([(), ("off", ()), ("intelligence", ())]) | SHOTS,
    "callback_url": st.sampled_from(["", " https://x.example/hook?a=1 "]),
    "extra": st.sampled_from(["", '{"fal": {"a": [true, null, "ü"], "b": {"c": 0.5}}, "kling": {"d": 1}}']),
    "named": WORDS.map(lambda word: {REF: f"{word}\nimport os"}),
    "exclude": st.sampled_from(["", "provider=fal", "provider=fal, mode=std|pro\nduration=10, sound="]),
    "variables": st.fixed_dictionaries({"w": st.lists(WORDS, min_size=2, max_size=3).map("\n".join)}),
    "design": st.sampled_from([design for design in DESIGNS if design != "zip"]),
    "n": st.just(1),
    "seed": st.integers(0, 9),
    "repeats": st.integers(1, 3),
    "budget": st.sampled_from(["", "25", "$12.50", "1e2"]),
    "assume_price": st.sampled_from(["", "0.2", " Official "]),
    "name": WORDS,
})  # fmt: skip


class Recorder:
    """Stands where a notebook has its lab, and keeps what it was asked to start."""

    def start(self, sweep: kn.Sweep, **settings: Any) -> None:
        """Keep it."""
        self.started = (sweep, settings)


@given(ENTRIES)
def test_the_python_makes_the_same_sweep(filled: dict[str, Any]) -> None:
    """Running the shown code starts an equal sweep under the same name, budget and assumed price."""
    held, recorder = draft(filled), Recorder()

    exec(held.code, {"kn": kn, "lab": recorder})

    sweep, settings = recorder.started
    assert held.sweep == sweep
    assert dict(held.settings) == {name: _as_given(value) for name, value in settings.items()}


def _as_given(value: Any) -> Any:
    return value if isinstance(value, str) else Decimal(str(value))


def test_extra_fields_are_read_as_json(form: SweepForm) -> None:
    """A provider's own fields are in the sweep and in the Python, and it is said that nobody checks or prices them."""
    form.set(prompt="a fox", provider="fal", extra={"fal": {"seed_of_its_own": 7, "deep": [True, None]}})
    control(form, MORE).value = True

    assert form.sweep().points()[0].request.extra["fal"]["deep"] == [True, None]
    assert 'extra={"fal": {"seed_of_its_own": 7, "deep": [True, None]}}' in form.code
    assert "sent as written: nothing of it is checked, or counted in the price" in html_of(form)
    assert "extra" not in form.set(extra=None).code


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ('{"fal": {"a": }}', "not JSON at line 1, column 15: Expecting value; such as {"),
        ('{"fal": 1}', "expected {'provider': {'field': value}}; such as {"),
        ("[1]", "expected {'provider': {'field': value}}; such as {"),
        ('{"fal": {"a": NaN}}', "nan is not a number that can be sent; such as {"),
        ('{"fall": {"a": 1}}', "there is no such provider; did you mean"),
        ("[" * 100_000, "too deep; such as {"),
        ('{"fal": {"a": 1}, "fal": {"b": 2}}', "“fal” is there twice, and only one of them could be sent; such as {"),
        (f'{{"fal": {{"a": {"1" * 5_000}}}}}', "Exceeds the limit (4300 digits)"),
    ],
)
def test_extra_fields_that_cannot_be_read_are_said_as_one_types(form: SweepForm, typed: str, said: str) -> None:
    """What is no JSON, or not by provider, stands under its field, which opens for it; nothing can be started."""
    form.set(prompt="a fox", provider="fal")
    control(form, "Extra fields, JSON").value = typed

    assert said in " ".join(form.problems["extra"])
    assert button(form, "Start").disabled
    assert control(form, MORE).value


def test_extra_fields_of_a_provider_that_is_not_chosen_are_told_of(form: SweepForm) -> None:
    """What goes nowhere is a warning under the field, which opens for it; with its provider chosen there is none."""
    form.set(prompt="a fox", provider="kling", extra={"fal": {"a": 1}})

    assert "not sent: no point of this plan goes to fal" in html_of(form)
    assert not button(form, "Start").disabled
    form.set(extra={"fal": {"a": 1}, "relay": {"b": 2}, "kling": {"c": 3}})
    assert all(f"not sent: no point of this plan goes to {name}" in html_of(form) for name in ("fal", "relay"))
    assert "not sent" not in html_of(form.set(provider=["kling", "fal"], extra={"fal": {"a": 1}}))


def test_a_file_is_named_in_one_line(form: SweepForm) -> None:
    """What an uploaded image is called is a comment, whatever it is called."""
    held = draft(entries(image=REF, named={REF: "fox\nimport os"}))

    assert held.code.splitlines()[:2] == ["# sha256:0a0a0a0a0a0a… is 'fox\\nimport os'", "sweep = kn.Sweep("]


def test_the_python_is_shown(form: SweepForm) -> None:
    """The form shows the code, and a word in its place while there is no sweep."""
    before = form.code
    form.set(prompt="a fox", name="fox", budget=25)

    assert before.startswith("# the Python for this form")
    assert form.code.endswith('run = lab.start(sweep, name="fox", budget=25)')
    assert "run = lab.start(sweep, name=&quot;fox&quot;, budget=25)" in html_of(form)


# -- what would become of it -------------------------------------------------------------------------------------


def test_the_line_counts_and_prices(form: SweepForm) -> None:
    """Points, clips to buy and their price stand in one line."""
    form.set(prompts=["a fox", "a boat"], modes=["std", "pro"], duration=5, repeats=2)

    assert form.line.startswith("8 points · 8 to buy for $2.24")


def test_refused_points_are_counted_under_their_field(form: SweepForm) -> None:
    """A combination that a model refuses is said in red with the number of points; the rest can be started."""
    form.set(prompts=["a fox", "a boat"], modes=["std", "pro"], sound="on")

    assert list(form.problems) == ["sound"]
    assert form.problems["sound"][0].endswith("only with mode=pro, but it is mode=std (2 points)")
    assert "4 points · 2 to buy" in form.line
    assert not button(form, "Start").disabled


def test_all_mistakes_are_said_at_once(form: SweepForm) -> None:
    """What cannot be read in one field does not hide what a plan says of the others; nothing can be started."""
    form.set(
        prompts=["a fox", "a boat"], modes=["std", "pro"], sound="on", cfg_scale=["0.3", "much"], negative_prompt="{"
    )
    form.set(callback_url="nowhere", budget="a lot")

    assert {*form.problems} == {"sound", "cfg_scale", "negative_prompt", "callback_url", "budget"}
    assert form.problems["sound"][0].endswith("only with mode=pro, but it is mode=std (2 points)")
    assert form.problems["cfg_scale"] == ("“much” is not a number",)
    assert form.line == "First fix what is marked as wrong"
    assert button(form, "Start").disabled
    assert form.code.startswith("# the Python for this form")


def test_a_mistake_that_decides_of_others_is_said_alone(form: SweepForm) -> None:
    """Without an image that cannot be read it would be another sweep, of which nothing is said."""
    form.set(prompt="x" * 3000, image="/nowhere/fox.png")

    assert list(form.problems) == ["image"]


def test_nothing_but_refusals_cannot_be_started(form: SweepForm) -> None:
    """Start is disabled where every point is refused, and the form says why."""
    form.set(prompt="a fox", modes=["std"], providers=["fal"], models=["kling-v3"])
    form.set(prompt="x" * 3000)

    assert button(form, "Start").disabled
    assert "every point is refused" in html_of(form)
    assert "expected up to 2500 characters" in form.problems["prompt"][0]


def test_a_dropped_parameter_is_a_warning(form: SweepForm) -> None:
    """What one of the models has no place for is said in words, with the points that it touches."""
    form.set(prompt="a fox", models=["kling-v2-6", "kling-video-o1"], negative_prompt="blur")

    assert "is not sent: this model has no such field: say it in the prompt (1 point)" in html_of(form)
    assert form.problems == {}


def test_a_loss_at_one_of_several_providers_names_it(form: SweepForm) -> None:
    """What becomes of a parameter at one provider only is said with that provider, under its field."""
    form.set(prompt="a fox", providers=["kling", "fal"], modes=["pro"], sound="off", watermark=True)

    assert form._outlook.warned["watermark"] == ("is not sent: fal has no such field (1 point)",)
    form.set(models=["kling-v3"], shots=[kn.Shot(prompt="a fox", duration=5)])
    assert form._outlook.warned["prompt"] == ("is not sent: the prompts of multi_prompt take its place (2 points)",)
    form.set(watermark=[], models=["kling-v1"], modes=["std"], sound=[], camera_control=kn.CameraControl(pan=0.5))
    assert form.problems["camera_control"] == ("at fal: simple, pan 0.5: pan must be a whole number here (1 point)",)


def test_over_budget_cannot_be_started(form: SweepForm) -> None:
    """A sum over the budget disables Start, with the sum."""
    form.set(prompt="a fox", modes=["pro"], budget="0.10")

    assert button(form, "Start").disabled
    assert "over the budget of $0.10" in html_of(form)
    form.set(budget="0.349")
    assert "up to $0.35 is over the budget of $0.349: raise it" in html_of(form)


def test_a_missing_price_is_asked_for(form: SweepForm) -> None:
    """Where no price is known a box appears that proposes Kling's own, and a price typed there is enough."""
    hidden = is_gone(control(form, "Price to assume, USD"))
    form.set(prompt="a fox", providers=["fal"], models=["kling-v1"], modes=["std"])
    box = control(form, "Price to assume, USD")
    shown, stopped, proposed = is_gone(box), button(form, "Start").disabled, box.placeholder

    assert "1 to buy without a price" in form.line

    box.value = "0.20"

    assert (hidden, shown, stopped) == (True, False, True)
    assert proposed == "Kling's own list says 0.14"
    assert "1 to buy for $0.20" in form.line
    assert not button(form, "Start").disabled


def test_what_stops_a_start_is_said_in_the_words_of_the_form(form: SweepForm) -> None:
    """A person at the form reads of its boxes and buttons, not of the arguments that code would pass."""
    form.set(prompt="a fox", providers=["fal"], models=["kling-v1"], modes=["std"])
    unpriced = html_of(form)
    form.set(assume_price="0.20", budget="0.10")

    wanted = "no price is known for kling-v1 at fal: fill in the price to assume, or take Kling&#x27;s list price"
    assert wanted in unpriced
    assert "up to $0.20 is over the budget of $0.10: raise it, or choose less" in html_of(form)
    assert "pass assume_price=" not in unpriced


def test_the_same_mistake_is_said_once_for_all_models(form: SweepForm) -> None:
    """What is wrong for several models or values is one sentence; models are named where others take it."""
    form.set(prompt="a fox", providers=["chanjing"], models=["kling-v2-5-turbo"])
    form.set(providers=["kling", "chanjing"], models=["kling-v1", "kling-v2-6", "kling-2.6"], cfg_scale=3)

    assert form.problems["cfg_scale"] == (
        "at kling: 3: expected a number from 0 to 1 (kling-v1, kling-v2-6) (2 points)",
    )
    assert form.problems["model"] == ("kling-v1, kling-v2-6, kling-2.6: chanjing does not sell it (3 points)",)


def test_a_design_says_what_it_does(form: SweepForm) -> None:
    """The word for a design is the field's; a sentence under it says what it means, and which is taken."""
    untouched = html_of(form)
    form.set(design="pairwise")

    assert "none chosen: grid, every combination" in untouched
    assert "few combinations, with every pair of values at least once" in html_of(form)


def test_a_setting_that_cannot_be_read_is_named(form: SweepForm) -> None:
    """The settings stand in one row with what is wrong below it, so that a sentence names its own."""
    form.set(prompt="a fox", budget="-3")

    assert "Budget: “-3” is not an amount in USD" in html_of(form)


def test_models_of_the_path_api_are_told_apart(form: SweepForm) -> None:
    """kling-2.6 and kling-v2-6 look alike; where both are offered the form says which are of the newer API."""
    assert "of Kling&#x27;s newer API: kling-2.5-turbo, kling-2.6, kling-3.0, kling-o1, 2 more" in html_of(form)
    form.set(providers=["fal"])
    assert "newer API" not in html_of(form)


def test_klings_list_price_is_one_click_away(form: SweepForm) -> None:
    """A button assumes what Kling itself asks, and is there only while a price is missing."""
    propose = button(form, "Assume Kling's list price")
    hidden = is_gone(propose)
    form.set(prompt="a fox", providers=["fal"], models=["kling-v1"], modes=["std"])
    shown = is_gone(propose)

    propose.click()

    assert (hidden, shown, is_gone(propose)) == (True, False, True)
    assert "1 to buy for $0.14" in form.line
    assert form.code.endswith('run = lab.start(sweep, assume_price="official")')


def test_combinations_are_left_out(form: SweepForm) -> None:
    """Rules leave points out of the sweep, and stand in its Python."""
    form.set(
        prompt="a fox", providers=["kling", "fal"], modes=["std", "pro"], duration=[5, 10], watermark=[True, False]
    )

    form.set(exclude=[{"provider": "fal"}, {"mode": ["std"], "duration": [5, 10], "watermark": True}])

    assert (
        control(form, "Leave out, one rule per line").value == "provider=fal\nmode=std, duration=5|10, watermark=True"
    )
    assert len(form.sweep()) == 6
    assert 'exclude=[{"provider": "fal"}, {"mode": "std", "duration": [5, 10], "watermark": True}]' in form.code


@pytest.mark.parametrize("rules", [[{"prompt": "a, b"}], [{"prompt": "a|b"}], [{"prompt": "a\nb"}]])
def test_a_rule_that_would_be_read_otherwise_cannot_be_entered(form: SweepForm, rules: list[dict[str, str]]) -> None:
    """A condition with commas, bars or lines in it is refused rather than changed."""
    with pytest.raises(InputError, match=r"cannot be entered|is not a condition"):
        form.set(exclude=rules)


def test_more_is_behind_a_button(form: SweepForm) -> None:
    """The callback address and the rules are out of the way until More is pressed."""
    more, address = control(form, MORE), control(form, "Callback address")
    before = address in visible(form.widget())

    more.value = True

    assert (before, address in visible(form.widget())) == (False, True)
    more.value = False
    form.set(prompt="a fox", callback_url="https://x.example/hook", exclude=None)
    assert form.sweep().fixed["callback_url"] == "https://x.example/hook"


def test_more_opens_where_something_in_it_is_wrong(form: SweepForm) -> None:
    """What has to be mended is never out of sight."""
    form.set(prompt="a fox", callback_url="x.example")

    assert control(form, MORE).value
    assert "is not an address that begins with https://" in html_of(form)


@pytest.mark.parametrize("count", [102, 1_000])
def test_too_many_points_are_not_planned(count: int) -> None:
    """Above the sweep's limit, and at a million points, one sentence is said and nothing is computed."""
    words = "\n".join(f"w{number}" for number in range(count))
    held = draft(entries(prompt="{a} {b}", variables={"a": words, "b": words}))

    found = outlook(held, plan_nothing)

    assert f"{count * count:,} points are more than the 10,000 that can be planned" in found.line
    assert found.line == found.stops


def test_many_points_are_planned_when_asked(form: SweepForm) -> None:
    """Above what is planned while one types, the form asks for Plan, and Start waits for it."""
    form.set(prompt="a fox", repeats=20)
    held = draft(entries(repeats=20))

    assert outlook(held, plan_nothing, at_once=19).stops == "20 points: press Plan to see what they cost"
    assert len(form.plan()) == 20


def test_plan_shows_its_table_until_the_form_changes(form: SweepForm) -> None:
    """The table of a plan is shown when asked for, and faded once it is of the form as it was."""
    form.set(prompt="a fox")
    button(form, "Plan").click()
    table = next(w for w in inside(form.widget()) if 'class="knb-plan' in str(getattr(w, "value", "")))
    fresh = tuple(table._dom_classes)

    control(form, "Run name").value = "fox"

    assert "knb-stale" not in fresh
    assert "knb-stale" in table._dom_classes


def test_an_older_look_does_not_overwrite_a_newer(lab: kn.Lab) -> None:
    """A plan that was still being made when the form changed is not shown."""
    waiting: list[Callable[[], None]] = []
    form = SweepForm(lab, later=waiting.append)
    typed = iter(["two foxes", "three foxes"])

    def plan(*args: Any, **settings: Any) -> Any:
        form._lab = lab
        control(form, "Prompts, one per line").value = next(typed) + "\n{brace"
        return lab.plan(*args, **settings)

    form._lab = SimpleNamespace(plan=plan, catalog=lab.catalog)
    control(form, "Prompts, one per line").value = "a fox"
    waiting[0]()
    stale = form.line
    waiting[-1]()

    assert stale == "Still needed: a prompt"
    assert form.line == "First fix what is marked as wrong"


def test_the_line_is_faded_until_it_is_of_what_is_typed(lab: kn.Lab) -> None:
    """A price that is of the form as it was is shown as that, for Start buys what is typed."""
    waiting: list[Callable[[], None]] = []
    form = SweepForm(lab, later=waiting.append).set(prompt="a fox", mode="std", duration=5)
    line = next(w for w in inside(form.widget()) if form.line in str(getattr(w, "value", "")))
    classes = [line._dom_classes]

    control(form, "Prompts, one per line").value = "a fox\na boat"
    classes.append(line._dom_classes)
    waiting[-1]()
    classes.append(line._dom_classes)

    assert ["knb-stale" in held for held in classes] == [False, True, False]
    assert "2 points" in line.value


def test_whoever_reads_the_price_can_press_start(lab: kn.Lab) -> None:
    """A page shows changes in the order in which they are made; Start is one that can be pressed when the price stands."""
    form = form_of(lab)
    line = next(w for w in inside(form.widget()) if "knb-line" in getattr(w, "_dom_classes", ()))
    start = button(form, "Start")
    told: list[tuple[str, bool]] = []
    line.observe(lambda change: told.append((change["new"], start.disabled)), "value")

    form.set(prompt="a fox", mode="std", duration=5)

    assert start.disabled is False
    assert [disabled for words, disabled in told if "1 point" in words] == [False]


def test_a_plan_of_the_form_as_it_was_is_shown_as_that(lab: kn.Lab) -> None:
    """What is typed while Plan plans is not overwritten: the table is there, faded, and the line is of what is typed."""
    form = form_of(lab).set(prompt="a fox", mode="std", duration=5)

    def plan(*args: Any, **settings: Any) -> Any:
        form._lab = lab
        control(form, "Prompts, one per line").value = "a fox\na boat"
        return lab.plan(*args, **settings)

    form._lab = SimpleNamespace(plan=plan, catalog=lab.catalog)
    planned = form.plan()
    table = next(w for w in inside(form.widget()) if 'class="knb-plan' in str(getattr(w, "value", "")))

    assert len(planned) == 1
    assert form.line.startswith("2 points · ")
    assert "a boat" in html_of(form)
    assert "knb-stale" in table._dom_classes


def test_what_is_planned_when_asked_stays_shown(lab: kn.Lab) -> None:
    """The look that waited for a pause in typing takes nothing back of what Plan has shown of the same form."""
    waiting: list[Callable[[], None]] = []
    form = SweepForm(lab, later=waiting.append).set(mode=["std", "pro"], duration=[5, 10], design="pairwise")
    control(form, "Prompts, one per line").value = "\n".join(f"a fox {number}" for number in range(251))
    form.plan()
    waiting[-1]()

    assert form.line.startswith("502 points · ")
    assert not button(form, "Start").disabled


# -- starting ----------------------------------------------------------------------------------------------------


def test_start_shows_the_live_panel(form: SweepForm) -> None:
    """The button starts the run and shows its panel in the form."""
    form.set(prompt="a {w} fox", w=["red", "white"], name="fox")

    button(form, "Start").click()

    assert len(form.run.wait().df) == 2
    panels = [w for w in inside(form.widget()) if type(w).__name__ == "RunPanel"]
    assert len(panels) == 1
    assert "started as &#x27;fox&#x27;" in html_of(form)


def test_the_plan_of_what_was_started_is_one_of_before(form: SweepForm) -> None:
    """Beside a run that has bought everything no table says that there is as much to buy."""
    form.set(prompt="a fox").plan()
    table = next(w for w in inside(form.widget()) if 'class="knb-plan' in str(getattr(w, "value", "")))
    assert "knb-stale" not in table._dom_classes

    form.start()

    assert "knb-stale" in table._dom_classes


def test_a_second_click_starts_nothing(form: SweepForm, lab: kn.Lab) -> None:
    """The same form started again is the same run, and one panel."""
    form.set(prompt="a fox")
    first = form.start()

    button(form, "Start").click()

    assert first is form.start()
    assert len(lab.runs()) == 1
    assert button(form, "Start").disabled


@pytest.fixture
def time_now() -> list[float]:
    """Return the moment by which a form tells a second click from a second thought."""
    return [100.0]


@pytest.fixture
def waiting(lab: kn.Lab, time_now: list[float]) -> SweepForm:
    """Open a form that shows the price of one clip, and waits before it looks at what is typed next."""
    form = SweepForm(lab, later=lambda _: None, agreed=Agreed(lambda: time_now[0]))
    return form.set(prompt="a fox", provider="kling", mode="std", duration=5)


def test_start_buys_nothing_at_a_price_that_was_not_shown(
    waiting: SweepForm, lab: kn.Lab, time_now: list[float]
) -> None:
    """What was typed since the price was made is planned; if it costs more, that is said, and the next press buys."""
    start = button(waiting, "Start")
    control(waiting, "Prompts, one per line").value = "a fox\na boat"

    start.click()

    assert (0, "2 points · 2 to buy for $0.42") == (len(lab.runs()), waiting.line[:29])
    assert "the price is now $0.42, not $0.21: nothing was bought; press Start again" in html_of(waiting)
    start.click()  # of a double click
    assert "the price is now $0.42, not $0.21: nothing was bought" in html_of(waiting)
    assert len(lab.runs()) == 0
    time_now[0] += 1
    start.click()
    assert "the price is now" not in html_of(waiting)
    assert [2] == [len(run.df) for run in [waiting.run.wait()]]


@pytest.mark.parametrize("typed", ["a boat", "a fox"])
def test_start_buys_what_is_typed_where_it_costs_no_more(waiting: SweepForm, typed: str) -> None:
    """Under a price that is not lower, what is typed is bought at once, and its own price stands there."""
    waiting.set(prompt=["a fox", "a wolf"])
    control(waiting, "Prompts, one per line").value = typed

    button(waiting, "Start").click()

    assert [typed] == list(waiting.run.df["prompt"])
    assert waiting.line.startswith("1 point · ")


def test_start_asks_for_plan_where_what_is_typed_is_too_much_to_price(waiting: SweepForm, lab: kn.Lab) -> None:
    """A press under the price of a small form buys nothing of a large one: the line says what is to be done."""
    control(waiting, "Prompts, one per line").value = "\n".join(f"a fox {number}" for number in range(2_001))

    button(waiting, "Start").click()

    assert len(lab.runs()) == 0
    assert waiting.line == "2,001 points: press Plan to see what they cost"
    assert button(waiting, "Start").disabled


def test_a_cancelled_run_can_be_started_again(tmp_path: Path) -> None:
    """After a cancel Start is there again, with what is left to buy; it goes on with the run, in one panel."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=1)) as slow:
        # Each press was read long after the one before: the clip that a cancel caught on its way is one more to buy.
        form = SweepForm(slow, later=at_once, agreed=Agreed(count(0, 10).__next__)).set(prompt="a fox", repeats=30)
        assert not button(form, "Start").disabled
        run = form.start()
        assert button(form, "Start").disabled

        offered = threading.Event()
        button(form, "Start").observe(lambda change: change["new"] or offered.set(), "disabled")
        run.cancel()
        assert offered.wait(20)
        for _ in range(30):
            if run.snapshot().state == "cancelled":
                button(form, "Start").click()

        assert form.run is not None
        assert (run.name, "running") == (form.run.name, form.run.snapshot().state)
        assert button(form, "Start").disabled
        assert len([w for w in inside(form.widget()) if type(w).__name__ == "RunPanel"]) == 1
        form.run.cancel()


def test_the_line_says_what_was_ordered_while_it_runs(tmp_path: Path) -> None:
    """Beside *started as* stands the price that was agreed to, and not what of it was not yet sent at some moment."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=1)) as slow:
        form = form_of(slow).set(prompt="a fox", provider="kling", repeats=30)
        before = form.line

        button(form, "Start").click()

        assert (before, True) == (form.line, "30 to buy" in before)
        assert "started as " in html_of(form)
        assert form.run is not None
        form.run.cancel()


def test_the_line_says_what_is_left_to_buy_once_the_run_finished(lab: kn.Lab) -> None:
    """Beside *started as* stands what another start would buy, not what this one bought."""
    form = SweepForm(lab, later=at_once).set(prompt=["a fox", "a boat #sim:fail"])
    line = next(w for w in inside(form.widget()) if "knb-line" in getattr(w, "_dom_classes", ()))
    assert "2 to buy for $0.42" in line.value
    settled = threading.Event()
    line.observe(lambda change: "all reused" in change["new"] and settled.set(), "value")

    form.start().wait()

    assert settled.wait(20)
    assert "to buy for $0.42" not in line.value
    assert "started as " in line.value
    assert button(form, "Start").disabled


def test_a_changed_form_can_be_started_again(form: SweepForm, lab: kn.Lab) -> None:
    """After a change it is another run; the panel of the first stays."""
    first = form.set(prompt="a fox").start()
    second = form.set(prompt="a boat").start()

    assert first.name != second.name
    assert len([w for w in inside(form.widget()) if type(w).__name__ == "RunPanel"]) == 2
    assert len(lab.runs()) == 2


def test_an_error_of_a_click_is_said_in_the_form(form: SweepForm) -> None:
    """What ``lab.start`` raises lands in red under the buttons, as its sentence."""
    form.set(prompt="a fox", name="generate")

    button(form, "Start").click()

    assert '<p class="knb-bad">name=&#x27;generate&#x27;: expected a name' in html_of(form)
    control(form, "Run name").value = "fox"
    assert "expected a name" not in html_of(form)


def test_an_unexpected_error_is_named(lab: kn.Lab) -> None:
    """An error that nobody expected is said by its name and text, after a click and while typing."""
    form = SweepForm(lab, later=at_once)

    def broken(*_: Any, **__: Any) -> Any:
        message = f"wires crossed {EVIL}"
        raise RuntimeError(message)

    form._lab = SimpleNamespace(plan=broken, start=broken, catalog=lab.catalog, folder=lab.folder, simulated=True)
    form.set(prompt="a fox")
    button(form, "Plan").click()

    assert form.problems[""] == ("RuntimeError: wires crossed " + EVIL,)
    assert html_of(form).count("RuntimeError: wires crossed &lt;img") >= 2
    assert EVIL not in html_of(form)


# -- showing -----------------------------------------------------------------------------------------------------


def test_everything_foreign_is_escaped(tmp_path: Path) -> None:
    """Markup in a prompt, a variable, a name or a folder never reaches the page as markup."""
    with open_lab(tmp_path / "<b>study") as lab:
        form = form_of(lab)
        form.set(prompt=f"{EVIL} {{w}}", w=[EVIL, "x"], name=EVIL, negative_prompt="y" * 2600 + EVIL)
        button(form, "Plan").click()
        form.set(cfg_scale=EVIL, budget=EVIL)
        control(form, "Prompts, one per line").value = f"{EVIL} {{"

        shown = html_of(form) + form._repr_html_()

    assert "<img" not in shown
    assert "<b>study" not in shown
    assert "&lt;img" in shown


def test_a_model_of_ones_own_catalogue_is_offered_and_escaped(tmp_path: Path) -> None:
    """A user's model joins the form, and its name is text."""
    own = tmp_path / "own.toml"
    own.write_text(f'[model."{EVIL}"]\ntitle = "Mine"\nmode = ["std", "{EVIL}"]\nsource = "here"\nread = "2026-11"\n')
    with open_lab(tmp_path / "study", catalog=own) as lab:
        form = form_of(lab).set(prompt="a fox", models=[EVIL, "kling-v2-6"])

        assert EVIL in form.offered("model")
        assert form.problems == {}
        assert is_gone(button(form, "Assume Kling's list price"))
        assert EVIL in form.offered("mode")
        assert "<img" not in html_of(form)


def test_every_control_is_labelled(form: SweepForm) -> None:
    """Each control has words of its own, in the order in which the keyboard reaches them."""
    kinds = (widgets.Checkbox, widgets.Text, widgets.Textarea, widgets.Button, widgets.IntText, widgets.ToggleButton)
    labels = [w.description for w in inside(form.widget()) if isinstance(w, (*kinds, widgets.BoundedIntText))]

    assert all(labels)
    assert {"Provider", "Model", "Mode", "Duration", "Ratio", "Sound"} <= {*html_of(form).splitlines()}
    named = [check(form, name).description for name in ("provider kling", "model kling-v2-6", "mode std")]
    named[2:2] = ["Prompts, one per line", "Start image"]
    order = [labels.index(name) for name in (*named, check(form, "design grid").description, MORE, "Plan")]
    assert sorted(order) == order


def test_a_checkbox_names_its_field(form: SweepForm) -> None:
    """Read aloud, a choice says field and value; the eye has the field above it."""
    assert check(form, "duration 5 s").description_allow_html
    assert check(form, "watermark on").tooltip is None  # with one, ipywidgets shows the markup of the name


def test_a_simulated_lab_says_so(form: SweepForm) -> None:
    """The headline and the static output of a simulated lab both say SIMULATED."""
    assert '<span class="knb-badge">SIMULATED</span>' in html_of(form)
    assert '<span class="knb-badge">SIMULATED</span>' in form._repr_html_()


def test_a_saved_notebook_keeps_the_python(form: SweepForm) -> None:
    """The static output tells how to use the form and holds the code; there is no script in it.

    Without a Jupyter kernel, as in marimo, running the cell again would show the same again.
    """
    form.set(prompt="a fox", name="fox")

    static = form._repr_html_()

    assert "Sweep form: Jupyter shows its fields; elsewhere kn.Sweep(…) and lab.plan(sweep) do the same." in static
    assert "run this cell" not in static
    assert "sweep = kn.Sweep(" in static
    assert "<script" not in static


def test_waiting_ends_with_the_last_one_asked() -> None:
    """Of several in quick succession only the last runs, in the context of whoever asked."""
    where: ContextVar[str] = ContextVar("where", default="nowhere")
    quiet, done, ran = Quiet(0.2), threading.Event(), []

    def last() -> None:
        ran.append(where.get())
        done.set()

    where.set("the cell")
    quiet.ask(lambda: ran.append("first"))
    quiet.ask(last)

    assert done.wait(20)
    assert ran == ["the cell"]


def test_what_is_asked_meanwhile_waits_and_only_its_last_runs() -> None:
    """While one runs nothing else does; of all that was asked meanwhile the last one follows it."""
    quiet, done = Quiet(0), threading.Event()
    ran: list[str] = []

    def first() -> None:
        quiet.ask(lambda: ran.append("between"))
        quiet.ask(last)
        overtaken = done.wait(0.3)
        ran.append("overtaken" if overtaken else "first")

    def last() -> None:
        ran.append("last")
        done.set()

    quiet.ask(first)

    assert done.wait(20)
    assert ran == ["first", "last"]


def test_a_large_pairwise_design_is_made_only_when_asked(form: SweepForm) -> None:
    """Such a design takes seconds: as one types its size is estimated, and pressing Plan makes and plans it."""
    prompts = [f"a fox {number}" for number in range(130)]
    form.set(prompt=prompts, mode=["std", "pro"], duration=[5, 10], design="pairwise")
    held = draft(entries(prompt="\n".join(prompts), duration=("5", "10", "15", "3"), design="pairwise"))

    assert held.is_rough
    assert held.sweep is not None
    assert "_rows" not in vars(held.sweep)
    assert outlook(held, plan_nothing).stops.startswith("about 520 points: press Plan")
    assert form.line.startswith("260 points · ")
