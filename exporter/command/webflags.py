"""The flags `--web.*`: where and how the exporter serves HTTP."""

from __future__ import annotations

import argparse

from exporter.command import values

LISTEN_ADDRESS = ":10870"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `run`."""
    sockets = parser.add_mutually_exclusive_group()
    listen_address(sockets, f"default: {LISTEN_ADDRESS}, all addresses of this machine")
    sockets.add_argument(
        "--web.systemd-socket",
        dest="web_systemd_socket",
        action="store_true",
        help="serve the sockets that systemd has opened for the exporter, instead of opening some",
    )
    parser.add_argument(
        "--web.telemetry-path",
        dest="web_telemetry_path",
        type=values.telemetry_path,
        default="/metrics",
        metavar="PATH",
        help="path of the metrics (default: /metrics)",
    )
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


def listen_address(parser: argparse._ActionsContainer, default: str) -> None:
    """Add the flag for listen addresses. Each use adds an address to a list; without it the value is None."""
    parser.add_argument(
        "--web.listen-address",
        dest="web_listen_address",
        action="append",
        metavar="ADDRESS",
        help=f"such as :10870, 127.0.0.1:10870 or [::1]:10870; repeat it for several addresses ({default})",
    )
