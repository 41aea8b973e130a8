"""The names that a sweep is given: what can be wrong with them, and which conditions of ``exclude`` they meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

from ..errors import SweepError, nearest
from ..fields import IMAGE_FIELDS
from ..keywords import answer
from .values import OWN, PROMPTS, SETTINGS, key, read, variables

Condition = Mapping[str, tuple[Any, ...]]


def fail(message: str) -> NoReturn:
    """Raise `SweepError`."""
    raise SweepError(message)


def template_names(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the variables that occur in the prompts of a sweep, in the order of their first occurrence."""
    held = ((name, value) for name in PROMPTS for value in _values(given.get(name)))
    return tuple(dict.fromkeys(word for name, value in held for word in variables(name, value)))


def check_known(given: Iterable[str], names: Iterable[str]) -> None:
    """Raise `SweepError` for a name that is neither a field nor a prompt variable; another call may take it."""
    known = (*OWN, *names)
    for name in given:
        if name not in known:
            hint = answer(name, (*known, *SETTINGS))
            fail(f"no prompt has {{{name}}}, and there is no field or setting {name!r}; {hint}")


def check_names(given: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raise `SweepError` for a variable without a value, or axes that make no point."""
    for name, value in given.items():
        if value == []:
            fail(f"the axis {name}=[] has no values, so the sweep has no points; give it one, or leave it out")
    for name in names:
        _check_variable(name, given)
    if not any(any(_values(given.get(name))) for name in ("prompt", "multi_prompt", *IMAGE_FIELDS)):
        fail("the sweep has no prompt, so it has no points; give it prompt=, or an image=")


def conditions(exclude: Sequence[Mapping[str, Any]], names: Iterable[str]) -> tuple[Condition, ...]:
    """Return the conditions of ``exclude``, each value read; raises `SweepError` for a name that is not known."""
    if (
        isinstance(exclude, str | Mapping)
        or not isinstance(exclude, Iterable)
        or not all(isinstance(condition, Mapping) for condition in exclude)
    ):
        fail(f"exclude={exclude!r}: expected a list of conditions such as [{{'provider': 'fal', 'mode': 'std'}}]")
    return tuple(_condition(condition, (*OWN, *names)) for condition in exclude)


def _condition(condition: Mapping[str, Any], known: Iterable[str]) -> Condition:
    for name in condition:
        if name not in known:
            fail(f"exclude: there is no field or prompt variable {name!r}; {nearest(name, known)}")
    if not condition or any(value == [] for value in condition.values()):
        fail(f"exclude: {dict(condition)!r} names no value; a condition is like {{'provider': 'fal', 'mode': 'std'}}")
    held = {name: tuple(read(name, v, left_open=True) for v in _values(value)) for name, value in condition.items()}
    return MappingProxyType(held)


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _check_variable(name: str, given: Mapping[str, Any]) -> None:
    escaped = f"write {{{{{name}}}}} for the text {{{name}}}"
    if name in (*OWN, *SETTINGS):
        fail(f"{{{name}}} in a prompt has a name that is taken; give the variable another, or {escaped}")
    if name not in given:
        fail(f"{{{name}}} in a prompt has no value; give the sweep {name}=, or {escaped}")


class Masks:
    """Which conditions of ``exclude`` a value of one name meets, as a mask; one that does not name it is met."""

    def __init__(self, name: str, exclude: Sequence[Condition]) -> None:
        self._name = name
        self._keys = [{key(name, value) for value in c[name]} if name in c else None for c in exclude]

    def of(self, value: Any) -> int:
        """Return the mask of a value: bit *j* is set where it meets condition *j*."""
        wanted = key(self._name, value)
        return sum(1 << place for place, keys in enumerate(self._keys) if keys is None or wanted in keys)
