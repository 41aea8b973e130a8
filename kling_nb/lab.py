"""The one object that a notebook holds: it wires the rest and decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from . import catalog as catalogue
from . import tables
from .bindings import Bindings, Played
from .engine import shared
from .engine.control import Control
from .engine.decide import judgement
from .engine.doubt import Uncertain
from .engine.engine import Engine
from .engine.interrupted import saying_it_goes_on
from .engine.run import Run
from .engine.seen import SeenRun
from .engine.told import not_saved
from .engine.wanted import Simulation, Wanted
from .errors import InputError, nearest
from .excerpts import as_code
from .fields import flag, folder_of
from .keywords import answering
from .log import LabLog, is_simulated
from .ordering import Ordering, points_of
from .plan import Plan, Settings, usd
from .secret import Secret, hidden
from .states import EventKind, TaskState
from .sweep import Sweep

if TYPE_CHECKING:
    from types import EllipsisType

    import pandas as pd

    from .views.clip import ClipView
    from .views.compare import Comparison
    from .views.form import SweepForm

    Shown = Run | str | Iterable[Run | str] | pd.DataFrame | None
    """What can be compared: the clips of a run or of the run of a name, of several, of a frame, or everything."""


SET_ONCE = ("folder", "simulation", "catalog")
"""The names that a lab is given when it is opened."""


@answering("kn.Lab", "lab")
class Lab:
    """A lab folder: ``log.sqlite``, ``clips/`` and ``inputs/``.

    Opening a lab follows and fetches what was already submitted; it never submits anything. Two labs on the same
    folder in one process share everything. All methods may be called from any thread.

    Parameters
    ----------
    folder
        Where the log and the clips live; created if it does not exist. ``kling-lab`` in the working directory by default.
    simulate
        ``True``, or a `Simulation`: no account is needed and nothing is spent. A folder is simulated or live for life.
    provider
        The provider for requests that name none; by default, the only one with a key (simulated: ``kling``).
    keys
        Credentials by provider; otherwise they come from ``KLING_NB_<PROVIDER>_KEY``, a ``.env`` file, or the keyring.
    catalog, providers
        Your own TOML files of models and prices, and of providers, laid over the built-in ones.
    daily_budget
        Ceiling in USD for everything this lab submits in a day, across runs and providers, stored with the lab; by
        default, the one stored before.

    Raises
    ------
    InputError
        If an argument cannot be used, such as a daily budget that is no amount, an unknown provider or a file that
        cannot be read.
    LabError
        If the folder cannot be opened as asked; `LabMode` and `LogTooNew` are kinds of it.

    """

    def __init__(
        self,
        folder: str | Path = "kling-lab",
        *,
        simulate: bool | Simulation = False,
        provider: str | None = None,
        keys: Mapping[str, str | Secret] | None = None,
        catalog: str | Path | None = None,
        providers: str | Path | None = None,
        daily_budget: float | str | Decimal | None = None,
    ) -> None:
        is_table = keys is None or _is_table(keys)
        keys = hidden(keys or {} if is_table else {})  # before anything can go wrong here that shows local variables
        _check_keys(is_table=is_table)
        self.folder = folder_of("folder", folder)
        self.simulation = _simulation(simulate)
        self.catalog = catalogue.load(catalog, providers)
        self._bindings = (Played if self.simulated else Bindings)(self.catalog, keys, provider)
        has_files = catalog is not None or providers is not None
        self._asked = self._wanted(usd("daily_budget", daily_budget), has_files=has_files)
        self._opened = shared.opened(self._asked)
        self._ordering = Ordering(self.catalog, self._bindings, self._opened, simulated=self.simulated)

    def _wanted(self, ceiling: Decimal | None, *, has_files: bool) -> Wanted:
        return Wanted(
            folder=self.folder,
            simulation=self.simulation,
            catalog=self.catalog,
            bound=self._bindings.anew,
            key=self._bindings.key,
            access=self._bindings.access,
            keys=self._bindings.keys,
            has_files=has_files,
            daily_budget=ceiling,
        )

    def take_over(self) -> str:
        """Take this folder over from a process that is only asleep, such as a stopped kernel; says what was done.

        When that process wakes, it writes and submits nothing more. What it was about to submit is `uncertain` until
        it is ended. If a process is gone, its folder is taken over automatically. Raises `LabBusy` if another process
        took over meanwhile, or if the sleeping one is in the middle of a write.
        """
        return self._opened.take_over()

    def close(self) -> None:
        """Detach from the folder: nothing is cancelled, and opening it again picks up from there.

        All labs and runs on this folder in this process share what is closed: their tables can still be read, and nothing
        be started or steered by them. So leaving ``with kn.Lab(folder) as lab:`` closes it for a lab that was opened
        before, too. ``kn.Lab(folder)`` opens it anew, where ``lab.run(name)`` has its runs.
        """
        shared.close(self.folder)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse to set what a lab does not have: a misspelt ceiling would hold nothing back; and what it was opened by:
        the engine works with that.
        """
        if name in SET_ONCE and name in vars(self):
            message = f"lab.{name} is set when the lab is opened: kn.Lab(…) opens another; nothing was changed"
            raise AttributeError(message)
        if not (name.startswith("_") or name in SET_ONCE or hasattr(type(self), name)):
            message = f"a lab has no {name!r} to set; lab.daily_budget = 20 limits a day, lab.start(…, budget=20) a run"
            raise AttributeError(message)
        super().__setattr__(name, value)

    def __enter__(self) -> Self:
        """Use as ``with kn.Lab(…) as lab:``; leaving closes it, for all that share its folder in this process."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the lab, for all that share its folder; see `close`."""
        self.close()

    @property
    def simulated(self) -> bool:
        """Whether nothing here costs money."""
        return self.simulation is not None

    @property
    def log(self) -> LabLog:
        """The experiment log, to read: ``log.tasks()`` has every attempt, ``log.events()`` every event."""
        return LabLog(self._opened.log)

    @property
    def daily_budget(self) -> Decimal | None:
        """Ceiling in USD for all that this lab submits in a day, midnight to midnight UTC; `None`: there is none.

        It counts what the day's submits cost or may still cost. What does not fit is held until ``run.resume()`` the
        next day, or after a higher ceiling was assigned; assigning `None` removes it. Assigning raises `InputError` for
        what is no amount, `LabBusy` if another process drives.
        """
        return self._opened.log.daily_budget()

    @daily_budget.setter
    def daily_budget(self, amount: float | str | Decimal | None) -> None:
        self._opened.driving().set_daily_budget(usd("daily_budget", amount))

    # -- providers ---------------------------------------------------------------------------------------------

    def models(self) -> pd.DataFrame:
        """Return what can be bought by this lab's catalogue, as `kling_nb.models` does."""
        return tables.models_frame(self.catalog)

    def providers(self) -> pd.DataFrame:
        """Return where clips can be bought, as `kling_nb.providers` does, with the keys that this lab was given."""
        return tables.providers_frame(self.catalog, self._bindings.access)

    # -- planning and buying -----------------------------------------------------------------------------------

    def plan(self, sweep: Sweep, **settings: Any) -> Plan:
        """Show what a sweep would do, buy and cost. Nothing is sent.

        ``settings``: ``fresh=True`` buys again what was bought before; ``strict=True`` refuses points that would lose
        something, or whose ``extra`` is for a provider that no point goes to; ``share=False`` buys points separately even if they become the same request; ``assume_price=`` is
        the price in USD per clip where none is known, or ``"official"`` for Kling's own.

        Raises `InputError` for what is no sweep or no setting, an unknown provider or an image that is not there,
        `SweepError` for more points than the sweep may have, `MediaError` for a file that is no image.
        """
        return self._ordering.plan(points_of(sweep), Settings.only(settings, "lab.plan"))

    def start(
        self,
        sweep: Sweep,
        *,
        name: str | None = None,
        budget: float | str | Decimal | None = None,
        confirm_above: float | str | Decimal | None = None,
        show: bool = True,
        **settings: Any,
    ) -> Run:
        """Start a sweep and return at once; a live panel shows below the cell.

        What was bought before is reused, so that running a cell again buys nothing.

        Parameters
        ----------
        sweep
            What to buy.
        name
            What the run is stored under; by default, a name made from the sweep. Starting under an existing name goes
            on with that run.
        budget
            Ceiling in USD for everything this run spends or may still be charged, stored with the run.
        confirm_above
            Ask before anything is bought if the plan costs more than this, in USD; without a yes nothing is.
        show
            Whether to show the panel, and in a terminal, while it is waited for, how the run stands.
        settings
            As for `plan`.

        Raises
        ------
        InputError, SweepError, RefusedError, MediaError, KeyMissing, PriceUnknown, OverBudget, LabError
            Before anything is bought; `LabBusy` and `LabUnwritable` are kinds of `LabError`.

        """
        shows, chosen = flag("show", show), Settings.only(settings, "lab.start")
        engine = self._opened.driving()
        order = self._ordering.of_sweep(engine, sweep, chosen, name=name, budget=budget, confirm_above=confirm_above)
        self._opened.buys(self._asked)
        with saying_it_goes_on(order.name):
            run = self._handle(engine, engine.start(order), shows=shows)
            if shows:
                from .views import live

                live.show(run, self.folder)
        return run

    def generate(self, prompt: str = "", *, budget: float | str | Decimal | None = None, **fields: Any) -> ClipView:
        """Buy one clip, wait for it, and return it; a notebook shows it inline with its facts.

        ``fields`` are those of `VideoRequest`, plus ``provider``, ``sample`` and the settings of `plan`. Nothing in
        the prompt is substituted. The same call again returns the same clip and buys nothing. ``budget`` is a ceiling
        in USD for everything that all single clips together spend or may still be charged, kept until another is given.

        Before anything is sent, it raises what `start` raises; after that `ProviderError` if the provider said no, and
        `KlingError` if the task stops in a state that needs a person.
        """
        engine = self._opened.driving()
        order = self._ordering.of_one(engine, prompt, fields, budget)
        self._opened.buys(self._asked)
        with saying_it_goes_on(order.name):
            run = self._handle(engine, engine.start(order))
        return self._shown(run, order.points[0].identity)

    def _handle(self, engine: Engine, control: Control, *, shows: bool = True) -> Run:
        return Run(engine, control, self._opened.log, self.folder, simulated=self.simulated, shows=shows)

    def _shown(self, run: Run, identity: str) -> ClipView:
        from .views.clip import clip_view

        run.wait()
        task = run.task_for(identity)
        if task.state is not TaskState.SAVED:
            raise not_saved(task, run.held)
        frame = self._opened.log.df(run.name, task.id)
        return clip_view(frame, self.folder, simulated=self.simulated, judge=self.rate)

    # -- what was done -----------------------------------------------------------------------------------------

    def run(self, name: str) -> Run:
        """Return a handle to the run of this name; raises `InputError` with the known names if there is none.

        While another process drives, or the folder cannot be written, the handle shows how the run stands; steering it
        raises `LabBusy` or `LabUnwritable`. A lab that was closed has no handles: `LabError`.
        """
        engine = self._opened.tried()
        known = [row.name for row in self._opened.log.read_runs()]
        if not isinstance(name, str) or name not in known:
            raise _no_run(name, known)
        if engine is None:
            return SeenRun(self._opened, name, simulated=self.simulated)
        return self._handle(engine, engine.control(name))

    def runs(self) -> pd.DataFrame:
        """Return one row per run: when it was started, its state, its points by state, what it spent in USD.

        ``state`` is what its panel says: ``running``, ``waiting`` (nothing is under way, and points are still to be
        sent), ``needs a look`` (a task is uncertain, stalled or expired), ``finished``, ``paused`` or ``cancelled``; in a
        lab that was closed ``stopped``, if a task is at its provider.
        """
        return self._opened.log.runs(self._moving, followed=not self._opened.closed)

    def _moving(self) -> Iterable[str]:
        engine = self._opened.engine
        return engine.moving() if engine is not None and self._opened.drives else ()

    def df(self) -> pd.DataFrame:
        """Return one row per point of every run, with the columns of `kling_nb.columns.POINT_COLUMNS`."""
        return self._opened.log.df()

    def spending(self, by: str | Sequence[str] = ("day", "provider", "model", "run")) -> pd.DataFrame:
        """Return what was spent and what may still be charged, in USD, by day (UTC), provider, model or run.

        It also has the estimate, what the providers themselves said they charged, and the difference of the two for the
        tasks of which they said it: where providers report no charge in USD, ``estimate_usd`` and ``charged_usd`` differ
        by more than ``difference_usd``. The columns are those of `kling_nb.spending.SUMS`. Raises `InputError` for
        another name to group by.
        """
        return self.log.spending(by)

    def uncertain(self) -> Uncertain:
        """Return the tasks that may or may not have been bought, with the price at stake and what can be done.

        A notebook has buttons for that. While another process drives, or the folder cannot be written, the tasks are
        shown, and acting on one raises `LabBusy` or `LabUnwritable`.
        """
        engine = self._opened.tried()
        book = {} if engine is None else engine.book.tasks
        log = self._opened.log
        tasks = [book.get(task.id, task) for task in log.open_tasks()]
        asked = (log.tasks_by_id, self._opened.is_seeking, log.serves)
        return Uncertain(self._opened.driving, tasks, *asked, simulated=self.simulated)

    def rate(self, task: str, rating: float | EllipsisType | None = ..., note: str | None = None) -> None:
        """Keep what you think of a clip, by its task id (column ``task``): a number, words, or both.

        The stars in a comparison do the same. `None` removes a rating, ``""`` a note; what is left out stays as it is.
        Raises `InputError` if the rating is not a number or there is no such task, `LabBusy` if another process drives.
        """
        self._opened.driving().record(task, EventKind.NOTED, **judgement(rating, note))

    # -- views -------------------------------------------------------------------------------------------------

    def compare(self, what: Shown = None, *, x: str | None = None, y: str | None = None) -> Comparison:
        """Return clips side by side; ``what`` is a run or its name, a list of several, a DataFrame, or everything by default.

        One set of controls plays all of them. ``x`` and ``y`` name the columns of `df` to use for the grid's columns
        and rows, or a prompt variable by its own name; by default, the axes that vary. Raises `InputError` for anything
        else.
        """
        from .views.compare import Comparison
        from .views.grid import grid_of

        frame, title = self._frame(what)
        return Comparison(grid_of(frame, x=x, y=y, title=title, simulated=self.simulated), self.folder, self.rate)

    def _frame(self, what: Shown) -> tuple[pd.DataFrame, str]:
        from . import frames

        if what is None:
            return self.df(), self.folder.name
        if frames.is_frame(what):
            return what, self.folder.name
        log = self._opened.log
        runs = _runs_in(what, [row.name for row in log.read_runs()])
        held = [(run, log.df(run)) if isinstance(run, str) else (run.name, run.df) for run in runs]
        return frames.together([frame for _, frame in held]), ", ".join(name for name, _ in held)

    def form(self) -> SweepForm:
        """Return the sweep form: it plans, starts, and shows the Python it stands for."""
        from .views.form import form

        return form(self, self._ordering.named)

    def export(self, folder: str | Path, what: Shown = None, *, x: str | None = None, y: str | None = None) -> Path:
        """Write the comparison as a static page and return its ``index.html``; it needs no kernel and no network.

        ``folder`` holds the page, ``clips/`` and ``posters/``. A page that was exported there before is replaced, and
        what that export wrote and the new page does not show is deleted: clips left out on purpose are not published.
        Files of your own in the folder stay, and so do those of the lab.

        Raises what `compare` does, and `LabUnwritable` where the folder cannot be written.
        """
        return self.compare(what, x=x, y=y).save_html(folder)

    def __repr__(self) -> str:
        """Say where it is, whether it is simulated, and what it holds."""
        if "_opened" not in vars(self):  # as a traceback shows one that could not be opened
            return f"<Lab {vars(self).get('folder', '')}: not open>"
        counted = self._opened.log.counts()
        held = ", ".join(f"{count} {state}" for state, count in counted.items()) or "empty"
        read = "" if self._opened.drives else f", read only: {self._opened.why_it_reads()}"
        return f"<Lab {self.folder.name}{' SIMULATED' if self.simulated else ''}: {held}{read}>"


def _no_run(name: object, known: Sequence[str]) -> InputError:
    if isinstance(name, Sweep | Plan):
        what = type(name).__name__
        return InputError(
            f"expected the name of a run that was started, got a {what}; lab.start(sweep) starts one; nothing was done"
        )
    held = nearest(str(name), known) if known else "none was started yet"
    return InputError(f"there is no run {as_code(name)}; {held}")


def _runs_in(what: object, known: Sequence[str]) -> list[Run | str]:
    """Return the runs and the names of runs that are given; raises `InputError` for anything else."""
    given = list(what) if isinstance(what, Iterable) and not isinstance(what, str) else [what]
    runs = [one for one in given if isinstance(one, Run | str)]
    unknown = next((one for one in runs if isinstance(one, str) and one not in known), None)
    if len(runs) < len(given) or unknown is not None:
        why = f"; {_no_run(unknown, known)}" if len(runs) == len(given) else "; lab.runs() has the names"
        message = f"expected a run or its name, several of them in a list, or a DataFrame, got {as_code(what)}{why}"
        raise InputError(message)
    return runs


def open_as_it_is(folder: str | Path) -> Lab:
    """Open a lab folder that exists, simulated or live as it is; raises `LabError` where there is none."""
    path = folder_of("folder", folder)
    return Lab(path, simulate=is_simulated(path))


def _simulation(simulate: object) -> Simulation | None:
    if isinstance(simulate, Simulation):
        return simulate
    if not isinstance(simulate, bool):
        message = f"simulate={simulate!r}: expected True, False, or a kn.Simulation"
        raise InputError(message)
    return Simulation() if simulate else None


def _is_table(keys: object) -> bool:
    """Tell whether keys are by provider, each as text; a provider's may be left out by `None`."""
    return isinstance(keys, Mapping) and all(isinstance(key, str | Secret | None) for key in keys.values())


def _check_keys(*, is_table: bool) -> None:
    """Raise `InputError` for keys that are no table; what they are is not shown, since it may be a key."""
    if not is_table:
        message = "keys=: expected keys by provider, such as {'kling': 'access:secret'}; the value is not shown here"
        raise InputError(message)
