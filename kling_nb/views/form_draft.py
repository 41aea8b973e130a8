"""What a filled-in form stands for: a sweep, and the Python that makes it.

::

    Entries (as typed) ─▶ Draft (sweep, code, mistakes by field) ─▶ Outlook (plan, refusals and losses by field)
    form_reading          here                                      form_outlook
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import SweepError
from ..excerpts import in_words
from ..sweep import Sweep
from .form_fields import FIELDS, IMAGES
from .form_reading import MONEY, Entries, Reading, Said, values_of

NEEDED = {"provider": "a provider", "model": "a model", "prompt": "a prompt"}
WHOLE = ("negative_prompt", "callback_url")
ALONE = frozenset({*WHOLE, *MONEY, *(f.name for f in FIELDS if f.kind in ("numbers", "camera", "json"))})
"""The fields that decide nothing of others: a mistake in one leaves the rest to be looked at. The wrong values are left
out of it, of those in `WHOLE` all."""
NO_CODE = "# the Python for this form appears here as soon as it holds a sweep"
PAIRS_AT_ONCE = 500  # points of a pairwise design that are counted as a person types: for more that takes seconds


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A form as it is filled in.

    ``sweep`` is `None` where something is ``missing`` or ``wrong``; ``right`` is then the sweep of what is right, if that
    can be looked at by itself: it is never started. ``settings`` are the arguments of ``lab.start``
    that are given: ``name``, ``budget`` and ``assume_price`` in USD (or ``official``). ``size`` is the number of
    points, with ``is_rough`` an estimate of it; ``named`` says what the uploaded images in it are called, by their
    references.
    """

    sweep: Sweep | None
    settings: Mapping[str, Any]
    variables: tuple[str, ...]
    missing: tuple[str, ...] = ()
    wrong: Said = field(default_factory=dict)
    size: int = 0
    is_rough: bool = False
    right: Sweep | None = None
    named: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The Python that does the same, with ``import kling_nb as kn`` and a ``lab``."""
        if self.sweep is None:
            return NO_CODE
        notes = [f"# {in_words(ref)} is {_in_one_line(name)}" for ref, name in self.named.items()]
        given = "".join(f", {name}={_literal(value)}" for name, value in self.settings.items())
        return "\n".join([*notes, f"sweep = {self.sweep.code()}", f"run = lab.start(sweep{given})"])

    @property
    def plan_settings(self) -> dict[str, Any]:
        """The settings that ``lab.plan`` takes."""
        return {name: value for name, value in self.settings.items() if name == "assume_price"}

    def needed(self) -> Sweep:
        """Return the sweep; raises `SweepError` that says what stands in its way."""
        if self.sweep is None:
            said = [sentence for sentences in self.wrong.values() for sentence in sentences]
            lacking = [f"the form still needs {listed(self.missing)}"] if self.missing else []
            message = "; ".join([*said, *lacking])
            raise SweepError(message)
        return self.sweep


def draft(entries: Entries) -> Draft:
    """Read what was entered; everything that is wrong or missing is said at once."""
    reading = Reading(entries)
    values, names = _values(reading, entries)
    settings, shape = reading.settings(entries), reading.shape(entries, names)
    unvalued = [f"values for {{{name}}}" for name in names if not values[name]]
    missing = (*_lacking(values), *reading.missing, *unvalued)
    is_readable = not missing and not reading.wrong.keys() - ALONE
    made, size, is_rough = _sweep(reading, _arguments(reading, values), shape) if is_readable else (None, 0, False)
    return Draft(
        sweep=None if reading.wrong else made,
        right=made,
        settings=settings,
        variables=names,
        missing=missing,
        wrong={name: tuple(sentences) for name, sentences in reading.wrong.items()},
        size=size,
        is_rough=is_rough,
        named={ref: name for ref, name in entries.get("named", {}).items() if _holds(values, ref)},
    )


def _values(reading: Reading, entries: Entries) -> tuple[dict[str, list[Any]], tuple[str, ...]]:
    """Return the values of fields and of the variables in prompts, by name, and those variables."""
    read = {f.name: reading.values(f, entries[f.name]) for f in FIELDS if f.name in entries}
    prompts = [f.name for f in FIELDS if f.variables and f.name in read]
    names = reading.names({name: _texts(read[name].get(name, ())) for name in prompts})
    values = {name: held for one in read.values() for name, held in one.items()}
    given = entries.get("variables", {})
    return {**values, **{name: values_of(str(given.get(name, ""))) for name in names}}, names


def _arguments(reading: Reading, values: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Return what the sweep is made of: of one value itself, of several an axis."""
    right = {name: held for name, held in values.items() if held and not (name in WHOLE and name in reading.wrong)}
    return {name: held[0] if len(held) == 1 else held for name, held in right.items()}


def _texts(values: Iterable[Any]) -> list[str]:
    """Return the prompts among the values of a field; those of shots one by one."""
    return [text for value in values for text in ([value] if isinstance(value, str) else [s.prompt for s in value])]


def _lacking(values: Mapping[str, Any]) -> list[str]:
    """Return what no sweep of the form can do without; shots take the place of a prompt."""
    return [
        what
        for name, what in NEEDED.items()
        if not values.get(name) and not (name == "prompt" and values.get("multi_prompt"))
    ]


def _holds(values: Mapping[str, Any], ref: str) -> bool:
    return any(ref in values.get(name, ()) for name in IMAGES)


def _sweep(reading: Reading, arguments: Mapping[str, Any], shape: Mapping[str, Any]) -> tuple[Sweep | None, int, bool]:
    """Return the sweep, the number of its points, and whether that is an estimate."""
    try:
        made = Sweep(**arguments, **shape)
        pairs = _pairs(made) if made.design == "pairwise" else 0
        is_rough = pairs > PAIRS_AT_ONCE
        return made, pairs * made.repeats if is_rough else len(made), is_rough
    except SweepError as error:
        reading.say(next((name for name in ("design", "exclude") if name in shape), ""), str(error))
        return None, 0, False


def _pairs(sweep: Sweep) -> int:
    """Return how many combinations a pairwise design is at least likely to hold; to know takes seconds for thousands."""
    return math.prod(sorted(map(len, sweep.axes.values()))[-2:])


def listed(words: Iterable[str]) -> str:
    """List words for reading."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _in_one_line(name: str) -> str:
    return name if name.isprintable() else repr(name)


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"' if value.isprintable() and not set(value) & set('"\\') else repr(value)
    return f"{value:f}"
