"""Where a provider's key and base URL come from, and how a key stays out of sight.

In this order: what the call was given, the variable ``KLING_NB_<PROVIDER>_KEY``, a ``.env`` file in the working
directory or a folder above it (up to the home folder), the system's keyring (service ``kling_nb``, user the
provider's id) where the package ``keyring`` is installed. Base URLs are looked for in the variable
``KLING_NB_<PROVIDER>_BASE_URL`` and the ``.env`` files. Nothing is exported into the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn
from urllib.parse import urlsplit

from .errors import InputError, KeyMissing
from .offer import Provider

SERVICE = "kling_nb"

FORMS = {
    "pair_or_token": "access:secret, an API key, or both with a comma between",
    "pair": "an id and its secret with a colon between",
    "token": "an API key, which has no colon or comma",
    "raw": "the key as the provider shows it",
}
"""How a key can read, by `Provider.key`, in words."""

_NONE: Mapping[str, Any] = MappingProxyType({})


class Secret:
    """A key that shows only where it came from: not printed, formatted, pickled, copied or made into JSON.

    ``source`` says where it was found. At most its last four characters are shown, of one long enough.
    """

    __slots__ = ("_text", "source")

    def __init__(self, text: str, source: str) -> None:
        self._text = text.strip()
        self.source = source

    def reveal(self) -> str:
        """Return the key itself."""
        return self._text

    @property
    def masked(self) -> str:
        """The last four characters behind dots; only dots of a key so short that these would give it away."""
        return "••••" + (self._text[-4:] if len(self._text) >= 16 else "")

    def __bool__(self) -> bool:
        """Tell whether there is anything in it."""
        return bool(self._text)

    def __repr__(self) -> str:
        """Show the source and the masked key."""
        return f"Secret({self.masked} from {self.source})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be pickled or copied; raises `TypeError`."""
        message = "a key is not pickled or copied: look it up where it is needed"
        raise TypeError(message)


def key_variable(provider_id: str) -> str:
    """Return the name of the environment variable that holds a provider's key."""
    return f"KLING_NB_{_upper(provider_id)}_KEY"


def base_url_variable(provider_id: str) -> str:
    """Return the name of the environment variable that holds a provider's base URL."""
    return f"KLING_NB_{_upper(provider_id)}_BASE_URL"


def hidden(given: Mapping[str, str | Secret]) -> dict[str, Secret]:
    """Return keys by provider, each a `Secret`, so that no traceback that shows local variables shows one."""
    return {name: key if isinstance(key, Secret) else Secret(key or "", "keys=") for name, key in given.items()}


def find_key(provider: Provider, given: Mapping[str, str | Secret] = _NONE) -> Secret | None:
    """Return a provider's key from the first place that has one, or `None`; an empty one counts as none.

    ``given`` holds keys by the provider's id. Where there is none, the key of the provider that it is like will do.
    Raises `InputError`, without showing it, for a key that is not in the form that the provider's row names.
    """
    given = secrets = hidden(given)
    secret = next((found for name in _names(provider) for found in _keys(name, secrets) if found), None)
    if secret is not None:
        parse(provider, secret)
    return secret


def need_key(provider: Provider, given: Mapping[str, str | Secret] = _NONE) -> Secret:
    """Return a provider's key; raises `KeyMissing` that says where it was looked for and what to set."""
    given = hidden(given)
    secret = find_key(provider, given)
    if secret is None:
        variable, form = key_variable(provider.id), FORMS.get(provider.key, FORMS["raw"])
        message = (
            f"there is no key for {provider.id!r}; looked in keys=, the variable {variable}{_like_told(provider)}, "
            f"{_env_told()} and {_keyring_told(provider.id)}. Set {variable} to {form}; simulate=True needs none"
        )
        raise KeyMissing(message)
    return secret


def find_base_url(provider_id: str, given: Mapping[str, str] = _NONE) -> str | None:
    """Return the base URL that a person set for a provider, without a slash at its end; `None` where none is set.

    It may carry a path. Raises `InputError` for one that is not http or https, or has a password or a query in it.
    """
    return _found_base_url(provider_id, given)[0]


def _found_base_url(provider_id: str, given: Mapping[str, str] = _NONE) -> tuple[str | None, str]:
    places = _places(base_url_variable(provider_id))
    found = [(given.get(provider_id, ""), f"base_url= for {provider_id!r}"), *places]
    return next(((_base_url(text.strip(), source), source) for text, source in found if text.strip()), (None, ""))


def base_url_of(provider: Provider) -> str | None:
    """Return where a provider is: as a person set it, as set for the one that it is like, as in its row."""
    return located(provider)[0]


def located(provider: Provider) -> tuple[str | None, str]:
    """Return where a provider is, as `base_url_of` does, and where that stands; raises `InputError` as it does."""
    own = (provider.base_url, "the catalogue" if provider.base_url else "")
    return next((found for name in _names(provider) if (found := _found_base_url(name))[0]), own)


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """What is at hand to reach a provider: the key, the base URL and where that stands, and what is in the way."""

    key: Secret | None = None
    base_url: str | None = None
    base_url_source: str = ""
    lacks: tuple[str, ...] = ()


def access(provider: Provider, given: Mapping[str, str | Secret] = _NONE) -> Access:
    """Return what is at hand to reach a provider, without asking it; whatever is wrong is one of its ``lacks``."""
    lacks: list[str] = []
    key, base_url, source = None, None, ""
    with _noting(lacks):
        key = find_key(provider, given)
        if key is None:
            form = FORMS.get(provider.key, FORMS["raw"])
            lacks.append(f"no key: set {key_variable(provider.id)}{_like_told(provider)} to {form}")
    with _noting(lacks):
        base_url, source = located(provider)
        if base_url is None:
            lacks.append(f"no host is known: set {base_url_variable(provider.id)}")
    return Access(key=key, base_url=base_url, base_url_source=source, lacks=tuple(lacks))


@contextmanager
def _noting(lacks: list[str]) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        lacks.append(str(error))


def _names(provider: Provider) -> tuple[str, ...]:
    return (provider.id, provider.like) if provider.like else (provider.id,)


def _like_told(provider: Provider) -> str:
    return f" or {key_variable(provider.like)}" if provider.like else ""


def parse(provider: Provider, secret: Secret) -> dict[str, str]:
    """Return the parts of a provider's key: ``access`` and ``secret``, ``token``, or all three.

    Raises `InputError` saying what was expected and where the key came from, without showing it.
    """
    try:
        return split_key(provider.key, secret.reveal())
    except InputError as error:
        message = f"the key of {provider.id!r} from {secret.source} cannot be used: {error}"
    # Raised here and not above, so that no link leads to where the key is a local variable.
    raise InputError(message)


def split_key(kind: str, text: str) -> dict[str, str]:
    """Return the parts of a key that reads as ``kind``, one of `FORMS`: ``access`` and ``secret``, ``token``, or all.

    Raises `InputError` saying what was expected; the key is not in it.
    """
    pieces = [piece.strip() for piece in text.split(",")] if kind == "pair_or_token" else [text.strip()]
    wrong = next((why for piece in pieces if (why := _unsendable(piece))), None)
    parts: dict[str, str] = {}
    for piece in [] if wrong else pieces:
        part = _part(kind, piece)
        wrong = wrong or (None if part and not part.keys() & parts.keys() else "it is in another form")
        parts |= part
    if wrong:
        message = f"expected {FORMS.get(kind, FORMS['raw'])}, and {wrong}"
        raise InputError(message)
    return parts


def _part(kind: str, piece: str) -> dict[str, str]:
    """Return what one piece of a key is; nothing where it is not in the form."""
    access, colon, secret = piece.partition(":")
    if kind in {"pair", "pair_or_token"} and colon:
        return {"access": access, "secret": secret} if access and secret else {}
    if kind == "pair" or (kind == "token" and (colon or "," in piece)):
        return {}
    return {"token": piece}


def _unsendable(piece: str) -> str | None:
    """Say what keeps a key from travelling in a header, in words that do not give it away."""
    if not piece:
        return "a part of it is empty"
    if any(letter.isspace() for letter in piece):
        return "there is a blank or a line break inside"
    if not all("!" <= letter <= "~" for letter in piece):
        return "it has a character that no key has (an accent, a typographic dash or quote, something invisible)"
    return None


def _upper(provider_id: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", provider_id.upper())


def _keys(provider_id: str, given: Mapping[str, Secret]) -> Iterator[Secret]:
    yield given.get(provider_id) or Secret("", "keys=")
    for text, source in _places(key_variable(provider_id)):
        yield Secret(text, source)
    yield Secret(_from_keyring(provider_id) or "", f"the keyring (service {SERVICE!r}, user {provider_id!r})")


def _places(variable: str) -> Iterator[tuple[str, str]]:
    """Yield what a variable is, and where: the environment, then each ``.env`` file, the nearest first."""
    yield os.environ.get(variable, ""), f"the variable {variable}"
    for path in _env_files():
        yield _from_env_file(path, variable) or "", f"{variable} in {path}"


def _from_env_file(path: Path, variable: str) -> str | None:
    from dotenv import dotenv_values

    try:
        # A key may hold a dollar sign: nothing in the file is filled in.
        return dotenv_values(path, interpolate=False, encoding="utf-8-sig").get(variable)
    except UnicodeDecodeError:
        message = f"{path} is not a text file in UTF-8; save it as one, or set the variable {variable} elsewhere"
    raise InputError(message)  # with no link to the other error, which holds all that is in the file


def _env_files() -> list[Path]:
    here, home = Path.cwd(), Path.home()
    folders = [here, *here.parents]
    if home in folders:
        folders = folders[: folders.index(home) + 1]
    return [path for folder in folders if (path := folder / ".env").is_file() and os.access(path, os.R_OK)]


def _env_told() -> str:
    found = [str(path) for path in _env_files()]
    return f"the files {', '.join(found)}" if found else f".env in {Path.cwd()} and the folders above (there is none)"


def _from_keyring(provider_id: str) -> str | None:
    try:
        import keyring

        return keyring.get_password(SERVICE, provider_id)
    except Exception:  # noqa: BLE001  # not installed, locked or without a backend: each backend raises its own
        return None


def _keyring_told(provider_id: str) -> str:
    try:
        import keyring  # noqa: F401
    except ImportError:
        return "the keyring (the package keyring is not installed)"
    return f"the keyring (service {SERVICE!r}, user {provider_id!r})"


def _base_url(text: str, source: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or True)
    except ValueError:
        usable = False
    # What is wrong is not shown: a person may have pasted a key here, or a password may be in it.
    if not usable or "@" in parts.netloc or parts.query or parts.fragment or any(c.isspace() for c in text):
        message = f"the base URL from {source} cannot be used: expected http(s)://host[:port][/path] and nothing else"
        raise InputError(message)
    return text.rstrip("/")
