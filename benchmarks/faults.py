"""Whether anything is lost, bought twice or ends wrongly, when processes are killed and when everything goes wrong.

    python -m benchmarks.faults                          1,000 kills, and 500 points through each provider
    python -m benchmarks.faults --kills 40 --points 60   the share that the tests run

Everything goes over real sockets, to a simulator that outlives whoever speaks to it; `benchmarks.killing` and
`benchmarks.storm` say what is done. Counted are the charges of the simulator's ledger and those of the logs: lost is a
charge that no log leads to, duplicated one more for the same prompt at the same provider, wrong an end that a point
should not have had, a piece of a clip, or anything that never ended. All three have to be 0.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from .killing import killer
from .reckoning import Reckoning
from .storm import stormed

KILLS = 1000
POINTS = 500
LINES_MOST = 20
Measured = tuple[Counter[str], int, Reckoning]


def kills(place: Path, count: int, seed: int) -> Measured:
    """Kill so many times."""
    with killer(place, seed=seed) as one:
        told = one.run(count)
    return told.kills, told.asked, told.reckoning


def points(place: Path, count: int, seed: int) -> Measured:
    """Send so many points through each provider."""
    told = stormed(place, count, seed)
    return told.struck, told.asked, told.reckoning


def show(what: str, count: int, seed: int, measure: Callable[[Path, int, int], Measured]) -> bool:
    """Measure and print one block; answers whether everything was right."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        injected, asked, sum_ = measure(Path(place), count, seed)
    print(f"\n{what}: {injected.total():,}   seconds: {time.monotonic() - begun:,.0f}")
    print("  " + ", ".join(f"{kind} {number}" for kind, number in sorted(injected.items())))
    print(f"  points {sum_.points:,}, charges in the ledger {sum_.ledger:,}, charges in the log {sum_.log:,}")
    print(f"  lost {sum_.lost}, duplicated {sum_.duplicated}, wrong end states {len(sum_.wrong)}")
    print(f"  decided by a person, from the ledger: {asked}")
    for line in sum_.wrong[:LINES_MOST]:
        print(f"    {line}")
    return sum_.is_right


def main() -> int:
    """Print both blocks; return how many were not right."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults")
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--points", type=int, default=POINTS, help="at each provider")
    parser.add_argument("--seed", type=int, default=7, help="of the moments, and of which point meets what")
    given = parser.parse_args()
    logging.disable()  # a server says of every client that dies, and of every fault that it injects, that it is strange
    blocks = (("kills", given.kills, kills), ("faults injected", given.points, points))
    return sum(not show(what, count, given.seed, measure) for what, count, measure in blocks if count)


if __name__ == "__main__":
    sys.exit(min(1, main()))
