"""Authentication at native Kling: a token signed with a key pair, or a console API key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from kling_nb.simulator.native_fields import Refused

ACCESS = "SimulatedAccessKey0000000000kling"
SECRET = "SimulatedSecretKey000000000000000000000000000kling"
API_KEY = "api-key-kling-simulated-000000000000000000000000"
"""A console API key, accepted as plain Bearer since 2026-06-17; the same account as the key pair."""


def verify(token: str, now: float) -> None:
    """Check a JSON web token: HS256, ``iss`` our access key, ``exp`` and ``nbf`` against *now* (s)."""
    parts = token.split(".")
    if len(parts) != 3:
        raise Refused(401, 1002, "Authorization is invalid")
    header, claims = _claims(parts[0]), _claims(parts[1])
    if header.get("alg") != "HS256" or claims.get("iss") != ACCESS or not isinstance(claims.get("exp"), int | float):
        raise Refused(401, 1002, "Authorization is invalid")
    expected = hmac.new(SECRET.encode(), ".".join(parts[:2]).encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(expected, _unpadded(parts[2])):
        raise Refused(401, 1000, "Authentication failed")
    if now < claims.get("nbf", 0):
        raise Refused(401, 1003, "Authorization is not yet valid")
    if now >= claims["exp"]:
        raise Refused(401, 1004, "Authorization has expired")


def _claims(part: str) -> dict[str, Any]:
    return json_object(_unpadded(part)) or {}


def _unpadded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return b""


def json_object(raw: bytes) -> dict[str, Any] | None:
    """The JSON object in these bytes, if there is one; half of a surrogate pair becomes ``?``."""
    try:
        value = json.loads(raw)
        if b"\\ud" in raw.lower():
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
