"""The state machine: where a task may go, what it costs on the way, and the picture of it in the docs."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kling_nb.states import FINAL, FOLLOWED, RESTING, SENT, UNPROVEN, EventKind, TaskState
from kling_nb.task import MOVES, Clip, Event, Task, clip_data, clip_from

STATES_PAGE = Path(__file__).parent.parent / "docs" / "states.md"
CLIP = {
    "path": "clips/a.mp4",
    "sha256": "0" * 64,
    "bytes": 9,
    "width": 4,
    "height": 3,
    "fps": 24.0,
    "seconds": 5.0,
    "sound": False,
}
HIGH = Decimal("0.70")
CAUSES = [*sorted(UNPROVEN), "policy"]

amounts = st.decimals(min_value=-5, max_value=5, places=2) | st.sampled_from(
    [Decimal("Infinity"), Decimal("-Infinity")]
)
costs = st.none() | st.builds(
    lambda amount, usd: {"amount": str(amount), "unit": "units", "usd": None if usd is None else str(usd)},
    amounts,
    st.none() | amounts,
)
words = st.text(max_size=8)
PAYLOADS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "adopted": st.fixed_dictionaries({"run": words}),
    "intent": st.fixed_dictionaries({"call": st.fixed_dictionaries({"url": words})}),
    "accepted": st.fixed_dictionaries({"id": words}),
    "status": st.fixed_dictionaries({"state": st.sampled_from(["queued", "running", "odd"]), "reason": words}),
    "ready": st.fixed_dictionaries({"asset": st.just({"url": "https://cdn/a.mp4"}), "cost": costs}),
    "renewed": st.fixed_dictionaries({"asset": st.just({"url": "https://cdn/b.mp4"}), "cost": costs}),
    "saved": st.just({"clip": CLIP}),
    "failed": st.fixed_dictionaries(
        {"reason": words, "cause": st.sampled_from(CAUSES), "charged": st.none() | st.booleans(), "cost": costs}
    ),
    "charged": st.fixed_dictionaries({"cost": costs}),
    "noted": st.fixed_dictionaries({"rating": st.floats(0, 5)}),
}
kinds = st.sampled_from(sorted(MOVES))
events = kinds.flatmap(
    lambda kind: st.builds(
        lambda at, data: Event("t", kind, at, data), st.floats(0, 1e9), PAYLOADS.get(kind, st.just({"reason": "so"}))
    )
)


def planned(**changes: Any) -> Task:
    """Return a task as it is when it was just planned."""
    return replace(Task(id="t", identity="i", provider="kling", model="kling-v2-6", estimate_high=HIGH), **changes)


class Lives(RuleBasedStateMachine):
    """One task, to which anything happens in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.task = planned()

    @rule(event=events)
    def happen(self, event: Event) -> None:
        """Whatever happens, final states stay, and nothing is changed in place."""
        before, copy = self.task, replace(self.task)
        after = before.apply(event)
        assert copy == before
        assert after == before.apply(event)
        if before.state.is_final and not (before.is_mendable and event.kind == "accepted") and event.kind != "gone":
            assert after.state is before.state
        if after.state is not before.state:
            assert event.at == after.changed_at
        self.task = after

    @rule(kind=words.filter(lambda kind: kind not in MOVES), at=st.floats(0, 1e9))
    def happen_unknown(self, kind: str, at: float) -> None:
        """A kind of event that this version does not know changes nothing."""
        assert self.task.apply(Event("t", kind, at, {"reason": "odd"})) is self.task

    @invariant()
    def money_is_never_negative(self) -> None:
        """Neither what was spent nor what is reserved can fall below zero, and nothing counts twice."""
        assert min(self.task.spent, self.task.reserved) >= 0
        assert 0 in (self.task.spent, self.task.reserved)

    @invariant()
    def what_may_be_charged_is_counted(self) -> None:
        """From the intent on the whole price is counted, until it is known that nothing is charged."""
        task = self.task
        counted = task.spent + task.reserved
        if task.state in SENT or task.state is TaskState.SAVED:
            assert task.price == counted
        elif task.state is TaskState.FAILED or (task.state is TaskState.CANCELLED and task.ticket is not None):
            assert (0 if task.charged is False else task.price) == counted
        else:
            assert 0 == counted

    @invariant()
    def the_upper_estimate_holds_until_a_charge_is_known(self) -> None:
        """Without a usable charge of the provider's own the price is the upper estimate."""
        if self.task.cost is None or self.task.cost.usd is None:
            assert HIGH == self.task.price

    @invariant()
    def a_saved_task_has_its_clip(self) -> None:
        """A saved task names its file, and a followed one the provider's ticket."""
        assert self.task.state is not TaskState.SAVED or self.task.clip is not None
        assert self.task.state not in FOLLOWED or self.task.ticket is not None


Lives.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestLives = Lives.TestCase


SAMPLES: list[tuple[str, dict[str, Any]]] = [
    *((kind, {"reason": "so"}) for kind in MOVES if kind not in PAYLOADS),
    ("adopted", {"run": "b"}),
    ("intent", {}),
    ("accepted", {"id": "1"}),
    ("status", {"state": "queued"}),
    ("status", {"state": "running"}),
    ("ready", {"asset": {"url": "u"}}),
    ("renewed", {"asset": {"url": "v"}}),
    ("saved", {"clip": CLIP}),
    *(("failed", {"charged": False, "cause": cause}) for cause in CAUSES),
    ("charged", {"cost": {"amount": "1", "unit": "USD", "usd": "1"}}),
    ("noted", {"note": "fine"}),
]


def reached() -> tuple[set[TaskState], set[tuple[str, str, str]], set[tuple[TaskState, str]]]:
    """Return the states that can be reached from `planned`, the steps between them, and every move that applies."""
    seen, steps, moves = {(TaskState.PLANNED, False)}, set(), set()
    open_ = [planned()]
    while open_:
        task = open_.pop()
        for kind, data in SAMPLES:
            after = task.apply(Event("t", kind, 1.0, data))
            if task.state in MOVES[kind].sources:
                moves.add((task.state, kind))
            if after.state is not task.state:
                steps.add((task.state.value, after.state.value, kind))
            if (after.state, after.is_mendable) not in seen:
                seen.add((after.state, after.is_mendable))
                open_.append(after)
    return {state for state, _ in seen}, steps, moves


def test_every_state_and_every_move_can_be_reached() -> None:
    """Each state and each documented move is on some way from `planned`."""
    states, _, moves = reached()
    assert set(TaskState) == states
    assert {(source, kind) for kind, move in MOVES.items() for source in move.sources} == moves


def test_final_states_are_left_by_two_events_alone() -> None:
    """No event leads out of a final state, but for a failure that an id proves wrong, and a clip whose file is gone."""
    _, steps, _ = reached()
    left = {("failed", "queued", "accepted"), ("saved", "ready", "gone")}
    assert left == {step for step in steps if TaskState(step[0]) in FINAL}


@pytest.mark.parametrize("cause", CAUSES)
def test_only_what_the_provider_never_said_can_be_proved_wrong(cause: str) -> None:
    """Given up, never bought or lost, a task is accepted after all, as if it had never failed; a provider's no stays."""
    failed = planned(state=TaskState.UNCERTAIN).apply(Event("t", "failed", 1.0, {"cause": cause, "charged": False}))
    after = failed.apply(Event("t", "accepted", 2.0, {"id": "1"}))
    if cause not in UNPROVEN:
        assert after is failed
    else:
        assert (TaskState.QUEUED, "", None, None) == (after.state, after.cause, after.charged, after.done_at)
        assert (HIGH, 0) == (after.reserved, after.spent)


def test_a_status_never_takes_a_running_task_back() -> None:
    """A provider that says "queued" again of a running task tells no news."""
    running = planned(state=TaskState.RUNNING, changed_at=1.0)
    later = running.apply(Event("t", "status", 2.0, {"state": "queued"}))
    assert (TaskState.RUNNING, 1.0) == (later.state, later.changed_at)


def test_failing_is_free_only_where_that_is_known() -> None:
    """A failed task stays counted unless it is known that it was not charged."""
    sent = planned(state=TaskState.RUNNING)
    for charged, spent in ((None, HIGH), (True, HIGH), (False, 0)):
        assert spent == sent.apply(Event("t", "failed", 1.0, {"charged": charged})).spent


def test_the_providers_own_charge_replaces_the_estimate() -> None:
    """Once the provider names its charge in USD, that is what counts; nonsense is no charge."""
    saved = planned(state=TaskState.SAVED)
    for usd, price in (("0.35", Decimal("0.35")), ("0", Decimal(0)), ("-1", HIGH), ("NaN", HIGH), (None, HIGH)):
        cost = {"amount": "1", "unit": "units", "usd": usd}
        assert price == saved.apply(Event("t", "charged", 1.0, {"cost": cost})).spent


def test_an_unwanted_task_stays_reserved() -> None:
    """A task that was sent and is no longer wanted may still be charged, so that it stays reserved."""
    assert HIGH == planned(state=TaskState.QUEUED).apply(Event("t", "unwanted", 1.0)).reserved


def test_a_clip_of_another_version_is_read() -> None:
    """An earlier version kept fewer facts of a clip, a later one may keep more: what is known is read."""
    clip = Clip(path="a.mp4", sha256="ab", bytes=9, width=4, height=3, fps=24.0, seconds=5.0, sound=False)
    kept = {name: value for name, value in clip_data(clip).items() if name != "flags"}
    assert clip == clip_from({**kept, "mood": "gloomy"}) == clip_from(clip_data(clip))


def test_sets_of_states_agree() -> None:
    """Final states rest; what is followed was sent; nothing that was sent is at its end."""
    assert FINAL < RESTING
    assert FOLLOWED < SENT
    assert not SENT & FINAL
    assert set(TaskState) - SENT - FINAL == {TaskState.PLANNED}


@given(events)
def test_records_hold_no_mutable_maps(event: Event) -> None:
    """What an event brings is kept in maps that nobody can change afterwards."""
    task = planned(state=TaskState.READY).apply(event)
    for value in (task.request, task.call, task.asset, task.ticket.data if task.ticket else None):
        assert value is None or isinstance(value, MappingProxyType)


def test_the_page_of_states_is_the_state_machine() -> None:
    """`docs/states.md` draws every step that `Task.apply` makes, and no other, and names every event."""
    page = STATES_PAGE.read_text("utf-8")
    drawn = set()
    for source, target, kinds_ in re.findall(r"^ *(\w+) --> (\w+): ([\w, ]+)$", page, re.MULTILINE):
        drawn |= {(source, target, kind.strip()) for kind in kinds_.split(",")}
    _, steps, _ = reached()
    assert steps == drawn
    assert [*EventKind] == ["planned", *MOVES]
    assert set(EventKind) == set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))


@pytest.mark.parametrize("state", list(TaskState))
def test_the_page_of_states_explains_every_state(state: TaskState) -> None:
    """`docs/states.md` says of every state what it means."""
    assert f"| **{state}** |" in STATES_PAGE.read_text("utf-8")


def test_a_task_is_shown_in_one_line() -> None:
    """What it is of, how it stands and why; a provider's words cannot rewrite a terminal."""
    task = Task(id="kn-1", identity="i", provider="kling", model="m", state=TaskState.FAILED, reason="no\x1b[2J\n")
    assert r"<Task kn-1 kling · m: failed, 'no\x1b[2J\n'>" == repr(task)
