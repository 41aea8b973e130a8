"""The pitfalls that users report, met by this library: nothing is lost, nothing is bought twice, and all is told."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from labs import ledger, listen, start, sweep, until
from PIL import Image

import kling_nb as kn
import kling_nb.simulator
from kling_nb.errors import InputError, RefusedError
from kling_nb.simulator import Fault, Simulator
from kling_nb.simulator.pitfalls import PITFALLS
from kling_nb.task import Task

PROVIDERS = ["kling", "fal", "quickrouter", "relay", "openroute", "quickrouter-fal", "chanjing"]
FINDS = ("kling", "relay", "quickrouter")
"""Those at which a submit can be looked up by our own id."""

AT_KLING = (
    "busy", "rate-limit", "as-400", "as-500", "risk-control", "fail", "token-expired", "long", "clip-expired",
    "clip-html", "poll-502", "backwards", "malformed",
)  # fmt: skip
AT_OTHERS = {
    "openroute": ("misrouted", "no-url", "old-url", "as-500", "risk-control"),
    "fal": ("risk-control #sim:failed-word", "fail", "as-500"),
    "quickrouter": ("shape-a", "shape-c", "shape-d", "shape-d-prime"),
    "quickrouter-fal": ("relay-status", "moderation"),
    "chanjing": ("moderation", "as-400", "busy"),
}


class Met:
    """What became of one run, and what the simulator made of it."""

    def __init__(self, lab: kn.Lab, *runs: kn.Run) -> None:
        self.lab = lab
        self.tasks = [task for run in runs for task in run.tasks]
        self.frame: pd.DataFrame = lab.df()
        simulator = Simulator(lab.folder)
        self.made = simulator._world.store.tasks()
        simulator.close()

    def task(self, provider: str, prompt: str) -> Task:
        """Return the task of a prompt at a provider."""
        (found,) = [t for t in self.tasks if t.provider == provider and t.request["prompt"] == prompt]
        return found

    def charges(self, provider: str, prompt: str) -> int:
        """Return how often a prompt was made, and charged, at a provider."""
        return sum((task.provider, task.prompt) == (provider, prompt) for task in self.made)


def opened(folder: Path, **options: Any) -> kn.Lab:
    """Open a simulated lab whose time never waits."""
    return kn.Lab(folder / "lab", simulate=kn.Simulation(speed=float("inf")), **options)


def scripted(monkeypatch: pytest.MonkeyPatch, *script: Fault, **dials: Any) -> None:
    """Have the simulator of the next lab answer by a script."""
    monkeypatch.setattr(kling_nb.simulator, "Simulator", partial(Simulator, faults=script, **dials))


def ended(lab: kn.Lab, what: kn.Sweep, name: str) -> kn.Run:
    """Start a sweep and wait for its end."""
    return start(lab, what, name=name, assume_price="official").wait(30)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Met]:
    """Two points at every provider, with nothing wrong."""
    with opened(tmp_path_factory.mktemp("calm")) as lab:
        yield Met(lab, ended(lab, sweep("a fox", "a cat", provider=PROVIDERS, mode="pro"), "calm"))


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Met]:
    """A point for each scenario that leaves the account in peace, and a lost answer at every provider."""
    with opened(tmp_path_factory.mktemp("storm")) as lab:
        scenarios = {"kling": AT_KLING, **AT_OTHERS}
        runs = [
            start(
                lab,
                sweep(*(f"{name} #sim:{one}" for one in (*scenarios.get(name, ()), "lost")), provider=name, mode="pro"),
                name=name,
                assume_price="official",
            )
            for name in PROVIDERS
        ]
        for run in runs:
            run.wait(60)
        long = next(run for run in runs if run.name == "kling")
        until(long, lambda tasks: all(t.state == "saved" for t in tasks if "#sim:long" in t.request["prompt"]))
        yield Met(lab, *runs)


# --- 1 to 5: what is sent


def test_each_provider_gets_the_length_in_its_own_type(calm: Met) -> None:
    """1 duration-type: the same five seconds are saved at every provider, bought once each."""
    assert {task.state for task in calm.tasks} == {"saved"}
    assert {json.loads(made.scene)["seconds"] for made in calm.made} == {5}
    assert [calm.charges(name, prompt) for name in PROVIDERS for prompt in ("a fox", "a cat")] == [1] * 14


def test_the_model_is_the_one_that_was_asked_for(calm: Met) -> None:
    """2 model-key: no provider makes another model than the one in the plan."""
    assert {made.provider: "v2" in made.model and "5-turbo" in made.model.replace(".", "-") for made in calm.made} == (
        dict.fromkeys(PROVIDERS, True)
    )


@pytest.mark.parametrize(
    ("field", "value", "arrives"),
    [("cfg_scale", 0, 0.5), ("sound", "on", None)],
)
def test_what_a_gateway_drops_is_told_before_money_moves(
    tmp_path: Path, field: str, value: object, arrives: object
) -> None:
    """3 silent-drops: the plan says what open-route loses, and what arrives instead is what Kling was sent."""
    model = {"cfg_scale": "kling-v1-6", "sound": "kling-v2-6"}[field]
    what = sweep("a fox", provider="openroute", model=model, mode="pro", **{field: value})
    with opened(tmp_path) as lab:
        (point,) = lab.plan(what, assume_price="official").points
        (loss,) = [loss for loss in point.losses if loss.field == field]
        assert (loss.asked, loss.sent) == (value, arrives)
        met = Met(lab, ended(lab, what, "one"))
    assert json.loads(met.made[0].request).get(field) in (arrives, None)
    assert [task.state for task in met.tasks] == ["saved"]


def test_a_ratio_that_is_left_out_is_told(calm: Met) -> None:
    """4 silent-default: what the plan says of a ratio left open is what each provider makes."""
    plan = calm.lab.plan(sweep("a fox", provider=PROVIDERS, mode="pro"), assume_price="official")
    said = {point.provider: loss.sent for point in plan.points for loss in point.losses if loss.field == "aspect_ratio"}
    made = {task.provider: json.loads(task.scene)["ratio"] for task in calm.made}
    assert said == made
    assert (made["openroute"], made["kling"]) == ("1:1", "16:9")


def test_a_mode_has_one_word(calm: Met, tmp_path: Path) -> None:
    """5 mode-word: pro is pro at every provider, and another word is refused before it is sent."""
    assert {json.loads(made.scene)["mode"] for made in calm.made} == {"pro"}
    with opened(tmp_path) as lab:
        with pytest.raises(InputError, match="mode"):
            ended(lab, sweep("a fox", mode="standard"), "one")
        assert ledger(lab) == []


# --- 6 to 9: images and cameras


def test_a_prompt_on_the_wrong_path_fails_unpaid(storm: Met) -> None:
    """6 wrong-route: the gateway's no is told in Kling's words, and nothing was bought."""
    task = storm.task("openroute", "openroute #sim:misrouted")
    assert (task.state, task.cause, task.charged, task.spent) == ("failed", "parameters", False, 0)
    assert "image can not be null" in task.reason
    assert storm.charges("openroute", "openroute #sim:misrouted") == 0


def test_an_image_is_spelled_as_each_provider_reads_it(tmp_path: Path) -> None:
    """7 data-uri: one picture is saved as a clip at all that take bytes, bare or as a data URI."""
    takers = ["kling", "fal", "openroute"]
    with opened(tmp_path) as lab:
        met = Met(lab, ended(lab, sweep("a fox", provider=takers, mode="pro", image=picture()), "one"))
    assert {task.state for task in met.tasks} == {"saved"}
    assert len(met.made) == len(takers)


def picture() -> bytes:
    """Return a picture that is large enough."""
    out = io.BytesIO()
    Image.new("RGB", (400, 300), (200, 120, 40)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"camera_control": kn.CameraControl(zoom=5)}, id="8 camera-model"),
        pytest.param({"camera_control": kn.CameraControl(), "model": "kling-v1"}, id="8 camera-model at rest"),
        pytest.param({"image": picture(), "image_tail": picture()}, id="9 image-tail"),
        pytest.param({"model": "kling-v2-6", "sound": "on"}, id="18 silent-video"),
        pytest.param({"prompt": "x" * 2501}, id="22 prompt-length"),
    ],
)
def test_what_a_model_cannot_do_is_never_sent(tmp_path: Path, asked: dict[str, Any]) -> None:
    """A camera, an end frame, sound in std and 2501 characters are refused for a model without, which costs nothing."""
    usual = {"prompt": "a fox", "model": "kling-v2-5-turbo", "mode": "std", "provider": "kling"}
    with opened(tmp_path) as lab:
        with pytest.raises(RefusedError, match=next(name for name in asked if name != "model")):
            ended(lab, kn.Sweep(**(usual | asked)), "one")
        assert ledger(lab) == []


# --- 10 to 13: errors


@pytest.mark.parametrize("name", ["busy", "rate-limit", "poll-502", "backwards"])
def test_what_passes_is_waited_for(storm: Met, name: str) -> None:
    """10 many-429: a full account, a rate limit and a gateway that stumbles end saved, at the first attempt."""
    task = storm.task("kling", f"kling #sim:{name}")
    assert (task.state, task.attempt, storm.charges("kling", f"kling #sim:{name}")) == ("saved", 1, 1)


@pytest.mark.parametrize(
    ("provider", "name", "said"),
    [
        ("kling", "funds", "1102"),
        ("kling", "ip-list", "1304"),
        ("kling", "region", "1000"),
        ("fal", "funds", "Exhausted balance"),
        ("openroute", "funds", "insufficient_user_quota"),
        ("quickrouter-fal", "funds", "insufficient_user_quota"),
    ],
)
def test_what_does_not_pass_holds_the_account(tmp_path: Path, provider: str, name: str, said: str) -> None:
    """10, 17 and 19: an empty balance, an address list and a foreign key stop the rest at once, bought nothing."""
    with opened(tmp_path) as lab:
        run = ended(lab, sweep(f"a #sim:{name}", f"b #sim:{name}", provider=provider, mode="pro"), "one")
        assert {task.state for task in run.tasks} == {"planned"}
        assert said in str(run.held)
        assert ledger(lab) == []
        assert (run.snapshot().spent, run.snapshot().reserved) == (0, 0)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_lost_answer_is_never_bought_again(storm: Met, provider: str) -> None:
    """11 paid-twice: it is found by our own id where that can be asked for, and else put before a person."""
    prompt = f"{provider} #sim:lost"
    assert storm.task(provider, prompt).state == ("saved" if provider in FINDS else "uncertain")
    assert storm.charges(provider, prompt) == 1


def test_a_code_decides_whatever_the_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """12 status-and-code: a no under HTTP 200 is a no."""
    scripted(monkeypatch, errors_as_200=True)
    with opened(tmp_path) as lab:
        (task,) = ended(lab, sweep("a fox #sim:moderation"), "one").tasks
        assert (task.state, task.cause, task.charged, ledger(lab)) == ("failed", "content policy", False, [])


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("kling", "as-400"),
        ("kling", "as-500"),
        ("chanjing", "as-400"),
        ("fal", "as-500"),
        ("openroute", "as-500"),
    ],
)
def test_a_yes_under_the_status_of_a_no_is_not_lost(storm: Met, provider: str, name: str) -> None:
    """12 status-and-code: what was accepted under HTTP 400 or 500 is followed."""
    prompt = f"{provider} #sim:{name}"
    assert (storm.task(provider, prompt).state, storm.charges(provider, prompt)) == ("saved", 1)


@pytest.mark.parametrize(
    ("provider", "name", "cause", "said"),
    [
        ("kling", "risk-control", "content policy", "Failure to pass the risk control system"),
        ("kling", "fail", "provider", "Service internal error"),
        ("openroute", "risk-control", "content policy", "Failure to pass the risk control system"),
        ("fal", "risk-control #sim:failed-word", "content policy", "flagged by a content checker"),
        ("fal", "fail", "provider", "Service internal error"),
        ("quickrouter-fal", "moderation", "content policy", "flagged by a content checker"),
        ("chanjing", "moderation", "content policy", "内容审核未通过"),
    ],
)
def test_a_failure_says_why(storm: Met, provider: str, name: str, cause: str, said: str) -> None:
    """13 failure-message and 14: the reason comes from where it is, the failure ends the task, nobody buys again."""
    prompt = f"{provider} #sim:{name}"
    task = storm.task(provider, prompt)
    assert (task.state, task.cause, task.attempt) == ("failed", cause, 1)
    assert said in task.reason
    assert "SUCCEED" not in task.reason
    assert storm.charges(provider, prompt) == 1


# --- 14 to 23: following, and fetching


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_word_for_done_is_known(calm: Met, provider: str) -> None:
    """14 status-words, 17 and 23 stale-record: whatever word, address or delay a provider has, the clip is saved."""
    rows = calm.frame[calm.frame["provider"] == provider]
    assert ["saved", "saved"] == list(rows["state"])
    assert [True, True] == [(calm.lab.folder / clip).is_file() for clip in rows["clip"]]


@pytest.mark.parametrize("name", ["shape-a", "shape-c", "shape-d", "shape-d-prime"])
def test_every_shape_of_a_query_is_read(storm: Met, name: str) -> None:
    """14 status-words: QuickRouter's query has no page; each of the four shapes that relays use ends saved."""
    assert storm.task("quickrouter", f"quickrouter #sim:{name}").state == "saved"


@pytest.mark.parametrize("name", ["no-url", "old-url"])
def test_a_link_is_found_where_the_gateway_has_it(storm: Met, name: str) -> None:
    """16 dead-link: a clip is fetched through the gateway, or by the link where older ones had it."""
    assert storm.task("openroute", f"openroute #sim:{name}").state == "saved"


def test_instants_are_read_in_their_own_unit(calm: Met) -> None:
    """15 time-units: every point took minutes, whatever unit its provider counts in."""
    took = (calm.frame["done_at"] - calm.frame["submitted_at"]).dt.total_seconds()
    assert took.between(1, 1_800).all()


def test_a_dead_link_is_not_bought_again(storm: Met) -> None:
    """16 dead-link: a link that stays dead is expired, one that answers a page once is asked again."""
    assert storm.task("kling", "kling #sim:clip-expired").state == "expired"
    assert storm.task("kling", "kling #sim:clip-html").state == "saved"
    assert {storm.charges("kling", f"kling #sim:clip-{name}") for name in ("expired", "html")} == {1}


def test_silence_is_asked_for_where_sound_is_the_default(tmp_path: Path) -> None:
    """17 fal-habits: fal adds sound where it is left open; the plan fills in silence, and its price is what is charged."""
    what = sweep("a fox", provider="fal", model="kling-v2-6", mode="pro")
    with opened(tmp_path) as lab:
        (point,) = lab.plan(what).points
        ended(lab, what, "one")
        (charge,) = ledger(lab)
        assert (charge.usd, charge.usd) == (point.estimate.low, point.estimate.high)
        assert [False] == list(lab.df()["sound"])


def test_sound_is_asked_for_in_kling_s_own_key(tmp_path: Path) -> None:
    """18 silent-video: sound that was asked for is in the clip, at Kling and at fal."""
    with opened(tmp_path) as lab:
        what = sweep("a fox", provider=["kling", "fal"], model="kling-v2-6", mode="pro", sound="on")
        assert [task.state for task in ended(lab, what, "one").tasks] == ["saved", "saved"]
        assert [True, True] == list(lab.df()["sound"])


def test_a_token_is_signed_anew(storm: Met) -> None:
    """19 token-life: a token that is said to be too old is renewed once, and one task outlives several tokens."""
    for name in ("token-expired", "long"):
        task = storm.task("kling", f"kling #sim:{name}")
        assert (task.state, task.attempt, storm.charges("kling", f"kling #sim:{name}")) == ("saved", 1, 1)


def test_moderation_may_pass_when_a_person_tries_again(tmp_path: Path) -> None:
    """20 no-seed: a failure is bought again by `retry` alone, and then as it was."""
    with opened(tmp_path) as lab:
        run = ended(lab, sweep("a fox #sim:risk-control:1"), "one")
        assert ({"failed": 1}, 1) == (run.snapshot().counts, len(ledger(lab)))
        run.retry()
        run.wait(30)
        assert ({"saved": 1}, 2) == (run.snapshot().counts, len(ledger(lab)))


def test_repeats_that_come_out_alike_can_be_told(tmp_path: Path) -> None:
    """20 no-seed: repeats are samples of their own; where a provider gives the same clip twice, its hash says so."""
    with opened(tmp_path) as lab:
        ended(lab, sweep("a fox", "a cat #sim:same-clip", repeats=2), "one")
        hashes = lab.df().groupby("prompt")["sha256"].nunique().to_dict()
        assert hashes == {"a fox": 2, "a cat #sim:same-clip": 1}
        assert len(ledger(lab)) == 4


def test_an_hour_is_waited_for(tmp_path: Path) -> None:
    """21 impatience: after half an hour of silence a task is stalled, never given up, and saved when it is done."""
    with opened(tmp_path) as lab:
        heard: list[str] = []
        listen(lab, lambda event, _task: heard.append(event.kind))
        run = start(lab, sweep("a fox #sim:long"), name="one")
        until(run, lambda _: "saved" in heard)
        assert [kind for kind in heard if kind in ("stalled", "saved")] == ["stalled", "saved"]
        assert len(ledger(lab)) == 1


def test_a_code_is_read_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """24 code-names: whatever the words, 1303 is waited for and 1301 is a no for the content."""
    full, no = ({"code": code, "message": "OK_PROCEED", "request_id": "r"} for code in (1303, 1301))
    scripted(
        monkeypatch,
        Fault(action="http", status=429, body=json.dumps(full), prompt="fox"),
        Fault(action="http", status=429, body=json.dumps(no), prompt="cat"),
    )
    with opened(tmp_path) as lab:
        states = {task.request["prompt"]: task.state for task in ended(lab, sweep("a fox", "a cat"), "one").tasks}
        assert (states, len(ledger(lab))) == ({"a fox": "saved", "a cat": "failed"}, 1)


def test_every_pitfall_is_met_here() -> None:
    """No number of the simulator's table is left out of this file."""
    said = Path(__file__).read_text("utf-8")
    assert [pitfall.name for pitfall in PITFALLS if pitfall.name not in said] == []
