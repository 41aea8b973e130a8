"""How a run stands, in words: what the live panel, its static output and the terminal all say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import KlingError
from ..excerpts import excerpt
from ..plan import dollars
from ..stage import stage as stage_of
from ..states import TaskState

if TYPE_CHECKING:
    from ..engine.pace import Span
    from ..engine.snapshot import Again, Snapshot

S = TaskState

ORDER = (
    *(S.SAVED, S.READY, S.RUNNING, S.QUEUED, S.SUBMITTING),
    *(S.STALLED, S.UNCERTAIN, S.EXPIRED, S.FAILED, S.REFUSED, S.CANCELLED, S.PLANNED),
)
"""The states as they stand in a bar: what is done first, what is not begun last."""

MEANINGS: Mapping[str, str] = {
    S.PLANNED: "not sent yet",
    S.SUBMITTING: "on its way to the provider",
    S.QUEUED: "accepted by the provider, waiting there",
    S.RUNNING: "being generated",
    S.READY: "generated, the clip is being fetched",
    S.SAVED: "the clip is in the lab folder",
    S.REFUSED: "never sent: it cannot be what was asked for",
    S.FAILED: "the provider said no, or nothing usable came of it",
    S.CANCELLED: "never sent, or cancelled at the provider",
    S.UNCERTAIN: "the answer was lost, so it may have been bought: lab.uncertain() shows what can be done",
    S.STALLED: "no news for far longer than usual; still checked",
    S.EXPIRED: "generated, but its link is dead",
}
"""What each state means, in a few words."""

DOT = " · "  # between the parts of a tile's label
MINUTES_S = 100.0  # from here on a length is told in minutes
TEXT_LONGEST = 400  # characters of a text of others that a live view carries


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """What is asked before failed points are bought again, and what agrees; ``mark`` tells what it was asked about."""

    question: str
    sure: str
    mark: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A snapshot in words, ready to be shown; everything in it is text, to be escaped by whoever shows it.

    ``parts`` are states and their counts in the order of a bar. ``unsent`` and ``sent`` are what a cancellation
    would end, and what is already paid for. ``causes`` are sentences and how many points they touched; ``retry`` is `None`
    where nothing can be bought again.
    """

    name: str
    simulated: bool
    stage: str
    moving: bool
    parts: tuple[tuple[str, int], ...]
    total: int
    counts: str
    money: str
    left: str
    held: str
    causes: tuple[tuple[str, int], ...]
    unsent: int
    sent: int
    failed: int
    note: str
    pauses: bool
    resumes: bool
    cancels: bool
    retry: Retry | None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values, as `live.js` reads them."""
        return asdict(self)


def standing(snapshot: Snapshot) -> Standing:
    """Say how a run stands."""
    parts = tuple((state.value, snapshot.counts[state]) for state in ORDER if snapshot.counts.get(state))
    unsent = snapshot.counts.get(S.PLANNED, 0)
    sent = sum(count for state, count in parts if S(state).is_sent)
    return Standing(
        name=snapshot.name,
        simulated=snapshot.simulated,
        stage=stage(snapshot),
        moving=snapshot.is_moving,
        parts=parts,
        total=snapshot.total,
        counts=counts_line(snapshot),
        money=money_line(snapshot),
        left=left_words(snapshot),
        held=bounded(snapshot.held or ""),
        causes=tuple((bounded(text), count) for text, count in snapshot.causes if text not in snapshot.holds),
        unsent=unsent,
        sent=sent,
        failed=snapshot.counts.get(S.FAILED, 0),
        note=f"{len(snapshot.tiles)} of {snapshot.total} shown" if len(snapshot.tiles) < snapshot.total else "",
        pauses=snapshot.state == "running" and unsent > 0,
        resumes=snapshot.state == "paused" or (snapshot.state != "cancelled" and unsent > 0 and bool(snapshot.held)),
        cancels=snapshot.state != "cancelled" and unsent + sent > 0,
        retry=None if snapshot.again is None or snapshot.is_moving else _retry(snapshot.again),
    )


def _retry(again: Again) -> Retry:
    """Say what buying again would buy and cost: what was never sent goes on with it."""
    points = f"{again.points} failed point{'s' * (again.points != 1)}"
    return Retry(
        question=f"Buy {points} again for up to {dollars(again.price)}?{_beside(again)}",
        sure=f"Buy again for {dollars(again.sum)}",
        mark=again.mark,
    )


def _beside(again: Again) -> str:
    """Say what is sent besides, and what stays counted, in sentences that follow another."""
    unsent = f" {again.unsent} not sent yet {'is' if again.unsent == 1 else 'are'} then sent too: {dollars(again.sum)} in all."
    counted = f" The {dollars(again.counted)} of what failed stays counted as spent."
    return unsent * bool(again.unsent) + counted * bool(again.counted)


def bought_again(again: Again | None) -> str:
    """Say what is bought again where nobody is asked, as in a command."""
    if again is None:
        return "nothing failed before: nothing to retry"
    return f"{again.points} failed before, bought again for up to {dollars(again.price)}.{_beside(again)}"


def ordered_again(again: Again) -> str:
    """Say what was ordered, once a person agreed to it."""
    return f"{again.points} ordered again, for up to {dollars(again.price)}"


def stage(snapshot: Snapshot) -> str:
    """Say in a word or two where a run stands."""
    word = stage_of(snapshot.state, [state for state, count in snapshot.counts.items() if count])
    return f"{word}, still fetching" if word in ("paused", "cancelled") and snapshot.is_moving else word


def counts_line(snapshot: Snapshot) -> str:
    """Count the points by state, in words."""
    counted = " · ".join(f"{snapshot.counts[state]} {state}" for state in ORDER if snapshot.counts.get(state))
    return f"{counted or 'nothing'} of {snapshot.total}" if counted.count("·") or not counted else f"all {counted}"


def money_line(snapshot: Snapshot) -> str:
    """Say what is spent, what may still be charged, and the ceiling, in USD."""
    parts = [f"{dollars(snapshot.spent)} spent"]
    parts += [f"{dollars(snapshot.reserved)} reserved"] if snapshot.reserved else []
    limit = f" of {dollars(snapshot.budget).removesuffix('.00')}" if snapshot.budget is not None else ""
    return " · ".join(parts) + limit


def left_words(snapshot: Snapshot) -> str:
    """Say how long it will still take, roughly; nothing where that is not known or nothing moves."""
    seconds = snapshot.left_s
    if seconds is None:
        return ""
    if seconds < 8:
        return "a few seconds left"
    if seconds < 95:
        return f"about {max(10, round(seconds / 10) * 10)} s left"
    return f"about {round(seconds / 60)} min left" if seconds < 5400 else f"about {seconds / 3600:.1f} h left"


def cards(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return the tiles as plain JSON values: ``id, label, state, reason`` and whether the clip is ``saved``.

    What is the same in every label is left out of them.
    """
    labels = telling([tile.label for tile in snapshot.tiles])
    return [
        {
            "id": tile.id,
            "label": bounded(label),
            "state": tile.state,
            "reason": bounded(tile.reason),
            "saved": tile.clip is not None,
        }
        for tile, label in zip(snapshot.tiles, labels, strict=True)
    ]


def paces(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Return how far the shown tasks are that a provider is at, as plain JSON values by id.

    ``said`` is short, ``words`` are not, and ``share`` is of the usual time; it is left out of one that takes longer.
    """
    return {tile.id: _pace(tile.span) for tile in snapshot.tiles if tile.span is not None}


def _pace(span: Span) -> dict[str, Any]:
    age, usual, share = _length(span.age_s), _length(span.usual_s), span.age_s / span.usual_s
    words = f"{age} since it was accepted; a clip like this usually takes about {usual}"
    said = f"{age.removesuffix(' s') if usual.endswith(' s') else age} of ~{usual}"
    return {"said": said, "words": words, **({"share": round(share, 2)} if share < 1 else {})}


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < MINUTES_S else f"{seconds / 60:.1f} min".replace(".0 ", " ")


def telling(labels: Sequence[str]) -> list[str]:
    """Leave out of labels the parts that are the same in all; one label, or labels all the same, stay whole."""
    split = [label.split(DOT) for label in labels]
    if len({len(parts) for parts in split}) != 1:
        return list(labels)
    kept = [index for index, column in enumerate(zip(*split, strict=True)) if len(set(column)) > 1]
    return [DOT.join(parts[index] for index in kept) or label for parts, label in zip(split, labels, strict=True)]


def bounded(text: str) -> str:
    """Return a text of others, a long one by its beginning: a view that is sent anew at each change stays small."""
    return excerpt(text, TEXT_LONGEST)


def in_one_sentence(error: Exception) -> str:
    """Return an error as a person should read it: ours by its sentence, any other by its name and text."""
    return str(error) if isinstance(error, KlingError) else f"{type(error).__name__}: {error}"
