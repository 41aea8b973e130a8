"""What a place does not find by our own id was never bought only where the place keeps our own ids."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from labs import ScaledClock, ledger, start, sweep, until, until_later
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import kling_nb as kn
import kling_nb.simulator
from kling_nb.engine.search import LOOKS_MOST
from kling_nb.engine.witness import LOOKS_S
from kling_nb.keys import base_url_variable, key_variable
from kling_nb.simulator import API_KEY, Fault, Simulator, running
from kling_nb.task import Task

MODELS = {
    "legacy": {"model": "kling-v2-5-turbo", "mode": "std"},
    "path": {"model": "kling-3.0-turbo", "mode": None},
}
OWN_ID = re.compile(r"kn-[0-9a-f]{24}")
LOST, NEVER_SENT = Fault(action="lost", prompt="boat"), Fault(action="reset", prompt="boat")
REFUSED = Fault(action="http", prompt="boat", status=400, body='{"code": 1201, "message": "mode value is invalid"}')
DAY_S = 86_400
BETWEEN_LOOKS = 20  # the speed at which a run is started between the last two looks of another: two real seconds for it
PAGE = HTMLResponse("<!doctype html><title>Please sign in</title>")
ABSENT = JSONResponse({"code": 1203, "message": "Task not found"}, 404)
BUSY = JSONResponse({"code": 5000, "message": "Internal error"}, 500)


def _created(task_id: str) -> Response:
    return JSONResponse({"code": 0, "message": "SUCCEED", "data": {"task_id": task_id, "task_status": "succeed"}})


@dataclass
class Relay:
    """Speaks Kling's protocol before the simulator, which is made anew for each session.

    ``answers`` is what a look for the task of a prompt is answered with, in turn; then it is passed on.
    """

    drops: bool = False
    faults: tuple[Fault, ...] = ()
    answers: dict[str, list[Response]] = field(default_factory=dict)
    looks: list[str] = field(default_factory=list)  # prompts, as often as a task of theirs was looked for
    prompts: dict[str, str] = field(default_factory=dict)  # by our own id

    def simulator(self, *arguments: Any, **options: Any) -> Simulator:
        """Make the simulator, behind this."""
        simulator = Simulator(*arguments, faults=self.faults, **options)
        simulator.app = self._before(simulator.app)
        return simulator

    def _before(self, app: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            asked = OWN_ID.search(f"{scope.get('path')}?{scope.get('query_string', b'').decode()}")
            if asked and scope["method"] == "GET":
                await (self._look(asked[0]) or app)(scope, receive, send)
            elif scope["type"] == "http" and scope["method"] == "POST":
                body = self._submitted(json.loads((await receive())["body"]))
                headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
                length = (b"content-length", str(len(body)).encode())
                await app({**scope, "headers": [*headers, length]}, _saying(body, receive), send)
            else:
                await app(scope, receive, send)

        return serve

    def _look(self, own_id: str) -> Response | None:
        prompt = self.prompts[own_id]
        self.looks.append(prompt)
        return self.answers[prompt].pop(0) if self.answers.get(prompt) else None

    def _submitted(self, body: dict[str, Any]) -> bytes:
        holder = body if "external_task_id" in body else body["options"]
        self.prompts[holder["external_task_id"]] = body["prompt"]
        if self.drops:
            del holder["external_task_id"]
        return json.dumps(body).encode()


def _saying(body: bytes, receive: Receive) -> Receive:
    """Say a body, and then what else comes."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def say() -> Message:
        return messages.pop() if messages else await receive()

    return say


Place = Callable[..., kn.Lab]


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Open a simulated lab whose Kling is a relay; opened again, it is the same folder."""
    labs: list[kn.Lab] = []

    def opened(relay: Relay, speed: float = math.inf) -> kn.Lab:
        monkeypatch.setattr(kling_nb.simulator, "Simulator", relay.simulator)
        labs.append(kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=speed)))
        return labs[-1]

    yield opened
    for lab in labs:
        lab.close()


def ended(lab: kn.Lab, *prompts: str, **axes: Any) -> list[Task]:
    """Run prompts to their end."""
    return list(start(lab, sweep(*prompts, **axes), name=prompts[0]).wait(30).tasks)


@pytest.mark.parametrize("kind", MODELS)
def test_a_place_that_drops_our_ids_proves_nothing(at: Place, kind: str) -> None:
    """Where a task that was accepted is not found either, one in doubt is left to a person, and not bought again."""
    lab = at(Relay(drops=True, faults=(LOST,)))
    (fox,) = ended(lab, "fox", **MODELS[kind])
    (boat,) = ended(lab, "boat", **MODELS[kind])
    assert (["saved", "uncertain"], 2) == ([fox.state, boat.state], len(ledger(lab)))
    assert fox.ticket is not None
    assert boat.reason.startswith("it may have been bought: kling at http")
    assert "does not keep our own ids, or lists its tasks late, so not finding it proves" in boat.reason
    assert f"asked for our own {fox.id}, which it had accepted as {fox.ticket.id}, it found none" in boat.reason
    assert boat.reason.endswith("look for it in the console there; lab.uncertain() shows what can be done")
    assert "waiting for you" == lab.uncertain()[0].stands


@pytest.mark.parametrize("kind", MODELS)
def test_a_place_that_keeps_our_ids_proves_it(at: Place, kind: str) -> None:
    """Where a task that was accepted is found, one that is absent is bought by a new attempt."""
    relay = Relay(faults=(NEVER_SENT,))
    lab = at(relay)
    ended(lab, "fox", **MODELS[kind])
    (boat,) = ended(lab, "boat", **MODELS[kind])
    assert ("saved", 2, 2) == (boat.state, boat.attempt, len(ledger(lab)))
    assert ["boat"] * 4 + ["fox"] == relay.looks


def test_it_says_whether_it_is_being_looked_up(at: Place) -> None:
    """What waits for a person is looked up once more when the lab is opened again, and says so as long as it lasts."""
    relay = Relay(drops=True, faults=(LOST,))
    with at(relay) as lab:
        ended(lab, "fox")
        ended(lab, "boat")
        assert "waiting for you" == lab.uncertain()[0].stands

    for _ in range(5):  # at once, however far the engine is
        with at(relay, speed=1) as lab:
            (doubtful,) = lab.uncertain()
            assert "looked up automatically" == doubtful.stands
    assert doubtful.why.endswith("look for it in the console there")


@pytest.mark.parametrize("drops", [True, False])
def test_a_place_is_asked_once(at: Place, drops: bool) -> None:
    """What a place said of its witness holds for whatever is absent there at once, and later what speaks against it."""
    faults = [Fault(action=LOST.action if drops else NEVER_SENT.action, prompt=f"boat {n}") for n in range(3)]
    relay = Relay(drops=drops, faults=tuple(faults))
    lab = at(relay)
    ended(lab, "fox")
    found = [*ended(lab, "boat 0", "boat 1"), *ended(lab, "boat 2")]
    assert ["uncertain" if drops else "saved"] * 3 == [task.state for task in found]
    assert (4, 1) == (len(ledger(lab)), relay.looks.count("fox"))
    for doubtful in lab.uncertain():
        doubtful.look_again()
    lab.run("boat 0").wait(30)
    assert (drops * 3, 4, 1 + drops) == (len(lab.uncertain()), len(ledger(lab)), relay.looks.count("fox"))


def test_a_person_has_the_witness_asked_afresh(at: Place) -> None:
    """What was once said against a place is no longer believed where a person has a task looked for again."""
    relay = Relay(faults=(NEVER_SENT,), answers={"fox": [ABSENT]})
    lab = at(relay)
    ended(lab, "fox")
    assert ["uncertain"] == [task.state for task in ended(lab, "boat")]
    lab.uncertain()[0].look_again()
    (boat,) = lab.run("boat").wait(30).tasks
    assert ("saved", 2, 2) == (boat.state, boat.attempt, relay.looks.count("fox"))


def test_what_is_found_speaks_for_a_place(at: Place) -> None:
    """A place that missed a witness once, and then found a task by our own id, has its witness asked afresh."""
    faults = (NEVER_SENT, Fault(action="lost", prompt="owl"), Fault(action="reset", prompt="elk"))
    relay = Relay(faults=faults, answers={"fox": [ABSENT]})
    lab = at(relay)
    ended(lab, "fox")
    assert ["uncertain"] == [task.state for task in ended(lab, "boat")]
    assert [("saved", 1)] == [(task.state, task.attempt) for task in ended(lab, "owl")]
    assert [("saved", 2)] == [(task.state, task.attempt) for task in ended(lab, "elk")]
    assert (3, 1) == (len(ledger(lab)), len(lab.uncertain()))


def test_what_is_found_late_does_not_speak_for_a_place(at: Place) -> None:
    """A task that was absent for as long as one is looked for, and is found later, shows that the place lists late."""
    faults = (NEVER_SENT, Fault(action="lost", prompt="owl"), Fault(action="reset", prompt="elk"))
    relay = Relay(faults=faults, answers={"fox": [ABSENT], "owl": [ABSENT] * len(LOOKS_S)})
    lab = at(relay)
    ended(lab, "fox")
    assert ["uncertain"] * 2 == [task.state for task in [*ended(lab, "boat"), *ended(lab, "owl")]]
    lab.uncertain()[1].look_again()
    assert ["saved"] == [task.state for task in lab.run("owl").wait(30).tasks]
    assert ["uncertain"] == [task.state for task in ended(lab, "elk")]
    assert (2, 1) == (len(ledger(lab)), relay.looks.count("fox"))


def test_a_place_that_falls_behind_is_not_believed_for_what_it_said_before(at: Place) -> None:
    """What kept our own ids and does not find what it has any more proves nothing: it is not bought twice."""
    relay = Relay(faults=(NEVER_SENT, Fault(action="lost", prompt="elk")))
    lab = at(relay)
    ended(lab, "fox")
    assert [("saved", 2)] == [(task.state, task.attempt) for task in ended(lab, "boat")]
    relay.answers = {"boat": [ABSENT], "elk": [ABSENT] * len(LOOKS_S)}
    (elk,) = ended(lab, "elk")
    assert ("uncertain", 3) == (elk.state, len(ledger(lab)))


def test_a_session_before_has_witnesses(at: Place) -> None:
    """A task that only the log knows is a witness, and a lab that was opened again asks anew."""
    relay = Relay(drops=True, faults=(LOST, Fault(action="lost", prompt="owl")))
    with at(relay) as lab:
        ended(lab, "fox")
    for prompt in ("boat", "owl"):
        with at(relay) as lab:
            assert ["uncertain"] == [task.state for task in ended(lab, prompt)]
    assert (3, 2) == (len(ledger(lab)), relay.looks.count("fox"))


def test_another_id_is_no_witness_found(at: Place) -> None:
    """A place that gives another task for our own id does not keep it."""
    lab = at(Relay(faults=(NEVER_SENT,), answers={"fox": [_created("999")]}))
    ended(lab, "fox")
    (boat,) = ended(lab, "boat")
    assert ("uncertain", 1) == (boat.state, len(ledger(lab)))
    assert "does not keep our own ids, so not finding it proves nothing" in boat.reason
    assert "it found 999; look for it" in boat.reason


@pytest.mark.parametrize("fault", [LOST, REFUSED], ids=["lost", "refused"])
def test_another_tasks_id_is_not_taken_for_our_own(at: Place, fault: Fault) -> None:
    """A place that gives what this lab has already for an own id does not have it served twice."""
    relay = Relay(faults=(fault,))
    lab = at(relay)
    (fox,) = ended(lab, "fox")
    assert fox.ticket is not None
    relay.answers = {"boat": [_created(fox.ticket.id)] * 9}
    (boat,) = ended(lab, "boat")
    assert ("uncertain" if fault is LOST else "failed", None) == (boat.state, boat.ticket)
    if fault is LOST:
        assert f"asked for our own {boat.id}, kling found {fox.ticket.id}, which is {fox.id} of this lab" in boat.reason
        assert "waiting for you" == lab.uncertain()[0].stands


@pytest.mark.parametrize("answer", [PAGE, BUSY], ids=["page", "500"])
def test_a_witness_that_cannot_be_looked_for_proves_nothing(at: Place, answer: Response) -> None:
    """Where every look for it brings a page or an error, the task stays in doubt, as if it was not answered itself."""
    lab = at(Relay(drops=True, faults=(LOST,), answers={"fox": [answer] * 99}))
    ended(lab, "fox")
    (boat,) = ended(lab, "boat")
    assert ("uncertain", 2) == (boat.state, len(ledger(lab)))
    assert boat.reason.endswith("looking it up by our own id settled nothing; lab.uncertain() shows what can be done")


@pytest.mark.parametrize("answer", [PAGE, BUSY], ids=["page", "500"])
@pytest.mark.parametrize("drops", [True, False])
def test_a_witness_is_looked_for_again(at: Place, answer: Response, drops: bool) -> None:
    """A page or an error says nothing about the place, and is not remembered."""
    fault = LOST if drops else NEVER_SENT
    lab = at(Relay(drops=drops, faults=(fault,), answers={"fox": [answer] * 5}))
    ended(lab, "fox")
    (boat,) = ended(lab, "boat")
    assert ("uncertain" if drops else "saved", 2) == (boat.state, len(ledger(lab)))
    assert drops == ("does not keep our own ids" in boat.reason)


def test_a_failing_witness_is_shared(at: Place) -> None:
    """Whoever waits while the witness is looked for in vain has its failure, and does not look for it too."""
    boats = [f"boat {n}" for n in range(5)]
    lost = [Fault(action="lost", prompt=boat) for boat in boats]
    relay = Relay(drops=True, faults=tuple(lost), answers={"fox": [BUSY] * 999})
    lab = at(relay)
    ended(lab, "fox")
    assert ["uncertain"] * 5 == [task.state for task in ended(lab, *boats)]
    times, tries = LOOKS_MOST - len(LOOKS_S) + 1, 4
    assert relay.looks.count("fox") < 2 * times * tries


@pytest.mark.parametrize("drops", [True, False])
def test_another_address_has_its_own_verdict(at: Place, drops: bool) -> None:
    """What is known of one address says nothing of another that has a witness."""
    first, then = (LOST, "reset") if drops else (NEVER_SENT, "lost")
    relay = Relay(drops=drops, faults=(first, Fault(action=then, prompt="elk")))
    lab = at(relay)
    ended(lab, "fox")
    (boat,) = ended(lab, "boat")
    relay.drops = not drops
    ended(lab, "owl", **MODELS["path"])
    ended(lab, "elk", **MODELS["path"])
    assert ("uncertain" if drops else "saved") == boat.state
    assert (1, 1) == (relay.looks.count("fox"), relay.looks.count("owl"))
    assert [*["boat"] * drops, *["elk"] * (not drops)] == [task.task.request["prompt"] for task in lab.uncertain()]


def test_an_address_without_a_witness_has_that_of_its_host(at: Place) -> None:
    """Where a place is known to drop our own ids at one address, absence at another proves nothing without a witness."""
    faults = [Fault(action="lost", prompt=prompt) for prompt in ("boat", "owl", "elk")]
    relay = Relay(drops=True, faults=tuple(faults))
    lab = at(relay)
    ended(lab, "fox")
    ended(lab, "boat")
    (owl,) = ended(lab, "owl", **MODELS["path"])
    assert ("uncertain", 3, 1) == (owl.state, len(ledger(lab)), relay.looks.count("fox"))
    assert "does not keep our own ids" in owl.reason


def test_a_place_that_tells_nothing_later_is_told_of_so(at: Place) -> None:
    """Looked for again in vain, a task keeps the reason that it had, and what can be done is said once."""
    relay = Relay(drops=True, faults=(LOST,))
    with at(relay) as lab:
        ended(lab, "fox")
        ended(lab, "boat")
    relay.answers = {"fox": [PAGE] * 99}
    lab = at(relay)
    lab.uncertain()[0].look_again()
    (boat,) = lab.run("boat").wait(30).tasks
    assert "does not keep our own ids" in boat.reason
    assert boat.reason.endswith("; looking it up by our own id settled nothing; lab.uncertain() shows what can be done")
    assert 1 == boat.reason.count("lab.uncertain()")


def test_without_a_witness_absence_counts(at: Place) -> None:
    """The first task ever at a place is bought by a new attempt when it is absent: nothing is known against that."""
    relay = Relay(faults=(NEVER_SENT,))
    lab = at(relay)
    (boat,) = ended(lab, "boat")
    assert ("saved", 2, 1) == (boat.state, boat.attempt, len(ledger(lab)))
    assert ["boat"] * 4 == relay.looks


def test_what_was_found_by_our_id_is_a_witness(at: Place) -> None:
    """A task whose own answer was lost and that was found by our own id is looked for again."""
    relay = Relay(faults=(Fault(action="lost", prompt="fox"), NEVER_SENT))
    lab = at(relay)
    assert ["saved"] == [task.state for task in ended(lab, "fox")]
    assert [("saved", 2)] == [(task.state, task.attempt) for task in ended(lab, "boat")]
    assert ["fox"] + ["boat"] * 4 + ["fox"] == relay.looks


def test_what_a_person_named_is_no_witness(at: Place) -> None:
    """A task that a person gave an id to says nothing of the place: the id may be that of another one."""
    relay = Relay(faults=(Fault(action="lost", prompt="fox"), NEVER_SENT), answers={"fox": [PAGE] * 99})
    lab = at(relay)
    assert ["uncertain"] == [task.state for task in ended(lab, "fox")]
    lab.uncertain()[0].accepted_as(ledger(lab)[0].task_id)
    assert ["saved"] == [task.state for task in lab.run("fox").wait(30).tasks]
    relay.looks.clear()
    assert [("saved", 2)] == [(task.state, task.attempt) for task in ended(lab, "boat")]
    assert ["boat"] * 4 == relay.looks


def test_what_is_older_than_a_day_is_no_witness(at: Place) -> None:
    """A task is looked for within a day of its acceptance: no page says for how long a place keeps one."""
    relay = Relay(faults=(NEVER_SENT,))
    lab = at(relay)
    ended(lab, "fox")
    until_later(lab, DAY_S)
    assert [("saved", 2)] == [(task.state, task.attempt) for task in ended(lab, "boat")]
    assert ["boat"] * 4 == relay.looks


@pytest.mark.parametrize(
    ("other", "is_one"),
    [({"mode": "pro"}, True), ({"model": "kling-3.0-turbo", "mode": None}, False), ({"provider": "relay"}, False)],
    ids=["mode", "address", "provider"],
)
def test_a_witness_is_of_the_same_call(at: Place, other: dict[str, Any], is_one: bool) -> None:
    """What was accepted at another address, or by another provider, is not looked for; another mode is all the same."""
    relay = Relay(faults=(NEVER_SENT,))
    lab = at(relay)
    start(lab, sweep("fox", **other), name="a", assume_price="official").wait(30)
    assert [("saved", 2)] == [(task.state, task.attempt) for task in ended(lab, "boat")]
    assert ["boat"] * 4 + ["fox"] * is_one == relay.looks


def test_the_newest_witness_is_asked(at: Place) -> None:
    """Of several, the one that was accepted last is looked for."""
    relay = Relay(faults=(NEVER_SENT,))
    lab = at(relay)
    for prompt in ("fox", "owl", "boat"):
        ended(lab, prompt)
        until_later(lab, 600)
    assert ["boat"] * 4 + ["owl"] == relay.looks


@contextmanager
def played(relay: Relay, speed: float) -> Iterator[Simulator]:
    """Play Kling behind a relay over a socket, with its address and key in the environment."""
    simulator = relay.simulator(None, now=ScaledClock(speed), token_now=time.time)
    try:
        with running(simulator) as base, pytest.MonkeyPatch.context() as environment:
            environment.setenv(base_url_variable("kling"), base + simulator.path("kling"))
            environment.setenv(key_variable("kling"), simulator.key("kling"))
            environment.setenv("KLING_NB_SPEED", str(speed))
            yield simulator
    finally:
        simulator.close()


def test_a_witness_is_of_the_same_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was accepted with another key is not looked for: another account may not see it."""
    relay = Relay(faults=(NEVER_SENT,))
    with played(relay, 1000) as simulator:
        with kn.Lab(tmp_path / "lab") as lab:
            ended(lab, "fox")
        monkeypatch.setenv(key_variable("kling"), API_KEY)
        with kn.Lab(tmp_path / "lab") as lab:
            (boat,) = ended(lab, "boat")
        assert ("saved", 2, 2) == (boat.state, boat.attempt, len(simulator.ledger()))
    assert ["boat"] * 4 == relay.looks


def test_a_witness_that_came_later_is_looked_for(tmp_path: Path) -> None:
    """The first that was sent after what is in doubt: it shows that what is as old is listed by now."""
    relay = Relay(faults=(NEVER_SENT,))
    with played(relay, BETWEEN_LOOKS), kn.Lab(tmp_path / "lab") as lab:
        start(lab, sweep("fox"), name="a").wait(30)
        run = start(lab, sweep("boat"), name="b")
        for looks, prompt in enumerate(("owl", "elk"), 1):
            until(run, lambda _, looks=looks: relay.looks.count("boat") >= looks)
            start(lab, sweep(prompt), name=prompt)
        run.wait(30)
    assert ["boat"] * 4 + ["owl"] == relay.looks


def test_a_place_that_lists_very_late_is_waited_for(tmp_path: Path) -> None:
    """What is absent as long as one is looked for is not bought again where others of its age are missing too."""
    relay = Relay(faults=(LOST,), answers={"boat": [ABSENT] * len(LOOKS_S), "owl": [ABSENT]})
    with played(relay, BETWEEN_LOOKS) as simulator, kn.Lab(tmp_path / "lab") as lab:
        start(lab, sweep("fox"), name="a").wait(30)
        run = start(lab, sweep("boat"), name="b")
        until(run, lambda _: relay.looks.count("boat") == 3)
        start(lab, sweep("owl"), name="c").wait(30)
        (boat,) = run.wait(30).tasks
        assert ("saved", 1, 3) == (boat.state, boat.attempt, len(simulator.ledger()))
    assert ["boat"] * 4 + ["owl", "boat"] == relay.looks[:6]


def test_what_was_found_late_is_as_old_as_its_submit(tmp_path: Path) -> None:
    """A witness that was sent before what is in doubt, and found after that, does not show that it would be listed."""
    lost = Fault(action="lost", prompt="fox")
    late = {"fox": [ABSENT] * 3, "boat": [ABSENT] * 4, "owl": [ABSENT]}
    relay = Relay(faults=(lost, LOST), answers=late)
    with played(relay, BETWEEN_LOOKS) as simulator, kn.Lab(tmp_path / "lab") as lab:
        fox = start(lab, sweep("fox"), name="a")
        until(fox, lambda _: relay.looks.count("fox") == 3)
        run = start(lab, sweep("boat"), name="b")
        until(fox, lambda tasks: tasks[0].ticket is not None)
        start(lab, sweep("owl"), name="c").wait(30)
        (boat,) = run.wait(30).tasks
        assert ("saved", 1, 3) == (boat.state, boat.attempt, len(simulator.ledger()))


@pytest.mark.parametrize("drops", [True, False])
def test_a_young_witness_that_is_absent_says_nothing_yet(tmp_path: Path, drops: bool) -> None:
    """A witness was accepted a moment ago and is not listed yet: both are looked for again."""
    relay = Relay(drops=drops, faults=(LOST if drops else NEVER_SENT,), answers={"owl": [ABSENT]})
    with played(relay, BETWEEN_LOOKS), kn.Lab(tmp_path / "lab") as lab:
        run = start(lab, sweep("boat"), name="b")
        until(run, lambda _: relay.looks.count("boat") == 3)
        start(lab, sweep("owl"), name="c")
        (boat,) = run.wait(30).tasks
    assert ["boat"] * 4 + ["owl", "boat", "owl"] == relay.looks
    assert ("uncertain" if drops else "saved", 2 - drops) == (boat.state, boat.attempt)


def test_another_key_has_its_own_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of a place with one key says nothing of it with another, which came within the same session."""
    relay = Relay(faults=(NEVER_SENT, Fault(action="lost", prompt="elk")))
    with played(relay, 1000), kn.Lab(tmp_path / "lab") as lab:
        ended(lab, "fox")
        assert ["saved"] == [task.state for task in ended(lab, "boat")]
        monkeypatch.setenv(key_variable("kling"), API_KEY)
        lab.run("fox").resume()
        relay.drops = True
        ended(lab, "owl")
        assert ["uncertain"] == [task.state for task in ended(lab, "elk")]
    assert (1, 1) == (relay.looks.count("fox"), relay.looks.count("owl"))


def test_another_key_has_no_part_in_what_a_host_is_known_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a place dropped our own ids for one key, absence counts for another key that has no witness there."""
    relay = Relay(drops=True, faults=(LOST, Fault(action="reset", prompt="elk")))
    with played(relay, 1000), kn.Lab(tmp_path / "lab") as lab:
        ended(lab, "fox")
        assert ["uncertain"] == [task.state for task in ended(lab, "boat")]
        monkeypatch.setenv(key_variable("kling"), API_KEY)
        lab.run("fox").resume()
        assert [("saved", 2)] == [(task.state, task.attempt) for task in ended(lab, "elk", **MODELS["path"])]


def test_a_witness_of_another_host_is_not_looked_for(tmp_path: Path) -> None:
    """Opened with another address, nothing that was accepted at the one before is looked for there."""
    with played(Relay(drops=True, faults=(LOST,)), 1000), kn.Lab(tmp_path / "lab") as lab:
        ended(lab, "fox", **MODELS["path"])
        (before,) = ended(lab, "boat", **MODELS["path"])
    relay = Relay(prompts={before.id: "boat"})
    with played(relay, 1000), kn.Lab(tmp_path / "lab") as lab:
        (boat,) = ended(lab, "boat", **MODELS["path"])
    assert ("uncertain", ["boat"] * 4) == (boat.state, relay.looks)
    assert "at another address" in boat.reason
