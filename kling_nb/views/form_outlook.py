"""What would become of a filled-in form: its plan in one line, and what is refused, lost or warned of by field."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kling_nb.errors import KlingError, RefusedError
from kling_nb.offer import Change, Loss, Problem
from kling_nb.plan import Plan, PlannedPoint

from .form_draft import Draft, listed
from .form_fields import FIELDS
from .form_reading import Said, short

AT_ONCE = 2_000  # points that are planned as a person types; for more they press Plan
SAID_MOST = 5  # sentences under one field
TOLD = (Change.DROPPED, Change.COERCED)  # the catalogue warns of what has no effect by itself
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


def outlook(held: Draft, plan: Callable[..., Plan], *, at_once: int = AT_ONCE) -> Outlook:
    """Plan a draft and say what would become of it; above ``at_once`` points nothing is planned."""
    if held.sweep is None:
        lacking = f"Still needed: {listed(held.missing)}" if held.missing else ""
        line = "First mend what is said in red" if held.wrong else lacking
        return Outlook(line=line, stops=line, wrong=held.wrong)
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
        return Outlook(line=f"{held.size:,} points", stops=str(error), wrong={"": (str(error),)})


def _planned(held: Draft, plan: Plan) -> Outlook:
    line = plan.summary().removeprefix("SIMULATED: ").replace(", ", " · ")
    wrong, warned = _told(plan, _refused), _told(plan, _lost)
    return Outlook(line=line, stops=_stops(plan, held), plan=plan, wrong=wrong, warned=warned)


def _stops(plan: Plan, held: Draft) -> str:
    try:
        plan.check(held.settings.get("budget"))
    except RefusedError:
        return "every point is refused, so that there is nothing to start"
    except KlingError as error:
        return str(error)
    return ""


# -- sentences by field ------------------------------------------------------------------------------------------

Sentence = tuple[str, str]
"""A field, and what is said of it."""


def _refused(point: PlannedPoint) -> Iterator[Sentence]:
    yield from map(_words, point.refusals)


def _lost(point: PlannedPoint) -> Iterator[Sentence]:
    if not point.refusals:
        yield from map(_words, point.warnings)
        yield from (_loss_words(loss) for loss in point.losses if loss.change in TOLD)


def _words(problem: Problem) -> Sentence:
    """Return the field that a problem belongs to, and the problem in words."""
    told = problem.allowed if problem.value in (None, "") else f"{_value(problem.value)}: {problem.allowed}"
    return problem.field, told


def _value(value: Any) -> str:
    """Return a value for reading: a camera by its type and moves, shots by their lengths."""
    if isinstance(value, Mapping):
        return ", ".join(str(held) if name == "type" else f"{name} {held}" for name, held in value.items())
    if isinstance(value, float):
        return f"{value:g}"
    return short(" + ".join(map(str, value)) if isinstance(value, list) else value)


def _loss_words(loss: Loss) -> Sentence:
    told = "is not sent" if loss.change is Change.DROPPED else f"{_value(loss.asked)} is sent as {_value(loss.sent)}"
    return loss.field, f"{told}: {loss.why}" if loss.why else told


def _told(plan: Plan, of_point: Callable[[PlannedPoint], Iterator[Sentence]]) -> Said:
    """Return the sentences by field, the most frequent first, each with the points and providers that it touches."""
    counted = Counter(sentence for point in plan.points for sentence in of_point(point))
    where: dict[Sentence, dict[str, None]] = {}
    for point in plan.points:
        for sentence in of_point(point):
            where.setdefault(sentence, {})[point.provider] = None
    everywhere = {point.provider for point in plan.points}
    told: dict[str, list[str]] = {}
    for (name, words), count in counted.most_common():
        at = [*where[name, words]] if len(where[name, words]) < len(everywhere) else []
        place, said = _placed(name, words, at)
        told.setdefault(place, []).append(f"{said} ({count:,} point{'s' * (count != 1)})")
    return {place: _cut(sentences) for place, sentences in told.items()}


def _placed(name: str, words: str, at: Sequence[str]) -> Sentence:
    """Return the field of the form that a sentence stands under, and the sentence as it reads there."""
    place = PLACES.get(name, name)
    place = place if place in {f.name for f in FIELDS} else ""
    named = [provider for provider in at if not re.search(rf"(?<![\w-]){re.escape(provider)}(?![\w-])", words)]
    return place, "".join([f"at {listed(named)}: " if named else "", "" if place else f"{name} ", words])


def _cut(sentences: Sequence[str]) -> tuple[str, ...]:
    more = len(sentences) - SAID_MOST
    return (*sentences[:SAID_MOST], *([f"and {more} more, which Plan shows"] if more > 0 else []))
