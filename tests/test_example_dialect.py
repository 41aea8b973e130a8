"""A dialect from outside: the example package is installed beside kling_nb, and no file of kling_nb knows it."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
EXAMPLE = TESTS.parent / "docs" / "example-dialect"
PACKAGE = "kling_nb_postcard"

FOUND = """
import json
from importlib.metadata import entry_points
from kling_nb import dialects, simulator
from kling_nb.simulator import Simulator

played = Simulator(None)
print(json.dumps({
    "groups": [[p.group, p.value] for g in ("kling_nb.dialects", "kling_nb.simulators") for p in entry_points(group=g)],
    "dialect": dialects.load("postcard").__name__,
    "names": dialects.names(),
    "path": played.path("postcard"),
}))
played.close()
"""

BROKEN = """
import json, sys
from kling_nb import dialects
from kling_nb.errors import InputError
from kling_nb.simulator import Simulator

played = Simulator(None)
print(json.dumps([name for name in ("kling", "fal", "broken") if name in played.providers]))
played.close()
try:
    dialects.load("broken")
except InputError as error:
    sys.stderr.write(str(error))
"""

LIVE = """
import json
import kling_nb as kn
from kling_nb_postcard import CATALOG
from labs import live_lab
from pathlib import Path

with live_lab(Path("other")) as live, kn.Lab("cards", provider="postcard", providers=CATALOG) as lab:
    prompts = ["a red fox", "a paper boat #sim:lost", "a kite #sim:busy", "a storm #sim:moderation"]
    run = lab.start(kn.Sweep(prompt=prompts, model="kling-v2-5-turbo", duration=5), show=False).wait()
    print(json.dumps({
        "tasks": [[task.state, task.cause or ""] for task in run.tasks],
        "sizes": [(lab.folder / clip).stat().st_size for clip in run.df["clip"].dropna()],
        "spent": str(sum(task.spent for task in run.tasks)),
        "charged": [[charge.provider, str(charge.usd)] for charge in live.simulator.ledger()],
    }))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example into a folder of its own, by its own build and without a network."""
    folder = tmp_path_factory.mktemp("example")
    copy = shutil.copytree(EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--no-cache-dir")
    command = [sys.executable, "-m", "pip", "install", "-q", *offline, "--target", folder / "target", copy]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return folder / "target"


def python(installed: Path, folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python where the example is installed, in a folder of the test's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KLING_NB_")}
    paths = os.pathsep.join(map(str, (installed, TESTS, TESTS.parent)))
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": paths, "KLING_NB_SPEED": "inf", **variables},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def said(done: subprocess.CompletedProcess[str]) -> Any:
    """Return what a script printed as JSON."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_both_entry_points_are_found(installed: Path, tmp_path: Path) -> None:
    """An installed package adds its dialect and its simulated provider by name, and takes none away."""
    told = said(python(installed, tmp_path, "-c", FOUND))
    assert ["kling_nb.dialects", f"{PACKAGE}.dialect:Postcard"] in told["groups"]
    assert ["kling_nb.simulators", f"{PACKAGE}.simulator:provider"] in told["groups"]
    assert (told["dialect"], told["path"]) == ("Postcard", "/postcard")
    assert {"postcard", "native", "falqueue"} <= {*told["names"]}


def test_the_readme_buys_clips(installed: Path, tmp_path: Path) -> None:
    """What the example's page shows is a simulated sweep through the outside dialect, with every clip saved."""
    block = re.search(r"```python\n(.*?)```", (EXAMPLE / "README.md").read_text("utf-8"), re.DOTALL)
    assert block is not None
    more = "\nimport json; print(json.dumps([run.df['state'].tolist(), run.df['cost_usd'].tolist()]))"
    states, costs = said(python(installed, tmp_path, "-c", block[1] + more))
    assert states == ["saved"] * 4
    assert costs == [0.2, 0.4, 0.2, 0.4]
    assert len(list((tmp_path / "cards" / "clips").glob("*.mp4"))) == 4


def test_a_live_lab_speaks_it_over_a_socket(installed: Path, tmp_path: Path) -> None:
    """Live, with key and base URL from variables: a lost answer is found again, a busy queue waited for, a no told."""
    told = said(python(installed, tmp_path, "-c", LIVE))
    assert told["tasks"] == [["saved", ""], ["saved", ""], ["saved", ""], ["failed", "content policy"]]
    assert len(told["sizes"]) == 3
    assert min(told["sizes"]) > 1000
    assert told["charged"] == [["postcard", "0.20"]] * 3
    assert told["spent"] == "0.60"


def test_it_keeps_the_contract_of_every_dialect(installed: Path, tmp_path: Path) -> None:
    """An outside package runs our contract over its own dialect, and over no other, by the command on its page: in a
    clone, and with no plugin that only kling_nb's own tests need.
    """
    options = ("-v", "-p", "no:cacheprovider", "-p", "no:nbval", str(EXAMPLE / "tests"))
    told = {"KLING_NB_TESTS": str(TESTS), "PYTHONDONTWRITEBYTECODE": "1"}
    done = python(installed, tmp_path, "-m", "pytest", *options, **told)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_encoding_is_pure[postcard]" in done.stdout
    assert "[native]" not in done.stdout


def test_a_broken_package_stops_nobody_else(tmp_path: Path) -> None:
    """Where an installed dialect or simulated provider does not load, the others do, and it is named."""
    metadata = tmp_path / "broken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    groups = ("kling_nb.dialects", "kling_nb.simulators")
    points = "\n".join(f"[{group}]\nbroken = no_such_module:thing" for group in groups)
    (metadata / "entry_points.txt").write_text(points)
    done = python(tmp_path, tmp_path, "-c", BROKEN)
    assert ["kling", "fal"] == said(done)
    assert "the simulated provider 'broken' (no_such_module:thing) does not load" in done.stderr
    assert "the dialect 'broken' (no_such_module:thing) does not load" in done.stderr


def test_the_two_modules_import_nothing_of_each_other() -> None:
    """A misreading of the page meets a stranger: the client's side and the service's know nothing of each other."""
    for name, other in (("dialect", "simulator"), ("simulator", "dialect")):
        tree = ast.parse((EXAMPLE / PACKAGE / f"{name}.py").read_text("utf-8"))
        modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        modules |= {
            "." * node.level + (node.module or "") for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
        }
        assert not [module for module in modules if module.startswith((".", PACKAGE))]
        assert not [module for module in modules if module.startswith(f"kling_nb.{other}")]
