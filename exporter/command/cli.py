"""The entry point: runs the command that the arguments name, and turns its errors into lines and exit statuses."""

from __future__ import annotations

import argparse
import gc
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

import prometheus_client

from exporter.command import flags, logs
from exporter.command.complaints import complain
from exporter.errors import ExporterError


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
        status = _command(args.command)(args)
        sys.stdout.flush()
    except ExporterError as error:
        complain(*str(error).splitlines())
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


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    """The function of a command: `run` of the module with its name. Only this module and what it needs is imported.

    Imports make many objects that stay, so the garbage collector neither looks at them meanwhile nor later.
    """
    gc.disable()
    module = import_module(f"exporter.command.{flags.COMMANDS[name].module}")
    gc.freeze()
    gc.enable()
    command: Callable[[argparse.Namespace], int] = module.run
    return command
