"""What became of a task in one sentence: whose fault, whose words, whether it was tried again, its cost, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..dialect import Fault, Op, Whose
from ..errors import KlingError, LabError, ProviderError, WireError
from ..excerpts import as_code
from ..keys import base_url_variable, key_variable
from ..offer import Provider
from ..plan import SINGLES, dollars
from ..secret import GIVEN
from ..states import EventKind, TaskState
from ..task import Event, Task, Ticket
from .sent import base_of

AGAIN = "it is tried again automatically"
ASKED_AGAIN = "it is asked again automatically"
RESUME = "run.resume() tries again"
DO: dict[Whose, str] = {
    Whose.KEY: "{key}; then run.resume()",
    Whose.BALANCE: "top up the account, then run.resume()",
    Whose.PARAMETERS: "change the request",
    Whose.ADDRESS: "check {address}, and that the model is sold there; then run.retry()",
    Whose.POLICY: "change the prompt or the image; the same request sometimes passes on run.retry()",
    Whose.FULL: AGAIN,
    Whose.RATE: AGAIN,
    Whose.PROVIDER: "run.retry() tries again",
    Whose.MISSING: "look it up in the provider's console",
}
ASKED: dict[Whose, str] = {
    Whose.KEY: "{key}",
    Whose.BALANCE: "top up the account",
    Whose.ADDRESS: "check {address}; then run.resume()",
    Whose.MISSING: DO[Whose.MISSING],
}
"""What a person can do where a question failed: it bought nothing, and a retry would buy again."""
STEPS: dict[Op, str] = {
    Op.CREDENTIAL: " for a token",
    Op.CHECK: " how a task is doing",
    Op.FIND: " for our own id",
    Op.CANCEL: " to cancel a task",
}
"""What a question is for, in words that follow how often it was asked."""
LOOKED_UP, DECIDE = "it is looked up automatically", "lab.uncertain() shows what can be done"
VAIN = f"; looking it up by our own id settled nothing; {DECIDE}"
UNFOUND = (
    "; it was answered as if it had been accepted, so not finding it by our own id proves nothing; "
    f"look for it in the console there; {DECIDE}"
)
LOST = "the answer to the submit was lost, it may have been bought: "
COST = {
    True: "it was charged",
    False: "nothing was charged",
    None: "it may have been charged, so it counts as spent",
}


@dataclass(frozen=True)
class Where:
    """A provider as a person set it up: what they correct there. ``key_source`` is where its key was found."""

    provider: Provider
    key_source: str = ""

    @property
    def key(self) -> str:
        """What to do about a key that is not taken: it is corrected where it was found, for nothing else overrides it."""
        if self.key_source == GIVEN:
            return f"correct the key of {self.provider.id!r} in kn.Lab(…, {GIVEN}…) and run that again"
        return f"correct the key: it is from {self.key_source or key_variable(self.provider.id)}"

    @property
    def address(self) -> str:
        """The address, and what sets it."""
        return f"the address, {self.provider.base_url} ({base_url_variable(self.provider.id)} sets it)"

    @property
    def at(self) -> str:
        """Where a question went that it did not answer itself."""
        return f", at {self.provider.base_url} ({base_url_variable(self.provider.id)} sets it)"

    @property
    def check(self) -> str:
        """What to do where something else is there."""
        return f"check {self.address}"


def told(fault: Fault, where: Where, *more: str) -> str:
    """Say a fault in one sentence; ``more`` are clauses about tries and cost."""
    return _said(where, fault.whose, str(fault), *more, _first(fault, DO[fault.whose]))


def told_of_question(fault: Fault, where: Where, op: Op, times: int) -> str:
    """Say why a question was not answered; whether it is asked again is for whoever asked to say.

    Where nothing is there to correct, what answered may be another, so that it is told where that is.
    """
    advice = [_first(fault, ASKED[fault.whose])] if fault.whose in ASKED else []
    at = where.at if fault.whose is Whose.PROVIDER else ""
    return _said(where, fault.whose, str(fault), f"{_asked(op, times)}{at}", *advice)


def told_of_silence(error: WireError, where: Where, op: Op, times: int) -> WireError:
    """Return the error of a question that got no answer, with what it was for, and where."""
    at = "" if op is Op.CREDENTIAL else where.at  # without a token nothing is sent, which `told_of_unreached` says
    return type(error)(f"{error}; {_asked(op, times)}{at}")


def _first(fault: Fault, advice: str) -> str:
    """Return what to do about a fault, given what is done about its kind: first what its dialect knows to be likelier."""
    return f"{fault.first}; if that is right, {advice}" if fault.first else advice


def _asked(op: Op, times: int) -> str:
    """Say how often one question was sent: whoever follows a task for hours asks it again and again."""
    return f"asked {'once' if times == 1 else f'{times} times in a row'}{STEPS.get(op, '')}"


def told_of_submit(fault: Fault, where: Where, *, renewed: bool) -> str:
    """Say why a submit was rejected: nothing was bought."""
    tried = "tried twice" if renewed else "not tried again"  # a key that is no token is the same when it is renewed
    return told(fault, where, tried, COST[False])


def told_of_push_back(fault: Fault, where: Where) -> str:
    """Say why a submit was rejected that goes out again by itself, whosever fault it was."""
    return _said(where, fault.whose, str(fault), AGAIN)


def told_of_shut(fault: Fault, where: Where) -> str:
    """Say why nothing more is submitted to a provider that has pushed every submit back for an hour."""
    return _said(where, fault.whose, str(fault), "this has lasted for an hour", RESUME)


def told_of_stranger(where: Where, why: str) -> str:
    """Say why nothing more is submitted where another answers in a provider's stead."""
    return (
        f"what answered is not the API of {where.provider.id}: {why}; where a network or a gateway wants a log-in, log in there, "
        f"in a browser; where its address has changed, correct {base_url_variable(where.provider.id)}; then run.resume()"
    )


def told_of_unreached(where: Where, why: str) -> str:
    """Say that submits did not get to a place, several times, and that nothing more is sent there."""
    return f"{where.provider.id} cannot be reached: {why}; check the network, and {where.address}; then run.resume()"


def resumable(words: str) -> str:
    """Say why a run is held, and that it is resumed: not twice."""
    return words if "run.resume()" in words else f"{words}; {RESUME}"


def told_of_task(where: Where, whose: Whose, reason: str, *, charged: bool | None) -> str:
    """Say why a task that was accepted has failed; one that failed is never bought again unasked."""
    return _sentence(where, whose, reason, "not tried again", COST[charged])


def told_of_doubt(why: str, *, finds: bool) -> str:
    """Say that a submit may have been carried out; ``finds`` is whether it can be looked up by our own id."""
    then = LOOKED_UP if finds else DECIDE
    return f"{LOST}{why}; {then}"


def told_of_named(remote_id: str) -> str:
    """Say, after a provider's name, that its error has an id, which may be that of what was bought: nobody else has it."""
    return f" gave an id with an error, .accepted_as({as_code(remote_id)}) follows it if there is such a task"


def told_of_lost(reason: str, looks_s: Sequence[float], *, again: bool) -> str:
    """Say of a submit in doubt, with the reason it had, that it never arrived; ``again`` is whether another follows."""
    why = without_advice(reason).removeprefix(LOST)
    looked = f"looked up {len(looks_s)} times over {sum(looks_s):.0f} s"
    return f"it never arrived: {why}; {looked}; nothing was bought; {AGAIN if again else DO[Whose.PROVIDER]}"


def told_of_vain_looks(reason: str) -> str:
    """Say of a submit in doubt, with the reason it had, that no look-up by our own id told whether it arrived."""
    return f"{_unsettled(reason)}{VAIN}"


def _unsettled(reason: str) -> str:
    """Return why a task is in doubt, without what came of looks so far: a person may have it looked up again and again."""
    return without_advice(reason.removesuffix(VAIN).removesuffix(UNFOUND))


def without_advice(reason: str) -> str:
    """Return the reason of a task in doubt without what is done about it, or can be."""
    return reason.removesuffix(f"; {DECIDE}").removesuffix(f"; {LOOKED_UP}")


def told_of_unnamed(task: Task) -> str:
    """Say that what an answer spoke of is not found by our own id; its reason may have the only id that came."""
    return f"{_unsettled(task.reason)}{UNFOUND}"


def told_of_elsewhere(task: Task) -> str:
    """Say that a submit in doubt was looked for with another key than it was sent with, or at another address."""
    return (
        f"it may have been bought: it was submitted with another key than {task.provider} has now, or at another "
        f"address ({base_of(task.call)}), so not finding it proves nothing; set that key and address again, then "
        f".look_again(); or, where they were wrong and the console of {task.provider} shows no such task, .never_bought(), "
        "and run.retry() if a run still has its point; lab.uncertain() has both ways"
    )


def told_of_unkept_ids(witness: Task, found: Ticket | None) -> str:
    """Say why a submit stays in doubt: its place has another task, and does not find that by our own id either."""
    bought = "" if witness.ticket is None else witness.ticket.id
    late, came = (", or lists its tasks late", "none") if found is None else ("", found.id)
    return (
        f"it may have been bought: {witness.provider} at {base_of(witness.call)} does not keep our own ids{late}, so not "
        f"finding it proves nothing: asked for our own {witness.id}, which it had accepted as {bought}, it found {came}; look "
        f"for it in the console there; {DECIDE}"
    )


def told_of_anothers(task: Task, found: Ticket, other: Task) -> str:
    """Say of a submit in doubt that our own id brought up what another task of the lab is."""
    return (
        f"it may have been bought: asked for our own {task.id}, {task.provider} found {found.id}, which is {other.id} of this "
        f"lab, so what it finds by our own ids proves nothing; look for it in the console there; {DECIDE}"
    )


def unkept(error: Exception, changes: Iterable[tuple[Event, Task]]) -> Exception:
    """Return the error of a log that takes nothing, with the ids that providers gave meanwhile: nobody else has them."""
    ids = [
        f"{task.provider} accepted {task.id} as {event.data['id']}"
        for event, task in changes
        if event.kind == EventKind.ACCEPTED
    ]
    if not ids:
        return error
    message = f"{error}; note what could not be logged, for lab.uncertain().accepted_as(task, id): {', '.join(ids)}"
    return type(error)(message) if isinstance(error, LabError) else KlingError(message)


def _sentence(where: Where, whose: Whose, words: str, *more: str) -> str:
    return _said(where, whose, words, *more, DO[whose])


def _said(where: Where, whose: Whose, words: str, *more: str) -> str:
    clauses = [clause.replace("{key}", where.key).replace("{address}", where.address) for clause in more]
    own = words.removesuffix(".") if clauses else words  # a provider's full stop is none before what is said after it
    return "; ".join([f"{where.provider.id} ({whose}): {own}", *clauses])


def not_saved(task: Task, held: str | None) -> KlingError:
    """Return the error of whoever waited for a clip that is not there, and holds no run."""
    if task.state is TaskState.FAILED:
        return ProviderError(_naming_the_run(task.reason), whose=task.cause, charged=task.charged)
    ways = {
        TaskState.UNCERTAIN: f"it is uncertain, {dollars(task.price)} at stake; lab.uncertain() shows what can be done",
        TaskState.PLANNED: f"it was not sent: {_naming_the_run(held or task.reason)}",
        TaskState.CANCELLED: "it was cancelled",
    }
    if not task.state.is_resting and task.state not in ways:
        return KlingError(f"it is {task.state}; the same call again waits for it and buys nothing")
    return KlingError(ways.get(task.state, f"it is {task.state}: {task.reason}; its run is lab.run({SINGLES!r})"))


def _naming_the_run(words: str) -> str:
    """Name the run that words call ``run``: it has all single clips, so they also say how to buy this one alone."""
    named = f"{words}; run is lab.run({SINGLES!r}), which has all single clips"
    alone = "; the same call with fresh=True buys only this one again" if "run.retry()" in words else ""
    return f"{named}{alone}" if "run.re" in words else words
