"""The source distribution: what a person unpacks who takes it from an index in the place of a clone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder

ROOT = Path(__file__).parent.parent
PACKED = {Path(one.relative_path).as_posix() for one in SdistBuilder(str(ROOT)).recurse_included_files()}


def test_each_link_of_the_readme_leads_somewhere() -> None:
    """Files and folders that the README names by a relative link are packed."""
    links = re.findall(r"(?:\]\(|src(?:set)?=\")([^)#\s\"]+)", (ROOT / "README.md").read_text("utf-8"))
    local = [link.removesuffix("/") for link in links if not link.startswith(("http://", "https://"))]
    assert local
    assert [
        link for link in local if link not in PACKED and not any(one.startswith(f"{link}/") for one in PACKED)
    ] == []


def test_all_that_is_committed_is_packed() -> None:
    """The tests in it read pages, notebooks, Binder's folder and each other: nothing of the checkout is left out."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: there is no list of committed files")
    kept = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    assert sorted(kept - PACKED - {".gitignore", "pyproject.toml"}) == []
