"""The Binder demo: what repo2docker would build from this checkout."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REQUIREMENTS = (ROOT / "binder" / "requirements.txt").read_text("utf-8").splitlines()


@pytest.fixture(scope="module")
def dockerfile() -> str:
    """Return the Dockerfile that repo2docker makes; it needs no Docker for that."""
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--no-run", "--debug", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("line", ['pip install --no-cache-dir -r "binder/requirements.txt"', "./binder/postBuild"])
def test_the_image_installs_what_the_binder_folder_says(dockerfile: str, line: str) -> None:
    """The requirements and the post-build step are picked up."""
    assert line in dockerfile


def test_the_python_is_one_that_the_package_runs_on(dockerfile: str) -> None:
    """Without ``runtime.txt`` the default would be too old."""
    assert "python=3.11" in dockerfile


def test_every_requirement_is_pinned() -> None:
    """A demo of today opens next year: all versions are fixed, and the package is this checkout's."""
    wanted = [line for line in REQUIREMENTS if line and not line.startswith(("#", "-e"))]
    assert wanted
    assert [line for line in wanted if not re.fullmatch(r"[\w.\[\]-]+==[\w.]+( ; .+)?", line)] == []
    assert "-e ." in REQUIREMENTS
