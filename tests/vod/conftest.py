"""Scripted TCP servers, clients, and keys that contain the word canary, which tests search for in all output."""

from __future__ import annotations

import gzip
import math
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from exporter.deadline import Deadline
from exporter.errors import VodError
from exporter.keys import Key
from exporter.simulator.server import Simulator
from exporter.vod import sender
from exporter.vod.client import Client
from exporter.vod.credentials import ConfiguredKeys, Keys
from exporter.vod.limiter import Limiter
from exporter.vod.transport import Http
from tests.conftest import reserved_port

KEY_ID = "simulator"
SECRET = "canary+secret/=="
TOKEN = "canary+token/" + "T" * 900 + "=="


class Wire:
    """A TCP server on loopback. `answer` gets the connection after each request head; it returns True to keep it open.

    `answer` may be the bytes to send. With `tls`, connections are wrapped first; `greeting` is sent before any request,
    after a `delay` in seconds.
    """

    def __init__(
        self,
        answer: Callable[[Wire, socket.socket], object] | bytes,
        tls: ssl.SSLContext | None = None,
        *,
        greeting: bytes = b"",
        delay: float = 0.0,
        listen: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        self._answer = answer
        self._tls = tls
        self._greeting = greeting
        self._delay = delay
        self.stopping = threading.Event()
        self.connections = 0
        self.heads: list[bytes] = []
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(listen, backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._talk, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _talk(self, plain: socket.socket) -> None:
        connection = plain
        with suppress(OSError, ValueError):
            plain.settimeout(20)
            self.stopping.wait(self._delay)
            plain.sendall(self._greeting)
            if self._tls is not None:
                connection = self._tls.wrap_socket(plain, server_side=True)
                self._open.append(connection)
            while (head := read_head(connection)) is not None:
                self.heads.append(head)
                if isinstance(self._answer, bytes):
                    connection.sendall(self._answer)
                elif not self._answer(self, connection):
                    break
        connection.close()
        plain.close()

    def ended(self) -> bool:
        """Whether the server has closed all its connections."""
        return not any(thread.is_alive() for thread in list(self._threads)[1:])

    def drip(self, connection: socket.socket, data: bytes, *, interval: float = 0.02) -> None:
        """Send one byte at a time until the client closes the connection."""
        for place in range(len(data)):
            connection.sendall(data[place : place + 1])
            if self.stopping.wait(interval):
                return

    def stop(self) -> None:
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(5)


def read_head(connection: socket.socket) -> bytes | None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = connection.recv(1)
        if not part:
            return None
        head += part
    return head


def http_answer(body: bytes = b"{}", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An HTTP answer. `length` replaces the true Content-Length; below 0 there is no such header."""
    declared = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", *headers, *([f"Content-Length: {declared}"] if declared >= 0 else [])]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunks(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end


class Fake:
    """Credentials with several sets of keys; each renewal moves to the next set."""

    def __init__(self, *keys: Keys) -> None:
        self.all = keys
        self.renewals = 0

    def keys(self) -> Keys:
        return self.all[min(self.renewals, len(self.all) - 1)]

    def renew(self) -> None:
        self.renewals += 1


def a_task(world: Simulator) -> Any:
    return next(task for task in world.world.tasks if task.jobs)


def codes(observed: list[tuple[str, float | None, str | None]]) -> list[str | None]:
    return [code for _, _, code in observed]


@pytest.fixture
def wire() -> Iterator[Callable[..., Wire]]:
    """Starts servers, with the arguments of `Wire`, and stops them after the test."""
    started: list[Wire] = []

    def start(*arguments: Any, **more: Any) -> Wire:
        started.append(Wire(*arguments, **more))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of 127.0.0.1 on which nothing listens until the end of the test."""
    with reserved_port() as port:
        yield port


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment without proxy and CA bundle, and with an empty home folder, which is returned."""
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    for name in (*proxies, "NETRC", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def no_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    """No host name resolves. Addresses work."""
    resolve = socket.getaddrinfo

    def lookup(host: str, *arguments: Any) -> Any:
        if not host.replace(".", "").isdigit():
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *arguments)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)


@pytest.fixture
def observed() -> list[tuple[str, float | None, str | None]]:
    """The calls of the observer in this test: action, seconds, error code."""
    return []


@pytest.fixture
def clients(
    bare_environment: Path, observed: list[tuple[str, float | None, str | None]]
) -> Iterator[Callable[..., Client]]:
    """Creates clients, and closes them after the test. Keys are `credentials`, or the parameters of `configured`."""
    made: list[Client] = []

    def observer(*, action: str, seconds: float | None, error: VodError | None) -> None:
        observed.append((action, seconds, None if error is None else error.code))

    def make(
        endpoint: str, *, credentials: Any = None, limiter: Any = None, timeout: float = 20.0, **keys: str
    ) -> Client:
        client = Client(
            endpoint=endpoint,
            credentials=credentials or configured(**keys),
            limiter=limiter or Limiter(10_000),
            timeout=timeout,
            connections=8,
            observer=observer,
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


def configured(*, key_id: str = KEY_ID, secret: str = KEY_ID, token: str | None = None) -> ConfiguredKeys:
    return ConfiguredKeys(
        access_key_id=Key(key_id),
        access_key_secret=Key(secret),
        security_token=Key(token) if token is not None else None,
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts take hundredths of a second."""
    monkeypatch.setattr(sender, "_BACKOFF_SECONDS", 0.01)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """Creates the TLS context of a server with a certificate of `authority` for a host name."""

    def context(name: str = "127.0.0.1") -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(made)
        return made

    return context


@pytest.fixture
def trusted(authority: trustme.CA, bare_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients trust `authority`."""
    path = bare_environment / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))


@pytest.fixture(scope="session")
def answer() -> Callable[..., bytes]:
    return http_answer


@pytest.fixture(scope="session")
def chunked() -> Callable[..., bytes]:
    return chunks


@pytest.fixture(scope="session")
def bomb() -> bytes:
    """64 MiB of spaces in 64 KB of gzip."""
    return gzip.compress(b" " * 2**26, 9, mtime=0)


@pytest.fixture(scope="session")
def fake_credentials() -> type[Fake]:
    return Fake


@pytest.fixture(scope="session")
def rendered() -> Callable[[BaseException], str]:
    """Returns all output of an error: text and traceback, also of every cause and context."""

    def everything(error: BaseException) -> str:
        parts, todo, seen = [], [error], set()
        while todo:
            found = todo.pop()
            if id(found) in seen:
                continue
            seen.add(id(found))
            parts += [str(found), repr(found), repr(found.args), *traceback.format_exception(found)]
            inner = (found.__cause__, found.__context__, *found.args)
            todo += [part for part in inner if isinstance(part, BaseException)]
        return "\n".join(parts)

    return everything


@pytest.fixture
def http_() -> Iterator[Http]:
    made = Http(4)
    yield made
    made.close()


@pytest.fixture
def behind(wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Wire]:
    """Starts a scripted proxy, and sets it in the environment."""

    def start(does: Any) -> Any:
        proxy = wire(does)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//user:hush-proxy@"))
        return proxy

    return start


@pytest.fixture(scope="module")
def service() -> Iterator[Simulator]:
    with Simulator(quota=math.inf, history=3600.0) as simulator:
        simulator.clock.freeze()
        yield simulator


@pytest.fixture
def world(service: Simulator) -> Iterator[Simulator]:
    """A simulator with a stopped clock, no quota, some hundreds of videos and no faults."""
    yield service
    service.faults.clear()


@pytest.fixture
def vod(world: Simulator, clients: Callable[..., Client]) -> Client:
    return clients(world.url)


@pytest.fixture
def soon() -> Deadline:
    return Deadline.after(60)
