"""Kling's ``GET /account/costs``: the resource packs of an account.

From the official page (kling-assets-account-usage, snapshot 2026-09).  This simulator's own readings: its account has
no packs and pays from its balance, so that the list is empty; the page's limit of one call a second is not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kling_nb.simulator.native_fields import bad, wrong
from kling_nb.simulator.native_service import Service


def costs(service: Service, authenticate: Callable[[Request], None]) -> Route:
    """The route, for those whom *authenticate* lets in."""

    def told(request: Request) -> dict[str, Any]:
        authenticate(request)
        for key in ("start_time", "end_time"):
            _require_ms(request, key)
        return {"code": 0, "msg": "success", "resource_pack_subscribe_infos": []}

    async def answer(request: Request) -> Response:
        return service.answer(request, lambda: told(request))

    return Route("/account/costs", answer, methods=["GET"])


def _require_ms(request: Request, key: str) -> None:
    """Raise unless the query has *key* as a whole number of milliseconds."""
    text = request.query_params.get(key, "")
    if not text:
        raise bad(f"{key} can not be null")
    if not (text.isascii() and text.isdigit()):
        raise wrong(key, text)
