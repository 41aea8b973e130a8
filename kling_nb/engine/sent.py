"""Where a submit was sent, and where that is by now: a provider's base URL may have changed since.

A call is logged with the base URL of then, so that the path of its endpoint is known. An older log lacks that: its
calls are left as they are, and `kling_nb.dialect.path_under` finds the path where only the host has changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..dialect import Call, join, path_under

BASE = "base_url"


def logged(call: Call, base_url: str | None) -> dict[str, Any]:
    """Return what the log keeps of a paid call: what is shown of it, and the base URL that it is sent to."""
    return {**call.shown(), BASE: _bare(base_url)}


def base_of(call: Mapping[str, Any]) -> str:
    """Return the base URL that a logged call was sent to; its scheme and host where the log lacks that."""
    scheme, _, rest = _url(call).partition("://")
    return str(call.get(BASE) or f"{scheme}://{rest.partition('/')[0]}")


def is_at(call: Mapping[str, Any], base_url: str | None) -> bool:
    """Tell whether a logged call was sent to this base URL.

    One that is below it may have been sent to another: to ``/a/b`` on its host, where this is ``/a``. Of an older log,
    which does not say, this tells only that it may have been sent to this one.
    """
    return _bare(call.get(BASE, base_url)) == _bare(base_url) and _is_below(call, base_url)


def by_now(call: Mapping[str, Any], base_url: str | None) -> Mapping[str, Any]:
    """Return a logged call as it would read at this base URL: the same endpoint there."""
    before = call.get(BASE)
    if not before or not base_url or not _is_below(call, before):
        return call
    return {**call, "url": join(base_url, path_under(before, _url(call))), BASE: _bare(base_url)}


def _is_below(call: Mapping[str, Any], base_url: str | None) -> bool:
    return _url(call).startswith(_bare(base_url) + "/")


def _url(call: Mapping[str, Any]) -> str:
    return str(call.get("url", ""))


def _bare(base_url: str | None) -> str:
    return (base_url or "").rstrip("/")
