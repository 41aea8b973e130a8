"""What the commands of ``kling-nb`` take, and how each is explained."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

DEMO_SPEED = 240.0


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``kling-nb``; ``command`` of what it reads is the command's name."""
    whole = argparse.ArgumentParser(prog="kling-nb", description="Experiments with Kling video models.")
    whole.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = whole.add_subparsers(required=True, dest="command", metavar="command")
    demo = _command(commands, "demo", "run a simulated sweep and write a page that compares its clips")
    demo.add_argument("--lab", type=Path, default=Path("kling-demo"), help="lab folder (default: %(default)s)")
    demo.add_argument(
        "--speed", type=float, default=DEMO_SPEED, help="simulated seconds per real second (default: 240)"
    )
    _simulate_command(commands)
    plan = _command(commands, "plan", "show what a sweep would do and cost; spends nothing")
    _sweep_options(plan)
    plan.add_argument("--lab", type=Path, help="lab folder to check for what was bought before")
    plan.add_argument("--calls", action="store_true", help="also show the exact call for each point")
    run = _command(commands, "run", "run a sweep, or resume it")
    run.epilog = (
        "Exit status: 0 if every point that can be sent is saved, 1 if one is not, 2 for bad input, a missing key or a "
        "folder that cannot be used, 3 if over budget."
    )
    _sweep_options(run)
    run.add_argument("--lab", type=Path, required=True, help="lab folder, simulated or live for life")
    run.add_argument(
        "--budget", metavar="USD", help="ceiling for what this run spends or may still be charged; kept with the run"
    )
    run.add_argument(
        "--daily-budget", metavar="USD", help="ceiling for all the lab submits in a day (UTC); kept with the lab"
    )
    run.add_argument("--name", help="name of the run (default: the file's name)")
    run.add_argument("--retry", action="store_true", help="buy again what failed before; this costs money")
    run.add_argument("--take-over", action="store_true", help="take over from a process that is only asleep")
    export = _command(commands, "export", "write a lab's clips as a static page")
    export.add_argument("lab", type=Path, help="lab folder")
    export.add_argument("page", type=Path, help="folder for the page")
    export.add_argument("--run", help="only this run")
    export.add_argument("--x", help="column of the lab's table to use for the page's columns")
    export.add_argument("--y", help="column of the lab's table to use for the page's rows")
    _doctor_command(commands)
    return whole


class _Version(argparse.Action):
    """Shows the version of the package that is installed, and ends."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        sys.stdout.write(f"kling-nb {version('kling_nb')}\n")
        parser.exit()


def _command(commands: Any, name: str, help_: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=help_, description=help_)
    return command


def _simulate_command(commands: Any) -> None:
    simulate = _command(commands, "simulate", "serve the simulator on 127.0.0.1 for any client")
    simulate.add_argument("--port", type=int, default=8760, help="port (default: %(default)s; 0 picks a free one)")
    simulate.add_argument("--speed", type=float, default=1.0, help="simulated seconds per real second (default: 1)")
    simulate.add_argument("--provider", help="also serve this provider at the root, and say how to reach it")
    simulate.add_argument("--tls", action="store_true", help="serve https, with a certificate made on the spot")
    simulate.add_argument("--seed", type=int, default=7, help="seed of ids, latencies and clips (default: 7)")
    simulate.add_argument("--folder", type=Path, help="keep its state here (default: in memory)")
    simulate.add_argument("--list", action="store_true", help="list the known pitfalls and how to provoke each")


def _doctor_command(commands: Any) -> None:
    doctor = _command(commands, "doctor", "say which providers can be used and what can be shown here")
    ask = "make one free call to each provider with a key and a host, or to those named: is the key accepted?"
    doctor.add_argument("--reach", nargs="*", metavar="provider", help=ask)
    _own_files(doctor)


def _own_files(command: argparse.ArgumentParser) -> None:
    command.add_argument("--providers", type=Path, metavar="file", help="a TOML file of your own providers")
    command.add_argument("--catalog", type=Path, metavar="file", help="a TOML file of your own models and prices")


def _sweep_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("sweep", type=Path, help="a sweep as TOML")
    command.add_argument("--provider", action="append", help="provider, instead of the file's; may be repeated")
    command.add_argument("--simulate", action="store_true", help="no account, no money")
    command.add_argument("--strict", action="store_true", help="refuse points that would lose something")
    command.add_argument(
        "--assume-price", metavar="USD", help="price per clip where none is known, or official for Kling's own price"
    )
    _own_files(command)
