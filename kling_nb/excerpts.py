"""Values shortened for messages: the beginning of a long text, a field of a request in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

CODE_LONGEST = 100  # characters of a value in a message
DIGITS = 12  # of an image's hash that are shown


def excerpt(text: str, most: int) -> str:
    """Return a text cut to at most ``most`` characters, with an ellipsis if it was cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def as_code(value: object) -> str:
    """Return a value as code in one line, for a message: a column of a table has as many lines as the table."""
    return excerpt(" ".join(repr(value).split()), CODE_LONGEST)


def in_words(value: Any) -> str:
    """Return a field of a request as a person reads it: a camera's moves, the prompts of shots, the begin of a hash."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        moves = [f"{name} {amount}" for name, amount in value.items() if name != "type"]
        return ", ".join([str(value.get("type", "")), *moves])
    if isinstance(value, list | tuple):
        return " / ".join(_shot(shot) if isinstance(shot, Mapping) else str(shot) for shot in value)
    text = str(value)
    return f"{text[: len('sha256:') + DIGITS]}…" if text.startswith("sha256:") else text


def _shot(shot: Mapping[str, Any]) -> str:
    """Return a shot with its length: shots may differ in nothing else."""
    length = shot.get("duration")
    return str(shot.get("prompt", shot)) + (f" ({length} s)" if length else "")


def names_of(images: Iterable[str], files: Mapping[str, str]) -> dict[str, str]:
    """Return the name to show of each image: as much of the end of its path or address as tells it from the others.

    ``files`` are the paths or addresses that images were given by, by reference, and have names too: one that another
    table shows is not to be taken for one of this. An image without goes by the begin of its hash, which also stands
    beside a path that several images were given by.
    """
    whole = {image: files.get(image, image) for image in dict.fromkeys((*images, *files))}
    parts = {image: _parts(place) for image, place in whole.items()}
    longest = max(map(len, parts.values()), default=0)
    names: dict[str, str] = {}
    for length in range(1, longest + 1):
        ends = {image: str(PurePath(*found[-length:])) for image, found in parts.items() if image not in names}
        often = Counter([*ends.values(), *names.values()])
        names |= {image: end for image, end in ends.items() if often[end] == 1}
    alike = {image: _beside(in_words(place), image) for image, place in whole.items() if image not in names}
    return {image: (names | alike)[image] for image in whole}


def _parts(place: str) -> tuple[str, ...]:
    """Return the parts of a path or an address; what an address has after its path is often long, and may be secret."""
    if place.startswith("sha256:"):
        return (in_words(place),)
    address = urlsplit(place) if place.startswith(("http://", "https://")) else None
    return PurePath(place).parts if address is None else (address.netloc, *address.path.strip("/").split("/"))


def _beside(name: str, image: str) -> str:
    return name if name == image or not image.startswith("sha256:") else f"{name} ({in_words(image)})"


def plain(text: str) -> str:
    """Return foreign text in one line without control characters, which could rewrite a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
