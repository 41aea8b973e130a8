"""A plan as HTML: the points, the loss report, and the exact calls. Everything foreign is text, never markup."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from ..excerpts import excerpt, in_words

if TYPE_CHECKING:
    from .asked import Column
    from .points import PlannedPoint

ROWS_SHOWN = 60
VALUE_LONGEST = 60
OPENS = '<summary style="padding-block:4px;cursor:pointer">The exact calls</summary>'
"""What opens the calls: 24 px high, so that it can be hit."""
CELL = "text-align:left;text-align:start;vertical-align:top"
"""Left, for where JupyterLab takes `start` away: in a notebook that is not trusted."""
WHOLE = frozenset({"provider", "model", "mode", "duration", "aspect_ratio", "camera_control", "what", "price", "field"})
"""The columns of short words, which are not broken at their hyphens: a table wider than its place scrolls."""
ROOMY = frozenset({"prompt", "negative_prompt", "multi_prompt", "extra", "notes", "change", "why", "source"})
"""The columns of sentences, which get room for a few words a line where they hold more than `LONG_WORDS` characters."""
LONG_WORDS = 24
FOREIGN = ROOMY | {"image", "image_tail", "asked", "arrives"}
"""The columns with words of others, each of which runs by its own letters: an Arabic prompt to the left."""
REPORT = "What happens to what you asked for"
ORDER = ("refused", "dropped", "coerced", "inert", "warned", "filled", "defaulted")
"""The changes in the order in which a person wants to hear of them: what is lost first, what was settled last."""
MEANS = {
    "refused": "the provider would not take it: not sent",
    "dropped": "left out",
    "coerced": "arrives as a different value",
    "inert": "sent, but has no known effect",
    "warned": "sent, but worth knowing",
    "filled": "was left open; filled in",
    "defaulted": "was left open; the provider's default",
}
# A pair of dollar signs would be set as mathematics by a notebook: these classes forbid it.
IGNORED = "knb-plan tex2jax_ignore mathjax_ignore"


def plan_html(summary: str, points: Sequence[PlannedPoint], asked: Mapping[str, Column]) -> str:
    """Return a plan: its sum, its points, what each provider makes of them, and the exact calls, folded.

    ``asked`` are further fields that tell the points apart, each with a column.
    """
    calls = "".join(_call(point, headed=True) for point in points[:ROWS_SHOWN] if point.call)
    exact = f"<details>{OPENS}{calls}</details>" if calls else ""
    head = f"<p><b>{escape(summary)}</b></p>"
    return f'<div class="{IGNORED}">{head}{_points(points, asked)}{_report(points)}{exact}</div>'


def point_html(point: PlannedPoint) -> str:
    """Return one point: the exact call, and every difference between what was asked and what arrives."""
    rows = [_change_cells(row) for row in _sorted(point.changes())]
    head = f"<p><b>{escape(badge(point) + title(point))}</b></p>"
    return f'<div class="{IGNORED}">{head}{_call(point, headed=False)}{_table(REPORT, rows)}</div>'


def badge(point: PlannedPoint) -> str:
    """Say that nothing is bought where that is so, of a point that is shown without its plan."""
    return "SIMULATED " if point.simulated else ""


def title(point: PlannedPoint) -> str:
    """Say a point in one line: where it goes, what would become of it, and for how much."""
    request = point.request
    where = " · ".join(filter(None, [point.provider, request.model, request.mode]))
    price = "" if point.refusals else f", {point.price}"
    return f"{point.point.index}: {where}: {point.fate}{price}"


def _points(points: Sequence[PlannedPoint], asked: Mapping[str, Column]) -> str:
    left = len(points) - ROWS_SHOWN
    more = f"<p>and {left} more points: <code>plan.df()</code> has them all</p>" if left > 0 else ""
    repeats = any(planned.point.sample > 1 for planned in points)
    told = [{name: asked[name][n] for name in asked} for n, _ in enumerate(points[:ROWS_SHOWN])]
    rows = [_cells(point, own, repeats=repeats) for point, own in zip(points, told, strict=False)]
    return _table("Points", rows, numbered=True) + more


def _cells(planned: PlannedPoint, asked: Mapping[str, Any], *, repeats: bool) -> dict[str, str]:
    """Return what a plan's table shows of a point; where some are repeated which sample it is."""
    given = planned.request.given()
    named = {name: given.get(name) for name in ("mode", "duration", "aspect_ratio", "prompt")}
    named |= {"duration": f"{given['duration']} s"} if "duration" in given else {}
    cells = {
        "provider": planned.provider,
        "model": planned.request.model,
        **named,
        **{name: None if value is None else in_words(value) for name, value in asked.items()},
        "sample": planned.point.sample if repeats else None,
        "what": planned.fate,
        "price": "" if planned.refusals else planned.price,
        "notes": "; ".join(planned.notes),
    }
    return {name: "" if value is None else str(value) for name, value in cells.items()}


def _report(points: Sequence[PlannedPoint]) -> str:
    """Return the loss report: each difference once for its provider, with the points that it touches."""
    touched: dict[tuple[Any, ...], list[int]] = {}
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in (row for point in points for row in point.changes()):
        key = tuple(repr(value) for name, value in row.items() if name != "point")
        rows.setdefault(key, row)
        touched.setdefault(key, []).append(row["point"])
    listed = [_change_cells(row) | {"points": _named(touched[key], len(points))} for key, row in _keyed(rows)]
    shown = [{"provider": row["provider"], **row} for row in listed[:ROWS_SHOWN]]
    left = len(listed) - len(shown)
    more = f"<p>and {left} more: <code>plan.losses()</code> has them all</p>" if left > 0 else ""
    return f"<p><b>{REPORT}</b></p>{_table(REPORT, shown)}{more}" if shown else ""


def _keyed(rows: dict[tuple[Any, ...], dict[str, Any]]) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    return sorted(rows.items(), key=lambda item: (ORDER.index(item[1]["change"]), item[1]["provider"]))


def _sorted(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: ORDER.index(row["change"]))


def _named(points: Sequence[int], of: int) -> str:
    return "all" if len(points) == of else ", ".join(map(str, points)) if len(points) <= 6 else f"{len(points)} of {of}"


def _change_cells(row: dict[str, Any]) -> dict[str, str]:
    asked, sent = _words(row["asked"]), _words(row["sent"])
    return {
        "provider": row["provider"],
        "field": row["field"],
        "change": f"{row['change']}: {MEANS[row['change']]}",
        "asked": asked,
        "arrives": sent,
        "why": row["why"],
        "source": row["source"],
    }


def _words(value: Any) -> str:
    words = "" if value is None else str(value)
    return excerpt(words, VALUE_LONGEST)


def _call(point: PlannedPoint, *, headed: bool) -> str:
    """Return the very request that would be sent: method, address and body, without the credential."""
    if not point.call:
        return ""
    body = json.dumps(point.call.get("body"), ensure_ascii=False, indent=1)
    line = f"{point.call['method']} {point.call['url']}"
    head = f"<p>{escape(title(point))}</p>" if headed else ""
    return f'{head}<pre dir="ltr">{escape(line)}\n{escape(body)}</pre>'


def _table(spoken: str, rows: Sequence[dict[str, str]], *, numbered: bool = False) -> str:
    """Return rows as a table that scrolls, without columns in which nothing stands; ``spoken`` is its name for who hears it."""
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if any(row.get(name) for row in rows)]
    first = "<td></td>" if numbered else ""
    head = first + "".join(f'<th scope="col" style="{CELL}">{escape(name)}</th>' for name in names)
    cells = ({name: row.get(name, "") for name in names} for row in rows)
    body = "".join(_row(n if numbered else None, each) for n, each in enumerate(cells))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    scroller = f'<div role="group" tabindex="0" aria-label="{spoken}" style="overflow-x:auto">'
    return f"{scroller}{table}</div>" if rows else ""


def _row(number: int | None, cells: Mapping[str, str]) -> str:
    head = "" if number is None else f'<th scope="row" style="{CELL}">{number}</th>'
    return f"<tr>{head}{''.join(_cell(name, words) for name, words in cells.items())}</tr>"


def _cell(name: str, words: str) -> str:
    whole = ";white-space:nowrap" * (name in WHOLE)
    roomy = ";min-width:14em" * (name in ROOMY and len(words) > LONG_WORDS)
    own = ' dir="auto"' * (name in FOREIGN)
    return f'<td{own} style="{CELL}{whole}{roomy}">{escape(words)}</td>'
