"""What can be bought, and where: tables that a person can read and filter, and that hold no key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from labs import Open

import kling_nb as kn
from kling_nb import catalog, keys
from kling_nb.tables import MODEL_COLUMNS, PROVIDER_COLUMNS

README = Path(__file__).parent.parent / "README.md"
KEY = "sk-0123456789abcdefXYZW"
OWN = """
[model.kling-v9]
title = "Kling 9"
duration = "3-20"

[provider.my-relay]
dialect = "native"
base_url = "https://relay.example"
key = "token"
models = ["kling-v2-6", "kling-v9"]

[provider.odd]
dialect = "smoke-signals"
base_url = "https://odd.example"
options = { menu = "fal" }

[price.my-relay.per_clip]
kling-v9 = "1.5"
"""


@pytest.fixture(autouse=True)
def _no_keys_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in an empty folder below a home of its own, with a keyring that is empty."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_the_catalogue_says_in_one_line_what_it_holds(own: Path) -> None:
    """Its models and providers are counted, and the tables named, where its data would fill a screen."""
    said = repr(catalog.load(own))
    assert f"<Catalog: {len(catalog.load().models) + 1} models, {len(catalog.load().providers) + 2} providers, " in said
    assert said.endswith("; lab.models() and lab.providers() show them>")
    assert len(said) < 120


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Write a file of one's own models, providers and prices."""
    path = tmp_path / "mine.toml"
    path.write_text(OWN)
    return path


def of(frame: pd.DataFrame, provider: str) -> pd.Series:
    """Return one provider's row."""
    return frame.set_index("provider").loc[provider]


@pytest.mark.parametrize(
    ("table", "columns"), [(kn.models, MODEL_COLUMNS), (kn.providers, PROVIDER_COLUMNS)], ids=["models", "providers"]
)
def test_columns_are_declared(table: Callable[..., pd.DataFrame], columns: dict[str, str], own: Path) -> None:
    """Names, order and dtypes are those that are documented, whichever file is laid over the catalogue."""
    for frame in (table(), table(catalog=own), table(providers=str(own))):
        assert list(columns.items()) == [(name, str(dtype)) for name, dtype in frame.dtypes.items()]
        assert not [name for name in columns if frame[name].dtype == object]


def test_one_row_a_thing_that_is_sold() -> None:
    """A model, a provider, a task type and a mode are sold once, in the catalogue's order."""
    frame = kn.models()
    rows = catalog.load().models_table()
    assert not [name for name in frame if frame[name].isna().all()]
    assert not frame.duplicated(["model", "provider", "task_type", "mode"]).any()
    assert [(row["model"], row["provider"]) for row in rows] == list(
        frame[["model", "provider"]].itertuples(index=False, name=None)
    )


def test_lists_are_words_that_can_be_filtered() -> None:
    """Lengths, ratios and features read as words; a filter by one finds what has it, and its opposite the rest."""
    frame = kn.models()
    row = frame.query("model == 'kling-v2-6' and provider == 'kling' and task_type == 'text2video' and mode == 'pro'")
    assert ["5, 10", "16:9, 9:16, 1:1", "negative_prompt, sound", 5, 10] == row[
        ["durations", "ratios", "features", "shortest_s", "longest_s"]
    ].iloc[0].tolist()
    heard = frame.features.str.contains("sound")
    assert heard.any()
    assert len(frame) == len(frame[heard]) + len(frame[~heard])
    assert frame[~heard].usd_sound_low.isna().all()
    ten = frame[frame.durations.str.contains(r"\b10\b")]
    assert {15} <= {*ten.longest_s}
    assert (ten.longest_s >= 10).all()


def test_prices_are_numbers_or_missing() -> None:
    """A price can be sorted and summed; where none is known, it is missing and not zero."""
    frame = kn.models()
    assert (
        0.35 == frame.query("model == 'kling-v2-6' and provider == 'fal' and task_type == 'text2video'").usd_low.item()
    )
    assert frame.query("provider == 'chanjing'").usd_low.isna().all()
    assert (frame.usd_low.dropna() > 0).all()


def test_a_providers_row_has_its_limits() -> None:
    """The table of providers has what a person wants to know of each: dialect, ways of an image, limits, source."""
    frame = kn.providers()
    known = ["dialect", "images", "slots", "slots_per", "per_check", "link_days", "refunds_failures"]
    assert ["kling", "url, base64", 5, "model", 500, 30, False] == of(frame, "kling")[known].tolist()
    assert ["chanjing", "url", 50, False] == of(frame, "chanjing")[
        ["dialect", "images", "per_check", known[-1]]
    ].tolist()
    assert pd.isna(of(frame, "fal").link_days)
    assert frame[["title", "source", "read", "models"]].notna().all(axis=None)


def test_the_readme_has_a_line_for_each() -> None:
    """The README's table names every provider with its key's variable, and with its host's where none is known."""
    lines = README.read_text("utf-8").splitlines()
    frame = kn.providers()
    rows = {line.split("`")[1]: line for line in lines if line.startswith("| `")}
    assert {*frame.provider} == {*rows}
    for row in frame.itertuples():
        assert f"`{row.key_variable}`" in rows[row.provider]
        assert (f"`{row.base_url_variable}`" in rows[row.provider]) is bool(pd.isna(row.base_url))


def test_a_file_of_ones_own_is_shown(own: Path, simulated: Open) -> None:
    """A user's models and providers stand in the tables, by path and in a lab that has the file."""
    lab = simulated(catalog=own)
    for frame in (kn.models(catalog=own), lab.models()):
        row = frame.query(
            "provider == 'my-relay' and model == 'kling-v9' and task_type == 'text2video' and mode == 'std'"
        )
        assert [3, 20, 1.5] == row[["shortest_s", "longest_s", "usd_high"]].iloc[0].tolist()
    for frame in (kn.providers(providers=own), lab.providers()):
        assert "kling-v2-6, kling-v9" == of(frame, "my-relay").models
    assert "my-relay" not in set(kn.providers().provider)


def test_what_is_at_hand_and_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider is ready with key and host; else what to set is said. Where each was found stands beside."""
    monkeypatch.setenv("KLING_NB_RELAY_KEY", KEY)
    monkeypatch.setenv("KLING_NB_QUICKROUTER_KEY", KEY)
    monkeypatch.setenv("KLING_NB_QUICKROUTER_BASE_URL", "https://elsewhere.example/up/")
    frame = kn.providers()
    relay, lent, kling = of(frame, "relay"), of(frame, "quickrouter-fal"), of(frame, "kling")
    assert not relay.ready
    assert "no host is known: set KLING_NB_RELAY_BASE_URL" == relay.lacks
    assert "the variable KLING_NB_RELAY_KEY" == relay.key_from
    assert lent.ready
    assert ("https://elsewhere.example/up", "the variable KLING_NB_QUICKROUTER_BASE_URL") == (
        lent.base_url, lent.base_url_from,
    )  # fmt: skip
    assert "the catalogue" == kling.base_url_from
    assert "no key: set KLING_NB_KLING_KEY to access:secret, an API key, or both with a comma between" == kling.lacks
    assert pd.isna(lent.lacks)


def test_no_key_is_ever_in_a_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a key that can be used nor one that cannot is shown, whatever is said of it."""
    monkeypatch.setenv("KLING_NB_KLING_KEY", KEY)
    monkeypatch.setenv("KLING_NB_CHANJING_KEY", KEY)
    with kn.Lab(tmp_path / "lab", keys={"fal": KEY, "relay": f"{KEY} {KEY}"}) as lab:
        frame = lab.providers()
    assert KEY not in frame.to_csv()
    assert "keys=" == of(frame, "fal").key_from
    for name, why in (("chanjing", "an id and its secret"), ("relay", "a space")):
        assert not of(frame, name).ready
        assert why in of(frame, name).lacks


def test_a_dialect_that_does_not_load_is_said(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only the dialect knows is missing where it is not installed, and the rest of the table stands."""
    monkeypatch.setenv("KLING_NB_ODD_KEY", KEY)
    odd = of(kn.providers(providers=own), "odd")
    assert not odd.ready
    assert odd.lacks.startswith("there is no dialect 'smoke-signals'")
    assert pd.isna(odd.finds)
    assert of(kn.providers(), "fal").cancels
    assert of(kn.providers(), "kling").finds


def test_a_simulated_lab_needs_nothing(simulated: Open) -> None:
    """In a simulation the simulator's keys and addresses are at hand, and a provider that nobody plays says so."""
    frame = simulated().providers()
    kling = of(frame, "kling")
    assert kling.ready
    assert ("the simulator", "http://simulator/kling") == (kling.key_from, kling.base_url)


def test_a_wrong_base_url_is_said_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A base URL that cannot be used may hold a password: what is wrong is said, not what was given."""
    monkeypatch.setenv("KLING_NB_FAL_BASE_URL", f"https://me:{KEY}@queue.example")
    found = keys.access(catalog.load().provider("fal"), {"fal": KEY})
    assert found.base_url is None
    assert "KLING_NB_FAL_BASE_URL cannot be used" in found.lacks[0]
    assert KEY not in str(found)
