"""``kling-nb doctor``, as a person reads it: what is at hand, what is missing, and who answers when it is told to ask."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from strict_socket import StrictSocket, answer

from kling_nb import catalog
from kling_nb.cli import main
from kling_nb.simulator import Simulator, running

KEY = "id-0123456789ab:secret-0123456789-WXYZ"
OWN = """
[provider.my-relay]
dialect = "falqueue"
base_url = "{base}"
key = "raw"
"""


@dataclass(frozen=True)
class Said:
    """What the command said, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


Doctor = Callable[..., Said]
UNSET = ("KLING_NB_", "VSCODE_", "JPY_", "TERM_PROGRAM", "COLAB_")


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Run the command in a folder of its own, with no key but those that are given and no keyring."""
    for name in [name for name in os.environ if name.startswith(UNSET)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    own = {"HOME": str(tmp_path), "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", "COLUMNS": "60"}

    def run(*arguments: str | Path, **variables: str) -> Said:
        with monkeypatch.context() as patch:
            for name, value in (own | variables).items():
                patch.setenv(name, value)
            code = main(["doctor", *map(str, arguments)])
        return Said(code, *capsys.readouterr())

    return run


def block(done: Said, name: str) -> str:
    """Return what is said under a name: its line and those below it that have none."""
    lines = done.stdout.splitlines()
    start = max(at for at, line in enumerate(lines) if line.startswith(f"  {name} "))
    more = [line.strip() for line in lines[start + 1 :]]
    named = next((at for at, line in enumerate(lines[start + 1 :]) if not line.startswith(" " * 10)), len(more))
    return "\n".join([lines[start], *more[:named]])


@pytest.fixture(scope="module")
def variables() -> Iterator[Mapping[str, str]]:
    """Play kling and fal on 127.0.0.1; returns the variables that lead there."""
    simulator = Simulator(None)
    with running(simulator) as base:
        found: dict[str, str] = {}
        for name in ("kling", "fal"):
            found[f"KLING_NB_{name.upper()}_BASE_URL"] = base + simulator.path(name)
            found[f"KLING_NB_{name.upper()}_KEY"] = simulator.key(name)
        yield found
        assert [] == simulator.ledger()
    simulator.close()


def test_it_says_what_is_missing(doctor: Doctor) -> None:
    """Without a key, each provider stands there with its dialect, its host and the variable to set."""
    done = doctor()
    assert 0 == done.returncode, done.stderr
    for provider in catalog.load().providers.values():
        said = block(done, provider.id)
        assert f"dialect {provider.dialect}" in said
        assert provider.base_url is None or provider.base_url in said
        assert f"set KLING_NB_{provider.id.upper().replace('-', '_')}_KEY" in said
    assert "no host is known: set KLING_NB_RELAY_BASE_URL" in block(done, "relay")
    starts = {line.index(word) for line in done.stdout.splitlines() for word in ("not yet",) if word in line}
    assert 1 == len(starts)


def test_it_says_what_can_be_shown_here(doctor: Doctor) -> None:
    """The front end, the libraries with their versions, the codec as it was tried, the browser."""
    done = doctor()
    for name in ("anywidget", "ipywidgets", "keyring", "httpx2", "calls", "browser"):
        assert block(done, name)
    assert "writes and reads H.264: a simulated clip (h264" in block(done, "video")
    assert "not a terminal" in block(done, "front end")
    cell = doctor(JPY_PARENT_PID="1", VSCODE_PID="2")
    assert "a notebook's kernel in VS Code" in block(cell, "front end")


def test_a_broken_video_library_is_said(tmp_path: Path) -> None:
    """Where PyAV does not load, the doctor says so and goes on."""
    (tmp_path / "av.py").write_text("raise ImportError('libavcodec.so.61 is missing')")
    command, paths = [sys.executable, "-m", "kling_nb", "doctor"], {**os.environ, "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(command, cwd=tmp_path, env=paths, capture_output=True, text=True, timeout=120, check=False)
    done = Said(ran.returncode, ran.stdout, ran.stderr)
    assert (0, "") == (done.returncode, done.stderr)
    assert "cannot write and read video here: ImportError: libavcodec.so.61 is missing" in block(done, "video")


def test_keys_are_named_by_their_source_alone(doctor: Doctor, tmp_path: Path) -> None:
    """A key shows its source and its last letters; one that cannot be used shows what was expected."""
    (tmp_path / ".env").write_text(f"KLING_NB_FAL_KEY={KEY}\n")
    done = doctor(KLING_NB_KLING_KEY=f"{KEY} {KEY}", KLING_NB_FAL_BASE_URL=f"https://me:{KEY}@x.example")
    assert 0 == done.returncode, done.stderr
    assert "key ••••WXYZ from KLING_NB_FAL_KEY in " in block(done, "fal")
    assert "cannot be used: expected http(s)://" in block(done, "fal")
    assert "cannot be used: expected access:secret" in block(done, "kling")
    assert "secret-0123456789" not in done.stdout + done.stderr


def test_a_misspelt_variable_is_named(doctor: Doctor) -> None:
    """What is named like a variable of ours and read by nobody is told, with the likeliest one; its value is not."""
    said = doctor(KLING_NB_KLIN_KEY=KEY, KLING_NB_XYZ="1", KLING_NB_FAL_KEY=KEY, KLING_NB_HTTP="httpx").stdout
    told = said.partition("Variables that nothing reads\n")[2].partition("\n\n")[0].split("\n")
    assert ["KLING_NB_KLIN_KEY: did you mean KLING_NB_KLING_KEY?", "KLING_NB_XYZ"] == [line.strip() for line in told]
    assert KEY not in said
    assert "nothing reads" not in doctor(KLING_NB_FAL_KEY=KEY).stdout


def test_it_asks_only_when_told_to(doctor: Doctor) -> None:
    """Without ``--reach`` nobody hears of it; with it, each that has key and host gets one call."""
    with StrictSocket.running(lambda _: [answer(b'{"detail": "Not Found"}', "404 Not Found")]) as server:
        at = {"KLING_NB_FAL_KEY": KEY, "KLING_NB_FAL_BASE_URL": server.url}
        assert 0 == doctor(**at).returncode
        assert [] == server.seen
        assert 0 == doctor("--reach", **at).returncode
        assert ["GET"] == [seen.method for seen in server.seen]


def test_who_is_reached(doctor: Doctor, variables: Mapping[str, str]) -> None:
    """Exit 0 where every provider that was asked can be used, with its verdict and seconds."""
    done = doctor("--reach", **variables)
    assert 0 == done.returncode, done.stdout + done.stderr
    for name in ("kling", "fal"):
        assert "key accepted, " in block(done, name)
    assert "relay " not in done.stdout.partition("Asked")[2]


def test_who_is_not_usable(doctor: Doctor, variables: Mapping[str, str]) -> None:
    """Exit 1 where one that was asked refuses the key, is not there, or answers with a page; each says why."""
    with StrictSocket.running(lambda _: [answer(b"<html>hello</html>")]) as server:
        wrong = {
            "KLING_NB_FAL_KEY": KEY,
            "KLING_NB_RELAY_KEY": "sk-0",
            "KLING_NB_RELAY_BASE_URL": server.url,
            "KLING_NB_OPENROUTE_KEY": "sk-0",
            "KLING_NB_OPENROUTE_BASE_URL": "http://127.0.0.1:1",
        }
        done = doctor("--reach", **{**variables, **wrong})
    assert 1 == done.returncode
    assert "" == done.stderr
    assert "key accepted" in block(done, "kling")
    assert "key refused" in block(done, "fal")
    assert "No user found for Key ID and Secret" in block(done, "fal")
    assert "check KLING_NB_FAL_KEY" in block(done, "fal")
    assert "not its kind of answer" in block(done, "relay")
    assert "<html>hello</html>" in block(done, "relay")
    assert "not reachable" in block(done, "openroute")
    assert "no connection could be made" in block(done, "openroute")


def test_providers_can_be_named(doctor: Doctor, variables: Mapping[str, str]) -> None:
    """Only those that are named are asked; one that lacks a key is not usable, and an unknown name is bad input."""
    done = doctor("--reach", "fal", **variables)
    asked = done.stdout.partition("Asked")[2]
    assert 0 == done.returncode
    assert "fal" in asked
    assert "kling" not in asked
    lacking = doctor("--reach", "relay", "fal", **variables)
    assert 1 == lacking.returncode
    assert "relay was not asked: no key" in lacking.stdout
    unknown = doctor("--reach", "klong", **variables)
    assert 2 == unknown.returncode
    assert "did you mean 'kling'" in unknown.stderr
    assert "Traceback" not in unknown.stderr


def test_nobody_to_ask_is_said(doctor: Doctor) -> None:
    """With no key anywhere, asking is no failure."""
    done = doctor("--reach")
    assert 0 == done.returncode
    assert "nobody: no provider has both a key and a host" in done.stdout


def test_ones_own_providers_are_seen(doctor: Doctor, tmp_path: Path, variables: Mapping[str, str]) -> None:
    """A file of rows is laid over the catalogue; its providers are listed and asked as the others."""
    own = tmp_path / "mine.toml"
    own.write_text(OWN.format(base=variables["KLING_NB_FAL_BASE_URL"]))
    key = {"KLING_NB_MY_RELAY_KEY": variables["KLING_NB_FAL_KEY"]}
    done = doctor("--providers", own, "--reach", "my-relay", **key)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "key accepted" in block(done, "my-relay")
    assert 2 == doctor("--providers", tmp_path / "absent.toml").returncode
