"""A call that does not fit says what it takes, and where a word belongs that is another call's."""

from __future__ import annotations

import inspect
import traceback
from dataclasses import fields
from typing import Any

import pytest
from labs import Open, ledger, start, sweep

import kling_nb as kn
from kling_nb.engine.doubt import Doubtful, Uncertain
from kling_nb.engine.seen import SeenRun
from kling_nb.errors import InputError, SweepError
from kling_nb.keywords import MEANT, TAKES
from kling_nb.plan import Settings
from kling_nb.request import FIELDS
from kling_nb.views.clip import ClipView
from kling_nb.views.compare import Comparison
from kling_nb.views.form import SweepForm

CALLS: dict[str, Any] = {
    "kn.Sweep": kn.Sweep,
    "lab.generate": kn.Lab.generate,
    "lab.start": kn.Lab.start,
    "lab.plan": kn.Lab.plan,
    "kn.Lab": kn.Lab,
    "kn.VideoRequest": kn.VideoRequest,
    "kn.Simulation": kn.Simulation,
    "kn.CameraControl": kn.CameraControl,
    "kn.Shot": kn.Shot,
    "lab.compare": kn.Lab.compare,
    "lab.export": kn.Lab.export,
    "lab.spending": kn.Lab.spending,
    "lab.rate": kn.Lab.rate,
    "run.retry": kn.Run.retry,
    "run.wait": kn.Run.wait,
    "sweep.sample": kn.Sweep.sample,
    "kn.models": kn.models,
    "kn.providers": kn.providers,
}
SETTINGS = tuple(field.name for field in fields(Settings))
OPEN = {
    "kn.Sweep": (*FIELDS, "provider"),
    "lab.generate": (*FIELDS, "provider", "sample", *SETTINGS),
    "lab.start": SETTINGS,
    "lab.plan": SETTINGS,
}
"""What stands for the words behind ``**`` in a signature."""

BAD: dict[str, tuple[str, type[Exception], str]] = {
    "another call's word": (
        "lab.plan(fox, budget=5)",
        InputError,
        r"budget= belongs to lab\.generate\(…\) or lab\.start",
    ),
    "a request's word": ("lab.start(fox, mode='pro')", InputError, r"mode= belongs to kn\.Sweep\(…\), lab\.generate"),
    "a sweep's word": ("lab.generate('x', repeats=3)", InputError, r"repeats= belongs to kn\.Sweep\(…\)"),
    "a run's word": ("kn.Sweep(prompt='x', budget=5)", SweepError, r"budget= belongs to lab\.generate"),
    "a setting": ("kn.Sweep(prompt='x', strict=True)", SweepError, r"strict= belongs to lab\.generate"),
    "a lab's word": ("kn.Sweep(prompt='x', simulate=True)", SweepError, r"simulate= belongs to kn\.Lab"),
    "no name for a prompt": (
        "kn.Sweep('a fox')",
        SweepError,
        "takes nothing without a name, got 1 value; write prompt=…",
    ),
    "no name for a prompt with a variable": (
        "kn.Sweep('a {v}', v=['red'])",
        SweepError,
        r"kn\.Sweep\(…\) takes nothing without a name, got 1 value; write prompt=…",
    ),
    "a name for a provider": ("fox.at(provider='fal')", SweepError, "takes its values without a name, got 'provider'"),
    "no name for a form's field": ("lab.form().set('x')", InputError, "takes nothing without a name, got 1 value"),
    "twice": ("lab.start(fox, sweep=fox)", InputError, r"lab\.start\(…\) got multiple values for argument 'sweep'"),
    "no name for a run": (
        "lab.start(fox, 'fox')",
        InputError,
        r"takes only sweep without a name, got 2 values; write name=…",
    ),
    "two runs": ("lab.compare(run, run)", InputError, r"x=…, y=…; several runs go in a list: lab\.compare\(\[one"),
    "a page of two": ("lab.export('page', run, run)", InputError, r"go in a list: lab\.export\(folder, \[one"),
    "no name for a fact": ("kn.Shot('x', 5)", InputError, "write prompt=…, duration=…"),
    "nothing": ("lab.start()", InputError, r"lab\.start\(…\) needs sweep="),
    "no sweep": ("lab.start(prompt='x')", InputError, r"prompt= belongs to kn\.Sweep"),
    "misspelt": ("kn.VideoRequest(moode='pro')", InputError, "did you mean 'mode'"),
    "misspelt, and a word elsewhere": ("kn.Sweep(prompt='x', providers='fal')", SweepError, "'provider'.*kn.Lab"),
    "another tool's word": ("lab.compare(run, columns='mode')", InputError, "did you mean 'x'"),
    "another tool's word for another call": ("lab.start(fox, samples=2)", InputError, r"repeats= belongs to kn\.Sweep"),
    "what is only like it": ("run.retry(failed=True)", InputError, r"'failed': known: expired, stalled, uncertain"),
    "a request with more": ("kn.VideoRequest(prompt='x', repeats=3)", InputError, r"repeats= belongs to kn\.Sweep"),
    "a lab with more": ("kn.Lab('other', budget=5)", InputError, r"budget= belongs to lab\.generate"),
    "a function": ("kn.models('kling')", InputError, r"kn\.models\(…\) takes nothing without a name"),
    "what takes nothing": (
        "run.cancel(True)",
        InputError,
        r"run\.cancel\(…\) takes nothing, got 1 value; nothing was done",
    ),
    "a class method": ("kn.Sweep.load()", SweepError, r"kn\.Sweep\.load\(…\) needs path="),
    "a plan": ("lab.plan(fox).df(5)", InputError, r"plan\.df\(…\) takes nothing"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_call_that_does_not_fit_is_answered(simulated: Open, what: str) -> None:
    """With what it takes and where the word belongs, in one sentence; nothing is spent."""
    lab = simulated()
    fox = sweep("fox")
    run = start(lab, fox).wait()
    code, kind, said = BAD[what]
    with pytest.raises(kind, match=said) as caught:
        eval(code, {"kn": kn, "lab": lab, "run": run, "fox": fox})
    assert "\n" not in str(caught.value)
    assert 1 == len(ledger(lab))


def test_every_word_is_where_the_table_says() -> None:
    """The table of keywords is that of the signatures, both ways."""
    for place, call in CALLS.items():
        held = inspect.signature(call).parameters.values()
        named = [one.name for one in held if one.kind is not one.VAR_KEYWORD and one.name != "self"]
        assert {*named, *OPEN.get(place, ())} == set(TAKES[place]), place
    assert list(CALLS) == list(TAKES)
    known = {word for words in TAKES.values() for word in words}
    assert known >= set(MEANT.values())
    assert not known & set(MEANT)


HELD = (
    *(kn.Lab, kn.Sweep, kn.Run, kn.Plan, kn.VideoRequest, kn.CameraControl, kn.Shot, kn.Simulation),
    *(SeenRun, Uncertain, Doubtful, Comparison, ClipView, SweepForm),
)
"""The classes whose objects a person holds."""


@pytest.mark.parametrize("cls", HELD)
def test_every_public_call_answers(cls: type) -> None:
    """Each public method of what a person holds is one that answers, and shows its own signature and docstring."""
    held = {name: value for name, value in vars(cls).items() if not name.startswith("_")}
    calls = [getattr(cls, name) for name, value in held.items() if inspect.isroutine(value)]
    for call in calls:
        wrapped = inspect.unwrap(call)
        assert wrapped is not call, call
        assert "kwargs" not in inspect.signature(call).parameters, call
        assert (wrapped.__name__, wrapped.__doc__) == (call.__name__, call.__doc__)


def test_signatures_read_as_written() -> None:
    """Help and tab completion show what can be given."""
    assert ["self", "what", "x", "y"] == list(inspect.signature(kn.Lab.compare).parameters)
    assert {"repeats", "design"} < set(inspect.signature(kn.Sweep).parameters)
    assert list(FIELDS) == list(inspect.signature(kn.VideoRequest).parameters)


def test_what_goes_wrong_inside_a_call_stays_as_it_is() -> None:
    """A call that fits and fails is not answered with what it takes."""
    with pytest.raises(TypeError, match="unhashable"):
        kn.VideoRequest(prompt="fox").fingerprint([])  # type: ignore[arg-type]


def test_a_key_in_the_wrong_place_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the sentence nor a traceback that shows local variables has what was passed."""
    for call in (lambda k: kn.Lab("other", k), lambda k: kn.Lab("other", key=k)):
        with pytest.raises(InputError) as caught:
            call({"kling": "very" + "-secret"})
        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        ours = [
            line for frame in shown.stack if "kling_nb" in frame.filename for line in str(frame.locals).splitlines()
        ]
        assert "very-secret" not in "".join([str(caught.value), *ours])


def test_an_unknown_public_name_is_answered_with_the_nearest() -> None:
    """A name of the package that is none says which is meant."""
    with pytest.raises(AttributeError, match="did you mean 'VideoRequest'"):
        kn.Request  # noqa: B018
