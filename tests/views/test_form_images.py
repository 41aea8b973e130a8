"""The images of the sweep form, without a browser: paths, addresses, uploads, and what is said of each."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

import kling_nb as kn
from kling_nb.errors import InputError, MediaError
from kling_nb.views.form import SweepForm
from kling_nb.views.form_pictures import Pictures
from tests.views.forms import EVIL, control, form_of, html_of, inside, open_lab, picture

URL = "https://example.org/fox.png"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[kn.Lab]:
    """Open a simulated lab that never waits."""
    with open_lab(tmp_path / "study") as opened:
        yield opened


@pytest.fixture
def form(lab: kn.Lab) -> SweepForm:
    """Open a form that reads itself at once."""
    return form_of(lab).set(prompt="a fox")


def tiles(form: SweepForm, field: str = "start image") -> Any:
    """Return the widget that uploads and shows the images of a field."""
    return next(w for w in inside(form.widget()) if type(w).__name__ == "ImageTiles" and w.field == field)


def shown(form: SweepForm, field: str = "start image") -> list[dict[str, Any]]:
    """Return what is shown of the images of a field."""
    found: list[dict[str, Any]] = json.loads(tiles(form, field).pictures)
    return found


def send(form: SweepForm, wish: Any, *buffers: bytes) -> None:
    """Send a message as the browser does."""
    tiles(form)._handle_custom_msg(wish, [memoryview(buffer) for buffer in buffers])


@pytest.fixture
def answers(form: SweepForm, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """Collect what is sent to the browser."""
    heard: list[tuple[Any, Any]] = []
    monkeypatch.setattr(tiles(form), "send", lambda content, buffers=None: heard.append((content, buffers)))
    return heard


def test_a_path_is_shown_with_its_facts(form: SweepForm, tmp_path: Path) -> None:
    """An image by path makes a video from an image; its name, size and weight are shown."""
    (tmp_path / "fox.png").write_bytes(picture(640, 360))

    form.set(image=tmp_path / "fox.png")

    (tile,) = shown(form)
    assert (tile["name"], tile["facts"], tile["warned"]) == ("fox.png", "640 × 360, 1 kB", [])
    assert form.plan().points[0].request.task_type == "image2video"
    assert form.sweep().fixed["image"] == str(tmp_path / "fox.png")


def test_an_upload_is_kept_in_the_lab(form: SweepForm, lab: kn.Lab) -> None:
    """What is uploaded is in the lab's inputs, once, and the Python that is shown names it so that it runs."""
    send(form, {"upload": "fox.png"}, picture())
    send(form, {"upload": "fox.png"}, picture())

    (tile,), (file,) = shown(form), (lab.folder / "inputs").iterdir()
    assert file.read_bytes() == picture()
    assert tile["line"] == form.sweep().fixed["image"] == f"sha256:{file.stem}"
    assert form.code.startswith(f"# sha256:{file.stem[:12]}… is fox.png\nsweep = kn.Sweep(")
    made: dict[str, Any] = {"kn": kn, "lab": lab}
    exec(form.code, made)
    assert made["run"].wait().df["state"].tolist() == ["saved"]


def test_an_upload_joins_what_is_entered(form: SweepForm) -> None:
    """It is one more value, after those that are there."""
    form.set(image=URL)

    send(form, {"upload": "fox.png"}, picture())

    assert [tile["name"] for tile in shown(form)] == [URL, "fox.png"]


def test_bytes_are_entered_as_an_upload(form: SweepForm) -> None:
    """From code, bytes go the way of an upload."""
    form.set(image=[picture(), picture(320, 320)])

    assert [tile["facts"].partition(",")[0] for tile in shown(form)] == ["640 × 360", "320 × 320"]
    assert len(form.sweep().axes["image"]) == 2


@pytest.mark.parametrize("content", [b"not an image", b"", b"<html>gone</html>", b"\x89PNG\r\n\x1a\n"])
def test_an_upload_that_is_no_image_is_said(form: SweepForm, content: bytes) -> None:
    """It is not entered, and one sentence names the file; the next image takes the sentence away."""
    send(form, {"upload": f"notes{EVIL}.txt"}, content)
    said = html_of(form)
    send(form, {"upload": "fox.png"}, picture())

    assert "notes&lt;img" in said
    assert "is not a readable JPEG, PNG or WebP image" in said
    assert len(shown(form)) == 1
    assert "is not a readable JPEG" not in html_of(form)


def test_bytes_that_are_no_image_are_an_error(form: SweepForm) -> None:
    """From code, the mistake is an exception."""
    with pytest.raises(MediaError, match="is not a readable JPEG"):
        form.set(image=b"nothing")


def test_a_path_to_nothing_is_said_under_its_field(form: SweepForm, tmp_path: Path) -> None:
    """It stops the form, and only its own field is red."""
    form.set(image=[tmp_path / "fox.png", URL])

    assert list(form.problems) == ["image"]
    assert "fox.png' cannot be read (No such file or directory)" in form.problems["image"][0]
    assert form.line == "First fix what is marked as wrong"
    assert [tile["line"] for tile in shown(form)] == [URL]


def test_a_file_is_looked_at_again_when_it_changes(form: SweepForm, tmp_path: Path) -> None:
    """A path that was mended is an image at the next look."""
    path = tmp_path / "fox.png"
    path.write_text("nothing yet")
    form.set(image=path)
    before = form.problems
    path.write_bytes(picture())
    os.utime(path, ns=(1, 1))

    form.set(repeats=1)

    assert list(before) == ["image"]
    assert form.problems == {}


def test_a_file_is_read_once_however_many_points_have_it(form: SweepForm, tmp_path: Path) -> None:
    """While one types, a plan knows an image by its hash."""
    path, opened = tmp_path / "fox.png", []
    path.write_bytes(picture())
    form.set(image=path)
    sys.addaudithook(lambda event, args: opened.append(1) if event == "open" and args[0] == str(path) else None)

    form.set(repeats=20)

    assert "20 to buy" in form.line
    assert opened == []
    assert path.read_bytes()
    assert opened == [1]


def test_a_rule_may_speak_of_an_image(form: SweepForm, tmp_path: Path) -> None:
    """An image is left out by the name under which it was entered."""
    path = tmp_path / "fox.png"
    path.write_bytes(picture())

    form.set(image=[path, URL], exclude=[{"image": str(path)}])

    assert "1 to buy" in form.line
    assert form.plan().points[0].request.image == URL


@pytest.mark.parametrize(
    ("size", "kind", "said"),
    [
        ((200, 400), "PNG", ["its shorter side is 200 pixels, and Kling asks for at least 300"]),
        ((1000, 300), "JPEG", ["its sides are 3.3 to 1, and Kling takes at most 2.5 to 1"]),
        ((300, 300), "WEBP", ["it is WebP, and Kling's own pages name JPEG and PNG only"]),
        ((750, 300), "JPEG", []),
    ],
)
def test_a_broken_rule_is_a_warning(form: SweepForm, size: tuple[int, int], kind: str, said: list[str]) -> None:
    """What Kling's page asks of an image is said beside it, and does not stop the sweep."""
    form.set(image=picture(*size, kind))

    assert shown(form)[0]["warned"] == said
    assert form.problems == {}


def test_a_large_file_is_a_warning(tmp_path: Path) -> None:
    """More than ten megabytes are said in megabytes."""
    path = tmp_path / "fox.png"
    path.write_bytes(picture() + bytes(11 * 1024 * 1024))

    seen = Pictures(tmp_path / "inputs", {}).look(str(path))

    assert seen.warned == ("it has 11.0 MB, and Kling takes up to 10 MB (its path API 50 MB)",)


def test_an_address_is_not_fetched(form: SweepForm) -> None:
    """A URL goes into the sweep as it is; only the browser shows it."""
    form.set(image=URL)

    assert shown(form)[0]["address"] is True
    assert shown(form)[0]["facts"] == "an address, which the provider fetches"
    assert form.sweep().fixed["image"] == URL


def test_a_thumbnail_is_sent_when_it_is_asked_for(form: SweepForm, answers: list[tuple[Any, Any]]) -> None:
    """The browser gets a small JPEG, by message: no bytes are in what a notebook saves."""
    form.set(image=picture(2000, 1000))
    line = shown(form)[0]["line"]

    send(form, {"thumb": line})

    ((content, (jpeg,)),) = answers
    assert content == {"line": line}
    assert PIL.Image.open(io.BytesIO(jpeg)).size == (240, 120)
    assert len(tiles(form).pictures) < 1000


def test_a_thumbnail_that_cannot_be_made_is_said(
    form: SweepForm, answers: list[tuple[Any, Any]], tmp_path: Path
) -> None:
    """A file that went meanwhile has none."""
    path = tmp_path / "fox.png"
    path.write_bytes(picture())
    form.set(image=path)
    path.unlink()

    send(form, {"thumb": str(path)})

    assert "cannot be read" in answers[0][0]["error"]


@pytest.mark.parametrize(
    "wish", [{"thumb": "/etc/hostname"}, {"remove": "x"}, {"upload": "x"}, "thumb", None, {"thumb": []}]
)
def test_a_message_about_nothing_is_not_heard(form: SweepForm, answers: list[tuple[Any, Any]], wish: Any) -> None:
    """Only images that are entered are spoken of, and nothing that a browser makes up raises."""
    form.set(image=URL)

    send(form, wish)

    assert answers == []
    assert control(form, "Start image").value == URL


def test_an_image_is_taken_out_again(form: SweepForm) -> None:
    """Remove takes the line out, and the form makes videos from text again."""
    form.set(image=URL)
    framed = form.offered("aspect_ratio")

    send(form, {"remove": URL})

    assert control(form, "Start image").value == ""
    assert framed == ()
    assert form.offered("aspect_ratio") == ("16:9", "9:16", "1:1")


def test_an_image_changes_what_is_offered(form: SweepForm) -> None:
    """With an image the ratio follows it, and a provider for text only is taken out with a word."""
    form.set(providers=["kling", "quickrouter"])

    form.set(image=URL)

    assert "not offered: the ratio follows the image" in html_of(form)
    assert "no longer offered, so removed: quickrouter" in html_of(form)
    assert form.sweep().fixed["provider"] == "kling"


def test_a_field_without_image_is_told(form: SweepForm) -> None:
    """Where a provider has no place for images at all, the field is closed."""
    form.set(providers=["quickrouter"])

    assert "not offered: nothing you chose takes it" in html_of(form)


def test_a_last_frame_brings_its_lengths(form: SweepForm) -> None:
    """A model that has more lengths between two frames offers them once there is a last one."""
    form.set(models=["kling-video-o1"], image=URL)
    before = form.offered("duration")

    form.set(image_tail=URL)

    assert before == (5, 10)
    assert tuple(range(3, 11)) == form.offered("duration")


def test_a_last_frame_alone_is_told_where_it_does_not_do(form: SweepForm) -> None:
    """A model that begins with a first frame says so."""
    form.set(models=["kling-v2-6"], modes=["pro"], image_tail=URL)

    assert "needs image too" in form.problems["image_tail"][0]
    assert "kling-v2-6: pro, sound off only" in html_of(form)


def test_two_images_a_line_cannot_be_entered(form: SweepForm) -> None:
    """A path with a line break in it would be read as two."""
    with pytest.raises(InputError, match="cannot be entered"):
        form.set(image="a\nb")


def test_a_picture_in_memory_is_taken(form: SweepForm) -> None:
    """A picture that a notebook holds is kept as what the notebook shows of it, and what is no picture is told."""
    form.set(prompt="a fox", image=PIL.Image.new("RGB", (640, 360), "teal"))
    (tile,) = shown(form)
    assert tile["facts"].startswith("640 × 360")
    assert form.sweep().fixed["image"].startswith("sha256:")
    with pytest.raises(InputError, match="got int"):
        form.set(image=5)


def test_images_of_the_form_have_their_names_everywhere(lab: kn.Lab, tmp_path: Path) -> None:
    """Typed as a path or uploaded: its plan, the log and a refusal name an image as its file is called."""
    (tmp_path / "fox.png").write_bytes(picture())
    form = lab.form().set(prompt="a fox", image=[str(tmp_path / "fox.png")], mode="pro", duration=5)
    send(form, {"upload": "狐狸.png"}, picture(100, 100))
    plan = form.plan()
    assert ["fox.png", "狐狸.png"] == [*plan.df()["image"]]
    assert any("image='狐狸.png': its shorter side" in note for point in plan for note in point.notes)
    assert ["fox.png", "狐狸.png"] == [*form.start().wait().df["image"]]
    given_in_memory = lab.form().set(prompt="a boat", image=[picture(500, 400)], mode="pro", duration=5)
    assert given_in_memory.plan().df()["image"][0].startswith("sha256:")
