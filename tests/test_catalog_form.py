"""Values of a catalogue file that are of a wrong type."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

import kling_nb
from kling_nb.catalog import load
from kling_nb.errors import InputError
from kling_nb.request import VideoRequest


def _places(table: Mapping[str, Any], begun: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Go through the keys of all tables of a catalogue, and of the first row of each list of tables."""
    for key, value in table.items():
        yield (*begun, key)
        if isinstance(value, dict):
            yield from _places(value, (*begun, key))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from _places(value[0], (*begun, key, 0))


def _data(name: str) -> dict[str, Any]:
    return tomllib.loads((Path(kling_nb.__file__).parent / name).read_text("utf-8"))


_PLACES = [(name, place) for name in ("catalog.toml", "providers.toml") for place in _places(_data(name))]
_WRONG: list[Any] = [3, -1, 1.5, True, "a", "", [], ["a"], [3], [[]], [{"x": 1}], {}, {"x": 1}, {"x": {"y": []}}]


@settings(max_examples=150, deadline=None)
@given(where=st.sampled_from(_PLACES), wrong=st.sampled_from(_WRONG))
def test_a_wrong_value_is_told_or_does_no_harm(where: tuple[str, tuple[Any, ...]], wrong: Any) -> None:
    """Whatever stands anywhere in a user's file, it is refused in words, or the catalogue that it makes can be used."""
    name, place = where
    data = _data(name)
    table: Any = data
    for key in place[:-1]:
        table = table[key]
    table[place[-1]] = wrong
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mine.toml"
        file.write_text(tomli_w.dumps(data), "utf-8")
        try:
            mine = load(file)
        except InputError as error:
            assert "mine.toml" in str(error) or str(place[0]) in str(error)  # noqa: PT017 - the other outcome is good too
            return
    mine.models_table()
    for provider in mine.providers:
        for request in (VideoRequest(prompt="a fox", model="kling-v2-6", sound="on"), VideoRequest(model="kling-v9")):
            with suppress(InputError):  # of a row without a menu
                [str(problem) for problem in mine.problems(request, provider)]
                mine.estimate(request, provider)
                mine.typical_s(request, provider)
