"""A page that is exported again: what the earlier export wrote goes, and nothing else."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from kling_nb.errors import LabUnwritable
from kling_nb.views import page
from kling_nb.views.compare import grid_of, write_page
from kling_nb.views.exported import Exported
from tests.views.clips import LabFolder


def exported(lab_folder: LabFolder, out: Path, *clips: str) -> set[str]:
    """Export some of the clips; returns the clips and posters that the page's folder then holds."""
    frame = lab_folder.frame()
    write_page(grid_of(frame[frame["identity"].isin(clips)]), lab_folder.path, out)
    return beside(out)


def beside(out: Path) -> set[str]:
    """Return what lies in the folders of a page."""
    return {path.relative_to(out).as_posix() for path in out.glob("*/*")}


def ended(*_: object) -> None:
    """End whatever comes here, as a person does."""
    raise KeyboardInterrupt


def test_what_a_page_no_longer_shows_is_not_published(lab_folder: LabFolder, tmp_path: Path) -> None:
    """Clips that are left out of the next export to a folder were left out on purpose: they go, and the lab's stay."""
    out = tmp_path / "page"
    exported(lab_folder, out, "a", "b")

    assert {"clips/b.mp4", "posters/b.jpg"} == exported(lab_folder, out, "b")
    assert {"clips/a.mp4", "posters/a.jpg"} == exported(lab_folder, out, "a")
    assert {"clips/a.mp4", "clips/b.mp4"} <= beside(lab_folder.path)


def test_what_was_written_anew_is_the_exports_too(lab_folder: LabFolder, tmp_path: Path) -> None:
    """A clip that has changed in the lab since is copied again, and goes as any other."""
    out = tmp_path / "page"
    exported(lab_folder, out, "a")
    shutil.copy(lab_folder.path / "clips/b.mp4", lab_folder.path / "clips/a.mp4")
    exported(lab_folder, out, "a")

    assert set() == exported(lab_folder, out)


def test_an_export_deletes_only_what_exports_wrote(lab_folder: LabFolder, tmp_path: Path) -> None:
    """What lay there before, what was put beside it, and what was changed since is a person's own."""
    out = tmp_path / "page"
    (out / "clips").mkdir(parents=True)
    (out / "clips" / "a.mp4").write_bytes((lab_folder.path / "clips/a.mp4").read_bytes())
    exported(lab_folder, out, "a", "b")
    (out / "clips" / "c.mp4").write_bytes(b"mine")
    (out / "posters" / "b.jpg").write_bytes(b"a nicer one")

    assert {"clips/a.mp4", "clips/c.mp4", "posters/b.jpg"} == exported(lab_folder, out)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_an_export_deletes_nothing_through_a_link(lab_folder: LabFolder, tmp_path: Path) -> None:
    """A person who links the page's clips to the lab's, to save room, does not lose those."""
    out = tmp_path / "page"
    exported(lab_folder, out, "a", "b")
    shutil.rmtree(out / "clips")
    (out / "clips").symlink_to(lab_folder.path / "clips")

    assert {"clips/a.mp4", "clips/b.mp4"} == exported(lab_folder, out)


def test_in_a_lab_an_export_deletes_nothing(lab_folder: LabFolder, tmp_path: Path) -> None:
    """A page may lie in a lab's own folder, or become one: its clips were paid for."""
    out = tmp_path / "page"
    exported(lab_folder, out, "a", "b")
    (out / "log.sqlite").touch()
    everything = beside(out)

    assert everything == exported(lab_folder, out)
    exported(lab_folder, lab_folder.path, "a", "b")
    assert {"clips/a.mp4", "clips/b.mp4"} <= exported(lab_folder, lab_folder.path)


def test_the_copy_of_a_clip_that_the_lab_lost_stays(lab_folder: LabFolder, tmp_path: Path) -> None:
    """It was not left out, and may be the last."""
    out = tmp_path / "page"
    exported(lab_folder, out, "a", "b")
    (lab_folder.path / "clips/a.mp4").unlink()

    assert "clips/a.mp4" in exported(lab_folder, out, "a")


def test_a_copy_that_may_be_the_last_is_not_left_out(lab_folder: LabFolder, tmp_path: Path) -> None:
    """A page of other clips does not show it; a clip that was paid for is not deleted over that."""
    out = tmp_path / "page"
    exported(lab_folder, out, "a", "b")
    (lab_folder.path / "clips/a.mp4").unlink()
    both = {"clips/a.mp4", "posters/a.jpg", "clips/b.mp4", "posters/b.jpg"}

    assert both == exported(lab_folder, out, "b")
    assert {"clips/a.mp4", "posters/a.jpg"} == exported(lab_folder, out)


def test_what_an_export_wrote_before_the_disk_was_full_is_its_own(
    lab_folder: LabFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next export that leaves it out deletes it, also where one came between."""
    out = tmp_path / "page"
    copy = shutil.copyfile

    def full(source: Path, target: Path) -> None:
        if Path(source).name == "b.mp4":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        copy(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(LabUnwritable, match="export again"):
            exported(lab_folder, out, "a", "b")

    assert {"clips/a.mp4", "posters/a.jpg"} == beside(out)
    assert {"clips/b.mp4", "posters/b.jpg"} == exported(lab_folder, out, "b")


@pytest.mark.parametrize("last", ["page", "clear"])
def test_an_export_that_was_ended_is_made_good_by_the_next(
    lab_folder: LabFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    """Before its page is written the earlier one lacks nothing; after it the next export deletes what is left."""
    out = tmp_path / "page"
    exported(lab_folder, out, "a")
    before = (out / "index.html").read_bytes()
    where = (Exported, "clear") if last == "clear" else (page, "page_html")
    with monkeypatch.context() as patch:
        patch.setattr(*where, ended)
        with pytest.raises(KeyboardInterrupt):
            exported(lab_folder, out, "b")

    assert {"clips/a.mp4", "posters/a.jpg"} <= beside(out)
    assert (before == (out / "index.html").read_bytes()) == (last == "page")
    assert set() == exported(lab_folder, out)


NOTES = [
    b"",
    b"{",
    b"[]",
    b"7",
    b"[" * 100_000,
    b"\xff",
    b'{"clips/a.mp4": "x", "clips/a.mp4/..": 1, "clips/\\u0000": 1}',
]


@pytest.mark.parametrize("note", NOTES)
def test_a_note_that_cannot_be_read_deletes_nothing(lab_folder: LabFolder, tmp_path: Path, note: bytes) -> None:
    """What it cannot tell is taken for a person's own."""
    out = tmp_path / "page"
    exported(lab_folder, out, "a")
    (out / ".exported.json").write_bytes(note)

    assert {"clips/a.mp4", "posters/a.jpg"} == exported(lab_folder, out)


def test_a_note_reaches_no_other_folder(lab_folder: LabFolder, tmp_path: Path) -> None:
    """A page's folder may come from anywhere: nothing beyond its clips and posters is deleted, whatever its note says."""
    out = tmp_path / "page"
    exported(lab_folder, out, "a")
    mine = [tmp_path / "mine", out / "mine", out / "own" / "mine", out / "clips" / "deep" / "mine"]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"mine")
    names = ["../mine", "mine", "own/mine", "clips/../mine", "clips/../../mine", "clips/deep/mine", "clips/deep", ".."]
    (out / ".exported.json").write_text(json.dumps(dict.fromkeys([*names, str(mine[0])], 4)))
    exported(lab_folder, out)

    assert all(path.exists() for path in mine)
