"""Images that requests begin from, when the request is to be sent."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import PIL.Image as Image
from labs import Open, in_state, ledger, start, sweep, until


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
