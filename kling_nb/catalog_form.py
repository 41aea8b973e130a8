"""What each value of a catalogue file may be: one of a wrong type would fail far from its line, or in the middle of a run.

Keys that mean nothing are told where a table is read (`kling_nb.menu.known_keys`), and prices in `kling_nb.prices`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .errors import InputError
from .excerpts import as_code
from .fields import read_field
from .menu import RULED, TASK_TYPES
from .offer import JSON_TYPES, Support

Check = Callable[[str, Any], None]
"""Raises `InputError` where a value, which stands at a dotted place in the file, is not as expected."""


def check_file(data: Mapping[str, Any]) -> None:
    """Raise `InputError` for the first value of a catalogue file that is not as expected, and say where it stands."""
    for name, section in data.items():
        _SECTIONS[name](name, section)


def _expected(place: str, value: Any, what: str) -> InputError:
    return InputError(f"{place} = {as_code(value)}: expected {what}")


def _of(fits: Callable[[Any], bool], what: str) -> Check:
    def check(place: str, value: Any) -> None:
        if not fits(value):
            raise _expected(place, value, what)

    return check


def _list(each: Check, what: str, least: int = 0) -> Check:
    def check(place: str, value: Any) -> None:
        if not isinstance(value, list) or len(value) < least:
            raise _expected(place, value, what)
        for n, one in enumerate(value):
            each(f"{place}[{n}]", one)

    return check


def _table(keys: Mapping[str, Check], rest: Check | None = None, what: str = "") -> Check:
    """Check the keys that are known, and all others alike."""

    def check(place: str, value: Any) -> None:
        if not isinstance(value, Mapping):
            raise _expected(place, value, what or f"a table, which begins with the line [{place}] or stands in {{ }}")
        for key, one in value.items():
            if inner := keys.get(key, rest):
                inner(f"{place}.{key}", one)

    return check


def _tables(each: Check) -> Check:
    return _table({}, each)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_range(value: Any) -> bool:
    low, _, high = value.partition("-") if isinstance(value, str) else ("", "", "")
    return low.isdecimal() and high.isdecimal()


def _typical(place: str, value: Any) -> None:
    """Check a time, or a table of times that is as deep as needed."""
    (_tables(_typical) if isinstance(value, Mapping) else _seconds)(place, value)


def _values(place: str, value: Any) -> None:
    if not _is_range(value):
        _list(_scalar, "a list of values, such as [5, 10], or a range such as '3-15'", least=1)(place, value)


def _field_value(field: str, place: str, value: Any) -> None:
    _scalar(place, value)
    try:
        read_field(field, value)
    except InputError as error:
        message = f"{place}: {error}"
        raise InputError(message) from error


def _output(place: str, value: Any) -> None:
    if not isinstance(value, str):
        _tables(_text)(place, value)


_text = _of(lambda value: isinstance(value, str), 'text, such as "mine"')
_number = _of(_is_number, "a number")
_count = _of(lambda value: type(value) is int and value > 0, "a whole number of at least 1")
_seconds = _of(lambda value: _is_number(value) and 0 < value < float("inf"), "a number of seconds")
_date = _of(lambda value: isinstance(value, str), 'a date as text, such as "2027-01-31"')
_flag = _of(lambda value: isinstance(value, bool), "true or false")
_scalar = _of(lambda value: isinstance(value, str | bool | int | float), "text, a number, true or false")
_texts = _list(_text, 'a list of text, such as ["kling"]')
_bounds = _of(
    lambda value: isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)),
    "two numbers, such as [0, 1]",
)
_pair = _of(lambda value: isinstance(value, list) and len(value) == 2, "a pair: [asked, what becomes of it]")


def _word(known: tuple[str, ...]) -> Check:
    return _of(lambda value: value in known, f"one of {', '.join(known)}")


_SUPPORT = tuple(word.value for word in Support)
_RULE_KEYS: Mapping[str, Check] = {
    "support": _word(_SUPPORT),
    "values": _values,
    "only": _table({}, _values, "fields with the values that they may have, such as { mode = ['pro'] }"),
    "range": _bounds,
    **dict.fromkeys(("max_chars", "max_total"), _count),
    "required": _flag,
    **dict.fromkeys(("name", "why", "source"), _text),
    "type": _word(JSON_TYPES),
    "words": _tables(_scalar),
    "becomes": _list(_pair, 'a list of pairs, such as [["4:3", "1:1"]]'),
}


def _rule(field: str, place: str, value: Any) -> None:
    """Check a rule, of whichever of its three forms."""
    if isinstance(value, Mapping):
        own = partial(_field_value, field)
        _table({**_RULE_KEYS, "default": own, "fill": own})(place, value)
    elif value not in _SUPPORT and not _is_range(value):
        forms = f"one of {', '.join(_SUPPORT)}, a list of values, such as [5, 10], a range such as '3-15', or a table"
        _list(_scalar, forms, least=1)(place, value)


_RULES: Mapping[str, Check] = {field: partial(_rule, field) for field in RULED}
_rules = _table(_RULES)

_ROW: Mapping[str, Check] = {
    **_RULES,
    "task": _word(TASK_TYPES),
    "path": _of(lambda value: isinstance(value, str), 'a path as text, such as "/v1/videos"'),
    **dict.fromkeys(("model", "family", "mode", "name", "needs"), _text),
    "unknown": _flag,
    "shape": _texts,
}
_MODEL: Mapping[str, Check] = {
    **_RULES,
    **dict.fromkeys(("title", "released", "family", "typical_source", "note", "source"), _text),
    "read": _date,
    "task_types": _list(_word(TASK_TYPES), f"a list of {' and '.join(TASK_TYPES)}", least=1),
    "output": _output,
    "fps": _number,
    "typical_s": _typical,
    "with": _tables(_rules),
}
_MENU: Mapping[str, Check] = {
    **dict.fromkeys(("dialects", "reserved"), _texts),
    "exclusive": _list(_list(_texts, "a list of groups of fields"), "a list of lists of groups of fields"),
    "source": _text,
    "sells": _list(_table(_ROW), "a list of tables, of which each begins with the line [[menu.ID.sells]]"),
    "fields": _rules,
    "shape": _tables(_rules),
}
_PRICES: Mapping[str, Check] = {
    "notes": _tables(_text),
    "source": _text,
    "read": _date,
    **dict.fromkeys(("per_s", "per_clip"), _table({})),
}
_PROVIDER: Mapping[str, Check] = {
    **dict.fromkeys(("title", "dialect", "base_url", "key", "slots_per", "like", "source"), _text),
    **dict.fromkeys(("slots", "per_check"), _count),
    **dict.fromkeys(("images", "models"), _list(_text, 'a list of text, such as ["url"]')),
    "refunds_failures": _flag,
    "link_days": _of(_is_number, "a number of days"),
    "read": _date,
    "options": _table({}, what='a table, such as { menu = "kling" }'),
}
_SECTIONS: Mapping[str, Check] = {
    "unknown": _table({"typical_s": _seconds}),
    "every": _rules,
    "model": _tables(_table(_MODEL)),
    "menu": _tables(_table(_MENU)),
    "price": _tables(_table(_PRICES)),
    "provider": _tables(_table(_PROVIDER)),
}
