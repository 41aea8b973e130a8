"""Tasks as paid calls: what is worked out once for tasks that differ in words alone is each one's own all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kling_nb import catalog
from kling_nb.dialects import load
from kling_nb.engine.spelling import Spelling
from kling_nb.errors import RefusedError
from kling_nb.task import Task

PLAIN: dict[str, Any] = {"prompt": "a red fox", "model": "kling-v2-6", "mode": "pro", "duration": 5}
REQUESTS: list[dict[str, Any]] = [
    PLAIN,
    {**PLAIN, "prompt": "a paper boat"},
    {**PLAIN, "mode": "std"},
    {**PLAIN, "duration": 10, "sound": "on"},
    {**PLAIN, "negative_prompt": "rain"},
    {**PLAIN, "negative_prompt": ""},
    {**PLAIN, "image": "https://example.org/a.png"},
    {**PLAIN, "image": "https://example.org/b.png", "image_tail": "https://example.org/c.png"},
    {**PLAIN, "extra": {"kling": {"seed": 7}, "fal": {"seed": 8}}},
    {**PLAIN, "model": "kling-v1-6", "camera_control": {"type": "simple", "zoom": 3}},
]


def spelling() -> Spelling:
    """Return a spelling that knows nothing yet."""
    rows = catalog.load()

    def dialect(name: str) -> Any:
        row = replace(rows.provider(name), base_url=f"https://{name}.example")
        return load(row.dialect)(row)

    return Spelling(rows, dialect)


def told(one: Spelling, task: Task) -> Any:
    """Return a task's call, or why there is none."""
    try:
        return one.call(task).shown()
    except RefusedError as error:
        return str(error)


@pytest.mark.parametrize("provider", ["kling", "fal"])
def test_each_task_is_spelled_as_if_it_were_the_only_one(provider: str) -> None:
    """One after another, forwards and again, every task gets the call and the length that a fresh spelling gives."""
    shared = spelling()
    for request in [*REQUESTS, *REQUESTS]:
        task = Task(id="own", identity="", provider=provider, model=request["model"], request=request)
        assert told(spelling(), task) == told(shared, task)
        assert spelling().typical_s(task) == shared.typical_s(task)
