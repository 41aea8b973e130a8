"""One thread with one event loop, and the clock that rules every wait on it."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import math
import os
import selectors
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar, TypeVarTuple

import anyio
from anyio.from_thread import start_blocking_portal

from ..errors import LabError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

BEAT_S = 0.05  # a commit syncs the disk: twenty a second are enough for any number of tasks

ASLEEP_S = 2.0  # so much later than it asked for, a process did not run; a busy machine is seldom as late


class Clock:
    """Real time, run faster by ``speed``. `now` is Unix seconds; every wait of the engine goes through `sleep`.

    What is measured, such as an age or a silence, is measured by `steady`: the machine's clock may be set at any
    moment, by a person or from the net, and a laptop that wakes has lost no patience.

    HTTP timeouts and token lifetimes are not the engine's waits: they stay real.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._start = time.time()
        self._began = time.monotonic()
        self._beaten = 0.0

    def now(self) -> float:
        """Return the engine's time, in Unix seconds: what the log is stamped with."""
        return self._start + (time.time() - self._start) * self.speed

    def steady(self) -> float:
        """Return seconds that only ever pass, counted from any moment; they may stand still while a machine sleeps."""
        return (time.monotonic() - self._began) * self.speed

    def passing(self) -> float:
        """Return `steady` seconds as a person sees them pass."""
        return self.steady()

    def steadied(self, at: float) -> float:
        """Return in `steady` seconds when something was that is stamped with `now`; at the latest it is now."""
        return min(self.steady(), at - (self.now() - self.steady()))

    def real_s(self, seconds: float) -> float:
        """Return how long a person waits while so many of the engine's seconds pass."""
        return seconds / self.speed

    def token_now(self) -> float:
        """Return the time that credentials are signed with, in Unix seconds."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait for so many of the engine's seconds."""
        await anyio.sleep(max(0.0, seconds) / self.speed)

    async def sleep_or(self, seconds: float, woken: anyio.Event) -> None:
        """Wait for so many seconds, or until the event is set."""
        with anyio.move_on_after(max(0.0, seconds) / self.speed):
            await woken.wait()

    async def beat(self) -> None:
        """Let others join what is done next: at once after a pause, else `BEAT_S` of real time after the last beat."""
        await anyio.sleep(max(0.0, self._beaten + BEAT_S - time.monotonic()))
        self._beaten = time.monotonic()

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run blocking work beside the loop."""
        return await anyio.to_thread.run_sync(work)

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop that this clock runs on: what a process sleeps through counts for none of its timers."""
        return _WakingLoop()


class VirtualClock(Clock):
    """The loop's own time, which jumps to the next timer when nothing is ready.

    With ``speed`` infinite it never waits; else it paces itself. Work on other threads holds it, one piece at a
    time, so that a run is the same every time.
    """

    def __init__(self, start: float, speed: float = math.inf) -> None:
        super().__init__(1.0)
        self.pace = speed
        self.time = 0.0
        self._epoch = start
        self.held = 0
        self.pausing: tuple[float, float] | None = None  # since which real moment, and for how many virtual seconds
        self._one = anyio.CapacityLimiter(1)

    def now(self) -> float:
        """Return virtual Unix seconds, to the millisecond."""
        return round(self._epoch + self.time, 3)

    def steady(self) -> float:
        """Return virtual time: nobody sets it."""
        return self.now()

    def passing(self) -> float:
        """Return virtual time, which stands still between two timers, as if it went on from one to the other."""
        steady, pausing = self.steady(), self.pausing
        if pausing is None:
            return steady
        since, seconds = pausing
        return steady + min(seconds, (time.monotonic() - since) * self.pace)

    def real_s(self, seconds: float) -> float:
        """Return how long a person waits; what the machine itself needs comes on top."""
        return seconds / self.pace

    def token_now(self) -> float:
        """Return virtual time: the embedded simulator reads the same clock."""
        return self.now()

    async def beat(self) -> None:
        """Let the rest of this turn of the loop join: time stands still."""
        await anyio.lowlevel.checkpoint()

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run blocking work beside the loop while time stands still."""
        async with self._one:
            with self._hold():
                return await anyio.to_thread.run_sync(work)

    @contextlib.contextmanager
    def _hold(self) -> Iterator[None]:
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Return a loop whose time is this clock's."""
        return _VirtualLoop(self)


class _WakingLoop(asyncio.SelectorEventLoop):
    """A loop whose time leaves out what its process slept through: an answer that came meanwhile is read, not given up."""

    def __init__(self) -> None:
        waking = _WakingSelector()
        super().__init__(waking)
        self.time = waking.time  # type: ignore[method-assign] # asked for at every step of every request


class _WakingSelector(selectors.DefaultSelector):
    """Notices that its process was stopped (Ctrl+Z, a paused container, a laptop's lid) when far more time has passed.

    Of what has passed since the last look only `ASLEEP_S` counts then: a timer comes late rather than early, and comes
    even where every look is late, as while another thread keeps the interpreter to itself or the disk is slow. What is
    ready is asked again by then: a wait that was interrupted says that nothing is.
    """

    def __init__(self) -> None:
        super().__init__()
        self._slept_s = self._asked_s = 0.0
        self._looked = time.monotonic()

    def time(self) -> float:
        """Return `time.monotonic` without what was slept through; it never goes back."""
        if (now := time.monotonic()) < self._looked + ASLEEP_S:
            self._looked = now
        else:
            self._look()
        return self._looked - self._slept_s

    def select(self, timeout: float | None = None) -> Any:
        self._look()
        self._asked_s = math.inf if timeout is None else timeout
        ready = super().select(timeout)
        woken, self._asked_s = self._look(), 0.0
        return ready if not woken or ready else super().select(0)

    def _look(self) -> bool:
        """Leave out what was slept through since the last look; answers whether anything was."""
        before, self._looked = self._looked, time.monotonic()
        passed = self._looked - before
        if passed < self._asked_s + ASLEEP_S:
            return False
        self._slept_s += passed - ASLEEP_S
        return True


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        super().__init__(_JumpingSelector(clock))

    def time(self) -> float:
        return self._clock.time


class _JumpingSelector(selectors.DefaultSelector):
    """Asks what is ready; when nothing is, moves the clock to the loop's next timer instead of waiting for it."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or self._clock.held:
            return super().select(None)
        return self._jump(timeout)

    def _jump(self, timeout: float) -> Any:
        pace, begun = self._clock.pace, time.monotonic()
        ready = [] if math.isinf(pace) else self._paused(begun, timeout)
        passed = (time.monotonic() - begun) * pace if ready else timeout
        # At least one step of the float: a timer a rounding error away would be waited for without end.
        reached = self._clock.time + min(timeout, passed)
        self._clock.time = max(reached, math.nextafter(self._clock.time, math.inf))
        return ready

    def _paused(self, begun: float, timeout: float) -> Any:
        self._clock.pausing = begun, timeout
        try:
            return super().select(timeout / self._clock.pace)
        finally:
            self._clock.pausing = None


class Loop:
    """The engine's thread. Its methods may be called from any other thread.

    The thread is a daemon and is closed at the interpreter's exit: leaving it detaches, it never cancels. A fork of
    the process has no such thread: there every call raises `LabError`, and closing does nothing.
    """

    def __init__(self, clock: Clock) -> None:
        self._process = os.getpid()
        self._stack = contextlib.ExitStack()
        options = {"loop_factory": clock.new_loop}
        portal = start_blocking_portal(backend="asyncio", backend_options=options, name="kling_nb engine")
        self._portal = self._stack.enter_context(portal)
        self._own = self._portal.call(asyncio.get_running_loop)
        self._works: list[asyncio.Task[Any]] = []
        atexit.register(self.close)

    def call(self, work: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Run a coroutine function on the engine's thread and return its result."""
        if self._is_elsewhere:
            message = (
                f"this process is a fork of process {self._process}, which opened this lab and drives it: here the lab "
                "can only be read; start, pause and cancel there"
            )
            raise LabError(message)
        return self._portal.call(work, *args)

    @property
    def _is_elsewhere(self) -> bool:
        return os.getpid() != self._process

    def start(self, work: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        """Start a coroutine function on the engine's thread; its failure is its own affair.

        It runs beside the portal and not in it: each step of every request goes through all scopes that it is in.
        """
        self._portal.call(self._begin, work, *args)

    def _begin(self, work: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        self._works.append(asyncio.create_task(work(*args)))

    async def _end(self) -> None:
        for work in self._works:
            work.cancel()
        await asyncio.gather(*self._works, return_exceptions=True)

    def soon(self, work: Callable[[], object]) -> None:
        """Have a function called on the engine's thread, from any thread, that one too; none once it has ended."""
        with contextlib.suppress(RuntimeError):
            self._own.call_soon_threadsafe(work)

    def close(self) -> None:
        """Stop the thread; what was under way is left as the log says."""
        atexit.unregister(self.close)
        if self._is_elsewhere:
            return
        # Left to itself the portal waits for what runs on it: the interpreter would never exit.
        with contextlib.suppress(RuntimeError):
            self._portal.call(self._end)
            self._portal.call(self._portal.stop, True)  # noqa: FBT003 - anyio's own signature
        self._stack.close()
