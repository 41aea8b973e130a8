"""Where a provider's key and base URL come from.

In this order: what the call was given, the variable ``KLING_NB_<PROVIDER>_KEY``, a ``.env`` file in the working
directory or a folder above it (up to the home folder), the system's keyring (service ``kling_nb``, user the
provider's id) where the package ``keyring`` is installed. Base URLs are looked for in the variable
``KLING_NB_<PROVIDER>_BASE_URL`` and the ``.env`` files. Nothing is exported into the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from .errors import InputError, KeyMissing
from .offer import Provider
from .secret import GIVEN, Secret, form_of, hidden, parse

SERVICE = "kling_nb"
PREFIX = "KLING_NB_"
SLIP = 0.93
"""Least similarity to one of our variables at which a name counts as misspelt: another provider's is less similar."""

_NONE: Mapping[str, Any] = MappingProxyType({})


def key_variable(provider_id: str) -> str:
    """Return the name of the environment variable that holds a provider's key."""
    return f"{PREFIX}{_upper(provider_id)}_KEY"


def base_url_variable(provider_id: str) -> str:
    """Return the name of the environment variable that holds a provider's base URL."""
    return f"{PREFIX}{_upper(provider_id)}_BASE_URL"


def find_key(provider: Provider, given: Mapping[str, str | Secret] = _NONE) -> Secret | None:
    """Return a provider's key from the first place that has one, or `None`; an empty one counts as none.

    ``given`` holds keys by the provider's id. Without a key of its own, a provider takes that of its ``like`` provider.
    Raises `InputError`, which does not show the key, for a key not in the form that the provider's row names.
    """
    given = secrets = hidden(given)
    secret = next((found for name in _names(provider) for found in _keys(name, secrets) if found), None)
    if secret is not None:
        parse(provider, secret)
    return secret


def need_key(provider: Provider, given: Mapping[str, str | Secret] = _NONE, *, known: Collection[str] = ()) -> Secret:
    """Return a provider's key; raises `KeyMissing` that says where it was looked for and what to set.

    ``known`` are the ids of all providers, whose variables are not taken for misspelt ones of this.
    """
    given = hidden(given)
    secret = find_key(provider, given)
    if secret is None:
        variable, form = key_variable(provider.id), form_of(provider.key)
        message = (
            f"there is no key for {provider.id!r}; looked in keys=, the variable {variable}{_like_told(provider)}, "
            f"{_env_told()} and {_keyring_told(provider.id)}{unread_told([provider], known)}. Set {variable} to {form}; "
            "simulate=True needs none"
        )
        raise KeyMissing(message)
    return secret


def base_url_of(provider: Provider) -> str | None:
    """Return a provider's base URL: as the user set it, else as set for its ``like`` provider, else as in its row.

    The URL has no slash at its end, and may carry a path. Raises `InputError` if the user's URL is not http or https,
    or has a password or a query in it.
    """
    return located(provider)[0]


def located(provider: Provider) -> tuple[str | None, str]:
    """Return a provider's base URL and the place where it is set; raises `InputError` as `base_url_of` does."""
    found = next((found for name in _names(provider) if (found := _base_url_set_for(name))[0]), None)
    if found is not None or not provider.base_url:
        return found or (None, "")
    return _base_url(provider.base_url, f"[provider.{provider.id}] of the catalogue"), "the catalogue"


def _base_url_set_for(provider_id: str) -> tuple[str | None, str]:
    found = _places(base_url_variable(provider_id))
    return next(((_base_url(text.strip(), source), source) for text, source in found if text.strip()), (None, ""))


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """A provider's key, base URL, the place where that URL is set, and what is missing or wrong (``lacks``)."""

    key: Secret | None = None
    base_url: str | None = None
    base_url_source: str = ""
    lacks: tuple[str, ...] = ()


def access(provider: Provider, given: Mapping[str, str | Secret] = _NONE, *, known: Collection[str] = ()) -> Access:
    """Return what is at hand to reach a provider, without asking it; whatever is wrong is one of its ``lacks``.

    ``known`` are the ids of all providers, as for `need_key`.
    """
    lacks: list[str] = []
    key, base_url, source = None, None, ""
    with _noting(lacks):
        key = find_key(provider, given)
        if key is None:
            variable = f"{key_variable(provider.id)}{_like_told(provider)}"
            lacks.append(f"no key: set {variable} to {form_of(provider.key)}{unread_told([provider], known)}")
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


def unread_told(providers: Collection[Provider], known: Collection[str] = ()) -> str:
    """Name the variables that look like keys of providers but that nothing reads: misspelt, or another program's.

    A variable of another provider, of those ``known`` by their ids, is not named.
    """
    starts = tuple(_upper(provider.id) for provider in providers)
    ours = {key_variable(provider.id) for provider in providers}
    names = {*os.environ, *(name for path in _env_files() for name in _in_env_file(path))} - ours
    names -= {key_variable(name) for name in known}
    likely = (n for n in names if n.upper().endswith(("KEY", "KEYS", "TOKEN")))
    found = sorted(n for n in likely if n.removeprefix(PREFIX).startswith(starts) or _is_slip(n, ours))
    return f"; {', '.join(found)} {'is' if len(found) == 1 else 'are'} set, but not read" if found else ""


def _upper(provider_id: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", provider_id.upper())


def _keys(provider_id: str, given: Mapping[str, Secret]) -> Iterator[Secret]:
    yield given.get(provider_id) or Secret("", GIVEN)
    for text, source in _places(key_variable(provider_id)):
        yield Secret(text, source)
    yield Secret(_from_keyring(provider_id) or "", f"the keyring (service {SERVICE!r}, user {provider_id!r})")


def _places(variable: str) -> Iterator[tuple[str, str]]:
    """Yield a variable's value and where it is set: the environment, then each ``.env`` file, the nearest first.

    The log and exported pages show the place.
    """
    yield os.environ.get(variable, ""), f"the variable {variable}"
    for path in _env_files():
        yield _in_env_file(path).get(variable) or "", f"{variable} in {_seen(path)}"


def _in_env_file(path: Path) -> Mapping[str, str | None]:
    from dotenv import dotenv_values

    try:
        return dotenv_values(path, interpolate=False, encoding="utf-8-sig")  # a key may hold a dollar sign
    except UnicodeDecodeError:
        message = f"{_seen(path)} is not a text file in UTF-8; save it as one, or set the variables elsewhere"
    raise InputError(message)  # with no link to the other error, which holds all that is in the file


def _env_files() -> list[Path]:
    here, home = _here(), Path.home()
    if here is None:
        return []
    folders = [here, *here.parents]
    if home in folders:
        folders = folders[: folders.index(home) + 1]
    return [path for folder in folders if (path := folder / ".env").is_file() and os.access(path, os.R_OK)]


def _env_told() -> str:
    if _here() is None:
        return "a .env in the working directory, which is gone"
    found = [_seen(path) for path in _env_files()]
    held = f"the file{'s' * (len(found) > 1)} {', '.join(found)}"
    return held if found else ".env in this folder and those above (there is none)"


def _seen(path: Path) -> str:
    """Return a file's path relative to the working directory: a notebook that shows the path may be shared."""
    return Path(os.path.relpath(path, _here())).as_posix()


def _here() -> Path | None:
    """Return the working directory; none where it was deleted, or is on a drive that went away."""
    try:
        return Path.cwd()
    except OSError:
        return None


def _is_slip(name: str, ours: Collection[str]) -> bool:
    """Tell whether a name differs from one of ours only by a letter, its case, or the provider."""
    near = (SequenceMatcher(None, name.upper(), one).ratio() for one in ours)
    return name.upper() == f"{PREFIX}KEY" or any(ratio >= SLIP for ratio in near)


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
