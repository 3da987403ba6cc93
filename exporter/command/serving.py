"""The command `run`: serves the metrics until it is stopped, and reloads its configuration on SIGHUP."""

from __future__ import annotations

import argparse
import logging
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue

from exporter import __version__, config
from exporter.command import configured, webflags
from exporter.command.oddities import exposed
from exporter.command.signals import hangups, signals
from exporter.garbage import Garbage
from exporter.service import Exporter
from exporter.web.activation import inherited
from exporter.web.guard import Guard
from exporter.web.listener import listen_all, name
from exporter.web.server import Server
from exporter.web.starting import probes_answered
from exporter.websecurity.current import WebConfig

_log = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit status."""
    garbage = Garbage()
    with hangups() as received:
        web = configured.web(args)
        load = partial(_checked, args, web)
        settings = load()
        listeners = _listeners(args)
        site = webflags.site(args)
        with probes_answered(listeners, prefix=site.route_prefix, web=web), garbage.start():
            exporter = Exporter(settings, load, site=site)

        def reload() -> Sequence[str]:
            garbage.reloaded()
            return exporter.reload()

        app = exporter.interface.app(
            reload=reload if args.web_enable_lifecycle else None,
            guard=Guard(web) if web is not None else None,
            between_scrapes=garbage.between_scrapes,
        )
        server = Server(app, listeners, timeout=settings.scrape.timeout, crowd=exporter.interface.crowd, web=web)
        with signals(lambda: server.stop(timeout=exporter.interface.timeout)):
            threading.Thread(target=_follow, args=(received, reload), name="reload", daemon=True).start()
            state = str(settings.state.path or ("PostgreSQL" if settings.state.postgres is not None else "in memory"))
            address = ", ".join(map(name, listeners))
            _log.info("listening", extra={"address": address, "version": __version__, "state": state})
            server.serve_until_stopped()
            exporter.close()
            _log.info("stopped")
    return 0


def _listeners(args: argparse.Namespace) -> Sequence[socket.socket]:
    return inherited() if args.web_systemd_socket else listen_all(args.web_listen_address or [webflags.LISTEN_ADDRESS])


def _follow(hangups: SimpleQueue[None], reload: Callable[[], object]) -> None:
    """Reload after each SIGHUP. Several SIGHUPs during a reload cause only one further reload."""
    while True:
        hangups.get()
        while not hangups.empty():
            hangups.get()
        reload()


def _checked(args: argparse.Namespace, web: WebConfig | None) -> config.Settings:
    settings = configured.settings(args)
    for path in exposed(settings, web):
        _log.warning(
            "every user of this machine may read secrets; run chmod 600 on the file", extra={"file": str(path)}
        )
    return settings
