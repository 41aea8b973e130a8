"""new-api gateways such as open-route: three endpoints to submit to, and clips that the gateway may serve itself.

Sources: open-route's page on Kling, read 2026-04-10, and new-api's router and Kling adaptor, read 2026-07-14. The page
says that the three endpoints take the same parameters. In new-api itself the generic two read only ``prompt``,
``model``, ``mode``, ``image``, ``size`` and ``duration`` at top level, and lay ``metadata`` over what they make of
these; the Kling endpoint takes its whole body for ``metadata``. In there a length has to be text and ``cfg_scale`` a
number. Whether open-route runs new-api as it is or changed is unverified: fields go both ways, so that either reads
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..dialect import Call, Encoded, Op, join
from ..errors import InputError, nearest
from ..offer import Offer, Provider
from ..request import VideoRequest
from ..spelling import spell
from ..task import Ticket
from .native import ACCEPT, SPELLINGS
from .reading import step
from .relayed import Relayed

ENDPOINTS: Mapping[str, str] = MappingProxyType(
    {
        "kling": "",  # the path that the catalogue names
        "generations": "/v1/video/generations",
        "videos": "/v1/videos",
    }
)

SIZES: Mapping[str, str] = MappingProxyType({"16:9": "1280x720", "9:16": "720x1280", "1:1": "1024x1024"})
"""Sizes that the gateway maps back to the ratio; any other, or none, becomes 1:1."""

TOP_ONLY = frozenset({"prompt", "mode", "image"})
"""What the generic endpoints read at top level, so that it need not be said twice: an image is large."""


class NewApi(Relayed):
    """The protocol of new-api at one provider, whose ``options`` name the endpoint."""

    options = ("endpoint",)

    def __init__(self, provider: Provider) -> None:
        super().__init__(provider)
        self._endpoint = str(provider.options.get("endpoint", "kling"))
        if self._endpoint not in ENDPOINTS:
            message = f"{provider.id} has the endpoint {self._endpoint!r}; {nearest(self._endpoint, ENDPOINTS)}"
            raise InputError(message)

    def encode(self, request: VideoRequest, offer: Offer, own_id: str) -> Encoded:
        """Spell a request for the endpoint; there is no place where an id of ours could be looked up."""
        spelled = spell(request, offer, SPELLINGS)
        body = _native(offer, spelled.body) if self._endpoint == "kling" else _generic(offer, spelled.body)
        url = join(self._base, ENDPOINTS[self._endpoint] or offer.endpoint)
        return Encoded(Call(op=Op.SUBMIT, method="POST", url=url, body=body, headers=ACCEPT), tuple(spelled.losses))

    def _content(self, ticket: Ticket) -> str:
        """Return the gateway's route to a clip, which is there for a task of any endpoint."""
        return join(self._base, f"/v1/videos/{step(ticket.id)}/content")


def _native(offer: Offer, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the Kling endpoint; the page wants a camera in ``metadata``, new-api reads it at top level."""
    camera = {"metadata": {"camera_control": body["camera_control"]}} if "camera_control" in body else {}
    return {"model_name": offer.name, **body, **camera}


def _generic(offer: Offer, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the generic endpoints: fields at top level and in ``metadata``, a ratio as size too."""
    size = SIZES.get(str(body.get("aspect_ratio")))
    metadata = {name: value for name, value in body.items() if name not in TOP_ONLY}
    told = {"size": size, "metadata": metadata}
    return {"model": offer.name, "model_name": offer.name, **body, **{k: v for k, v in told.items() if v}}
