"""The flags `--web.*`: where and how the exporter serves HTTP."""

from __future__ import annotations

import argparse
from pathlib import Path
from urllib.parse import urlsplit

from exporter.command import values
from exporter.web.site import Site

LISTEN_ADDRESS = ":10870"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `run`."""
    _sockets(parser)
    _paths(parser)
    parser.add_argument(
        "--web.enable-lifecycle",
        dest="web_enable_lifecycle",
        action="store_true",
        help="allow POST /-/reload, which reloads the configuration",
    )
    parser.add_argument(
        "--web.grafana-url",
        dest="web_grafana_url",
        type=values.grafana_url,
        metavar="URL",
        help="Grafana with the dashboards of this project, such as https://grafana.example/grafana; jobs on the "
        "status page link to it (default: no links)",
    )


def _sockets(parser: argparse.ArgumentParser) -> None:
    sockets = parser.add_mutually_exclusive_group()
    listen_address(sockets, f"default: {LISTEN_ADDRESS}, all addresses of this machine")
    sockets.add_argument(
        "--web.systemd-socket",
        dest="web_systemd_socket",
        action="store_true",
        help="serve the sockets that systemd has opened for the exporter, instead of opening some",
    )
    config_file(
        parser, "TLS, passwords and headers, in the format of Prometheus's exporter-toolkit (default: plain HTTP)"
    )


def _paths(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--web.telemetry-path",
        dest="web_telemetry_path",
        type=values.telemetry_path,
        default="/metrics",
        metavar="PATH",
        help="path of the metrics (default: /metrics)",
    )
    parser.add_argument(
        "--web.external-url",
        dest="web_external_url",
        type=values.external_url,
        metavar="URL",
        help="how clients reach the exporter through a proxy, such as https://proxy.example/vod",
    )
    parser.add_argument(
        "--web.route-prefix",
        dest="web_route_prefix",
        type=values.route_prefix,
        metavar="PATH",
        help="prefix of all paths, such as /vod (default: the path of the external URL; / if the proxy removes it)",
    )


def site(args: argparse.Namespace) -> Site:
    """The URLs and paths that the flags set."""
    external, prefix = args.web_external_url, args.web_route_prefix
    return Site(
        telemetry_path=args.web_telemetry_path,
        grafana_url=args.web_grafana_url,
        external_url=external,
        route_prefix=urlsplit(external or "").path if prefix is None else prefix,
    )


def listen_address(parser: argparse._ActionsContainer, default: str) -> None:
    """Add the flag for listen addresses. Each use adds an address to a list; without it the value is None."""
    parser.add_argument(
        "--web.listen-address",
        dest="web_listen_address",
        action="append",
        metavar="ADDRESS",
        help=f"such as :10870, 127.0.0.1:10870 or [::1]:10870; repeat it for several addresses ({default})",
    )


def config_file(parser: argparse.ArgumentParser, explained: str) -> None:
    """Add the flag for the web configuration file. Without it the value is None."""
    parser.add_argument("--web.config.file", dest="web_config_file", type=Path, metavar="FILE", help=explained)
