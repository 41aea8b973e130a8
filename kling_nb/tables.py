"""What can be bought, and where: the catalogue as two tables that a person can read and filter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import catalog as catalogue
from . import keys as keyring
from .catalog import Catalog
from .dialect import Dialect
from .dialects import bind
from .errors import InputError
from .keys import Access
from .keywords import answered
from .offer import Provider
from .secret import form_of

if TYPE_CHECKING:
    import pandas as pd

MODEL_COLUMNS: Mapping[str, str] = {
    "model": "string",
    "provider": "string",
    "task_type": "string",
    "mode": "string",
    "title": "string",
    "released": "string",
    "durations": "string",
    "shortest_s": "Int64",
    "longest_s": "Int64",
    "ratios": "string",
    "features": "string",
    "output": "string",
    "fps": "Float64",
    "clip_s": "Int64",
    "usd_low": "Float64",
    "usd_high": "Float64",
    "usd_sound_low": "Float64",
    "usd_sound_high": "Float64",
    "price_source": "string",
    "typical_s": "Float64",
    "typical_source": "string",
    "endpoint": "string",
    "source": "string",
    "read": "string",
}
"""Columns of `models` and their dtypes, in order."""

PROVIDER_COLUMNS: Mapping[str, str] = {
    "provider": "string",
    "title": "string",
    "ready": "boolean",
    "lacks": "string",
    "key_from": "string",
    "key_form": "string",
    "key_variable": "string",
    "base_url": "string",
    "base_url_from": "string",
    "base_url_variable": "string",
    "dialect": "string",
    "finds": "boolean",
    "cancels": "boolean",
    "refunds_failures": "boolean",
    "images": "string",
    "models": "string",
    "slots": "Int64",
    "slots_per": "string",
    "per_check": "Int64",
    "link_days": "Float64",
    "source": "string",
    "read": "string",
}
"""Columns of `providers` and their dtypes, in order."""

Row = dict[str, Any]


@answered("kn.models")
def models(*, catalog: str | Path | None = None, providers: str | Path | None = None) -> pd.DataFrame:
    r"""Return what can be bought: one row for each model, provider, task type and mode, in the catalogue's order.

    ``durations`` (whole seconds), ``ratios`` and ``features`` are lists in words, such as ``5, 10``: filter them by
    ``frame[frame.features.str.contains("sound")]``, lengths by ``shortest_s`` and ``longest_s``, or by
    ``frame.durations.str.contains(r"\b10\b")``. A feature that is not listed is dropped, refused or without effect
    there. ``usd_low`` and ``usd_high`` are for one silent clip of ``clip_s`` seconds, the length used if none is asked
    for, and ``usd_sound_…`` for one with sound; missing where no price is known. ``typical_s`` is the median time from
    submit to done, derived from what ``typical_source`` names. ``output`` names the resolution, ``source`` and ``read``
    say where and when.

    Parameters
    ----------
    catalog, providers
        Your own TOML files, as for `Lab`; `Lab.models` has a lab's own.

    """
    return models_frame(catalogue.load(catalog, providers))


@answered("kn.providers")
def providers(*, catalog: str | Path | None = None, providers: str | Path | None = None) -> pd.DataFrame:
    """Return where videos can be bought: one row per provider, in the catalogue's order.

    ``ready`` is whether a key, a host, the dialect and its menu are at hand, ``lacks`` what is missing. ``key_from`` and
    ``base_url_from`` say where they were found (a key itself is never shown), ``key_form`` how a key reads, and the
    variables what to set. ``finds`` is whether a submit whose answer was lost can be looked up, ``cancels`` whether a
    task can be cancelled; both are missing where the dialect does not load. ``images`` are the ways an image can
    travel, ``models`` what is sold, ``slots`` how many tasks run at once to begin with, ``per_check`` how many one
    status call asks about, and ``link_days`` how long a clip's link is documented to live. No provider is contacted:
    ``kling-nb doctor --reach`` does that.

    Parameters
    ----------
    catalog, providers
        Your own TOML files, as for `Lab`; `Lab.providers` has a lab's own, with the keys that it was given.

    """
    loaded = catalogue.load(catalog, providers)
    return providers_frame(loaded, lambda row: keyring.access(row, known=loaded.providers))


def models_frame(catalog: Catalog) -> pd.DataFrame:
    """Return a catalogue's models as `models` does."""
    from . import frames

    return frames.table([_model_row(row) for row in catalog.models_table()], MODEL_COLUMNS)


def providers_frame(catalog: Catalog, access: Callable[[Provider], Access]) -> pd.DataFrame:
    """Return a catalogue's providers as `providers` does; ``access`` says what is at hand to reach one."""
    from . import frames

    return frames.table(provider_rows(catalog, access), PROVIDER_COLUMNS)


def provider_rows(catalog: Catalog, access: Callable[[Provider], Access]) -> list[Row]:
    """Return one plain row a provider, with the columns of `PROVIDER_COLUMNS`."""
    sold: dict[str, dict[str, None]] = {}
    for row in catalog.models_table():
        sold.setdefault(row["provider"], {})[row["model"]] = None
    return [_provider_row(catalog, row, access(row), [*sold.get(row.id, ())]) for row in catalog.providers.values()]


def at_hand(catalog: Catalog, provider: Provider, access: Access) -> tuple[Dialect | None, list[str]]:
    """Return a provider's dialect where it loads, and all that is in the way of using the provider.

    Its menu is looked at only then: which menu it has by default goes by the dialect.
    """
    try:
        bound = bind(replace(provider, base_url=access.base_url))
        return bound, [*access.lacks, *filter(None, [catalog.amiss(provider)])]
    except InputError as error:
        return None, [*access.lacks, str(error)]


def _model_row(row: Mapping[str, Any]) -> Row:
    lengths = row["durations"]
    words = {name: _listed(row[name]) for name in ("durations", "ratios", "features")}
    usd = {name: None if value is None else float(value) for name, value in row.items() if name.startswith("usd_")}
    range_s = {"shortest_s": min(lengths, default=None), "longest_s": max(lengths, default=None)}
    return {name: value or None for name, value in row.items()} | words | range_s | usd


def _provider_row(catalog: Catalog, row: Provider, access: Access, sold: list[str]) -> Row:
    dialect, lacks = at_hand(catalog, row, access)
    plain = {name: getattr(row, name, None) or None for name in PROVIDER_COLUMNS}
    return {
        **plain,
        "provider": row.id,
        "ready": not lacks,
        "lacks": "; ".join(lacks) or None,
        "key_from": access.key.source if access.key else None,
        "key_form": form_of(row.key),
        "key_variable": keyring.key_variable(row.id),
        "base_url": access.base_url,
        "base_url_from": access.base_url_source or None,
        "base_url_variable": keyring.base_url_variable(row.id),
        "finds": dialect and dialect.finds,
        "cancels": dialect and dialect.cancels,
        "refunds_failures": row.refunds_failures,
        "images": _listed(row.images),
        "models": _listed(sold),
    }


def _listed(values: Iterable[Any]) -> str:
    """Return a list in words; an empty one is empty text and not missing, so that a filter for what lacks works."""
    return ", ".join(map(str, values))
