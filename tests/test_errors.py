"""Errors that are kept and raised again for whoever is told later."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kling_nb.errors import KlingError, ProviderError, RefusedError, anew
from kling_nb.offer import Problem


class Coded(KlingError):
    """An error of another package, made of something else than its words."""

    def __init__(self, code: int, amount: Decimal = Decimal(1)) -> None:
        super().__init__(f"code {code}")
        self.amount = amount


class Keyed(KlingError):
    """One that has to be told more than its words."""

    def __init__(self, words: str, *, code: int) -> None:
        super().__init__(words)
        self.code = code


@pytest.mark.parametrize("error", [Coded(7), Keyed("no", code=7), KlingError(), KeyError("a"), OSError(2, "gone", "f")])
def test_what_is_raised_anew_says_the_same(error: Exception) -> None:
    """Whatever an error is made of, whoever is told of it later hears its own words, and not those of a failed copy."""
    fresh = anew(error)
    assert (type(error), str(error), vars(error)) == (type(fresh), str(fresh), vars(fresh))


def test_what_is_ours_is_copied_with_all_that_it_carries() -> None:
    """A refusal keeps its problems, an answer whose fault it is; each is raised as one of its own."""
    for error in (RefusedError("no", [Problem("mode", "pro", "not there")]), ProviderError("no", whose="key", tries=3)):
        error.__cause__ = ValueError("why")
        fresh = anew(error)
        assert fresh is not error
        assert (str(error), vars(error), error.__cause__) == (str(fresh), vars(fresh), fresh.__cause__)
