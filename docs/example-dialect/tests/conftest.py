"""Put kling_nb's own tests in reach, and Postcard among what they run over.

``KLING_NB_TESTS`` names the folder ``tests`` of a clone of kling_nb.
"""

import os
import sys
from pathlib import Path

import kling_nb_postcard
import pytest

from kling_nb import catalog

sys.path.insert(0, str(Path(os.environ["KLING_NB_TESTS"]) / "dialects"))

import driving

# The catalogue first, then who copies it: the contract draws its requests from what Postcard sells.
driving.CATALOG = catalog.load(providers_file=kling_nb_postcard.CATALOG)

import test_contract

test_contract.KEYS["postcard"] = "postcard-key-0000"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the other dialects: the contract is run over each that is installed."""
    names = {item: getattr(item, "callspec", None) for item in items}
    items[:] = [
        item for item, spec in names.items() if spec is None or spec.params.get("name", "postcard") == "postcard"
    ]
