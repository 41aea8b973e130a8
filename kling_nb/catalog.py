"""The catalogue: models, prices and providers as data, and what they say of a request.

The data is in ``catalog.toml`` and ``providers.toml``; their form is documented at the top of each. Only the
catalogue says what a model at a provider accepts; dialects only spell.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from .catalog_form import check_file
from .errors import InputError, RefusedError, nearest
from .excerpts import as_code
from .fields import path_of
from .menu import TASK_TYPES, Menu, Model, known_keys, menu_from, model_from, provider_from, rules_from
from .offer import Estimate, Offer, Problem, Provider
from .prices import PriceList, kind_of, price_from, price_list_from, seconds_from
from .request import VideoRequest
from .terms import Terms, is_sold, terms
from .verdict import findings, unknown_model

NOBODY = Provider(id="", title="", dialect="", base_url=None)
T = TypeVar("T")
SAMPLE_IMAGE = "https://example.org/frame.png"


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """What is known of models, providers and prices. Nothing in it changes after loading.

    Wherever a provider is asked for, its id or its row will do. An unknown id raises `InputError`.
    """

    providers: Mapping[str, Provider]
    models: Mapping[str, Model]
    menus: Mapping[str, Menu]
    prices: Mapping[str, PriceList]
    unknown_s: float

    def provider(self, name: str | Provider) -> Provider:
        """Return a provider's row by its id; raises `InputError` with the known ones."""
        if isinstance(name, Provider):
            return name
        if not isinstance(name, str) or name not in self.providers:
            message = f"there is no provider {name!r}; {nearest(str(name), self.providers)}"
            raise InputError(message)
        return self.providers[name]

    def amiss(self, provider: str | Provider) -> str:
        """Say why a provider's row sells nothing, whatever is asked for; empty if it has a menu."""
        try:
            self._menu(self.provider(provider))
        except InputError as error:
            return str(error)
        return ""

    def offer(self, request: VideoRequest, provider: str | Provider) -> Offer:
        """Return how a request is spelled at a provider.

        A model that the catalogue does not know gets a permissive offer with ``known=False``. One that is not sold
        there for this task type and mode raises `RefusedError`, with every problem of the request.
        """
        terms = self._terms(request, provider)
        if not is_sold(terms):
            raise refusal([problem for problem in self.problems(request, provider) if not problem.warning])
        return terms.offer()

    def problems(self, request: VideoRequest, provider: str | Provider) -> list[Problem]:
        """Return everything that a provider would refuse of a request, all at once, and the warnings."""
        terms = self._terms(request, provider)
        unknown = [] if terms.model else [unknown_model(terms, self.models)]
        return [*unknown, *findings(terms), *self._strangers(request), *self._costly_mode(terms)]

    def estimate(self, request: VideoRequest, provider: str | Provider, *, assume: Decimal | None = None) -> Estimate:
        """Return what one clip should cost in USD, an interval where sources disagree.

        Without a known price it is ``assume``, in USD a clip, marked as assumed, or an estimate that is not `known`;
        `official_price` is a fair proposal then.
        """
        terms = self._terms(request, provider)
        found = self._priced(terms, self.prices.get(terms.provider.id)) if is_sold(terms) else None
        if found is None and assume is not None:
            return Estimate(assume, assume, "assumed", assumed=True)
        return found or Estimate(None, None)

    def official_price(self, request: VideoRequest, provider: str | Provider | None = None) -> Estimate:
        """Return the price of one clip in Kling's own list, whatever the provider; it may not be `known`.

        A provider matters only for its default mode, length and sound where the request leaves them open.
        """
        terms = self._at_large(request) if provider is None else self._terms(request, provider)
        return self._priced(terms, self.prices.get("kling")) or Estimate(None, None)

    def typical_s(self, request: VideoRequest, provider: str | Provider | None = None) -> float:
        """Return the median time from submit to done in seconds; a provider matters only for what it takes by default.

        Derived from figures that others published (none is Kling's own), for 5 s; longer and audible clips take longer.
        """
        terms = self._at_large(request) if provider is None else self._terms(request, provider)
        typical = terms.model.typical if terms.model else None
        length, heard = terms.effect("duration"), terms.effect("sound")
        return seconds_from(typical, _keys(terms), length, heard=heard == "on") or self.unknown_s

    def models_table(self) -> list[dict[str, Any]]:
        """Return one plain row for each model, provider, task type and mode that is sold, with what it takes there.

        ``usd_low`` and ``usd_high`` are for one silent clip of the default length (``clip_s``), ``usd_sound_…`` for one
        with sound.
        """
        return [self._table_row(*sold) for sold in self._everything()]

    def __repr__(self) -> str:
        """Say in one line what it holds, when it was last read, and where the table is."""
        rows: tuple[Model | Provider, ...] = (*self.models.values(), *self.providers.values())
        read = max(str(row.read) for row in rows)
        held = f"{len(self.models)} models, {len(self.providers)} providers, last read {read}"
        return f"<Catalog: {held}; lab.models() and lab.providers() show them>"

    def _menu(self, provider: Provider) -> Menu:
        named = provider.options.get("menu")
        for menu in self.menus.values():
            if menu.id == named or (named is None and provider.dialect in menu.dialects):
                return menu
        raise InputError(_no_menu(provider, named, self.menus))

    def _terms(self, request: VideoRequest, provider: str | Provider) -> Terms:
        row = self.provider(provider)
        return terms(request, row, self._menu(row), self.models.get(request.model))

    def _at_large(self, request: VideoRequest) -> Terms:
        """Return the terms of Kling's own menu, whether or not Kling sells the model."""
        return terms(request, NOBODY, self.menus["kling"], self.models.get(request.model))

    def _priced(self, terms: Terms, prices: PriceList | None) -> Estimate | None:
        length = terms.effect("duration")
        if prices is None or length is None:
            return None
        extra = terms.request.extra.get(terms.provider.id, {})
        kind = kind_of(extra, heard=terms.effect("sound") == "on")
        return price_from(prices, terms.request.model, _keys(terms), length, kind)

    def _strangers(self, request: VideoRequest) -> Iterator[Problem]:
        for name, own in request.extra.items():
            if name not in self.providers:
                yield Problem(f"extra.{name}", dict(own), f"there is no such provider; {nearest(name, self.providers)}")

    def _costly_mode(self, terms: Terms) -> Iterator[Problem]:
        """Warn where an open mode is one that costs more than another that is sold there."""
        request, provider = terms.request, terms.provider
        modes = terms.model.modes if terms.model else ()
        if request.mode is not None or terms.mode is None:
            return
        each = {mode: self.estimate(replace(request, mode=mode), provider) for mode in modes}
        usd = {mode: price.high for mode, price in each.items() if price.high is not None}
        cheapest = min(usd, key=lambda mode: usd[mode], default=terms.mode)
        if usd.get(terms.mode, 0) > usd.get(cheapest, 0):
            prices = f"{usd[terms.mode]} USD where {cheapest} would cost {usd[cheapest]}"
            yield Problem("mode", None, f"is left open, and {provider.id} takes {terms.mode}: {prices}", warning=True)

    def _everything(self) -> Iterator[tuple[Model, Provider, VideoRequest]]:
        """Yield a plain request for whatever is sold; a row that is amiss sells nothing and hides no other."""
        rows = [row for row in self.providers.values() if not self.amiss(row)]
        for model in self.models.values():
            for row in rows:
                for task_type in TASK_TYPES:
                    image = SAMPLE_IMAGE if task_type == "image2video" else None
                    for mode in model.modes or (None,):
                        request = VideoRequest(prompt="…", model=model.id, mode=mode, image=image)
                        if is_sold(self._terms(request, row)):
                            yield model, row, request

    def _table_row(self, model: Model, provider: Provider, request: VideoRequest) -> dict[str, Any]:
        met = self._terms(request, provider)
        silent, heard = self.estimate(request, provider), self.estimate(replace(request, sound="on"), provider)
        has_sound = "sound" in met.features
        return {
            "model": model.id,
            "title": model.title,
            "released": model.released,
            "provider": provider.id,
            "task_type": request.task_type,
            "mode": met.mode,
            "durations": met.rule("duration").get("values", ()),
            "ratios": met.ratios,
            "features": met.features,
            "output": model.output.get(met.mode or "", ""),
            "fps": model.fps,
            "clip_s": met.effect("duration"),
            "usd_low": silent.low,
            "usd_high": silent.high,
            "usd_sound_low": heard.low if has_sound else None,
            "usd_sound_high": heard.high if has_sound else None,
            "price_source": silent.source,
            "typical_s": self.typical_s(request, provider),
            "typical_source": model.typical_source,
            "endpoint": met.offer().endpoint,
            "source": model.source,
            "read": model.read,
        }


def refusal(problems: Sequence[Problem]) -> RefusedError:
    """Return the error of a request with these problems."""
    return RefusedError("; ".join(map(str, problems)), problems)


def _no_menu(provider: Provider, named: object, menus: Mapping[str, Menu]) -> str:
    """Say that a row sells from no menu, and how it gets one."""
    mend, known = f"in [provider.{provider.id}] of your providers file", nearest(str(named), menus)
    if named is None:
        told = f"the provider {provider.id!r} names no menu, and none is for its dialect {provider.dialect!r}"
        return f'{told}: add options = {{ menu = "…" }} {mend}; {known}; nothing was sent'
    told = f"the provider {provider.id!r} sells from the menu {as_code(named)}, which is not in the catalogue"
    return f"{told}: correct options.menu {mend}, or add that menu; {known}; nothing was sent"


def _keys(terms: Terms) -> tuple[str, ...]:
    return (terms.request.task_type, *filter(None, [terms.mode]))


def load(user_file: str | Path | None = None, providers_file: str | Path | None = None) -> Catalog:
    """Return the catalogue, with a user's own files laid over the built-in ones.

    Both files may hold any section; ``~`` is the home folder. Raises `InputError` for a file that is not there or
    cannot be read, and for a key that means nothing.
    """
    data = _builtin_data()
    for name, file in (("catalog", user_file), ("providers", providers_file)):
        data = _laid(data, path_of(name, file)) if file else data
    return _catalog(data) if user_file or providers_file else _builtin()


@cache
def _builtin() -> Catalog:
    return _catalog(_builtin_data())


@cache
def _builtin_data() -> Mapping[str, Any]:
    here = Path(__file__)
    return _over(_read(here.with_name("catalog.toml")), _read(here.with_name("providers.toml")))


def _read(file: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        message = f"the catalogue file {file} cannot be read: {error}"
        raise InputError(message) from error
    known_keys(data, SECTIONS, f"the catalogue file {file}")
    try:
        check_file(data)
    except InputError as error:
        message = f"the catalogue file {file}: {error}"
        raise InputError(message) from error
    return data


SECTIONS = ("unknown", "every", "model", "menu", "price", "provider")


def _over(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one table over another: tables key by key, rows of ``sells`` added, everything else replaced."""
    laid = dict(old)
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(laid.get(key), dict):
            laid[key] = _over(laid[key], value)
        else:
            laid[key] = [*laid.get(key, ()), *value] if key == "sells" else value
    return laid


def _laid(data: Mapping[str, Any], file: Path) -> Mapping[str, Any]:
    """Lay a user's own file over the catalogue; a price in it is from there, and not from where the old ones are."""
    own = _read(file)
    sold = {name: dict(prices) for name, prices in own.get("price", {}).items()}
    for name, prices in sold.items():
        told = {key: str(prices[key]) for key in ("source", "read") if key in prices}
        if name in data["price"]:
            for key in told:
                del prices[key]
        said = ", read ".join(told.values()) if "source" in told else f"your own {file.name}"
        models = {**prices.get("per_s", {}), **prices.get("per_clip", {})}
        prices["own"] = dict.fromkeys(models, said)
    return _over(data, {**own, "price": sold} if sold else own)


def _catalog(data: Mapping[str, Any]) -> Catalog:
    every = rules_from(data["every"], "[every]")
    return Catalog(
        providers=_each(data["provider"], lambda name, table: provider_from(name, table, data["provider"])),
        models=_each(data["model"], lambda name, table: model_from(name, table, every)),
        menus=_each(data["menu"], menu_from),
        prices=_each(data["price"], price_list_from),
        unknown_s=float(data["unknown"]["typical_s"]),
    )


def _each(section: Mapping[str, Any], read: Callable[[str, Any], T]) -> Mapping[str, T]:
    return MappingProxyType({name: read(name, table) for name, table in section.items()})
