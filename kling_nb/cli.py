"""``kling-nb``: the demo, the simulator on a port, plans, runs, pages, and what works here."""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from .arguments import parser
from .errors import InputError, KeyMissing, KlingError, LabError, MediaError, OverBudget, PriceUnknown

if TYPE_CHECKING:
    from rich.console import Console

    from .engine.run import Run
    from .lab import Lab
    from .serve import Served
    from .sweep import Sweep

SAVED, UNSAVED, BAD_INPUT, OVER_BUDGET = 0, 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns 0 when all is well, 1 when points are not saved, 2 on bad input, 3 over budget."""
    _let_any_letter_through(sys.stdout)
    arguments = parser().parse_args(argv)
    try:
        return COMMANDS[arguments.command](arguments)
    except OverBudget as error:
        return _say(error, OVER_BUDGET)
    except (InputError, KeyMissing, LabError, MediaError, PriceUnknown) as error:
        return _say(error, BAD_INPUT)
    except KlingError as error:
        return _say(error, UNSAVED)
    except OSError as error:  # such as a disk that is full, which the output goes to
        return _say(
            f"stopped: {error}; what was submitted keeps running; run the same command again to fetch it", UNSAVED
        )
    except KeyboardInterrupt:
        return _say(
            "stopped; what was submitted keeps running at the provider; run the same command again to fetch it", UNSAVED
        )


def _let_any_letter_through(stream: TextIO) -> None:
    """Show a letter that the terminal's encoding lacks as a question mark: a prompt may have any, and must not raise."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")


def _say(what: object, code: int, *beside: str) -> int:
    from .views.terminal import here

    sys.stderr.write(f"kling-nb: {here(str(what), *beside)}\n")
    return code


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _demo(arguments: argparse.Namespace) -> int:
    from .demo import sweep
    from .engine.wanted import Simulation
    from .lab import Lab

    with Lab(arguments.lab, simulate=Simulation(speed=arguments.speed)) as lab:
        console = _console()
        plan = lab.plan(sweep(), assume_price="official")
        console.print(f"No account, no money. {plan.summary()}.", markup=False, soft_wrap=True)
        run = _watched(lab.start(sweep(), name="demo", show=False, assume_price="official"), console)
        page = lab.export(lab.folder / "page", run, x="provider", y="prompt")
        python = f"run = kn.Lab({str(lab.folder)!r}, simulate=True).run('demo')"
        console.print(
            f"\nLab folder  {lab.folder}\nPage        {page}\nIn Python   {python}", markup=False, soft_wrap=True
        )
    return SAVED


def _watched(run: Run, console: Console) -> Run:
    from .views.terminal import watch

    watch(run, console=console)
    return run.wait()


def _simulate(arguments: argparse.Namespace) -> int:
    import signal
    import time
    from contextlib import suppress

    from .serve import serving
    from .simulator.pitfalls import PITFALLS

    if arguments.list:
        _print_lines(line for pitfall in PITFALLS for line in pitfall.lines())
        return SAVED
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), serving(_served(arguments)) as told:
        _console().print(told, markup=False, soft_wrap=True)
        while True:
            time.sleep(1)  # a signal that comes right before signal.pause() would not end it
    return SAVED


def _served(arguments: argparse.Namespace) -> Served:
    from .serve import Served

    return Served(
        port=arguments.port,
        speed=arguments.speed,
        seed=arguments.seed,
        folder=arguments.folder,
        root=arguments.provider,
        tls=arguments.tls,
    )


def _plan(arguments: argparse.Namespace) -> int:
    import tempfile

    from .plan.terminal import plan_calls, plan_table

    sweep = _sweep(arguments)
    with tempfile.TemporaryDirectory() as scratch, _lab(arguments, Path(arguments.lab or scratch)) as lab:
        plan = lab.plan(sweep, **_plan_settings(arguments))
        _console().print(plan_table(plan))
        if arguments.calls:
            _console().print(plan_calls(plan), soft_wrap=True)
        plan.check(None)
    return SAVED


def _run(arguments: argparse.Namespace) -> int:
    from .plan import usd
    from .plan.terminal import plan_table

    usd("budget", arguments.budget)  # before a plan is shown that would hide what is wrong
    sweep, console, settings = _sweep(arguments), _console(), _plan_settings(arguments)
    name, is_new = arguments.name or arguments.sweep.stem, not _is_lab(arguments.lab)
    if is_new:
        _check_before(arguments, sweep, console)
    with _lab(arguments, arguments.lab, arguments.daily_budget) as lab:
        if arguments.take_over:
            _say(lab.take_over(), SAVED)
        if not is_new:
            console.print(plan_table(lab.plan(sweep, **settings)))
        run = lab.start(sweep, name=name, budget=arguments.budget, show=False, **settings)
        return _outcome(_watched(_retried(run, console) if arguments.retry else run, console))


def _is_lab(folder: Path) -> bool:
    from .log import FILE

    return os.path.isfile(folder.expanduser() / FILE)  # noqa: PTH113 - a path's own raises for a name that is too long


def _check_before(arguments: argparse.Namespace, sweep: Sweep, console: Console) -> None:
    """Show the plan, and raise what stands in its way before a folder is made: that is simulated or live for life."""
    import tempfile

    from .bindings import Bindings, Played
    from .ordering import check
    from .plan import run_name, usd
    from .plan.terminal import plan_table

    with (
        _unwarned(),
        tempfile.TemporaryDirectory() as scratch,
        _lab(arguments, Path(scratch), arguments.daily_budget) as lab,
    ):
        plan = lab.plan(sweep, **_plan_settings(arguments))
        console.print(plan_table(plan))
        run_name(arguments.name, plan)
        check(plan, (Played if lab.simulated else Bindings)(lab.catalog, {}, None), usd("budget", arguments.budget))


@contextmanager
def _unwarned() -> Iterator[None]:
    """Keep back what a lab warns of that is only tried: the one that is then opened says the same."""
    logger = logging.getLogger("kling_nb")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _retried(run: Run, console: Console) -> Run:
    """Buy again what failed, after stating the price; raises `OverBudget` where that may pass the run's budget."""
    from .engine.snapshot import again
    from .views.standing import bought_again

    money = run.snapshot().money  # before the tasks: what is sent meanwhile would count twice
    found = again(run.tasks)
    if found is not None:
        found.check(money)
    console.print(bought_again(found), markup=False, soft_wrap=True)
    return run.retry()


def _outcome(run: Run) -> int:
    """Return 0 where every point that could be sent is saved; else say how to go on from here."""
    sendable = [task for task in run.tasks if task.state != "refused"]
    unsaved = sum(task.state != "saved" for task in sendable)
    if not unsaved:
        return SAVED
    causes = [text for text, _ in run.snapshot().causes]
    return _say(run.held or f"{unsaved} of {len(sendable)} clips not saved", UNSAVED, *causes)


def _sweep(arguments: argparse.Namespace) -> Sweep:
    from .sweep import Sweep

    sweep = Sweep.load(arguments.sweep)
    return sweep.at(*arguments.provider) if arguments.provider else sweep


def _lab(arguments: argparse.Namespace, folder: Path, daily_budget: str | None = None) -> Lab:
    from .lab import Lab

    own = {"providers": arguments.providers, "catalog": arguments.catalog}
    return Lab(folder, simulate=arguments.simulate, daily_budget=daily_budget, **own)


def _plan_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"strict": arguments.strict, "assume_price": arguments.assume_price}


def _export(arguments: argparse.Namespace) -> int:
    from .lab import open_as_it_is

    with open_as_it_is(arguments.lab) as lab:
        what = lab.df()
        if arguments.run:
            what = lab.run(arguments.run).df
        page = lab.export(arguments.page, what, x=arguments.x, y=arguments.y)
    _console().print(str(page), markup=False, soft_wrap=True)
    return SAVED


def _doctor(arguments: argparse.Namespace) -> int:
    from . import doctor
    from .catalog import load

    catalog = load(arguments.catalog, arguments.providers)
    for name in arguments.reach or ():
        catalog.provider(name)
    _print_lines(doctor.report(catalog))
    if arguments.reach is None:
        return SAVED
    asked = doctor.ask(catalog, arguments.reach)
    _print_lines(doctor.answers(asked))
    return SAVED if all(one.usable for one in asked) else UNSAVED


def _print_lines(lines: Iterable[str]) -> None:
    console = _console()
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "demo": _demo,
    "simulate": _simulate,
    "plan": _plan,
    "run": _run,
    "export": _export,
    "doctor": _doctor,
}
