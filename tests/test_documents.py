"""The documents: their links lead somewhere, their commands are the real ones, and they speak of the project alone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_local_links_lead_somewhere(page: Path) -> None:
    """Every relative link in a document names a file or folder that exists."""
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
    local = [link for link in links if not link.startswith(("http://", "https://", "mailto:"))]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("marker", ["demo", "tests"])
def test_the_readme_has_two_commands_of_one_line(marker: str) -> None:
    """Each command is one line to paste, which makes its own environment."""
    text = (ROOT / "README.md").read_text("utf-8")
    block = re.search(rf"<!-- {marker} -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None
    assert block[1].count("\n") == 1
    assert block[1].startswith("python3 -m venv")


def test_every_room_is_on_the_map() -> None:
    """The architecture page names every room of the package."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rooms = {path.name.removesuffix(".py") for path in (ROOT / "kling_nb").iterdir() if path.suffix in ("", ".py")}
    missing = [room for room in rooms - {"__pycache__", "__init__"} if f"`{room}" not in text]
    assert missing == []


def test_the_repository_holds_no_foreign_paths() -> None:
    """No machine's paths stand in what is committed."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: there is no list of committed files")
    words = ("/wo" + "rk/", "/ro" + "ot/", "../sha" + "red")
    texts = [
        ROOT / name
        for name in listed.stdout.splitlines()
        if Path(name).suffix in (".py", ".md", ".toml", ".js", ".ipynb", ".cfg", "")
    ]
    found = [
        path.name
        for path in texts
        if path.is_file() and any(word in path.read_text("utf-8", "ignore") for word in words)
    ]
    assert found == []
