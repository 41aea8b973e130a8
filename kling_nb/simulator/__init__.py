"""A simulator that speaks the providers' real protocols, so that everything works with no account.

    from kling_nb.simulator import Simulator, running

    simulator = Simulator(None)
    with running(simulator) as base_url:
        ...  # any HTTP client, at base_url + simulator.path("kling"), with simulator.key("kling")
    simulator.close()

It is written from the providers' published contracts and imports nothing else of this package.  Nothing runs in
the background: a task's state is computed from its stored row and the clock whenever somebody asks.

A package adds a provider by a function ``provider(world: World) -> Provider`` in the entry-point group
``kling_nb.simulators``, under the provider's id.  Its routes read a submit, make an :class:`Order` of it and hand that
to :meth:`World.accept`; the world draws the latency, keeps the :class:`Task`, charges the ledger and serves the clip
at :func:`cdn_of` followed by the task's ``asset``.  :meth:`World.strike` says whether a scripted fault is due:
one of :data:`WIRE` goes to :func:`under`, one of :data:`SUBMIT` becomes a refusal or the order's :class:`Failure`.
``docs/adding-a-provider.md`` goes through one.
"""

from kling_nb.simulator.cdn import cdn_of
from kling_nb.simulator.clips import Scene
from kling_nb.simulator.faults import DIRECTIVES, SUBMIT, WIRE, Event, Fault, stall_s
from kling_nb.simulator.native_keys import API_KEY
from kling_nb.simulator.serve import running
from kling_nb.simulator.simulator import Simulator
from kling_nb.simulator.store import Charge, Task
from kling_nb.simulator.wire import under
from kling_nb.simulator.world import Failure, Order, Provider, World

__all__ = [
    "API_KEY",
    "DIRECTIVES",
    "SUBMIT",
    "WIRE",
    "Charge",
    "Event",
    "Failure",
    "Fault",
    "Order",
    "Provider",
    "Scene",
    "Simulator",
    "Task",
    "World",
    "cdn_of",
    "running",
    "stall_s",
    "under",
]
