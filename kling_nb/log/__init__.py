"""The experiment log: events, tasks, runs and points, in SQL.

``events`` is append-only. A task's row changes in the transaction that appends the event which changed it. One
writer, on the engine's thread; readers open their own read-only connection and never wait for it.
"""

from .log import ExperimentLog, is_simulated
from .rows import PointRow, RunRow, task_from, task_row

__all__ = ["ExperimentLog", "PointRow", "RunRow", "is_simulated", "task_from", "task_row"]
