"""While a start waits for its disk, probes are answered, and everything else is asked to come again."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from exporter.web import starting
from exporter.web.listener import listen, url
from exporter.web.starting import probes_answered
from exporter.websecurity.current import WebConfig
from tests.websecurity.conftest import TLS, write


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listen("127.0.0.1:0") as opened:
        yield opened


@pytest.mark.parametrize("prefix", ["", "/vod"])
def test_probes_are_answered_and_all_else_gets_503(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.setattr(starting, "SECONDS", 0.0)
    base = url(listener)
    with probes_answered([listener], prefix=prefix, web=None):
        for probe in ("healthy", "ready"):
            assert requests.get(f"{base}{prefix}/-/{probe}", timeout=60).status_code == 200
        for path in (f"{prefix}/metrics", f"{prefix}/", "/elsewhere", f"{prefix}/-/reload"):
            answer = requests.get(f"{base}{path}", timeout=60)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
            assert "waits for the disk of its state" in answer.text


def test_probes_are_answered_over_tls_if_the_web_configuration_file_asks_for_it(
    listener: socket.socket, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "SECONDS", 0.0)
    plain = url(listener)
    base = plain.replace("http:", "https:")
    with probes_answered([listener], prefix="", web=WebConfig(write(folder, TLS))):
        for path, status in {"/-/healthy": 200, "/-/ready": 200, "/metrics": 503}.items():
            assert requests.get(f"{base}{path}", timeout=60, verify=str(folder / "ca.crt")).status_code == status
        assert requests.get(f"{plain}/-/healthy", timeout=60).status_code == 400


def test_the_socket_stays_open_for_the_exporter(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that comes after the start has ended waits for the exporter."""
    monkeypatch.setattr(starting, "SECONDS", 0.0)
    with probes_answered([listener], prefix="", web=None):
        requests.get(f"{url(listener)}/-/ready", timeout=60)
    with socket.create_connection(listener.getsockname()), listener.accept()[0]:
        pass


def test_a_quick_start_serves_nothing(listener: socket.socket) -> None:
    with probes_answered([listener], prefix="", web=None):
        waiting = socket.create_connection(listener.getsockname())
    with waiting, listener.accept()[0] as accepted:
        waiting.sendall(b"x")
        assert accepted.recv(1) == b"x"
