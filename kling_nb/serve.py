"""The simulator on a port for any client, with the words that point one at it."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InputError
from .fields import folder_of
from .keys import base_url_variable, key_variable

if TYPE_CHECKING:
    from .simulator import Simulator
    from .simulator.tls import Certificate


@dataclass(frozen=True, kw_only=True)
class Served:
    """What to serve: on which port (0: a free one), how fast, kept where (`None`: in memory), which provider at the root.

    ``speed`` is how many simulated seconds pass in a real one; ``tls`` serves https, with a certificate made on the spot.
    """

    port: int
    speed: float = 1.0
    seed: int = 7
    folder: Path | None = None
    root: str | None = None
    tls: bool = False


@contextmanager
def serving(served: Served) -> Iterator[str]:
    """Serve on 127.0.0.1 until the block ends; gives how to point a client at it, this library's own included.

    Raises `InputError` for a port, a speed or a folder that cannot be used, for a provider that nobody plays, and where
    ``tls`` lacks its package.
    """
    from .simulator import running

    _check(served)
    served = replace(served, folder=_made(served.folder))
    with ExitStack() as stack:
        simulator = stack.enter_context(closing(_simulator(served)))
        tls = _certificate(served.folder, stack) if served.tls else None
        try:
            base_url = stack.enter_context(running(simulator, served.port, tls))
        except OSError as error:
            message = f"port {served.port} of 127.0.0.1 cannot be used ({error.strerror}); choose another, or 0 for a free one"
            raise InputError(message) from error
        yield "\n".join(_told(simulator, base_url, served.root, tls))


def _simulator(served: Served) -> Simulator:
    from .simulator import Simulator

    begun = time.time()
    try:
        return Simulator(
            served.folder,
            seed=served.seed,
            now=lambda: begun + (time.time() - begun) * served.speed,
            token_now=time.time,
            root=served.root,
        )
    except KeyError as error:
        raise InputError(error.args[0]) from None


def _certificate(folder: Path | None, stack: ExitStack) -> Certificate:
    """Make a certificate in the folder that was named, else in one that goes away with the stack."""
    from .simulator.tls import certificate

    try:
        return certificate(folder or Path(stack.enter_context(tempfile.TemporaryDirectory())))
    except ModuleNotFoundError as error:
        raise InputError(str(error)) from None


def _check(served: Served) -> None:
    if not 0 <= served.port <= 65535:
        message = f"port={served.port}: expected 1 to 65535, or 0 for a free one"
        raise InputError(message)
    if not 0 < served.speed < math.inf:
        message = f"speed={served.speed}: expected a number above 0, in simulated seconds per real second"
        raise InputError(message)


def _made(folder: Path | None) -> Path | None:
    if folder is None:
        return None
    made = folder_of("folder", folder)
    try:
        made.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"expected a folder for the simulator's state, but {made} cannot be created: {error.strerror}"
        raise InputError(message) from error
    return made


def _told(simulator: Simulator, base_url: str, root: str | None, tls: Certificate | None) -> list[str]:
    lines = [f"Simulating at {base_url} until Ctrl-C. Nothing here costs money."]
    for name in [root] if root else simulator.providers:
        path = "" if root else simulator.path(name)
        lines += [f"  {base_url_variable(name)}={base_url}{path}", f"  {key_variable(name)}={simulator.key(name)}"]
    return [*lines, f"  SSL_CERT_FILE={tls.authority}"] if tls else lines
