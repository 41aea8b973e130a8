"""Uncertain tasks before a person: what is at stake, and what can be done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from .. import frames
from ..keywords import answering
from ..states import TaskState
from ..task import ZERO, Task
from .engine import Engine
from .told import without_advice

if TYPE_CHECKING:
    import pandas as pd


COLUMNS: Mapping[str, str] = {
    "run": "string",
    "provider": "string",
    "model": "string",
    "prompt": "string",
    "submitted_at": "datetime64[ms, UTC]",
    "at_stake_usd": "Float64",
    "own_id": "string",
    "reason": "string",
}
"""Columns of `Uncertain.df` and their dtypes, in order."""

Driving = Callable[[], Engine]
"""Returns the engine that drives the lab by then; raises `LabBusy` where that is another process."""

Looking = Callable[[Sequence[str]], Sequence[Task]]
"""Returns tasks by their ids as they stand by then."""

Seeking = Callable[[str], bool | None]
"""Tells whether a task is looked up at that moment; `None` where only another process could know."""


Serving = Callable[[str], bool]
"""Tells whether any run has the point of a task by then."""


SOUGHT: Mapping[bool | None, str] = {True: "looked up automatically", False: "waiting for you", None: "in doubt"}


@answering("Doubtful", "uncertain[…]")
class Doubtful:
    """One uncertain task: the answer to its submit was lost, so that it may have been bought.

    Whatever is done about it raises `LabBusy` where another process drives.
    """

    def __init__(
        self, driving: Driving, task: Task, *, is_sought: bool | None = None, serving: Serving = lambda _: True
    ) -> None:
        self._driving = driving
        self._is_sought = is_sought
        self._serving = serving
        self.task = task

    @property
    def at_stake(self) -> Decimal:
        """What it may have cost, in USD: the upper estimate."""
        return self.task.price

    @property
    def sent_id(self) -> str:
        """Its own id where the provider was sent it, and its console may show it; else an empty text."""
        return self.task.id if self.task.id in str(self.task.call) else ""

    @property
    def is_open(self) -> bool:
        """Whether it is in doubt; a task that was found or decided meanwhile is not."""
        return self.task.state is TaskState.UNCERTAIN

    @property
    def is_wanted(self) -> bool:
        """Whether any run has its point: only then ``run.retry()`` buys it again."""
        return self._serving(self.task.id)

    @property
    def stands(self) -> str:
        """Status, in a few words; in doubt, without more, where only another process could know."""
        if self.is_open:
            return SOUGHT[self._is_sought]
        return self.task.cause if self.task.is_mendable else self.task.state.value

    @property
    def why(self) -> str:
        """What is known of it, in words; nothing is said twice of what is done, or can be."""
        return self.task.reason if self._is_sought is None else without_advice(self.task.reason)

    def look_again(self) -> None:
        """Look it up again by our own id, where the provider can; it changes by itself when it is found."""
        self._driving().look_again(self.task.id)

    def accepted_as(self, remote_id: str) -> None:
        """Say that it was accepted under this id, as the provider's console shows; it is followed from there.

        The provider is asked first. Raises `InputError`, changing nothing, where it knows no such task and where the id
        is that of another task in this lab; `KlingError` where it cannot be asked. What was given up, or said never to
        be bought, takes an id too.
        """
        self._driving().accepted_as(self.task.id, remote_id)

    def give_up(self) -> None:
        """Stop asking; it counts as failed, and its price stays counted, since it may have been charged."""
        self._driving().give_up(self.task.id)

    def never_bought(self) -> None:
        """Say that the provider's console shows no such task; it counts as failed and its price is no longer counted.

        ``run.retry()`` buys its point again, if a run has that.
        """
        self._driving().never_bought(self.task.id)

    def buy_again(self) -> None:
        """Give it up and buy its point again, at the risk of paying twice, whether or not its run goes on.

        What a budget or an account holds back, ``run.held`` says. Raises `InputError`, changing nothing, if no run
        has its point any more.
        """
        self._driving().buy_again(self.task.id)

    def __repr__(self) -> str:
        """Say what is at stake."""
        from ..views import uncertain

        return f"<Doubtful {uncertain.line(self)}>"


@answering("Uncertain", "uncertain")
class Uncertain(Sequence[Doubtful]):
    """All uncertain tasks of a lab. Index or iterate to decide one by one.

    Each is a `Doubtful`: ``look_again()``, ``accepted_as(id)``, ``never_bought()``, ``give_up()``, ``buy_again()``.
    """

    def __init__(
        self,
        driving: Driving,
        tasks: Sequence[Task],
        looking: Looking | None = None,
        seeking: Seeking = lambda _: None,
        serving: Serving = lambda _: True,
        *,
        simulated: bool = False,
    ) -> None:
        self._driving = driving
        self._looking = looking
        self._seeking = seeking
        self._serving = serving
        self.simulated = simulated
        self._doubtful = [self._one(task) for task in tasks if task.state is TaskState.UNCERTAIN]

    def _one(self, task: Task) -> Doubtful:
        return Doubtful(self._driving, task, is_sought=self._seeking(task.id), serving=self._serving)

    def accepted_as(self, task: str, remote_id: str) -> None:
        """Say that a task was accepted under an id of the provider's, as `Doubtful.accepted_as` does.

        ``task`` is its id here (column ``task``, and ``own_id`` of the table of these). It may be in doubt no longer: given
        up, said never to be bought, or looked up in vain (cause ``lost``), while the provider's console shows it after all.
        """
        self._driving().accepted_as(task, remote_id)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._doubtful)

    def __getitem__(self, index: int) -> Doubtful:  # type: ignore[override]
        """Return one of them."""
        return self._doubtful[index]

    def __iter__(self) -> Iterator[Doubtful]:
        """Go through them, oldest first."""
        return iter(self._doubtful)

    @property
    def at_stake(self) -> Decimal:
        """The sum that may have been charged, in USD."""
        return sum((one.at_stake for one in self), ZERO)

    @property
    def df(self) -> pd.DataFrame:
        """One row a task: who, what, when, the price at stake, what is known."""
        return frames.table([_row(one) for one in self], COLUMNS)

    def as_they_stand(self) -> list[Doubtful]:
        """Return the same tasks as they stand now: what was found or decided meanwhile is in doubt no longer."""
        if self._looking is None:
            return list(self)
        now = {task.id: task for task in self._looking([one.task.id for one in self])}
        return [self._one(now.get(one.task.id, one.task)) for one in self]

    def __repr__(self) -> str:
        """Say how many, how much, what each is about, and what can be done."""
        from ..views import uncertain

        return uncertain.words(self)

    def _repr_html_(self) -> str:
        from ..views import uncertain

        return uncertain.static_html(self)

    def _ipython_display_(self) -> None:
        from ..views import uncertain

        uncertain.display(self)


def _row(one: Doubtful) -> dict[str, object]:
    task = one.task
    values = (
        task.run,
        task.provider,
        task.model,
        task.request.get("prompt"),
        task.submitted_at,
        float(one.at_stake),
        task.id,
        task.reason,
    )
    return dict(zip(COLUMNS, values, strict=True))
