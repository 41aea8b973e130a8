"""The planner: points to planned points, by the catalogue and the dialects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..catalog import Catalog, load
from ..dialect import Dialect
from ..excerpts import names_of
from ..fields import IMAGE_FIELDS, is_stored
from ..frames import NO_FILES
from ..keys import base_url_variable, key_variable
from ..offer import Estimate, Offer, Problem, Provider
from ..request import VideoRequest, digest, identity, images_in
from ..states import TaskState
from ..sweep import Point
from ..task import Task
from .amounts import Money
from .plan import NO_CEILING, Plan
from .points import OWN_ID, REUSED, PlannedPoint, Settings

PARTS = {"token": "an API key", "access": "an access:secret pair"}
KeyParts = Callable[[Provider], frozenset[str] | None]
IMAGES_SOURCE = "kling.ai document-api image-to-video, read 2026-09-20"


class Planner:
    """Makes plans from the catalogue and the dialects.

    ``bound`` returns a provider with its address, and its dialect; ``key_parts`` returns the parts of its key (`None`:
    no key yet, which is an error only on buying). ``misfits`` says which of Kling's rules an image breaks: warnings,
    since a relay may have other rules. ``amiss`` takes a provider's id and says why its address or key is unusable.
    """

    def __init__(
        self,
        catalog: Catalog,
        bound: Callable[[str], tuple[Provider, Dialect]],
        key_parts: KeyParts,
        *,
        simulated: bool,
        misfits: Callable[[str], Sequence[str]] = lambda _: (),
        amiss: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._catalog = catalog
        self._bound = bound
        self._key_parts = key_parts
        self._simulated = simulated
        self._misfits = misfits
        self._amiss = amiss

    def identities(self, points: Iterable[Point]) -> list[str]:
        """Return the identity of each point; its provider must be settled."""
        return [identity(p.request, p.provider or "", p.sample, simulated=self._simulated) for p in points]

    def plan(
        self,
        points: Sequence[Point],
        known: Mapping[str, Task],
        settings: Settings,
        today: Money = NO_CEILING,
        files: Mapping[str, str] = NO_FILES,
    ) -> Plan:
        """Plan every point, against the tasks known by identity, and beside what the daily ceiling leaves.

        ``files`` are the paths that images were given by, by reference.
        """
        names, key_parts = self.identities(points), _once(self._key_parts)
        named = zip(points, names, strict=True)
        images = {image for point in points for image in images_in(point.request).values() if isinstance(image, str)}
        called = names_of(images, files) if images else {}
        planned = [self._one(point, name, known, settings, key_parts, called) for point, name in named]
        addressed = _unaddressed(planned, strict=settings.strict)
        shared = tuple(_share(addressed) if settings.share else addressed)
        return Plan(shared, simulated=self._simulated, today=today, files=files)

    def _one(
        self,
        point: Point,
        name: str,
        known: Mapping[str, Task],
        settings: Settings,
        key_parts: KeyParts,
        called: Mapping[str, str],
    ) -> PlannedPoint:
        provider, dialect = self._bound(point.provider or "")
        request, reuse = point.request, _reusable(known.get(name), settings)
        problems = [*self._catalog.problems(request, provider.id), *self._no_host(provider), *self._of_images(request)]
        problems += self._of_the_simulator(request, provider)
        planned = PlannedPoint(
            point=point,
            provider=provider.id,
            identity=name,
            request=request,
            problems=tuple(_by_name(problem, called) for problem in problems),
            simulated=self._simulated,
        )
        if planned.refusals:
            return _as_bought(planned, reuse)
        offer = self._catalog.offer(request, provider.id)
        encoded = dialect.encode(request, offer, OWN_ID)
        official = self._catalog.official_price(request, provider.id)
        assume = official.high if isinstance(settings.assume_price, str) else settings.assume_price
        planned = replace(
            planned,
            problems=(*planned.problems, *_out_of_reach(provider, offer, key_parts(provider))),
            call=encoded.call.shown(),
            losses=encoded.losses,
            estimate=_reserved(reuse) or self._catalog.estimate(request, provider.id, assume=assume),
            official=official,
            typical_s=self._catalog.typical_s(request, provider.id),
            reuse=reuse,
        )
        planned = _warned(planned) if planned.refusals and planned.is_served else planned
        return _strict(planned) if settings.strict else planned

    def _no_host(self, provider: Provider) -> list[Problem]:
        if provider.base_url:
            return []
        unknown = f"its host is not known: set {base_url_variable(provider.id)}"
        return [Problem("provider", provider.id, self._amiss(provider.id) or unknown)]

    def _of_the_simulator(self, request: VideoRequest, provider: Provider) -> list[Problem]:
        """Warn of a model of a user's own catalogue: the simulator has the built-in providers' models alone."""
        builtin = load()
        is_played = self._simulated and provider.dialect in {row.dialect for row in builtin.providers.values()}
        if not is_played or request.model in builtin.models or request.model not in self._catalog.models:
            return []
        unknown = "is of a catalogue of your own: the simulator does not know it, and refuses it as an unknown model"
        return [Problem("model", request.model, unknown, warning=True)]

    def _of_images(self, request: VideoRequest) -> Iterator[Problem]:
        for name, image in images_in(request).items():
            for misfit in self._misfits(image) if isinstance(image, str) else ():
                yield Problem(name, image, misfit, IMAGES_SOURCE, warning=True)


def _by_name(problem: Problem, called: Mapping[str, str]) -> Problem:
    """Return a problem of an image with the image's name, since nobody knows it by its hash."""
    is_ours = problem.field in IMAGE_FIELDS and is_stored(problem.value)
    return replace(problem, value=called.get(problem.value, problem.value)) if is_ours else problem


def _unaddressed(planned: Sequence[PlannedPoint], *, strict: bool) -> list[PlannedPoint]:
    """Warn of a provider's own fields where no point goes there: a point leaves out what is for the others.

    ``strict`` refuses them: they were asked for, and nobody gets them.
    """
    going = {point.provider for point in planned}

    def told(point: PlannedPoint) -> PlannedPoint:
        others = {name: dict(own) for name, own in point.request.extra.items() if own and name not in going}
        if not others or point.refusals:
            return point
        lost = (_unsent(name, own, strict=strict) for name, own in others.items())
        return replace(point, problems=(*point.problems, *lost))

    return [told(point) for point in planned]


def _unsent(name: str, own: Mapping[str, Any], *, strict: bool) -> Problem:
    why = f"is not sent: no point of this plan goes to {name}"
    refused = f"strict=True refuses a loss: extra.{name} {why}; leave it out, or let points go there"
    return Problem(f"extra.{name}", own, refused if strict else why, warning=not strict)


def _once(key_parts: KeyParts) -> KeyParts:
    """Look for each provider's key once, whatever it serves: it may lie in a file, or in a keyring that takes its time."""
    found: dict[str, frozenset[str] | None] = {}

    def parts(provider: Provider) -> frozenset[str] | None:
        if provider.id not in found:
            found[provider.id] = key_parts(provider)
        return found[provider.id]

    return parts


def _reusable(earlier: Task | None, settings: Settings) -> Task | None:
    return earlier if earlier and earlier.state in REUSED and not settings.fresh else None


def _as_bought(planned: PlannedPoint, earlier: Task | None) -> PlannedPoint:
    """Let the task bought for a point serve it as it was sent, even if the point would be refused now.

    A newer catalogue may refuse the point, or its provider may have no host now: the bought clip stays in the run.
    """
    if earlier is None or earlier.state is TaskState.PLANNED:
        return planned
    price = Estimate(earlier.estimate_low, earlier.estimate_high, "as planned before")
    return _warned(replace(planned, reuse=earlier, call=_as_planned(earlier.call), estimate=price))


def _as_planned(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a logged call without what was only known when it was sent: two points are the same by their calls."""
    return {name: call[name] for name in ("method", "url", "body") if name in call}


def _warned(planned: PlannedPoint) -> PlannedPoint:
    """Turn refusals into warnings: nothing is sent for a point that a task already serves."""
    return replace(planned, problems=tuple(replace(problem, warning=True) for problem in planned.problems))


def _reserved(reuse: Task | None) -> Estimate | None:
    """Return the planned price of a task that was never sent: sending it would reserve that price."""
    if reuse is None or reuse.state is not TaskState.PLANNED or reuse.estimate_high is None:
        return None
    return Estimate(reuse.estimate_low, reuse.estimate_high, "as planned before")


def _out_of_reach(provider: Provider, offer: Offer, parts: frozenset[str] | None) -> list[Problem]:
    """Refuse an offer whose endpoint does not take the key at hand."""
    if not offer.needs or parts is None or offer.needs in parts:
        return []
    what = f"{provider.id} sells it only for {PARTS.get(offer.needs, offer.needs)}, which the key at hand lacks"
    mend = f"add it to {key_variable(provider.id)}, with a comma between"
    return [Problem("model", offer.model, f"{what}: {mend}", provider.source)]


def _strict(planned: PlannedPoint) -> PlannedPoint:
    refused = [
        Problem(loss.field, loss.asked, f"strict=True refuses a loss: {loss}", loss.source)
        for loss in planned.losses
        if loss.is_loss
    ]
    return replace(planned, problems=(*planned.problems, *refused))


def _share(planned: Sequence[PlannedPoint]) -> list[PlannedPoint]:
    """Let points with the same call and sample number share a task: an earlier task, else the first point's."""
    first: dict[str, int] = {}
    for one in sorted(planned, key=lambda one: one.reuse is None):
        if not one.refusals:
            first.setdefault(_sameness(one), one.point.index)
    return [_shared(one, first) for one in planned]


def _shared(one: PlannedPoint, first: Mapping[str, int]) -> PlannedPoint:
    if one.refusals or one.reuse is not None or first[_sameness(one)] == one.point.index:
        return one
    return replace(one, shares=first[_sameness(one)])


def _sameness(one: PlannedPoint) -> str:
    return digest([one.call, one.point.sample, one.provider])
