"""The flags of each command, and their help."""

from __future__ import annotations

import argparse
import platform
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from exporter import __version__
from exporter.command import help, logs, values, webflags  # noqa: A004 - it is named after its content
from exporter.command.carried import KINDS
from exporter.command.help import PROGRAM
from exporter.command.terminal import COMPLAINTS, coloured
from exporter.share import revision
from exporter.simulator.scenario import SCENARIOS

CONFIG_FILE = Path("vod-transcode-exporter.yml")
VERSION = f"""\
{PROGRAM}, version {__version__}
  revision: {revision()}
  python:   {platform.python_version()}
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and one line. The base class would print the whole usage before it."""
        line = f"{PROGRAM}: {message}; see {self.prog} --help\n"
        self.exit(2, coloured(line, sys.stderr, COMPLAINTS))


class _Form(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=help.width())

    def _fill_text(self, text: str, width: int, indent: str) -> str:  # noqa: ARG002 - argparse calls it
        return help.wrapped(text, width)


@dataclass(frozen=True, slots=True)
class _Command:
    module: str  # of this package, with its function `run`
    about: str
    end: str
    add_flags: Callable[[argparse.ArgumentParser], None]
    arguments: str = ""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the flags of a command. `command` of the result is its name, `run` if there is none.

    Exits the process after --help and --version (status 0), and for a mistake (one line on stderr, status 2).
    """
    first = arguments[0] if arguments else ""
    if first in ("-h", "--help"):
        print(help.wrapped(help.TOP, help.width()), end="")
        raise SystemExit(0)
    name, rest = ("run", arguments) if not first or first.startswith("-") else (first, arguments[1:])
    if name not in COMMANDS:
        _Parser(PROGRAM).error(_unknown_command(name))
    parser = _parser(name, COMMANDS[name])
    args, unknown = parser.parse_known_args(rest)
    if unknown:
        parser.error(_unknown_argument(unknown[0], parser))
    args.command = name
    return args


def tree() -> argparse.ArgumentParser:
    """All commands in one parser. It is made for tools that read parsers: completion and the man page."""
    parser = _Parser(PROGRAM, description=help.ABOUT, formatter_class=_Form, allow_abbrev=False)
    _add(parser, COMMANDS["run"])
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for name, command in COMMANDS.items():
        made = commands.add_parser(name, help=_first_sentence(command.about), **_texts(name, command))
        _add(made, command)
    return parser


def _parser(name: str, command: _Command) -> argparse.ArgumentParser:
    parser = _Parser(f"{PROGRAM} {name}", **_texts(name, command))
    _add(parser, command)
    return parser


def _texts(name: str, command: _Command) -> dict[str, Any]:
    usage = f"{PROGRAM} {'[run]' if name == 'run' else name} [FLAGS]{command.arguments}"
    return {
        "usage": help.wrapped(f"  usage: {usage}", help.width()).strip().removeprefix("usage: "),
        "description": command.about,
        "epilog": command.end,
        "formatter_class": _Form,
        "allow_abbrev": False,
    }


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).partition(". ")[0].rstrip(".")


def _add(parser: argparse.ArgumentParser, command: _Command) -> None:
    """Add the flags of a command, and those that all commands have."""
    command.add_flags(parser)
    parser.add_argument(
        "--log.level",
        dest="log_level",
        type=values.level,
        choices=logs.LEVELS,
        default="info",
        metavar="LEVEL",
        help="debug, info (the default), warn or error",
    )
    parser.add_argument(
        "--log.format",
        dest="log_format",
        type=str.lower,
        choices=logs.FORMATS,
        default="logfmt",
        metavar="FORMAT",
        help="logfmt (the default) or json",
    )
    parser.add_argument(
        "--version", action="version", version=VERSION, help="print the versions of the exporter and of Python"
    )


def _unknown_command(name: str) -> str:
    if name.endswith((".yml", ".yaml")):
        return f"unknown command {name!r}; to use this configuration, pass --config.file={name}"
    close = get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the commands are {', '.join(COMMANDS)}"
    return f"unknown command {name!r}; {hint}"


def _unknown_argument(text: str, parser: argparse.ArgumentParser) -> str:
    name = text.partition("=")[0]
    if not name.startswith("-"):
        hint = f"; write the command first: {PROGRAM} {name} [FLAGS]" if name in COMMANDS else ""
        return f"unexpected {name!r}{hint}"
    near = [flag for flag in parser._option_string_actions if _is_near(name, flag)]
    return f"unknown flag {name!r}" + (f"; did you mean {near[0]}?" if len(near) == 1 else "")


def _is_near(name: str, flag: str) -> bool:
    """Whether `name` is `flag` misspelt, abbreviated or with other separators.

    The parts between separators are compared one by one. Letters alone are not enough: --web.config.file resembles
    --config.file, but other exporters have it for something else.
    """
    given, parts = (re.split(r"[-._]+", text.lower().lstrip("-")) for text in (name, flag))
    if "".join(given) == "".join(parts):
        return True
    near = all(get_close_matches(part, [wanted], cutoff=0.7) for part, wanted in zip(given, parts, strict=False))
    return near and len(given) <= len(parts) and len(flag) > len("-h")


def _run(parser: argparse.ArgumentParser) -> None:
    _config_file(parser)
    webflags.add(parser)


def _demo(parser: argparse.ArgumentParser) -> None:
    webflags.listen_address(parser, "default: 127.0.0.1:10870, or a free port if it is taken")
    parser.add_argument(
        "--simulator.listen-address",
        dest="simulator_listen_address",
        default="127.0.0.1:0",
        metavar="ADDRESS",
        help="address of the simulator (default: a free port on loopback)",
    )
    parser.add_argument(
        "--stack",
        action="store_true",
        help="also start Prometheus, Alertmanager and Grafana, if they are on the PATH",
    )
    _world(parser, speed=6.0)


def _simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--listen", default="127.0.0.1:10871", metavar="ADDRESS", help="default: 127.0.0.1:10871")
    parser.add_argument("--tasks", type=values.count, metavar="N", help="let only N tasks arrive (default: no limit)")
    parser.add_argument("--callback-url", metavar="URL", help="send events to this callback (default: send none)")
    parser.add_argument(
        "--callback-key-file", type=Path, metavar="FILE", help="file with the key that signs the events; needs a URL"
    )
    _world(parser, speed=1.0)


def _check_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the configuration file, in YAML")
    parser.add_argument(
        "--online", action="store_true", help="also ask VOD which operations the keys of each account may call"
    )
    webflags.config_file(parser, "also check this web configuration file, and the certificates that it names")


def _task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "task_id",
        nargs="+",
        type=values.vod_id,
        metavar="ID",
        help="TranscodeTaskId, as returned by SubmitTranscodeJobs",
    )
    _config_file(parser)
    parser.add_argument("--account", metavar="NAME", help="account to use, if the configuration has several")
    parser.add_argument("--json", action="store_true", help="print JSON in base units instead of a table")


def _tasks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        type=values.metrics_url,
        default="http://localhost:10870/metrics",
        metavar="URL",
        help="the exporter, or its metrics (default: http://localhost:10870/metrics)",
    )
    parser.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="CA of an exporter with https (default: well-known CAs)"
    )
    parser.add_argument(
        "--client-cert", type=Path, metavar="FILE", help="certificate and key, in one PEM file, if the exporter asks"
    )
    parser.add_argument("--user", metavar="NAME", help="user, if the exporter has passwords")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="file with the password of --user")
    parser.add_argument("--watch", action="store_true", help="print the list again every five seconds")
    parser.add_argument("--json", action="store_true", help="print JSON in base units instead of a table")


def _write(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=tuple(KINDS), metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder for the files; it is created")
    parser.add_argument("--overwrite", action="store_true", help="replace files that have other content")


def _state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("copy",), metavar="copy", help="copy the whole state")
    parser.add_argument("source", metavar="FROM", help="file of state.path, or postgresql:// URL")
    parser.add_argument("target", metavar="TO", help="file or URL without a state")


COMMANDS = {
    "run": _Command("serving", help.RUN, help.RUN_END, _run),
    "demo": _Command("demo", help.DEMO, "", _demo),
    "simulate": _Command("simulate", help.SIMULATE, help.SIMULATE_END, _simulate),
    "check-config": _Command("check", help.CHECK, help.CHECK_END, _check_config, " FILE"),
    "task": _Command("task", help.TASK, help.TASK_END, _task, " ID..."),
    "tasks": _Command("tasks", help.TASKS, help.TASKS_END, _tasks),
    "write": _Command("carried", help.WRITE, help.WRITE_END, _write, " KIND DIR"),
    "state": _Command("state", help.STATE, help.STATE_END, _state, " copy FROM TO"),
}


def _config_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        default=CONFIG_FILE,
        metavar="FILE",
        help=f"the configuration file, in YAML (default: {CONFIG_FILE})",
    )


def _world(parser: argparse.ArgumentParser, *, speed: float) -> None:
    parser.add_argument(
        "--scenario",
        choices=sorted(SCENARIOS),
        default="steady",
        metavar="NAME",
        help="what to simulate: steady (the default), burst (tasks in bursts), failures, stuck (jobs that never end), "
        "throttled (other applications use the quota), outage (VOD is down for 15 of every 30 minutes), late (VOD "
        "knows a task 90 s after its start)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="the same seed makes the same tasks (default: 1)"
    )
    parser.add_argument(
        "--speed",
        type=values.positive,
        default=speed,
        metavar="X",
        help=f"speed relative to real time (default: {speed:g})",
    )
