"""The grid, the static output and the messages of a comparison: everything but the browser."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_nb import frames
from kling_nb.columns import POINT_COLUMNS, REQUEST_COLUMNS
from kling_nb.errors import InputError, MediaError
from kling_nb.log import PointRow
from kling_nb.request import FIELDS
from kling_nb.task import Task
from kling_nb.views.axes import AXES, TEXTS
from kling_nb.views.clip import clip_view
from kling_nb.views.compare import PART_BYTES, Axis, Comparison, grid_of, write_page
from kling_nb.views.facts import ASKED
from kling_nb.views.page import POSTER_BYTES, clip_file, page_html, static_html
from tests.views.clips import LabFolder

EVIL = "</script><img src=x onerror='window.hit=1'>{{7*7}}&amp;"


def points(**columns: Any) -> pd.DataFrame:
    """Return a frame with these columns, in the dtypes that `lab.df()` has."""
    frame = pd.DataFrame(columns)
    return frame.astype({name: POINT_COLUMNS[name] for name in columns if name in POINT_COLUMNS})


def told(axis: Axis | None) -> Any:
    """Return an axis as its name and values."""
    return None if axis is None else dataclasses.astuple(axis)[:2]


def varied(count: int = 12, **more: Any) -> pd.DataFrame:
    """Return points over two modes and three models, in the order of a sweep."""
    models = ["kling-v1-6", "kling-v2-5-turbo", "kling-v2-6"]
    model, mode = [models[n // 2 % 3] for n in range(count)], [("std", "pro")[n % 2] for n in range(count)]
    return points(model=model, mode=mode, state=["saved"] * count, sample=[n // 6 + 1 for n in range(count)], **more)


def test_prompts_without_variables_are_called_prompts(lab_folder: LabFolder) -> None:
    """Where each prompt is its own template, the axis is of prompts; where variables make them, of templates."""
    prompts = ["a fox", "a boat"]

    assert grid_of(lab_folder.frame(prompt=prompts, template=prompts)).x.name == "prompt"
    assert grid_of(lab_folder.frame(prompt=prompts, template=["a {x}", "{y}"])).x.name == "template"


def test_the_axis_with_fewer_values_makes_columns() -> None:
    """Left out, x is the axis with the fewest values and y the next."""
    grid = grid_of(varied())

    assert told(grid.x) == ("mode", ("std", "pro"))
    assert grid.y.name == "model"  # type: ignore[union-attr]


def test_a_prompt_makes_rows() -> None:
    """A template or prompt that varies is put on the rows, which have room for a sentence."""
    grid = grid_of(points(prompt=["a fox", "a boat"] * 2, mode=["std"] * 2 + ["pro"] * 2))

    assert (grid.x.name, grid.y.name) == ("mode", "prompt")  # type: ignore[union-attr]


@pytest.mark.parametrize(("count", "across"), [(2, True), (12, True), (13, False)])
def test_a_sole_axis_goes_across(count: int, across: bool) -> None:
    """Where only the prompts vary, their clips stand side by side as those of any other axis; too many make rows."""
    prompts = [f"a fox, take {number}" for number in range(count)]

    grid = grid_of(points(prompt=prompts, template=prompts))

    sole, none = (grid.x, grid.y) if across else (grid.y, grid.x)
    assert (sole.name, len(sole.values), none) == ("prompt", count, None)  # type: ignore[union-attr]


def test_a_prompt_that_follows_from_its_variables_is_no_axis() -> None:
    """Where a variable varies, the prompts made from it do not count as an axis of their own."""
    prompts = {"prompt": ["a fox in snow", "a fox in rain"], "template": ["a fox in {weather}"] * 2}

    grid = grid_of(points(**prompts, var_weather=["snow", "rain"]))

    assert (grid.x.name, grid.y) == ("var_weather", None)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("columns", "axes"),
    [
        # `w` is in one of the templates only: beside them, half of its cells could have no clip.
        ({"template": ["a", "a", "{w}", "{w}"], "var_w": [None, None, "b", "b"], "image": [*"xyxy"]}, "image template"),
        # Each model has its own mode, as in a zip: three clips side by side, and not on the diagonal of three by two.
        ({"model": ["m1", "m2", "m3"], "mode": ["std", "pro", "std"], "prompt": ["a"] * 3}, "model"),
        ({"model": ["m1", "m2"], "mode": ["std", "pro"], "prompt": ["a", "b"], "template": ["a", "b"]}, "prompt"),
        ({"model": ["m1", "m2"], "mode": ["std", "pro"], "prompt": ["a", "a"]}, "model"),
        # Two of three are free of each other, and the third follows from both.
        ({"model": [*"aabb"], "mode": [*"uvuv"], "prompt": ["1", "2", "3", "4"]}, "prompt"),
        ({"model": [*"aabb"], "mode": [*"uvuv"], "duration": [5, 5, 10, 10], "prompt": ["p"] * 4}, "mode model"),
        # A variable that only some templates have says nothing of the others.
        (
            {
                "template": [*"aabb"],
                "var_weather": ["snow", "rain", None, None],
                "var_time": [None, None, "noon", "night"],
            },
            "template",
        ),
        # A variable of as many values as there are clips follows from nothing, and all else from it.
        (
            {"var_n": list(range(24)), "mode": ["std", "pro"] * 12, "model": ["m1", "m1", "m2", "m2"] * 6},
            "mode model",
        ),
        # As in a zip of images and prompts: the heading shows the image.
        ({"image": ["a.png", "b.png"], "prompt": ["run", "fly"]}, "image"),
    ],
)
def test_what_follows_from_an_axis_makes_no_other(columns: dict[str, Any], axes: str) -> None:
    """A grid has clips in its cells; what follows from an axis stands under the clips, unless it is asked for."""
    grid = grid_of(points(**columns))
    assert axes == " ".join(axis.name for axis in (grid.x, grid.y) if axis)
    others = columns.keys() - {*axes.split(), "template", "prompt"}
    assert all(str(columns[name][0] or "") in grid.tiles[0].label for name in others if len({*columns[name]}) > 1)
    names = [name for name in columns if len({*columns[name]}) > 1][:2]
    asked = grid_of(points(**columns), x=names[0], y=names[1])
    assert names == [asked.x.name, asked.y.name]  # type: ignore[union-attr]


def test_prompts_make_columns_beside_rows_that_were_asked_for() -> None:
    """Equal prompts stand under each other, where nothing else would make columns."""
    grid = grid_of(points(image=[*"aabb"], prompt=["run", "fly"] * 2), y="image")
    assert ("prompt", "image") == (grid.x.name, grid.y.name)  # type: ignore[union-attr]


def test_a_clip_that_serves_several_points_is_one() -> None:
    """What two runs share, or two points of one, was bought once: it is counted once, and stands once in its place."""
    shared: dict[str, Any] = {"task": ["t1", "t1", "t2", None], "run": [*"abbb"], "prompt": ["p", "p", "q", "p"]}
    frame = points(**shared, state=["saved"] * 4, spent_usd=[0.35] * 4)
    assert "3 saved · $1.05" == grid_of(frame).totals
    assert ["p", "q", "p"] == [tile.prompt for tile in grid_of(frame).tiles]
    assert 4 == len(grid_of(frame, x="run").tiles)


def test_what_was_bought_again_is_told_by_its_run() -> None:
    """Two runs of the same points differ in nothing else; where something else tells them apart, it does."""
    again = points(task=["t1", "t2", "t3"], run=["first", "second", "second"], mode=["std", "std", "pro"])
    assert ["first", "second", ""] == [tile.label for tile in grid_of(again).tiles]
    assert ["", "", ""] == [tile.label for tile in grid_of(again, x="run", y="mode").tiles]


def test_what_was_asked_for_wins() -> None:
    """An axis that is given is kept, and the other is chosen from the rest."""
    grid = grid_of(varied(), x="model")

    assert (grid.x.name, grid.y.name) == ("model", "mode")  # type: ignore[union-attr]


def test_an_unknown_column_is_answered_with_the_nearest() -> None:
    """A misspelt axis is an error that names the column that was probably meant."""
    with pytest.raises(InputError, match="did you mean 'model'"):
        grid_of(varied(), x="modell")


def test_a_variable_goes_by_its_own_name() -> None:
    """A person compares by what they wrote in the sweep, which the frame calls ``var_…``; one variable is one axis."""
    frame = pd.DataFrame({"var_weather": ["snow", "rain"], "mode": ["std", "pro"], "prompt": ["a", "b"]})
    assert grid_of(frame, x="mode", y="weather") == grid_of(frame, x="mode", y="var_weather")
    with pytest.raises(InputError, match="x and y are both 'var_weather'"):
        grid_of(frame, x="weather", y="var_weather")


def test_a_frame_of_a_few_columns_shows_its_clips() -> None:
    """What has a clip is saved, also in a frame from which a person took the column that says so."""
    grid = grid_of(pd.DataFrame({"mode": ["std", "pro"], "clip": ["clips/a.mp4", None]}))
    assert [tile.state for tile in grid.tiles] == ["saved", "planned"]
    assert grid.totals == "1 saved · 1 planned"


def test_one_column_on_both_axes_is_refused() -> None:
    """A grid needs two different axes."""
    with pytest.raises(InputError, match="both 'mode'"):
        grid_of(varied(), x="mode", y="mode")


def test_a_missing_value_is_an_axis_value_too() -> None:
    """Whatever is missing on an axis is shown as a dash, after all others."""
    grid = grid_of(points(mode=[None, "std"], state=["saved", "saved"]), x="mode")

    assert told(grid.x) == ("mode", ("std", "—"))
    assert [tile.col for tile in grid.tiles] == [1, 0]


@pytest.mark.parametrize(
    ("field", "values", "words"),
    [
        ("sound", ["on", "off"], ("on", "off")),
        ("watermark", [False, True], ("no", "yes")),
        ("image", ["sha256:" + "ab" * 32, "https://x.test/a.png"], ("sha256:abababababab…", "a.png")),
        ("image", [f"sha256:{one * 64}" for one in "abc"], ("den/fox.png", "zoo/fox.png", "cat.png")),
        ("camera_control", [{"pan": 5, "type": "simple"}, {"type": "down_back"}], ("simple, pan 5", "down_back")),
        (
            "multi_prompt",
            [[{"prompt": "a", "duration": 2}, {"prompt": "b", "duration": n}] for n in (3, 4)],
            ("a (2 s) / b (3 s)", "a (2 s) / b (4 s)"),
        ),
    ],
)
def test_every_kind_of_field_tells_points_apart(field: str, values: list[Any], words: tuple[str, ...]) -> None:
    """What varies in the requests makes an axis, under the field's own name, beside prompts and measurements."""
    requests = [{"prompt": p, field: value} for p in ("a fox", "a boat") for value in values]
    tasks = [Task(id=str(n), identity=str(n), provider="kling", model="m", request=r) for n, r in enumerate(requests)]
    files = {
        f"sha256:{one * 64}": path for one, path in {"a": "den/fox.png", "b": "zoo/fox.png", "c": "cat.png"}.items()
    }
    rows = [(PointRow(run="a", point=n, sample=1, identity="", task=""), task) for n, task in enumerate(tasks)]
    frame = frames.points_frame(rows, files=files).assign(sound=True)

    grid = grid_of(frame)

    assert (words, field, "prompt") == (told(grid.x)[1], grid.x.label, grid.y.name)  # type: ignore[union-attr]
    assert [words[0]] == [fact for name, fact in grid.tiles[0].facts if name == field]
    assert grid == grid_of(frame, x=field)


def test_what_was_measured_makes_an_axis_where_no_sound_was_asked_for() -> None:
    """A model that decides by itself leaves the column of that name."""
    frame = points(sound=[True, False], sound_asked=["on", "on"])
    assert ("sound", ("no", "yes")) == told(grid_of(frame, x="sound").x)


def test_every_field_of_a_request_tells_points_apart() -> None:
    """One that joins has a column; one that is no part of a point's identity has none.

    Points that differ in nothing else are served by one task, whose request a column would show for all of them.
    """
    no_part = {"callback_url", "extra"}
    assert {*FIELDS} - no_part == {*REQUEST_COLUMNS.values(), "model"}
    assert {*REQUEST_COLUMNS} <= {*AXES, *TEXTS}
    assert {*AXES} <= {*ASKED}


def test_numbers_are_sorted_on_an_axis() -> None:
    """A numeric axis is in order of size, whatever the order of the points."""
    assert told(grid_of(points(duration=[10, 5]), x="duration").x) == ("duration", ("5 s", "10 s"))


@given(st.sets(st.sampled_from(sorted(POINT_COLUMNS)), min_size=1))
def test_any_column_may_be_missing(names: set[str]) -> None:
    """A grid is made from whatever columns there are, even where all their values are missing."""
    frame = points(**{name: [None, None] for name in names})

    assert len(grid_of(frame).tiles) == 2


def test_an_empty_frame_is_an_empty_grid() -> None:
    """No points give no tiles and no axes, and a sentence on how to get some."""
    grid = grid_of(points(mode=[], model=[]), x="mode")

    assert (grid.tiles, grid.x) == ((), None)
    assert (
        grid.totals
        == "no points: none were started yet (lab.start(sweep) or lab.form() makes some), or a filter left none"
    )


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_grid_is_plain_json(prompt: str, reason: str) -> None:
    """What goes to the browser survives JSON unchanged: lists, text, numbers, nothing else."""
    grid = grid_of(points(prompt=[prompt], reason=[reason], width=[320], sound=[True])).to_json()

    assert grid == json.loads(json.dumps(grid))


def test_a_label_tells_apart_what_shares_a_place() -> None:
    """A tile is labelled by the axes that are not on the grid and by its sample."""
    tiles = grid_of(varied(provider=["kling", "fal"] * 6), x="model", y="mode").tiles

    assert tiles[0].label == "kling · sample 1"


def test_a_label_leaves_out_what_a_tile_does_not_have() -> None:
    """Runs of unlike sweeps are told apart by what each has; a dash for the rest would say nothing."""
    more: dict[str, Any] = {"cfg_scale": [0.5, None], "negative_prompt": ["blur", ""], "var_weather": [None, "snow"]}
    frame = points(provider=["kling", "fal"], model=["kling-v2-6"] * 2, mode=["std", "pro"], **more)

    tiles = grid_of(frame, x="model", y="mode").tiles

    assert [tile.label for tile in tiles] == ["kling · cfg_scale 0.5 · negative_prompt blur", "fal · snow"]


def test_a_label_tells_the_prompt_that_no_axis_tells() -> None:
    """Two templates with the same variable would have the same label, were the template not told last and cut."""
    texts = [f"a {thing} in {{weather}}{', slowly' * 30}" for thing in ("fox", "boat")]
    frame = points(
        template=texts, prompt=[*"ab"], var_weather=["snow", "snow"], mode=["std", "pro"], seconds=[5.0, 5.0]
    )
    frame["model"] = ["kling-v1-6", "kling-v2-6"]

    fox, boat = (tile.label for tile in grid_of(frame, x="mode", y="model").tiles)

    assert [fox[:18], boat[:19]] == ["a fox in {weather}", "a boat in {weather}"]
    assert (len(fox), fox[-1]) == (80, "…")
    assert [tile.label for tile in grid_of(frame, x="mode", y="prompt").tiles] == ["kling-v1-6", "kling-v2-6"]


def test_what_is_the_same_for_all_is_told_once() -> None:
    """The model and the mode of all tiles stand above them, so that each has room for its length and its price."""
    frame = points(provider=["kling", "fal"], seconds=[5.0, 5.0], cost_usd=[0.35, 0.35])
    frame["model"], frame["mode"] = "kling-v2-6", "pro"

    grid = grid_of(frame)

    assert grid.common == "kling-v2-6 · pro"
    assert {tile.summary for tile in grid.tiles} == {"5\N{NO-BREAK SPACE}s · $0.35"}
    assert grid_of(frame.head(1)).common == ""


def test_one_prompt_of_all_stands_above_them(lab_folder: LabFolder, tmp_path: Path) -> None:
    """Whoever is sent a page reads what was asked for: in the headings where prompts differ, else above the clips."""
    frame = points(provider=["kling", "fal"], prompt=["<b>a fox", "<b>a fox"])

    grid = grid_of(frame)

    assert grid.prompt == "<b>a fox"
    assert "&lt;b&gt;a fox</p>" in write_page(grid, lab_folder.path, tmp_path / "page").read_text("utf-8")
    assert "" == grid_of(frame.head(1)).prompt == grid_of(points(prompt=["a fox", "a boat"])).prompt


def test_money_is_told_as_estimated_unless_charged() -> None:
    """An estimate carries a sign, a charge does not, and a charge that was in doubt is said to be at stake."""
    frame = points(state=["saved", "saved", "uncertain"], estimate_usd=[0.35] * 3, cost_usd=[0.3, None, None])

    charged, estimated, doubtful = grid_of(frame).tiles

    assert (charged.summary, estimated.summary) == ("$0.30", "≈\N{NO-BREAK SPACE}$0.35")
    assert doubtful.reason == "≈ $0.35 at stake"


def test_what_was_not_bought_has_no_price() -> None:
    """An estimate says nothing of a clip that failed free of charge; what counts as spent is told."""
    frame = points(state=["failed", "failed", "queued"], estimate_usd=[0.35] * 3, spent_usd=[0.0, 0.35, 0.0])

    assert [tile.summary for tile in grid_of(frame).tiles] == [
        "",
        "≈\N{NO-BREAK SPACE}$0.35",
        "≈\N{NO-BREAK SPACE}$0.35",
    ]


def test_what_is_left_out_is_told() -> None:
    """A grid that shows fewer tiles than there are points says so, and its totals still count all."""
    grid = grid_of(varied(12), most=5)

    assert (len(grid.tiles), grid.note, grid.totals) == (5, "5 of 12 shown", "12 saved")


def test_ids_are_never_the_same_twice() -> None:
    """Two points that share one task still have tiles of their own."""
    assert [tile.id for tile in grid_of(points(identity=["same", "same"])).tiles] == ["same", "same.2"]


def test_everything_foreign_is_text(lab_folder: LabFolder) -> None:
    """Markup in prompts, reasons, titles and axis values is escaped in the static output and in the page."""
    foreign = {name: [EVIL, ""] for name in ("prompt", "reason", "note", "mode")}
    grid = grid_of(points(**foreign, state=["failed", "saved"]), x="mode", title=EVIL)

    for html in (Comparison(grid, lab_folder.path)._repr_html_(), page_html(grid)):
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html


def test_json_in_the_page_cannot_end_its_script(lab_folder: LabFolder) -> None:
    """The page's data holds no literal angle bracket, and reads back as the grid."""
    grid = grid_of(lab_folder.frame(prompt=EVIL))

    data = page_html(grid).split('id="grid">')[1].split("</script>")[0]

    assert "<" not in data
    assert grid.to_json() == json.loads(data)


def test_the_static_output_is_small_and_without_script(lab_folder: LabFolder) -> None:
    """However many points there are, the saved output holds posters, no script and less than 1 MB."""
    frame = pd.concat([lab_folder.frame(prompt="long " * 400)] * 80, ignore_index=True)

    html = Comparison(grid_of(frame), lab_folder.path)._repr_html_()

    assert "data:image/jpeg;base64," in html
    assert "<script" not in html
    assert len(html) < 1_000_000


def test_a_poster_is_bounded() -> None:
    """48 posters of the largest size that is kept stay under 600 kB in base64."""
    assert 48 * POSTER_BYTES * 4 / 3 < 600_000


def test_the_output_is_the_same_for_the_same_grid(lab_folder: LabFolder) -> None:
    """Displaying twice gives the same bytes, so that a notebook re-checks."""
    first, second = (Comparison(grid_of(lab_folder.frame()), lab_folder.path)._repr_html_() for _ in range(2))

    assert first == second


def test_only_files_of_the_lab_are_served(lab_folder: LabFolder) -> None:
    """A clip path that leads out of the lab folder is refused, by whatever way it leads out."""
    outside = lab_folder.path.parent / "secret.mp4"
    outside.write_bytes(b"secret")
    (lab_folder.path / "clips" / "link.mp4").symlink_to(outside)

    for clip in ("../secret.mp4", str(outside), "clips/link.mp4"):
        with pytest.raises(MediaError, match="leads out"):
            clip_file(lab_folder.path, clip)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_what_is_no_file_is_not_opened(lab_folder: LabFolder) -> None:
    """A pipe in the place of a clip, which would be waited for without end, and a folder are told as not there."""
    os.mkfifo(lab_folder.path / "clips" / "pipe.mp4")
    for clip in ("clips/pipe.mp4", "clips"):
        with pytest.raises(MediaError, match="was it moved or deleted"):
            clip_file(lab_folder.path, clip)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become nobody")
def test_clips_that_may_not_be_read_are_told(lab_folder: LabFolder) -> None:
    """A folder of clips that may not be entered leaves a comparison without pictures, and says why a clip is not there."""
    static = Comparison(grid_of(lab_folder.frame()), lab_folder.path)._repr_html_
    assert "data:image" in static()
    (lab_folder.path / "clips").chmod(0o700)
    os.seteuid(65534)
    try:
        assert "data:image" not in static()
        with pytest.raises(MediaError, match=r"cannot be read \(Permission denied\); may you read it\?"):
            clip_file(lab_folder.path, str(lab_folder.frame()["clip"].dropna().iloc[0]))
    finally:
        os.seteuid(0)


def answers(comparison: Comparison, wish: Any) -> list[tuple[dict[str, Any], list[bytes]]]:
    """Return what a comparison sends for one message."""
    sent: list[tuple[dict[str, Any], list[bytes]]] = []
    comparison.answer(wish, lambda message, buffers: sent.append((message, buffers)))
    return sent


def test_a_clip_is_answered_with_its_bytes(lab_folder: LabFolder) -> None:
    """The player's wish for a clip is answered with the file, as it is."""
    comparison = Comparison(grid_of(lab_folder.frame()), lab_folder.path)

    [(message, [data])] = answers(comparison, {"want": "clip", "id": "a"})

    assert message == {"got": "clip", "id": "a", "parts": 1}
    assert (lab_folder.path / "clips/a.mp4").read_bytes() == data


def test_a_large_clip_travels_in_parts(lab_folder: LabFolder) -> None:
    """A clip above the bound is sent in parts that make it up again."""
    data = bytes(range(256)) * (PART_BYTES // 100)
    (lab_folder.path / "clips/a.mp4").write_bytes(data)

    sent = answers(Comparison(grid_of(lab_folder.frame()), lab_folder.path), {"want": "clip", "id": "a"})

    assert len(sent) == sent[0][0]["parts"] > 1
    assert data == b"".join(part for _, [part] in sent)


@pytest.mark.parametrize("wish", [{"want": "clip", "id": "other"}, {"want": "../x", "id": "a"}, {}, None, [1]])
def test_a_wish_for_anything_else_is_an_error_in_words(lab_folder: LabFolder, wish: Any) -> None:
    """Whatever the browser asks for that is not of this grid is answered with one sentence and no bytes."""
    [(message, buffers)] = answers(Comparison(grid_of(lab_folder.frame()), lab_folder.path), wish)

    assert "there is no" in message["error"]
    assert buffers == []


def test_the_widget_syncs_no_media(lab_folder: LabFolder) -> None:
    """The state that is saved with a notebook holds the grid, and neither posters nor clips."""
    state = Comparison(grid_of(lab_folder.frame()), lab_folder.path).widget().get_state()

    assert not any(isinstance(value, bytes | memoryview) for value in state.values())
    assert len(state["grid"]) < 5_000


def test_a_page_is_complete(lab_folder: LabFolder, tmp_path: Path) -> None:
    """The page's folder holds the page, the clips and the posters, and names no other place."""
    index = write_page(grid_of(lab_folder.frame()), lab_folder.path, tmp_path / "page")

    files = {path.relative_to(tmp_path / "page").as_posix() for path in index.parent.rglob("*") if path.is_file()}
    assert {"index.html", "clips/a.mp4", "clips/b.mp4", "posters/a.jpg", "posters/b.jpg", ".exported.json"} == files
    named = re.findall(r'(?:src|href|poster)="([^"]*)"', index.read_text())
    assert named
    assert {"clips", "posters"} == {address.split("/")[0] for address in named}


def test_a_page_tells_of_a_clip_that_is_gone(lab_folder: LabFolder, tmp_path: Path) -> None:
    """A clip whose file is missing becomes a tile with the reason; the page is written all the same."""
    (lab_folder.path / "clips/a.mp4").unlink()

    index = write_page(grid_of(lab_folder.frame()), lab_folder.path, tmp_path / "page")

    assert "is not in the lab folder &#39;lab&#39;" in index.read_text()


def test_what_is_shared_does_not_say_where_this_machine_has_its_files(
    lab_folder: LabFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the lab folder only the name is told, of a file at home where it is from there, with and without a kernel."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (lab_folder.path / "clips/a.mp4").unlink()
    why = f"{lab_folder.path / 'clips'} cannot be written; the key is from X in {tmp_path / 'home' / 'study' / '.env'}"
    frame = lab_folder.frame(reason=why, state=["saved", "planned"])
    grid = grid_of(frame)

    shown = [
        write_page(grid, lab_folder.path, tmp_path / "page").read_text(),
        static_html(grid, lab_folder.path, mark="m"),
    ]

    assert [[], []] == [re.findall(re.escape(str(tmp_path)), html) for html in shown]
    assert all(f"{lab_folder.path.name}/clips cannot be" in html and "in ~/study/.env" in html for html in shown)


def test_a_page_is_text_whatever_it_tells(lab_folder: LabFolder, tmp_path: Path) -> None:
    """Half characters, as of a folder whose name the system cannot spell, become their letters, or a sign."""
    grid = grid_of(lab_folder.frame(), title="l\udcc3\udca4b \udcff \ud83d")

    page = write_page(grid, lab_folder.path, tmp_path / "page").read_text(encoding="utf-8")

    assert "<h1>läb \N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}</h1>" in page


def test_money_is_written_as_everywhere(lab_folder: LabFolder) -> None:
    """A price of less than ten cents keeps its digits on a tile and in the total, as in a plan."""
    grid = grid_of(lab_folder.frame(cost_usd=[0.035, 0.0]))

    assert [tile.summary.rpartition(" ")[2] for tile in grid.tiles] == ["$0.035", "$0.00"]
    assert grid.totals == "2 saved · $0.035"


def test_clips_of_one_name_do_not_meet(lab_folder: LabFolder, tmp_path: Path) -> None:
    """Two clips that share a file name in different folders stay two clips in the page."""
    other = lab_folder.path / "more"
    other.mkdir()
    (other / "a.mp4").write_bytes((lab_folder.path / "clips/b.mp4").read_bytes())
    frame = lab_folder.frame()
    frame["clip"] = ["clips/a.mp4", "more/a.mp4"]

    index = write_page(grid_of(frame), lab_folder.path, tmp_path / "page")

    assert len(list((index.parent / "clips").iterdir())) == 2


def test_one_clip_by_itself(lab_folder: LabFolder) -> None:
    """The view of one clip has no axes, is a path, and says in one line what it is."""
    view = clip_view(lab_folder.frame(), lab_folder.path, simulated=True)

    assert (lab_folder.path / "clips/a.mp4") == Path(view) == view.path
    assert view.grid.bare
    assert repr(view) == "<ClipView SIMULATED kling-v2-6 · std · 2\N{NO-BREAK SPACE}s · saved · clips/a.mp4>"


def test_one_clip_that_is_not_there(lab_folder: LabFolder) -> None:
    """The view of a failed task says why there is no file instead of naming one."""
    view = clip_view(points(state=["failed"], reason=["refused by the provider"]), lab_folder.path)

    with pytest.raises(FileNotFoundError, match="failed, refused by the provider"):
        open(view)  # noqa: PTH123, SIM115


def test_records_are_frozen() -> None:
    """A grid is a record: changing one makes a new one."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        grid_of(varied()).title = "other"  # type: ignore[misc]
