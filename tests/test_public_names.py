"""What is promised is what is listed."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import kling_nb

NAMES = [
    "Lab",
    "Simulation",
    "Sweep",
    "VideoRequest",
    "CameraControl",
    "Shot",
    "Plan",
    "Run",
    "TaskState",
    "models",
    "providers",
    "run_sync",
    "KlingError",
    "InputError",
    "SweepError",
    "RefusedError",
    "KeyMissing",
    "PriceUnknown",
    "OverBudget",
    "LabError",
    "LabBusy",
    "LabMode",
    "LabUnwritable",
    "LogTooNew",
    "ProviderError",
    "WireError",
    "NotSent",
    "Doubt",
    "MediaError",
    "LinkExpired",
]


def test_the_public_names_are_exactly_these() -> None:
    """A name that is added or taken away is a decision, made here too."""
    assert NAMES == kling_nb.__all__


def test_completion_shows_the_public_names() -> None:
    """What a person is shown behind ``kn.`` is what is promised, whatever of it was used before."""
    assert kling_nb.Lab
    assert sorted(NAMES) == dir(kling_nb)


def test_the_version_is_that_of_the_package() -> None:
    """``kn.__version__`` is what pip installed, as ``kling-nb --version`` says."""
    assert version("kling_nb") == kling_nb.__version__


def test_every_public_name_can_be_had_and_has_a_docstring() -> None:
    """What is listed exists and says what it is."""
    assert [name for name in NAMES if not getattr(kling_nb, name).__doc__] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Lazy names do not swallow misspelt ones."""
    assert not hasattr(kling_nb, "Labb")


def test_importing_loads_no_heavy_library() -> None:
    """``import kling_nb`` costs next to nothing: pandas, widgets, video and SQL are loaded when they are used."""
    heavy = ("pandas", "ipywidgets", "av", "sqlalchemy", "httpx", "anyio", "numpy", "importlib.metadata")
    code = f"import sys, kling_nb; print([name for name in {heavy!r} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.strip() == "[]"
