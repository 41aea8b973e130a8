"""Images that requests begin from, when the request is to be sent."""

from __future__ import annotations

import os
import sys
from hashlib import sha256
from pathlib import Path

import PIL.Image as Image
import pytest
from labs import Open, in_state, ledger, start, sweep, until

from kling_nb.catalog import Catalog
from kling_nb.offer import Problem
from kling_nb.request import VideoRequest


def test_an_image_that_cannot_be_read_stops_only_its_own_points(simulated: Open, tmp_path: Path) -> None:
    """Points whose image is gone, or changed, when they are to be sent are refused one by one; the others are bought."""
    pictures = [tmp_path / "gone.png", tmp_path / "changed.png"]
    for shade, picture in enumerate(pictures):
        Image.new("RGB", (400, 400), (shade, 0, 0)).save(picture)
    lab = simulated(speed=60)
    run = start(lab, sweep(*(f"fox {n}" for n in range(9)), image=pictures), name="a")
    until(run, in_state("queued", 5))
    run.pause()
    start(lab, sweep("boat"), name="b").pause()
    lab.close()
    sent = run.snapshot().counts["queued"]
    gone, changed = (next((lab.folder / "inputs").glob(f"{sha256(p.read_bytes()).hexdigest()}.*")) for p in pictures)
    gone.unlink()
    changed.write_bytes(b"something else")
    lab = simulated()

    run = lab.run("a").resume().wait()

    assert {"saved": sent, "refused": 18 - sent} == run.snapshot().counts
    reasons = [task.reason for task in run.tasks if task.state == "refused"]
    assert all(reason.startswith("not sent, its image cannot be read: the image ") for reason in reasons)
    assert {"is not in", "is not what was stored"} == {
        words for words in ("is not in", "is not what was stored") if any(words in reason for reason in reasons)
    }
    assert {"saved": 1} == lab.run("b").resume().wait().snapshot().counts
    assert sent + 1 == len(ledger(lab))


def test_the_log_tells_images_by_the_names_of_their_files(simulated: Open, tmp_path: Path) -> None:
    """Tables and panels have images as a person knows them, in a later session too, and in whichever way they came."""
    pictures = [tmp_path / folder / "fox.png" for folder in ("den", "zoo")]
    for shade, picture in enumerate(pictures):
        picture.parent.mkdir()
        Image.new("RGB", (400, 400), (shade, 0, 0)).save(picture)
    lab = simulated()
    run = start(lab, sweep("a fox", image=pictures, model="kling-v2-6", mode="pro"), name="a").wait()
    names = ["den/fox.png", "zoo/fox.png"]
    assert dict.fromkeys(names, 1) == run.df.groupby("image").size().to_dict()
    assert names == [*lab.log.tasks()["image"]]
    assert [f"image {name}" for name in names] == [tile.label.split(" · ")[4] for tile in run.snapshot().tiles]
    lab.close()

    lab = simulated()
    refs = [task.request["image"] for task in lab.run("a").tasks]
    by_ref = sweep("a boat", image=refs, model="kling-v2-6", mode="pro")
    assert names == [*lab.plan(by_ref).df()["image"]]
    pictures[0].rename(tmp_path / "wolf.png")
    renamed = sweep("a boat", image=[tmp_path / "wolf.png", *refs[1:]], model="kling-v2-6", mode="pro")
    start(lab, renamed, name="b").wait()
    assert ["wolf.png", "fox.png"] * 2 == [*lab.df()["image"]]
    assert ["wolf.png", "fox.png"] == [*lab.run("a").df["image"]]


def test_an_address_that_is_none_leaves_the_lab_readable(simulated: Open, tmp_path: Path) -> None:
    """Its point is refused and stays in the tables: whatever shows them reads it again, in later sessions too."""
    Image.new("RGB", (400, 400)).save(tmp_path / "fox.png")
    lab = simulated()
    both = sweep("a fox", image=[tmp_path / "fox.png", "http://[::1/a.png"], model="kling-v2-6", mode="pro")
    run = start(lab, both, name="a").wait()
    assert {"saved": 1, "refused": 1} == run.snapshot().counts
    lab.close()
    lab = simulated()
    assert ["fox.png", "a.png"] == [*lab.df()["image"]] == [*lab.log.tasks()["image"]]
    assert "saved" in repr(lab.run("a"))
    assert "2" in repr(lab.plan(both))
    assert "saved" == lab.generate("a boat", model="kling-v2-6", mode="pro", duration=5).state


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are text")
def test_a_file_whose_name_is_no_text_is_bought_with(simulated: Open, tmp_path: Path) -> None:
    """A name may hold any bytes; what is shown of it is text."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    with path.open("wb") as file:
        Image.new("RGB", (400, 400)).save(file, "PNG")
    lab = simulated()
    clip = lab.generate("a fox", image=path, model="kling-v2-6", mode="pro", duration=5)
    assert ("saved", ["\N{REPLACEMENT CHARACTER}.png"]) == (clip.state, [*lab.df()["image"]])


def test_refusals_name_an_image_by_its_file(simulated: Open, tmp_path: Path) -> None:
    """Nobody knows an image by its hash: neither a warning of a plan nor the reason of a refused point has it."""
    Image.new("RGB", (100, 100)).save(tmp_path / "tiny.png")
    lab = simulated()
    plan = lab.plan(sweep("a fox", image=[tmp_path / "tiny.png"], model="kling-v2-6", mode="pro"))
    assert any(note.startswith("image='tiny.png': its shorter side is 100 pixels") for note in plan[0].notes)
    assert "tiny.png" in [*plan.losses()["asked"]]
    wrong = sweep("a fox", image_tail=[None, tmp_path / "tiny.png"], model="kling-v2-6", mode="pro")
    reason = start(lab, wrong, name="a").wait().df["reason"].dropna().str.cat()
    assert "image_tail='tiny.png'" in reason
    assert "sha256" not in f"{reason}{[*map(str, plan[0].problems)]}"


@pytest.mark.parametrize("like", ["{}_upscaled_{}.png", "upscaled_{}_{}.png"])
def test_tiles_of_a_panel_tell_long_names_apart(simulated: Open, tmp_path: Path, like: str) -> None:
    """What is alike is cut, be it the begin or the end of a name."""
    long = "and_denoised_" * 6
    names = [like.format(*((n, long) if like.startswith("{}") else (long, n))) for n in (1, 2)]
    for shade, name in enumerate(names):
        Image.new("RGB", (400, 400), (shade, 0, 0)).save(tmp_path / name)
    images = [tmp_path / name for name in names]
    run = start(simulated(), sweep("fox", image=images, model="kling-v2-6", mode="pro"), name="a").wait()
    assert 2 == len({tile.label for tile in run.snapshot().tiles})


def test_a_point_shares_a_clip_that_was_bought_by_the_same_call(
    simulated: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the catalogue refuses by now what it was bought for: the same call is not bought twice."""
    what = {"model": "kling-v2-6", "mode": "pro", "provider": "fal"}
    lab = simulated()
    start(lab, sweep("a fox", **what, watermark=True), name="a").wait()
    lab.close()
    before = Catalog.problems

    def problems(self: Catalog, request: VideoRequest, provider: str) -> list[Problem]:
        more = [Problem("watermark", True, "not here any more")] if request.watermark else []
        return [*before(self, request, provider), *more]

    monkeypatch.setattr(Catalog, "problems", problems)
    plan = simulated().plan(sweep("a fox", **what, watermark=[True, None]))
    assert [] == plan.buys
