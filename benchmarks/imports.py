"""What `import kling_nb` costs, beside what every notebook pays anyway.

    python -m benchmarks.imports

Each import runs in a fresh interpreter, which tells its own time from before the import to after it; both sides have
their byte code. The best of several is taken, in turns, since other work only ever slows an interpreter down. Opening
a lab loads the rest; that is told beside it, with no target.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .table import Row, shown

ROOT = Path(__file__).parents[1]
CODE = "import time; begun = time.perf_counter(); {statement}; print(time.perf_counter() - begun)"
NOTEBOOK = "import pandas, ipywidgets"
OURS = {
    "import kling_nb": ("import kling_nb", 0.3),
    "import kling_nb, and its lab": ("import kling_nb; kling_nb.Lab", None),
}


def seconds(statement: str, cache: Path) -> float:
    """Return how long a statement takes in a fresh interpreter, in seconds; its byte code is kept under ``cache``."""
    quiet = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env = {**quiet, "PYTHONPYCACHEPREFIX": str(cache), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CODE.format(statement=statement)]
    return float(subprocess.run(command, env=env, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def best(statements: list[str], times: int) -> dict[str, float]:
    """Return the best of several times of each statement, taken in turns after one that writes the byte code."""
    with tempfile.TemporaryDirectory() as cache:
        rounds = [{one: seconds(one, Path(cache)) for one in statements} for _ in range(times + 1)]
    return {one: min(taken[one] for taken in rounds[1:]) for one in statements}


def rows(times: int = 9) -> Iterator[Row]:
    """Measure every import so many times."""
    taken = best([NOTEBOOK, *(statement for statement, _ in OURS.values())], times)
    for what, (statement, target) in OURS.items():
        behind = f"{taken[statement] * 1000:.1f} ms over {taken[NOTEBOOK] * 1000:.0f} ms of {NOTEBOOK!r}"
        yield Row(what, taken[statement] / taken[NOTEBOOK], target, behind)


def main() -> int:
    """Print the table; return how many targets were missed."""
    return shown("imports: time in a fresh interpreter", rows())


if __name__ == "__main__":
    sys.exit(min(1, main()))
