"""Videos: measuring one, making sure that it plays, and a picture of it."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import MediaError
from .claims import box_length, check_claims
from .disk import looks_like

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from PIL.Image import Image as Picture

PIXELS_MOST = 40_000_000
"""Of one picture: 8K is 33 million. A file of a few kilobytes may ask for thousands of millions."""

BOUNDS = {"max_pixels": str(PIXELS_MOST)}
"""For the decoder, which does not inherit what the file was opened with."""

OPTIONS = {"format_whitelist": "mov,matroska", "protocol_whitelist": "file", **BOUNDS}
"""The formats that may be opened: FFmpeg would open a provider's playlist, and fetch any URL in it."""

PATIENCE_S = 60
"""How long reading one file may take, in real seconds."""

BOXES = (b"ftyp", b"styp", b"sidx", b"moov", b"moof", b"mdat", b"mfra", b"free", b"skip", b"wide", b"uuid")
"""What an MP4 file holds at its outermost level."""

POSTER_FRAMES = 30
ENOUGH = 12
"""A poster is looked for among so many pictures; so much contrast is taken at once."""

LATE = 0.5
"""How far from the end, in seconds, decoding may stop."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """The measures of a video that plays.

    ``fps`` is the average of the file, 0 where it says none; ``seconds`` is the length of the picture, to the
    millisecond; ``sound`` is whether there is an audio track with anything in it; ``bytes`` is the file's size.
    """

    width: int
    height: int
    fps: float
    seconds: float
    sound: bool
    codec: str
    bytes: int


def probe(path: Path) -> Probe:
    """Measure a video, and make sure that it is whole and plays: the first picture and the last ones are decoded.

    Raises `MediaError` for a file that is no video, is cut short or cannot be decoded, saying what it looks like, and
    for one that asks for more than any clip does: samples, pixels, or `PATIENCE_S` of work.
    """
    looks = looks_like(_head(path))
    if looks is not None:
        message = f"expected a video, and {path.name} is {looks}"
        raise MediaError(message)
    check_claims(path)
    with _opened(path) as (container, video):
        parts = _demuxed(container)
        _check_length(container, video, parts, path)
        _check_pictures(container, video, parts[video.index], path)
        sound = any(parts[audio.index].packets for audio in container.streams.audio)
        return _measured(video, parts[video.index], sound=sound, size=path.stat().st_size)


def poster(path: Path, width: int = 320) -> bytes:
    """Return an early picture of a video as a JPEG, at most ``width`` pixels wide; the same file, the same bytes.

    It is the first picture that shows something, or the liveliest of the first thirty where they are all flat, as a
    fade from black is. Raises `MediaError` if none can be decoded.
    """
    with _opened(path) as (container, video):
        picture = _liveliest(container, video, width)
    if picture is None:
        message = f"{path.name} has no picture that can be decoded"
        raise MediaError(message)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80)
    return out.getvalue()


def _liveliest(container: InputContainer, video: VideoStream, width: int) -> Picture | None:
    best: tuple[float, Picture | None] = (-1.0, None)
    for frame in islice(_decoded(container, video), POSTER_FRAMES):
        size = min(width, frame.width), _height(frame, width)
        picture: Picture = frame.to_image(width=size[0], height=size[1])  # type: ignore[no-untyped-call]
        contrast = _contrast(picture)
        if contrast > best[0]:
            best = contrast, picture
        if contrast >= ENOUGH:
            break
    return best[1]


@dataclass(slots=True)
class _Part:
    """Counts for one stream: packets, broken packets, start and end in seconds, and the position of a key frame."""

    packets: int = 0
    broken: int = 0
    begin: float = float("inf")
    end: float = 0.0
    keys: list[int] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return max(0.0, self.end - min(self.begin, self.end))

    def meet(self, packet: Packet[Stream]) -> None:
        """Count a packet in."""
        if not packet.size:
            return
        self.packets += 1
        self.broken += packet.is_corrupt
        if packet.pts is not None and packet.time_base is not None:
            begin = float(packet.pts * packet.time_base)
            self.begin = min(self.begin, begin)
            self.end = max(self.end, begin + float((packet.duration or 0) * packet.time_base))
            self.keys += [packet.pts] * packet.is_keyframe


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1024)
    except OSError as error:
        message = f"{path.name} cannot be read: {error.strerror}"
        raise MediaError(message) from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video and turn what FFmpeg raises into `MediaError`; its own log is kept off the notebook."""
    import av

    try:
        with av.logging.Capture(), av.open(str(path), options=dict(OPTIONS)) as container:
            if not container.streams.video:
                message = (
                    f"{path.name} has no picture, only {', '.join(s.type for s in container.streams) or 'nothing'}"
                )
                raise MediaError(message)
            _bound(container.streams.video[0], path)
            yield container, container.streams.video[0]
    except av.FFmpegError as error:
        message = f"{path.name} cannot be read as a video: {error.strerror}"
        raise MediaError(message) from error


def _bound(video: VideoStream, path: Path) -> None:
    """Keep the decoder from pictures that are too large; raises where the file says that they are."""
    video.codec_context.options = dict(BOUNDS)
    if video.width * video.height > PIXELS_MOST:
        message = f"{path.name} has pictures of {video.width}x{video.height} pixels, more than any clip has"
        raise MediaError(message)


def _patiently(packets: Iterator[Packet[Any]]) -> Iterator[Packet[Any]]:
    """Pass packets on, until reading them and whatever is done with each has taken too long."""
    until = time.monotonic() + PATIENCE_S
    for packet in packets:
        if time.monotonic() > until:
            message = f"reading the video took more than {PATIENCE_S} s, which no clip does; gave up"
            raise MediaError(message)
        yield packet


def _is_cut(path: Path) -> bool | None:
    """Tell whether an MP4 file ends inside one of its outermost boxes, which is certain; `None` for other files."""
    size, place = path.stat().st_size, 0
    with path.open("rb") as file:
        while place < size:
            head = _box(file, place)
            if head is None:
                return False if place else None
            place += head or size - place
    return place > size


def _box(file: BinaryIO, place: int) -> int | None:
    """Return the length of the box at a place as `box_length` does, `None` where there is none."""
    file.seek(place)
    head = file.read(16)
    return box_length(head) if head[4:8] in BOXES else None


def _demuxed(container: InputContainer) -> dict[int, _Part]:
    """Read all packets, without decoding any, and return what was met by stream."""
    parts = {stream.index: _Part() for stream in container.streams}
    for packet in _patiently(container.demux()):
        parts[packet.stream.index].meet(packet)
    return parts


def _check_length(container: InputContainer, video: VideoStream, parts: dict[int, _Part], path: Path) -> None:
    """Raise if the file is cut, packets are broken, or they end well before the length that the file announces."""
    seconds, announced = max(part.end for part in parts.values()), (container.duration or 0) / 1_000_000
    cut = _is_cut(path)
    # An MP4 that is whole may hold less than it announces: an edit list hides the rest.
    slack = 0.25 if cut is None else announced / 2
    if cut or parts[video.index].broken or seconds < announced - slack:
        message = f"{path.name} is cut short: its end is missing, after {seconds:.2f} s of {announced:.2f} s"
        raise MediaError(message)


def _check_pictures(container: InputContainer, video: VideoStream, met: _Part, path: Path) -> None:
    """Raise if the first picture cannot be decoded, or what follows the last key picture ends too early."""
    video.thread_type = "AUTO"
    if not met.keys or next(_decoded(container, video, min(met.keys)), None) is None:
        message = f"{path.name} has no picture that can be decoded"
        raise MediaError(message)
    last = max((frame.time or 0.0 for frame in _decoded(container, video, max(met.keys))), default=0.0)
    if last < met.end - max(LATE, 2 * met.seconds / met.packets):
        message = f"{path.name} can be decoded only up to {last:.2f} s of {met.end:.2f} s"
        raise MediaError(message)


def _decoded(container: InputContainer, video: VideoStream, place: int | None = None) -> Iterator[VideoFrame]:
    """Yield the pictures from a key picture, or from here, on; like a player, pass over what cannot be decoded."""
    import av

    if place is not None:
        container.seek(place, stream=video)
    for packet in _patiently(container.demux(video)):
        with suppress(av.FFmpegError):
            yield from packet.decode()


def _height(frame: VideoFrame, width: int) -> int:
    return max(1, round(frame.height * min(1.0, width / frame.width)))


def _contrast(picture: Picture) -> float:
    """Return how much there is to see: the spread of brightness, 0 to 127."""
    from PIL import ImageStat

    return float(ImageStat.Stat(picture.convert("L")).stddev[0])


def _measured(video: VideoStream, met: _Part, *, sound: bool, size: int) -> Probe:
    return Probe(
        width=video.width,
        height=video.height,
        fps=round(float(video.average_rate or 0), 3),
        seconds=round(met.seconds, 3),
        sound=sound,
        codec=video.codec_context.name,
        bytes=size,
    )
