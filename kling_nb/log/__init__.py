"""The experiment log: events, tasks, runs and points, in SQL.

``events`` is append-only. A task's row changes in the transaction that appends the event which changed it. One
writer, on the engine's thread; readers open their own read-only connection and never wait for it.
"""

from .lab_log import LabLog
from .log import ExperimentLog, is_simulated, stored_fact
from .rows import PointRow, RunRow, task_from, task_row
from .schema import FILE
from .writing import BUSY_S, which_file

__all__ = [
    "BUSY_S",
    "FILE",
    "ExperimentLog",
    "LabLog",
    "PointRow",
    "RunRow",
    "is_simulated",
    "stored_fact",
    "task_from",
    "task_row",
    "which_file",
]
