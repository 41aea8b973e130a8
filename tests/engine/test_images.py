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
