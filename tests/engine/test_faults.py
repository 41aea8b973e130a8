"""What goes wrong at providers, over a real socket: every point is bought once or not at all, and never lost."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from labs import PRICE, Live, Open, agrees, in_state, ledger, live_lab, start, sweep, until
from strict_socket import StrictSocket, answer

import kling_nb as kn
from kling_nb.dialect import Call, Op, Reply
from kling_nb.errors import KeyMissing
from kling_nb.simulator import Fault
from kling_nb.simulator.clips import Scene, render
from kling_nb.views.standing import standing
from kling_nb.wire import Wire

SUBMITS = ("lost", "reset", "502", "malformed", "busy", "rate-limit", "moderation", "risk-control", "fail")
READS = ("poll-502", "backwards", "missing")
CLIPS = ("clip-cut", "clip-html", "clip-expired:1", "clip-expired", "clip-huge")
SUBJECT = {"kling": "fox", "fal": "boat"}
AT_FAL = (
    "reset",
    "lost",
    "502",
    "malformed",
    "moderation",
    "poll-502",
    "backwards",
    "clip-cut",
    "clip-expired:1",
    "fail",
)


@dataclass(frozen=True)
class Storm:
    """What became of one run in which each point met a fault of its own."""

    live: Live
    frame: pd.DataFrame
    tasks: pd.DataFrame

    def row(self, directive: str, provider: str = "kling") -> pd.Series:
        """Return the point that asked for a fault."""
        return self.frame[self.frame["prompt"] == f"{SUBJECT[provider]} #sim:{directive}"].iloc[0]

    def attempts(self, directive: str) -> pd.DataFrame:
        """Return every attempt at a point at Kling."""
        return self.tasks[self.tasks["prompt"] == f"fox #sim:{directive}"]

    def charges(self, directive: str, provider: str = "kling") -> int:
        """Return how often the provider accepted, and charged, a point."""
        prompt = f"{SUBJECT[provider]} #sim:{directive}"
        return self.live.simulator._world.store.count("prompt = ? AND provider = ?", (prompt, provider))


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storm]:
    """Run every fault at once: each point has its own, both providers answer over one socket."""
    with live_lab(tmp_path_factory.mktemp("storm"), Fault(action="html", operation="list", nth=2)) as live:
        prompts = [f"fox #sim:{name}" for name in (*SUBMITS, *READS, *CLIPS)]
        at_fal = [f"boat #sim:{name}" for name in AT_FAL]
        run = start(live.lab, sweep(*prompts), name="kling")
        fal = start(live.lab, sweep(*at_fal, provider="fal"), name="fal")
        run.wait(60)
        fal.wait(60)
        assert not run.is_moving, run.snapshot()
        assert not fal.is_moving, fal.snapshot()
        yield Storm(live, live.lab.df(), live.lab.log.tasks())


@pytest.mark.parametrize("directive", ["malformed", "busy", "rate-limit", *READS, "clip-cut", "clip-html"])
def test_what_passes_is_waited_for(storm: Storm, directive: str) -> None:
    """Push-backs, unreadable answers, gateways, statuses that go back and torn downloads end saved, bought once."""
    assert ("saved", 1) == (storm.row(directive)["state"], storm.row(directive)["attempt"])
    assert 1 == storm.charges(directive)


def test_a_lost_answer_is_found_by_our_own_id(storm: Storm) -> None:
    """A submit whose answer was lost after it was accepted is looked up and followed: one attempt, one charge."""
    row = storm.row("lost")
    assert ("saved", 1, 1) == (row["state"], row["attempt"], storm.charges("lost"))
    kinds = list(storm.live.lab.log.events(row["task"])["kind"])
    assert ["planned", "intent", "doubted", "accepted"] == kinds[:4]


@pytest.mark.parametrize("directive", ["reset", "502"])
def test_what_never_arrived_is_bought_by_a_new_attempt(storm: Storm, directive: str) -> None:
    """A submit that the provider never got is looked up, absent, and bought by one more attempt."""
    assert ["failed", "saved"] == list(storm.attempts(directive)["state"])
    assert ["lost", ""] == list(storm.attempts(directive)["cause"])
    assert 1 == storm.charges(directive)
    assert [False, True] == list(storm.attempts(directive)["spent_usd"] > 0)


@pytest.mark.parametrize("directive", ["moderation", "risk-control"])
def test_moderation_is_the_content_policys(storm: Storm, directive: str) -> None:
    """Content that is refused, at once or late, is a failure of the content policy, and is not bought again."""
    row = storm.row(directive)
    assert ("failed", "content policy", 1) == (row["state"], row["cause"], row["attempt"])


def test_a_failure_counts_unless_it_is_known_to_be_free(storm: Storm) -> None:
    """What was rejected at once costs nothing; what failed later stays counted where no refund is documented."""
    assert 0 == storm.row("moderation")["spent_usd"]
    assert float(PRICE["kling"]) == storm.row("fail")["spent_usd"]
    assert ("failed", "provider") == (storm.row("fail")["state"], storm.row("fail")["cause"])


def test_a_page_in_the_place_of_a_clip_is_not_its_end(tmp_path: Path) -> None:
    """A clip that is a page for every try is paid for and kept: resuming, or starting again, waits for it and has it."""
    with live_lab(tmp_path / "live") as live:
        prompts = ["fox #sim:clip-html:9", "owl #sim:clip-html:14", "hen #sim:clip-html:99"]
        run = start(live.lab, sweep(*prompts), name="a").wait(30)
        assert {"stalled": 3} == run.snapshot().counts
        assert 3 * PRICE["kling"] == run.snapshot().reserved
        for task in run.tasks:
            assert task.reason.startswith("the provider's file is not a usable video: ")
            assert task.reason.endswith(
                "run.resume(), or opening the lab again, tries again, run.retry(stalled=True) buys it again"
            )
        assert {"saved": 1, "stalled": 2} == run.resume().wait(30).snapshot().counts
        assert {"saved": 2, "stalled": 1} == start(live.reopen(), sweep(*prompts), name="a").wait(30).snapshot().counts
        assert 3 == len(live.simulator.ledger())
        live.lab.run("a").retry(stalled=True).wait(30)
        assert 4 == len(live.simulator.ledger())
        live.lab.close()


def test_nothing_is_waited_for_after_the_last_try(tmp_path: Path) -> None:
    """A clip that cannot be fetched is tried five times, 1, 2, 4 and 8 s apart, and given up at once after the last."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=math.inf)) as lab:
        run = start(lab, sweep("fox #sim:clip-html:99")).wait(30)
        at = lab.log.events(run.tasks[0].id).set_index("kind")["at"]
        assert "tried 5 times" in run.tasks[0].reason
        assert 15 == pytest.approx((at["stalled"] - at["ready"]).total_seconds(), abs=0.1)


def test_a_clip_that_is_fetched_again_is_not_at_rest(tmp_path: Path) -> None:
    """While the clip of a stalled task is fetched again, the run waits for it, and nobody is told that it has ended."""
    with live_lab(tmp_path / "live") as live:
        run = start(live.lab, sweep("fox #sim:clip-html:9"), name="a").wait(30)
        told = [task.state for task in run.resume().as_completed()]
        assert ["saved"] == told
        kinds = list(live.lab.log.events(run.tasks[0].id)["kind"])
        assert ["stalled", "refetch", "saved"] == kinds[-3:]
        live.lab.close()


def test_a_file_that_is_far_too_big_is_not_fetched(storm: Storm) -> None:
    """A clip that is announced with 50 GB is not downloaded."""
    assert ("stalled", "media") == (storm.row("clip-huge")["state"], storm.row("clip-huge")["cause"])


def test_a_link_that_ran_out_is_asked_for_again(storm: Storm) -> None:
    """A dead link is renewed once; if that is dead too, the task is expired and stays reserved."""
    for provider in ("kling", "fal"):
        row = storm.row("clip-expired:1", provider)
        assert "saved" == row["state"]
        assert "renewed" in set(storm.live.lab.log.events(row["task"])["kind"])
    row = storm.row("clip-expired")
    assert ("expired", "expired") == (row["state"], row["cause"])
    assert "the link no longer works; the new one is dead too; run.resume()" in row["reason"]
    assert storm.live.lab.run("kling").snapshot().reserved == 2 * PRICE["kling"]  # and what is far too big


def test_a_link_that_cannot_be_asked_for_is_not_called_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead link whose provider cannot be asked, as without its key, says so: whoever reads it need not buy anew."""
    with live_lab(tmp_path / "live") as live:
        start(live.lab, sweep("fox #sim:clip-expired:3"), name="a").wait(30)
        key = live.simulator.key("kling")
        monkeypatch.delenv("KLING_NB_KLING_KEY")
        run = live.reopen().run("a").wait(30)
        task = run.tasks[0]
        assert "expired" == task.state
        assert "; could not ask for a new one: there is no key for 'kling'" in task.reason
        monkeypatch.setenv("KLING_NB_KLING_KEY", key)
        assert {"saved": 1} == run.resume().wait(30).snapshot().counts
        assert 1 == len(live.simulator.ledger())
        live.lab.close()


@pytest.mark.parametrize("directive", ["lost", "reset", "502", "malformed"])
def test_doubt_where_nothing_can_be_looked_up_is_for_a_person(storm: Storm, directive: str) -> None:
    """At a provider that knows no id of ours a lost answer stays uncertain, and is never sent again by itself."""
    row = storm.row(directive, "fal")
    assert ("uncertain", 1) == (row["state"], row["attempt"])
    assert storm.charges(directive, "fal") == (directive in ("lost", "malformed"))


@pytest.mark.parametrize("directive", ["poll-502", "backwards", "clip-cut"])
def test_fal_recovers_too(storm: Storm, directive: str) -> None:
    """Reads that fail and downloads that break are tried again at fal as well."""
    assert ("saved", 1) == (storm.row(directive, "fal")["state"], storm.charges(directive, "fal"))


def test_fal_says_its_faults_at_the_result(storm: Storm) -> None:
    """Moderation and failures of the model are read from a result."""
    assert ("failed", "content policy") == tuple(storm.row("moderation", "fal")[["state", "cause"]])
    assert ("failed", "provider") == tuple(storm.row("fail", "fal")[["state", "cause"]])


def test_nothing_is_bought_twice_in_a_storm(storm: Storm) -> None:
    """Whatever went wrong, no point was charged more than once, and no charge is missing from the log."""
    known = set(storm.tasks["task"])
    for charge in storm.live.simulator.ledger():
        assert not charge.own_id or charge.own_id in known
    for name in (*SUBMITS, *READS, *CLIPS):
        assert storm.charges(name) <= 1
    for name in AT_FAL:
        assert storm.charges(name, "fal") <= 1


def test_no_piece_of_a_clip_is_left(storm: Storm) -> None:
    """Every file in clips/ is a verified clip."""
    files = {f"clips/{path.name}" for path in (storm.live.lab.folder / "clips").iterdir()}
    assert files == set(storm.frame["clip"].dropna())


# -- accounts -------------------------------------------------------------------------------------------------------


def test_a_full_account_shrinks_the_gate(simulated: Open, tmp_path: Path) -> None:
    """More than an account may run at once is pushed back, learnt, and in the end everything is saved."""
    providers = tmp_path / "providers.toml"
    providers.write_text("[provider.kling]\nslots = 9\n")
    lab = simulated(providers=providers)
    run = start(lab, sweep(*(f"fox {n}" for n in range(9)))).wait()
    assert {"saved": 9} == run.snapshot().counts
    assert len(ledger(lab)) == 9
    assert lab._opened.engine._accounts["kling"].gate("kling-v2-5-turbo").slots == 5
    assert sum(lab.log.events()["kind"] == "pushed_back") <= 40


def test_retry_after_is_honoured(simulated: Open, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where the provider says how long to wait, nothing is submitted there before."""
    faults = [
        Fault(action="busy", provider="kling", retry_after=90),
        Fault(action="busy", provider="fal", retry_after=45),
    ]
    with live_lab(tmp_path_factory.mktemp("after"), *faults) as live:
        for provider, seconds in (("kling", 90), ("fal", 45)):
            run = start(live.lab, sweep("fox", provider=provider), name=provider).wait(30)
            assert {"saved": 1} == run.snapshot().counts
            events = live.lab.log.events(run.tasks[0].id).set_index("kind")["at"]
            (first, second), back = events["intent"], events["pushed_back"]
            assert seconds <= (second - back).total_seconds() < seconds + 30
            assert first < back


def test_a_wrong_key_holds_the_run(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that the provider refuses holds everything with one sentence and buys nothing; resume goes on once mended."""
    for provider, wrong in (("kling", "wrong:" + "secret" * 8), ("fal", "wrong:key")):
        with live_lab(tmp_path_factory.mktemp("key")) as live:
            monkeypatch.setenv(f"KLING_NB_{provider.upper()}_KEY", wrong)
            run = start(live.lab, sweep("a", "b", "c", provider=provider)).wait(20)
            assert {"planned": 3} == run.snapshot().counts
            assert f"{provider} (key)" in str(run.held)
            assert f"KLING_NB_{provider.upper()}_KEY" in str(run.held)
            assert wrong not in str(run.held)
            assert not live.simulator.ledger()
            monkeypatch.setenv(f"KLING_NB_{provider.upper()}_KEY", live.simulator.key(provider))
            assert {"saved": 3} == run.resume().wait(20).snapshot().counts
            assert 3 == len(live.simulator.ledger())


@pytest.mark.parametrize("provider", ["relay", "openroute"])
def test_a_key_that_is_refused_under_a_success_holds_what_is_not_sent(tmp_path: Path, provider: str) -> None:
    """A relay's 401 in a body under HTTP 200 proves nothing of the submit itself; no further one joins it in doubt."""
    body = '{"code": 401, "message": "Invalid token", "data": null}'
    fault = Fault(action="http", provider=provider, operation="submit", status=200, body=body, times=5)
    with live_lab(tmp_path / "lab", fault) as live:
        points = [f"fox {number}" for number in range(9)]
        run = start(live.lab, sweep(*points, provider=provider, mode="pro"), name="a", assume_price=1).wait(30)
        counts = run.snapshot().counts
        assert ({"uncertain", "planned"}, True) == (set(counts), counts["uncertain"] <= 5)
        words = f"{provider} (key): Invalid token (code 401); correct the key: it is from the variable "
        assert str(run.held).startswith(words)
        assert str(run.held).endswith("; then run.resume()")
        doubtful = {task.id for task in run.tasks if task.state == "uncertain"}
        run.resume().wait(30)
        assert doubtful == {task.id for task in run.tasks if task.state == "uncertain"}
        agrees(live)


def test_an_empty_account_holds_the_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An exhausted balance is no push-back, although it comes as 429: it holds the run until a person resumes it."""
    faults = [Fault(action="funds", provider=provider, times=5) for provider in ("kling", "fal")]
    with live_lab(tmp_path_factory.mktemp("funds"), *faults) as live:
        for provider in ("kling", "fal"):
            run = start(live.lab, sweep("a", "b", provider=provider), name=provider).wait(20)
            assert {"planned": 2} == run.snapshot().counts
            assert f"{provider} (balance)" in str(run.held)
            assert "top up the account, then run.resume()" in str(run.held)
            while run.held:
                run.resume().wait(20)
            assert {"saved": 2} == run.snapshot().counts
        assert 4 == len(live.simulator.ledger())


def test_every_reason_that_holds_points_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two empty accounts are told as two, each with its points; what is still on its way is none of them."""
    faults = [Fault(action="funds", provider=provider, times=None) for provider in ("kling", "fal")]
    with live_lab(tmp_path_factory.mktemp("both"), *faults) as live:
        run = start(live.lab, sweep("a", "b", "c", provider=["kling", "fal"], mode="pro"), name="both").wait(20)
        held = str(run.held)
        assert held.startswith("3 × kling (balance)")
        assert "; 3 × fal (balance)" in held
        stands = run.snapshot()
        assert (held, {3}) == (stands.held, {*stands.holds.values()})
        assert () == standing(stands).causes
        assert f"6 planned of 6; $0.00 spent; not sent: {held}>" in repr(run)


def test_what_went_wrong_alike_is_one_cause(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Dead links of many clips are one cause, whatever their paths, so that they hide no other."""
    with live_lab(tmp_path_factory.mktemp("dead"), speed=1000) as live:
        dead = [f"take {number} #sim:clip-expired" for number in range(10)]
        run = start(live.lab, sweep(*dead, "a fox #sim:fail")).wait(30)
        (many, ten), (fail, one) = run.snapshot().causes
        assert (10, 1) == (ten, one)
        assert "/…: expected a clip, got HTTP 403" in many
        assert "internal" in fail.lower()
        assert any("/cdn/" in reason for reason in run.df["reason"])


def test_causes_without_room_are_counted(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where more things went wrong than are told, the last line counts the others and says where they are."""
    letters = "abcdefghij"
    faults = [
        Fault(action="http", operation="submit", prompt=f"-{c}-", status=400, body=f'{{"code": 1201, "message": "no {c}"}}')
        for c in letters
    ]  # fmt: skip
    with live_lab(tmp_path_factory.mktemp("many"), *faults) as live:
        run = start(live.lab, sweep(*(f"-{c}-" for c in letters))).wait(30)
        causes = run.snapshot().causes
        assert [1] * 7 == [count for _, count in causes[:-1]]
        assert ("other reasons (3 in all): df has each, in the column reason", 3) == causes[-1]


def test_a_run_that_goes_on_with_another_is_told(
    tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """Starting a run where an account was held lifts that for the runs it held too, whose order stands: a line says so."""
    with live_lab(tmp_path_factory.mktemp("two"), Fault(action="funds", provider="kling", times=1)) as live:
        held = start(live.lab, sweep("a", "b"), name="held").wait(20)
        unsent = held.snapshot().counts["planned"]
        other = start(live.lab, sweep("c"), name="other").wait(20)
        assert ({"saved": 1}, {"saved": 2}) == (other.snapshot().counts, held.wait(20).snapshot().counts)
        (told,) = [record.getMessage() for record in caplog.records if "goes on too" in record.getMessage()]
        assert told.startswith("run 'held' goes on too, since its provider is tried again: ")
        assert f": {unsent} point" in told
        assert "lab.run('held').pause() holds it back" in told


def test_a_provider_that_cannot_be_reached_holds_the_run(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that refuses connections is tried a few times and then holds the run; nothing was sent."""
    with live_lab(tmp_path_factory.mktemp("gone")) as live:
        monkeypatch.setenv("KLING_NB_KLING_BASE_URL", "http://127.0.0.1:9/kling")
        live.reopen()
        run = start(live.lab, sweep("a", "b")).wait(30)
        assert {"planned": 2} == run.snapshot().counts
        assert "kling cannot be reached" in str(run.held)
        assert 0 == run.snapshot().reserved


def test_a_missing_key_buys_nothing(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key a start is an error that says where one is looked for, before anything is written."""
    with live_lab(tmp_path_factory.mktemp("none")) as live:
        monkeypatch.delenv("KLING_NB_FAL_KEY")
        with pytest.raises(KeyMissing, match="KLING_NB_FAL_KEY"):
            start(live.lab, sweep("a", provider="fal"))
        assert live.lab.log.tasks().empty
        assert live.lab.runs().empty


def test_a_foreign_link_gets_no_credential(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A clip that lies on another host is fetched from there without the key."""
    clip = render(Scene(provider="kling", model="m", mode="std", prompt="fox", seconds=5, ratio="16:9"), None, "small")
    with StrictSocket.running(lambda seen: [answer(clip, "200 OK", "content-type: video/mp4")]) as other:
        fault = Fault(action="foreign", times=None, body=f"{other.url}/")
        with live_lab(tmp_path_factory.mktemp("foreign"), fault) as live:
            run = start(live.lab, sweep("fox")).wait(20)
            assert {"saved": 1} == run.snapshot().counts
        assert 1 == len(other.seen)
        assert "authorization" not in other.seen[0].headers
        secrets = re.split("[:,]", live.simulator.key("kling"))
        assert not [secret for secret in secrets if secret in str(other.seen[0])]


# -- in virtual time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("directive", ["rate-limit", "busy"])
def test_a_provider_that_pushes_back_is_tried_for_an_hour(simulated: Open, directive: str) -> None:
    """However many points wait, they are held only when nothing was accepted for an hour, and are told so and no else."""
    lab = simulated()
    run = start(lab, sweep(*(f"{n} #sim:{directive}:9999" for n in range(8)))).wait()
    tried = lab.log.events().query("kind == 'pushed_back'")["at"]
    assert pd.Timedelta("1h") <= tried.max() - tried.min() < pd.Timedelta("65min")
    assert str(run.held).endswith("; this has lasted for an hour; run.resume() tries again")
    assert "automatically" not in str(run.held)
    assert 0 == len(ledger(lab))


def test_a_model_that_is_pushed_back_holds_no_other(simulated: Open) -> None:
    """Where slots are counted by model, one without any is tried for as long as the others get theirs, and an hour more."""
    lab = simulated()
    pushed = start(lab, sweep("a fox #sim:busy:9999", model="kling-v2-6", mode="pro"), name="pushed")
    slow = {"model": "kling-v2-1-master", "mode": "pro"}  # over five minutes a clip
    run = start(lab, sweep(*(f"fox {n}" for n in range(70)), **slow), name="others").wait()
    taken = lab.log.events().query("kind == 'accepted'")["at"]
    assert taken.max() - taken.min() > pd.Timedelta("1h")
    assert {"saved": 70} == run.snapshot().counts
    assert str(pushed.wait().held).endswith("; this has lasted for an hour; run.resume() tries again")
    assert pd.Timedelta("59min") <= lab.log.events().query("kind == 'pushed_back'")["at"].max() - taken.max()


def test_a_stalled_task_wakes_when_its_clip_appears(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A task that does not move for an hour is stalled, which ends the waiting, and is fetched when it is done at last."""
    with live_lab(tmp_path_factory.mktemp("stall"), Fault(action="stall", seconds=6000), speed=3000) as live:
        run = start(live.lab, sweep("fox")).wait(30)
        assert {"stalled": 1} == run.snapshot().counts
        assert "no change for" in run.tasks[0].reason
        assert PRICE["kling"] == run.snapshot().reserved
        until(run, in_state("saved"))
        assert 1 == len(live.simulator.ledger())


@pytest.mark.parametrize(("is_back", "ends"), [(True, ["ready", "saved"]), (False, ["stalled"])])
def test_a_stalled_task_is_asked_about_when_the_lab_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_back: bool, ends: list[str]
) -> None:
    """What a session left stalled is asked about by the next, which waits for the answer: a command's ends before its turn."""
    send, silent = Wire.send, [True]

    async def away(self: Wire, call: Call, **options: Any) -> Reply:
        unknown = Reply(status=404, content=b'{"code": 1203, "message": "Task not found"}')
        return unknown if silent[0] and call.op is Op.CHECK else await send(self, call, **options)

    monkeypatch.setattr(Wire, "send", away)
    with live_lab(tmp_path / "lab", speed=3000) as live:
        assert {"stalled": 1} == start(live.lab, sweep("fox"), name="a").wait(30).snapshot().counts
        silent[0] = not is_back
        run = live.reopen().run("a").wait(30)
        kinds = list(live.lab.log.events(run.tasks[0].id)["kind"])
        assert ["stalled", "recheck", *ends] == kinds[-2 - len(ends) :]
        assert 1 == len(live.simulator.ledger())


def test_a_task_that_could_not_be_asked_about_for_long_says_how_often_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tries of one question are not all the questions that there were in half an hour."""
    send, asked = Wire.send, []

    async def away(self: Wire, call: Call, **options: Any) -> Reply:
        if call.op is Op.CHECK:
            asked.append(call.url)
            return Reply(status=502, content=b"upstream is away")
        return await send(self, call, **options)

    monkeypatch.setattr(Wire, "send", away)
    with live_lab(tmp_path / "lab", speed=3000) as live:
        (task,) = start(live.lab, sweep("fox")).wait(30).tasks
        assert len(asked) > 20
        assert "minutes (it could not be asked about, the last time: kling (provider): HTTP 502" in task.reason
        assert "; asked 4 times in a row how a task is doing, at " in task.reason


@pytest.mark.parametrize("provider", ["relay", "kling"])
@pytest.mark.parametrize("is_lost", [False, True])
def test_a_task_that_a_gateway_does_not_know_is_not_bought_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str, is_lost: bool
) -> None:
    """That a gateway knows no such task is told so, and proves nothing, of an id of its own or of ours."""
    send, asked = Wire.send, Op.FIND if is_lost else Op.CHECK
    body = b'{"code": "task_not_exist", "message": "task_not_exist", "data": null}'

    async def unknown(self: Wire, call: Call, **options: Any) -> Reply:
        return Reply(status=400, content=body) if call.op is asked else await send(self, call, **options)

    monkeypatch.setattr(Wire, "send", unknown)
    faults = [Fault(action="lost")] if is_lost else []
    with live_lab(tmp_path / "lab", *faults, speed=3000) as live:
        run = start(live.lab, sweep("fox", provider=provider, mode="pro"), name="a", assume_price=1).wait(30)
        (task,) = run.tasks
        assert {"uncertain" if is_lost else "stalled": 1} == run.snapshot().counts
        told = "settled nothing" if is_lost else "(the provider does not mention it, as if it did not know it: "
        assert told in task.reason
        run.resume().wait(30)
        assert ([task.id], 1) == ([one.id for one in run.tasks], len(live.simulator.ledger()))


def test_a_task_that_never_moves_is_stalled(simulated: Open) -> None:
    """A task that the provider never finishes ends the waiting as stalled, and its price stays reserved."""
    lab = simulated()
    run = start(lab, sweep("fox #sim:stall", "boat")).wait()
    assert {"saved": 1, "stalled": 1} == run.snapshot().counts
    assert PRICE["kling"] == run.snapshot().reserved
    assert 2 == len(ledger(lab))
    assert isinstance(lab, kn.Lab)


@pytest.mark.parametrize("is_reopened", [True, False])
def test_a_stalled_task_is_asked_about_at_once_when_a_person_goes_on(simulated: Open, is_reopened: bool) -> None:
    """Not at its ten-minute turn; and what its provider said before is no news, which would be waited on for half an hour."""
    lab = simulated()
    run = start(lab, sweep("fox #sim:stall"), name="a").wait()
    if is_reopened:
        lab.close()
        lab = simulated()
        run = lab.run("a").wait()
    run.resume().wait()
    events = lab.log.events(run.tasks[0].id)
    again = events[events["kind"] == "recheck"].index
    assert len(again) == 1 + is_reopened
    for at in again:
        assert events.loc[at + 1, "kind"] == "stalled"
        assert (events.loc[at + 1, "at"] - events.loc[at, "at"]).total_seconds() < 10
    assert {"stalled": 1} == run.snapshot().counts
