"""A certificate for the simulator's socket, made on the spot, for clients that insist on https.

trustme makes it; it is in the extra ``tls`` and needed for nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HOSTS = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class Certificate:
    """Two PEM files.

    *authority* is what a client must trust: the path for its ``SSL_CERT_FILE``.  *chain* holds the server's
    certificate and its private key, readable by its owner alone.
    """

    authority: Path
    chain: Path


def certificate(folder: Path) -> Certificate:
    """Make a new certificate for 127.0.0.1 and localhost in *folder*, in place of an earlier one.

    Raises ``ModuleNotFoundError``, which says what to install, without trustme.
    """
    try:
        import trustme
    except ModuleNotFoundError:
        message = "TLS needs the package trustme, which is not installed: pip install 'kling_nb[tls]'"
        raise ModuleNotFoundError(message, name="trustme") from None
    authority = trustme.CA()
    made = Certificate(folder / "simulator-ca.pem", folder / "simulator-key.pem")
    made.authority.write_bytes(authority.cert_pem.bytes())
    made.chain.unlink(missing_ok=True)
    made.chain.touch(mode=0o600)
    made.chain.write_bytes(authority.issue_cert(*HOSTS).private_key_and_cert_chain_pem.bytes())
    return made
