"""Canary keys: a whole session against services that repeat the key, and a search of every byte it left anywhere."""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console
from strict_socket import StrictSocket, answer

import kling_nb as kn
from kling_nb import doctor
from kling_nb.keys import base_url_variable
from kling_nb.plan import terminal as terminal_plan
from kling_nb.simulator import Fault, Simulator, running
from kling_nb.views import live, terminal
from tests.canaries import KEYS, MODES, WRONG, Gate, Search, as_shown, exported, parts, reprs
from tests.forking import run
from tests.labs import ScaledClock

SPEED = 600.0
FIXED: dict[str, Any] = {"model": "kling-v2-5-turbo", "mode": "pro", "duration": 5}
SETTINGS: dict[str, Any] = {"assume_price": "official", "show": False}
NOTEBOOK = (
    "%xmode Verbose\nimport logging; logging.basicConfig(level='DEBUG')\nimport kling_nb as kn\nlab = kn.Lab('notebook')",
    "lab.providers()",
    f"run = lab.start(kn.Sweep(prompt=['a fox', 'a fox #gate:json'], provider='fal', **{FIXED}), assume_price='official')\nrun",
    "run.wait()\nlab.compare(run)",
    "lab.form()",
    f"lab.generate('a fox #gate:escaped', provider='relay', assume_price='official', **{FIXED})",
    f"lab.generate('a fox #gate:packed', provider='chanjing', assume_price='official', **{FIXED})",
    "lab.uncertain()",
    "lab.log.events()",
)


@dataclass(repr=False)  # it is a local variable of every traceback, and holds the others
class Session:
    """What a session left: folders to search, and everything that it wrote or sent elsewhere, by name."""

    folder: Path
    gate: Gate
    foreign: StrictSocket
    kept: dict[str, str] = field(default_factory=dict)

    def keep(self, name: str, *words: object) -> None:
        """Keep what was written somewhere."""
        self.kept[name] = self.kept.get(name, "") + "".join(f"{word}\n" for word in words)

    def fails(self, name: str, work: Callable[[], object]) -> None:
        """Do what has to fail, and keep all that a front end can show of it."""
        with pytest.raises(kn.KlingError) as caught:
            work()
        self.keep(f"the traceback of {name}", as_shown(caught.value))

    def leaks(self) -> list[str]:
        """Search everything for every secret."""
        keys = [part for key in (*KEYS.values(), *WRONG.values()) for part in parts(key)]
        search = Search([*keys, *self.gate.seen])
        found = [leak for name, words in self.kept.items() for leak in search.leaks(name, words)]
        for seen in self.foreign.seen:
            found += search.leaks("what a foreign host got", f"{seen.target} {seen.headers}".encode() + seen.body)
        return found + search.folder_leaks(self.folder)


def script() -> Iterator[Fault]:
    """Yield how every service repeats the key late: as the reason of a failure, and in the link of a clip."""
    for name, key in KEYS.items():
        yield Fault(
            action="fail", provider=name, prompt="#late", times=None, body=f"no, {' '.join(parts(key))} may not"
        )


@contextmanager
def session(folder: Path) -> Iterator[Session]:
    """Stand in an empty folder with the canaries given in every way: call, variable, ``.env``, keyring."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as environment:
        foreign = stack.enter_context(StrictSocket.running(lambda _: [answer(b"gone", "404 Not Found")]))
        links = [
            Fault(
                action="foreign", provider=name, prompt="#link", times=None, body=f"{foreign.url}/{part}?key={part}&u="
            )
            for name, key in KEYS.items()
            for part in parts(key)[-1:]
        ]
        simulator = Simulator(None, now=ScaledClock(SPEED), token_now=time.time, faults=[*script(), *links])
        stack.callback(simulator.close)
        gate = Gate(simulator, foreign.url)
        base = stack.enter_context(running(gate))  # type: ignore[arg-type]
        for name in KEYS:
            environment.setenv(base_url_variable(name), base + simulator.path(name))
        environment.setenv("KLING_NB_SPEED", str(SPEED))
        environment.setenv("HOME", str(folder.parent))
        (folder.parent / "outside").mkdir()
        given(folder.parent / "outside", environment)
        environment.chdir(folder.parent / "outside")
        yield Session(folder, gate, foreign)


def given(outside: Path, environment: pytest.MonkeyPatch) -> None:
    """Give all keys but Kling's, which the call brings: by variables, a ``.env`` file and a keyring."""
    import keyring

    (outside / ".env").write_text(f"KLING_NB_QUICKROUTER_KEY={KEYS['quickrouter']}\n")
    others = {name: key for name, key in KEYS.items() if name not in ("kling", "quickrouter", "chanjing")}
    for variable, key in exported(others).items():
        environment.setenv(variable, key)
    environment.setattr(keyring, "get_password", lambda _service, user: KEYS[user] if user == "chanjing" else None)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Go through a whole session once."""
    folder = tmp_path_factory.mktemp("canary") / "session"
    folder.mkdir()
    with session(folder) as one:
        with heard(one):
            in_process(one)
            with_wrong_keys(one)
            by_commands(one)
            in_a_notebook(one)
        yield one


@contextmanager
def heard(one: Session) -> Iterator[None]:
    """Keep every record of every logger, down to the least, and every warning."""
    told = io.StringIO()
    handler, root = logging.StreamHandler(told), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        yield
    root.removeHandler(handler)
    root.setLevel(level)
    one.keep("the loggers", told.getvalue())
    one.keep("the warnings", *(warning.message for warning in warned))


def in_process(one: Session) -> None:
    """Plan, start, watch, compare, export and decide, at every provider, whatever each says back."""
    lab = kn.Lab(one.folder / "lab", keys={"kling": KEYS["kling"]})
    with lab:
        prompts = ["a fox", "a fox #late", "a fox #link", "a fox #sim:no-url #content", "a fox #sim:lost"]
        prompts += [f"a fox #gate:{mode}" for mode in MODES]
        what = kn.Sweep(prompt=prompts, provider=list(KEYS), **FIXED)
        plan = lab.plan(what, assume_price="official")
        one.keep("the plan", plan, plan._repr_html_(), plan.df().to_csv(), [point.call for point in plan])
        run = lab.start(what, name="canary", **SETTINGS)
        panel = live.panel(run, lab.folder)
        run.wait()
        lab.generate("a path", provider="kling", model="kling-3.0-turbo", mode="pro", duration=5)
        one.fails("a task", lambda: lab.generate("a fox #late", provider="fal", assume_price="official", **FIXED))
        look(one, lab, run, panel)
        keep_tables(one, lab)
        one.keep("the reprs", *reprs(lab, run, plan, lab.uncertain(), lab._opened))
        for held in (lab, run, lab._bindings):
            with pytest.raises(TypeError):
                pickle.dumps(held)


def look(one: Session, lab: kn.Lab, run: kn.Run, panel: Any) -> None:
    """Look at a run in every view."""
    out = Console(file=io.StringIO(), width=400, force_terminal=True)
    terminal.watch(run, console=out)
    out.print(terminal_plan.plan_calls(lab.plan(kn.Sweep(prompt="a", provider="fal", **FIXED))))
    one.keep("the terminal", out.file.getvalue())  # type: ignore[attr-defined]
    compared, form = lab.compare(run), lab.form()
    one.keep(
        "the live panel", json.dumps(panel.get_state(), default=str), live.summary_html(run.snapshot(), lab.folder)
    )
    one.keep("the comparison", compared, compared.grid)
    one.keep("the form", form, *(widget.get_state() for widget in inside(form.widget())))
    lab.export(one.folder / "page", run)
    one.keep("the doctor", *doctor.report(lab.catalog), *doctor.answers(doctor.ask(lab.catalog)))


def inside(widget: Any) -> Iterator[Any]:
    """Yield a widget and all that it holds."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from inside(child)


def keep_tables(one: Session, lab: kn.Lab) -> None:
    """Write every table in every form."""
    uncertain = lab.uncertain()
    one.keep("the uncertain", uncertain, uncertain._repr_html_(), *uncertain)
    tables = {"df": lab.df(), "runs": lab.runs(), "providers": lab.providers(), "events": lab.log.events()}
    for name, table in {**tables, "tasks": lab.log.tasks(), "spending": lab.spending()}.items():
        one.keep(f"the table {name}", table, table.to_html())
        table.to_csv(one.folder / f"{name}.csv")
        table.astype(str).to_parquet(one.folder / f"{name}.parquet")


def with_wrong_keys(one: Session) -> None:
    """Be refused at every provider, by a 401 that repeats the wrong key."""
    one.gate.held = WRONG
    with kn.Lab(one.folder / "refused", keys=WRONG) as lab:
        for name in KEYS:
            ask = {"provider": name, "assume_price": "official", **FIXED}
            one.fails(f"a wrong key at {name}", lambda ask=ask: lab.generate("a fox", **ask))
        one.keep("the reprs after a refusal", *reprs(lab, lab._opened))
        targets = [
            doctor.target(lab.catalog, lab.catalog.provider(n), lab._bindings.access(lab.catalog.provider(n)))
            for n in KEYS
        ]
        one.keep("the doctor of wrong keys", doctor.reach(targets))
    one.gate.held = KEYS
    unusable = {
        "relay": "canaryWRONG with a blank",
        "kling": f"{WRONG['kling']}:,",
        "chanjing": "canaryWRONGwithoutcolon",
    }
    for name, key in unusable.items():
        with kn.Lab(one.folder / "unusable", keys={name: key}) as lab:
            one.fails(
                f"an unusable key of {name}", lambda name=name, lab=lab: lab.generate("a", provider=name, **FIXED)
            )
    one.fails("an unknown provider", lambda: kn.Lab(one.folder / "none", keys={"nobody": WRONG["fal"]}))


def by_commands(one: Session) -> None:
    """Use the command line, with all keys in the environment."""
    sweep = kn.Sweep(prompt=["a fox", "a fox #gate:json"], provider=["fal", "chanjing", "kling"], **FIXED)
    sweep.save(one.folder / "sweep.toml")
    lab, priced = str(one.folder / "by-command"), ("--assume-price", "official")
    for command in (
        ("run", str(one.folder / "sweep.toml"), "--lab", lab, *priced),
        ("export", lab, str(one.folder / "page-by-command")),
        ("doctor", "--reach"),
    ):
        one.keep(f"kling-nb {command[0]}", *commanded(*command))


def commanded(*arguments: str) -> tuple[str, str]:
    """Run a command; returns what it wrote to both of its outputs."""
    done = run("kling_nb", *arguments, env={**os.environ, **exported(KEYS)})
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def in_a_notebook(one: Session) -> None:
    """Execute a notebook in a real kernel, errors included, and save it with its widgets' state."""
    import nbformat
    from nbclient import NotebookClient

    cells = [nbformat.v4.new_code_cell(source) for source in NOTEBOOK]
    notebook = nbformat.v4.new_notebook(cells=cells)
    root = str(Path(__file__).parents[1])
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**exported(KEYS), "PYTHONPATH": root, "IPYTHONDIR": str(one.folder / "ipython")}.items():
            environment.setenv(name, value)
        NotebookClient(
            notebook, allow_errors=True, timeout=120, resources={"metadata": {"path": str(one.folder)}}
        ).execute()
    nbformat.write(notebook, one.folder / "saved.ipynb")


def test_no_key_is_in_anything_that_a_session_leaves(left: Session) -> None:
    """No file, output, view, message, log record or traceback holds a key, and no foreign host got one."""
    assert left.leaks() == []


def test_the_session_went_everywhere(left: Session) -> None:
    """It was a whole session: every provider signed calls, said no in every way, and led to the foreign host."""
    with kn.Lab(left.folder / "lab", keys={"kling": KEYS["kling"]}) as lab:
        tasks = lab.df()
    by_prompt = {prompt: set(rows["state"]) for prompt, rows in tasks.groupby("prompt")}
    assert by_prompt["a fox"] == {"saved"}
    assert set(tasks["provider"]) == set(KEYS)
    assert "receive_response_headers.complete" in left.kept["the loggers"]
    assert tasks["reason"].str.contains("••••").sum() > 20
    for asked in ("/%E2%80%A2", "/?key="):  # by a clip's link, and by the redirect of a relay's own address
        assert any(seen.target.startswith(asked) for seen in left.foreign.seen)
    saved = (left.folder / "saved.ipynb").read_text()
    assert saved.count('"output_type": "error"') == 2
    assert "application/vnd.jupyter.widget-state+json" in saved


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[tuple[Session, str]]:
    """Give a session that did nothing, and a secret to plant in it."""
    folder = tmp_path / "session"
    folder.mkdir()
    with StrictSocket.running(lambda _: [answer()]) as foreign:
        yield Session(folder, Gate(Simulator(None), foreign.url), foreign), KEYS["relay"]


def _in_a_database(path: Path, key: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute("pragma journal_mode=wal")
        database.execute("create table a (b text)")
        database.execute("insert into a values (?)", (key,))
    database.close()


def _logged(one: Session, key: str) -> None:
    with heard(one):
        logging.getLogger("httpcore.http11").debug("send_request_headers headers=[%s]", key)


def _raises(secret: str) -> None:
    raise kn.InputError("something about " + str(len(secret)))


def _sent(url: str, key: str) -> None:
    import urllib.request

    urllib.request.urlopen(f"{url}/?key={key}", timeout=5).close()


PLACES: dict[str, Callable[[Session, str], object]] = {
    "a file": lambda one, key: (one.folder / "a.txt").write_text(f"..{key}.."),
    "a file's name": lambda one, key: (one.folder / f"{key}.mp4").write_bytes(b""),
    "a database": lambda one, key: _in_a_database(one.folder / "log.sqlite", key),
    "a packed table": lambda one, key: pd.DataFrame({"a": [key] * 50}).to_parquet(one.folder / "t.parquet"),
    "a notebook": lambda one, key: (one.folder / "n.ipynb").write_text(json.dumps({"text": json.dumps({"k": key})})),
    "an output": lambda one, key: one.keep("the terminal", f"\x1b[1m{key}\x1b[0m"),
    "a logger": _logged,
    "a local variable": lambda one, key: one.fails("it", lambda: _raises(key)),
    "an object": lambda one, key: one.keep("the reprs", *reprs(kn.Sweep(prompt=key))),
    "a foreign host": lambda one, key: _sent(one.foreign.url, key),
}


@pytest.mark.parametrize("place", PLACES)
def test_the_search_finds_what_was_planted(planted: tuple[Session, str], place: str) -> None:
    """A key that is in any kind of place is found there: a search that finds nothing has looked."""
    one, key = planted
    assert one.leaks() == []

    PLACES[place](one, key)

    assert one.leaks()


@pytest.mark.parametrize("number", range(12))
def test_the_search_knows_every_spelling(number: int) -> None:
    """A secret is found escaped, packed and in the middle of other text."""
    from tests.canaries import spellings

    key = KEYS["fal"]
    spelled = list(spellings(key))[number]
    assert Search([key]).leaks("here", b"before " + spelled + b" after")
    assert Search(["eyJhbGciOiJIUzI1NiJ9.Y2xhaW1z.c2lnbmF0dXJl"]).leaks("here", "only c2lnbmF0dXJl of it")
