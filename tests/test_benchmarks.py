"""The benchmarks still run: a few points each, and not a word about how fast."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmarks import clips, cpu, imports, makespan, polling
from benchmarks.table import Row, shown


def told(rows: Iterable[Row], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Print rows as a benchmark does, check that each has a ratio, and return the lines."""
    listed = list(rows)
    assert listed
    assert all(row.ratio > 0 for row in listed)
    shown("a title", listed)
    lines = capsys.readouterr().out.splitlines()
    assert len(listed) == len(lines) - 3
    return lines[3:]


def test_the_makespan_of_a_few_points(capsys: pytest.CaptureFixture[str]) -> None:
    """A few points of each case are bought from the embedded simulator, all of them."""
    lines = told(makespan.rows(points=6), capsys)
    assert len(makespan.CASES) == len(lines)


def test_the_polling_of_a_few_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    """Every schedule is compared, the one with a listing through the real watch loop."""
    lines = told(polling.rows(steps=40, tasks=5), capsys)
    assert 3 * len(polling.MEDIANS_S) == len(lines)


@pytest.mark.parametrize(
    ("provider", "library", "tls"),
    [("kling", "httpx", False), ("kling", "httpx2", True), ("fal", "httpx", True), ("fal", "httpx2", False)],
)
def test_the_cpu_time_of_a_few_tasks(
    provider: str, library: str, tls: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The engine buys a few clips from the stand-in, and the bare loop makes its requests: every pair of the three."""
    pytest.importorskip(library)
    case = cpu.Case(provider=provider, library=library, slots=3, tasks=3, speed=200.0, verify=not tls, tls=tls)
    with cpu.standin(str(tmp_path), tls=tls) as place:
        assert tls == place.url.startswith("https://")
        (line,) = told(cpu.measured(case, place, 1), capsys)
    assert "ms a task" in line


def test_the_cases_of_cpu_time() -> None:
    """Both providers, both libraries, few and many in flight."""
    assert 8 == len({case.what for case in cpu.cases()})


def test_the_time_of_an_import() -> None:
    """What is imported can be imported in a fresh interpreter, and takes time."""
    statement, _ = imports.OURS["import kling_nb"]
    assert imports.best([statement], 1)[statement] > 0


def test_the_cost_of_a_clip(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A clip of every kind is drawn."""
    monkeypatch.setattr(clips, "COUNT", 1)
    lines = told(clips.rows(), capsys)
    assert len(clips.KINDS) == len([line for line in lines if "<= 60" in line])
