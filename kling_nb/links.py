"""Addresses that others name: where they lead, whether to go there, and what may be said of them."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from .errors import MediaError

Origin = tuple[str, str, int | None]
"""Scheme, host and port, as `dialect.origin` gives them."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PRIVATE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
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
    """Return where a reply redirects to, absolute; `None` if it does not."""
    location = headers.get("location")
    return urljoin(url, location) if status in REDIRECTS and location else None


def refuse_downgrade(call: str, url: str, to: str) -> None:
    """Raise `MediaError` for a redirect from https to http."""
    if urlsplit(url).scheme == "https" and urlsplit(to).scheme == "http":
        message = f"{call} redirects from https to http, which anybody on the way could read; it was not followed"
        raise MediaError(message)


async def judge(where: Origin, own: Origin | None, *, resolve: bool = True) -> None:
    """Raise `MediaError` for a host that a stranger's link may not lead to.

    Refused are schemes other than http(s), names that are none, and hosts that are, or with ``resolve`` have only
    addresses that are, of this machine, private (RFC 1918, fc00::/7), link-local, unspecified or multicast; allowed
    all the same where ``own``, the provider's own host, is in such a place itself. 198.18.0.0/15 is allowed: local
    proxies answer every name with an address of it. The name is resolved again when the connection is made.
    Raises `OSError` if a name is not found.
    """
    scheme, host, _ = where
    if scheme not in ("http", "https") or not _is_spelled(host):
        message = f"a clip's link should be http(s) and name a host, got {scheme!r} and {host!r}; it was not followed"
        raise MediaError(message)
    if own is not None and host == own[1]:
        return
    places = await _places(where, resolve=resolve)
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
    """Return what a host is; the empty word is the open net, which every name behind a proxy counts as."""
    scheme, host, port = where
    literal = _literal(host)
    if literal is not None:
        return {_place(literal)}
    if not resolve or _proxied(scheme, host):
        return {""}
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return {_place(ipaddress.ip_address(address[0])) for *_, address in found}


def _is_spelled(host: str) -> bool:
    try:
        return bool(host.encode("idna"))
    except UnicodeError:  # an empty or overlong label
        return False


def _literal(host: str) -> Address | None:
    name = host.rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return _old_literal(name)


def _old_literal(name: str) -> Address | None:
    """Read the spellings that only resolvers know, such as ``2130706433``, ``0x7f.1`` and ``127.1``."""
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except (OSError, ValueError):
        return None


def _place(address: Address) -> str:
    inner = getattr(address, "ipv4_mapped", None) or address
    known = [words for name, words in _PLACES.items() if getattr(inner, name)]
    if any(inner in network for network in _PRIVATE):
        known.append("a private network")
    return known[0] if known else ""


def _proxied(scheme: str, host: str) -> bool:
    proxies = getproxies()
    return bool(proxies.get(scheme) or proxies.get("all")) and not proxy_bypass(host)
