"""How a lab reaches providers: each with its host, its key and its dialect, for real or played by the simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from . import keys as keyring
from .catalog import Catalog
from .dialect import Dialect
from .dialects import bind
from .errors import InputError
from .keys import Access
from .offer import Provider
from .secret import Secret, hidden, parse, split_key

if TYPE_CHECKING:
    from .simulator import Simulator

PLAYED = "the simulator"
"""Where a simulated lab's keys and addresses come from."""


class Bindings:
    """Providers as a live lab reaches them. ``keys`` are by provider; ``provider`` serves requests that name none.

    Raises `InputError` for a provider that is not known.
    """

    def __init__(self, catalog: Catalog, keys: Mapping[str, str | Secret], provider: str | None) -> None:
        self._catalog = catalog
        self._keys = hidden(keys)
        self._provider = provider
        self._bound: dict[str, tuple[Provider, Dialect]] = {}
        self._amiss: dict[str, str] = {}
        for name in filter(None, (provider, *self._keys)):
            catalog.provider(name)

    @property
    def keys(self) -> Mapping[str, Secret]:
        """The keys that were given by hand."""
        return self._keys

    def bound(self, name: str) -> tuple[Provider, Dialect]:
        """Return a provider as it is reached, and its dialect bound to it."""
        return self._bound.get(name) or self.anew(name)

    def anew(self, name: str) -> tuple[Provider, Dialect]:
        """Look the provider's address up again, as each start does with keys, and return it as `bound` then does."""
        row = self._catalog.provider(name)
        provider = replace(row, base_url=self.base_url(row))
        if name not in self._bound or self._bound[name][0] != provider:
            self._bound[name] = (provider, bind(provider))
        self._amiss.pop(name, None)
        return self._bound[name]

    def spared(self, name: str) -> tuple[Provider, Dialect]:
        """Return the provider as `anew` does; if address or key is unusable, without an address: nothing is sent.

        `amiss` then says what is wrong.
        """
        row = self._catalog.provider(name)
        try:
            self.parts(self.anew(name)[0])
        except InputError as error:
            away = replace(row, base_url=None)
            self._bound[name], self._amiss[name] = (away, bind(away)), str(error)
        return self._bound[name]

    def amiss(self, name: str) -> str:
        """Say what is wrong with the address or the key of a provider that was `spared`; empty for any other."""
        return self._amiss.get(name, "")

    def base_url(self, provider: Provider) -> str | None:
        """Return where a provider is, `None` where that is not known."""
        return keyring.base_url_of(provider)

    def key(self, provider: Provider) -> Secret:
        """Return a provider's key, which knows where it is from; raises `KeyMissing` without one."""
        return keyring.need_key(provider, self._keys, known=self._catalog.providers)

    def parts(self, provider: Provider) -> frozenset[str] | None:
        """Return what the key at hand consists of, which decides what it reaches; `None` without one."""
        secret = keyring.find_key(provider, self._keys)
        return None if secret is None else frozenset(parse(provider, secret))

    def access(self, provider: Provider) -> Access:
        """Return what is at hand to reach a provider from here."""
        return keyring.access(provider, self._keys, known=self._catalog.providers)

    def usual(self) -> str:
        """Return the provider of a request that names none; raises `InputError` where there is not one to choose."""
        if self._provider is not None:
            return self._provider
        having = [p.id for p in self._catalog.providers.values() if keyring.find_key(p, self._keys)]
        if len(having) == 1:
            return having[0]
        raise InputError(self._which(having))

    def _which(self, having: Sequence[str]) -> str:
        """Say what to do where no provider was named, and several have keys or none has."""
        if having:
            several = f"no provider was named and several have keys ({', '.join(having)})"
            return f"{several}: say which one with provider= in the sweep, the request or kn.Lab(…), or with --provider"
        known, unread = ", ".join(self._catalog.providers), keyring.unread_told(self._catalog.providers.values())
        none = f"no provider was named and no provider has a key (known: {known})"
        return f"{none}: set KLING_NB_<PROVIDER>_KEY of one; simulate=True needs none{unread}"


class Played(Bindings):
    """Providers as the simulator plays them: keys and addresses are its own."""

    @property
    def keys(self) -> Mapping[str, Secret]:
        """None: the simulator takes its own alone."""
        return {}

    def base_url(self, provider: Provider) -> str | None:
        """Return where the simulator plays a provider."""
        return f"http://simulator{_stranger().path(self._player(provider))}"

    def key(self, provider: Provider) -> Secret:
        """Return the key that the simulator takes."""
        return Secret(_stranger().key(self._player(provider)), PLAYED)

    def parts(self, provider: Provider) -> frozenset[str] | None:
        """Return what that key consists of."""
        player = self._catalog.providers.get(self._player(provider), provider)
        return frozenset(split_key(player.key, self.key(provider).reveal()))

    def access(self, provider: Provider) -> Access:
        """Return how a provider is played, or why nobody plays it."""
        try:
            key = self.key(provider)
        except InputError as error:
            return Access(lacks=(str(error),))
        return Access(key=key, base_url=self.base_url(provider), base_url_source=PLAYED)

    def usual(self) -> str:
        """Return the provider of a request that names none."""
        return self._provider or "kling"

    def _player(self, provider: Provider) -> str:
        """Return who plays a provider: itself, or the first that sells its menu in its dialect."""
        players, kind = _stranger().providers, (provider.dialect, provider.options.get("menu"))
        alike = [p.id for p in self._catalog.providers.values() if (p.dialect, p.options.get("menu")) == kind]
        found = next((name for name in (provider.id, *alike, provider.dialect) if name in players), None)
        if found is None:
            own = f" for the menu {kind[1]!r}" if kind[1] else ""
            message = (
                f"{provider.id!r} cannot be simulated: no simulated provider speaks its dialect {provider.dialect!r}{own}; there are: "
                f"{', '.join(players)}. A package can add one through the entry-point group kling_nb.simulators"
            )
            raise InputError(message)
        return found


@cache
def _stranger() -> Simulator:
    """Return a simulator that only tells its addresses and keys; each lab embeds one of its own."""
    from .simulator import Simulator

    return Simulator(None)
