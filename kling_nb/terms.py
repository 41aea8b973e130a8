"""The terms on which a provider sells a request: the catalogue's rules of model and menu, merged.

The *model* says what it does with a field; the *menu* says how a seller spells the field, and whether it takes it at
all. A field that the model refuses stays refused; a field that the menu does not take stays dropped. The form of the
rules is documented at the top of ``catalog.toml``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from .menu import FEATURES, HARMLESS, NONE, RULED, Menu, Model, Row, Rule, Rules, lay
from .offer import Knob, Offer, Provider, Support
from .request import FIELDS, VideoRequest


def agree(model: Rule, wire: Rule) -> Rule:
    """Return the merged rule of model and menu: the stricter support with its reason and, if dropped, its default."""
    sides = {side.get("support", Support.TAKEN): side for side in (model, wire)}
    word = next(word for word in _STRICT_FIRST if word in sides)
    own = {"why": sides[word].get("why", ""), "source": sides[word].get("source", "")}
    if word is Support.DROPPED and "default" in sides[word]:
        own["default"] = sides[word]["default"]
    return MappingProxyType({**model, **wire, **({} if word is Support.TAKEN else own), "support": word})


_STRICT_FIRST = (Support.REFUSED, Support.DROPPED, Support.INERT, Support.TAKEN)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """A request at a provider: the row that serves it, or comes nearest, and the rule for each field."""

    request: VideoRequest
    provider: Provider
    menu: Menu
    row: Row
    model: Model | None
    rules: Rules

    @property
    def mode(self) -> str | None:
        """The mode in effect: as asked, of the row, filled in, else the seller's default; `None` for a master."""
        rule = self.rule("mode")
        if rule["support"] is Support.DROPPED:
            return None
        return self.request.mode or self.row.mode or rule.get("fill", rule.get("default"))

    def rule(self, name: str) -> Rule:
        """Return the rule for a field; a field without a rule is taken."""
        return self.rules.get(name, _TAKEN)

    def effect(self, name: str) -> Any:
        """Return the value in effect: as asked where there is a place for it, else as filled in, else the default."""
        if name == "mode":
            return self.mode
        if name == "type":
            return self.request.camera_control and self.request.camera_control.type
        rule = self.rule(name)
        value = None if rule["support"] is Support.DROPPED else getattr(self.request, name)
        return value if value is not None else rule.get("fill", rule.get("default"))

    def unmet(self, name: str) -> dict[str, tuple[Any, ...]]:
        """Return the conditions of a field that this request does not meet, with the values that would."""
        only = {key: values for key, values in self.rule(name).get("only", NONE).items() if self._applies(key)}
        return {key: values for key, values in only.items() if self.effect(key) not in values}

    def _applies(self, key: str) -> bool:
        return key != "type" or self.request.camera_control is not None

    def support(self, name: str) -> Support:
        """Return the support of a field in this request, by its conditions and value."""
        word = self.rule(name)["support"]
        harmless = getattr(self.request, name) == HARMLESS.get(name, ...)
        if word is Support.REFUSED:
            return Support.DROPPED if harmless else word
        if name == "prompt" and self.request.multi_prompt and self.rule("multi_prompt")["support"] is Support.TAKEN:
            return Support.DROPPED  # the shots take its place; where they are left out, it is all there is
        return Support.REFUSED if word is Support.TAKEN and self.unmet(name) and not harmless else word

    @property
    def features(self) -> tuple[str, ...]:
        """The optional fields that do something here, in this mode and length."""
        return tuple(name for name in FEATURES if self.support(name) is Support.TAKEN and self._has(name))

    def _has(self, name: str) -> bool:
        return name != "image_tail" or self.request.task_type == "image2video"

    @property
    def ratios(self) -> tuple[str, ...]:
        """The aspect ratios that can be chosen here; none where the ratio follows the image."""
        taken = self.support("aspect_ratio") is Support.TAKEN
        return tuple(self.rule("aspect_ratio").get("values", ())) if taken else ()

    def knob(self, name: str) -> Knob | None:
        """Return how a field is spelled; `None` where there is nothing to spell or to tell."""
        rule, support = self.rule(name), self.support(name)
        wire = rule.get("name", name)
        if self._is_blank(name) or (not wire and support is Support.TAKEN and getattr(self.request, name) is not None):
            return None
        live = support is Support.TAKEN
        default = self.mode if name == "mode" else rule.get("default")
        return Knob(
            name=wire or name,
            support=support,
            type=rule.get("type", "string"),
            words=rule.get("words", NONE),
            becomes=rule.get("becomes", ()),
            default=default if live else None,
            fill=rule.get("fill") if live else None,
            why=self._why(name, support),
            source=self._reason(name).get("source", "") or self.menu.source,
        )

    def _is_blank(self, name: str) -> bool:
        return name == "prompt" and not self.request.prompt

    def _why(self, name: str, support: Support) -> str:
        if name == "prompt" and support is Support.DROPPED:
            return "the prompts of multi_prompt take its place"
        why = str(self._reason(name).get("why", ""))
        return why or ("the model does so anyway" if support is Support.DROPPED else "")

    def _reason(self, name: str) -> Rule:
        """Return the rule that gives the reason: the seller's own if the seller changes the value."""
        rule, value = self.rule(name), getattr(self.request, name)
        is_changed = any(asked == value for asked, _ in rule.get("becomes", ()))
        own = is_changed and rule["support"] in (Support.TAKEN, Support.INERT)
        return self.menu.wire(self.row)[name] if own else rule

    def offer(self) -> Offer:
        """Return how the request is spelled there."""
        knobs = {name: knob for name in RULED if (knob := self.knob(name)) is not None}
        return Offer(
            provider=self.provider.id,
            model=self.request.model,
            task_type=self.request.task_type,
            mode=self.mode,
            name=self.row.name or self.request.model,
            endpoint=self.row.endpoint(self.request.model, self.mode),
            knobs=MappingProxyType(knobs),
            known=self.model is not None,
            needs=self.row.needs,
        )


_TAKEN: Rule = MappingProxyType({"support": Support.TAKEN})


def terms(request: VideoRequest, provider: Provider, menu: Menu, model: Model | None) -> Terms:
    """Return the terms of a request, by the row that serves it or, where none does, by the nearest one."""
    row = nearest_row(menu, model, request.task_type, request.mode)
    given = tuple(name for name in (model.given if model else ()) if _is_given(name, request, provider))
    rules = _rules(menu, row, model, given)
    if "{" in row.path and "/" in request.model:
        rules = {**rules, "mode": _WHOLE}
    return Terms(request=request, provider=provider, menu=menu, row=row, model=model, rules=rules)


def _is_given(name: str, request: VideoRequest, provider: Provider) -> bool:
    """Tell whether a field is given; what is none may be one of the provider's own knobs."""
    if name in FIELDS:
        return getattr(request, name) is not None
    return bool(request.extra.get(provider.id, NONE).get(name))


_WHOLE: Rule = MappingProxyType({"support": Support.DROPPED, "why": "the endpoint was named whole"})


@lru_cache(maxsize=1024)  # a plan asks for the same rules at each of thousands of points
def _rules(menu: Menu, row: Row, model: Model | None, given: tuple[str, ...]) -> Rules:
    wire = menu.wire(row)
    facts = lay(model.rules, *(model.given[name] for name in given)) if model else {}
    return MappingProxyType({name: agree(facts.get(name, NONE), wire.get(name, NONE)) for name in RULED})


@lru_cache(maxsize=1024)
def nearest_row(menu: Menu, model: Model | None, task_type: str, mode: str | None) -> Row:
    """Return the first row of the highest rank: serves the model, is of the task type, is for the mode."""

    def rank(row: Row) -> tuple[bool, bool, bool]:
        return row.serves(model), row.task == task_type, mode is None or row.mode in (None, mode)

    return max(menu.rows, key=rank)


def is_listed(terms: Terms) -> bool:
    """Whether the provider lists the model, where it lists any; a model that nobody knows may be new."""
    listed = terms.provider.models
    return not listed or terms.model is None or terms.model.id in listed


def is_sold(terms: Terms) -> bool:
    """Whether the provider lists the model, and there is a row for it, the task type and the mode."""
    row, request = terms.row, terms.request
    is_row = row.serves(terms.model) and row.task == request.task_type and row.mode in (None, terms.mode)
    return is_row and is_listed(terms)
