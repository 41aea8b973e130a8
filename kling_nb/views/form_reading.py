"""Reading what was entered in the sweep form: texts and choices to the values of a sweep, with mistakes by field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from ..errors import InputError, KlingError, SweepError
from ..excerpts import excerpt
from ..fields import FLAG_FIELDS, CameraControl, Shot, read_field
from ..plan import OFFICIAL
from ..sweep import OWN, SETTINGS, conditions, variables_in
from .form_fields import CUTS, EXTRA_HINT, IMAGES, Field

Entries = Mapping[str, Any]
"""What was entered, as it is: tuples of chosen values, and texts; ``variables`` by name. Closed fields are left out.

``unreadable`` holds sentences by field about images that cannot be used, ``references`` what images are called in the
lab by what is entered, ``named`` what uploaded ones were called before.
"""

Said = Mapping[str, tuple[str, ...]]
"""Sentences by the field that they belong to; ``""`` is the form as a whole."""

MONEY = {"budget": "25", "assume_price": "0.35"}
FLAGS = {"on": True, "true": True, "off": False, "false": False}
VALUE_LONGEST = 40  # characters of an entry in a sentence


def lines_of(text: str) -> list[str]:
    """Return the lines of a text that hold something, trimmed."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def values_of(text: str) -> list[str]:
    """Return values separated by lines where there are several of these, else by commas."""
    lines = lines_of(text)
    parts = lines if len(lines) > 1 else [part.strip() for line in lines for part in line.split(",")]
    return [part for part in parts if part]


def text_of_values(name: str, values: Any, *, by_lines: bool = False) -> str:
    """Return the text that stands for values in the form; raises `InputError` for one that cannot be entered."""
    texts = [str(value) for value in values] if isinstance(values, list | tuple) else [str(values)]
    text = "\n".join(texts)
    if (lines_of if by_lines else values_of)(text) != [given.strip() for given in texts]:
        message = f"{name}={values!r} cannot be entered: the form separates values by lines, or by commas"
        raise InputError(message)
    return text


def text_of_extra(name: str, value: Any) -> str:
    """Return the JSON that stands for a provider's own fields; raises `InputError` for what cannot be entered."""
    read_field(name, value)
    return json.dumps(value, ensure_ascii=False) if value else ""


def referred(entries: Entries) -> Entries:
    """Return the same entries with images by reference, which a plan need not read again for each of its points."""
    refs = entries.get("references", {})
    if any(name in str(entries.get("exclude", "")) for name in IMAGES):
        return entries  # a rule speaks of an image as it was entered
    texts = {name: lines_of(entries[name]) for name in IMAGES if name in entries}
    return {**entries, **{name: "\n".join(refs.get(line, line) for line in lines) for name, lines in texts.items()}}


def rules_of(text: str) -> list[dict[str, Any]]:
    """Return conditions for ``exclude``: one a line, ``provider=fal, mode=std|pro``; nothing after ``=`` is left open.

    Raises `InputError` for a line without ``=``.
    """
    return [dict(_rule_part(part) for part in line.split(",") if part.strip()) for line in lines_of(text)]


def _rule_part(part: str) -> tuple[str, Any]:
    name, equals, values = (piece.strip() for piece in part.partition("="))
    if not equals or not name:
        message = (
            f"“{excerpt(part.strip(), VALUE_LONGEST)}” is not a condition such as mode=std, or mode=std|pro for either"
        )
        raise InputError(message)
    read = [_rule_value(name, value.strip()) for value in values.split("|")]
    return name, read if len(read) > 1 else read[0]


def _rule_value(name: str, value: str) -> Any:
    return FLAGS.get(value.lower(), value) if name in FLAG_FIELDS else value or None


def text_of_rules(rules: Sequence[Mapping[str, Any]]) -> str:
    """Return the text that stands for conditions; raises `InputError` for those that cannot be entered."""
    text = "\n".join(", ".join(f"{name}={_rule_text(value)}" for name, value in rule.items()) for rule in rules)
    texts = [{name: _texts(value) for name, value in rule.items()} for rule in rules]
    if [{name: _texts(value) for name, value in rule.items()} for rule in rules_of(text)] != texts:
        message = f"exclude={rules!r} cannot be entered: the form separates conditions by lines, commas and |"
        raise InputError(message)
    return text


def _rule_text(value: Any) -> str:
    return "|".join(_texts(value))


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return ["" if one is None else str(one).strip() for one in values]


def _fields_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; raises `InputError` for a name given twice, of which JSON would keep the last."""
    held = dict(pairs)
    if len(held) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        message = f"“{excerpt(twice, VALUE_LONGEST)}” is there twice, and only one of them could be sent"
        raise InputError(message)
    return held


class Reading:
    """Reads entries, and notes what is wrong by field and what is missing."""

    def __init__(self, entries: Entries) -> None:
        unreadable = entries.get("unreadable", {})
        self.wrong: dict[str, list[str]] = {name: [*said] for name, said in unreadable.items() if said}
        self.missing: list[str] = []

    def say(self, name: str, sentence: str) -> None:
        """Note what is wrong with a field."""
        self.wrong.setdefault(name, []).append(sentence)

    def values(self, f: Field, entry: Any) -> dict[str, list[Any]]:
        """Return the values that a field's entry stands for, by the name of an argument of the sweep."""
        match f.kind:
            case "choices":
                return {f.name: list(entry)}
            case "numbers":
                return {f.name: [number for text in values_of(entry) for number in self._number(f.name, text)]}
            case "camera":
                return {f.name: [camera for camera in entry if self._moves(f.name, camera)]}
            case "shots":
                return self._shots(*entry) if entry else {}
            case "address" | "json":
                read = self._address if f.kind == "address" else self._extra
                return {f.name: read(f.name, entry.strip())}
            case _:
                return {f.name: lines_of(entry)}

    def _number(self, name: str, text: str) -> Iterator[int | float]:
        try:
            number = float(text)
        except ValueError:
            self.say(name, f"“{excerpt(text, VALUE_LONGEST)}” is not a number")
            return
        yield int(number) if number.is_integer() else number

    def _moves(self, name: str, camera: CameraControl) -> bool:
        """Tell whether a camera makes as many moves as its type takes; a simple one needs exactly one."""
        if camera.type != "simple" or len(camera.moves) == 1:
            return True
        if camera.moves:
            self.say(
                name, f"simple makes exactly one move, but these are {len(camera.moves)}: {', '.join(camera.moves)}"
            )
        else:
            self.missing.append("a move of the simple camera: take one of its sliders off zero")
        return False

    def _shots(self, cut: str, rows: Sequence[tuple[str, int]]) -> dict[str, list[Any]]:
        held: dict[str, list[Any]] = {name: [value] for name, value in CUTS[cut].items()}
        if cut != "customize":
            return held
        self.missing += [f"words for shot {place}" for place, (text, _) in enumerate(rows, 1) if not text.strip()]
        self.missing += [] if rows else ["a shot"]
        shots = tuple(Shot(prompt=text.strip(), duration=seconds) for text, seconds in rows)
        return {**held, "multi_prompt": [shots]}

    def _extra(self, name: str, text: str) -> list[Any]:
        """Return a provider's own fields, by provider, as a request holds them."""
        if not text:
            return []
        try:
            value = json.loads(text, object_pairs_hook=_fields_once)
            read_field(name, value)
        except json.JSONDecodeError as error:
            self.say(name, f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}; such as {EXTRA_HINT}")
        except RecursionError:
            self.say(name, f"too deep; such as {EXTRA_HINT}")
        except (KlingError, ValueError) as error:  # a whole number of thousands of digits is the latter
            self.say(name, f"{error.__cause__ or error}; such as {EXTRA_HINT}")
        else:
            return [value] if value else []
        return []

    def _address(self, name: str, text: str) -> list[Any]:
        if text and not text.startswith(("http://", "https://")):
            self.say(name, f"“{excerpt(text, VALUE_LONGEST)}” is not an address that begins with https://")
        return [text] if text else []

    def names(self, prompts: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
        """Return the variables of all prompts; braces that are out of order are noted under their field."""
        found: dict[str, None] = {}
        for name, text in ((name, text) for name, texts in prompts.items() for text in texts):
            try:
                found |= dict.fromkeys(variables_in(text))
            except SweepError as error:
                self.say(name, str(error))
        for taken in [name for name in found if name in (*OWN, *SETTINGS)]:
            self.say("prompt", f"{{{taken}}} is a reserved name: give the variable another, such as {{{taken}_}}")
            del found[taken]
        return tuple(found)

    def settings(self, entries: Entries) -> dict[str, Any]:
        """Return the arguments of ``lab.start`` that were given."""
        name = str(entries.get("name", "")).strip()
        money = {key: self._money(key, str(entries.get(key, ""))) for key in MONEY}
        return {**({"name": name} if name else {}), **{key: usd for key, usd in money.items() if usd is not None}}

    def _money(self, name: str, text: str) -> Decimal | str | None:
        text = text.strip().removeprefix("$").strip()
        if not text or (name == "assume_price" and text.lower() == OFFICIAL):
            return text.lower() or None
        try:
            amount = Decimal(text)
        except InvalidOperation:
            amount = Decimal(-1)
        if amount.is_finite() and amount >= 0:
            return amount
        other = f", or the word {OFFICIAL}" if name == "assume_price" else ""
        self.say(name, f"“{excerpt(text, VALUE_LONGEST)}” is not an amount in USD, such as {MONEY[name]}{other}")
        return None

    def shape(self, entries: Entries, names: Sequence[str]) -> dict[str, Any]:
        """Return the settings of the sweep itself."""
        repeats, design = entries.get("repeats", 1), entries.get("design", "grid")
        sample = {"sample": entries.get("n", 1), "seed": entries.get("seed", 0)}
        chosen = {} if design == "grid" else {"design": sample if design == "sample" else design}
        exclude = self._exclude(str(entries.get("exclude", "")), names)
        return {**({"repeats": repeats} if repeats != 1 else {}), **chosen, **({"exclude": exclude} if exclude else {})}

    def _exclude(self, text: str, names: Sequence[str]) -> list[dict[str, Any]]:
        try:
            rules = rules_of(text)
            conditions(rules, names)
        except (InputError, SweepError) as error:
            self.say("exclude", str(error))
            return []
        return rules
