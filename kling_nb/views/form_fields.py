"""The fields of the sweep form as data, and what the catalogue offers for each: no widget and no I/O in sight.

A field joins the form by a row in `FIELDS`: its kind says which control it gets and how that is read, the rest says
where the catalogue tells what can be chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from kling_nb.catalog import Catalog
from kling_nb.offer import Support
from kling_nb.request import VideoRequest

Row = Mapping[str, Any]
Chosen = Mapping[str, Sequence[Any]]

TASK_TYPE = "text2video"
NAMED_MOST = 4  # takers of a value that are named before they are only counted


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field of the form.

    ``kind`` is ``choices`` (several may be chosen), ``lines`` (one value a line) or ``numbers`` (by commas or lines).
    ``column`` is the column of `Catalog.models_table` that lists what can be chosen; where there is none the
    catalogue is asked about ``sample``. ``after`` are the fields whose choices narrow this one's, ``plural`` is
    another name for it in `SweepForm.set`.
    """

    name: str
    title: str
    kind: str
    plural: str
    column: str = ""
    sample: Any = None
    after: tuple[str, ...] = ("provider", "model", "mode")
    unit: str = ""
    hint: str = ""
    rows: int = 1
    variables: bool = False


FIELDS = (
    Field(name="provider", title="Provider", kind="choices", plural="providers", column="provider", after=()),
    Field(name="model", title="Model", kind="choices", plural="models", column="model", after=("provider",)),
    Field(name="prompt", title="Prompts, one a line", kind="lines", plural="prompts", rows=4, variables=True,
          hint="a red fox runs through {weather}"),
    Field(name="negative_prompt", title="Negative prompt", kind="lines", plural="negative_prompts", variables=True,
          sample="blur", hint="what to avoid; each line is one more value"),
    Field(name="mode", title="Mode", kind="choices", plural="modes", column="mode", after=("provider", "model")),
    Field(name="duration", title="Duration", kind="choices", plural="durations", column="durations", unit=" s"),
    Field(name="aspect_ratio", title="Ratio", kind="choices", plural="ratios", column="ratios"),
    Field(name="sound", title="Sound", kind="choices", plural="sounds", sample="on"),
    Field(name="cfg_scale", title="cfg_scale", kind="numbers", plural="cfg_scales", sample=0.5,
          hint="0 to 1, such as 0.3, 0.7"),
)  # fmt: skip

GATES = tuple(dict.fromkeys(name for field in FIELDS for name in field.after))
"""The fields whose choices decide what others offer, in their order."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What a field offers: the values, notes in words, what happens when nothing is chosen, or why it is closed."""

    values: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    left_open: str = ""
    closed: str = ""


class Taker(NamedTuple):
    """Where a value is taken; a part is empty where it does not matter."""

    provider: str
    model: str
    mode: str


class Shelf:
    """What is sold of one task type, as the form asks for it; the catalogue is read when first asked."""

    def __init__(self, catalog: Catalog, task_type: str = TASK_TYPE) -> None:
        self._catalog = catalog
        self._task_type = task_type
        self._asked: dict[tuple[Any, ...], tuple[Support, str]] = {}

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """One row for each model, provider and mode that is sold."""
        return tuple(row for row in self._catalog.models_table() if row["task_type"] == self._task_type)

    def offered(self, field: Field, chosen: Chosen) -> Offered:
        """Return what a field offers where these are chosen; nothing chosen counts as everything."""
        rows = [row for row in self.rows if _within(row, field.after, chosen)]
        if field.sample is not None:
            return self._offered_by_asking(field, rows, chosen)
        if not field.column:
            return Offered()
        taken = {value: [row for row in rows if value in _cell(row, field)] for value in self._values(field, rows)}
        return Offered(tuple(taken), _only(field, taken, rows, chosen), self._left_open(field, rows, chosen))

    def _values(self, field: Field, rows: Iterable[Row]) -> list[Any]:
        """Return the values of a column in the order of the whole catalogue; whole numbers by size."""
        there = {value for row in rows for value in _cell(row, field)}
        order = dict.fromkeys(value for row in self.rows for value in _cell(row, field))
        found = [value for value in order if value in there]
        return sorted(found) if all(isinstance(value, int) for value in found) else found

    def _offered_by_asking(self, field: Field, rows: Sequence[Row], chosen: Chosen) -> Offered:
        answers = [(row, *self._ask(field.name, field.sample, row)) for row in rows]
        whys = list(dict.fromkeys(why for _, support, why in answers if support is not Support.TAKEN and why))
        supports = {support for _, support, _ in answers}
        if not supports & {Support.TAKEN, Support.INERT}:
            return Offered(closed="; ".join(whys[:2]) or "nothing that is chosen takes it")
        values = self._listed(field, rows)
        taken = {value: [row for row in rows if self._is_taken(field, value, row)] for value in values}
        if Support.TAKEN not in supports:
            return Offered(tuple(values), (f"has no effect: {whys[0]}",))
        if field.kind != "choices":
            taken = {"": [row for row, support, _ in answers if support is Support.TAKEN]}
        notes = _only(field, taken, rows, chosen)
        return Offered(tuple(values), notes, self._left_open(field, rows, chosen))

    def _listed(self, field: Field, rows: Iterable[Row]) -> list[Any]:
        """Return the values that a rule of the chosen models lists, those that ask for nothing first."""
        models = dict.fromkeys(row["model"] for row in rows)
        rules = (self._catalog.models[model].rules.get(field.name, {}) for model in models if field.kind == "choices")
        return list(dict.fromkeys(value for rule in rules for value in reversed(rule.get("values", ()))))

    def _is_taken(self, field: Field, value: Any, row: Row) -> bool:
        return self._ask(field.name, value, row)[0] is not Support.REFUSED

    def _ask(self, name: str, value: Any, row: Row) -> tuple[Support, str]:
        """Ask the catalogue what becomes of a value in a row, and why; each question once."""
        key = (name, value, row["provider"], row["model"], row["mode"])
        if key not in self._asked:
            request = VideoRequest(prompt="…", model=row["model"], mode=row["mode"], **{name: value})
            self._asked[key] = self._answer(name, request, row["provider"])
        return self._asked[key]

    def _answer(self, name: str, request: VideoRequest, provider: str) -> tuple[Support, str]:
        knob = self._catalog.offer(request, provider).knobs.get(name)
        if knob is None:
            return Support.TAKEN, ""
        problems = (p for p in self._catalog.problems(request, provider) if p.field == name and not p.warning)
        refusal = next((problem.allowed for problem in problems), "")
        return (Support.REFUSED, refusal) if refusal else (knob.support, knob.why)

    def _left_open(self, field: Field, rows: Sequence[Row], chosen: Chosen) -> str:
        """Say what is taken where nothing is chosen, as far as it is documented."""
        if field.name in ("provider", "model") or not chosen.get("model"):
            return ""
        found: dict[Any, list[Taker]] = {}
        for row in rows:
            default = self._default(field.name, row)
            if default is not None:
                taker = Taker(row["provider"], row["model"], "")
                found.setdefault(default, []).append(taker)
        return _defaults_in_words(field, found)

    def _default(self, name: str, row: Row) -> Any:
        mode = None if name == "mode" else row["mode"]
        offer = self._catalog.offer(VideoRequest(prompt="…", model=row["model"], mode=mode), row["provider"])
        knob = offer.knobs.get(name)
        if knob is None or knob.support is not Support.TAKEN:
            return None
        return knob.fill if knob.fill is not None else knob.default


def _within(row: Row, names: Iterable[str], chosen: Chosen) -> bool:
    """Tell whether a row is among what is chosen; one without a mode is there in every mode."""
    return all(not chosen.get(name) or row[name] is None or row[name] in chosen[name] for name in names)


def _cell(row: Row, field: Field) -> tuple[Any, ...]:
    held = row[field.column]
    return tuple(held) if isinstance(held, list | tuple) else (held,) if held is not None else ()


def _taker(field: Field, row: Row) -> Taker:
    return Taker(*(str(row[name] or "") if name in field.after else "" for name in Taker._fields))


def _only(field: Field, taken: Mapping[Any, Sequence[Row]], rows: Sequence[Row], chosen: Chosen) -> tuple[str, ...]:
    """Say which values are taken by some only, values of the same takers together."""
    if not field.after or not chosen.get(field.after[-1] if field.name == "model" else "model"):
        return ()
    everyone = {_taker(field, row): None for row in rows}
    groups: dict[tuple[Taker, ...], list[Any]] = {}
    for value, where in taken.items():
        groups.setdefault(tuple(dict.fromkeys(_taker(field, row) for row in where)), []).append(value)
    partial = {takers: values for takers, values in groups.items() if set(takers) != set(everyone)}
    return tuple(_one_note(field, values, takers, tuple(everyone)) for takers, values in partial.items())


def _one_note(field: Field, values: Sequence[Any], takers: Sequence[Taker], everyone: Sequence[Taker]) -> str:
    which = in_words(value for value in values if value != "")
    return f"{which + field.unit + ': ' if which else ''}{_takers_in_words(takers, everyone)} only"


def _takers_in_words(takers: Sequence[Taker], everyone: Sequence[Taker]) -> str:
    names = [name for model in dict.fromkeys(t.model for t in takers) for name in _of_model(model, takers, everyone)]
    if len(names) <= NAMED_MOST:
        return ", ".join(names)
    return f"{len({t.model for t in takers})} of {len({t.model for t in everyone})} models"


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
    return [f"{model} in {t.mode} at {t.provider}" for t in own]


def _defaults_in_words(field: Field, found: Mapping[Any, Sequence[Taker]]) -> str:
    everyone = list(dict.fromkeys(taker for takers in found.values() for taker in takers))
    each = [f"{value}{field.unit} by {_takers_in_words([*dict.fromkeys(t)], everyone)}" for value, t in found.items()]
    told = "".join(f"{value}{field.unit} is taken" for value in found) if len(found) <= 1 else ", ".join(each)
    return told and f"{'none chosen' if field.kind == 'choices' else 'left open'}: {told}"


def in_words(values: Iterable[Any]) -> str:
    """List values for reading; whole numbers that follow each other as a range."""
    runs: list[list[Any]] = []
    for value in values:
        follows = runs and isinstance(value, int) and runs[-1][-1] == value - 1
        runs[-1].append(value) if follows else runs.append([value])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
