"""A stranger that speaks the providers' real protocols, so that everything works with no account.

    from kling_nb.simulator import Simulator, running

    simulator = Simulator(None)
    with running(simulator) as base_url:
        ...  # any HTTP client, at base_url + simulator.path("kling"), with simulator.key("kling")
    simulator.close()

It is written from the providers' published contracts and imports nothing else of this package.  Nothing runs in
the background: a task's state is computed from its stored row and the clock whenever somebody asks.
"""

from kling_nb.simulator.faults import DIRECTIVES, Fault
from kling_nb.simulator.native_keys import API_KEY
from kling_nb.simulator.serve import running
from kling_nb.simulator.simulator import Simulator
from kling_nb.simulator.store import Charge

__all__ = ["API_KEY", "DIRECTIVES", "Charge", "Fault", "Simulator", "running"]
