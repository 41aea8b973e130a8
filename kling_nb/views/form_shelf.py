"""What the catalogue offers for each field of the sweep form, after what is chosen before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..catalog import SAMPLE_IMAGE, Catalog
from ..menu import HARMLESS
from ..offer import Support
from ..request import VideoRequest
from .form_fields import Field
from .form_words import Taker, condition_note, default_note, names_in_words, partial_notes

Row = Mapping[str, Any]
Chosen = Mapping[str, Sequence[Any]]
"""What is chosen, by field; ``task_type`` decides which rows count, ``image_tail`` is there where one is given."""

WHOLE = ("integers", "axes")  # the types of a camera whose moves are whole numbers


@dataclass(frozen=True, slots=True)
class Offered:
    """What a field offers: the values, notes in words, what happens when nothing is chosen, or why it is closed.

    ``elsewhere`` names the models that would open it; ``whole`` is whether a camera's moves have to be whole numbers.
    """

    values: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    left_open: str = ""
    closed: str = ""
    elsewhere: str = ""
    whole: bool = False


class Shelf:
    """What is sold, as the form asks for it; the catalogue is read when first asked."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._asked: dict[tuple[Any, ...], tuple[Support, str]] = {}

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """One row for each model, provider, task type and mode that is sold."""
        return tuple(self._catalog.models_table())

    def offered(self, field: Field, chosen: Chosen) -> Offered:
        """Return what a field offers where these are chosen; nothing chosen counts as everything."""
        chosen = {**chosen, "task_type": ("image2video",)} if field.kind == "images" else chosen
        rows = [row for row in self.rows if _within(row, ("task_type", *field.after), chosen)]
        if field.sample is not None:
            return self._offered_by_asking(field, rows, chosen)
        if not field.column:
            return Offered(notes=tuple(filter(None, [field.note])))
        rows = self._framed(rows) if field.column == "durations" and chosen.get("image_tail") else rows
        values = self._values(field, rows)
        if rows and not values:
            return Offered(closed=self._why_not(field, rows))
        taken = {value: [_taker(field, row) for row in rows if value in _cell(row, field)] for value in values}
        notes = partial_notes(field, taken, _takers(field, rows)) if _is_narrowed(field, chosen) else ()
        return Offered(
            tuple(taken),
            (*notes, *self._for_images(field, chosen), *self._by_path(field, taken)),
            self._left_open(field, rows, chosen),
        )

    def _values(self, field: Field, rows: Sequence[Row]) -> list[Any]:
        """Return the values of a column in the order of the whole catalogue; whole numbers by size."""
        there = {value for row in rows for value in _cell(row, field)}
        order = dict.fromkeys(value for row in (*self.rows, *rows) for value in _cell(row, field))
        found = [value for value in order if value in there]
        return sorted(found) if all(isinstance(value, int) for value in found) else found

    def _why_not(self, field: Field, rows: Iterable[Row]) -> str:
        """Say why nothing of a column can be chosen."""
        knobs = (self._catalog.offer(_request(row), row["provider"]).knobs.get(field.name) for row in rows)
        return next((knob.why for knob in knobs if knob and knob.why), "nothing you chose takes it")

    def _framed(self, rows: Iterable[Row]) -> list[Row]:
        """Return rows with the lengths that are there with a last frame."""
        return [{**row, "durations": self._lengths(row)} for row in rows]

    def _lengths(self, row: Row) -> tuple[int, ...]:
        possible = {*row["durations"], *self._catalog.models[row["model"]].durations[row["task_type"]]}
        return tuple(length for length in sorted(possible) if self._has_length(row, length))

    def _has_length(self, row: Row, length: int) -> bool:
        request = _request(row, duration=length, image_tail=SAMPLE_IMAGE)
        problems = self._catalog.problems(request, row["provider"])
        return not any(problem.field == "duration" and not problem.warning for problem in problems)

    def _for_images(self, field: Field, chosen: Chosen) -> list[str]:
        """Name the models that need an image, where none is given."""
        if field.name != "model" or "image2video" in chosen.get("task_type", ("image2video",)):
            return []
        rows = [row for row in self.rows if _within(row, field.after, chosen)]
        words = {row["model"] for row in rows if row["task_type"] == "text2video"}
        framed = dict.fromkeys(row["model"] for row in rows if row["model"] not in words)
        return [f"with a start image also: {names_in_words([*framed])}"] if framed else []

    def _by_path(self, field: Field, offered: Iterable[Any]) -> list[str]:
        """Name the models of Kling's path API, which are named almost like those of its legacy one."""
        if field.name != "model":
            return []
        names = [*offered]
        path = [name for name in names if self._catalog.models[name].family.startswith("path")]
        return [f"of Kling's newer API: {names_in_words(path)}"] if 1 < len(path) < len(names) else []

    # -- fields about which the catalogue is asked ---------------------------------------------------------------

    def _offered_by_asking(self, field: Field, rows: Sequence[Row], chosen: Chosen) -> Offered:
        answers = [(row, *self._ask(field, field.sample, row)) for row in rows]
        supports = {support for _, support, _ in answers}
        whys = tuple(dict.fromkeys(why for _, support, why in answers if support is not Support.TAKEN and why))
        if not supports & {Support.TAKEN, Support.INERT}:
            closed = "; ".join(whys[:2]) or "nothing you chose takes it"
            return Offered(closed=closed, elsewhere=self._elsewhere(field, chosen) if field.is_rare else "")
        values = self._listed(field, rows)
        taken = {value: [row for row in rows if self._is_taken(field, value, row)] for value in values}
        values = [value for value in values if taken[value] or field.kind == "choices"]
        if Support.TAKEN not in supports:
            return Offered(tuple(values), (f"has no known effect: {whys[0]}",))
        takers = [row for row, support, _ in answers if support is Support.TAKEN]
        taken = taken if field.kind == "choices" else {"": takers}
        notes = self._notes(field, taken, rows) if _is_narrowed(field, chosen) else ()
        left_open = self._left_open(field, rows, chosen)
        return Offered(tuple(values), notes, left_open, whole=any(self._is_whole(field, row) for row in takers))

    def _listed(self, field: Field, rows: Iterable[Row]) -> list[Any]:
        """Return the field's own values, or those that a rule of the chosen models lists, the plainest first."""
        models = dict.fromkeys(row["model"] for row in rows)
        rules = (self._catalog.models[model].rules.get(field.name, {}) for model in models if field.kind == "choices")
        listed = dict.fromkeys(value for rule in rules for value in reversed(rule.get("values", ())))
        return [*(field.values or listed)]

    def _notes(self, field: Field, taken: Mapping[Any, Sequence[Row]], rows: Sequence[Row]) -> tuple[str, ...]:
        """Say who takes which value, and the conditions that no choice before the field settles."""
        only = {row["model"]: self._only(field, row["model"]) for held in taken.values() for row in held}
        only = {model: names for model, names in only.items() if set(names) - {"mode"}}
        met = [row for row in rows if _meets(row, only.get(row["model"], {}))]
        takers = {value: [_taker(field, row) for row in held] for value, held in taken.items()}
        notes = [note for note in partial_notes(field, takers, _takers(field, met)) if not _repeats(note, only)]
        return (*notes, *(condition_note(model, names) for model, names in only.items()))

    def _only(self, field: Field, model: str) -> Mapping[str, Sequence[Any]]:
        only = self._catalog.models[model].rules.get(field.name, {}).get("only", {})
        return {name: values for name, values in only.items() if name != "task_type"}

    def _is_taken(self, field: Field, value: Any, row: Row) -> bool:
        """Tell whether a value does there what it says, as one does that asks for what is done anyway."""
        support, name = self._ask(field, value, row)[0], field.asked(value)
        harmless = field.asks(value)[name] == HARMLESS.get(name, ...)
        return support in (Support.TAKEN, Support.INERT) or (support is Support.DROPPED and harmless)

    def _is_whole(self, field: Field, row: Row) -> bool:
        if field.kind != "camera":
            return False
        knob = self._catalog.offer(_request(row, **field.asks(field.sample)), row["provider"]).knobs["camera_control"]
        return knob.type in WHOLE

    def _ask(self, field: Field, value: Any, row: Row) -> tuple[Support, str]:
        """Ask the catalogue what becomes of a value in a row, and why; each question once."""
        key = (field.name, value, row["provider"], row["model"], row["mode"], row["task_type"])
        if key not in self._asked:
            self._asked[key] = self._answer(field, value, row)
        return self._asked[key]

    def _answer(self, field: Field, value: Any, row: Row) -> tuple[Support, str]:
        asks = field.asks(value)
        request = _request(row, **asks)
        knob = self._catalog.offer(request, row["provider"]).knobs.get(field.asked(value))
        if knob is None:
            return Support.TAKEN, ""
        problems = (p for p in self._catalog.problems(request, row["provider"]) if p.field in asks and not p.warning)
        refusal = next((problem.allowed for problem in problems), "")
        return (Support.REFUSED, refusal) if refusal else (knob.support, knob.why)

    def _elsewhere(self, field: Field, chosen: Chosen) -> str:
        """Name the models that take it at the chosen providers."""
        near = {name: chosen.get(name, ()) for name in ("provider", "task_type")}
        rows = [row for row in self.rows if _within(row, (*near,), near)]
        taking = [row["model"] for row in rows if self._ask(field, field.sample, row)[0] is Support.TAKEN]
        return names_in_words([*dict.fromkeys(taking)])

    def _left_open(self, field: Field, rows: Sequence[Row], chosen: Chosen) -> str:
        """Say what is taken where nothing is chosen, as far as it is documented."""
        if field.name in ("provider", "model") or not chosen.get("model"):
            return ""
        name = "multi_shot" if field.kind == "shots" else field.name
        found: dict[Any, list[Taker]] = {}
        for row in rows:
            found.setdefault(self._default(name, row), []).append(Taker(row["provider"], row["model"], ""))
        everyone = list(dict.fromkeys(taker for takers in found.values() for taker in takers))
        return default_note(field, {value: takers for value, takers in found.items() if value is not None}, everyone)

    def _default(self, name: str, row: Row) -> Any:
        mode = None if name == "mode" else row["mode"]
        knob = self._catalog.offer(_request({**row, "mode": mode}), row["provider"]).knobs.get(name)
        if knob is None or knob.support is not Support.TAKEN:
            return None
        return knob.fill if knob.fill is not None else knob.default


def _request(row: Row, **values: Any) -> VideoRequest:
    """Return a plain request for what a row sells."""
    image = SAMPLE_IMAGE if row["task_type"] == "image2video" else None
    return replace(VideoRequest(prompt="…", model=row["model"], mode=row["mode"], image=image), **values)


def _within(row: Row, names: Iterable[str], chosen: Chosen) -> bool:
    """Tell whether a row is among what is chosen; one without a mode is there in every mode."""
    return all(not chosen.get(name) or row[name] is None or row[name] in chosen[name] for name in names)


def _cell(row: Row, field: Field) -> tuple[Any, ...]:
    held = row[field.column]
    return tuple(held) if isinstance(held, list | tuple) else (held,) if held is not None else ()


def _taker(field: Field, row: Row) -> Taker:
    return Taker(*(str(row[name] or "") if name in field.after else "" for name in Taker._fields))


def _takers(field: Field, rows: Iterable[Row]) -> list[Taker]:
    return [*dict.fromkeys(_taker(field, row) for row in rows)]


def _is_narrowed(field: Field, chosen: Chosen) -> bool:
    """Tell whether enough is chosen for a word on who takes which value."""
    return bool(field.after and chosen.get(field.after[-1] if field.name == "model" else "model"))


def _repeats(note: str, only: Iterable[str]) -> bool:
    """Tell whether a note names nothing but models whose conditions are told anyway."""
    return {*note.removesuffix(" only").split(", ")} <= {*only}


def _meets(row: Row, only: Mapping[str, Sequence[Any]]) -> bool:
    return row["mode"] in only["mode"] if "mode" in only and row["mode"] else True
