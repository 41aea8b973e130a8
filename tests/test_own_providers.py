"""Providers of one's own: a row in a file is a relay that can be planned, simulated, priced and bought from."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from labs import Open, start, sweep

import kling_nb as kn
from kling_nb import catalog, dialects, doctor
from kling_nb.dialect import Call, Op
from kling_nb.errors import InputError

GUIDE = Path(__file__).parent.parent / "docs" / "adding-a-provider.md"

ROWS = """
[provider.my-fal]
title = "My relay of fal"
dialect = "falqueue"
base_url = "https://relay.example/fal"
key = "raw"

[provider.my-kling]
title = "Kling for keys from China"
dialect = "kling"
base_url = "https://api-beijing.klingai.com"
key = "token"

[provider.nobody]
dialect = "smoke-signals"
options = { menu = "fal" }

[price.my-fal.per_clip]
kling-v2-5-turbo = "0.11"

[price.my-kling.per_clip]
kling-v2-5-turbo = "0.12"
"""


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Write a file of rows."""
    path = tmp_path / "mine.toml"
    path.write_text(ROWS)
    return path


def test_a_relay_of_ones_own_is_simulated_by_its_kind(simulated: Open, rows: Path) -> None:
    """A row is enough: whoever sells the same menu in the same dialect plays it, at the row's own price."""
    lab = simulated(providers=rows)
    what = sweep("a fox", provider=["my-fal", "my-kling"], mode="pro")
    assert "https://" not in str([point.call for point in lab.plan(what).points])
    run = start(lab, what).wait()
    assert [("my-fal", "saved", 0.11), ("my-kling", "saved", 0.12)] == list(
        run.df[["provider", "state", "estimate_usd"]].itertuples(index=False, name=None)
    )


def test_a_dialect_that_nobody_plays_is_told(simulated: Open, rows: Path) -> None:
    """A row whose dialect has no player cannot be simulated, and the error says what would help."""
    lab = simulated(providers=rows)
    with pytest.raises(InputError, match=r"'smoke-signals'.*kling.*kling_nb\.simulators"):
        lab.plan(sweep("a fox", provider="nobody"))
    assert lab.log.tasks().empty


def test_the_guides_class_is_a_dialect() -> None:
    """The few lines that the guide shows are a protocol with a key in another header, and its options are those above."""
    block = re.search(r"```python\n(from kling_nb\.dialect .*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert block is not None
    made: dict[str, Any] = {}
    exec(block[1], made)  # a reader copies it
    acme = made["Acme"](replace(catalog.load().provider("relay"), base_url="https://acme.example"))
    with pytest.raises(StopIteration) as read:
        next(acme.credential("key-0000"))
    signed = acme.sign(Call(op=Op.CHECK, method="GET", url="https://acme.example/a"), read.value.value, 0.0)
    assert {"X-Api-Key": "key-0000"} == dict(signed.headers)
    assert "lookup" in acme.options


def test_a_menu_that_nobody_plays_is_told(simulated: Open, tmp_path: Path) -> None:
    """A relay that speaks a known dialect under paths of its own is not simulated: the error names its menu too."""
    path = tmp_path / "mine.toml"
    sells = '[{ family = "classic", task = "text2video", path = "/v9/text" }]'
    path.write_text(f'[provider.acme]\ndialect = "native"\noptions = {{ menu = "acme" }}\n[menu.acme]\nsells = {sells}')
    with pytest.raises(InputError, match=r"speaks its dialect 'native' for the menu 'acme'"):
        simulated(providers=path).plan(sweep("a fox", provider="acme"))


@pytest.mark.parametrize(
    ("dialect", "options", "words"),
    [
        (
            "native",
            '{ menu = "quickruter" }',
            r"sells from the menu 'quickruter', which is.*did you mean 'quickrouter'",
        ),
        ("native", "{ menu = 3 }", "sells from the menu 3, which is not in the catalogue"),
        ("postcard", "{}", r"names no menu, and none is for its dialect 'postcard': add options = \{ menu ="),
    ],
)
def test_a_menu_that_is_missing_is_told(
    dialect: str, options: str, words: str, simulated: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that sells nothing for want of a menu says so in its place; all others are listed, and nothing is planned there."""
    real = dialects.load
    monkeypatch.setattr(dialects, "load", lambda name: real("native" if name == "postcard" else name))
    path = tmp_path / "mine.toml"
    path.write_text(f'[provider.acme]\ndialect = "{dialect}"\noptions = {options}')
    lab = simulated(providers=path)
    table = lab.providers().set_index("provider")
    assert [*kn.providers()["provider"], "acme"] == [*table.index]
    assert re.search(words, table.loc["acme", "lacks"])
    assert "[provider.acme]" in table.loc["acme", "lacks"]
    assert (False, "") == (table.loc["acme", "ready"], table.loc["acme", "models"])
    assert len(kn.models()) == len(lab.models())
    with pytest.raises(InputError, match=words):
        lab.catalog.offer(kn.VideoRequest(prompt="a fox"), "acme")
    with pytest.raises(InputError):
        lab.plan(sweep("a fox", provider="acme"))
    assert lab.plan(sweep("a fox", provider="kling")).df().loc[0, "provider"] == "kling"
    assert any(re.search(words, said) for said in doctor.report(lab.catalog))


@pytest.mark.parametrize(("option", "words"), [("lookpu", "did you mean 'lookup'"), ("header", "known: ")])
def test_an_option_that_nobody_reads_is_told(option: str, words: str, simulated: Open, tmp_path: Path) -> None:
    """An option that the dialect does not read would do nothing: nothing is planned there, and the table says why."""
    path = tmp_path / "mine.toml"
    path.write_text(f'[provider.acme]\ndialect = "native"\noptions = {{ {option} = true }}')
    lab = simulated(providers=path)
    with pytest.raises(InputError, match=rf"'acme' has the option '{option}'.*{words}"):
        lab.plan(sweep("a fox", provider="acme"))
    assert option in lab.providers().set_index("provider").loc["acme", "lacks"]
    assert lab.plan(sweep("a fox", provider="kling")).df().loc[0, "provider"] == "kling"


def test_the_guides_row_is_a_relay(simulated: Open, tmp_path: Path) -> None:
    """The file that the guide shows is one: its provider lists its models at its prices, and sells a clip."""
    block = re.search(r"```toml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert block is not None
    (tmp_path / "mine.toml").write_text(block[1])
    lab = simulated(providers=tmp_path / "mine.toml", provider="my-relay")
    row = lab.providers().set_index("provider").loc["my-relay"]
    assert ("kling-v1-6, kling-v2-6", "https://relay.example/docs") == (row["models"], row["source"])
    what = kn.Sweep(prompt="a fox", model="kling-v1-6", mode=["std", "pro"], duration=10)
    assert [0.2, 0.8] == start(lab, what).wait().df["estimate_usd"].tolist()
    assert ["saved", "saved"] == lab.df()["state"].tolist()


def test_the_guide_names_every_dialect() -> None:
    """The guide's table has a line for each dialect that comes with the library."""
    rows = re.findall(r"^\| `(\w+)` \|", GUIDE.read_text("utf-8"), re.MULTILINE)
    assert {row.dialect for row in catalog.load().providers.values()} == {*rows}


def test_a_row_changes_nothing_elsewhere(simulated: Open) -> None:
    """A lab without the file does not know its rows."""
    with pytest.raises(kn.InputError, match="no provider 'my-fal'"):
        simulated().plan(sweep("a fox", provider="my-fal"))
