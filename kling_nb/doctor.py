"""What ``kling-nb doctor`` says: which providers can be used, what can be shown here, and who answers."""

from __future__ import annotations

import difflib
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from . import keys
from .catalog import Catalog
from .clients import library
from .engine.reach import Reached, Target, Verdict, reach, target
from .errors import InputError
from .excerpts import plain
from .media import Probe, probe
from .offer import Provider
from .tables import at_hand
from .views.output import has_kernel

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "microsoft-edge", "firefox")
LIBRARIES: Mapping[str, tuple[str, str]] = {
    "anywidget": ("shows the live panel and the player", "it comes with kling_nb: reinstall that"),
    "ipywidgets": ("shows the form", "it comes with kling_nb: reinstall that"),
    "jupyterlab": ("notebooks in this environment", "pip install 'kling_nb[notebook]', or use another front end"),
    "keyring": ("is searched for keys too", "pip install 'kling_nb[keyring]'; variables and .env work without it"),
    "httpx2": ("the continuation of httpx", "httpx is used instead; pip install 'kling_nb[fast]'"),
}
"""What each library does here, and what to do or know without it."""

VARIABLES = ("KLING_NB_HTTP", "KLING_NB_SPEED", "KLING_NB_REQUIRE")
"""The variables that are of no provider; the last is of the tests."""

WIDTH = 18


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A provider to query: whether it can be used, the result of the query, and details."""

    provider: str
    usable: bool
    verdict: str
    words: tuple[str, ...] = ()


def report(catalog: Catalog) -> Iterator[str]:
    """Yield the lines that say what is at hand; nobody is asked, and no key is shown."""
    yield f"kling_nb {_version('kling_nb') or ''} on Python {platform.python_version()}"
    yield from ("", "Providers")
    for provider in catalog.providers.values():
        yield from _provider(catalog, provider)
    yield from _unread(catalog)
    yield from ("", "Here")
    yield from _here()


def ask(catalog: Catalog, names: Sequence[str] = ()) -> list[Asked]:
    """Ask the named providers one free call each, or all that have key and host; `InputError` for an unknown name."""
    rows = [catalog.provider(name) for name in dict.fromkeys(names)]
    rows = rows or [row for row in catalog.providers.values() if not keys.access(row).lacks]
    found: dict[str, Asked] = {}
    targets: list[Target] = []
    for row in rows:
        try:
            targets.append(target(catalog, row, keys.access(row, known=catalog.providers)))
        except InputError as error:
            found[row.id] = Asked(provider=row.id, usable=False, verdict="not asked", words=(plain(str(error)),))
    found |= {one.provider: _asked(one) for one in reach(targets)}
    return [found[row.id] for row in rows]


def _asked(reached: Reached) -> Asked:
    advice = {
        Verdict.REFUSED: f"check {keys.key_variable(reached.provider)}, or wherever the key comes from",
        Verdict.STRANGE: f"is this the right address? {keys.base_url_variable(reached.provider)} sets it",
    }
    return Asked(
        provider=reached.provider,
        usable=reached.usable,
        verdict=f"{reached.verdict}, {reached.seconds:.2f} s",
        words=tuple(filter(None, (plain(reached.words), advice.get(reached.verdict)))),
    )


def answers(asked: Sequence[Asked]) -> Iterator[str]:
    """Yield the lines that say what came of asking."""
    yield from ("", "Asked, one free call each")
    for one in asked:
        yield _line(one.provider, one.verdict)
        yield from (_line("", words) for words in one.words)
    if not asked:
        yield _line("", "nobody: no provider has both a key and a host")


def _line(name: str, words: str) -> str:
    return f"  {name:<{WIDTH}}{words}"


def _provider(catalog: Catalog, provider: Provider) -> Iterator[str]:
    access = keys.access(provider, known=catalog.providers)
    _, lacks = at_hand(catalog, provider, access)
    where = f"{access.base_url} ({access.base_url_source})" if access.base_url else "no host"
    yield _line(provider.id, f"{'not yet' if lacks else 'ready':<9}{where}, dialect {provider.dialect}")
    if access.key is not None:
        yield _line("", f"{'':<9}key {access.key.masked} from {access.key.source}")
    yield from (_line("", f"{'':<9}{plain(why)}") for why in lacks)


def _unread(catalog: Catalog) -> Iterator[str]:
    """Yield a line for each variable that is named like ours and read by nobody."""
    ids = catalog.providers
    known = {*VARIABLES, *map(keys.key_variable, ids), *map(keys.base_url_variable, ids)}
    known = {name.removeprefix(keys.PREFIX) for name in known}
    ours = sorted(name for name in os.environ if name.startswith(keys.PREFIX))
    names = [name for name in ours if name.removeprefix(keys.PREFIX) not in known]
    yield from ("", "Variables that nothing reads") if names else ()
    for name in names:
        close = difflib.get_close_matches(name.removeprefix(keys.PREFIX), sorted(known), n=1)
        yield _line("", f"{plain(name)}{f': did you mean {keys.PREFIX}{close[0]}?' if close else ''}")


def _here() -> Iterator[str]:
    yield _line("front end", _front_end())
    for name, (use, otherwise) in LIBRARIES.items():
        found = _version(name)
        yield _line(name, f"{found}, {use}" if found else f"not installed: {otherwise}")
    yield _line("calls", _calls())
    yield _line("video", _video())
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    yield _line("browser", browser or "none found here; a page of clips opens in any browser, on any machine")


def _front_end() -> str:
    vscode = os.environ.get("TERM_PROGRAM") == "vscode" or any(name.startswith("VSCODE_") for name in os.environ)
    where = " in VS Code" if vscode else " in Colab" if "COLAB_RELEASE_TAG" in os.environ else ""
    if "JPY_PARENT_PID" in os.environ or has_kernel():
        return f"a notebook's kernel{where}: widgets where ipywidgets are shown, else clips as static pictures"
    if sys.stdout.isatty():
        return f"a terminal{where}: plans and progress as text, clips on a page (kling-nb export)"
    return f"not a terminal{where}: plain text for a file or a pipe, clips on a page (kling-nb export)"


def _calls() -> str:
    chosen = os.environ.get("KLING_NB_HTTP")
    try:
        name = library(chosen).__name__
    except InputError as error:
        return plain(str(error))
    return f"{name} {_version(name)} carries them{', as KLING_NB_HTTP says' if chosen else ''}"


def _video() -> str:
    """Make a simulated clip and probe it like a bought clip: this tries the codec's encoder and decoder."""
    begun = time.monotonic()
    try:
        measured = _clip()
    except Exception as error:  # noqa: BLE001 - whatever is broken here is what a person asked for
        return f"cannot write and read video here: {type(error).__name__}: {plain(str(error))}"
    took = time.monotonic() - begun
    found = f"{measured.codec} {measured.width}×{measured.height}, {measured.seconds:g} s"
    return f"PyAV {_version('av')} writes and reads H.264: a simulated clip ({found}) took {took:.1f} s"


def _clip() -> Probe:
    from .simulator import Scene
    from .simulator.clips import render

    scene = Scene(provider="doctor", model="", mode="std", prompt="doctor", seconds=1, ratio="16:9")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        path.write_bytes(render(scene, None, "small"))
        return probe(path)


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
