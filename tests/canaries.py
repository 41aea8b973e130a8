"""Canary keys, a gate before the simulator that takes them and repeats them wherever it can, and a search for them."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MethodType, ModuleType
from typing import Any
from urllib.parse import quote, quote_plus

import jwt
import pandas as pd
from rich.console import Console
from rich.traceback import Traceback

from kling_nb.redaction import Veiled
from kling_nb.simulator import Simulator


class Held(dict[str, str]):
    """A person's own variable: what it shows is theirs, and would be found in every traceback of a test."""

    def __repr__(self) -> str:
        """Show nothing."""
        return "<keys>"


KEYS = Held(
    {
        "kling": "CanaryAccess4kling7Qz:CanarySecret4kling8Xw0123456789abcdef,canary-api-key4kling-9Yv",
        "fal": "ca4a47fa-1111-4000-8000-fa1fa1fa1fa1:canary/fal+secret=5Tr&7",
        "quickrouter": "sk-canary4quickrouter-6Ui",
        "quickrouter-fal": "sk-canary4quickrouterfal-1Pa",
        "openroute": "sk-canary4openroute-2Sd",
        "relay": "sk-canary4relay-3Fg",
        "chanjing": "canary-app4chanjing-Hj:canary-secret4chanjing-Kl",
    }
)
"""A key for each provider, in the form in which a person holds it."""

WRONG = Held({name: key.replace("anary", "anaryWRONG").replace("ca4a47fa", "3b0b3b0b") for name, key in KEYS.items()})
"""The same in the same forms, and nobody takes them."""

MODES = ("json", "escaped", "html", "broken", "packed", "header", "redirect")
"""How the gate says no to a prompt with ``#gate:MODE``, and repeats the key doing so."""

Scope = MutableMapping[str, Any]


def parts(key: str) -> list[str]:
    """Return what of a key is secret: all of it, and its parts."""
    return [key, *(part for part in re.split("[:,]", key) if len(part) >= 8)]


class Gate:
    """An ASGI app before a simulator's: it lets canaries in, notes what came as a credential, and gives it away."""

    def __init__(self, simulator: Simulator, foreign: str) -> None:
        self.app, self._simulator, self._foreign = self, simulator, foreign
        self.held: Mapping[str, str] = KEYS  # what the client holds
        self.seen: set[str] = set()
        self._lured: set[str] = set()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer, or pass on with the simulator's own key."""
        provider = scope["path"].split("/")[1]
        if provider not in KEYS:
            await self._simulator.app(scope, receive, send)
            return
        body = await _body(receive)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        given = headers.get("access_token") or headers.get("authorization", "").rpartition(" ")[2]
        self.seen |= {given} - {""}
        echo = f"{headers.get('authorization', given)} {self.held[provider]}".strip()
        mode = re.search(rb"#gate:([a-z]+)", body)
        lured = [task for task in self._lured if task in scope["path"] and scope["path"].endswith("/content")]
        if mode or lured or not self._is_known(provider, given, body):
            await self._says_no(mode[1].decode() if mode else "redirect" if lured else "refused", echo, send)
            return
        own = _as_the_simulators(provider, scope, body, self._simulator)
        await self._simulator.app(own[0], _once(own[1]), self._noting(send, echo, lure=b"#content" in body))

    def _is_known(self, provider: str, given: str, body: bytes) -> bool:
        if provider == "chanjing":
            return bool(given) or all(part.encode() in body for part in KEYS[provider].split(":"))
        if given.count(".") == 2:
            with suppress(jwt.PyJWTError):
                secret = KEYS["kling"].split(",")[0].split(":")[1].encode().ljust(32, b"\0")
                return bool(jwt.decode(given, secret, algorithms=["HS256"], options={"verify_exp": False}))
            return False
        return given in (KEYS[provider], *parts(KEYS[provider]))

    async def _says_no(self, mode: str, echo: str, send: Any) -> None:
        status = {"html": 502, "broken": 200, "redirect": 302, "refused": 401}.get(mode, 400)
        said = {
            "html": f"<html><h1>502</h1><pre>{html.escape(echo)}</pre>",
            "broken": '{"message": "' + echo,
            "packed": _no(f"Basic {base64.b64encode(('x:' + echo).encode()).decode()} {echo.encode().hex()}"),
            "escaped": _no("~").replace("~", "".join(f"\\u{ord(sign):04x}" for sign in echo)),
        }.get(mode, _no(echo))
        extra = {"location": f"{self._foreign}/?key={quote(echo)}"} if mode == "redirect" else {}
        headers = {"x-you-sent": echo, "content-type": "application/json", **extra}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": said.encode()})

    def _noting(self, send: Any, echo: str, *, lure: bool) -> Any:
        """Pass an answer on with the key in a header; note a token that it hands out, and a task to lure with."""

        async def noting(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-you-sent", echo.encode())]}
            told = message.get("body", b"")
            self.seen |= {token.decode() for token in re.findall(rb'"access_token":"([^"]+)', told)}
            self._lured |= {found.decode() for found in re.findall(rb'"id":"([^"]+)', told)} if lure else set()
            await send(message)

        return noting


def _no(words: str) -> str:
    """Return a body that each dialect reads as a no."""
    told = f"no such user: {words}"
    return json.dumps({"code": 1201, "message": told, "msg": told, "detail": told, "error": {"message": told}})


async def _body(receive: Any) -> bytes:
    content, more = b"", True
    while more:
        message = await receive()
        content, more = content + message.get("body", b""), message.get("more_body", False)
    return content


def _once(body: bytes) -> Any:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _as_the_simulators(provider: str, scope: Scope, body: bytes, simulator: Simulator) -> tuple[Scope, bytes]:
    """Return a request with the simulator's own key in the canary's place."""
    own = simulator.key(provider)
    scheme = b"Key " if provider == "fal" else b"Bearer "
    bare = own.rpartition(",")[2] if provider == "kling" else own
    headers = [
        (name, scheme + bare.encode() if name == b"authorization" else value) for name, value in scope["headers"]
    ]
    for ours, theirs in zip(KEYS[provider].split(":"), own.split(":"), strict=False):
        body = body.replace(ours.encode(), theirs.encode()) if provider == "chanjing" else body
    length = [(name, value if name != b"content-length" else str(len(body)).encode()) for name, value in headers]
    return {**scope, "headers": length}, body


# -- searching ---------------------------------------------------------------------------------------------------


def spellings(secret: str) -> Iterator[bytes]:
    """Yield a secret in every form that is looked for."""
    plain = secret.encode()
    escaped = (json.dumps(secret)[1:-1], "".join(f"\\u{ord(sign):04x}" for sign in secret), html.escape(secret))
    yield from (plain, plain.hex().encode(), plain.hex().upper().encode(), secret.encode("utf-16-le"))
    yield from (text.encode() for text in (*escaped, quote(secret), quote(secret, safe=""), quote_plus(secret)))
    for before in range(3):
        for coder in (base64.b64encode, base64.urlsafe_b64encode):
            yield coder(b"\0" * before + plain)[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6]


class Search:
    """Everything that was written, by where, and the secrets that should be nowhere in it."""

    def __init__(self, secrets: Iterable[str]) -> None:
        pieces = {piece for secret in secrets for piece in (secret, *_of_token(secret))}
        self.sought = {spelled: piece for piece in pieces for spelled in spellings(piece)}
        self.read = 0

    def leaks(self, where: str, content: bytes | str) -> list[str]:
        """Return what was found in it, named by where."""
        found = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        self.read += len(found)
        return [f"{where}: {secret}" for spelled, secret in self.sought.items() if spelled in found]

    def folder_leaks(self, folder: Path) -> list[str]:
        """Return what was found in a folder: names, bytes, and what is packed in tables."""
        found = []
        for path in sorted(folder.rglob("*")):
            found += self.leaks(f"the name {path}", str(path))
            if path.is_file():
                found += self.leaks(str(path), path.read_bytes())
            if path.suffix == ".parquet":
                found += self.leaks(f"the table {path}", pd.read_parquet(path).to_csv())
        return found


def _of_token(secret: str) -> list[str]:
    """Return the claims and the signature of a JWT, each a secret; its head is the same for all."""
    return secret.split(".")[1:] if secret.startswith("eyJ") else []


def as_shown(error: BaseException) -> str:
    """Return an error with all that a front end can print of it: chain, frames, and their local variables."""
    from IPython.core.ultratb import VerboseTB

    told = []
    for one in _chain(error):
        out = io.StringIO()
        shown = Traceback.from_exception(type(one), one, one.__traceback__, show_locals=True)
        Console(file=out, width=500).print(shown)
        plain = traceback.TracebackException.from_exception(one, capture_locals=True).format(chain=False)
        verbose = VerboseTB().text(type(one), one, one.__traceback__)
        told += [*plain, out.getvalue(), re.sub(r"\x1b\[[0-9;]*m", "", verbose), repr(vars(one))]
    return "\n".join(told)


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and all that it came of, those that are not shown included."""
    found, left = [], [error]
    while left:
        one = left.pop()
        if one not in found:
            found.append(one)
            left += [other for other in (one.__cause__, one.__context__) if other is not None]
    return found


def reprs(*roots: object) -> Iterator[str]:
    """Yield how every object of ours that can be reached from some is shown, by Python and by rich."""
    from rich.pretty import pretty_repr

    seen, left = set[int](), list(roots)
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, type | ModuleType):
            continue
        seen.add(id(one))
        if type(one).__module__.startswith("kling_nb"):
            yield f"{one!r}\n{pretty_repr(one, max_depth=4)}"
        left += _within(one)


def _within(one: object) -> list[object]:
    """Return what an object of ours, a container or a bound function holds."""
    if isinstance(one, Mapping):
        return [] if isinstance(one, Veiled) else list(one.values())
    if isinstance(one, list | tuple | set | frozenset):
        return list(one)
    if isinstance(one, MethodType | partial):
        return [one.__self__] if isinstance(one, MethodType) else [one.func, *one.args]
    if not type(one).__module__.startswith("kling_nb"):
        return []
    slots = [name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ())]
    return [*getattr(one, "__dict__", {}).values(), *(getattr(one, name, None) for name in slots)]


def exported(keys: Mapping[str, str]) -> dict[str, str]:
    """Return keys as environment variables."""
    return {f"KLING_NB_{name.upper().replace('-', '_')}_KEY": key for name, key in keys.items()}
