"""Addresses that others name: where they lead, whether to go there, and what may be said of them.

What is held here against a hostile or mistaken address, under the names that security reviews know:

- SSRF (server-side request forgery): `judge` refuses a clip's link that leads to this machine, a private network, a
  cloud's metadata service (169.254.169.254 is link-local) or anything but http(s), however the address is spelled.
- DNS rebinding: `peer_judge` judges the address of the connection once more, when it stands and before a byte is sent.
- Downgrade from TLS: `refuse_downgrade` follows no redirect from https to http.
- Captive portals and intercepting gateways: `stranger` detects that another answered than who was asked.
- Leaks of signatures and passwords in messages: `named` and `without_query` leave out what may hold one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from .dialect import legible, origin
from .errors import MediaError
from .excerpts import excerpt

Origin = tuple[str, str, int | None]
"""Scheme, host and port, as `dialect.origin` gives them."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

Trace = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""Told what a connection does: the ``trace`` extension of httpcore (1.0.9 and httpcore2 2.16.2, read 2026-11-21)."""

Ready = Callable[[], None]
"""Raises whatever forbids sending."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})
LOG_IN_FIRST = 511
LONGEST = 200  # characters of an address that a stranger names, in a message
_PRIVATE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10")))
_SHARED = ipaddress.ip_network("100.64.0.0/10")  # between a carrier and its customers, and Tailscale's
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
_NO_NAME = re.compile(r"[\x00-\x20%\\\x7f]")
_PROXIES = ipaddress.ip_network("198.18.0.0/15")
_AROUND_IPV4 = tuple(map(ipaddress.IPv6Network, ("::ffff:0:0/96", "64:ff9b::/96", "::/96")))
_PLACES = MappingProxyType(
    {
        "is_unspecified": "an unspecified address",
        "is_loopback": "this machine",
        "is_link_local": "a link-local address",
        "is_multicast": "a multicast address",
    }
)


def named(method: str, url: str) -> str:
    """Return method, host and path for a message: a query may hold a signature, a user part a password."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return f"{method} to an address that cannot be read"
    return f"{method} {parts.hostname or ''}{port}{parts.path}"


def without_query(url: str) -> str:
    """Return an address without user part, query and fragment."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def onward(url: str, status: int, headers: Mapping[str, str]) -> str | None:
    """Return the redirect target of a reply, absolute unless it cannot be parsed; `None` without a redirect."""
    location = headers.get("location")
    if status not in REDIRECTS or not location:
        return None
    with suppress(ValueError):
        return urljoin(url, location)
    return location


def stranger(url: str, status: int, headers: Mapping[str, str], content: bytes) -> str:
    """Say that an intermediary, not the provider, answered an API call; empty if the provider may have answered.

    A captive portal or an inspecting gateway answers by a redirect, by a page, or by 511, which only intermediaries
    send (RFC 6585, 6). Whether the call was carried out, only the status can prove.
    """
    to = onward(url, status, headers)
    with suppress(ValueError):
        if to is not None and origin(to) != origin(url):
            return f"HTTP {status} sends it to another address, {excerpt(legible(without_query(to)), LONGEST)}"
    if status == LOG_IN_FIRST:
        return f"HTTP {status} says that the network wants a log-in first"
    is_page = 200 <= status < 300 and content.lstrip()[:1] == b"<"
    return f"HTTP {status} came with a web page" if is_page else ""


def refuse_downgrade(call: str, url: str, to: str) -> None:
    """Raise `MediaError` for a redirect from https to http, a downgrade from TLS."""
    if (place_of(url)[0], place_of(to)[0]) == ("https", "http"):
        message = f"{call} redirects from https to http, which anybody on the way could read; it was not followed"
        raise MediaError(message)


async def judge(where: Origin, own: Origin | None, *, resolve: bool = True) -> None:
    """Raise `MediaError` for a host that a link in a reply may not lead to (server-side request forgery).

    It refuses schemes other than http(s), invalid host names, and hosts that are, or with ``resolve`` only resolve to,
    addresses outside the public internet: loopback, private, shared (100.64.0.0/10), link-local, multicast, reserved.
    Such a host is allowed if ``own``, the provider's own host, is in the same kind of network. 198.18.0.0/15 is
    allowed: local proxies answer every name with an address of it. The name is resolved again on connecting;
    `peer_judge` checks that address. Raises `OSError` if a name is not found.
    """
    scheme, host, _ = where
    if scheme not in ("http", "https") or not _is_spelled(host):
        message = (
            f"a clip's link should be http(s) and name a host, got {scheme!r} and {host[:80]!r}; it was not followed"
        )
        raise MediaError(message)
    if own is None or host != own[1]:
        await _refuse_places(await _places(where, resolve=resolve), host, own, resolve=resolve)


_SENDING = ("send_request_headers.started", "send_request_body.started")
_CONNECTING = frozenset({"connect_tcp", "start_tls", "setup_socks5_connection", "response_closed"})
"""The steps, by their names in httpcore's traces, that send no byte of a request."""


class Way:
    """Traces a connection: whether a byte of the request may have been sent, or only the connection was opened."""

    def __init__(self) -> None:
        self.by_proxy = False
        self._opening = self._beyond = False

    @property
    def unopened(self) -> bool:
        """Whether no byte of the request was sent: the trace has only steps that open the connection."""
        return self._opening and not self._beyond

    def watched(self, ready: Ready | None = None) -> Trace:
        """Return a trace function that records each step, and calls ``ready`` right before a request's head and body.

        Without its body no server carries a request out. A proxy's ``CONNECT`` does not count as the request.
        """

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            if not self._beyond:
                self._note(event, info)
            if ready is not None and event.endswith(_SENDING) and not _asks_proxy(info):
                ready()

        return trace

    def _note(self, event: str, info: Mapping[str, Any]) -> None:
        name, _, when = event.rpartition(".")
        if when in ("complete", "failed"):
            return
        self.by_proxy |= _asks_proxy(info)
        is_known = when == "started" and (name.rpartition(".")[2] in _CONNECTING or _asks_proxy(info))
        self._opening |= is_known
        self._beyond |= not is_known


def _asks_proxy(info: Mapping[str, Any]) -> bool:
    return getattr(info.get("request"), "method", None) == b"CONNECT"


def peer_judge(where: Origin, own: Origin | None, named_as: str) -> Trace:
    """Return a trace function that checks a connection's actual peer address, as `judge` does, before a byte is sent.

    The name may resolve differently than for `judge` (DNS rebinding). ``named_as`` is the host as the HTTP library
    writes it; a connection to another host is to a proxy, which resolves names itself.
    """
    host = ""

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        nonlocal host
        if event.endswith("connect_tcp.started"):
            host = str(info["host"])
        elif event.endswith("connect_tcp.complete") and host == named_as and (own is None or where[1] != own[1]):
            stream = info["return_value"]
            try:
                await _refuse_places({_place_of(stream.get_extra_info("server_addr"))}, where[1], own)
            except BaseException:
                await stream.aclose()
                raise

    return trace


async def _refuse_places(places: set[str], host: str, own: Origin | None, *, resolve: bool = True) -> None:
    if "" in places or (own is not None and places <= await _own_places(own, resolve=resolve)):
        return
    message = f"a clip's link leads to {' and '.join(sorted(places))} ({host}); it was not followed"
    raise MediaError(message)


async def _own_places(own: Origin, *, resolve: bool) -> set[str]:
    try:
        return await _places(own, resolve=resolve)
    except OSError:  # a provider whose name is not found allows nothing
        return set()


async def _places(where: Origin, *, resolve: bool) -> set[str]:
    """Return the kinds of network a host is in; empty is the public internet, also for names behind a proxy."""
    scheme, host, port = where
    literal = _literal(host)
    if literal is not None:
        return {_place(literal)}
    if not resolve or proxied(scheme, host):
        return {""}
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return {_place(ipaddress.ip_address(address[0])) for *_, address in found}


def place_of(url: str) -> Origin:
    """Return scheme, host and port of a link in a reply; raises `MediaError` if it cannot be parsed."""
    with suppress(ValueError):
        return origin(url)
    message = "a clip's link should be an address, got one whose host or port cannot be read; it was not followed"
    raise MediaError(message)


def _is_spelled(host: str) -> bool:
    """Tell whether a host is a valid name or address: libraries disagree on how to read anything else."""
    try:
        return bool(host.encode("idna")) and (":" in host or not _NO_NAME.search(host))
    except UnicodeError:  # an empty or overlong label
        return False


def _literal(host: str) -> Address | None:
    # As whoever connects will read it: other alphabets have digits and full stops of their own.
    name = host.encode("idna").decode("ascii").rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return _old_literal(name)


def _old_literal(name: str) -> Address | None:
    """Read the spellings that only resolvers know, such as ``2130706433``, ``0x7f.1`` and ``127.1``: no way around `judge`."""
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except (OSError, ValueError):
        return None


def _place(address: Address) -> str:
    """Return the kind of network an address is in; empty for the public internet."""
    inner = _inner(address)
    known = [words for name, words in _PLACES.items() if getattr(inner, name)]
    if any(inner in network for network in _PRIVATE):
        known.append("a private network")
    elif inner in _SHARED:
        known.append("a shared network")
    elif (not inner.is_global and inner not in _PROXIES) or inner in _LOCAL_NAT64:
        known.append("a reserved address")
    return known[0] if known else ""


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for (mapped, NAT64, 6to4), where it does: no way around `judge`."""
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback or address.is_unspecified:
        return address
    if any(address in network for network in _AROUND_IPV4):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour or address


def _place_of(peer: object) -> str:
    try:
        return _place(ipaddress.ip_address(peer[0]))  # type: ignore[index]
    except (TypeError, ValueError, IndexError):
        return "an unknown address"


def proxied(scheme: str, host: str) -> bool:
    """Tell whether a host is reached by a proxy, as the environment or the system has it."""
    proxies = getproxies()
    return bool(proxies.get(scheme) or proxies.get("all")) and not proxy_bypass(host)
