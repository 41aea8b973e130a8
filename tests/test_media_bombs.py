"""Files that are small and ask for much: each is refused before it takes the room, and honest ones are not."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import PIL.Image
import pytest

from kling_nb import media
from kling_nb.errors import MediaError
from kling_nb.media import claims, video

MANY = 50_000_000


def film(path: Path, codec: str = "libx264", size: tuple[int, int] = (64, 64), **options: str) -> bytes:
    """Write a second of darkness, and return its bytes."""
    with av.open(str(path), "w", options=options) as out:
        stream = out.add_stream(codec, rate=5, options={"preset": "ultrafast"} if codec == "libx264" else {})
        stream.width, stream.height = size
        stream.pix_fmt = "gray" if codec == "png" else "yuv420p"
        frame = av.VideoFrame(*size, stream.pix_fmt)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        for number in range(5 if size == (64, 64) else 1):
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path.read_bytes()


def with_numbers(content: bytes, box: bytes, place: int, *numbers: int) -> bytes:
    """Overwrite 32-bit numbers so far behind the name of a box."""
    changed, at = bytearray(content), content.index(box) + 4 + place
    struct.pack_into(f">{len(numbers)}I", changed, at, *numbers)
    return bytes(changed)


def samples(path: Path) -> bytes:
    """Claim fifty million pictures of eight bytes each in one chunk."""
    content = with_numbers(film(path), b"stsz", 4, 8, MANY)
    return with_numbers(with_numbers(content, b"stsc", 12, MANY), b"stts", 8, MANY, 1)


def fragment(path: Path) -> bytes:
    """Claim fifty million pictures in a fragment, none of which takes a byte of its table."""
    content = film(path, movflags="frag_keyframe+empty_moov")
    return with_numbers(content, b"trun", 0, 1, MANY)


def edits(path: Path) -> bytes:
    """Claim few enough pictures, and so many edits that each of them is there a million times."""
    content = with_numbers(film(path), b"stsz", 4, 8, 100)
    return with_numbers(content, b"elst", 4, 1_000_000)


def packed_index(path: Path) -> bytes:
    """Let the index come packed, as none does since the nineties: it may say that it unpacks to four gigabytes."""
    return film(path).replace(b"udta", b"cmov")


def endless_index(path: Path) -> bytes:
    """Put a box of 40 MB before the rest."""
    size = claims.TABLES_MOST + 8
    return struct.pack(">I4s", size, b"free") + bytes(size - 8) + film(path)


def large_picture(path: Path) -> bytes:
    """Write a picture of 41 million pixels, which takes a kilobyte as H.264."""
    return film(path, size=(8192, 5000))


def large_still(path: Path) -> bytes:
    """Write a PNG of 49 million pixels into a MOV, whose size only the decoder meets."""
    return film(path.with_suffix(".mov"), "png", (7000, 7000))


BOMBS: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "samples": (samples, "announces 50,000,000 samples"),
    "a fragment": (fragment, "announces 50,000,000 samples"),
    "edits": (edits, "in 1,000,001 edits"),
    "a packed index": (packed_index, "has a packed index"),
    "an endless index": (endless_index, "has more than 32 MB beside its pictures"),
    "a large picture": (large_picture, "has pictures of 8192x5000 pixels, more than any clip has"),
    "a large still": (large_still, "has no picture that can be decoded"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_that_asks_for_much_is_refused(bomb: str, tmp_path: Path) -> None:
    """A file of a few kilobytes that would take gigabytes is one sentence, before it took them."""
    make, sentence = BOMBS[bomb]
    path = tmp_path / "a.mp4"
    path.write_bytes(make(path))
    with pytest.raises(MediaError, match=sentence):
        media.probe(path)


def test_reading_a_video_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A video that takes too long to read is refused, and has no poster."""
    path = tmp_path / "a.mp4"
    film(path)
    monkeypatch.setattr(video, "PATIENCE_S", -1)
    for read in (media.probe, media.poster):
        with pytest.raises(MediaError, match="which no clip does; gave up"):
            read(path)


def test_what_is_honest_passes(tmp_path: Path) -> None:
    """Uncompressed sound, whose table counts every sample, and 8K are within the bounds."""
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as out:
        stream, sound = out.add_stream("libx264", rate=5), out.add_stream("pcm_s16le", rate=48_000)
        stream.width, stream.height, stream.pix_fmt = 7680, 4320, "yuv420p"
        out.mux(stream.encode(av.VideoFrame(7680, 4320, "yuv420p")))
        out.mux(stream.encode())
        piece = av.AudioFrame(format="s16", layout="stereo", samples=48_000)
        piece.sample_rate = 48_000
        for second in range(15):
            piece.pts = second * 48_000
            out.mux(sound.encode(piece))
    claims.check_claims(path)
    assert (7680, True) == (media.probe(path).width, media.probe(path).sound)


def huge_png(side: int) -> bytes:
    """Write a PNG of a few hundred bytes that says it has this many pixels a side."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_000, 100_000])
def test_an_image_that_asks_for_much_is_refused(side: int, tmp_path: Path) -> None:
    """An image of a few bytes that would unpack to a hundred million pixels or more is refused, without a warning."""
    with pytest.raises(MediaError, match="decompression bomb"):
        media.take_in(huge_png(side), tmp_path)
    out = io.BytesIO()
    PIL.Image.new("1", (9000, 9000)).save(out, "PNG")
    assert media.take_in(out.getvalue(), tmp_path).startswith("sha256:")
