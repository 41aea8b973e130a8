"""The catalogue's tables as records: rules, models, the menus that providers sell from, and the providers.

The form of the tables is documented at the top of ``catalog.toml``, that of a provider's at the top of
``providers.toml``; values are of the types that `kling_nb.catalog_form` holds a file to.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from .errors import InputError, nearest
from .excerpts import as_code
from .offer import FORMS, Provider, Support
from .request import FIELDS

Rule = Mapping[str, Any]
Rules = Mapping[str, Rule]
NONE: Mapping[str, Any] = MappingProxyType({})

RULED = tuple(name for name in FIELDS if name not in ("model", "extra"))
"""The fields of a request that rules speak of."""

TASK_TYPES = ("text2video", "image2video")
MEANING_KEYS = ("support", "values", "only", "range", "max_chars", "max_total", "required", "why", "source")
CONDITIONS = ("type", "task_type")
"""What a rule may depend on besides fields: a camera's type, and the request's."""
SPELLING_KEYS = ("name", "type", "words", "becomes", "default", "fill")
HARMLESS = MappingProxyType({"sound": "off", "multi_shot": False})
"""Values that request the behaviour of a model without the feature."""
TIERS = MappingProxyType({"std": "standard", "pro": "pro"})


def known_keys(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raise `InputError` for a key of a catalogue file that means nothing there."""
    known = set(known)
    for key in table:
        if key not in known:
            message = f"{where} has the key {key!r}, which means nothing there; {nearest(key, known)}"
            raise InputError(message)


def values_from(value: Any) -> tuple[Any, ...]:
    """Read allowed values: a list, or a range of whole numbers such as ``"3-15"``."""
    if isinstance(value, list):
        return tuple(value)
    low, _, high = value.partition("-")
    return tuple(range(int(low), int(high) + 1))


def rules_from(table: Mapping[str, Any], where: str) -> dict[str, Rule]:
    """Read the rules among the keys of a table: one for each key that is a field of a request."""
    return {name: _rule(table[name], f"{where}, {name}") for name in RULED if name in table}


def _rule(value: Any, where: str) -> Rule:
    is_word = isinstance(value, str) and value in set(Support)
    rule = dict(value) if isinstance(value, Mapping) else {"support" if is_word else "values": value}
    known_keys(rule, MEANING_KEYS + SPELLING_KEYS, where)
    if "support" in rule:
        rule["support"] = Support(rule["support"])
    if "values" in rule:
        rule["values"] = values_from(rule["values"])
    if "only" in rule:
        rule["only"] = _conditions(rule["only"], f"{where} only")
    if "becomes" in rule:
        rule["becomes"] = tuple((asked, made) for asked, made in rule["becomes"])
    return MappingProxyType(rule)


def _conditions(value: Mapping[str, Any], where: str) -> dict[str, tuple[Any, ...]]:
    known_keys(value, (*RULED, *CONDITIONS), where)
    return {name: values_from(values) for name, values in value.items()}


def lay(*layers: Rules) -> dict[str, Rule]:
    """Lay rules over each other, the later over the earlier, key by key.

    A rule's support replaces the reason together with the support below it, so that no old reason remains.
    """
    laid: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for name, rule in layer.items():
            old = {key: value for key, value in laid.get(name, NONE).items() if "support" not in rule or key != "why"}
            laid[name] = {**old, **rule}
    return {name: MappingProxyType(rule) for name, rule in laid.items()}


@dataclass(frozen=True, kw_only=True, eq=False)  # one object a table: equal only to itself, which can be a key
class Model:
    """A model, wherever it is sold.

    ``rules`` and ``given`` (by the field that is given) say what it does with the fields of a request; ``typical`` is
    seconds, keyed by task type or mode where they matter, and ``typical_source`` where they are from; ``output`` names
    the resolution by mode.
    """

    id: str
    title: str
    released: str = ""
    family: str = "classic"
    task_types: tuple[str, ...] = TASK_TYPES
    rules: Rules = field(default_factory=lambda: NONE)
    given: Mapping[str, Rules] = field(default_factory=lambda: NONE)
    output: Mapping[str, str] = field(default_factory=lambda: NONE)
    fps: float | None = None
    typical: Any = None
    typical_source: str = ""
    note: str = ""
    source: str = ""
    read: str = ""

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes it has; none for a master."""
        rule = self.rules.get("mode", NONE)
        return () if rule.get("support") is Support.DROPPED else tuple(rule.get("values", ()))

    @property
    def durations(self) -> Mapping[str, tuple[int, ...]]:
        """The lengths in seconds that it offers, by task type, whatever else they may depend on."""
        plain = self.rules.get("duration", NONE).get("values", ())
        framed = {*plain}.union(*(rules.get("duration", NONE).get("values", ()) for rules in self.given.values()))
        lengths = {"text2video": tuple(plain), "image2video": tuple(sorted(framed))}
        return {task_type: lengths[task_type] for task_type in self.task_types}

    @property
    def ratios(self) -> tuple[str, ...]:
        """The aspect ratios that it offers for text."""
        return tuple(self.rules.get("aspect_ratio", NONE).get("values", ()))

    @property
    def features(self) -> tuple[str, ...]:
        """The optional fields of a request that do something, though perhaps not in each mode."""
        words = {name: self.rules.get(name, NONE).get("support", Support.TAKEN) for name in FEATURES}
        return tuple(name for name, word in words.items() if word is Support.TAKEN)


FEATURES = ("negative_prompt", "cfg_scale", "camera_control", "image_tail", "sound", "multi_prompt")


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """An endpoint of a menu, for one task type; ``mode`` is `None` where it serves all modes of a model."""

    task: str
    path: str
    model: str | None = None
    family: str | None = None
    mode: str | None = None
    name: str | None = None
    needs: str = ""
    unknown: bool = False
    shape: tuple[str, ...] = ()
    rules: Rules = field(default_factory=lambda: NONE)

    def serves(self, model: Model | None) -> bool:
        """Whether it sells a model; `None` is one that the catalogue does not know."""
        if model is None:
            return self.unknown
        return model.id == self.model or (model.family == self.family and self.task in model.task_types)

    def endpoint(self, model: str, mode: str | None) -> str:
        """Return the path. An unknown model's id may be the path itself, else its place is guessed."""
        if "{" not in self.path:
            return self.path
        version = re.sub(r"(?<=\d)-(?=\d)", ".", model.removeprefix("kling-"))
        places = {"model": self.name or model, "version": version, "tier": TIERS.get(mode or "", mode)}
        return model if "/" in model else self.path.format(**places)


@dataclass(frozen=True, kw_only=True, eq=False)
class Menu:
    """How a request is spelled by one kind of seller, and which endpoints it has."""

    id: str
    dialects: tuple[str, ...] = ()
    reserved: tuple[str, ...] = ()
    exclusive: tuple[tuple[tuple[str, ...], ...], ...] = ()
    source: str = ""
    fields: Rules = field(default_factory=lambda: NONE)
    shapes: Mapping[str, Rules] = field(default_factory=lambda: NONE)
    rows: tuple[Row, ...] = ()

    def wire(self, row: Row) -> dict[str, Rule]:
        """Return the rules of a row: those of all fields, of its shapes, its own."""
        return lay(self.fields, *(self.shapes[name] for name in row.shape), row.rules)


def plain_keys(kind: type, table: Mapping[str, Any], where: str, own: Iterable[str] = ()) -> dict[str, Any]:
    """Return the keys of a table that are plain fields of a record; raises `InputError` for one that means nothing."""
    names = {f.name for f in fields(kind)} - {"id", "rules", "given", "typical"}
    known_keys(table, {*names, *own}, where)
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items() if key in names}


def model_from(model_id: str, table: Mapping[str, Any], every: Rules) -> Model:
    """Read a model, what holds for every model included."""
    where = f"[model.{model_id}]"
    values = {"title": model_id, **plain_keys(Model, table, where, (*RULED, "with", "typical_s"))}
    output = table.get("output", {})
    values["output"] = MappingProxyType({"": output} if isinstance(output, str) else output)
    given = {name: rules_from(rules, f"{where} with.{name}") for name, rules in table.get("with", {}).items()}
    rules = lay(every, rules_from(table, where))
    return Model(id=model_id, rules=rules, given=given, typical=table.get("typical_s"), **values)


def menu_from(menu_id: str, table: Mapping[str, Any]) -> Menu:
    """Read a menu; of rows for the same model or family, task and mode the last counts, in the first one's place."""
    where = f"[menu.{menu_id}]"
    known_keys(table, ("dialects", "reserved", "exclusive", "source", "sells", "fields", "shape"), where)
    rows = [_row(row, f"{where} sells {row.get('path')}") for row in table.get("sells", ())]
    if not rows:
        message = (
            f"{where} sells nothing: expected at least one row, which begins with the line [[menu.{menu_id}.sells]]"
        )
        raise InputError(message)
    for row in rows:
        known_keys(dict.fromkeys(row.shape), table.get("shape", ()), f"{where} sells {row.path}, shape")
    return Menu(
        id=menu_id,
        dialects=tuple(table.get("dialects", ())),
        reserved=tuple(table.get("reserved", ())),
        exclusive=tuple(tuple(tuple(group) for group in groups) for groups in table.get("exclusive", ())),
        source=table.get("source", ""),
        fields=rules_from(table.get("fields", {}), f"{where} fields"),
        shapes={name: rules_from(rules, f"{where} shape.{name}") for name, rules in table.get("shape", {}).items()},
        rows=tuple({(row.model, row.family, row.task, row.mode): row for row in rows}.values()),
    )


def _row(table: Mapping[str, Any], where: str) -> Row:
    if table.get("task") not in TASK_TYPES or "path" not in table:
        message = f"{where}: a row of sells needs path and task, which is one of {', '.join(TASK_TYPES)}"
        raise InputError(message)
    _check_path(table["path"], where)
    mode = table.get("mode")
    rules = rules_from({key: value for key, value in table.items() if key != "mode"}, where)
    return Row(**{**plain_keys(Row, table, where, RULED), "mode": mode}, rules=rules)


def _check_path(path: Any, where: str) -> None:
    """Raise `InputError` for a path that `Row.endpoint` could not fill in."""
    try:
        path.format(model="", version="", tier="")
    except (AttributeError, LookupError, ValueError) as error:
        message = (
            f"{where}: expected a path as text, in which nothing but {{model}}, {{version}}, {{tier}} is filled in"
        )
        raise InputError(message) from error


def provider_from(name: str, table: Mapping[str, Any], names: Collection[str]) -> Provider:
    """Read a provider's row; ``names`` are those of all rows, of which it may be like one."""
    where = f"[provider.{name}]"
    given = {"title": name, "base_url": None, "options": {}, **plain_keys(Provider, table, where)}
    if "dialect" not in given:
        message = f"{where} needs a dialect"
        raise InputError(message)
    for key, known in (("key", FORMS), ("slots_per", ("account", "model")), ("like", names)):
        _check_word(given, key, known, where)
    return Provider(id=name, **{**given, "options": MappingProxyType(dict(given["options"]))})


def _check_word(given: Mapping[str, Any], name: str, known: Collection[str], where: str) -> None:
    """Raise `InputError` for an unknown word, which would otherwise silently count as another word or as none."""
    value = given.get(name)
    if value is not None and value not in known:
        message = f"{where} {name} = {as_code(value)} means nothing there; {nearest(value, known)}"
        raise InputError(message)
