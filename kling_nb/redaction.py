"""Redacts secrets in replies: some providers echo the key that they were sent.

Dots replace a secret in every encoding: plain, with any mixture of JSON's, URLs' and HTML's escapes, in hexadecimal, or
in base64 at any of the three byte alignments (a JWT holds the access key like that). A secret shorter than `SHORTEST`
is not redacted: it could be a word of the reply.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

DOTS = "••••"
SHORTEST = 8
"""Characters of the shortest secret that is looked for."""

_BASE64_WORD = rb"[A-Za-z0-9_+=.-]"
_OPEN = frozenset({"accept", "accept-encoding", "content-type", "user-agent"})
"""Headers in which no credential travels."""
_ESCAPES = {  # by the sign that each begins with, which most answers have none of
    sign: re.compile(re.escape(sign) + escape, re.IGNORECASE)
    for sign, escape in {
        b"\\": rb"\\*(?:u00(?P<hex>[0-9a-f]{2}))?",
        b"%": rb"(?:25)*(?P<hex>[0-9a-f]{2})",
        b"&": rb"(?:#x0*(?P<hex>[0-9a-f]{2})|#0*(?P<number>[0-9]{2,3})|(?P<name>amp|lt|gt|quot|apos));",
    }.items()
}
_NAMED = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Veiled(Mapping[str, Any]):
    """Headers or a credential: values are readable by name, but ``repr`` shows only the names, also in tracebacks."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        """Return a value."""
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._values)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._values)

    def __repr__(self) -> str:
        """Show the names."""
        return f"<{', '.join(self._values) or 'nothing'}: hidden>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be pickled or copied; raises `TypeError`."""
        message = "what holds a credential is not pickled or copied"
        raise TypeError(message)


class Redaction:
    """Puts dots in the place of secrets. Without any, it leaves everything as it is."""

    __slots__ = ("_also", "_escaped", "_plain", "_secrets", "_sought", "_words")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        found = {secret for secret in secrets if len(secret) >= SHORTEST}
        self._secrets = tuple(sorted(found, key=len, reverse=True))  # one may be part of another
        self._plain = tuple(secret.encode() for secret in self._secrets)
        self._words = tuple(spelled for plain in self._plain for spelled in _packed(plain))
        self._sought = _shortest((*self._plain, *self._words))
        self._escaped: re.Pattern[bytes] | None = None
        self._also: tuple[set[str], Redaction] | None = None

    @classmethod
    def of_key(cls, key: str, more: Mapping[str, Any] | None = None) -> Redaction:
        """Return a `Redaction` of a key, its parts, and the texts of ``more``, such as a token made from the key."""
        texts = [value for value in (more or {}).values() if isinstance(value, str)]
        return cls([key, *(part.strip() for part in re.split("[:,]", key)), *texts])

    def also(self, secrets: Iterable[str]) -> Redaction:
        """Return a `Redaction` of these secrets too."""
        new = {secret for secret in secrets if len(secret) >= SHORTEST and secret not in self._secrets}
        if not new:
            return self
        known = self._also  # read once: engines on other threads share `NOTHING`
        if known is None or known[0] != new:  # a token is good for many calls
            both = Redaction(new)
            both._secrets += self._secrets
            both._plain += self._plain
            both._words += self._words
            both._sought += self._sought
            self._also = known = new, both
        return known[1]

    def finds(self, content: bytes) -> bool:
        """Tell whether a secret is in there, however it is written."""
        return bool([word for word in self._sought if word in content]) or self._is_escaped(content)

    def body(self, content: bytes) -> bytes:
        """Return content without the secrets; the very same where there are none in it."""
        if not self.finds(content):
            return content
        words = b"|".join(map(re.escape, self._words))
        content = re.sub(_BASE64_WORD + rb"*(?:" + words + rb")" + _BASE64_WORD + rb"*", DOTS.encode(), content)
        if self._is_escaped(content):  # before the plain ones, or half an escape might be left
            content = self._escapes().sub(DOTS.encode(), content)
        for plain in self._plain:
            content = content.replace(plain, DOTS.encode())
        return content

    def text(self, text: str) -> str:
        """Return text without the secrets."""
        return self.body(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def answer(self, headers: Mapping[str, str], content: bytes) -> tuple[dict[str, str], bytes]:
        """Return an answer's headers and body without the secrets."""
        told = dict(headers.items())  # by pairs: a client's headers look each name up, in all of them
        if not self.finds("\n".join((*told.values(), "")).encode() + content):
            return told, content
        return {name: self.text(value) for name, value in told.items()}, self.body(content)

    def _is_escaped(self, content: bytes) -> bool:
        """Tell cheaply whether a secret is in there with escapes in it: finding out where takes long."""
        unescaped = _unescaped(content)
        return unescaped is not content and any(plain.replace(b"\\", b"") in unescaped for plain in self._plain)

    def _escapes(self) -> re.Pattern[bytes]:
        if self._escaped is None:
            self._escaped = re.compile(b"|".join(b"".join(map(_any_escape, plain)) for plain in self._plain))
        return self._escaped

    def __repr__(self) -> str:
        """Say how many secrets it knows."""
        return f"<Redaction of {len(self._secrets)}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be pickled or copied; raises `TypeError`."""
        message = "what knows a key is not pickled or copied"
        raise TypeError(message)


def header_secrets(headers: Mapping[str, str]) -> list[str]:
    """Return what could be a secret in a call's headers: each value's last word, a bearer token or a key."""
    told = (value.split() for name, value in headers.items() if name.lower() not in _OPEN)
    return [words[-1] for words in told if words]


def _shortest(words: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the words that contain no other word: a text without these contains none of the rest."""
    kept: list[bytes] = []
    for word in sorted(words, key=len):
        if not [known for known in kept if known in word]:
            kept.append(word)
    return tuple(kept)


def _packed(plain: bytes) -> Iterator[bytes]:
    """Yield a secret in hexadecimal, and in base64 from each of its three beginnings, cut to what only it decides."""
    yield from (plain.hex().encode(), plain.hex().upper().encode())
    for before in range(3):
        coded = base64.b64encode(bytes(before) + plain)
        spelled = coded[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6]
        yield spelled
        if spelled != (safe := spelled.translate(_URL_SAFE)):
            yield safe


def _any_escape(byte: int) -> bytes:
    r"""Return a pattern for one character as it is or escaped: ``\u006b``, ``\/``, ``%2F``, ``%252f``, ``&#x6b;``."""
    hexadecimal = rb"(?i:%02x)" % byte
    named = b"".join(b"|" + name for name, sign in _NAMED.items() if sign[0] == byte)
    entity = rb"&(?:#(?i:x)0*%b|#0*%d%b);" % (hexadecimal, byte, named)
    return rb"(?:%%(?:25)*%b|%b|\\*(?:u00%b|%b))" % (hexadecimal, entity, hexadecimal, re.escape(bytes([byte])))


def _unescaped(content: bytes) -> bytes:
    """Return content with what each escape stands for in its place; the very same where there are none in it."""
    sought = (escape.finditer(content) for sign, escape in _ESCAPES.items() if sign in content)
    found = sorted((escape for escapes in sought for escape in escapes), key=re.Match.start)
    if not found:
        return content
    ends = [0, *(escape.end() for escape in found)]
    kept = [content[end : escape.start()] + _sign(escape) for end, escape in zip(ends, found, strict=False)]
    return b"".join((*kept, content[ends[-1] :]))


def _sign(escape: re.Match[bytes]) -> bytes:
    """Return what one escape stands for; nothing for backslashes, which may be doubled any number of times."""
    told = escape[escape.lastgroup] if escape.lastgroup else b""
    match escape.lastgroup:
        case "hex":
            sign = bytes([int(told, 16)])
        case "number":
            sign = bytes([int(told)]) if int(told) < 256 else b""
        case _:
            sign = _NAMED.get(told.lower(), b"")
    return b"" if sign == b"\\" else sign


NOTHING = Redaction()
