"""A plan shows what tells its points apart, whatever the axes are: in a notebook, in a terminal and as a frame."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from rich.cells import cell_len
from rich.console import Console

import kling_nb as kn
from kling_nb.plan import Plan
from kling_nb.plan.asked import ASKED
from kling_nb.plan.plan import COLUMNS
from kling_nb.plan.terminal import plan_table
from kling_nb.request import FIELDS

URLS = ["https://example.org/a/fox.png", "https://example.org/b/fox.png", "https://example.org/wolf.png"]
SHOTS = [[{"prompt": "a fox", "duration": 2}, {"prompt": "it runs", "duration": n}] for n in (3, 8)]
SHORT = {"multi_shot": True, "shot_type": "customize", "prompt": None, "model": "kling-v3", "duration": None}
AXES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "negative_prompt": ({"negative_prompt": ["blur", None]}, ["blur", ""]),
    "cfg_scale": ({"cfg_scale": [0.3, 0.7]}, ["0.3", "0.7"]),
    "camera_control": ({"camera_control": [{"zoom": 5}, "down_back"]}, ["simple, zoom 5", "down_back"]),
    "image": ({"image": URLS}, ["a/fox.png", "b/fox.png", "wolf.png"]),
    "image_tail": ({"image": URLS[2], "image_tail": [None, URLS[0]]}, ["", "fox.png"]),
    "sound": ({"sound": [True, False], "model": "kling-v2-6", "mode": "pro"}, ["on", "off"]),
    "multi_shot": ({"multi_shot": [True, False]}, ["yes", "no"]),
    "shot_type": ({"shot_type": ["customize", "intelligence"]}, ["customize", "intelligence"]),
    "multi_prompt": ({**SHORT, "multi_prompt": SHOTS}, ["a fox (2 s) / it runs (3 s)", "a fox (2 s) / it runs (8 s)"]),
    "watermark": ({"watermark": [True, None]}, ["yes", ""]),
    "callback_url": ({"callback_url": ["https://example.org/1", None]}, ["https://example.org/1", ""]),
    "extra": ({"extra": [{"kling": {"seed": 1}}, {}]}, ['{"kling": {"seed": 1}}', ""]),
}
"""Each field that has a column only where it tells points apart: a sweep over it, and what its cells hold."""


class Rows(HTMLParser):
    """The rows of the first table of a page, each by the names of its columns."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self._cells: list[list[str]] = []
        self.feed(html.partition("</table>")[0])
        names, *rows = self._cells
        self.rows = [dict(zip(names, row, strict=True)) for row in rows]

    def handle_starttag(self, tag: str, _attrs: Any) -> None:
        """Begin a row or a cell."""
        if tag == "tr":
            self._cells.append([])
        elif tag in ("td", "th"):
            self._cells[-1].append("")

    def handle_data(self, data: str) -> None:
        """Read a cell."""
        if self._cells:
            self._cells[-1][-1] += data


def planned(folder: Path, **axes: Any) -> Plan:
    """Return the plan of a sweep at Kling itself."""
    usual = {"prompt": "a fox", "model": "kling-v1-6", "duration": 5, "provider": "kling"}
    with kn.Lab(folder, simulate=True) as lab:
        return lab.plan(kn.Sweep(**{**usual, **axes}))


def printed(plan: Plan, width: int) -> str:
    """Return a plan as a terminal so many cells wide shows it."""
    text = io.StringIO()
    Console(file=text, width=width, color_system=None).print(plan_table(plan))
    return text.getvalue()


def points_of(said: str) -> list[str]:
    """Return the lines of a printed plan that are its points."""
    return [line for line in said.partition("SIMULATED: ")[0].splitlines() if line.strip()[:1].isdigit()]


def test_every_field_of_a_request_has_a_column() -> None:
    """A new field that no table would show fails here."""
    assert {*FIELDS} == {*COLUMNS, *ASKED} & {*FIELDS}
    assert {*AXES} == {*ASKED}


@pytest.mark.parametrize("name", AXES)
def test_an_axis_is_seen_in_a_notebook(tmp_path: Path, name: str) -> None:
    """Whatever field the axis is of, the table has a column of it."""
    axes, cells = AXES[name]
    shown = [row[name] for row in Rows(planned(tmp_path, **axes)._repr_html_()).rows]
    assert len(cells) == len(shown)
    assert all(cell in one and bool(cell) == bool(one) for cell, one in zip(cells, shown, strict=True))


@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize("width", [80, 200])
def test_an_axis_is_seen_in_a_terminal(tmp_path: Path, name: str, width: int) -> None:
    """Whatever field the axis is of, no two points are the same line, and a point is one line."""
    axes, cells = AXES[name]
    said = printed(planned(tmp_path, **axes), width)
    rows = points_of(said)
    assert f" {name} " in said
    assert len(cells) == len(rows) == len({row.split(maxsplit=1)[1] for row in rows})
    assert all(cell in said for cell in cells)
    assert all(cell_len(row) <= width for row in rows)


@pytest.mark.parametrize("name", AXES)
def test_an_axis_is_seen_in_the_frame(tmp_path: Path, name: str) -> None:
    """Behind the columns that are always there stands one of each other field that a point sets, with its own dtype."""
    frame = planned(tmp_path, **AXES[name][0]).df()
    further = list(frame.columns)[len(COLUMNS) :]
    assert list(COLUMNS) == list(frame.columns)[: len(COLUMNS)]
    assert name in further
    assert {one: ASKED[one] for one in further} == {one: str(frame[one].dtype) for one in further}
    assert len(frame) == frame[name].nunique(dropna=False)


def test_a_field_that_is_the_same_for_all_takes_no_room(tmp_path: Path) -> None:
    """Without an axis of it, a field is in the frame, and said once above a terminal's rows; one left open is nowhere."""
    plan = planned(tmp_path, mode=["std", "pro"], cfg_scale=0.5, multi_shot=False)
    assert not {"cfg_scale", "multi_shot"} & {*Rows(plan._repr_html_()).rows[0]}
    assert " · cfg_scale 0.5 · multi_shot no · " in printed(plan, 200)
    assert {"cfg_scale", "multi_shot"} == {*plan.df().columns} - {*COLUMNS}


def test_an_image_goes_by_the_name_of_its_file(tmp_path: Path) -> None:
    """Images are named as they were given: by the file, with its folder where two are named alike, else by the hash."""
    (tmp_path / "b").mkdir()
    images = [tmp_path / "fox.png", tmp_path / "b" / "fox.png", tmp_path / "wolf.png", tmp_path / "bytes.png"]
    for tone, path in enumerate(images):
        PIL.Image.new("RGB", (400, 400), (tone * 50, 0, 0)).save(path)
    plan = planned(tmp_path / "lab", image=[*images[:3], images[3].read_bytes()], model="kling-v2-6", mode="pro")
    *files, wolf, in_memory = plan.df()["image"]
    assert [f"{tmp_path.name}/fox.png", "b/fox.png", "wolf.png"] == [*files, wolf]
    assert in_memory.startswith("sha256:")
    assert len("sha256:") + 13 == len(in_memory)
    assert [*files, wolf, in_memory] == [row["image"] for row in Rows(plan._repr_html_()).rows]


def test_what_is_left_open_on_an_axis_is_a_dash(tmp_path: Path) -> None:
    """A column of any dtype may have a gap, which a terminal shows too."""
    said = printed(planned(tmp_path, mode=[None, "std"], duration=[None, 5], cfg_scale=[None, 0.5]), 100)
    assert ["0", "—", "—", "—"] == points_of(said)[0].split()[:4]


NEGATIVE = "blur, watermark, low quality, distorted hands and faces, oversaturated colours, {what}"
LONG = "a red {who} runs through the snow, tracking shot, golden hour, sharp focus"


def test_long_words_of_any_field_stand_above_the_rows(tmp_path: Path) -> None:
    """In a narrow terminal the longest words are numbered, and shorter ones stay in their rows."""
    axes = {
        "negative_prompt": NEGATIVE,
        "what": ["text", "snow"],
        "prompt": ["a fox", "a wolf"],
        "cfg_scale": [0.3, 0.7],
    }
    said = printed(planned(tmp_path, **axes, model=["kling-v1", "kling-v1-6"]), 80)
    rows = points_of(said)
    assert "\nnegative_prompt 2  blur, " in said
    assert 16 == len(rows) == len({row.split(maxsplit=1)[1] for row in rows})
    assert all("a fox" in row or "a wolf" in row for row in rows)
    assert all(cell_len(row) <= 80 and row.rstrip().endswith(("0.14", "0.28")) for row in rows)


@pytest.mark.parametrize(("width", "what"), [(52, ["text"]), (90, ["text", "snow"])])
def test_variables_stay_where_cut_prompts_look_the_same(tmp_path: Path, width: int, what: list[str]) -> None:
    """Many prompts that differ in their middle are told by their variables, for which the prompts make room."""
    who = [f"fox {n:02}" for n in range(13)]
    axes = {"prompt": LONG, "who": who, "negative_prompt": NEGATIVE, "what": what, "cfg_scale": [0.3, 0.7]}
    said = printed(planned(tmp_path, **axes, mode=["std", "pro"]), width)
    rows = points_of(said)
    assert 24 == len(rows) == len({row.split(maxsplit=1)[1] for row in rows})
    assert all("  fox 0" in row for row in rows)  # in a column
    assert all(cell_len(row) <= width and row.rstrip().endswith(("0.28", "0.49")) for row in rows)
