"""Sockets that systemd passes: taken over if the variables are for this process, refused with a remedy otherwise."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from exporter.errors import ListenError
from exporter.web import activation
from exporter.web.activation import inherited
from tests.conftest import exporter_command

FIRST = 200  # tests have other files open at descriptor 3


@pytest.fixture
def listeners(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[socket.socket]]:
    """Two listening sockets, at the first descriptors that systemd would pass."""
    monkeypatch.setattr(activation, "FIRST_DESCRIPTOR", FIRST)
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    for number, listener in enumerate(opened):
        os.dup2(listener.fileno(), FIRST + number)
    yield opened
    for listener in opened:
        listener.close()
    for number in (FIRST, FIRST + 1):
        os.set_inheritable(number, True)  # raises if something has closed it
        os.close(number)


def environ(count: str = "2", process: int | None = None) -> dict[str, str]:
    return {"LISTEN_FDS": count, "LISTEN_PID": str(process or os.getpid()), "LISTEN_FDNAMES": "http:tls"}


def detached(found: list[socket.socket]) -> list[object]:
    """The addresses, after the sockets have given their descriptors back to the fixture."""
    names = [listener.getsockname() for listener in found]
    for listener in found:
        listener.detach()
    return names


def test_all_sockets_are_taken_and_no_child_process_gets_them(listeners: list[socket.socket]) -> None:
    given = {**environ(), "HOME": "/root"}
    found = inherited(given)
    assert not any(os.get_inheritable(listener.fileno()) for listener in found)
    assert detached(found) == [listener.getsockname() for listener in listeners]
    assert given == {"HOME": "/root"}


@pytest.mark.parametrize(
    "given", [{}, environ(process=1), environ(count="0"), environ(count="-1"), environ(count="9" * 40)]
)
def test_a_start_without_sockets_is_refused(given: dict[str, str]) -> None:
    """Also if the variables are for another process: a wrapper that has not passed the sockets on."""
    with pytest.raises(ListenError, match=r"start the exporter by a \.socket unit, or leave --web.systemd-socket out"):
        inherited(given)


def test_a_descriptor_that_listens_for_nothing_is_refused(listeners: list[socket.socket], tmp_path: Path) -> None:
    """A file, a connection (Accept=yes), a socket of datagrams, and a socket of the file system."""
    client, server = socket.socketpair()
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "socket"))
    unix.listen()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with (tmp_path / "file").open("w") as file, client, server, unix, datagrams:
        for given, reason in ((file, "not a socket"), (server, "TCP"), (unix, "TCP"), (datagrams, "TCP")):
            os.dup2(given.fileno(), FIRST)
            with pytest.raises(ListenError, match=rf"{reason}.*; write ListenStream= .* Accept=no"):
                inherited(environ(count="1"))
            if given is not file:
                os.dup2(listeners[0].fileno(), FIRST)  # the refused socket was closed


@pytest.mark.slow
def test_the_exporter_serves_a_socket_that_was_open_before_it(tmp_path: Path) -> None:
    """As systemd starts it: a request that came before the exporter is answered as soon as it runs."""
    config = tmp_path / "exporter.yml"
    config.write_text("accounts: [{name: a, endpoint: 'http://127.0.0.1:9'}]\n")
    config.chmod(0o600)
    command = [*exporter_command(), f"--config.file={config}", "--web.systemd-socket"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        start = (
            f"import os; os.dup2({number}, 3); os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); "
            f"os.execv({sys.executable!r}, {command!r})"
        )
        with subprocess.Popen([sys.executable, "-c", start], pass_fds=[number], cwd=tmp_path) as process:
            try:
                url = f"http://127.0.0.1:{listener.getsockname()[1]}"
                assert requests.get(f"{url}/-/ready", timeout=60).status_code == 200
            finally:
                process.terminate()
    assert process.returncode == 0
