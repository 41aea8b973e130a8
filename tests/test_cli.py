"""The command line, as a person runs it: a process, its exit code, its words."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import pytest

from kling_nb import Lab, Simulation
from kling_nb.costs import Cost, cost_data
from kling_nb.demo import PROVIDERS
from kling_nb.simulator.pitfalls import PITFALLS
from kling_nb.states import EventKind
from tests.forking import Piped, run

SMALL = """
[fixed]
prompt = "a red fox runs through snow"
duration = 5
[axes]
model = ["kling-v2-6", "kling-v2-5-turbo"]
mode = ["std", "pro"]
"""
HELD = """
[fixed]
model = "kling-v2-5-turbo"
mode = "std"
duration = 5
[axes]
prompt = ["a fox", "a boat #sim:fail", "a cat"]
"""


def kling_nb(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a clean environment of KLING_NB variables; simulated time passes at once, live labs take none."""
    return run("kling_nb", *arguments, env=environment(variables))


def started(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command as `kling_nb` does, by an interpreter of its own: for what is settled where that starts."""
    command = [sys.executable, "-m", "kling_nb", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(variables), timeout=120, check=False)


def environment(variables: dict[str, str]) -> dict[str, str]:
    """Return the environment of a command."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KLING_NB_")}
    return {**kept, "KLING_NB_SPEED": "inf", "COLUMNS": "140", **variables}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Write a small sweep."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def test_the_demo_leaves_a_lab_and_a_page(tmp_path: Path) -> None:
    """One command: at least 24 points over all seven providers, some refused, some failing, and a page that shows them."""
    done = started("demo", "--lab", tmp_path / "demo", "--speed", "inf")
    assert done.returncode == 0, done.stderr
    page = tmp_path / "demo" / "page" / "index.html"
    heads = re.findall(
        r'<th scope="col"[^>]*><small>provider</small> <div dir="auto">([^<]+)</div></th>', page.read_text("utf-8")
    )
    assert heads == PROVIDERS
    assert str(page) in done.stdout
    assert "30 saved" in done.stdout
    assert "3 failed" in done.stdout
    assert "4 refused" in done.stdout
    assert len(list((tmp_path / "demo" / "clips").glob("*.mp4"))) == 30


def test_a_plan_spends_nothing(sweep: Path) -> None:
    """``plan`` says what it would cost, and leaves nothing behind."""
    done = kling_nb("plan", sweep, "--simulate")
    assert done.returncode == 0, done.stderr
    assert "4 points" in done.stdout
    assert "$1.12" in done.stdout
    assert list(sweep.parent.iterdir()) == [sweep]


def test_a_plan_shows_the_exact_calls_at_a_provider_of_ones_own(sweep: Path) -> None:
    """``--calls`` prints what would be sent, also for a relay that stands in a file of one's own."""
    own = sweep.with_name("mine.toml")
    own.write_text('[provider.mine]\ndialect = "native"\nbase_url = "https://mine.example"\nkey = "token"\n')
    told = ("plan", sweep, "--providers", own, "--provider", "mine", "--assume-price", "official", "--calls")
    done = kling_nb(*told, KLING_NB_SPEED="")
    assert done.returncode == 0, done.stderr
    assert 'POST https://mine.example/kling/v1/videos/text2video {"model_name": "kling-v2-6"' in done.stdout
    assert kling_nb(*told[:2], "--provider", "mine").returncode == 2


def test_a_run_saves_and_runs_again_for_nothing(sweep: Path, tmp_path: Path) -> None:
    """Exit 0 when every sendable point is saved; the same command again buys nothing."""
    lab = tmp_path / "lab"
    for _ in range(2):
        done = kling_nb("run", sweep, "--lab", lab, "--simulate", "--budget", "5")
        assert done.returncode == 0, done.stderr
        assert "4 saved" in done.stdout
    assert len(list((lab / "clips").glob("*.mp4"))) == 4
    page = kling_nb("export", lab, tmp_path / "page", "--x", "mode", "--y", "model")
    assert page.returncode == 0, page.stderr
    assert (tmp_path / "page" / "index.html").is_file()


@pytest.mark.parametrize("amount", ["abc", "-1"])
def test_a_budget_that_is_none_is_told_before_anything(sweep: Path, tmp_path: Path, amount: str) -> None:
    """One sentence, and no plan above it."""
    done = kling_nb("run", sweep, "--lab", tmp_path / "lab", "--simulate", f"--budget={amount}")
    assert (2, "") == (done.returncode, done.stdout)
    assert "expected an amount of USD" in done.stderr


def test_over_budget_is_exit_3_and_buys_nothing(sweep: Path, tmp_path: Path) -> None:
    """The plan's sum is compared with the budget before anything starts."""
    done = kling_nb("run", sweep, "--lab", tmp_path / "lab", "--simulate", "--budget", "1")
    assert done.returncode == 3
    assert "over the budget of $1.00" in done.stderr
    assert "(here budget= is --budget)" in done.stderr
    assert "4 points, 4 to buy" in done.stdout
    assert not (tmp_path / "lab").exists()


@pytest.fixture
def failing(tmp_path: Path) -> tuple[str | Path, ...]:
    """Return the command of a run all of whose points fail, each time."""
    path = tmp_path / "bad.toml"
    path.write_text(SMALL.replace("through snow", "through snow #sim:moderation"))
    return ("run", path, "--lab", tmp_path / "lab", "--simulate")


def test_points_that_fail_are_exit_1(failing: tuple[str | Path, ...]) -> None:
    """A point that the provider refused is not saved; the exit code says so, and a line how it is retried from here."""
    done = kling_nb(*failing)
    assert done.returncode == 1
    assert "content policy" in done.stdout
    assert "kling-nb: 4 of 4 clips not saved (here run.retry() is the same command with --retry)\n" == done.stderr


def test_what_failed_is_bought_again_by_retry_only(failing: tuple[str | Path, ...], tmp_path: Path) -> None:
    """The same command leaves what failed as it is; ``--retry`` says the price and buys it again, within the budget."""
    for options, code, attempts in (
        ((), 1, 1),
        ((), 1, 1),
        (("--retry", "--budget", "0.30"), 3, 1),
        (("--retry", "--budget", "5"), 1, 2),
    ):
        done = kling_nb(*failing, *options)
        assert code == done.returncode, done.stdout + done.stderr
        with Lab(tmp_path / "lab", simulate=Simulation(speed=float("inf"))) as lab:
            assert 4 * attempts == len(lab.log.tasks())
    assert "4 failed before, bought again for up to $1.12" in done.stdout


def test_a_retry_over_the_budget_says_the_sum(failing: tuple[str | Path, ...]) -> None:
    """Exit 3, with what it may cost and the ceiling, before anything is bought."""
    kling_nb(*failing)
    done = kling_nb(*failing, "--retry", "--budget", "0.30")
    assert "buying again may cost $1.12, over the budget of $0.30, of which $0.00 is spent" in done.stderr
    assert (
        "nothing was bought again; start it again with a higher budget= first (here budget= is --budget)" in done.stderr
    )


def test_a_retry_costs_its_estimate(failing: tuple[str | Path, ...], tmp_path: Path) -> None:
    """What is charged for another attempt does not go by what the provider said of the one that failed."""
    kling_nb(*failing)
    with Lab(tmp_path / "lab", simulate=Simulation(speed=float("inf"))) as lab:
        free = cost_data(Cost(amount=Decimal(0), unit="USD", usd=Decimal(0)))
        for task in lab.log.tasks()["task"]:
            lab._opened.driving().record(task, EventKind.CHARGED, cost=free)

    told = kling_nb(*failing, "--retry", "--budget", "0.30")

    assert "buying again may cost $1.12, over the budget of $0.30" in told.stderr


def test_a_retry_tells_what_is_sent_besides(sweep: Path, tmp_path: Path) -> None:
    """What was held back is told with its price, and so is what stays counted of what failed."""
    sweep.write_text(HELD)
    told = ("run", sweep, "--lab", tmp_path / "lab", "--simulate", "--daily-budget", "0.42")
    kling_nb(*told)

    done = kling_nb(*told, "--retry")

    assert (
        "1 failed before, bought again for up to $0.21. 1 not sent yet is then sent too: $0.42 in all. "
        "The $0.21 of what failed stays counted as spent.\n"
    ) in done.stdout


def test_a_retry_of_nothing_buys_nothing(sweep: Path, tmp_path: Path) -> None:
    """Where nothing failed ``--retry`` says so, and the command goes on as without it."""
    for _ in range(2):
        done = kling_nb("run", sweep, "--lab", tmp_path / "lab", "--simulate", "--retry")
        assert done.returncode == 0, done.stderr
        assert "nothing failed before: nothing to retry" in done.stdout
    assert len(list((tmp_path / "lab" / "clips").glob("*.mp4"))) == 4


def test_what_a_day_does_not_take_says_how_to_go_on_from_here(sweep: Path, tmp_path: Path) -> None:
    """A daily budget that holds points names the option and the command, not only what Python has."""
    done = kling_nb("run", sweep, "--lab", tmp_path / "lab", "--simulate", "--daily-budget", "0.5")
    assert done.returncode == 1
    assert "(here run.resume() is the same command again, lab.daily_budget is --daily-budget)" in done.stderr
    assert "of the daily budget of $0.50 is left today" in " ".join(done.stdout.split())
    assert done.stdout.count("4 points, 4 to buy") == 1


def test_the_version_is_told() -> None:
    """``--version`` says that of the installed package."""
    done = kling_nb("--version")
    assert (0, f"kling-nb {version('kling_nb')}\n") == (done.returncode, done.stdout)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SMALL.replace("duration", "durration"), "durration"),
        (SMALL.replace("[axes]", "[axes"), "line"),
        ("", "prompt"),
        (SMALL.replace("duration = 5", "duration = 7"), "duration"),
        (SMALL.replace('"a red fox runs through snow"', '" "'), "prompt"),
    ],
    ids=["misspelt field", "broken TOML", "empty", "7 seconds", "blank prompt"],
)
def test_bad_input_is_exit_2_and_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    """Bad input is answered without a traceback and buys nothing."""
    path = tmp_path / "bad.toml"
    path.write_text(text)
    done = kling_nb("run", path, "--lab", tmp_path / "lab", "--simulate")
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "lab").exists()


@pytest.mark.parametrize(
    ("options", "keys", "words"),
    [
        (("--provider", "kling"), {}, "Set KLING_NB_KLING_KEY to"),
        ((), {}, "no provider has a key"),
        ((), {"KLING_NB_KLING_KEY": "a:b", "KLING_NB_FAL_KEY": "a:b"}, "several have keys (kling, fal): say which"),
        (("--provider", "klin"), {}, "klin"),
        (("--provider", "kling", "--name", "generate"), {"KLING_NB_KLING_KEY": "a:b"}, "name='generate'"),
    ],
    ids=["no key", "no key and no provider", "two keys and no provider", "no such provider", "a name that is taken"],
)
def test_what_stands_in_the_way_of_a_live_run_is_told_before_a_folder_is_made(
    options: tuple[str, ...], keys: dict[str, str], words: str, sweep: Path, tmp_path: Path
) -> None:
    """Nothing starts, the way out is named, and there is no live lab in the way of ``--simulate``."""
    done = kling_nb("run", sweep, "--lab", tmp_path / "lab", *options, KLING_NB_SPEED="", **keys)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert not (tmp_path / "lab").exists()
    simulated = kling_nb("run", sweep, "--lab", tmp_path / "lab", "--simulate")
    assert simulated.returncode == 0, simulated.stderr


def test_a_speed_that_is_ignored_is_said_once(sweep: Path, tmp_path: Path) -> None:
    """A new folder is opened behind one that is only tried; what both would warn of is said by the one that stays."""
    away = {
        "KLING_NB_SPEED": "60",
        "KLING_NB_KLING_KEY": "a-key-of-a-test",
        "KLING_NB_KLING_BASE_URL": "https://192.0.2.1",
    }
    for _ in range(2):
        done = kling_nb(
            "run", sweep, "--lab", tmp_path / "lab", "--provider", "kling", "--daily-budget", "0.01", **away
        )
        assert (1, 1) == (done.returncode, done.stderr.count("KLING_NB_SPEED is ignored")), done.stderr
        assert "the daily budget of $0.01 is less than" in done.stdout + done.stderr


def test_a_missing_sweep_and_a_missing_lab_are_exit_2(tmp_path: Path) -> None:
    """A path that is not there, or cannot be, is one sentence."""
    assert kling_nb("run", tmp_path / "no.toml", "--lab", tmp_path / "lab", "--simulate").returncode == 2
    for lab in (tmp_path / "no", tmp_path / ("x" * 300)):
        done = kling_nb("export", lab, tmp_path / "page")
        assert (done.returncode, "expected a lab folder with a log.sqlite, found none in" in done.stderr) == (2, True)


def test_the_simulator_serves_and_stops(tmp_path: Path) -> None:
    """``simulate`` says where it is and what to set, serves on loopback, and ends at a signal."""
    command = [sys.executable, "-m", "kling_nb", "simulate", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}) as process:
        assert process.stdout is not None
        base_url = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert base_url is not None
        with urllib.request.urlopen(f"{base_url[0]}/_sim/health", timeout=10) as answer:
            assert json.load(answer)["simulated"] is True
        process.send_signal(signal.SIGTERM)
        assert "KLING_NB_FAL_KEY=" in process.stdout.read()
        assert process.wait(20) == 0


def test_a_signal_while_the_simulator_says_where_it_is_ends_it() -> None:
    """Whoever has read the address may end it at once, though it has not come to wait yet."""
    code = (
        "import os, signal, sys, rich.console\n"
        "rich.console.Console.print = lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM)\n"
        "from kling_nb.cli import main\n"
        "sys.exit(main(['simulate', '--port', '0']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (0, "") == (done.returncode, done.stderr)


def test_the_simulator_serves_one_provider_at_the_root_over_https(tmp_path: Path) -> None:
    """``--provider`` and ``--tls`` say that provider's address at the root and whom to trust; both work."""
    command = [sys.executable, "-m", "kling_nb", "simulate", "--port", "0", "--tls", "--provider", "chanjing"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(4)]
        told = dict(line.split("=", 1) for line in lines[1:])
        assert set(told) == {"KLING_NB_CHANJING_BASE_URL", "KLING_NB_CHANJING_KEY", "SSL_CERT_FILE"}
        authority = Path(told["SSL_CERT_FILE"])
        app_id, _, secret = told["KLING_NB_CHANJING_KEY"].partition(":")
        asked = urllib.request.Request(
            told["KLING_NB_CHANJING_BASE_URL"] + "/open/v1/access_token",
            json.dumps({"app_id": app_id, "secret_key": secret}).encode(),
        )
        trusting = ssl.create_default_context(cafile=str(authority))
        with urllib.request.urlopen(asked, timeout=10, context=trusting) as answer:
            assert json.load(answer)["code"] == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not authority.exists()


def test_the_pitfalls_are_listed() -> None:
    """``--list`` shows every known pitfall, how to meet it and what follows, and serves nothing."""
    done = kling_nb("simulate", "--list")
    assert (done.returncode, done.stderr) == (0, "")
    for pitfall in PITFALLS:
        assert all(line in done.stdout.splitlines() for line in pitfall.lines())


def test_https_without_its_package_is_exit_2() -> None:
    """Without trustme ``--tls`` says what to install."""
    code = "import sys; sys.modules['trustme'] = None; from kling_nb.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "simulate", "--port", "0", "--tls"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "pip install 'kling_nb[tls]'" in done.stderr


def test_an_unknown_provider_at_the_root_is_exit_2() -> None:
    """A misspelt provider is answered with those that can be simulated."""
    done = kling_nb("simulate", "--port", "0", "--provider", "fall")
    assert done.returncode == 2
    assert "no simulated provider 'fall'; there are: kling, fal" in done.stderr


def test_a_live_run_reaches_a_simulator_on_a_port(sweep: Path, tmp_path: Path) -> None:
    """Two variables point a live run at any server that speaks the protocol; the base URL may carry a path."""
    told = ["simulate", "--port", "0", "--speed", "400"]
    with Piped(told, module="kling_nb", env={**os.environ, "COLUMNS": "200"}) as process:
        lines = [process.stdout.readline().strip() for _ in range(5)]
        variables = dict(line.split("=", 1) for line in lines[1:])
        done = kling_nb("run", sweep, "--lab", tmp_path / "lab", "--provider", "kling", "--provider", "fal",
                        **{**variables, "KLING_NB_SPEED": "400"})  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 saved" in done.stdout


def test_the_doctor_says_what_is_missing() -> None:
    """Without keys the doctor names the variable of each provider."""
    done = kling_nb("doctor")
    assert done.returncode == 0
    assert "KLING_NB_KLING_KEY" in done.stdout
    assert "https://queue.fal.run" in done.stdout


BAD_SERVERS: dict[str, tuple[tuple[str, ...], str]] = {
    "a port that is none": (("--port", "99999"), "port=99999: expected 1 to 65535"),
    "no time passes": (("--port", "0", "--speed", "0"), "speed=0.0: expected a number above 0"),
    "time is no number": (("--port", "0", "--speed", "nan"), "speed=nan: expected a number above 0"),
    "a file as its folder": (("--port", "0", "--folder", __file__), "cannot be created: File exists"),
    "the home of nobody": (
        ("--port", "0", "--folder", "~nobody-here"),
        "expected a folder that can be found from here",
    ),
}


@pytest.mark.parametrize("what", BAD_SERVERS)
def test_a_simulator_that_cannot_be_served_is_exit_2(what: str) -> None:
    """What cannot be served is one sentence, and nothing listens."""
    options, words = BAD_SERVERS[what]
    done = kling_nb("simulate", *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_exit_2() -> None:
    """A port on which somebody else listens is named, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = kling_nb("simulate", "--port", str(port))
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1 cannot be used (Address already in use); choose another" in done.stderr


def test_a_speed_that_is_none_is_exit_2(tmp_path: Path) -> None:
    """The demo takes a speed above 0 only, and makes no folder for another."""
    done = kling_nb("demo", "--lab", tmp_path / "demo", "--speed", "-1")
    assert done.returncode == 2
    assert "speed=-1.0: expected a number above 0" in done.stderr
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("name", [".", "small.toml/x", "x" * 300])
def test_a_sweep_that_cannot_be_read_is_exit_2(name: str, sweep: Path) -> None:
    """A folder, a path through a file and a name that is too long are one sentence each."""
    done = kling_nb("plan", sweep.parent / name, "--simulate")
    assert done.returncode == 2
    assert "expected a TOML file that can be read, and it cannot" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_without_a_letter_shows_the_rest(tmp_path: Path) -> None:
    """Letters that the terminal's encoding lacks are shown as question marks; the clips are bought and saved all the same."""
    path = tmp_path / "letters.toml"
    path.write_text('[axes]\nprompt = ["a fox 🦊 in été", "שלום"]\n', encoding="utf-8")
    done = started("run", path, "--simulate", "--lab", tmp_path / "läb", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "a fox ? in ?t?" in done.stdout
    assert "2 saved" in done.stdout


def test_a_folder_named_in_letters_that_the_system_lacks(sweep: Path, tmp_path: Path) -> None:
    """Where the system's encoding lacks letters of a path, Python holds them as half characters; all works there."""
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = started("run", sweep, "--simulate", "--lab", tmp_path / "läb", **plain)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "läb" / "log.sqlite").is_file()
    page = started("export", tmp_path / "läb", tmp_path / "pägé", **plain)
    assert page.returncode == 0, page.stderr
    assert "<h1>läb</h1>" in (tmp_path / "pägé" / "index.html").read_text(encoding="utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
def test_an_output_that_is_full_is_told(sweep: Path) -> None:
    """Where the output cannot be written the command ends with one sentence, and says how to go on."""
    command = [sys.executable, "-m", "kling_nb", "plan", str(sweep), "--simulate"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "No space left on device; what was submitted keeps running" in done.stderr
    assert "Traceback" not in done.stderr
