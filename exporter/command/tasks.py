"""The command `tasks`: asks a running exporter for its unfinished jobs, once or every five seconds."""

from __future__ import annotations

import argparse
import json
import sys
import time

from exporter.command import running, terminal
from exporter.command.access import Access
from exporter.command.signals import signals
from exporter.errors import ConfigError, UnreachableError


def run(args: argparse.Namespace) -> int:
    """Print the list, with `--watch` until a signal. Returns the exit status. Raises `UnreachableError`."""
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
