"""Values shortened for messages: the beginning of a long text, a field of a request in words."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

CODE_LONGEST = 100  # characters of a value in a message
DIGITS = 12  # of an image's hash that are shown
_ADDRESS = re.compile(r"https?://([^/?#]*)/*([^?#]*)", re.IGNORECASE)


def excerpt(text: str, most: int) -> str:
    """Return a text cut to at most ``most`` characters, with an ellipsis if it was cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def both_ends(text: str, most: int) -> str:
    """Return a text cut in the middle to at most ``most`` characters: several that are alike differ at either end."""
    return text if len(text) <= most else f"{text[: (most - 1) // 2]}…{text[-(most // 2) :]}"


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
    """Return the name to show of each image: the last part of its path or address, with its folder where that tells.

    ``files`` are the paths or addresses that images were given by, by reference, and have names too: one that another
    table shows is not to be taken for one of this. An image without goes by the begin of its hash. No name has more of
    a path than its folder, nor what an address has beside its host and path: tables and pages are shown to others.
    """
    parts = {image: _parts(files.get(image, image)) for image in dict.fromkeys((*images, *files))}
    names: dict[str, str] = {}
    for length in (1, 2):
        ends = {image: "/".join(found[-length:]) for image, found in parts.items() if image not in names}
        often = Counter([*ends.values(), *names.values()])
        names |= {image: end for image, end in ends.items() if often[end] == 1}
    names |= {image: f"{found[-1]} ({_mark(image)})" for image, found in parts.items() if image not in names}
    return names


def _parts(place: str) -> list[str]:
    """Return the parts of a path or an address; what an address has beside its host and path may be secret."""
    if place.startswith("sha256:"):
        return [in_words(place)]
    address = _ADDRESS.match(place)
    path = f"{address[1].rpartition('@')[2]}/{address[2]}" if address else place.replace("\\", "/")
    return [part for part in path.split("/") if part] or [place.partition("?")[0]]


def _mark(image: str) -> str:
    """Return what tells an image from another of the same name."""
    if image.startswith("sha256:"):
        return in_words(image)
    return hashlib.sha256(image.encode(errors="replace")).hexdigest()[:DIGITS]


def plain(text: str) -> str:
    """Return foreign text in one line without control characters, which could rewrite a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
