"""Chanjing's access tokens: made for an app's id and key, sent in a header of that name, good until a fixed second.

A token carries its own end and a signature, so that nothing is stored and a new simulator knows the old ones.
"""

from __future__ import annotations

import hashlib
import hmac

from kling_nb.simulator.world import World

APP_ID = "simulated-app-0000"
SECRET_KEY = "simulated-secret-000000000000000"


def issued(world: World) -> dict[str, object]:
    """A new token; ``expire_in`` is a unix second, despite its name (the service's client, read 2026-03-27)."""
    now = world.token_now()
    until = int(now + world.lifetimes["chanjing-token"])
    nonce = f"{world.drawn('chanjing-token', now, world.now()):032x}"[:16]
    return {"access_token": f"{until:x}.{nonce}.{_signature(f'{until:x}.{nonce}')}", "expire_in": until}


def verify(token: str, now: float) -> bool:
    """Whether *token* was issued here and is still good at *now* (s)."""
    said, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_signature(said).encode(), signature.encode()):
        return False
    return now < int(said.partition(".")[0], 16)


def _signature(said: str) -> str:
    return hmac.new(SECRET_KEY.encode(), said.encode(), hashlib.sha256).hexdigest()[:32]
