"""KLING_NB_SPEED: how fast a live lab's time runs, which is real wherever money may be spent."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import kling_nb as kn
from kling_nb.errors import LabError
from kling_nb.keys import base_url_variable, key_variable

HERE = "http://127.0.0.1:9/kling"
AWAY = "https://api.example.com"


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLING_NB_SPEED", "20000")


def at(monkeypatch: pytest.MonkeyPatch, name: str, base_url: str, key: str = "api-key-of-a-test") -> None:
    """Set where a provider is, and its key."""
    monkeypatch.setenv(base_url_variable(name), base_url)
    monkeypatch.setenv(key_variable(name), key)


def speed(folder: Path) -> float:
    """Return how fast the time of a live lab runs."""
    with kn.Lab(folder) as lab:
        return lab._opened.driving()._clock.speed


def test_on_this_machine_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every provider that has a key is on this machine, or has a name of tests, time runs as fast as the variable says."""
    for base_url in (HERE, "http://localhost:9", "http://[::1]:9/kling", "http://api.example"):
        at(monkeypatch, "kling", base_url)
        assert 20000 == speed(tmp_path)


def test_elsewhere_time_is_real(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One provider elsewhere is enough for days to be days, whatever the others are; it is said, with its address."""
    caplog.set_level(logging.WARNING, "kling_nb")
    at(monkeypatch, "kling", AWAY)
    assert 1 == speed(tmp_path)
    assert f"KLING_NB_SPEED is ignored: it is only for simulations on this machine; kling at {AWAY}" in caplog.text
    at(monkeypatch, "fal", HERE)
    assert 1 == speed(tmp_path)
    at(monkeypatch, "kling", "http://localhost.example.com")
    assert 1 == speed(tmp_path)


def test_without_a_key_time_is_real(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody knows yet where the key that comes later belongs to."""
    assert 1 == speed(tmp_path)
    assert "no key that can be used is set" in caplog.text


@pytest.mark.parametrize("base_url", [HERE, AWAY])
def test_real_time_cannot_be_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base_url: str) -> None:
    """Infinite speed is refused when a live lab is opened, in one sentence, and the folder can be opened afterwards."""
    at(monkeypatch, "kling", base_url)
    monkeypatch.setenv("KLING_NB_SPEED", "inf")
    with pytest.raises(LabError, match="KLING_NB_SPEED=inf is for simulated labs"):
        kn.Lab(tmp_path)
    monkeypatch.delenv("KLING_NB_SPEED")
    assert 1 == speed(tmp_path)
