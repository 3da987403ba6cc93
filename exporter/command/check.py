"""The command `check-config`: reports faults and likely mistakes, and asks VOD what the keys may do."""

from __future__ import annotations

import argparse
import sys

from exporter import config
from exporter.command import configured, terminal
from exporter.command.complaints import complain
from exporter.command.oddities import oddities
from exporter.command.permissions import permissions
from exporter.errors import ConfigError
from exporter.masks import mask
from exporter.text import clean
from exporter.websecurity.current import WebConfig


def run(args: argparse.Namespace) -> int:
    """Print what was found. Returns the exit status, 1 if an account cannot do its work. Raises `ConfigError`."""
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
    complain(*(f"warning: {text}" for text in (*oddities(settings, web), *warned)), *broken)
    return 1 if broken else 0


def _both_files(args: argparse.Namespace) -> tuple[config.Settings, WebConfig | None]:
    """The configuration and the web configuration. Raises `ConfigError` with the faults of both."""
    try:
        settings = config.load(args.file)
    except ConfigError as error:
        try:
            configured.web(args)
        except ConfigError as other:
            raise ConfigError([*error.faults, *other.faults]) from None
        raise
    return settings, configured.web(args)


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
