"""The command line: flags, subcommands, signals."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import prometheus_client

from exporter import __version__, config, demo, logs, tasktable, wiring
from exporter.deadline import Deadline
from exporter.errors import ConfigError, ExporterError
from exporter.metrics.telemetry import Telemetry
from exporter.simulator.scenario import SCENARIOS
from exporter.simulator.server import Simulator
from exporter.web.app import Interface
from exporter.web.listener import listen, parse
from exporter.web.server import Server

_log = logging.getLogger(__name__)

COMMANDS = ("run", "demo", "simulate", "check-config", "task")
CONFIG_FILE = "vod-transcode-exporter.yml"

_TOP = """\
Prometheus exporter for the transcode tasks of ApsaraVideo VOD.

commands:
  run                 serve metrics (the default: `vod-transcode-exporter --config.file=FILE`)
  demo                simulator and exporter on loopback, no account needed
  simulate            the simulator alone
  check-config FILE   exit 0, or every fault with file, line and key, exit 1
  task ID...          ask once, print tasks and jobs as a table
"""
_TOP_END = """\
`vod-transcode-exporter COMMAND --help` explains a command. To begin without an account: vod-transcode-exporter demo
"""
_RUN_END = """\
Prometheus scrapes it; each scrape makes it ask VOD about the tracked tasks. In prometheus.yml:

  scrape_configs:
    - job_name: vod-transcode
      static_configs:
        - targets: ["localhost:10870"]
"""
_DEMO_END = """\
Scrapes the exporter every few seconds, as Prometheus would, and tells what it finds.
"""
_SIMULATE_END = """\
The access key is `simulator`, its secret `simulator`. Besides the API it serves, for tests and benchmarks:

  GET  /simulator/truth      what is true of every task; ?summary=1 for the counts alone
  POST /simulator/faults     inject a fault, such as {"kind": "delay", "seconds": 2}; DELETE clears them
  POST /simulator/clock      {"frozen": true} stops the world, {"frozen": false} lets it go on
"""
_TASK_END = """\
Example: vod-transcode-exporter task --config.file=prod.yml b1b65ab107e14e7fa0f3dbb900f6c1fe
Exit status 1 where a task could not be read.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status. Errors of ours are lines on stderr that say what to do."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or (arguments[0] not in COMMANDS and arguments[0] not in ("-h", "--help", "--version")):
        arguments.insert(0, "run")
    args = _parser().parse_args(arguments)
    logs.set_up(level=args.log_level, format=args.log_format)
    prometheus_client.disable_created_metrics()  # a second series for each counter, which nobody asks for
    command: Callable[[argparse.Namespace], int] = args.run
    try:
        return command(args)
    except ExporterError as error:
        for line in str(error).splitlines():
            print(f"vod-transcode-exporter: {line}", file=sys.stderr)
        return 1


def _run(args: argparse.Namespace) -> int:
    settings = config.load(args.config_file)
    telemetry = Telemetry()
    scraper = wiring.scraper(settings, telemetry)
    interface = Interface(
        scraper,
        telemetry,
        timeout=settings.scrape.timeout,
        offset=settings.scrape.offset,
        telemetry_path=args.web_telemetry_path,
    )
    server = Server(interface.app(), listen(args.web_listen_address))
    _log.info("listening", extra={"address": args.web_listen_address, "version": __version__})
    with _stopped_by_signals(server.stop):
        server.serve_until_stopped()
    scraper.close()
    _log.info("stopped")
    return 0


def _demo(args: argparse.Namespace) -> int:
    with Simulator(
        listen=parse(args.simulator_listen_address),
        seed=args.seed,
        scenario=args.scenario,
        speed=args.speed,
        history=demo.HISTORY_SECONDS,
    ) as simulator:
        running = demo.Demo(simulator, args.web_listen_address)
        with _stopped_by_signals(running.stop):
            running.run(sys.stdout)
    return 0


def _simulate(args: argparse.Namespace) -> int:
    stopping = threading.Event()
    with Simulator(
        listen=parse(args.listen), seed=args.seed, scenario=args.scenario, speed=args.speed, tasks=args.tasks
    ) as simulator:
        print(f"simulating VOD at {simulator.url}, access key simulator, secret simulator", flush=True)
        with _stopped_by_signals(stopping.set):
            while not stopping.wait(1.0):
                pass
    return 0


def _check_config(args: argparse.Namespace) -> int:
    settings = config.load(args.file)
    count = len(settings.accounts)
    print(f"{args.file}: valid; {count} {'account' if count == 1 else 'accounts'}")
    return 0


def _task(args: argparse.Namespace) -> int:
    settings = config.load(args.config_file)
    accounts = {account.name: account for account in settings.accounts}
    if args.account is None and len(accounts) > 1:
        raise ConfigError([f"{args.config_file} has several accounts; choose with --account: {', '.join(accounts)}"])
    name = args.account or next(iter(accounts))
    if name not in accounts:
        raise ConfigError([f"{args.config_file} has no account {name!r}; it has: {', '.join(accounts)}"])
    client = wiring.client(accounts[name])
    found, faults = tasktable.ask(client, args.task_id, lambda: Deadline.after(settings.scrape.timeout))
    print(tasktable.as_json(found) if args.json else tasktable.as_table(found))
    for fault in faults:
        print(f"vod-transcode-exporter: {fault}", file=sys.stderr)
    return 1 if faults else 0


@contextlib.contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT call `stop`; a second one ends the process at once."""
    seen: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        if seen:
            os._exit(128 + number)
        seen.append(number)
        stop()

    handlers = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="vod-transcode-exporter",
        usage="vod-transcode-exporter [COMMAND] [FLAGS]",
        description=_TOP,
        epilog=_TOP_END,
        formatter_class=form,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"vod-transcode-exporter {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="", help=argparse.SUPPRESS)

    def command(name: str, run: Callable[[argparse.Namespace], int], about: str, end: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, description=about, epilog=end, formatter_class=form, allow_abbrev=False, help=argparse.SUPPRESS
        )
        added.set_defaults(run=run)
        added.add_argument("--log.level", dest="log_level", choices=logs.LEVELS, default="info", help="default: info")
        added.add_argument(
            "--log.format", dest="log_format", choices=logs.FORMATS, default="logfmt", help="default: logfmt"
        )
        return added

    run = command("run", _run, "Serve metrics.", _RUN_END)
    _config_file(run)
    _listen_address(run, ":10870")
    run.add_argument(
        "--web.telemetry-path",
        dest="web_telemetry_path",
        type=_path,
        default="/metrics",
        metavar="PATH",
        help="where metrics are served (default: /metrics)",
    )

    shown = command("demo", _demo, "Simulator and exporter on loopback; no account needed.", _DEMO_END)
    _listen_address(shown, "127.0.0.1:10870")
    shown.add_argument(
        "--simulator.listen-address",
        dest="simulator_listen_address",
        default="127.0.0.1:0",
        metavar="ADDRESS",
        help="where the simulator listens (default: a free port on loopback)",
    )
    _world(shown, speed=6.0)

    simulate = command("simulate", _simulate, "A VOD service over HTTP, without video.", _SIMULATE_END)
    simulate.add_argument("--listen", default="127.0.0.1:10871", metavar="ADDRESS", help="default: 127.0.0.1:10871")
    simulate.add_argument("--tasks", type=int, metavar="N", help="how many tasks ever arrive (default: no end)")
    _world(simulate, speed=1.0)

    check = command("check-config", _check_config, "Check a configuration file.", "")
    check.add_argument("file", type=Path, metavar="FILE")

    task = command("task", _task, "Ask VOD once about tasks and print them.", _TASK_END)
    _config_file(task)
    task.add_argument("--account", metavar="NAME", help="which account of the configuration (needed if it has several)")
    task.add_argument("--json", action="store_true", help="JSON instead of a table, in base units")
    task.add_argument("task_id", nargs="+", metavar="ID", help="TranscodeTaskId")
    return parser


def _config_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        default=Path(CONFIG_FILE),
        metavar="FILE",
        help=f"the configuration (default: {CONFIG_FILE})",
    )


def _listen_address(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--web.listen-address",
        dest="web_listen_address",
        default=default,
        metavar="ADDRESS",
        help=f"such as :10870, 127.0.0.1:10870 or [::1]:10870 (default: {default})",
    )


def _world(parser: argparse.ArgumentParser, *, speed: float) -> None:
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="steady", help="default: steady")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="same seed, same world (default: 1)")
    parser.add_argument(
        "--speed",
        type=_positive,
        default=speed,
        metavar="X",
        help=f"how many times faster than real time (default: {speed:g})",
    )


def _path(text: str) -> str:
    if not text.startswith("/") or text == "/":
        raise argparse.ArgumentTypeError(f"{text!r} is no path such as /metrics")
    return text


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return number
