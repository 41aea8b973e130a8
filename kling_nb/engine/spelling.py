"""Stored tasks as paid calls, and how long they should take: worked out once for tasks that differ in words alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from ..catalog import Catalog, refusal
from ..dialect import Call, Dialect
from ..errors import KlingError
from ..offer import Offer
from ..request import VideoRequest
from ..task import Task

T = TypeVar("T")
Like = tuple[str, str]
"""A provider, and a request as far as an offer depends on it."""

WORDS = frozenset({"prompt", "negative_prompt", "image", "image_tail"})
"""Fields of which an offer only needs to know whether they are there."""


class Spelling:
    """Spells tasks by the catalogue and by the dialect of their provider."""

    def __init__(self, catalog: Catalog, dialect: Callable[[str], Dialect]) -> None:
        self._catalog = catalog
        self._dialect = dialect
        self._offers: dict[Like, Offer] = {}
        self._typical: dict[Like, float] = {}
        self._before: list[Catalog] = []  # earlier ones that have providers which a later one lacks, the latest first

    def renew(self, catalog: Catalog) -> None:
        """Go by another catalogue from now on."""
        if catalog is not self._catalog:
            earlier = (self._catalog, *self._before)
            self._before = [known for known in earlier if known.providers.keys() - catalog.providers.keys()]
            self._catalog = catalog
            self._offers.clear()
            self._typical.clear()

    def call(self, task: Task) -> Call:
        """Return a task's paid call, unsigned; raises `RefusedError` for one that the catalogue refuses.

        It may have been planned long ago, by an older catalogue or another.
        """
        request = VideoRequest.from_fields(task.request)
        offer = _once(self._offers, _like(task), lambda: self._offer(request, task.provider))
        return self._dialect(task.provider).encode(request, offer, task.id).call

    def _offer(self, request: VideoRequest, provider: str) -> Offer:
        problems = self._catalog.problems(request, provider)
        refused = [problem for problem in problems if not problem.warning and problem.field not in WORDS]
        if refused:
            raise refusal(refused)
        return self._catalog.offer(request, provider)

    def typical_s(self, task: Task) -> float:
        """Return how long the catalogue thinks that such a task takes, in seconds.

        What is under way may be of a provider that only an earlier catalogue has: it is followed by what that one said.
        """

        def ask() -> float:
            request = VideoRequest.from_fields(task.request)
            for catalog in (self._catalog, *self._before):
                with suppress(KlingError):
                    return catalog.typical_s(request, task.provider)
            return self._catalog.typical_s(request, task.provider)  # raises why

        return _once(self._typical, _like(task), ask)


def _like(task: Task) -> Like:
    plain = {name: bool(value) if name in WORDS else value for name, value in task.request.items()}
    return task.provider, repr(plain)


def _once(known: dict[Like, T], like: Like, work: Callable[[], T]) -> T:
    if like not in known:
        known[like] = work()
    return known[like]


def kind(provider: str, model: str, request: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what tasks that take about as long have in common."""
    facets = (request.get(name) for name in ("mode", "duration", "sound"))
    return (provider, model, *(str(facet) for facet in facets), str("image" in request))
