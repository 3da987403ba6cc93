"""The commands of the command line: each takes its parsed flags and returns the exit status."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import prometheus_client

from exporter import __version__, config, reading, wiring
from exporter.command import carried, demo, flags, logs, running, tasktable, terminal, webflags
from exporter.command.access import Access
from exporter.command.help import PROGRAM
from exporter.command.oddities import exposed, oddities
from exporter.command.permissions import permissions
from exporter.command.signals import hangups, signals
from exporter.deadline import Deadline
from exporter.errors import ConfigError, ExporterError, UnreachableError
from exporter.keys import Key
from exporter.masks import mask
from exporter.service import Exporter
from exporter.simulator.events import Events
from exporter.simulator.server import Simulator
from exporter.simulator.service import Options
from exporter.text import clean
from exporter.web.activation import inherited
from exporter.web.guard import Guard
from exporter.web.listener import listen_all, name, parse
from exporter.web.server import Server
from exporter.web.starting import probes_answered
from exporter.websecurity.current import WebConfig

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status. `arguments` defaults to the arguments of the process.

    An `ExporterError` becomes lines on stderr that say what to do, and exit status 1.
    """
    args = flags.parse(sys.argv[1:] if arguments is None else arguments)
    logs.set_up(level=args.log_level, format=args.log_format)
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call] # no query uses `_created` series
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the terminal may lack characters of VOD's text
    try:
        status = _COMMANDS[args.command](args)
        sys.stdout.flush()
    except ExporterError as error:
        _complain(*str(error).splitlines())
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of stdout has ended, as in `| head`. Python flushes stdout again at exit, which would fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        _forget_unwritten_log()
    return status


def _forget_unwritten_log() -> None:
    """Python flushes stderr at exit. If its reader has ended or the disk is full, the exit status would be 120."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _complain(*lines: str) -> None:
    for line in lines:
        print(terminal.coloured(f"{PROGRAM}: {mask(clean(line))}", sys.stderr, terminal.COMPLAINTS), file=sys.stderr)


def _run(args: argparse.Namespace) -> int:
    with hangups() as received:
        web = _web(args)
        load = partial(_checked_settings, args, web)
        settings = load()
        listeners = _listeners(args)
        site = webflags.site(args)
        with probes_answered(listeners, prefix=site.route_prefix, web=web):
            exporter = Exporter(settings, load, site=site)
        app = exporter.interface.app(
            reload=exporter.reload if args.web_enable_lifecycle else None,
            guard=Guard(web) if web is not None else None,
        )
        server = Server(app, listeners, timeout=settings.scrape.timeout, crowd=exporter.interface.crowd, web=web)
        with signals(lambda: server.stop(timeout=exporter.interface.timeout)):
            threading.Thread(target=_follow, args=(received, exporter.reload), name="reload", daemon=True).start()
            state = str(settings.state.path or "in memory")
            address = ", ".join(map(name, listeners))
            _log.info("listening", extra={"address": address, "version": __version__, "state": state})
            server.serve_until_stopped()
            exporter.close()
            _log.info("stopped")
    return 0


def _web(args: argparse.Namespace) -> WebConfig | None:
    return WebConfig(args.web_config_file) if args.web_config_file is not None else None


def _listeners(args: argparse.Namespace) -> Sequence[socket.socket]:
    return inherited() if args.web_systemd_socket else listen_all(args.web_listen_address or [webflags.LISTEN_ADDRESS])


def _follow(hangups: SimpleQueue[None], reload: Callable[[], object]) -> None:
    """Reload after each SIGHUP. Several SIGHUPs during a reload cause only one further reload."""
    while True:
        hangups.get()
        while not hangups.empty():
            hangups.get()
        reload()


def _demo(args: argparse.Namespace) -> int:
    os.environ["no_proxy"] = "*"  # the demo only makes requests to loopback
    listen = parse(args.simulator_listen_address)
    world: Options = {
        "seed": args.seed,
        "scenario": args.scenario,
        "speed": args.speed,
        "history": demo.HISTORY_SECONDS,
    }
    with signals(hangup=True) as stopped, Simulator(listen=listen, **world) as simulator:
        try:
            demo.Demo(simulator, args.web_listen_address or (), stack=args.stack).run(sys.stdout, stopped)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise BrokenPipeError from None  # EIO: the terminal was closed
    return 0


def _simulate(args: argparse.Namespace) -> int:
    world: Options = {"seed": args.seed, "scenario": args.scenario, "speed": args.speed, "tasks": args.tasks}
    if (args.callback_url is None) != (args.callback_key_file is None):
        raise ConfigError(["--callback-url and --callback-key-file belong together; give both or neither"])
    with ExitStack() as running:
        stopped = running.enter_context(signals())
        simulator = running.enter_context(Simulator(listen=parse(args.listen), **world))
        if args.callback_url is not None:
            try:
                key = Key(args.callback_key_file).read()
            except ValueError as error:
                raise ConfigError(
                    [f"--callback-key-file: {args.callback_key_file} {error}; give a file with the key"]
                ) from None
            events = Events(simulator.world, url=args.callback_url, key=key)
            events.start()
            running.callback(events.stop)
        print(_SIMULATING.format(url=simulator.url), flush=True)
        while not stopped():
            time.sleep(0.1)
    return 0


_SIMULATING = """\
Simulating VOD at {url}, access key simulator, secret simulator. Configure the exporter with:

  accounts:
    - name: simulated
      endpoint: {url}
      credentials: {{access_key_id: simulator, access_key_secret: simulator}}

{url}/simulator/truth shows the true state of all tasks, {url}/ lists all paths. Press Ctrl-C to stop.
"""


def _check_config(args: argparse.Namespace) -> int:
    settings, web = _both_files(args)
    count = len(settings.accounts)
    print(f"{args.file}: valid; {count} {'account' if count == 1 else 'accounts'}")
    if web is not None:
        security = web.check()
        users = len(security.settings.basic_auth_users)
        named = f"{users or 'no'} {'user' if users == 1 else 'users'}"
        print(f"{args.web_config_file}: valid; {'HTTPS' if security.context else 'plain HTTP'}, {named}")
    for account in settings.accounts if not args.online else ():
        print(f"account {account.name}: {account.url}")
    warned, broken = _check_online(settings) if args.online else ([], [])
    sys.stdout.flush()
    _complain(*(f"warning: {text}" for text in (*oddities(settings, web), *warned)), *broken)
    return 1 if broken else 0


def _both_files(args: argparse.Namespace) -> tuple[config.Settings, WebConfig | None]:
    """The configuration and the web configuration. Raises `ConfigError` with the faults of both."""
    try:
        settings = config.load(args.file)
    except ConfigError as error:
        try:
            _web(args)
        except ConfigError as other:
            raise ConfigError([*error.faults, *other.faults]) from None
        raise
    return settings, _web(args)


def _check_online(settings: config.Settings) -> tuple[list[str], list[str]]:
    """Print what each account may do. Returns a warning for each that VOD throttled, and a line for each that cannot
    do its work.
    """
    warned, broken = [], []
    for account, found in permissions(settings):
        print(f"account {account.name}: {account.url}")
        width = max(len(permission.action) for permission in found)
        for permission in found:
            line = f"  {permission.action:{width}}  {mask(clean(permission.text))}"
            print(terminal.coloured(line, sys.stdout, terminal.STATUSES), flush=True)
        if not all(permission.known for permission in found):
            warned.append(f"account {account.name}: VOD throttled the check, so not all is known; repeat it later")
        if any(permission.broken for permission in found):
            broken.append(f"account {account.name} cannot do its work; the lines above say why")
    return warned, broken


def _task(args: argparse.Namespace) -> int:
    settings = _settings(args)
    accounts = {account.name: account for account in settings.accounts}
    if args.account is None and len(accounts) > 1:
        raise ConfigError([f"{args.config_file} has several accounts; choose with --account: {', '.join(accounts)}"])
    chosen = args.account or next(iter(accounts))
    if chosen not in accounts:
        raise ConfigError([f"{args.config_file} has no account {chosen!r}; its accounts are: {', '.join(accounts)}"])
    with contextlib.closing(wiring.client(accounts[chosen], settings.scrape)) as client:
        found, faults = tasktable.ask(client, args.task_id, lambda: Deadline.after(settings.scrape.timeout))
    if args.json:
        print(tasktable.as_json(found))
    elif found:
        print(terminal.coloured(tasktable.as_table(found), sys.stdout, terminal.STATUSES))
    sys.stdout.flush()
    _complain(*faults)
    return 1 if faults else 0


def _tasks(args: argparse.Namespace) -> int:
    if not args.watch:
        print(_running_now(args, running.read(args.url, _access(args))))
        return 0
    with signals(hangup=True) as stopped, terminal.screen(sys.stdout):
        while not stopped():
            terminal.redraw(sys.stdout, _watched(args))
            until = time.monotonic() + running.WATCH_SECONDS
            while not stopped() and time.monotonic() < until:
                time.sleep(0.05)
    return 0


def _access(args: argparse.Namespace) -> Access:
    if (args.user is None) != (args.password_file is None):
        raise ConfigError(["--user and --password-file belong together; give both or neither"])
    return Access(args.ca_file, args.client_cert, args.user, args.password_file)


def _watched(args: argparse.Namespace) -> str:
    """The list, or why there is none: the exporter may start again."""
    try:
        return _running_now(args, running.read(args.url, _access(args)))
    except UnreachableError as error:
        return json.dumps({"error": str(error)}) if args.json else str(error)


def _running_now(args: argparse.Namespace, found: running.Running) -> str:
    """The list as JSON, or as a table for the present size of the terminal."""
    if args.json:
        return running.as_json(found)
    size = terminal.size(sys.stdout)
    columns, lines = (size.columns, size.lines - 1 if args.watch else None) if size else (None, None)
    table = running.as_table(found, now=time.time(), columns=columns, lines=lines)
    return terminal.coloured(table, sys.stdout, terminal.RUNNING)


def _write(args: argparse.Namespace) -> int:
    for path, result in carried.write(args.kind, args.folder, overwrite=args.overwrite):
        print(f"{result} {path}")
    return 0


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "demo": _demo,
    "simulate": _simulate,
    "check-config": _check_config,
    "task": _task,
    "tasks": _tasks,
    "write": _write,
}


def _checked_settings(args: argparse.Namespace, web: WebConfig | None) -> config.Settings:
    settings = _settings(args)
    for path in exposed(settings, web):
        _log.warning(
            "every user of this machine may read secrets; run chmod 600 on the file", extra={"file": str(path)}
        )
    return settings


def _settings(args: argparse.Namespace) -> config.Settings:
    path: Path = args.config_file
    if path == flags.CONFIG_FILE and _is_missing(path):
        raise ConfigError(
            [f"no {path} in this folder; pass your configuration with --config.file=FILE, or try the demo command"]
        )
    return config.load(path)


def _is_missing(path: Path) -> bool:
    try:
        reading.status(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # what is wrong with the file is a fault of the configuration
    return False
