"""``kling-nb``: the demo, the simulator on a port, plans, runs, pages, and what works here."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from .errors import InputError, KeyMissing, KlingError, LabError, MediaError, OverBudget, PriceUnknown

if TYPE_CHECKING:
    from rich.console import Console

    from .engine.run import Run
    from .lab import Lab
    from .serve import Served
    from .sweep import Sweep

SAVED, UNSAVED, BAD_INPUT, OVER_BUDGET = 0, 1, 2, 3
DEMO_SPEED = 240.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns 0 when all is well, 1 when points are not saved, 2 on bad input, 3 over budget."""
    _let_any_letter_through(sys.stdout)
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except OverBudget as error:
        return _say(error, OVER_BUDGET)
    except (InputError, KeyMissing, LabError, MediaError, PriceUnknown) as error:
        return _say(error, BAD_INPUT)
    except KlingError as error:
        return _say(error, UNSAVED)
    except OSError as error:  # such as a disk that is full, which the output goes to
        return _say(f"stopped: {error}; what was submitted goes on: the same command again fetches it", UNSAVED)
    except KeyboardInterrupt:
        return _say("stopped; what was submitted goes on at the provider: the same command again fetches it", UNSAVED)


def _let_any_letter_through(stream: TextIO) -> None:
    """Show a letter that the terminal's encoding lacks as a question mark: a prompt may have any, and must not raise."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")


def _say(what: object, code: int) -> int:
    sys.stderr.write(f"kling-nb: {what}\n")
    return code


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kling-nb", description="Experiments with Kling video models.")
    commands = parser.add_subparsers(required=True, metavar="command")
    demo = _command(commands, "demo", _demo, "run a simulated sweep and write a page that compares its clips")
    demo.add_argument("--lab", type=Path, default=Path("kling-demo"), help="lab folder (default: %(default)s)")
    demo.add_argument("--speed", type=float, default=DEMO_SPEED, help="simulated seconds a second (default: 240)")
    _simulate_command(commands)
    plan = _command(commands, "plan", _plan, "show what a sweep would do and cost; spends nothing")
    _sweep_options(plan)
    plan.add_argument("--lab", type=Path, help="lab folder to look for what was bought before")
    plan.add_argument("--calls", action="store_true", help="show the exact call of each point too")
    run = _command(commands, "run", _run, "run a sweep, or go on with it")
    run.epilog = (
        "Exit status: 0 where every point that can be sent is saved, 1 where one is not, 2 for bad input, a missing key "
        "or a folder that cannot be used, 3 over budget."
    )
    _sweep_options(run)
    run.add_argument("--lab", type=Path, required=True, help="lab folder, simulated or live for life")
    run.add_argument("--budget", metavar="USD", help="ceiling for what this run spends or may still be charged, kept")
    run.add_argument("--daily-budget", metavar="USD", help="ceiling for all that the lab submits in a day (UTC), kept")
    run.add_argument("--name", help="what the run is stored under (default: the file's name)")
    run.add_argument("--take-over", action="store_true", help="drive in the place of a process that only sleeps")
    export = _command(commands, "export", _export, "write a lab's clips as a static page")
    export.add_argument("lab", type=Path, help="lab folder")
    export.add_argument("page", type=Path, help="folder for the page")
    export.add_argument("--run", help="only this run")
    export.add_argument("--x", help="column of the table that makes the page's columns")
    export.add_argument("--y", help="column of the table that makes the page's rows")
    _doctor_command(commands)
    return parser


def _command(commands: Any, name: str, command: Callable[..., int], help_: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help_, description=help_)
    parser.set_defaults(command=command)
    return parser


def _simulate_command(commands: Any) -> None:
    simulate = _command(commands, "simulate", _simulate, "serve the simulator on 127.0.0.1 for any client")
    simulate.add_argument("--port", type=int, default=8760, help="port (default: %(default)s; 0 takes a free one)")
    simulate.add_argument("--speed", type=float, default=1.0, help="simulated seconds a second (default: 1)")
    simulate.add_argument("--provider", help="serve this provider at the root too, and say how to reach it there")
    simulate.add_argument("--tls", action="store_true", help="serve https, with a certificate made on the spot")
    simulate.add_argument("--seed", type=int, default=7, help="seed of ids, latencies and clips (default: 7)")
    simulate.add_argument("--folder", type=Path, help="keep its state here (default: in memory)")
    simulate.add_argument("--list", action="store_true", help="show the known pitfalls, and how to meet each")


def _doctor_command(commands: Any) -> None:
    doctor = _command(commands, "doctor", _doctor, "say which providers can be used and what can be shown here")
    ask = "ask each provider that has key and host, or those that are named, one free call: is the key accepted?"
    doctor.add_argument("--reach", nargs="*", metavar="provider", help=ask)
    _own_files(doctor)


def _own_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--providers", type=Path, metavar="file", help="a TOML file of your own providers")
    parser.add_argument("--catalog", type=Path, metavar="file", help="a TOML file of your own models and prices")


def _sweep_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sweep", type=Path, help="a sweep as TOML")
    parser.add_argument("--provider", action="append", help="provider, instead of the file's; may be repeated")
    parser.add_argument("--simulate", action="store_true", help="no account, no money")
    parser.add_argument("--strict", action="store_true", help="refuse points that would lose something")
    parser.add_argument(
        "--assume-price", metavar="USD", help="price of a clip where none is known, or official: what Kling itself asks"
    )
    _own_files(parser)


# -- commands --------------------------------------------------------------------------------------------------


def _demo(arguments: argparse.Namespace) -> int:
    from .demo import sweep
    from .engine.opening import Simulation
    from .lab import Lab

    with Lab(arguments.lab, simulate=Simulation(speed=arguments.speed)) as lab:
        console = _console()
        plan = lab.plan(sweep(), assume_price="official")
        console.print(f"No account, no money. {plan.summary()}.", markup=False, soft_wrap=True)
        run = _watched(lab.start(sweep(), name="demo", show=False, assume_price="official"), console)
        page = lab.export(lab.folder / "page", run, x="provider", y="prompt")
        console.print(f"\nLab folder  {lab.folder}\nPage        {page}", markup=False, soft_wrap=True)
    return SAVED


def _watched(run: Run, console: Console) -> Run:
    from .views.terminal import watch

    watch(run, console=console)
    return run.wait()


def _simulate(arguments: argparse.Namespace) -> int:
    import signal
    from contextlib import suppress

    from .serve import serving
    from .simulator.pitfalls import PITFALLS

    if arguments.list:
        _print_lines(line for pitfall in PITFALLS for line in pitfall.lines())
        return SAVED
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with serving(_served(arguments)) as told:
        _console().print(told, markup=False, soft_wrap=True)
        with suppress(KeyboardInterrupt):
            signal.pause()
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

    from .views.terminal import plan_calls, plan_table

    sweep = _sweep(arguments)
    with tempfile.TemporaryDirectory() as scratch, _lab(arguments, Path(arguments.lab or scratch)) as lab:
        plan = lab.plan(sweep, **_plan_settings(arguments))
        _console().print(plan_table(plan))
        if arguments.calls:
            _console().print(plan_calls(plan), soft_wrap=True)
        plan.check(None)
    return SAVED


def _run(arguments: argparse.Namespace) -> int:
    from .views.terminal import plan_table

    sweep, console = _sweep(arguments), _console()
    name = arguments.name or arguments.sweep.stem
    with _lab(arguments, arguments.lab, arguments.daily_budget) as lab:
        if arguments.take_over:
            _say(lab.take_over(), SAVED)
        settings = _plan_settings(arguments)
        console.print(plan_table(lab.plan(sweep, **settings)))
        run = lab.start(sweep, name=name, budget=arguments.budget, show=False, **settings)
        return _outcome(_watched(run, console))


def _outcome(run: Run) -> int:
    """Return 0 where every point that could be sent is saved."""
    sendable = [task for task in run.tasks if task.state != "refused"]
    if run.held:
        _say(run.held, UNSAVED)
    return SAVED if all(task.state == "saved" for task in sendable) else UNSAVED


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


if __name__ == "__main__":
    sys.exit(main())
