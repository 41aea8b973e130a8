"""The guide is true: its code runs from top to bottom, and what it says comes out comes out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

GUIDE = Path(__file__).parent.parent / "docs" / "guide.md"


def statements(page: str) -> Iterator[tuple[str, str]]:
    """Yield each statement of the page's code, with what its last line promises after an arrow."""
    for block in re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        lines = block.splitlines()
        for node in ast.parse(block).body:
            promise = lines[(node.end_lineno or node.lineno) - 1].partition("# → ")[2]
            yield ast.unparse(node), promise


def test_the_guide_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it, in one folder and one namespace, as somebody would who pastes it cell by cell."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KLING_NB_SPEED", "inf")
    names: dict[str, object] = {}
    kept = 0
    for code, promise in statements(GUIDE.read_text("utf-8")):
        if promise:
            kept += 1
            assert promise in repr(eval(code, names)), code
        else:
            exec(code, names)
    assert kept >= 10


def test_a_promise_that_is_not_kept_is_seen() -> None:
    """What follows the arrow is what is compared."""
    ((code, promise),) = statements("```python\n1 + 1  # → 3\n```\n")
    assert (code, promise) == ("1 + 1", "3")
