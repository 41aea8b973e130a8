"""Fixtures for the tests of views."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.views.clips import LabFolder, make_lab


@pytest.fixture
def lab_folder(tmp_path: Path) -> LabFolder:
    """Make a lab folder with two clips of two seconds, ``a`` and ``b``."""
    return make_lab(tmp_path / "lab", a=2, b=2)
