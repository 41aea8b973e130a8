"""Keys: where they are found, what form they have, and that they stay out of sight."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kling_nb as kn
from kling_nb import catalog, keys
from kling_nb.bindings import Bindings
from kling_nb.doctor import report
from kling_nb.errors import InputError, KeyMissing, KlingError
from kling_nb.offer import FORMS, Provider
from kling_nb.secret import Secret, split_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "sk-0123456789abcdefXYZW"
KLING = Provider(id="kling", title="Kling", dialect="native", base_url=None, key="pair_or_token")
FAL = Provider(id="fal", title="fal", dialect="falqueue", base_url=None, key="raw")
RELAY = Provider(id="my-relay.v2", title="a relay", dialect="native", base_url=None, key="token")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder two below a home folder, with no key in the environment and no keyring at hand."""
    for provider in ("KLING", "FAL", "MY_RELAY_V2"):
        monkeypatch.delenv(f"KLING_NB_{provider}_KEY", raising=False)
        monkeypatch.delenv(f"KLING_NB_{provider}_BASE_URL", raising=False)
    folder = tmp_path / "home" / "study" / "deep"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.chdir(folder)
    return tmp_path / "home"


@pytest.fixture
def ring() -> Iterator[dict[tuple[str, str], str]]:
    """Put a keyring in place that a test can fill."""
    keyring = pytest.importorskip("keyring")
    held: dict[tuple[str, str], str] = {}

    class Ring(keyring.backend.KeyringBackend):  # type: ignore[misc,name-defined]
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            if username == "locked":
                raise keyring.errors.KeyringLocked
            return held.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            held[service, username] = password

    before = keyring.get_keyring()
    keyring.set_keyring(Ring())
    yield held
    keyring.set_keyring(before)


def _found(provider: Provider, given_keys: dict[str, str] | None = None) -> tuple[str, str] | None:
    secret = keys.find_key(provider, given_keys or {})
    return (secret.reveal(), secret.source) if secret else None


def test_the_nearest_place_wins(home: Path, monkeypatch: pytest.MonkeyPatch, ring: dict[tuple[str, str], str]) -> None:
    """The call comes before the environment, that before .env files, the nearest first, then the keyring."""
    assert _found(FAL) is None
    ring["kling_nb", "fal"] = "from-ring"
    assert _found(FAL) == ("from-ring", "the keyring (service 'kling_nb', user 'fal')")
    (home / ".env").write_text("KLING_NB_FAL_KEY=from-home\n")
    assert _found(FAL) == ("from-home", "KLING_NB_FAL_KEY in ../../.env")
    (home / "study" / "deep" / ".env").write_text("OTHER=1\n")
    (home / "study" / ".env").write_text("KLING_NB_FAL_KEY='from-study'\n")
    assert _found(FAL) == ("from-study", "KLING_NB_FAL_KEY in ../.env")
    monkeypatch.setenv("KLING_NB_FAL_KEY", "from-env")
    assert _found(FAL) == ("from-env", "the variable KLING_NB_FAL_KEY")
    assert _found(FAL, {"fal": "from-call", "kling": "x"}) == ("from-call", "keys=")


def test_a_file_is_named_as_seen_from_here(home: Path) -> None:
    """Where a key is from gets into the log and onto a page, which say nothing of where this machine has its files."""
    (home / ".env").write_text("KLING_NB_FAL_KEY=a key\nKLING_NB_FAL_BASE_URL=ftp://relay\n")
    said = "; ".join(keys.access(FAL).lacks)
    assert "from KLING_NB_FAL_KEY in ../../.env cannot be used" in said
    assert "from KLING_NB_FAL_BASE_URL in ../../.env cannot be used" in said
    assert str(home) not in said


def test_nothing_above_the_home_folder_is_read(home: Path) -> None:
    """A .env file above the home folder belongs to somebody else."""
    (home.parent / ".env").write_text("KLING_NB_FAL_KEY=strange\n")
    assert _found(FAL) is None


def test_a_dot_env_file_is_read_and_not_exported(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .env file is read as it stands: nothing is filled in, and nothing put into the environment."""
    monkeypatch.setenv("A", "surprise")
    (home / ".env").write_text('export KLING_NB_FAL_KEY="id:${A}$A"\n', encoding="utf-8-sig")
    assert _found(FAL) == ("id:${A}$A", "KLING_NB_FAL_KEY in ../../.env")
    assert "KLING_NB_FAL_KEY" not in os.environ


def test_a_dot_env_file_that_is_no_text_is_named(home: Path) -> None:
    """A .env file in another encoding is an error that names it."""
    (home / ".env").write_bytes(b"KLING_NB_FAL_KEY=\xff\n")
    with pytest.raises(InputError, match=r"^\.\./\.\./\.env is not a text file in UTF-8"):
        keys.find_key(FAL)


def test_variables_are_named_in_capitals() -> None:
    """What is no letter or digit in a provider's id is an underscore in the name of its variable."""
    assert keys.key_variable("my-relay.v2") == "KLING_NB_MY_RELAY_V2_KEY"
    assert keys.base_url_variable("fal") == "KLING_NB_FAL_BASE_URL"


def test_an_empty_key_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty or blank key lets the next place answer; blanks around a key are taken off."""
    monkeypatch.setenv("KLING_NB_FAL_KEY", f"\t{KEY}\n")
    assert _found(FAL, {"fal": " \n"}) == (KEY, "the variable KLING_NB_FAL_KEY")


@pytest.mark.parametrize("named", [{}, {"provider": "fal"}])
def test_a_plan_looks_for_keys_as_often_for_many_points_as_for_few(
    tmp_path: Path, ring: dict[tuple[str, str], str], monkeypatch: pytest.MonkeyPatch, named: dict[str, str]
) -> None:
    """A key may lie in a file, or in a keyring that takes its time: it is not looked for once more for each point."""
    ring["kling_nb", "fal"] = KEY
    asked: list[str] = []
    monkeypatch.setattr(
        type(keyring_of()), "get_password", lambda _, service, name: asked.append(name) or ring.get((service, name))
    )
    counted = []
    with kn.Lab(tmp_path / "lab") as lab:
        for count in (4, 40):
            asked.clear()
            lab.plan(kn.Sweep(prompt=[f"fox {n}" for n in range(count)], model="kling-v2-5-turbo", mode="pro", **named))
            counted.append(len(asked))
    assert counted[0] == counted[1] > 0


def keyring_of() -> object:
    """Return the keyring that is in place."""
    return pytest.importorskip("keyring").get_keyring()


def test_a_locked_keyring_is_no_error(ring: dict[tuple[str, str], str]) -> None:
    """A keyring that cannot be opened counts as having no key."""
    ring["kling_nb", "fal"] = KEY
    assert _found(Provider(id="locked", title="", dialect="native", base_url=None)) is None


def test_a_missing_key_says_where_it_was_looked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names every place looked at, the variable to set and the form of the key, and no folder of this machine."""
    nowhere = (
        "keys=, the variable KLING_NB_KLING_KEY, .env in this folder and those above (there is none) and the keyring"
    )
    for at, places in (
        (None, nowhere),
        (home, ", the file .env and the"),
        (home / "work", ", the files .env, ../.env and the"),
    ):
        if at is not None:
            at.mkdir(exist_ok=True)
            (at / ".env").write_text("")
            monkeypatch.chdir(at)
        with pytest.raises(KeyMissing) as caught:
            keys.need_key(KLING)
        said = str(caught.value)
        assert places in said
        assert str(home) not in said
    assert "Set KLING_NB_KLING_KEY to access:secret, an API key, or both" in said
    assert keys.need_key(KLING, {"kling": KEY}).reveal() == KEY


def test_several_keys_and_no_provider_name_those_that_have_one() -> None:
    """Who has several keys is told which, and where to say the one that is meant; not to set what is set."""
    with pytest.raises(InputError) as caught:
        Bindings(catalog.load(), {"kling": KEY, "fal": "id:secret"}, None).usual()
    said = str(caught.value)
    assert "several have keys (kling, fal): say which one with provider= in the sweep" in said
    assert "--provider" in said
    assert "KLING_NB_" not in said


def test_a_key_that_nobody_reads_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is misspelt, or what another program calls its key, is named and not shown; other providers' are not."""
    monkeypatch.setenv("KLING_ACCESS_KEY", KEY)
    monkeypatch.setenv("KLING_NB_FAL_KEY", "id:secret")
    monkeypatch.setenv("MONKEY", "1")
    (home / ".env").write_text(f"KLING_NB_KLING_KEYS={KEY}\n")
    with pytest.raises(KeyMissing, match=r"; KLING_ACCESS_KEY, KLING_NB_KLING_KEYS are set, but not read\.") as caught:
        keys.need_key(KLING)
    assert KEY not in str(caught.value)
    monkeypatch.setenv("FAL_KEY", "id:secret")
    monkeypatch.delenv("KLING_NB_FAL_KEY")
    assert keys.access(FAL).lacks[0].endswith("; FAL_KEY is set, but not read")


def test_the_key_of_another_provider_is_not_called_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider's name may begin as another's, or differ by a letter: its variable is read, for it."""
    monkeypatch.setenv("KLING_NB_QUICKROUTER_FAL_KEY", KEY)
    bindings = Bindings(catalog.load(), {}, None)
    row = catalog.load().provider("quickrouter")
    with pytest.raises(KeyMissing) as caught:
        bindings.key(row)
    table = kn.providers().set_index("provider").lacks["quickrouter"]
    said = [str(caught.value), bindings.access(row).lacks[0], table, *report(catalog.load())]
    assert not [one for one in said if "set, but not read" in one]
    monkeypatch.setenv("KLING_NB_QUICKROUTE_KEY", KEY)
    assert "; KLING_NB_QUICKROUTE_KEY is set, but not read" in bindings.access(row).lacks[0]


@pytest.mark.parametrize("name", ["KLING_NB_KLNG_KEY", "KLING_NB_KLIGN_KEY", "KLING_NB_KEY", "kling_nb_kling_key"])
def test_a_slip_in_a_variable_is_named(home: Path, name: str) -> None:
    """A letter too few, two that changed places, no provider, small letters: what is set and not read is named."""
    (home / ".env").write_text(f"{name}={KEY}\n")
    with pytest.raises(KeyMissing, match=f"; {name} is set, but not read"):
        keys.need_key(KLING)


@pytest.mark.parametrize(("kind", "quote"), [("pair_or_token", '"'), ("pair", "'"), ("token", '"'), ("raw", "'")])
def test_a_key_in_quotation_marks_is_refused(kind: str, quote: str) -> None:
    """They are not sent as a part of the key, which the provider would only call wrong."""
    key = "id:secret" if kind == "pair" else "0123456789"
    with pytest.raises(InputError, match="quotation marks around it: leave them out"):
        split_key(kind, f"{quote}{key}{quote}")


def test_an_address_in_a_file_of_ones_own_is_checked(home: Path) -> None:
    """One without http:// is refused as one of a variable is, and the row that has it is named."""
    with pytest.raises(InputError, match=r"from \[provider\.kling\] of the catalogue cannot be used: expected http"):
        keys.base_url_of(replace(KLING, base_url="relay.example.org"))


@pytest.mark.parametrize(
    ("kind", "text", "parts"),
    [
        ("pair_or_token", "ak:sk", {"access": "ak", "secret": "sk"}),
        ("pair_or_token", "sk-1", {"token": "sk-1"}),
        ("pair_or_token", "ak:s:k, sk-1", {"access": "ak", "secret": "s:k", "token": "sk-1"}),
        ("pair_or_token", "sk-1,ak:sk", {"token": "sk-1", "access": "ak", "secret": "sk"}),
        ("pair", "ak:sk", {"access": "ak", "secret": "sk"}),
        ("token", "sk-1", {"token": "sk-1"}),
        ("raw", "id:secret,more", {"token": "id:secret,more"}),
    ],
)
def test_a_key_reads_as_its_provider_writes_it(kind: str, text: str, parts: dict[str, str]) -> None:
    """A colon makes a pair and a comma separates two credentials, where the provider's row says so."""
    assert parts == split_key(kind, text)


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("pair", KEY, "expected an id and its secret with a colon between, and it is in another form"),
        ("pair", f"{KEY}:", "another form"),
        ("pair", f":{KEY}", "another form"),
        ("token", f"ak:{KEY}", "which has no colon"),
        ("token", f"{KEY},{KEY}", "no colon or comma"),
        ("pair_or_token", f"{KEY},{KEY}", "another form"),
        ("pair_or_token", f"a:{KEY},b:{KEY}", "another form"),
        ("pair_or_token", f"{KEY},", "a part of it is empty"),
        ("raw", f"{KEY} {KEY}", "a space or a line break"),
        ("raw", f"{KEY}\u2014", "a character that no key has"),
        ("raw", f"{KEY}\u200b", "a character that no key has"),
        ("raw", f"{KEY}é", "a character that no key has"),
    ],
)
def test_a_key_in_another_form_is_refused_unseen(kind: str, text: str, sentence: str) -> None:
    """A key that cannot be sent is an error that says what was expected and where it came from, and not the key."""
    provider = Provider(id="kling", title="", dialect="native", base_url=None, key=kind)
    with pytest.raises(InputError, match=sentence) as caught:
        keys.find_key(provider, {"kling": text})
    assert "from keys=" in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))


@given(st.text("abc:,", max_size=12), st.sampled_from(sorted(FORMS)))
def test_any_key_is_split_or_refused(text: str, kind: str) -> None:
    """Any key is split into known parts, none of them empty, or refused."""
    try:
        parts = split_key(kind, text)
    except InputError:
        return
    assert set(parts) in ({"token"}, {"access", "secret"}, {"access", "secret", "token"})
    assert all(parts.values())


def test_a_key_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    """No way of printing, formatting or logging a key shows more than its last four characters."""
    secret = Secret(KEY, "keys=")
    logging.getLogger("test").warning("%s %r", secret, secret)
    shown = [repr(secret), str(secret), f"{secret}", f"{[secret]}", caplog.text, secret.masked]
    assert shown[0] == "Secret(••••XYZW from keys=)"
    assert not [text for text in shown if KEY[-5:] in text or KEY[:5] in text]
    assert repr(Secret("123456789", "keys=")) == "Secret(•••• from keys=)"


def test_a_key_does_not_leave_the_process() -> None:
    """A key is not pickled, copied or made into JSON."""
    secret = Secret(KEY, "keys=")
    for leave in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError) as caught:
            leave(secret)
        assert KEY not in str(caught.value)


def test_a_traceback_with_local_variables_shows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an error of a key passes through, no local variable of ours holds one that can be read."""
    monkeypatch.setenv("KLING_NB_MY_RELAY_V2_KEY", f"{KEY} {KEY}")
    for look, provider in ((keys.need_key, RELAY), (keys.find_key, RELAY), (keys.need_key, FAL)):
        with pytest.raises(KlingError) as caught:
            look(provider, {"kling": KEY})
        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        assert KEY not in "".join(shown.format())


def test_base_urls_are_found_and_tidied(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base URL comes from the environment or a .env file, and loses the slash at its end, not its path."""
    fal = Provider(id="fal", title="", dialect="falqueue", base_url=None)
    assert keys.base_url_of(fal) is None
    (home / ".env").write_text("KLING_NB_FAL_BASE_URL=http://[::1]:8080/fal/\n")
    assert keys.base_url_of(fal) == "http://[::1]:8080/fal"
    monkeypatch.setenv("KLING_NB_FAL_BASE_URL", " https://relay.test/v1/// ")
    assert keys.base_url_of(fal) == "https://relay.test/v1"


@pytest.mark.parametrize(
    "text",
    [
        "relay.test",
        "ftp://relay.test",
        "https://",
        "https://a:b@relay.test",
        "https://x/?key=1",
        "https://x/#a",
        "sk-0123456789",
        "https://x\ty",
        "http://x:99999999",
        "http://[::1",
    ],
)
def test_a_base_url_that_cannot_be_used_is_refused_unseen(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base URL is http or https with a host, without user, query or fragment; the error does not repeat it."""
    monkeypatch.setenv("KLING_NB_FAL_BASE_URL", text)
    with pytest.raises(InputError, match=r"KLING_NB_FAL_BASE_URL cannot be used: expected http") as caught:
        keys.base_url_of(FAL)
    assert text not in str(caught.value)


def test_a_relay_of_a_relay_borrows_key_and_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that is like another takes its key and host where it has none of its own, and says so."""
    own = Provider(id="that-fal", title="", dialect="falqueue", base_url="https://own.test", key="token", like="that")
    monkeypatch.setenv("KLING_NB_THAT_KEY", "sk-borrowed")
    monkeypatch.setenv("KLING_NB_THAT_BASE_URL", "https://lent.test/x")
    found = keys.find_key(own)
    assert found is not None
    assert (found.reveal(), found.source) == ("sk-borrowed", "the variable KLING_NB_THAT_KEY")
    assert keys.base_url_of(own) == "https://lent.test/x"
    monkeypatch.setenv("KLING_NB_THAT_FAL_KEY", "sk-own")
    monkeypatch.setenv("KLING_NB_THAT_FAL_BASE_URL", "https://mine.test")
    assert (keys.need_key(own).reveal(), keys.base_url_of(own)) == ("sk-own", "https://mine.test")
    for name in ("THAT_KEY", "THAT_FAL_KEY"):
        monkeypatch.delenv(f"KLING_NB_{name}")
    with pytest.raises(KeyMissing, match="KLING_NB_THAT_FAL_KEY or KLING_NB_THAT_KEY"):
        keys.need_key(own)
