"""Every recorded no of a provider reaches the user: whose fault, whether it was tried again, what it cost, what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from labs import ledger, start, sweep

import kling_nb as kn
import kling_nb.simulator
from kling_nb import catalog, dialect
from kling_nb.dialect import Call, Op, Reply
from kling_nb.dialects import load
from kling_nb.engine.told import DO, UNFOUND, VAIN, not_saved, told_of_unnamed, told_of_vain_looks
from kling_nb.errors import KlingError, ProviderError
from kling_nb.simulator import Fault, Simulator
from kling_nb.states import TaskState
from kling_nb.task import Task

REPLIES = Path(__file__).parent.parent / "replies"
PLAYED_BY = {"kling": "kling", "native": "relay", "flat": "quickrouter", "newapi": "openroute", "falqueue": "fal",
             "chanjing": "chanjing"}  # fmt: skip
CATALOG = catalog.load()
ADVICE = {
    "key": "correct the key: it is from the simulator; then run.resume()",
    "balance": "top up the account, then run.resume()",
    "parameters": "change the request",
    "address": "check the address, http://simulator/",
    "content policy": "change the prompt or the image",
    "provider": "run.retry() tries again",
    "missing": "look it up in the provider's console",
}


def test_every_fault_has_advice() -> None:
    """Whosever fault it is, there are words for what to do: the engine looks them up in the middle of a purchase."""
    assert {*dialect.Whose} == {*DO}


def refusals() -> Iterator[Any]:
    """Go through the recorded answers to a submit that are a no: one for each meaning at each dialect."""
    seen = set()
    for file in sorted(REPLIES.glob("*/*.json")):
        record = json.loads(file.read_text("utf-8"))
        if record["call"] != "submit" or "fault" not in record["means"] or "path" in file.stem:
            continue
        provider, reply = player(file), record["replies"][0]
        fault = judged(provider, reply)
        meaning = (provider, fault.code, fault.whose, fault.again, fault.rejected, fault.renew)
        if meaning not in seen:
            seen.add(meaning)
            yield pytest.param(provider, reply, fault, id=f"{provider}-{file.stem}")


def player(file: Path) -> str:
    """Return the provider that plays a record: some are of the relay of fal."""
    return "quickrouter-fal" if file.stem.startswith("relay") else PLAYED_BY[file.parent.name]


def judged(provider: str, reply: dict[str, Any]) -> dialect.Fault:
    """Return what a provider's dialect makes of a recorded answer to a submit."""
    row = replace(CATALOG.provider(provider), base_url="https://example.org")
    call = Call(op=Op.SUBMIT, method="POST", url="https://example.org/a/b/c", body={})
    came = Reply(status=reply["status"], headers=reply.get("headers", {}), content=content(reply).encode())
    fault = load(row.dialect)(row).judge(call, came)
    assert fault is not None
    return fault


def content(reply: dict[str, Any]) -> str:
    """Return a recorded body as it came."""
    return reply["text"] if "text" in reply else json.dumps(reply["body"], ensure_ascii=False)


def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *script: Fault) -> kn.Lab:
    """Open a lab whose simulator answers by a script."""
    monkeypatch.setattr(kling_nb.simulator, "Simulator", partial(Simulator, faults=script))
    return kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=float("inf")))


@pytest.mark.parametrize(("provider", "reply", "fault"), [*refusals()])
def test_a_no_to_a_submit_is_told_whole(
    provider: str, reply: dict[str, Any], fault: dialect.Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A no is retried, holds the account, fails the point or leaves it in doubt, and is never bought twice."""
    no = Fault(action="http", provider=provider, operation="submit", status=reply["status"], body=content(reply))
    with opened(tmp_path, monkeypatch, no) as lab:
        asked = sweep("a fox", provider=provider, mode="pro")
        run = start(lab, asked, name="one", assume_price="official").wait()
        (task,) = run.tasks
        if not fault.rejected:
            assert task.state in ("uncertain", "saved"), run
        elif fault.again or fault.renew:
            assert task.state == "saved", run
        elif fault.whose in ("key", "balance"):
            assert task.state == "planned", run
            check(str(run.held), provider, fault.whose)
        else:
            assert task.state == "failed", run
            check(task.reason, provider, fault.whose)
            assert (task.cause, task.charged) == (fault.whose, False)
        assert len(ledger(lab)) == (task.state == "saved")


def check(words: str, provider: str, whose: str) -> None:
    """See that a sentence says where, whose fault, that it was not retried, that nothing was charged, what to do."""
    assert words.startswith(f"{provider} ({whose}): ")
    assert "not tried again; nothing was charged" in words
    assert ADVICE[whose] in words


CROWDED = '{"error": {"message": "the CPU is busy", "type": "new_api_error", "code": "system_cpu_overloaded"}}'


@pytest.mark.parametrize(("times", "state"), [(1, "saved"), (None, "planned")])
def test_a_submit_that_is_tried_again_says_so_until_it_is_held(
    times: int | None, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pushed back, a submit says that it goes out again, whosever fault it was; held for an hour, what resumes it."""
    no = Fault(action="http", provider="openroute", operation="submit", status=503, body=CROWDED, times=times)
    with opened(tmp_path, monkeypatch, no) as lab:
        run = start(lab, sweep("a fox", provider="openroute"), name="one", assume_price="official").wait()
        (task,) = run.tasks
        events = lab.log.events()
    pushed = [json.loads(data)["reason"] for data in events.query("kind == 'pushed_back'")["data"]]
    assert (state, bool(pushed)) == (task.state, True), run
    assert pushed[0].endswith("the CPU is busy (code system_cpu_overloaded); it is tried again automatically")
    if state == "planned":
        assert run.held == pushed[-1]
        assert pushed[-1].endswith("; this has lasted for an hour; run.resume() tries again")
        assert not any(words in pushed[-1] for words in ("automatically", "run.retry()"))


def test_generate_raises_what_the_provider_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clip that is refused is one typed error with all of that as fields."""
    body = '{"code": 1301, "message": "the content is not allowed", "request_id": "r"}'
    no = Fault(action="http", provider="kling", operation="submit", status=400, body=body)
    with (
        opened(tmp_path, monkeypatch, no) as lab,
        pytest.raises(ProviderError, match="the content is not allowed") as caught,
    ):
        lab.generate("a fox", model="kling-v2-6", mode="pro")
    assert (caught.value.whose, caught.value.charged) == ("content policy", False)


@pytest.mark.parametrize("directive", ["502", "reset"])
def test_what_never_arrived_says_what_came_and_what_to_do(directive: str, tmp_path: Path) -> None:
    """After three attempts it is left to a person; until then it says that another follows."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=float("inf"))) as lab:
        with pytest.raises(
            ProviderError, match=r"^it never arrived: kling: .*; nothing was bought; run\.retry\(\)"
        ) as caught:
            lab.generate(f"a fox #sim:{directive}:3", model="kling-v2-6", mode="pro")
        reasons = list(lab.log.tasks()["reason"])
        assert ("502 Bad Gateway" in str(caught.value), []) == (directive == "502", ledger(lab))
    assert [False, False, True] == ["run.retry() tries again" in reason for reason in reasons]
    assert all("nothing was bought; it is tried again automatically" in reason for reason in reasons[:2])


def test_generate_names_the_run_that_it_speaks_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked for one clip holds no run: the error names it, and the way to buy that clip alone again; both work."""
    body = '{"code": 1301, "message": "the content is not allowed", "request_id": "r"}'
    no = Fault(action="http", provider="kling", operation="submit", status=400, body=body, times=2)
    with opened(tmp_path, monkeypatch, no) as lab:
        for prompt in ("a fox", "a boat"):
            with pytest.raises(ProviderError, match=r"run is lab\.run\('generate'\), which has all single") as caught:
                lab.generate(prompt, model="kling-v2-6", mode="pro")
        assert "the same call with fresh=True buys only this one again" in str(caught.value)
        lab.generate("a boat", model="kling-v2-6", mode="pro", fresh=True)
        assert len(ledger(lab)) == 1
        lab.run("generate").retry().wait()
        assert len(ledger(lab)) == 2


def test_a_clip_that_was_not_sent_names_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held says ``run.resume()``; the run of single clips is named beside it, and resuming it goes on."""
    body = '{"code": 1102, "message": "Account balance not enough", "request_id": "r"}'
    no = Fault(action="http", provider="kling", operation="submit", status=429, body=body)
    with opened(tmp_path, monkeypatch, no) as lab:
        with pytest.raises(KlingError, match=r"run\.resume\(\).*; run is lab\.run\('generate'\)") as caught:
            lab.generate("a fox", model="kling-v2-6", mode="pro")
        assert "fresh=True" not in str(caught.value)
        assert [task.state for task in lab.run("generate").resume().wait().tasks] == ["saved"]


@pytest.mark.parametrize("provider", [*PLAYED_BY.values(), "quickrouter-fal"])
def test_a_failure_that_comes_late_says_what_it_cost(provider: str, tmp_path: Path) -> None:
    """A task that fails after it was accepted says whose fault, and whether it was charged where that is known."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=float("inf"))) as lab:
        asked = sweep("a fox #sim:risk-control", provider=provider, mode="pro")
        run = start(lab, asked, name="late", assume_price="official").wait()
        (task,) = run.tasks
        assert task.state == "failed", run
        assert task.reason.startswith(f"{provider} (")
        cost = {
            True: "it was charged",
            False: "nothing was charged",
            None: "it may have been charged, so it counts as spent",
        }
        assert f"not tried again; {cost[task.charged]}" in task.reason
        assert task.spent == (0 if task.charged is False else task.price)


@pytest.mark.parametrize("provider", [*PLAYED_BY.values(), "quickrouter-fal"])
@pytest.mark.parametrize("action", ["html", "malformed", "truncated", "empty"])
def test_nonsense_while_following_loses_nothing(
    provider: str, action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTML, broken and empty answers to a status query are asked again, and the clip is saved all the same."""
    script = [
        Fault(action=action, provider=provider, operation=operation, times=3)
        for operation in ("status", "list", "result")
    ]
    with opened(tmp_path, monkeypatch, *script) as lab:
        run = start(lab, sweep("a fox", provider=provider, mode="pro"), name="n", assume_price="official").wait()
        assert [task.state for task in run.tasks] == ["saved"], run
        assert len(ledger(lab)) == 1


def test_a_credential_that_is_not_given_holds_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent, so that the run is resumed and nothing bought again by a retry; the words say so."""
    no = Fault(action="html", provider="chanjing", operation="token", times=4)
    with opened(tmp_path, monkeypatch, no) as lab:
        run = start(lab, sweep("a fox", provider="chanjing"), name="held", assume_price="official").wait()
        at = "http://simulator/chanjing (KLING_NB_CHANJING_BASE_URL sets it)"
        assert str(run.held).endswith(f"; asked 4 times in a row for a token, at {at}; run.resume() tries again")
        assert [task.state for task in run.resume().wait().tasks] == ["saved"]


def test_a_providers_full_stop_is_not_doubled(tmp_path: Path) -> None:
    """What a provider ends with a full stop goes on with a semicolon alone."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=float("inf"))) as lab:
        run = lab.start(kn.Sweep(prompt="a fox #sim:moderation", provider="fal", mode="pro"), show=False).wait()

    (task,) = run.tasks
    assert "flagged by a content checker; not tried again" in task.reason


def test_an_error_of_another_kind_is_one_sentence(tmp_path: Path) -> None:
    """What is asked wrongly of one provider is refused before anything is sent, in one sentence."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=float("inf"))) as lab:
        with pytest.raises(KlingError, match="chanjing takes an image by its http") as caught:
            lab.generate("a fox", provider="chanjing", model="kling-v2-5-turbo", image=PICTURE, assume_price="official")
        assert "\n" not in str(caught.value)
        assert ledger(lab) == []


@pytest.mark.parametrize("state", [TaskState.SUBMITTING, TaskState.RUNNING])
def test_a_clip_that_moves_again_is_not_given_up(state: TaskState) -> None:
    """Where another cell resumes it right after the waiting has ended, the same call again is what waits for it."""
    task = Task(id="kn-1", identity="i", provider="kling", model="m", state=state)
    assert f"it is {state}; the same call again waits for it and buys nothing" == str(not_saved(task, None))


PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)


def test_what_is_looked_up_in_vain_again_and_again_keeps_one_reason() -> None:
    """However often a person has it looked up, why it is in doubt is told once, and an id in it is kept."""
    task = Task(id="kn-1", identity="i", provider="kling", model="m", reason="boom, .accepted_as('87')")
    for _ in range(2):
        task = replace(task, reason=told_of_vain_looks(told_of_unnamed(task)))
    assert task.reason == f"boom, .accepted_as('87'){VAIN}"
    assert told_of_unnamed(task) == f"boom, .accepted_as('87'){UNFOUND}"
