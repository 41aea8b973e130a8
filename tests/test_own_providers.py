"""Providers of one's own: a row in a file is a relay that can be planned, simulated, priced and bought from."""

from __future__ import annotations

from pathlib import Path

import pytest
from labs import Open, start, sweep

import kling_nb as kn
from kling_nb.errors import InputError

ROWS = """
[provider.my-fal]
title = "My relay of fal"
dialect = "falqueue"
base_url = "https://relay.example/fal"
key = "raw"

[provider.my-kling]
title = "Kling for keys from China"
dialect = "kling"
base_url = "https://api-beijing.klingai.com"
key = "token"

[provider.nobody]
dialect = "smoke-signals"
options = { menu = "fal" }

[price.my-fal.per_clip]
kling-v2-5-turbo = "0.11"

[price.my-kling.per_clip]
kling-v2-5-turbo = "0.12"
"""


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Write a file of rows."""
    path = tmp_path / "mine.toml"
    path.write_text(ROWS)
    return path


def test_a_relay_of_ones_own_is_simulated_by_its_kind(simulated: Open, rows: Path) -> None:
    """A row is enough: whoever sells the same menu in the same dialect plays it, at the row's own price."""
    lab = simulated(providers=rows)
    what = sweep("a fox", provider=["my-fal", "my-kling"], mode="pro")
    assert "https://" not in str([point.call for point in lab.plan(what).points])
    run = start(lab, what).wait()
    assert [("my-fal", "saved", 0.11), ("my-kling", "saved", 0.12)] == list(
        run.df[["provider", "state", "estimate_usd"]].itertuples(index=False, name=None)
    )


def test_a_dialect_that_nobody_plays_is_told(simulated: Open, rows: Path) -> None:
    """A row whose dialect has no player cannot be simulated, and the error says what would help."""
    lab = simulated(providers=rows)
    with pytest.raises(InputError, match=r"'smoke-signals'.*kling.*kling_nb\.simulators"):
        lab.plan(sweep("a fox", provider="nobody"))
    assert lab.log.tasks().empty


def test_a_row_changes_nothing_elsewhere(simulated: Open) -> None:
    """A lab without the file does not know its rows."""
    with pytest.raises(kn.InputError, match="no provider 'my-fal'"):
        simulated().plan(sweep("a fox", provider="my-fal"))
