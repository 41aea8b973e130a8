"""Everything goes wrong at once at every provider: each point ends as it has to, with a reason, and is charged once."""

from __future__ import annotations

import pytest

from benchmarks.storm import SCENARIOS, End, Stormed, places, stormed
from kling_nb.simulator.faults import ACTIONS, LOOKUP, ROUTE, SAME, SHAPE

POINTS = 60


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Stormed:
    """Send the points through every provider."""
    return stormed(tmp_path_factory.mktemp("storm"), POINTS)


def test_every_point_ends_as_it_has_to(storm: Stormed) -> None:
    """Whatever a point met, it ends in the right state with a reason for a person; in doubt it is answered, and saved."""
    assert [] == storm.reckoning.wrong
    assert POINTS * len(places()) == storm.reckoning.points
    assert storm.asked > len(places())


def test_ledger_and_log_agree_in_a_storm(storm: Stormed) -> None:
    """Nothing that was charged is lost, nothing is bought twice, and both sides count the same charges."""
    sum_ = storm.reckoning
    assert (0, 0) == (sum_.lost, sum_.duplicated)
    assert sum_.ledger == sum_.log > 0


def test_every_kind_of_fault_was_injected(storm: Stormed) -> None:
    """The storm has all that a provider may do wrong; what only one of them does has tests of its own."""
    of_one = ROUTE | SAME | SHAPE | LOOKUP - {"backwards", "missing"} | {"restated"}
    assert ACTIONS - of_one == storm.struck.keys()


def test_every_scenario_comes_up_at_every_provider() -> None:
    """There are as many points as scenarios, or more, and every end is that of one."""
    assert len(SCENARIOS) <= POINTS
    assert set(End) == {scenario.end for scenario in SCENARIOS}
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
