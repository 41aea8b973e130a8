"""Every benchmark, one after another: ``python -m benchmarks``."""

import sys

from . import clips, cpu, imports, makespan, polling

if __name__ == "__main__":
    sys.exit(min(1, sum(benchmark.main() for benchmark in (imports, polling, makespan, cpu, clips))))
