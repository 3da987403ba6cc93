"""The flags of each command, and what their help teaches."""

from __future__ import annotations

import argparse
import math
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from exporter import __version__
from exporter.command import logs
from exporter.simulator.scenario import SCENARIOS

PROGRAM = "vod-transcode-exporter"
CONFIG_FILE = Path("vod-transcode-exporter.yml")
_TAKEN = ("/probe", "/sd")

_TOP = f"""\
usage: {PROGRAM} [COMMAND] [FLAGS]

Prometheus exporter for the transcode tasks of ApsaraVideo VOD.

commands:
  run                 serve metrics; what is done where no command is given
  demo                simulator and exporter on loopback, no account needed
  simulate            the simulator alone
  check-config FILE   exit 0, or every fault with file, line and key, exit 1
  task ID...          ask once, print tasks and jobs as a table

flags:
  --help, -h          this text; after a command, the flags of that command
  --version           the version

Without an account:   {PROGRAM} demo
With one:             {PROGRAM} --config.file=FILE
"""
_RUN = """\
Serve metrics. Prometheus scrapes it; each scrape makes it ask VOD about the tracked tasks.
"""
_RUN_END = """\
In prometheus.yml:

  scrape_configs:
    - job_name: vod-transcode
      static_configs:
        - targets: ["localhost:10870"]

It also serves / (status page), /probe?account=NAME (one account alone), /sd (which accounts there
are, for http_sd_configs), /-/healthy and /-/ready. SIGTERM ends it when what is under way is
answered, a second one at once. SIGHUP reads the configuration again; where that has faults, the log
tells them and the old one goes on. So does POST /-/reload with --web.enable-lifecycle.
"""
_DEMO = """\
Simulator and exporter on loopback; no account needed. It prints where to look, scrapes the exporter
every few seconds, as Prometheus would, and tells what it finds. With --stack it also starts what it
finds of Prometheus, Alertmanager and Grafana, with our rules and dashboards, on free ports.
"""
_SIMULATE = """\
A VOD service over HTTP, without video: tasks arrive, their jobs make progress, end or fail.
"""
_SIMULATE_END = """\
The access key is `simulator`, its secret `simulator`. Besides the API it serves:

  GET  /simulator/truth      what is true of every task; ?summary=1 for the counts alone
  POST /simulator/faults     inject a fault, as {"kind": "delay", "seconds": 2}; DELETE clears them
  POST /simulator/clock      {"frozen": true} stops the world, {"frozen": false} lets it go on
"""
_CHECK = """\
Check a configuration file as `run` would, key files included, without asking VOD or listening.
Exit status 0 where it is valid; otherwise every fault with file, line and key, exit status 1.
"""
_TASK = """\
Ask VOD once about tasks and print them with their jobs.
"""
_TASK_END = f"""\
Example: {PROGRAM} task --config.file=prod.yml b1b65ab107e14e7fa0f3dbb900f6c1fe
Exit status 1 where a task could not be read.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, in place of one that follows the usage."""
        self.exit(2, f"{PROGRAM}: {message}; see {self.prog} --help\n")


class _Form(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=min(98, shutil.get_terminal_size().columns - 2))


@dataclass(frozen=True, slots=True)
class _Command:
    about: str
    end: str
    add_flags: Callable[[argparse.ArgumentParser], None]
    arguments: str = ""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The flags of a command, and in `command` its name. Ends the process after --help, --version and mistakes."""
    first = arguments[0] if arguments else ""
    if first in ("-h", "--help"):
        print(_TOP, end="")
        raise SystemExit(0)
    name, rest = ("run", arguments) if not first or first.startswith("-") else (first, arguments[1:])
    if name not in _COMMANDS:
        _Parser(PROGRAM).error(_unknown_command(name))
    parser = _parser(name, _COMMANDS[name])
    args, unknown = parser.parse_known_args(rest)
    if unknown:
        parser.error(_unknown_argument(unknown[0], parser))
    args.command = name
    return args


def _parser(name: str, command: _Command) -> argparse.ArgumentParser:
    parser = _Parser(
        f"{PROGRAM} {name}",
        usage=f"{PROGRAM} {'[run]' if name == 'run' else name} [FLAGS]{command.arguments}",
        description=command.about,
        epilog=command.end,
        formatter_class=_Form,
        allow_abbrev=False,
    )
    command.add_flags(parser)
    parser.add_argument("--log.level", dest="log_level", choices=logs.LEVELS, default="info", help="default: info")
    parser.add_argument(
        "--log.format", dest="log_format", choices=logs.FORMATS, default="logfmt", help="default: logfmt"
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}", help="print the version")
    return parser


def _unknown_command(name: str) -> str:
    if name.endswith((".yml", ".yaml")):
        return f"unknown command {name!r}; to serve with that configuration write --config.file={name}"
    close = get_close_matches(name, _COMMANDS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(_COMMANDS)}"
    return f"unknown command {name!r}; {hint}"


def _unknown_argument(text: str, parser: argparse.ArgumentParser) -> str:
    name = text.partition("=")[0]
    if not name.startswith("-"):
        hint = f"; a command comes first: {PROGRAM} {name} [FLAGS]" if name in _COMMANDS else ""
        return f"unexpected {name!r}{hint}"
    close = get_close_matches(name, list(parser._option_string_actions), n=1)
    return f"unknown flag {name!r}" + (f"; did you mean {close[0]}?" if close else "")


def _run(parser: argparse.ArgumentParser) -> None:
    _config_file(parser)
    _listen_address(parser, ":10870", "default: :10870, every address of this machine")
    parser.add_argument(
        "--web.telemetry-path",
        dest="web_telemetry_path",
        type=_path,
        default="/metrics",
        metavar="PATH",
        help="where metrics are served (default: /metrics)",
    )
    parser.add_argument(
        "--web.enable-lifecycle",
        dest="web_enable_lifecycle",
        action="store_true",
        help="let POST /-/reload read the configuration again",
    )


def _demo(parser: argparse.ArgumentParser) -> None:
    _listen_address(parser, None, "default: 127.0.0.1:10870, or a free port where that is taken")
    parser.add_argument(
        "--simulator.listen-address",
        dest="simulator_listen_address",
        default="127.0.0.1:0",
        metavar="ADDRESS",
        help="where the simulator listens (default: a free port on loopback)",
    )
    parser.add_argument(
        "--stack",
        action="store_true",
        help="with Prometheus, Alertmanager and Grafana around it, those that are on the PATH",
    )
    _world(parser, speed=6.0)


def _simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--listen", default="127.0.0.1:10871", metavar="ADDRESS", help="default: 127.0.0.1:10871")
    parser.add_argument("--tasks", type=_count, metavar="N", help="how many tasks ever arrive (default: no end)")
    _world(parser, speed=1.0)


def _check_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the configuration, in YAML")


def _task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task_id", nargs="+", metavar="ID", help="TranscodeTaskId, as the submit call returned it")
    _config_file(parser)
    parser.add_argument("--account", metavar="NAME", help="which account of the configuration, if it has several")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table, in base units")


_COMMANDS = {
    "run": _Command(_RUN, _RUN_END, _run),
    "demo": _Command(_DEMO, "", _demo),
    "simulate": _Command(_SIMULATE, _SIMULATE_END, _simulate),
    "check-config": _Command(_CHECK, "", _check_config, " FILE"),
    "task": _Command(_TASK, _TASK_END, _task, " ID..."),
}


def _config_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        default=CONFIG_FILE,
        metavar="FILE",
        help=f"the configuration, in YAML (default: {CONFIG_FILE})",
    )


def _listen_address(parser: argparse.ArgumentParser, default: str | None, explained: str) -> None:
    parser.add_argument(
        "--web.listen-address",
        dest="web_listen_address",
        default=default,
        metavar="ADDRESS",
        help=f"such as :10870, 127.0.0.1:10870 or [::1]:10870 ({explained})",
    )


def _world(parser: argparse.ArgumentParser, *, speed: float) -> None:
    parser.add_argument(
        "--scenario",
        choices=sorted(SCENARIOS),
        default="steady",
        help="what is to be seen: tasks in bursts, failures, jobs that never end, a quota eaten by others, a service "
        "that is out for 15 minutes of each 30 (default: steady)",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="same seed, same world (default: 1)")
    parser.add_argument(
        "--speed",
        type=_positive,
        default=speed,
        metavar="X",
        help=f"how many times faster than real time (default: {speed:g})",
    )


def _path(text: str) -> str:
    if not re.fullmatch(r"(/[\w.~-]+)+", text, re.ASCII) or text.startswith("/-/"):
        raise argparse.ArgumentTypeError(f"{text!r} is no path such as /metrics")
    if text in _TAKEN or text.startswith(("/api/", "/callback/")):
        raise argparse.ArgumentTypeError(f"{text!r} serves something else; choose a path such as /metrics")
    return text


def _positive(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII) or not 0 < float(text) < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return float(text)


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 0 or more")
    return int(text)
