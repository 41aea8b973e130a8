"""Wire protocols, one file each: pure spelling and reading, found by the entry-point group ``kling_nb.dialects``."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from ..dialect import Dialect
from ..errors import InputError, nearest
from ..offer import Provider
from .checked import Checked

GROUP = "kling_nb.dialects"
MENU = "menu"  # the one option that the catalogue reads


@cache
def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def names() -> tuple[str, ...]:
    """Return the names of all installed dialects."""
    return tuple(sorted(_installed()))


@cache
def load(name: str) -> type[Dialect]:
    """Return the class of a dialect; raises `InputError` for an unknown name or a package that does not load."""
    point = _installed().get(name)
    if point is None:
        message = f"there is no dialect {name!r}; {nearest(name, _installed())}"
        raise InputError(message)
    try:
        found: type[Dialect] = point.load()
    except Exception as error:
        message = f"the dialect {name!r} ({point.value}) does not load: {error}"
        raise InputError(message) from error
    return found


def bind(provider: Provider) -> Dialect:
    """Return a provider's dialect, bound to its row and held to its contract (`Checked`).

    Raises `InputError` as `load` and `Checked` do, and for an option that the dialect does not read, which would
    silently do nothing. The class attribute ``options`` lists the options that a dialect reads; a class without it
    accepts any.
    """
    kind = load(provider.dialect)
    read = getattr(kind, "options", None)
    known = (MENU, *(provider.options if read is None else read))
    for name in provider.options:
        if name not in known:
            message = f"{provider.id!r} has the option {name!r}, which its dialect {provider.dialect!r} does not read; {nearest(name, known)}; nothing was sent"
            raise InputError(message)
    return Checked(kind, provider)
