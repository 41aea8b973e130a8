"""Clips and images as files, with real videos of a few kilobytes."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import av
import av.logging
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_nb import media
from kling_nb.errors import InputError, MediaError
from kling_nb.fields import Shot
from kling_nb.request import VideoRequest
from kling_nb.states import TaskState
from kling_nb.task import Clip, Event, Task

if TYPE_CHECKING:
    from pathlib import Path

FPS = 12
MP4 = {"movflags": "+faststart"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}


def _film(
    path: Path, *, seconds: float = 5.0, sound: bool = False, dark: int = 0, options: dict[str, str] = MP4
) -> Path:
    """Write a 320x180 H.264 video of a moving bar, the first pictures black, as MP4 or by the path's ending."""
    with av.open(str(path), "w", options=options) as out:
        video = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "threads": "1", "g": "24"})
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        audio = out.add_stream("aac", rate=44_100) if sound else None
        for number in range(round(seconds * FPS)):
            out.mux(video.encode(_picture(number, black=number < dark)))
        out.mux(video.encode())
        if audio is not None:
            for start in range(0, round(seconds * 44_100), 1024):
                out.mux(audio.encode(_tone(start)))
            out.mux(audio.encode())
    return path


def _picture(number: int, *, black: bool) -> av.VideoFrame:
    pixels = np.zeros((180, 320, 3), np.uint8)
    if not black:
        pixels[:, (number * 5) % 300 :][:, :20] = 230
        pixels[:24] = np.random.default_rng(number).integers(0, 255, (24, 320, 3))
    return av.VideoFrame.from_ndarray(pixels, format="rgb24")


def _tone(start: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(
        np.sin(np.arange(1024, dtype=np.float32) / 10)[None], format="fltp", layout="mono"
    )
    frame.sample_rate, frame.pts = 44_100, start
    return frame


def _image(kind: str = "PNG", size: tuple[int, int] = (8, 4), **settings: Any) -> bytes:
    out = io.BytesIO()
    PIL.Image.new("RGB", size, "teal").save(out, kind, **settings)
    return out.getvalue()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder of videos once."""
    folder = tmp_path_factory.mktemp("films")
    _film(folder / "silent.mp4")
    _film(folder / "sound.mp4", sound=True)
    _film(folder / "tail.mp4", options={})
    _film(folder / "fragments.mp4", options=FRAGMENTS)
    _film(folder / "matroska.mkv", options={})
    _film(folder / "fade.mp4", seconds=2, dark=9)
    _film(folder / "black.mp4", seconds=1, dark=99)
    return folder


@pytest.mark.parametrize("name", ["silent.mp4", "sound.mp4", "tail.mp4", "fragments.mp4", "matroska.mkv"])
def test_a_video_is_measured(films: Path, name: str) -> None:
    """A whole video gives its measures, whatever the container and wherever its index stands."""
    path = films / name
    expected = media.Probe(
        width=320, height=180, fps=12.0, seconds=5.0, sound=name == "sound.mp4", codec="h264", bytes=path.stat().st_size
    )
    measured = media.probe(path)
    assert measured.seconds == pytest.approx(5.0, abs=0.01)
    assert expected == replace(measured, seconds=5.0)


@pytest.mark.parametrize("name", ["silent.mp4", "sound.mp4", "tail.mp4", "fragments.mp4"])
def test_a_video_cut_anywhere_is_refused(films: Path, name: str, tmp_path: Path) -> None:
    """An MP4 file that ends too early, by one byte or nearly all, is never taken for a whole one."""
    whole = (films / name).read_bytes()
    path = tmp_path / "clip.mp4.part"
    for length in [1, 9, *range(40, len(whole), len(whole) // 40), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(MediaError, match=r"clip\.mp4\.part"):
            media.probe(path)


def test_a_cut_video_says_how_much_is_there(films: Path, tmp_path: Path) -> None:
    """A video that stops in the middle says up to where, of how much."""
    whole = (films / "silent.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match=r"half\.mp4 is cut short: its end is missing, after 2\.\d\d s of 5\.00 s"):
        media.probe(tmp_path / "half.mp4")


def test_a_video_whose_data_goes_to_the_end_of_the_file_is_refused_when_cut(films: Path, tmp_path: Path) -> None:
    """Where the box of the data does not say its length, a picture that is not whole tells."""
    whole = (films / "silent.mp4").read_bytes()
    place = whole.index(b"mdat")
    (tmp_path / "open.mp4").write_bytes(whole[: place - 4] + bytes(4) + whole[place:])
    assert media.probe(tmp_path / "open.mp4").seconds == pytest.approx(5.0)
    (tmp_path / "open.mp4").write_bytes(whole[: place - 4] + bytes(4) + whole[place:-9])
    with pytest.raises(MediaError, match="cut short"):
        media.probe(tmp_path / "open.mp4")


def test_a_matroska_file_cut_in_the_middle_is_refused(films: Path, tmp_path: Path) -> None:
    """A file without boxes is cut where its packets end well before the length that it announces."""
    whole = (films / "matroska.mkv").read_bytes()
    (tmp_path / "half.mkv").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match="cut short"):
        media.probe(tmp_path / "half.mkv")


def test_a_video_with_a_hole_is_refused(films: Path, tmp_path: Path) -> None:
    """A file of the right length whose second half is zeros cannot be decoded to its end."""
    whole = bytearray((films / "silent.mp4").read_bytes())
    whole[len(whole) // 2 :] = bytes(len(whole) - len(whole) // 2)
    (tmp_path / "hole.mp4").write_bytes(whole)
    with pytest.raises(MediaError, match=r"decoded only up to \d\.\d\d s of 5\.00 s|no picture"):
        media.probe(tmp_path / "hole.mp4")


@pytest.mark.parametrize(
    ("content", "looks"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"<!DOCTYPE html><title>403 Forbidden</title>", "is an HTML page, which begins '403 Forbidden'"),
        (b"\n<HTML>no such file</HTML>", "is an HTML page, which begins 'no such file'"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "is XML, which begins 'AccessDenied'"),
        (b'{"code": 1303, "message": "full"}', "is JSON, which begins '{"),
        (_image(), "is a PNG image"),
        (_image("JPEG"), "is a JPEG image"),
        (_image("WEBP"), "is a WebP image"),
        (_image("GIF"), "is a GIF image"),
        (b"upstream timed out", "is text, which begins 'upstream timed out'"),
        (b"#EXTM3U\n#EXTINF:5,\nhttp://127.0.0.1:9/x.ts", "is a playlist"),
        (bytes(range(256)) * 20, "cannot be read as a video"),
    ],
)
def test_a_file_that_is_no_video_says_what_it_is(content: bytes, looks: str, tmp_path: Path) -> None:
    """What came in place of a video is named, with its first words if it has words."""
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(MediaError, match=rf"clip\.mp4 {looks}"):
        media.probe(tmp_path / "clip.mp4")


def test_a_file_that_is_missing_or_has_no_picture_is_a_media_error(tmp_path: Path) -> None:
    """A missing file and one with sound alone are media errors, for a measure and for a poster."""
    with av.open(str(tmp_path / "tone.mp4"), "w") as out:
        audio = out.add_stream("aac", rate=44_100)
        out.mux([*audio.encode(_tone(0)), *audio.encode()])
    for look in (media.probe, media.poster):
        with pytest.raises(MediaError, match="none"):
            look(tmp_path / "none.mp4")
        with pytest.raises(MediaError, match="no picture, only audio"):
            look(tmp_path / "tone.mp4")


def test_a_playlist_is_not_followed(tmp_path: Path, films: Path) -> None:
    """A file that names others is refused, and they are not opened, though FFmpeg would by itself."""
    (tmp_path / "silent.mp4").write_bytes((films / "silent.mp4").read_bytes())
    (tmp_path / "list.mp4").write_bytes(b"ffconcat version 1.0\nfile silent.mp4\n")
    with av.open(str(tmp_path / "list.mp4")) as followed:
        assert followed.streams.video
    with pytest.raises(MediaError, match=r"list\.mp4 cannot be read as a video"):
        media.poster(tmp_path / "list.mp4")


def test_reading_a_broken_video_is_quiet(
    films: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """FFmpeg's complaints about a broken file reach neither the screen nor the log, and its level stays as it was."""
    (tmp_path / "cut.mp4").write_bytes((films / "silent.mp4").read_bytes()[:20_000])
    before = av.logging.get_level()
    av.logging.set_level(av.logging.VERBOSE)
    try:
        with pytest.raises(MediaError):
            media.probe(tmp_path / "cut.mp4")
        assert av.logging.get_level() == av.logging.VERBOSE
    finally:
        av.logging.set_level(before)
    assert not any([*capfd.readouterr(), caplog.text])


MEASURED = media.Probe(width=1280, height=720, fps=24.0, seconds=5.041, sound=False, codec="h264", bytes=1)


@pytest.mark.parametrize(
    ("measured", "asked", "expected"),
    [
        ({}, {}, ()),
        ({}, {"aspect_ratio": "16:9", "duration": 5, "sound": "off"}, ()),
        ({"width": 1920, "height": 1088}, {"aspect_ratio": "16:9"}, ()),
        ({"width": 960, "height": 960}, {"aspect_ratio": "16:9"}, ("960x960 is not 16:9",)),
        ({}, {"aspect_ratio": "auto"}, ()),
        ({"seconds": 5.1}, {"duration": 5}, ()),
        ({"seconds": 5.6}, {"duration": 5}, ("5.60 s long, asked for 5 s",)),
        ({"seconds": 5.04}, {"duration": 10}, ("5.04 s long, asked for 10 s",)),
        ({}, {"multi_prompt": (Shot(prompt="a", duration=2), Shot(prompt="b", duration=3))}, ()),
        ({}, {"multi_prompt": (Shot(prompt="a", duration=9),)}, ("5.04 s long, asked for 9 s",)),
        ({}, {"sound": "on"}, ("no sound, asked for sound",)),
        ({"sound": True}, {"sound": "on"}, ()),
        ({"sound": True}, {"sound": "off"}, ("has sound, asked for none",)),
        ({"sound": True}, {}, ()),
        (
            {"height": 1280},
            {"aspect_ratio": "9:16", "sound": "on"},
            ("1280x1280 is not 9:16", "no sound, asked for sound"),
        ),
    ],
)
def test_a_clip_is_flagged_where_it_differs(
    measured: dict[str, Any], asked: dict[str, Any], expected: tuple[str, ...]
) -> None:
    """A clip that differs in ratio, length or sound says so in words; what was left open cannot differ."""
    assert expected == media.flags(replace(MEASURED, **measured), VideoRequest(**asked))


def test_a_poster_is_a_small_jpeg_and_always_the_same(films: Path) -> None:
    """A poster is a JPEG of the width asked for, never wider than the video, and the same bytes every time."""
    jpeg = media.poster(films / "silent.mp4", width=160)
    assert jpeg == media.poster(films / "silent.mp4", width=160)
    assert ("JPEG", (160, 90)) == _kind_and_size(jpeg)
    assert ("JPEG", (320, 180)) == _kind_and_size(media.poster(films / "silent.mp4", width=4000))


def _kind_and_size(content: bytes) -> tuple[str | None, tuple[int, int]]:
    with PIL.Image.open(io.BytesIO(content)) as picture:
        return picture.format, picture.size


def test_a_poster_is_not_black(films: Path) -> None:
    """A video that fades in shows a picture from after the fade; one that stays black has a poster all the same."""
    lit, black = (PIL.Image.open(io.BytesIO(media.poster(films / name))) for name in ("fade.mp4", "black.mp4"))
    assert lit.convert("L").getextrema()[1] > 200  # type: ignore[operator]
    assert black.convert("L").getextrema()[1] < 30  # type: ignore[operator]


def test_a_poster_becomes_a_data_address() -> None:
    """Bytes become an address that a page can hold."""
    assert media.data_uri(b"\xff\xd8") == "data:image/jpeg;base64,/9g="


def test_a_stored_clip_is_what_the_log_reads_back(films: Path, tmp_path: Path) -> None:
    """A verified download is moved to clips/, and its facts are plain JSON from which the task has its clip."""
    (tmp_path / "clips").mkdir()
    part = tmp_path / "clips" / "t1.mp4.part"
    part.write_bytes((films / "sound.mp4").read_bytes())
    sha256 = hashlib.sha256(part.read_bytes()).hexdigest()
    request = VideoRequest(duration=10, sound="on")
    facts = media.store_clip(part, tmp_path, "kling_v2_std_t1.mp4", media.probe(part), request, sha256=sha256)
    event = Event("t1", "saved", 1.0, {"clip": json.loads(json.dumps(facts))})
    task = Task(id="t1", identity="i", provider="kling", model="m", state=TaskState.READY).apply(event)
    assert task.clip == Clip(
        path="clips/kling_v2_std_t1.mp4", sha256=sha256, bytes=(films / "sound.mp4").stat().st_size, width=320,
        height=180, fps=12.0, seconds=5.0, sound=True, flags=("5.00 s long, asked for 10 s",),
    )  # fmt: skip
    assert [tmp_path / task.clip.path] == [*(tmp_path / "clips").iterdir()]


def test_a_download_that_is_no_video_is_left_where_it_is(tmp_path: Path) -> None:
    """A file that cannot be verified gets no name among the clips and stays where it was."""
    part = tmp_path / "t1.mp4.part"
    part.write_bytes(b"<html>gone</html>")
    with pytest.raises(MediaError):
        media.probe(part)
    assert [part] == [*tmp_path.iterdir()]


def test_storing_a_clip_again_replaces_it(films: Path, tmp_path: Path) -> None:
    """A clip fetched again, as after a crash between the move and the log, takes the place of the first."""
    part = tmp_path / "part"
    (tmp_path / "clips").mkdir()
    for _ in range(2):
        part.write_bytes((films / "silent.mp4").read_bytes())
        facts = media.store_clip(part, tmp_path, "t1.mp4", media.probe(part), VideoRequest(), sha256="0" * 64)
    assert (["t1.mp4"], "clips/t1.mp4") == ([p.name for p in (tmp_path / "clips").iterdir()], facts["path"])


MISFITS: dict[str, tuple[str, tuple[int, int], str]] = {
    "small": ("PNG", (400, 299), "its shorter side is 299 pixels, and Kling asks for at least 300"),
    "long": ("JPEG", (300, 751), "its sides are 2.5 to 1, and Kling takes at most 2.5 to 1"),
    "of another kind": ("WEBP", (300, 300), "it is WebP, and Kling's own pages name JPEG and PNG only"),
}


@pytest.mark.parametrize("what", MISFITS)
def test_an_image_that_kling_asks_otherwise_says_so(what: str, tmp_path: Path) -> None:
    """Which of Kling's rules an image breaks is said in words; one at the limits breaks none, nor does an address."""
    kind, size, words = MISFITS[what]
    assert (words,) == media.misfits(media.take_in(_image(kind, size), tmp_path), tmp_path)
    assert () == media.misfits(media.take_in(_image("PNG", (300, 750)), tmp_path), tmp_path)
    assert () == media.misfits("https://x.test/a.png", tmp_path)


def test_an_image_of_many_bytes_says_so(tmp_path: Path) -> None:
    """More than 10 MB are told, with how many there are."""
    ref = media.take_in(_image("PNG", (300, 300)) + bytes(11 * 1024 * 1024), tmp_path)
    assert ("it has 11.0 MB, and Kling takes up to 10 MB (its path API 50 MB)",) == media.misfits(ref, tmp_path)


@given(
    st.text() | st.sampled_from(["../../etc/passwd", "a/b\\c.mp4", "con.mp4", ".hidden", "x" * 999 + ".mp4", "a.", ""])
)
def test_a_name_from_outside_is_made_safe(name: str) -> None:
    """Any text becomes a short file name of harmless characters; one that is harmless already stays as it is."""
    safe = media.safe_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}", safe)
    assert not re.match(r"(con|nul|aux|prn)(\.|$)", safe, re.IGNORECASE)
    assert not safe.endswith(".")
    assert safe == media.safe_name(safe)


def test_two_names_stay_two() -> None:
    """Names that differ only in what is taken out, or past the limit, differ still, and keep their ending."""
    names = ["a/b.mp4", "a b.mp4", "a-b.mp4", "x" * 200 + "1.mp4", "x" * 200 + "2.mp4"]
    safe = [media.safe_name(name) for name in names]
    assert (5, {".mp4"}, "a-b.mp4") == (len(set(safe)), {name[-4:] for name in safe}, safe[2])


@pytest.mark.parametrize(
    ("kind", "ending", "mime"),
    [("PNG", "png", "image/png"), ("JPEG", "jpg", "image/jpeg"), ("WEBP", "webp", "image/webp")],
)
def test_an_image_is_kept_once_by_its_content(kind: str, ending: str, mime: str, tmp_path: Path) -> None:
    """An image, as bytes, a path or a path as text, whatever its name, is kept once under its hash."""
    content, inputs = _image(kind), tmp_path / "inputs"
    (tmp_path / "photo.dat").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    refs = {media.take_in(image, inputs) for image in (content, tmp_path / "photo.dat", str(tmp_path / "photo.dat"))}
    assert ({f"sha256:{sha256}"}, [f"{sha256}.{ending}"]) == (refs, [path.name for path in inputs.iterdir()])
    ref = refs.pop()
    assert (content, mime) == media.image_bytes(ref, inputs)
    assert (8, 4) == media.image_size(ref, inputs)
    assert ref == media.take_in(ref, inputs) == VideoRequest(image=content).canonical()["image"]


def test_a_phones_jpeg_is_a_jpeg(tmp_path: Path) -> None:
    """A JPEG with a second picture behind it, as phones write them, is kept as a JPEG."""
    content = _image("MPO", save_all=True, append_images=[PIL.Image.new("RGB", (8, 4))])
    assert media.image_bytes(media.take_in(content, tmp_path), tmp_path)[1] == "image/jpeg"


def test_a_url_is_identity_as_written(tmp_path: Path) -> None:
    """A URL is not fetched and not changed."""
    assert media.take_in("https://x.test/A b.png?sig=1", tmp_path) == "https://x.test/A b.png?sig=1"
    assert [] == [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("image", "error", "sentence"),
    [
        (b"", MediaError, r"the image is not a readable JPEG, PNG or WebP .*empty"),
        (b"<html>gone</html>", MediaError, "it is an HTML page.*; give another file"),
        (_image("GIF"), MediaError, "it is a GIF image"),
        (b"\x01\x02\x03" * 9, MediaError, "WebP image: what it holds is not known; give another file"),
        (_image("PNG", (90, 90))[:-30], MediaError, "the image is not a readable JPEG"),
        (_image("JPEG", (90, 90))[:-300], MediaError, "the image is not a readable JPEG.*[Tt]runcated"),
        ("no/such/image.png", InputError, r"'no/such/image\.png' cannot be read \(No such file"),
        ("data:image/png;base64," + "A" * 9999, InputError, r"cannot be read"),
        ("a\0.png", InputError, "null byte"),
        ("sha256:" + "0" * 64, InputError, "is not in .*inputs; give its path"),
        ("sha256:../../secret", InputError, "is not in .*inputs"),
    ],
)
def test_what_is_no_image_is_refused(image: str | bytes, error: type[Exception], sentence: str, tmp_path: Path) -> None:
    """What is not there or is no whole image is one clear sentence, and nothing is kept."""
    with pytest.raises(error, match=sentence) as caught:
        media.take_in(image, tmp_path / "inputs")
    assert len(str(caught.value)) < 600
    assert not (tmp_path / "inputs").exists()


def test_a_reference_stays_within_the_inputs(tmp_path: Path) -> None:
    """A reference that is no hash, such as a path to another folder, finds nothing."""
    (tmp_path / "inputs").mkdir()
    (tmp_path / "other.png").write_bytes(_image())
    with pytest.raises(InputError, match="is not in"):
        media.take_in("sha256:../other", tmp_path / "inputs")


def test_an_image_that_was_changed_on_disk_is_not_sent(tmp_path: Path) -> None:
    """A stored image that is no longer what its name says is an error, until the original is taken in again."""
    ref = media.take_in(_image(), tmp_path)
    next(tmp_path.iterdir()).write_bytes(_image(size=(9, 9)))
    with pytest.raises(MediaError, match="not what was stored"):
        media.image_bytes(ref, tmp_path)
    media.take_in(_image(), tmp_path)
    assert media.image_bytes(ref, tmp_path)[0] == _image()


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """Where a name cannot be taken, no half-written file stays and nothing is lost."""
    content = _image()
    (tmp_path / f"{hashlib.sha256(content).hexdigest()}.png").mkdir()
    with pytest.raises(OSError, match="directory"):
        media.take_in(content, tmp_path)
    assert 1 == len([*tmp_path.iterdir()])
