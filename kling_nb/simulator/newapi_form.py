"""Bodies of new-api's generic endpoints: a JSON object, or a form as OpenAI's client posts it."""

from __future__ import annotations

import base64
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from typing import Any

from kling_nb.simulator.native_keys import json_object
from kling_nb.simulator.newapi_errors import Denied


def body_of(raw: bytes, content_type: str) -> dict[str, Any]:
    """The keys of a body; raises :class:`Denied` for one that is neither."""
    if content_type.lower().startswith("multipart/form-data"):
        return _form(raw, content_type)
    body = json_object(raw)
    if body is None:
        raise Denied(400, "", "Invalid request, the body must be a JSON object", before=True)
    return body


def _form(raw: bytes, content_type: str) -> dict[str, Any]:
    """Fields of a form: texts, and files as base64; a name with ``[]`` makes a list."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    form = BytesParser(policy=compat32).parsebytes(head + raw)
    parts = form.get_payload()
    if form.defects or not isinstance(parts, list):
        raise Denied(400, "invalid_multipart_form", "multipart: the form can not be read")
    found: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, Message):
            _put(found, str(part.get_param("name", "", "content-disposition")), _value(part))
    return found


def _put(found: dict[str, Any], name: str, value: str) -> None:
    if name in ("images", "images[]"):
        found.setdefault("images", []).append(value)
    elif name:
        found[name] = value


def _value(part: Message) -> str:
    content = part.get_payload(decode=True)
    raw = content if isinstance(content, bytes) else b""
    if part.get_filename() is not None:
        return base64.b64encode(raw).decode()
    return raw.decode("utf-8", "replace")
