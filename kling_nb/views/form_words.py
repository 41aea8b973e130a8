"""What the sweep form says of the catalogue: who takes a value, on which condition, and what is taken when left open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .form_fields import Field

NAMED_MOST = 4  # takers of a value that are named before they are only counted


class Taker(NamedTuple):
    """Where a value is taken; a part is empty where it does not matter."""

    provider: str
    model: str
    mode: str


def partial_notes(field: Field, taken: Mapping[Any, Iterable[Taker]], everyone: Sequence[Taker]) -> tuple[str, ...]:
    """Say which values are taken by some only, values of the same takers together."""
    groups: dict[tuple[Taker, ...], list[Any]] = {}
    for value, takers in taken.items():
        groups.setdefault(tuple(dict.fromkeys(takers)), []).append(value)
    partial = {takers: values for takers, values in groups.items() if set(takers) != set(everyone)}
    told = {takers: [] if len(values) == len(taken) > 1 else values for takers, values in partial.items()}
    return tuple(_one_note(field, values, takers, everyone) for takers, values in told.items())


def _one_note(field: Field, values: Sequence[Any], takers: Sequence[Taker], everyone: Sequence[Taker]) -> str:
    which = values_in_words(field, (value for value in values if value != ""))
    return f"{which + ': ' if which else ''}{_takers_in_words(takers, everyone)} only"


def condition_note(model: str, only: Mapping[str, Sequence[Any]]) -> str:
    """Say on which values of other fields a model does something."""
    parts = [_condition(name, values) for name, values in only.items()]
    return f"{model}: {', '.join(parts)} only"


def _condition(name: str, values: Sequence[Any]) -> str:
    told = " or ".join(map(str, values))
    named = {"mode": told, "duration": f"{told} s", "type": told}
    return named.get(name, f"{name} {told}")


def default_note(field: Field, found: Mapping[Any, Iterable[Taker]], everyone: Sequence[Taker]) -> str:
    """Say what is taken where nothing is chosen, and by whom where that is not everyone."""
    each = [
        f"{field.words(value)} {_by(_takers_in_words([*dict.fromkeys(t)], everyone))}" for value, t in found.items()
    ]
    is_one = len(found) == 1 and {taker for takers in found.values() for taker in takers} == set(everyone)
    told = "".join(f"{field.words(value)} is taken" for value in found) if is_one else ", ".join(each)
    told = told or field.unset
    return told and f"{'none chosen' if field.kind in ('choices', 'camera', 'shots') else 'left open'}: {told}"


def names_in_words(names: Sequence[str]) -> str:
    """List names, the first few of many."""
    left = len(names) - NAMED_MOST
    return ", ".join([*names[:NAMED_MOST], *([f"{left} more"] if left > 0 else [])])


def _by(takers: str) -> str:
    return takers if takers.startswith("at ") else f"by {takers}"


def _takers_in_words(takers: Sequence[Taker], everyone: Sequence[Taker]) -> str:
    """Name takers: by the providers where it is these that decide, else model by model."""
    providers, models = dict.fromkeys(t.provider for t in takers), dict.fromkeys(t.model for t in everyone)
    if len(models) > 1 and set(takers) == {t for t in everyone if t.provider in providers} != set(everyone):
        return f"at {in_words(providers)}"
    names = [name for model in dict.fromkeys(t.model for t in takers) for name in _of_model(model, takers, everyone)]
    taking = len({t.model for t in takers})
    is_counted = len(names) > NAMED_MOST and taking < len(models)
    return f"{taking} of {len(models)} models" if is_counted else names_in_words(names)


def _of_model(model: str, takers: Sequence[Taker], everyone: Sequence[Taker]) -> list[str]:
    """Name one model as a taker, with mode or provider where only some of its own take the value."""
    own, possible = [t for t in takers if t.model == model], [t for t in everyone if t.model == model]
    if len(own) == len(possible):
        return [model]
    modes, providers = {t.mode: None for t in own}, {t.provider: None for t in own}
    if own == [t for t in possible if t.mode in modes]:
        return [f"{model} in {in_words(modes)}"]
    if own == [t for t in possible if t.provider in providers]:
        return [f"{model} at {in_words(providers)}".strip() if model else f"at {in_words(providers)}"]
    return [f"{model}{f' in {t.mode}' if t.mode else ''} at {t.provider}" for t in own]


def values_in_words(field: Field, values: Iterable[Any]) -> str:
    """List values of a field for reading, with their unit once."""
    told = in_words(field.said.get(value, value) for value in values)
    return told and told + field.unit


def in_words(values: Iterable[Any]) -> str:
    """List values for reading; whole numbers that follow each other as a range."""
    runs: list[list[Any]] = []
    for value in values:
        follows = runs and isinstance(value, int) and runs[-1][-1] == value - 1
        runs[-1].append(value) if follows else runs.append([value])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
