"""Sweeps: names, variables, designs, and their files."""

from __future__ import annotations

import io
import itertools
import math
import os
import sys
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import kling_nb as kn
from kling_nb.errors import InputError, SweepError
from kling_nb.fields import CameraControl, Shot
from kling_nb.request import VideoRequest
from kling_nb.sweep import DESIGNS, Point, Sweep, prompts

DRAWN = {"sample": (1, 3)}
"""What the method of a design is given that does not go without: how many to draw, and the seed."""
KN = SimpleNamespace(Sweep=Sweep, CameraControl=CameraControl, Shot=Shot)

FOX: dict[str, Any] = {
    "prompt": ["a red fox runs through {weather}", "a paper boat in {weather}"],
    "weather": ["snow", "heavy rain"],
    "model": ["kling-v1-6", "kling-v2-5-turbo"],
    "mode": ["std", "pro"],
    "provider": ["kling", "fal"],
    "duration": 5,
}

words = st.text(min_size=1, max_size=12)
names = words.filter(str.strip)
literals = words.map(prompts.escape)
shots = st.builds(Shot, prompt=literals, duration=st.integers(1, 9))
values: dict[str, st.SearchStrategy[Any]] = {
    "model": words,
    "mode": st.none() | st.sampled_from(["std", "pro", "4k"]),
    "duration": st.none() | st.integers(1, 15),
    "cfg_scale": st.none() | st.floats(0, 1).map(lambda x: x + 0.0),
    "provider": st.none() | names,
    "image": st.none() | st.sampled_from(["https://x.test/a.png", "sha256:" + "0" * 64, "pics/ä.png"]),
    "sound": st.none() | st.sampled_from(["on", "off"]),
    "negative_prompt": st.none() | literals,
    "watermark": st.none() | st.booleans(),
    "camera_control": st.none() | st.builds(CameraControl, zoom=st.integers(-10, 10) | st.floats(-10, 10)),
    "multi_prompt": st.none() | st.lists(shots, max_size=3).map(tuple),
    "extra": st.dictionaries(words, st.dictionaries(words, st.none() | st.integers() | words | st.lists(words))),
}
names = st.lists(st.sampled_from(sorted(values)), unique=True, max_size=4)


def _one_or_some(name: str) -> st.SearchStrategy[Any]:
    return values[name] | st.lists(values[name], min_size=1, max_size=4)


@st.composite
def sweeps(draw: st.DrawFn) -> Sweep:
    """Draw a sweep of any design, with a variable, and sometimes a condition."""
    arguments = {name: draw(_one_or_some(name)) for name in draw(names)}
    arguments["prompt"] = draw(st.lists(st.sampled_from(["a {hue} fox", "{{hue}}", "{hue}{hue}", "née ☃"]), min_size=1))
    arguments["prompt"].append("the {hue} one")
    arguments["hue"] = draw(st.lists(words | st.integers() | st.floats(0, 9), min_size=1, max_size=4))
    exclude = draw(st.just([]) | st.just([{"hue": None}]) | st.just([{"mode": ["std", None], "hue": "x"}]))
    return Sweep(**arguments, exclude=exclude, repeats=draw(st.integers(1, 3)), max_points=10**9)


def _combinations(sweep: Sweep) -> list[tuple[Any, ...]]:
    return [(p.template, p.request.mode, p.provider, *p.variables.values()) for p in sweep.points()]


def test_a_grid_is_every_combination_with_the_last_axis_fastest() -> None:
    """A grid holds every combination: axes in the order they were written, the last one fastest, samples innermost."""
    sweep = Sweep(prompt="a fox", mode=["std", "pro"], duration=[5, 10], repeats=2)
    found = [(p.index, p.request.mode, p.request.duration, p.sample) for p in sweep.points()]
    expected = list(itertools.product(["std", "pro"], [5, 10], [1, 2]))
    assert [(i, *row) for i, row in enumerate(expected)] == found


def test_a_tuple_is_one_value_and_a_list_an_axis() -> None:
    """Only a list is an axis; a tuple of shots is one fixed value."""
    two = (Shot(prompt="a", duration=2), Shot(prompt="b", duration=3))
    sweep = Sweep(multi_prompt=two, multi_shot=True, mode=["std", "pro"])
    assert ({"mode": ("std", "pro")}, 2) == (dict(sweep.axes), len(sweep))
    assert {two} == {p.request.multi_prompt for p in sweep.points()}


def test_variables_are_filled_in_everywhere_and_the_template_is_kept() -> None:
    """A variable is filled into the prompt, the negative prompt and shots; the point keeps the prompt as written."""
    sea = (Shot(prompt="{hue} sea", duration=5),)
    sweep = Sweep(prompt="a {hue} {{fox}}", negative_prompt="no {hue}", multi_prompt=sea, hue="red")
    expected = VideoRequest(
        prompt="a red {fox}", negative_prompt="no red", multi_prompt=(Shot(prompt="red sea", duration=5),)
    )
    (point,) = sweep.points()
    assert (expected, "a {hue} {{fox}}", {"hue": "red"}) == (point.request, point.template, dict(point.variables))


def test_a_value_is_not_read_as_a_template() -> None:
    """What is put in for a variable stays as it is, braces and all."""
    (point,) = Sweep(prompt="{a} {b}", a="{b}", b="}}").points()
    assert point.request.prompt == "{b} }}"


@given(st.text())
def test_an_escaped_text_comes_out_as_it_was(text: str) -> None:
    """A prompt with every brace doubled stands for the text itself."""
    assert text == prompts.fill(prompts.escape(text), {})
    assert prompts.names(prompts.escape(text)) == ()


def test_a_variable_that_a_prompt_does_not_use_makes_no_points() -> None:
    """A prompt without a variable is one point, whatever values the variable has; the variable is unset there."""
    sweep = Sweep(prompt=["a {hue} fox", "a boat"], hue=["red", "blue", "green"], repeats=2)
    assert len(sweep) == len(sweep.points()) == (3 + 1) * 2
    assert [{}] * 2 == [dict(p.variables) for p in sweep.points() if p.template == "a boat"]


def test_the_same_value_twice_counts_once() -> None:
    """An axis that holds a value twice buys nothing twice; 5 and 5.0 are one duration."""
    sweep = Sweep(prompt="a fox", duration=[5, 5.0, "5", 10])
    assert len(sweep) == len(sweep.points()) == 2


def test_excluded_combinations_are_left_out() -> None:
    """A point that meets every part of a condition is left out; a list in a condition means any of these."""
    sweep = Sweep(**FOX, exclude=[{"provider": "fal", "mode": "std"}, {"weather": ["snow", "hail"], "mode": ["pro"]}])
    left = [(p.provider, p.request.mode, p.variables["weather"]) for p in sweep.points()]
    allowed = {("kling", "std", "snow"), ("kling", "std", "heavy rain"), ("kling", "pro", "heavy rain")}
    assert allowed | {("fal", "pro", "heavy rain")} == set(left)
    assert len(sweep) == len(left) == 16


def test_a_condition_may_name_what_is_left_open() -> None:
    """None in a condition is what is left open: a field without a value, a variable that is not used."""
    axes: dict[str, Any] = {"prompt": ["a {hue} fox", "a boat"], "hue": ["red", "blue"], "mode": ["std", None]}
    assert {"std"} == {p.request.mode for p in Sweep(**axes, exclude=[{"mode": None}]).points()}
    assert {"a {hue} fox"} == {p.template for p in Sweep(**axes, exclude=[{"hue": None}]).points()}
    assert len(Sweep(**axes, exclude=[{"duration": None, "hue": "red"}])) == 4


@settings(deadline=None, max_examples=50)
@given(sweeps())
@example(Sweep(prompt="a fox", camera_control=["down_back", CameraControl(zoom=5)]))
@example(Sweep(prompt="a fox", camera_control=[CameraControl(zoom=0), CameraControl(zoom=0.0)]))
def test_a_grid_is_the_product_less_what_is_excluded(sweep: Sweep) -> None:
    """The points of a grid are the distinct combinations of the axes, without those that meet a condition."""

    def made(values: tuple[Any, ...]) -> tuple[str, ...] | None:
        held = {**sweep.fixed, **dict(zip(sweep.axes, values, strict=True))}
        used = prompts.names(held["prompt"])
        held["hue"] = held["hue"] if "hue" in used else None
        for condition in sweep.exclude:
            if all(str(held.get(name)) in [str(v) for v in wanted] for name, wanted in condition.items()):
                return None
        shown = {**held, "hue": str(held["hue"])}
        if isinstance(camera := held.get("camera_control"), CameraControl):
            shown["camera_control"] = camera.canonical()  # a move of 0 and one of 0.0 are one
        return tuple(repr(item) for item in shown.items())

    expected = {row for values in itertools.product(*sweep.axes.values()) if (row := made(values)) is not None}
    assert len(expected) * sweep.repeats == len(sweep) == len(sweep.points())


def test_the_values_of_a_table_are_text_and_numbers() -> None:
    """What a column holds makes the same sweep, and the same Python, as what it looks like."""
    table = pd.DataFrame({"hue": ["red", "blue"], "take": [1, 2], "size": np.array([0.5, 0.7], dtype="f4")})
    given: dict[str, Any] = {name: list(table[name].to_numpy()) for name in table}
    plain: dict[str, Any] = {"hue": ["red", "blue"], "take": [1, 2], "size": [0.5, 0.7]}
    prompt = "a {hue} fox, take {take}, {size}"
    sweep = Sweep(prompt=prompt, **given, repeats=table["take"].max()).sample(4, seed=table["take"].min())
    assert sweep.code() == Sweep(prompt=prompt, **plain, repeats=2).sample(4, seed=1).code()


def test_a_fraction_is_a_number_too() -> None:
    """Its text is none that a number is read from, its value is one."""
    assert ["a 0.5 fox"] == [p.request.prompt for p in Sweep(prompt="a {size} fox", size=[Fraction(1, 2)]).points()]


def test_numbers_and_switches_of_a_table_are_what_they_look_like() -> None:
    """Narrow floats, exact numbers and numpy's truth values count as what a person sees of them."""
    fields = {"cfg_scale": np.float32(0.7), "duration": Decimal(5), "sound": np.True_, "watermark": np.False_}
    (point,) = Sweep(prompt="a {size} fox", size=Decimal("0.10"), **fields).points()
    held = [getattr(point.request, name) for name in fields]
    assert ("a 0.10 fox", [0.7, 5, "on", False]) == (point.request.prompt, held)


class Mode(Enum):
    PRO = "pro"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a length with its unit": ({"duration": "5s"}, "a whole number of seconds, such as 5"),
    "a truth value for a length": ({"duration": np.True_}, "a whole number of seconds"),
    "a ratio as a pair": ({"aspect_ratio": (16, 9)}, "text such as '16:9', got tuple; [^:]*$"),
    "a ratio as a number": ({"aspect_ratio": 16 / 9}, "text such as '16:9', got float"),
    "an enum": ({"mode": Mode.PRO}, r"got Mode: its \.value may be meant"),
    "an enum in a prompt": ({"prompt": "a {hue}", "hue": Mode.PRO}, r"its \.value may be"),
    "no provider": ({"provider": ""}, "the id of a provider"),
    "sound as a number": ({"sound": 1}, "expected on or off, got int"),
    "a camera in words": ({"camera_control": CameraControl(zoom="far")}, "expected a number"),  # type: ignore[arg-type]
    "a shot in words": ({"multi_prompt": (Shot(prompt="x", duration="long"),)}, "whole number"),  # type: ignore[arg-type]
    "no conditions": ({"exclude": None}, r"a list of conditions such as \[\{"),
    "a condition as code": ({"exclude": len}, r"a list of conditions such as \[\{"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_value_of_the_wrong_kind_says_what_was_expected(what: str) -> None:
    """What a person may type is answered with what the field takes, and only with a mend that helps."""
    given, said = WRONG[what]
    with pytest.raises(SweepError, match=said):
        Sweep(**{"prompt": "a fox", **given})


def test_a_sweep_at_no_provider_is_an_error() -> None:
    """At nowhere there is nothing to buy."""
    with pytest.raises(SweepError, match="needs a provider"):
        Sweep(prompt="fox").at()


def test_axes_stand_as_they_were_written() -> None:
    """Prompts are read first, and keep their place."""
    sweep = Sweep(mode=["std", "pro"], prompt=["a {hue}"], hue=["red", "blue"])
    assert ["mode", "prompt", "hue"] == list(sweep.axes)


@pytest.mark.parametrize("name", ["provider", "hue", "extra"])
def test_half_a_character_is_told_when_the_sweep_is_made(name: str) -> None:
    """No provider, variable or field of a provider's own with half a character gets as far as a plan."""
    held: dict[str, Any] = {name: {"fal": {"seed": "a\udc00"}} if name == "extra" else ["a\udc00"]}
    with pytest.raises(SweepError, match=rf"{name}=.*holds '.udc00' at character 2, which is half of a character"):
        Sweep(prompt="a {hue} fox" if name == "hue" else "a fox", **held)


@pytest.mark.parametrize("gap", [float("nan"), float("inf"), None, pd.NA, True, np.True_])
def test_a_gap_of_a_table_is_not_put_into_a_prompt(gap: object) -> None:
    """Nobody wants to buy a video of *a nan fox*."""
    with pytest.raises(SweepError, match=r"hue=.* cannot be read: expected text or a number"):
        Sweep(prompt="a {hue} fox", hue=["red", gap])


CSV = """animal,duration,cfg_scale,mode,sound,image,negative_prompt,camera_control,model,provider
fox,5,0.5,std,on,a.png,blur,down_back,kling-v1-6,fal
owl,,,,,,,,,
"""


@pytest.mark.parametrize("read", [pd.DataFrame.copy, pd.DataFrame.convert_dtypes, lambda table: table.astype(object)])
def test_an_empty_cell_leaves_its_field_open(read: Any) -> None:
    """A table spells by a gap what was left open, as `lab.df()` does, in whatever dtype it is read."""
    table = read(pd.read_csv(io.StringIO(CSV)))
    fox, owl = Sweep(prompt="a {animal}", **table.to_dict("list")).zip().points()
    assert ("a fox", 5, int, "fal") == (
        fox.request.prompt,
        fox.request.duration,
        type(fox.request.duration),
        fox.provider,
    )
    assert (VideoRequest(prompt="a owl"), None) == (owl.request, owl.provider)


@pytest.mark.parametrize("gap", [float("nan"), np.float32("nan"), pd.NA, pd.NaT])
def test_a_gap_is_none(gap: Any) -> None:
    """Each sign for nothing counts as `None` on an axis, and is written down as that."""
    sweep = Sweep(prompt="a fox", duration=[5.0, gap], watermark=[True, gap]).zip()
    assert Sweep(prompt="a fox", duration=[5, None], watermark=[True, None]).zip() == sweep
    assert "duration=[5, None]" in sweep.code()


def test_a_number_that_is_none_is_an_error_outside_a_table() -> None:
    """One fixed value is no cell of a table: somebody reckoned it."""
    with pytest.raises(SweepError, match="cfg_scale=nan cannot be read: expected a number"):
        Sweep(prompt="a fox", cfg_scale=float("nan"))


@pytest.mark.parametrize(("name", "gap"), [("hue", math.nan), ("hue", pd.NA), ("hue", None), ("prompt", math.nan)])
def test_a_gap_in_a_text_is_told_with_its_row_and_what_to_do(name: str, gap: Any) -> None:
    """In a table of hundreds of rows nobody finds it by eye."""
    given: dict[str, Any] = {"prompt": "a {hue} fox", "hue": "red", name: ["{hue}", "blue", gap]}
    with pytest.raises(SweepError, match=rf"{name}=.* value 3 of 3 .*df\.dropna\(subset=\['{name}'\]\)"):
        Sweep(**given)


def test_a_point_by_its_image_alone_has_no_prompt() -> None:
    """`None` is written on purpose, and no gap."""
    assert ["a fox", ""] == [p.request.prompt for p in Sweep(prompt=["a fox", None], image="a.png").points()]


@pytest.mark.parametrize("name", ["hue", "mode", "provider"])
@pytest.mark.parametrize("kind", [pd.Series, np.array, tuple, set])
def test_what_holds_several_values_is_told_how_to_become_an_axis(name: str, kind: Any) -> None:
    """A column, an array or a tuple is one value, which it cannot be here: the error says what was probably meant."""
    with pytest.raises(SweepError, match=rf"{name}=list\(…\) varies over what this \w+ holds"):
        Sweep(prompt="a {hue} fox", **{"hue": "red", name: kind(["a", "b"])})


def test_a_table_and_a_picture_are_not_taken_for_an_axis() -> None:
    """A list of a whole table would hold its columns' names, and one of a picture its rows."""
    for name, value in {"hue": pd.DataFrame({"a": [1]}), "image": np.zeros((4, 4, 3)), "mode": {"a": 1}}.items():
        with pytest.raises(SweepError, match=f"{name}=") as caught:
            Sweep(**{"prompt": "a {hue} fox", "hue": "red", name: value})
        assert "list(" not in str(caught.value)


def test_zip_goes_along_the_axes_together() -> None:
    """Zip takes the first values, then the second ones; a value may come twice."""
    sweep = Sweep(prompt="a fox", mode=["std", "std", "pro"], duration=[5, 10, 5]).zip()
    assert [("std", 5), ("std", 10), ("pro", 5)] == [(p.request.mode, p.request.duration) for p in sweep.points()]


def test_zip_leaves_out_rows_that_are_the_same() -> None:
    """A row of a zip that differs only in a variable that its prompt does not use is not bought again."""
    sweep = Sweep(prompt=["a boat", "a boat", "{hue}"], hue=["red", "blue", "red"]).zip()
    assert ["a boat", "red"] == [p.request.prompt for p in sweep.points()]


def test_zip_leaves_out_what_is_excluded() -> None:
    """A condition holds for the rows of a zip too, and for a variable that a row does not use."""
    sweep = Sweep(
        prompt=["a boat", "{hue}", "{hue}"], hue=["red", "blue", "red"], exclude=[{"hue": [None, "red"]}]
    ).zip()
    assert ["blue"] == [p.request.prompt for p in sweep.points()]
    with pytest.raises(SweepError, match="everything is excluded"):
        Sweep(
            prompt=["a", "{hue}"],
            hue=[1, 2],
            mode=["std", "pro"],
            exclude=[{"mode": "std", "hue": None}, {"mode": "pro", "hue": 2}],
        ).zip()


def test_zip_of_unequal_axes_is_an_error() -> None:
    """Axes of different lengths cannot be zipped; the error says the lengths."""
    with pytest.raises(SweepError, match=r"'mode': 2, 'duration': 3"):
        Sweep(prompt="a fox", mode=["std", "pro"], duration=[5, 6, 7]).zip()


@settings(deadline=None, max_examples=50)
@given(sweeps(), st.integers(0, 99), st.data())
def test_a_sample_is_seeded_and_without_duplicates(sweep: Sweep, seed: int, data: st.DataObject) -> None:
    """A sample has n different points of the grid, in its order, and the same ones for the same seed."""
    n = data.draw(st.integers(1, min(20, len(sweep) // sweep.repeats)))
    found, grid = _identities(sweep.sample(n, seed)), _identities(sweep)
    assert n * sweep.repeats == len(sweep.sample(n, seed)) == len(found)
    assert found == _identities(sweep.sample(n, seed)) == [point for point in grid if point in found]
    assert len(set(found)) == len(found)


def _identities(sweep: Sweep) -> list[str]:
    return [repr((p.request, p.provider, p.template, sorted(p.variables.items()), p.sample)) for p in sweep.points()]


def test_another_seed_is_another_sample() -> None:
    """Two seeds draw different points."""
    sweep = Sweep(prompt="{a}{b}", a=list(range(30)), b=list(range(30)))
    assert _identities(sweep.sample(10, seed=1)) != _identities(sweep.sample(10, seed=2))


def test_a_sample_draws_from_more_points_than_the_limit() -> None:
    """A sample of a grid far beyond the limit is drawn without writing the grid out."""
    sweep = Sweep(prompt="{a}{b}{c}", a=list(range(1000)), b=list(range(1000)), c=list(range(1000))).sample(4)
    assert len(sweep.points()) == 4


def test_a_sample_larger_than_the_grid_is_an_error() -> None:
    """A sample cannot hold more points than the grid has; the error says both numbers."""
    with pytest.raises(SweepError, match=r"sample of 9 .* only 2 combinations"):
        Sweep(prompt="a fox", mode=["std", "pro"]).sample(9)


@settings(deadline=None, max_examples=50)
@given(sweeps())
def test_pairwise_has_every_pair_that_the_grid_has(sweep: Sweep) -> None:
    """Any two values of different axes that meet in some point of the grid meet in a point of the pairwise design."""
    some = sweep.pairwise()
    assert _pairs(sweep) == _pairs(some)
    assert set(_identities(some)) <= set(_identities(sweep))
    assert len(some) == len(some.points()) <= len(sweep)


def _pairs(sweep: Sweep) -> set[Any]:
    rows = [{**p.request.given(), "prompt": p.template, "provider": p.provider, **p.variables} for p in sweep.points()]
    return {pair for row in rows for pair in itertools.combinations(map(repr, row.items()), 2)}


def test_pairwise_is_small() -> None:
    """Ten axes of three values take no more than a few dozen points, not 59,049."""
    axes: dict[str, Any] = {name: [1, 2, 3] for name in "abcdefghij"}
    sweep = Sweep(prompt="".join(f"{{{name}}}" for name in axes), **axes).pairwise()
    assert 9 <= len(sweep) <= 30


def test_the_length_of_a_huge_grid_is_known_and_its_points_refused() -> None:
    """The length of a grid is counted, not written out; too many points are refused with both numbers and a way out."""
    sweep = Sweep(prompt="{a}{b}{c}", a=list(range(200)), b=list(range(200)), c=list(range(200)), exclude=[{"a": 1}])
    assert len(sweep) == 7_960_000
    with pytest.raises(SweepError, match=r"7,960,000 points.*10,000.*max_points=7960000"):
        sweep.points()
    with pytest.raises(SweepError, match="40,000 points"):
        sweep.pairwise().points()
    assert "more than 10,000 points" in repr(sweep.pairwise())


def test_a_sweep_of_more_points_than_python_counts() -> None:
    """Its representation and its refusal name the number all the same."""
    prompt = "".join(f"{{a{n}}}" for n in range(11))
    sweep = Sweep(prompt=prompt, **{f"a{n}": [str(value) for value in range(100)] for n in range(11)})
    assert repr(sweep).startswith("Sweep(10,000,000,000,000,000,000,000 points, grid;")
    assert len(sweep) == sys.maxsize
    with pytest.raises(SweepError, match=r"10,000,000,000,000,000,000,000 points, more than the limit of 10,000"):
        sweep.points()


def test_more_points_than_usual_can_be_asked_for() -> None:
    """With max_points the limit is moved."""
    axes: dict[str, Any] = {"a": list(range(110)), "b": list(range(100))}
    assert len(Sweep(prompt="{a}{b}", **axes, max_points=11_000).points()) == 11_000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"prompt": "a", "mod": "std"}, r"'mod'; did you mean 'mode'\?"),
        ({"prompt": "a {weather}", "wether": ["snow"]}, r"'wether'; did you mean 'weather'\?"),
        ({"prompt": "a", "repeat": 2}, r"'repeat'; did you mean 'repeats'\?"),
        ({"prompt": "a {weather}"}, r"\{weather\} in a prompt has no value; .*\{\{weather\}\}"),
        ({"prompt": "a {mode}", "mode": "std"}, r"\{mode\} .* name that is taken"),
        ({"prompt": "a {x", "x": 1}, r"'\{' at character 3 .* written twice"),
        ({"prompt": "a {x!r}", "x": 1}, r"'\{x!r\}' at character 3"),
        ({"prompt": "a }"}, r"'\}' at character 3"),
        ({"prompt": "a", "mode": []}, r"axis mode=\[\] has no values"),
        ({"mode": "std"}, "no prompt"),
        ({"prompt": ""}, "no prompt"),
        ({"prompt": "a", "duration": [5, "abc"]}, "duration='abc'"),
        ({"prompt": "a", "mode": [5]}, "mode=5 cannot be read"),
        ({"prompt": "a", "duration": range(3)}, "a list is an axis"),
        ({"multi_prompt": [{"prompt": "a", "duration": 5}]}, "a list is an axis"),
        ({"prompt": "a", "provider": 5}, "provider=5 .*id of a provider"),
        ({"prompt": "{x}", "x": True}, "x=True .*text or a number"),
        ({"prompt": "{x}", "x": [("a",)]}, "x=.*text or a number"),
        ({"prompt": "a", "mode": "std", "exclude": [{"mode": "std"}]}, "everything is excluded"),
        ({"prompt": "a", "exclude": [{"mdoe": "std"}]}, r"exclude: .* 'mdoe'; did you mean 'mode'\?"),
        ({"prompt": "a", "exclude": [{}]}, "names no value"),
        ({"prompt": "a", "exclude": {"mode": "std"}}, "expected a list of conditions"),
        ({"prompt": "a", "exclude": [{"duration": "x"}]}, "duration='x'"),
        ({"prompt": "a", "repeats": 0}, "repeats=0"),
        ({"prompt": "a", "repeats": True}, "repeats=True"),
        ({"prompt": "a", "max_points": "many"}, "max_points='many'"),
        ({"prompt": "a", "design": "pairs"}, r"did you mean 'pairwise'\?"),
        ({"prompt": "a", "design": {"sample": 0}}, "sample=0"),
    ],
)
def test_what_is_wrong_is_said(arguments: dict[str, Any], sentence: str) -> None:
    """A sweep that cannot be meant is an error that names what is wrong, and the likeliest right name."""
    with pytest.raises(SweepError, match=sentence):
        Sweep(**arguments)


def test_what_a_model_accepts_is_not_checked_here() -> None:
    """A length that no model offers is a sweep all the same: the plan says what the catalogue thinks of it."""
    assert [7] == [p.request.duration for p in Sweep(prompt="a", duration=7).points()]


def test_a_sweep_cannot_be_changed() -> None:
    """Neither a setting nor an axis of a sweep can be changed."""
    sweep = Sweep(prompt="a", mode=["std"])
    with pytest.raises(AttributeError, match="make a new one"):
        sweep.repeats = 5
    with pytest.raises(TypeError):
        sweep.axes["mode"] = ("pro",)  # type: ignore[index]


def test_a_point_is_a_frozen_record() -> None:
    """A point cannot be changed."""
    (point,) = Sweep(prompt="a").points()
    assert isinstance(point, Point)
    with pytest.raises(AttributeError):
        point.sample = 2  # type: ignore[misc]


def test_sweeps_are_equal_by_what_they_hold() -> None:
    """The order of axes is part of a sweep, that of fixed values is not."""
    assert Sweep(prompt="a", duration=5, mode=["std"]) == Sweep(duration=5.0, mode=["std"], prompt="a")
    assert Sweep(prompt=["a"], mode=["std"]) != Sweep(mode=["std"], prompt=["a"])
    assert Sweep(prompt="a") != Sweep(prompt="a", repeats=2)
    assert Sweep(prompt="a") != "a"


def test_a_sweep_shows_its_size_and_axes() -> None:
    """The text of a sweep says how many points it has, over which axes."""
    assert repr(Sweep(**FOX, repeats=2)) == (
        "Sweep(64 points, grid; prompt × 2, weather × 2, model × 2, mode × 2, provider × 2; duration=5; 2 samples each)"
    )


@pytest.mark.parametrize("kind", DESIGNS)
@settings(deadline=None, max_examples=50)
@given(sweep=sweeps())
def test_toml_and_code_round_trip(kind: str, sweep: Sweep) -> None:
    """A sweep written as TOML, or as Python, and read again is the same sweep, of whatever design."""
    if kind == "zip":
        sweep = Sweep(**{**sweep.fixed, **{name: [v[0]] for name, v in sweep.axes.items()}, "prompt": ["{hue}"]})
    made = getattr(sweep, kind)(*DRAWN.get(kind, ()))
    assert made == Sweep.from_toml(made.to_toml())
    assert made == eval(made.code(), {"kn": KN})  # what code() promises


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt": "{class} {été}", "class": ["a", 1, 1.5], "été": "x"},
        {"prompt": 'two\nlines\t"\\ \u202e \x7f'},
        {"multi_prompt": (Shot(prompt="a", duration=1), Shot(prompt="b", duration=2))},
        {"multi_prompt": [(Shot(prompt="a", duration=1),), None], "exclude": [{"multi_prompt": None}]},
        {"multi_prompt": [(Shot(prompt="a", duration=1),), ()], "prompt": "a", "exclude": [{"multi_prompt": [()]}]},
        {"prompt": "a", "extra": {"fal": {"a b": [1, {"x": None}], "": 1.5}}, "max_points": 1},
        {"prompt": "a", "mode": [None, "std", "pro"], "exclude": [{"mode": [None, "std"]}], "design": "zip"},
    ],
)
def test_odd_sweeps_round_trip(arguments: dict[str, Any]) -> None:
    """Python's keywords, control characters, tuples in axes and conditions, and nested knobs survive both forms."""
    sweep = Sweep(**arguments)
    assert sweep == Sweep.from_toml(sweep.to_toml())
    assert sweep == eval(sweep.code(), {"kn": KN})  # what code() promises


def test_the_design_can_be_given_to_the_constructor() -> None:
    """A design by name, or a sample with its seed, is the same as the method."""
    given_all: dict[str, Any] = {"prompt": "{a}", "a": [1, 2, 3]}
    assert Sweep(**given_all, design="pairwise") == Sweep(**given_all).pairwise()
    assert Sweep(**given_all, design={"sample": 2, "seed": 5}) == Sweep(**given_all).sample(2, seed=5)
    with pytest.raises(SweepError, match=r"does not say how many; expected \{'sample': 20, 'seed': 0\}"):
        Sweep(**given_all, design="sample")
    with pytest.raises(SweepError, match="cannot be read; expected 'grid'"):
        Sweep(**given_all, design=np.array(["sample", "grid"]))


def test_the_file_diffs_by_the_line(tmp_path: Path) -> None:
    """The file holds axes in the order they were written, long ones with a value a line, and None as unset."""
    long = ["a long prompt about a fox in {where} " + word * 9 for word in ("snow", "rain")]
    path = Sweep(prompt=long, where="here", mode=[None, "pro"], exclude=[{"mode": None}]).save(tmp_path / "fox.toml")
    assert path.read_text(encoding="utf-8") == (
        'design = "grid"\nrepeats = 1\n\n[axes]\nprompt = [\n'
        f'    "{long[0]}",\n    "{long[1]}",\n]\nmode = [{{ unset = true }}, "pro"]\n\n'
        '[fixed]\nwhere = "here"\n\n[[exclude]]\nmode = { unset = true }\n'
    )


def test_images_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative image path is written relative to the file, and read so, wherever the reader stands."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweeps").mkdir()
    images: list[Any] = ["pics/a.png", None, "https://x.test/b.png", str(tmp_path / "c.png")]
    sweep = Sweep(prompt="a", image=images, exclude=[{"image": "pics/a.png"}])
    path = sweep.save("sweeps/s.toml")
    text = path.read_text(encoding="utf-8")
    assert '\n    "../pics/a.png",\n    { unset = true },\n    "https://x.test/b.png",' in text
    assert sweep == Sweep.load("sweeps/s.toml")
    monkeypatch.chdir(tmp_path / "sweeps")
    assert "../pics/a.png" == Sweep.load("s.toml").axes["image"][0]


def test_a_file_that_cannot_be_written_is_an_error_of_one_line(tmp_path: Path) -> None:
    """Saving into a folder that is not there says so, and what to do."""
    with pytest.raises(SweepError, match=r"s\.toml cannot be written \(No such file or directory\); make its folder"):
        Sweep(prompt="a").save(tmp_path / "sweeps" / "s.toml")
    with pytest.raises(SweepError, match=r" cannot be written \(Is a directory\); save the sweep elsewhere"):
        Sweep(prompt="a fox").save(tmp_path)


def test_a_path_of_another_library_is_one_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `os.scandir` yields is saved, read back and written as code as the path that it is."""
    monkeypatch.chdir(tmp_path)
    Path("pics").mkdir()
    Path("pics/a.png").write_bytes(b"")
    sweep = Sweep(prompt="a", image=list(os.scandir("pics")))
    assert Sweep(prompt="a", image=["pics/a.png"]) == sweep == Sweep.load(sweep.save("s.toml"))
    assert sweep == eval(sweep.code(), {"kn": kn})


def test_image_bytes_cannot_be_saved() -> None:
    """An image given as bytes has no place in a file; the error says what to do, and the code shows a name."""
    sweep = Sweep(prompt="a", image=b"\x89PNG")
    with pytest.raises(SweepError, match=r"image is an image of 4 bytes.*give its path"):
        sweep.to_toml()
    assert "image=image_bytes" in sweep.code()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[fixed]\nprompt = 'a' b", "line 2"),
        ("[axis]\nprompt = ['a']", r"'axis' .*did you mean 'axes'\?"),
        ("[fixed]\nprompt = 'a'\nmod = 'x'", r"'mod'; did you mean 'mode'\?"),
        ("[axes]\nprompt = 'a'", r"put it under \[fixed\]"),
        ("axes = 5", r"expected a table, \[axes\]"),
        ("[axes]\nprompt = ['a']\n[fixed]\nprompt = 'a'", "both under"),
        ("[fixed]\nprompt = 'a'\nrepeats = 2", "belongs at the top"),
        ("exclude = 5\n[fixed]\nprompt = 'a'", r"\[\[exclude\]\]"),
        ("exclude = [5]\n[fixed]\nprompt = 'a'", r"\[\[exclude\]\]"),
        ("[fixed]\nprompt = '{x}'\nx = 2026-01-01", "text or a number"),
        ("[fixed]\nprompt = 'a'\ncamera_control = { tpye = 'simple' }", "camera_control=.*tpye"),
        ("prompt = ['a']", r"'prompt' is at the top of the file: put it under \[axes\]"),
        ("[fixed]\nprompt = 'a'\nimage = ''", "image='' .*got nothing"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(text: str, sentence: str, tmp_path: Path) -> None:
    """An error in a file names the file, and the line or the key."""
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SweepError, match=rf"s\.toml: .*{sentence}"):
        Sweep.load(tmp_path / "s.toml")


def test_a_file_that_is_missing_or_no_text_is_an_error(tmp_path: Path) -> None:
    """A file that is not there, or not UTF-8, is one sentence."""
    with pytest.raises(InputError, match="no such file"):
        Sweep.load(tmp_path / "none.toml")
    (tmp_path / "s.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        Sweep.load(tmp_path / "s.toml")


def test_what_none_means_cannot_be_saved_as_a_value() -> None:
    """A table that a file would read as None is refused rather than changed."""
    with pytest.raises(SweepError, match="cannot be saved"):
        Sweep(prompt="a", extra={"fal": {"x": {"unset": True}}}).to_toml()
