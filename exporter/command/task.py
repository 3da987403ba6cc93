"""The command `task`: asks VOD about tasks, once."""

from __future__ import annotations

import argparse
import contextlib
import sys

from exporter import wiring
from exporter.command import configured, tasktable, terminal
from exporter.command.complaints import complain
from exporter.deadline import Deadline
from exporter.errors import ConfigError


def run(args: argparse.Namespace) -> int:
    """Print the tasks. Returns the exit status, 1 if one was not found. Raises `ConfigError`."""
    settings = configured.settings(args)
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
    complain(*faults)
    return 1 if faults else 0
