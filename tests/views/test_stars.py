"""Stars under clips: what a person thinks of a clip is kept in the log, from a comparison and from one clip."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import kling_nb as kn
from kling_nb.errors import InputError, LabBusy, MediaError
from kling_nb.views.clip import clip_view
from kling_nb.views.compare import Comparison, grid_of
from tests.labs import CHEAP, start, sweep
from tests.views.clips import LabFolder


@pytest.fixture
def lab(tmp_path: Path) -> Any:
    """Open a simulated lab that never waits."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=math.inf)) as lab:
        yield lab


def answered(comparison: Comparison, id_: object, rating: object) -> dict[str, Any]:
    """Return what the player hears when it asks to keep a rating."""
    sent: list[dict[str, Any]] = []
    wish = {"want": "rating", "id": id_, "rating": rating, "n": "a-1"}
    comparison.answer(wish, lambda message, _: sent.append(message))
    (message,) = sent
    assert ("rating", id_, "a-1") == (message["got"], message["id"], message["n"])
    return message


def test_stars_are_kept_in_the_log(lab: kn.Lab) -> None:
    """A rating given in a comparison stands in the log and in what is shown from then on; another replaces it."""
    run = start(lab, sweep("fox", "boat")).wait()
    shown = lab.compare(run)
    id_ = shown.grid.tiles[0].id

    assert "error" not in answered(shown, id_, 4)
    assert [4.0] == list(run.df["rating"].dropna())
    assert [4, None] == [tile.rating for tile in shown.grid.tiles]
    answered(shown, id_, 2)
    assert [2.0] == list(lab.df()["rating"].dropna())
    assert [2.0] == [tile.rating for tile in lab.compare(run).grid.tiles if tile.rating is not None]


def test_stars_are_taken_back(lab: kn.Lab) -> None:
    """None takes a rating back and leaves the note; what is left out stays as it was."""
    clip = lab.generate("fox", **CHEAP)
    clip.rate(3, "soft light")
    clip.rate(note="soft light, slow")
    assert (3.0, "soft light, slow") == tuple(lab.df()[["rating", "note"]].iloc[0])
    assert 3 == clip.tile.rating

    answered(clip, clip.tile.id, None)

    assert lab.df()["rating"].isna().all()
    assert "soft light, slow" == lab.df()["note"].item()
    assert clip.tile.rating is None


def test_one_clip_on_two_tiles_has_one_rating(lab: kn.Lab) -> None:
    """Two runs that share a clip share what is thought of it, and both tiles say so."""
    runs = [start(lab, sweep("fox"), name=name).wait() for name in ("one", "two")]
    shown = lab.compare(runs, x="run")
    assert 1 == len({tile.task for tile in shown.grid.tiles})

    answered(shown, shown.grid.tiles[1].id, 5)

    assert [5, 5] == [tile.rating for tile in shown.grid.tiles]


@pytest.mark.parametrize("rating", ["4", True, math.nan, [1], {}])
def test_what_is_no_number_is_told(lab: kn.Lab, rating: object) -> None:
    """A message with something else in a rating's place is answered in words, and nothing is kept."""
    shown = lab.compare(start(lab, sweep("fox")).wait())
    assert "expected a number" in answered(shown, shown.grid.tiles[0].id, rating)["error"]
    assert lab.df()["rating"].isna().all()
    assert shown.grid.tiles[0].rating is None


def test_clips_of_no_lab_cannot_be_rated(lab_folder: LabFolder) -> None:
    """A tile that is not there, and a comparison that belongs to no lab, keep nothing and say so."""
    frame = lab_folder.frame(task=["t1", "t2"])
    noted: list[Any] = []
    judged = Comparison(grid_of(frame), lab_folder.path, lambda *told: noted.append(told))
    for shown, id_ in (
        (judged, "c"),
        (judged, ["a"]),
        (judged, None),
        (Comparison(grid_of(frame), lab_folder.path), "a"),
    ):
        assert "not kept" in answered(shown, id_, 4)["error"]
    with pytest.raises(MediaError, match="not kept"):
        clip_view(frame, lab_folder.path).rate(4)
    assert not noted
    answered(judged, "b", 4)
    assert [("t2", 4, None)] == noted


def test_why_a_rating_was_not_kept_is_told(lab_folder: LabFolder) -> None:
    """Where another process drives the lab the player hears that, and shows the rating as it was."""

    def judge(*_: object) -> None:
        message = "another process drives"
        raise LabBusy(message)

    shown = Comparison(grid_of(lab_folder.frame(task="t", rating=[1.0, 2.0])), lab_folder.path, judge)
    assert "another process drives" == answered(shown, "a", 4)["error"]
    assert [1.0, 2.0] == [tile.rating for tile in shown.grid.tiles]


def test_a_rating_is_seen_without_a_kernel(lab_folder: LabFolder) -> None:
    """The static table says a rating once, as it is; a clip without one says nothing."""
    html = Comparison(grid_of(lab_folder.frame(rating=[3.5, None])), lab_folder.path)._repr_html_()
    assert 1 == html.count("★ 3.5")
    assert 1 == html.count("rated 3.5")
    assert "rating:" not in html


@pytest.mark.parametrize("rating", ["good", math.inf, True, [1], 10**400])
def test_a_frame_of_somebodys_own_may_hold_anything(lab_folder: LabFolder, rating: object) -> None:
    """A column named rating that holds no numbers shows no stars and breaks nothing."""
    frame = lab_folder.frame()
    frame["rating"] = pd.Series([rating, 3], dtype=object)
    shown = Comparison(grid_of(frame), lab_folder.path, lambda *_: None)
    assert [None, 3] == [tile.rating for tile in shown.grid.tiles]
    assert "★ 3" in shown._repr_html_()
    assert {"b": 3} == json.loads(shown.widget().ratings)


def test_every_player_of_a_comparison_hears_of_a_rating(lab: kn.Lab) -> None:
    """What was kept reaches players that are open, and stays with them when the page is loaded again."""
    clip = lab.generate("fox", **CHEAP)
    players = [clip.widget(), clip.widget()]
    clip.rate(Fraction(7, 2), "soft light")
    assert [{clip.tile.id: 3.5}] * 2 == [json.loads(player.ratings) for player in players]
    assert "soft light" == clip.facts["note"]
    clip.rate(note="")
    assert "note" not in clip.facts
    clip.rate(None)
    assert ["{}", "{}"] == [player.ratings for player in players]


@pytest.mark.parametrize("wish", [None, [], {"want": ["rating"]}, {"want": {"a": 1}, "id": {}}, {"want": "rating"}])
def test_a_wish_that_is_none_is_told(lab_folder: LabFolder, wish: object) -> None:
    """A message that makes no sense is answered with an error in words."""
    sent: list[dict[str, Any]] = []
    Comparison(grid_of(lab_folder.frame()), lab_folder.path).answer(wish, lambda message, _: sent.append(message))
    assert [True] == ["error" in message for message in sent]


def test_a_player_knows_whether_it_can_keep_ratings(lab_folder: LabFolder) -> None:
    """Only a comparison of a lab offers stars to click."""
    grid = grid_of(lab_folder.frame(rating=[3.5, math.nan]))
    assert not Comparison(grid, lab_folder.path).widget().rates
    assert Comparison(grid, lab_folder.path, lambda *_: None).widget().rates
    assert [3.5, None] == [
        tile["rating"] for tile in json.loads(Comparison(grid, lab_folder.path).widget().grid)["tiles"]
    ]


def test_rating_by_hand(lab: kn.Lab) -> None:
    """The lab takes a rating back too, and refuses a task that is not there."""
    run = start(lab, sweep("fox")).wait()
    task = run.tasks[0].id
    lab.rate(task, 4)
    lab.rate(task, None)
    assert lab.df()["rating"].isna().all()
    with pytest.raises(InputError, match="kn-0"):
        lab.rate("kn-0", None)
