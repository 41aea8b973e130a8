"""What would become of a filled-in form: its plan in one line, and what is refused, lost or warned of by field."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ..errors import KlingError, OverBudget, PriceUnknown, RefusedError
from ..excerpts import excerpt
from ..offer import Change, Loss, Problem
from ..plan import Plan, PlannedPoint, apart
from .form_draft import Draft, draft, listed
from .form_fields import FIELDS
from .form_reading import VALUE_LONGEST, Entries, Said, referred
from .form_words import names_in_words

AT_ONCE = 2_000  # points that are planned as a person types; for more they press Plan
SAID_MOST = 5  # sentences under one field
TOLD = (Change.DROPPED, Change.COERCED)  # the catalogue warns of what has no known effect by itself
PLACES = {"task_type": "model", "multi_shot": "multi_prompt", "shot_type": "multi_prompt"}
"""The fields of the form under which other fields of a request are spoken of."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What would become of a draft: one ``line``, what is ``wrong`` and what to be ``warned`` of, by field.

    ``stops`` says why it cannot be started, and is empty where it can. ``plan`` is `None` where none was made.
    """

    line: str
    stops: str = ""
    plan: Plan | None = None
    wrong: Said = field(default_factory=dict)
    warned: Said = field(default_factory=dict)

    @property
    def unpriced(self) -> PlannedPoint | None:
        """The first point that would be bought although no price is known."""
        return self.plan.unpriced[0] if self.plan and self.plan.unpriced else None

    @property
    def official(self) -> str:
        """What Kling's own list says of that point's price, where it says something."""
        price = None if self.unpriced is None else self.unpriced.official.high
        return "" if price is None else f"Kling's own list says {price.normalize():f}"


def outlook(held: Draft, plan: Callable[..., Plan], *, at_once: int = AT_ONCE) -> Outlook:
    """Plan a draft and say what would become of it; above ``at_once`` points nothing is planned."""
    if held.sweep is None:
        lacking = f"Still needed: {listed(held.missing)}" if held.missing else ""
        line = "First fix what is marked as wrong" if held.wrong else lacking
        rest = replace(held, sweep=held.right)
        found = Outlook(line="") if held.right is None else outlook(rest, plan, at_once=at_once)
        return Outlook(line=line, stops=line, wrong={**found.wrong, **held.wrong}, warned=found.warned)
    if held.is_rough:
        line = f"about {held.size:,} points: press Plan to count them, and to see what they cost"
        return Outlook(line=line, stops=line)
    if held.size > held.sweep.max_points:
        most = f"{held.size:,} points are more than the {held.sweep.max_points:,} that can be planned"
        line = f"{most}: take values out, or choose the design sample or pairwise"
        return Outlook(line=line, stops=line)
    if held.size > at_once:
        line = f"{held.size:,} points: press Plan to see what they cost"
        return Outlook(line=line, stops=line)
    try:
        return _planned(held, plan(held.sweep, **held.plan_settings))
    except KlingError as error:
        return Outlook(line=f"{held.size:,} point{'s' * (held.size != 1)}", stops=str(error), wrong={"": (str(error),)})


def outlook_of(entries: Entries, plan: Callable[..., Plan], *, is_planned: bool = False) -> Outlook:
    """Plan what is entered and say what would become of it; of many points only what a person has had planned before."""
    held = draft(referred(entries))
    at_once = max(AT_ONCE, held.size) if is_planned else AT_ONCE
    return outlook(replace(held, is_rough=held.is_rough and not is_planned), plan, at_once=at_once)


def _planned(held: Draft, plan: Plan) -> Outlook:
    line = plan.summary().removeprefix("SIMULATED: ").replace(", ", " · ")
    wrong, warned = _told(plan, _refused), _told(plan, _lost)
    return Outlook(line=line, stops=_stops(plan, held), plan=plan, wrong=wrong, warned=warned)


def _stops(plan: Plan, held: Draft) -> str:
    try:
        plan.check(held.settings.get("budget"))
    except RefusedError:
        return "every point is refused, so there is nothing to start"
    except PriceUnknown:
        return _price_needed(plan.unpriced)
    except OverBudget:
        budget, price = apart(held.settings["budget"], plan.high)
        return f"up to {price} is over the budget of {budget}: raise it, or choose less"
    except KlingError as error:
        return str(error)
    return ""


def _price_needed(unpriced: Sequence[PlannedPoint]) -> str:
    where = listed(dict.fromkeys(f"{point.request.model} at {point.provider}" for point in unpriced))
    known = ", or take Kling's list price" if unpriced[0].official.high is not None else ""
    return f"no price is known for {where}: fill in the price to assume{known}"


# -- sentences by field ------------------------------------------------------------------------------------------


class Sentence(NamedTuple):
    """What is said of a field: of which value, and of which model, where it holds for one only."""

    field: str
    said: str
    value: str = ""
    model: str = ""


def _refused(point: PlannedPoint) -> Iterator[Sentence]:
    yield from (_words(problem, point.request.model) for problem in point.refusals)


def _lost(point: PlannedPoint) -> Iterator[Sentence]:
    if not point.refusals:
        yield from (_words(problem, point.request.model) for problem in point.warnings)
        yield from (_loss_words(loss) for loss in point.losses if loss.change in TOLD)


def _words(problem: Problem, model: str) -> Sentence:
    """Return a problem in words; the model that its sentence ends with is kept apart."""
    said = problem.allowed.removesuffix(f" ({model})")
    value = "" if problem.value in (None, "") else _value(problem.value)
    return Sentence(problem.field, said, value, model if said != problem.allowed else "")


def _value(value: Any) -> str:
    """Return a value for reading: a camera by its type and moves, shots by their lengths."""
    if isinstance(value, Mapping):
        return ", ".join(str(held) if name == "type" else f"{name} {held}" for name, held in value.items())
    if isinstance(value, float):
        return f"{value:g}"
    return excerpt(" + ".join(map(str, value)) if isinstance(value, list) else str(value), VALUE_LONGEST)


def _loss_words(loss: Loss) -> Sentence:
    told = "is not sent" if loss.change is Change.DROPPED else f"{_value(loss.asked)} is sent as {_value(loss.sent)}"
    return Sentence(loss.field, f"{told}: {loss.why}" if loss.why else told)


def _told(plan: Plan, of_point: Callable[[PlannedPoint], Iterator[Sentence]]) -> Said:
    """Return the sentences by field, the most frequent first, each with the points and providers that it touches."""
    touched: dict[Sentence, list[str]] = {}
    for point in plan.points:
        for sentence in of_point(point):
            touched.setdefault(sentence, []).append(point.provider)
    everywhere, models = {point.provider for point in plan.points}, {point.request.model for point in plan.points}
    told: dict[str, list[str]] = {}
    for sentences, providers in sorted(_alike(touched), key=lambda item: -len(item[1])):
        at = [*dict.fromkeys(providers)] if {*providers} < everywhere else []
        place, said = _placed(sentences[0].field, _together(sentences, models), at)
        told.setdefault(place, []).append(f"{said} ({len(providers):,} point{'s' * (len(providers) != 1)})")
    return {place: _cut(sentences) for place, sentences in told.items()}


def _alike(touched: Mapping[Sentence, list[str]]) -> list[tuple[list[Sentence], list[str]]]:
    """Put sentences together that say the same of other values or models at the same providers."""
    groups: dict[Any, tuple[list[Sentence], list[str]]] = {}
    for sentence, providers in touched.items():
        key = (sentence.field, sentence.said, bool(sentence.model), frozenset(providers))
        sentences, points = groups.setdefault(key, ([], []))
        sentences.append(sentence)
        points.extend(providers)
    return [*groups.values()]


def _together(sentences: Sequence[Sentence], models: Collection[str]) -> str:
    """Return sentences that say the same as one; the models are named where it does not hold for all."""
    values = names_in_words([*dict.fromkeys(sentence.value for sentence in sentences if sentence.value)])
    touched = dict.fromkeys(sentence.model for sentence in sentences if sentence.model)
    of = f" ({names_in_words([*touched])})" if touched and {*touched} < {*models} else ""
    return f"{values + ': ' if values else ''}{sentences[0].said}{of}"


def _placed(name: str, words: str, at: Sequence[str]) -> tuple[str, str]:
    """Return the field of the form that a sentence stands under, and the sentence as it reads there."""
    place = PLACES.get(name, name.partition(".")[0])  # a provider of extra fields is behind a point
    place = place if place in {f.name for f in FIELDS} else ""
    named = [provider for provider in at if not re.search(rf"(?<![\w-]){re.escape(provider)}(?![\w-])", words)]
    return place, "".join([f"at {listed(named)}: " if named else "", "" if place else f"{name} ", words])


def _cut(sentences: Sequence[str]) -> tuple[str, ...]:
    more = len(sentences) - SAID_MOST
    return (*sentences[:SAID_MOST], *([f"and {more} more, which Plan shows"] if more > 0 else []))
