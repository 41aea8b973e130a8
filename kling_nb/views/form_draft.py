"""What a filled-in form stands for: a sweep, the Python that makes it, and what would become of it.

::

    Entries (as typed) ─▶ Draft (sweep, code, mistakes by field) ─▶ Outlook (plan, refusals and losses by field)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from kling_nb.errors import InputError, KlingError, RefusedError, SweepError
from kling_nb.offer import Change, Loss, Problem
from kling_nb.plan import Plan
from kling_nb.request import VideoRequest
from kling_nb.sweep import Sweep
from kling_nb.sweep.prompts import names as variables_in
from kling_nb.sweep.values import OWN, SETTINGS

from .form_fields import FIELDS, Field

Entries = Mapping[str, Any]
"""What was entered, as it is: tuples of chosen values, and texts; ``variables`` by name. Closed fields are left out."""

Said = Mapping[str, tuple[str, ...]]
"""Sentences by the field that they belong to; ``""`` is the form as a whole."""

DESIGNS = ("grid", "zip", "pairwise", "sample")
NEEDED = {"provider": "a provider", "model": "a model", "prompt": "a prompt"}
MONEY = {"budget": "25", "assume_price": "0.35"}
AT_ONCE = 2_000  # points that are planned as a person types; for more they press Plan
SAID_MOST = 5  # sentences under one field
VALUE_LONGEST = 40
NO_CODE = "# the Python of this form appears here as soon as it holds a sweep"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A form as it is filled in.

    ``sweep`` is `None` where something is ``missing`` or ``wrong``. ``settings`` are the arguments of ``lab.start``
    that are given: ``name``, ``budget`` and ``assume_price`` in USD. ``size`` is the number of points.
    """

    sweep: Sweep | None
    settings: Mapping[str, Any]
    variables: tuple[str, ...]
    missing: tuple[str, ...] = ()
    wrong: Said = field(default_factory=dict)
    size: int = 0

    @property
    def code(self) -> str:
        """The Python that does the same, with ``import kling_nb as kn`` and a ``lab``."""
        if self.sweep is None:
            return NO_CODE
        given = "".join(f", {name}={_literal(value)}" for name, value in self.settings.items())
        return f"sweep = {self.sweep.code()}\nrun = lab.start(sweep{given})"

    @property
    def plan_settings(self) -> dict[str, Any]:
        """The settings that ``lab.plan`` takes."""
        return {name: value for name, value in self.settings.items() if name == "assume_price"}

    def needed(self) -> Sweep:
        """Return the sweep; raises `SweepError` that says what stands in its way."""
        if self.sweep is None:
            said = [sentence for sentences in self.wrong.values() for sentence in sentences]
            lacking = [f"the form still needs {_and(self.missing)}"] if self.missing else []
            message = "; ".join([*said, *lacking])
            raise SweepError(message)
        return self.sweep


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
    def unpriced(self) -> VideoRequest | None:
        """The first request that would be bought although no price is known."""
        return self.plan.unpriced[0].request if self.plan and self.plan.unpriced else None


# -- entries to a draft ------------------------------------------------------------------------------------------


def draft(entries: Entries) -> Draft:
    """Read what was entered; everything that is wrong or missing is said at once."""
    reading = _Reading()
    values = {f.name: reading.values(f, entries[f.name]) for f in FIELDS if f.name in entries}
    names = reading.names({f.name: values[f.name] for f in FIELDS if f.variables and f.name in values})
    values |= {name: values_of(str(entries.get("variables", {}).get(name, ""))) for name in names}
    settings, shape = reading.settings(entries), reading.shape(entries)
    missing = [what for name, what in NEEDED.items() if not values.get(name)]
    missing += [f"values for {{{name}}}" for name in names if not values[name]]
    arguments = {name: held[0] if len(held) == 1 else held for name, held in values.items() if held}
    sweep, size = (None, 0) if missing or reading.wrong else reading.sweep(arguments, shape)
    wrong = {name: tuple(sentences) for name, sentences in reading.wrong.items()}
    return Draft(sweep=sweep, settings=settings, variables=names, missing=tuple(missing), wrong=wrong, size=size)


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


class _Reading:
    """Reads entries, and notes what is wrong by field."""

    def __init__(self) -> None:
        self.wrong: dict[str, list[str]] = {}

    def say(self, name: str, sentence: str) -> None:
        self.wrong.setdefault(name, []).append(sentence)

    def values(self, f: Field, entry: Any) -> list[Any]:
        match f.kind:
            case "choices":
                return list(entry)
            case "numbers":
                return [number for text in values_of(entry) for number in self._number(f.name, text)]
            case _:
                return lines_of(entry)

    def _number(self, name: str, text: str) -> Iterator[int | float]:
        try:
            number = float(text)
        except ValueError:
            self.say(name, f"“{_short(text)}” is no number")
            return
        yield int(number) if number.is_integer() else number

    def names(self, prompts: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
        """Return the variables of all prompts; braces that are out of order are noted under their field."""
        found: dict[str, None] = {}
        for name, text in ((name, text) for name, texts in prompts.items() for text in texts):
            try:
                found |= dict.fromkeys(variables_in(text))
            except SweepError as error:
                self.say(name, str(error))
        for taken in [name for name in found if name in (*OWN, *SETTINGS)]:
            self.say("prompt", f"{{{taken}}} is a name that is taken: give the variable another, such as {{{taken}_}}")
            del found[taken]
        return tuple(found)

    def settings(self, entries: Entries) -> dict[str, Any]:
        """Return the arguments of ``lab.start`` that were given."""
        name = str(entries.get("name", "")).strip()
        money = {key: self._money(key, str(entries.get(key, ""))) for key in MONEY}
        return {**({"name": name} if name else {}), **{key: usd for key, usd in money.items() if usd is not None}}

    def _money(self, name: str, text: str) -> Decimal | None:
        text = text.strip().removeprefix("$").strip()
        if not text:
            return None
        try:
            amount = Decimal(text)
        except InvalidOperation:
            amount = Decimal(-1)
        if amount.is_finite() and amount >= 0:
            return amount
        self.say(name, f"“{_short(text)}” is no amount of USD, such as {MONEY[name]}")
        return None

    def shape(self, entries: Entries) -> dict[str, Any]:
        """Return the settings of the sweep itself."""
        repeats, design = entries.get("repeats", 1), entries.get("design", "grid")
        sample = {"sample": entries.get("n", 1), "seed": entries.get("seed", 0)}
        chosen = {} if design == "grid" else {"design": sample if design == "sample" else design}
        return {**({"repeats": repeats} if repeats != 1 else {}), **chosen}

    def sweep(self, arguments: Mapping[str, Any], shape: Mapping[str, Any]) -> tuple[Sweep | None, int]:
        """Return the sweep and the number of its points."""
        try:
            made = Sweep(**arguments, **shape)
            return made, len(made)
        except SweepError as error:
            self.say("design" if "design" in shape else "", str(error))
            return None, 0


# -- a draft to its outlook --------------------------------------------------------------------------------------


def outlook(held: Draft, plan: Callable[..., Plan], *, at_once: int = AT_ONCE) -> Outlook:
    """Plan a draft and say what would become of it; above ``at_once`` points nothing is planned."""
    if held.sweep is None:
        lacking = f"Still needed: {_and(held.missing)}" if held.missing else ""
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
    wrong = Counter(_words(problem) for point in plan.points for problem in point.refusals)
    sent = [point for point in plan.points if not point.refusals]
    warned = Counter(_words(problem) for point in sent for problem in point.warnings)
    warned += Counter(_loss_words(loss) for point in sent for loss in point.losses if loss.change in _TOLD)
    line = plan.summary().removeprefix("SIMULATED: ").replace(", ", " · ")
    return Outlook(line=line, stops=_stops(plan, held.settings), plan=plan, wrong=_told(wrong), warned=_told(warned))


_TOLD = (Change.DROPPED, Change.COERCED)  # the catalogue warns of what has no effect by itself


def _stops(plan: Plan, settings: Mapping[str, Any]) -> str:
    try:
        plan.check(settings.get("budget"))
    except RefusedError:
        return "every point is refused, so that there is nothing to start"
    except KlingError as error:
        return str(error)
    return ""


def _words(problem: Problem) -> tuple[str, str]:
    """Return the field that a problem belongs to, and the problem in words."""
    told = problem.allowed if problem.value in (None, "") else f"{_short(problem.value)}: {problem.allowed}"
    return _PLACES.get(problem.field, problem.field), told


def _loss_words(loss: Loss) -> tuple[str, str]:
    told = "is not sent" if loss.change is Change.DROPPED else f"{_short(loss.asked)} is sent as {_short(loss.sent)}"
    return loss.field, f"{told}: {loss.why}" if loss.why else told


_PLACES = {"task_type": "model"}


def _told(counted: Counter[tuple[str, str]]) -> Said:
    """Return the sentences by field, the most frequent first, each with the number of points that it touches."""
    names = {f.name for f in FIELDS}
    told: dict[str, list[str]] = {}
    for (name, words), count in counted.most_common():
        place, prefix = (name, "") if name in names else ("", f"{name} ")
        told.setdefault(place, []).append(f"{prefix}{words} ({count:,} point{'s' * (count != 1)})")
    return {place: _cut(sentences) for place, sentences in told.items()}


def _cut(sentences: Sequence[str]) -> tuple[str, ...]:
    more = len(sentences) - SAID_MOST
    return (*sentences[:SAID_MOST], *([f"and {more} more, which Plan shows"] if more > 0 else []))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= VALUE_LONGEST else text[: VALUE_LONGEST - 1] + "…"


def _and(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"' if value.isprintable() and not set(value) & set('"\\') else repr(value)
    return f"{value:f}"
